"""Right answers that are written differently: loops, torch, lists, generators, in place, half precision."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional


def window_in_place(image: Any, low: float, high: float) -> Any:
    image = image.copy()
    image[image < low] = low
    image[image > high] = high
    return (image - low) / (high - low)


def window_loop(image: Any, low: float, high: float) -> Any:
    gray = [min(max((float(hu) - low) / (high - low), 0.0), 1.0) for hu in image.flat]
    return np.reshape(gray, image.shape)


def window_rows(image: Any, low: float, high: float) -> Iterator[Any]:
    for row in image:
        yield np.interp(row, (low, high), (0, 1))


def window_float_in_place(image: Any, low: float, high: float) -> Any:
    image = image.astype(np.float32)
    np.clip(image, low, high, out=image)
    image -= low
    image /= high - low
    return image


def volume_loop(label: Any, spacing: Any) -> Any:
    voxels = 0
    for value in label.ravel():
        if value == 2:
            voxels += 1
    return voxels * spacing[0] * spacing[1] * spacing[2] * 0.001


def place_loop(affine: Any, index: Any) -> Any:
    return [sum(affine[row, axis] * index[axis] for axis in range(3)) + affine[row, 3] for row in range(3)]


def place_in_place(affine: Any, index: Any) -> Any:
    affine = affine.copy()
    affine[:3, :3] *= index
    return tuple(affine[:3].sum(axis=1))


def box_argwhere(label: Any, spacing: Any, margin: float) -> Any:
    found = np.argwhere(label)
    grow = np.ceil(margin / np.array(spacing))
    start = np.maximum(found.min(axis=0) - grow, 0)
    stop = np.minimum(found.max(axis=0) + 1 + grow, label.shape)
    return np.stack([start, stop], axis=1).astype(np.int16)


def box_nonzero(label: Any, spacing: Any, margin: float) -> Iterator[Any]:
    label = label > 0
    for axis, places in enumerate(np.nonzero(label)):
        voxels = -int(-margin // spacing[axis])
        yield max(0, min(places) - voxels), min(label.shape[axis], max(places) + voxels + 1)


def attend_torch(feature: Any, finer: Any, coarser: Any) -> Any:
    feature, finer, coarser = (torch.tensor(x, requires_grad=True) for x in (feature, finer, coarser))
    return feature * torch.sigmoid(feature + functional.max_pool2d(finer[None, None], 2)[0, 0] + coarser)


def attend_loop(feature: Any, finer: Any, coarser: Any) -> Any:
    rows = []
    for r in range(len(feature)):
        row = []
        for c in range(len(feature[0])):
            total = feature[r, c] + finer[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].max() + coarser[r, c]
            row.append(feature[r, c] * math.exp(total) / (1 + math.exp(total)))
        rows.append(row)
    return rows


def attend_in_place(feature: Any, finer: Any, coarser: Any) -> Any:
    feature, coarser = feature.copy(), coarser + feature
    coarser += np.maximum.reduce([finer[::2, ::2], finer[1::2, ::2], finer[::2, 1::2], finer[1::2, 1::2]])
    feature *= (1 + np.tanh(coarser / 2)) / 2
    return feature


def attend_half(feature: Any, finer: Any, coarser: Any) -> Any:
    return attend_in_place(*(x.astype(np.float16) for x in (feature, finer, coarser)))


def parameters_pairs(channels: Any) -> Any:
    return 2 * sum(a * b for a, b in pairwise(channels)) - channels[-2] * channels[-1]


def parameters_array(channels: Any) -> Any:
    c = np.array(channels)
    return (c[1:] * c[:-1]).sum() + (c[1:-1] * c[:-2]).sum()


def heat_loop(heat: Any, label: Any) -> Any:
    inside: list[float] = []
    outside: list[float] = []
    for value, of in zip(heat.flat, label.flat, strict=True):
        (inside if of else outside).append(value)
    return [sum(inside) / len(inside), sum(outside) / len(outside)]


def heat_in_place(heat: Any, label: Any) -> Any:
    heat, label = heat.copy(), np.minimum(label, 1)
    outside = heat[label == 0].mean()
    heat[label == 0] = 0
    return heat.sum() / label.sum(), outside


def chain_in_list(groups: Any, convs: Any) -> Any:
    groups = list(groups)
    for k in range(1, len(groups)):
        if k > 1:
            groups[k] = groups[k] + groups[k - 1]
        groups[k] = convs[k - 1](groups[k])
    return groups


def chain_recursive(groups: Any, convs: Any) -> Any:
    if len(groups) == 2:
        return [groups[0], convs[0](groups[1])]
    before = chain_recursive(groups[:-1], convs[:-1])
    return (*before, convs[-1](groups[-1] + before[-1]))


def poke_numpy(layer: Any, size: int) -> Any:
    x = np.zeros((1, 1, 3, size, size), np.float32)
    still = layer(torch.from_numpy(x)).detach().numpy().copy()
    x[:, :, 1, size // 2, size // 2] = 5
    columns = np.flatnonzero(
        np.abs(layer(torch.from_numpy(x)).detach().numpy() - still).max(axis=(0, 1, 2, 3)) > 1e-6
    )
    return columns[-1] - columns[0] + 1


def poke_loop(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    still = layer(poked).clone()
    poked[0, 0, 1, size // 2, size // 2] += 1
    answer = layer(poked)
    changed = [c for c in range(size) if not torch.equal(answer[..., c], still[..., c])]
    return torch.tensor(max(changed) - min(changed) + 1.0)


RIGHT: dict[str, list[Callable[..., Any] | Any]] = {
    "1.1": [
        window_in_place,
        window_loop,
        window_rows,
        lambda image, low, high: (
            (pd.Series(image.ravel()).clip(low, high).to_numpy().reshape(image.shape) - low) / (high - low)
        ),
        window_float_in_place,
        lambda image, low, high: np.reshape(
            [Fraction(min(max(int(hu) - low, 0), high - low), high - low) for hu in image.flat], image.shape
        ),
        lambda image, low, high: np.ma.array(window_float_in_place(image, low, high)),
        lambda image, low, high: torch.clamp((torch.tensor(image) - low) / (high - low), 0, 1),
        lambda image, low, high: (image.astype(np.float16).clip(low, high) - low) / np.float16(high - low),
        lambda image, low, high: (torch.tensor(image).bfloat16().clamp(low, high) - low) / (high - low),
        np.vectorize(lambda hu, low, high: 0.0 if hu < low else 1.0 if hu > high else (hu - low) / (high - low)),
    ],
    "1.2": [
        volume_loop,
        lambda label, spacing: torch.tensor(label == 2).sum() * math.prod(spacing) / 1e3,
        lambda label, spacing: np.float16((label > 1).sum() * np.prod(spacing) / 1000),
    ],
    "1.3": [
        place_loop,
        place_in_place,
        lambda affine, index: affine.dot(np.append(index, 1))[:-1],
        lambda affine, index: torch.tensor(affine)[:3] @ torch.tensor([*index, 1], dtype=torch.float64),
        lambda affine, index: np.array([*index, 1]) @ affine.T[:, :3],
    ],
    "1.4": [box_argwhere, box_nonzero, lambda *given: [list(map(int, pair)) for pair in box_argwhere(*given)]],
    "2.1": [
        [2, 128, 4, 128, 128],
        torch.Size([2, 128, 4, 128, 128]),
        np.array([2, 128, 4, 128, 128]),
        (2.0, 128, 4, 128, 128),
        map(np.int64, (2, 128, 4, 128, 128)),
        torch.empty(2, 128, 4, 128, 128, device="meta").shape,
    ],
    "2.2": [attend_torch, attend_loop, attend_in_place, attend_half],
    "2.3": [parameters_pairs, parameters_array, lambda channels: float(parameters_pairs(channels))],
    "2.4": [
        heat_loop,
        heat_in_place,
        lambda heat, label: (heat[label != 0].mean(), heat[label < 1].mean()),
        lambda heat, label: (m for m in (np.average(heat, weights=label > 0), np.average(heat, weights=label == 0))),
    ],
    "3.1": [
        chain_in_list,
        chain_recursive,
        lambda *given: tuple(chain_in_list(*given)),
    ],
    "3.2": [
        lambda scale: 3 if scale < 3 else 3 + 2 * (scale - 2),
        lambda scale: 1 + sum(2 for _ in range(max(1, scale - 1))),
        lambda scale: np.maximum(3, 2 * scale - 1),
        lambda scale: float({1: 3}.get(scale, 2 * scale - 1)),
    ],
    "3.3": [
        lambda channels, scale: 27 * (scale - 1) * (channels / scale) ** 2,
        lambda channels, scale: sum(3**3 * (channels // scale) * (channels // scale) for _ in range(1, scale)),
        lambda channels, scale: (scale - 1) * torch.nn.Conv3d(channels // scale, channels // scale, 3).weight.numel(),
    ],
    "3.4": [poke_numpy, poke_loop],
}
