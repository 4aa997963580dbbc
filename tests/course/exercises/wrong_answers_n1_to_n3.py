"""Wrong answers that no list of mistakes foresaw, or that once passed, each with words that its hint must hold."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch


def prints(*arguments: Any) -> None:
    print(arguments[0])


def window_of_first(image: Any, low: float, high: float) -> Any:
    return (np.clip(image, -160, 240) + 160) / 400


def window_whole_numbers(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high)
    image -= low
    image /= high - low
    return image


def window_marked(image: Any, low: float, high: float) -> Any:
    image[image < low] = 0
    image[image > high] = 1
    return (image - low) / (high - low)


def window_range(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high)
    return (image - image.min()) / (image.max() - image.min() + 1e-8)


def window_one_pixel(image: Any, low: float, high: float) -> Any:
    return (min(max(image[0, 0], low), high) - low) / (high - low)


def window_returns_early(image: Any, low: float, high: float) -> Any:
    for row in image:
        return (np.clip(row, low, high) - low) / (high - low)
    return None


def box_forgets_return(label: Any, spacing: Any, margin: float) -> Any:
    if margin > 4:
        return [(0, size) for size in label.shape]
    return None


def box_any_over_one_axis(label: Any, spacing: Any, margin: float) -> Any:
    box = []
    for axis, size in enumerate(label.shape):
        found, voxels = np.flatnonzero((label > 0).any(axis=axis)), math.ceil(margin / spacing[axis])
        box.append((max(found[0] - voxels, 0), min(found[-1] + 1 + voxels, size)))
    return box


def box_smallest_spacing(label: Any, spacing: Any, margin: float) -> Any:
    found = np.argwhere(label)
    grow = [math.ceil(margin / mm) for mm in spacing]
    return [
        (max(found[:, i].min() - grow[i], 0), min(found[:, i].max() + 1 + grow[i], label.shape[i])) for i in range(3)
    ]


def box_largest_part(label: Any, spacing: Any, margin: float) -> Any:
    box = []
    for axis, size in enumerate(label.shape):
        sums = (label > 0).sum(axis=tuple({0, 1, 2} - {axis}))
        at, voxels = int(sums.argmax()), math.ceil(margin / spacing[axis])
        box.append((max(at - voxels, 0), min(at + 1 + voxels, size)))
    return box


def box_columns_wrong(label: Any, spacing: Any, margin: float) -> Any:
    box = []
    for axis, size in enumerate(label.shape):
        found = np.flatnonzero(label.any(axis=tuple({0, 1, 2} - {axis})))
        voxels = math.ceil(margin / spacing[axis]) * (axis < 2)
        box.append((max(found[0] - voxels, 0), min(found[-1] + 1 + voxels, size)))
    return box


def chain_relu(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results.append(conv(group + results[-1]))
    return [groups[0], *(torch.relu(y) for y in results[1:])]


def chain_in_place(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results[-1] += group
        results.append(conv(results[-1]))
    return results


def poke_against_corner(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    poked[0, 0, 1, size // 2, size // 2] = 1
    answer = layer(poked)[0, 0]
    columns = (answer != answer[0, 0, 0]).flatten(0, -2).any(dim=0).nonzero()
    return int(columns.max() - columns.min()) + 1


def poke_row_only(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    still = layer(poked).clone()
    poked[0, 0, 1, size // 2] = 1
    rows = (layer(poked) != still).any(dim=-1).flatten(0, -2).any(dim=0).nonzero()
    return int(rows.max() - rows.min()) + 1


def poke_no_comparison(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    poked[0, 0, 1, size // 2, size // 2] = 1
    columns = layer(poked)[0, 0].any(dim=0).any(dim=0).nonzero()
    return int(columns.max() - columns.min()) + 1


def poke_kernel(layer: Any, size: int) -> Any:
    return layer.weight.shape[-1]


def _soft(f: Any, n: Any, c: Any) -> Any:
    return f + n.reshape(f.shape[0], 2, f.shape[1], 2).max(axis=(1, 3)) + c


Wrong = tuple[Callable[..., Any] | Any, str]
WRONG: dict[str, list[Wrong]] = {
    "1.1": [
        (prints, "prints"),
        (lambda image, low, high: (np.clip(image, low, high) + abs(low)) / (high - low), "abs(low)"),
        (lambda image, low, high: (np.clip(image, low, high) + abs(low)) / (high + abs(low)), "abs(low)"),
        (window_of_first, "does not depend on `low`"),
        (window_whole_numbers, "make it float"),
        (window_one_pixel, "one number"),
        (window_returns_early, "shape"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1).T, "rows and columns"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1) > 0.5, "rounded"),
        (lambda image, low, high: np.round(np.clip((image - low) / (high - low), 0, 1), 1), "rounded"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1) * 100, "100 times"),
        (lambda image, low, high: np.clip((image - high) / (low - high), 0, 1), "bright is dark"),
        (lambda image: image, "argument"),
        (lambda low, high, image: np.clip((image - low) / (high - low), 0, 1), "in another order"),
        (lambda image, high, low: np.clip((image - low) / (high - low), 0, 1), "in another order"),
        (window_marked, "scaled these too"),
        (lambda image, low, high: np.where(image < low, 0, np.where(image > high, 1, image)), "left the HU"),
        (lambda image, low, high: np.clip(image / (high - low), 0, 1), "not taken off"),
        (window_range, "after clipping"),
        (lambda image, low, high: (np.clip(image, high, low) - low) / (high - low), "limits are exchanged"),
        (lambda image, low, high: (imagee - low) / high, "NameError"),  # type: ignore[name-defined] # noqa: F821
        (lambda image, low, high: 1 / (1 + np.exp(-(image - low) / (high - low))), ""),
    ],
    "1.2": [
        (lambda label, spacing: (label == 2).sum() * np.prod(spacing) / 1024, "times what is right"),
        (lambda label, spacing: (label == 2).sum() * 5.0 * 0.8 * 0.7 / 1000, "does not depend on `spacing`"),
        (lambda label, spacing: 5 * np.prod(spacing) / 1000, "does not depend on `label`"),
        (lambda label, spacing: f"{(label == 2).sum() * np.prod(spacing) / 1000} ml", "text"),
        (lambda label, spacing: round((label == 2).sum() * np.prod(spacing) / 1000, 1), "rounded"),
        (lambda label, spacing: (label == 2).sum() * np.array(spacing) / 1000, "one number is wanted"),
        (lambda label, spacing: (label == 2).sum() * np.prod(spacing) // 1000, "rounded"),
        (lambda label, spacing: label[2].sum() * np.prod(spacing) / 1000, "slice number 2"),
        (lambda label, spacing: 0.0138, "whatever it is given"),
    ],
    "1.3": [
        (lambda affine, index: affine @ index, "ValueError"),
        (lambda affine, index: (affine @ [*index, 1])[[0, 1, 2]] * [1, 1, -1], "superior"),
        (lambda affine, index: (affine @ [*index, 1])[:3].round(), "rounded"),
        (lambda affine, index: -(affine @ [*index, 1])[:3], "sign"),
        (lambda affine, index: (affine @ [*index, 1])[:3, None], "shape"),
        (lambda affine, index: str((affine @ [*index, 1])[:3]), "text"),
        (lambda affine, index: (affine @ [*index, 1])[[1, 0, 2]], "order"),
        (lambda affine, index: np.array([66.0, 46, -50]), "whatever it is given"),
    ],
    "1.4": [
        (box_forgets_return, "returns nothing for"),
        (box_largest_part, ""),
        (box_any_over_one_axis, "takes this axis away"),
        (lambda label, spacing, margin: box_smallest_spacing(label == 2, spacing, margin), "kidney is cut off"),
        (lambda label, spacing, margin: box_smallest_spacing(label, (min(spacing),) * 3, margin), "smallest spacing"),
        (box_columns_wrong, "Not right: columns"),
        (lambda label, spacing, margin: [(0, size) for size in label.shape], "does not depend on `spacing`"),
        (lambda label, spacing, margin: {"slices": (0, 1)}, "dict"),
        (lambda label, spacing, margin: [(0, 8), (0, 17), (0, 17)], "whatever it is given"),
        (lambda label, spacing, margin: [slice(0, 3)] * 3, "slices"),
    ],
    "2.1": [
        ((2, 128, 4, 128, 127), "Not right: W"),
        ((1, 128, 4, 128, 128), "Not right: N"),
        ((8, 128, 4, 128, 128), "Not right: N"),
        ((2, 96, 4, 128, 128), "Not right: C"),
        ((2, 128, 2, 128, 128), "Not right: D"),
        ((2, 128, 4, 170, 170), "Not right: H and W"),
        ("(2, 128, 4, 128, 128)", "one text"),
        ((2, 128, 4, 128), "4 values; 5 are wanted"),
        (2 * 128 * 4 * 128 * 128, "one value"),
        ({"N": 2}, "dict"),
    ],
    "2.2": [
        (lambda feature, finer, coarser: feature * torch.sigmoid(torch.tensor(feature + coarser)).numpy(), "finer"),
        (
            lambda feature, finer, coarser: feature * (1 / (1 + np.exp(-_soft(feature, finer, coarser)))).round(),
            "hard",
        ),
        (lambda feature, finer, coarser: feature + finer + coarser, "ValueError"),
        (
            lambda feature, finer, coarser: feature / (1 + np.exp(-_soft(coarser, finer, feature) / 3)),
            "divided the sum",
        ),
        (lambda feature, finer, coarser: coarser / (1 + np.exp(-_soft(feature, finer, coarser))), "exchanged"),
        (lambda feature, finer, coarser: np.maximum(feature, 0) / (1 + np.exp(-_soft(feature, finer, coarser))), ""),
        (
            lambda feature, finer, coarser: (feature / (1 + np.exp(-_soft(feature, finer, coarser))))[None, None],
            "shape",
        ),
        (
            lambda feature, finer, coarser: (feature / (1 + np.exp(-_soft(feature, finer, coarser)))).mean(),
            "one number",
        ),
    ],
    "2.3": [
        (lambda channels: 3328, "whatever it is given"),
        (lambda channels: sum(channels), ""),
        (lambda channels: [a * b for a, b in pairwise(channels)], "one number is wanted"),
        (lambda channels: np.prod(channels), ""),
    ],
    "2.4": [
        (lambda heat, label: heat[label > 0].mean(), "one value"),
        (lambda heat, label: (heat[label > 0].mean(), heat[label == 0].std()), "Not right: the mean outside"),
        (lambda heat, label: (heat[label > 0].std(), heat[label == 0].mean()), "Not right: the mean inside"),
        (lambda heat, label: {"inside": heat[label > 0].mean()}, "dict"),
        (lambda heat, label: (heat[label > 0].mean(), heat[label > 0].mean()), "Not right: the mean outside"),
        (lambda heat, label: (heat[label > 0].mean(), 0.5), "Not right: the mean outside"),
        (lambda heat, label: tuple(heat[label == v].mean() for v in range(3)), "3 values; 2 are wanted"),
    ],
    "3.1": [
        (lambda groups, convs: [conv(x) for x, conv in zip(groups, convs, strict=False)], "values"),
        (lambda groups, convs: [groups[0], *(conv(x) for x, conv in zip(groups[1:], convs, strict=True))], "talk"),
        (lambda groups, convs: groups[0], "values"),
        (chain_relu, "ReLU came after"),
        (chain_in_place, "changed in place"),
        (lambda convs, groups: groups, "in another order"),
        (lambda groups, convs: [groups[0], convs[0](groups[1]), convs[1](groups[2] + convs[0](groups[1]))], "Error"),
    ],
    "3.2": [
        (lambda scale: {1: 3, 2: 3, 4: 7, 8: 15}.get(scale, 0), "right for"),
        (lambda scale: 2 * scale - 3, "2 pixels are missing"),
        (lambda scale: (2 * scale - 1, 2 * scale - 1), "one number is wanted"),
        (lambda scale: max(2 * scale - 1, 3) ** 2, ""),
    ],
    "3.3": [
        (lambda channels, scale: channels * 27, "does not depend on `scale`"),
        (lambda channels, scale: (channels - 1) * 27 * (scale // channels) ** 2, "exchanged"),
        (lambda channels, scale: 3 * 27 * 16**2, "whatever it is given"),
        (lambda channels, scale: (scale - 1) * 54 * (channels // scale) ** 2, "always 2 times"),
    ],
    "3.4": [
        (poke_row_only, ""),
        (poke_against_corner, "right for"),
        (poke_no_comparison, "compared with 0"),
        (poke_kernel, "AttributeError"),
        (lambda layer, size: size // 2, "does not depend on `layer`"),
        (lambda layer, size: 3, "whatever it is given"),
    ],
}
