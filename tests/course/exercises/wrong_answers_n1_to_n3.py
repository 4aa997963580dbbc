"""Wrong answers to notebooks 1 to 3 that no list of mistakes foresaw, each with words that its hint must hold."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from kits_msan.course.exercises.checks import EXERCISES

Wrong = tuple[Callable[..., Any] | Any, str]


def prints(*arguments: Any) -> None:
    print(arguments[0])


def window_of_first(image: Any, low: float, high: float) -> Any:
    return (np.clip(image, -160, 240) + 160) / 400


def window_whole_numbers(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high)
    image -= low
    image /= high - low
    return image


def window_clipped_in_place(image: Any, low: float, high: float) -> Any:
    image[image < low] = low
    image[image > high] = high
    return (image - low) / (high - low)


def box_of_floats(label: Any, spacing: Any, margin: float) -> Any:
    found, grow = np.argwhere(label > 0), np.ceil(margin / np.array(spacing))
    starts, stops = found.min(axis=0) - grow, found.max(axis=0) + 1 + grow
    return [(max(a, 0.0), min(b, size)) for a, b, size in zip(starts, stops, label.shape, strict=True)]


def window_returns_early(image: Any, low: float, high: float) -> Any:
    for row in image:
        return (np.clip(row, low, high) - low) / (high - low)
    return None


def box_forgets_return(label: Any, spacing: Any, margin: float) -> Any:
    if margin > 4:
        return [(0, size) for size in label.shape]
    return None


def box_largest_part(label: Any, spacing: Any, margin: float) -> Any:
    box = []
    for axis, size in enumerate(label.shape):
        sums = (label > 0).sum(axis=tuple({0, 1, 2} - {axis}))
        at, voxels = int(sums.argmax()), math.ceil(margin / spacing[axis])
        box.append((max(at - voxels, 0), min(at + 1 + voxels, size)))
    return box


def chain_of_halves(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results.append(conv(group + results[-1]) / 2)
    return results


def poke_changed(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    still = layer(poked).clone()
    poked[0, 0, 1, size // 2, size // 2] = 1
    return (layer(poked) != still).flatten(0, -2)  # (3 * size, size)


def chain_generator(groups: Any, convs: Any) -> Iterator[Any]:
    y: Any = 0
    yield groups[0]
    for x, conv in zip(groups[1:], convs, strict=True):
        y = conv(x + y)
        yield y


def poke_change(layer: Any, size: int) -> Any:
    """The change (D, H, W) of the output, from -1 to 2, if the middle voxel becomes 1."""
    x = torch.zeros(1, 1, 3, size, size)
    y = x.clone()
    y[0, 0, 1, size // 2, size // 2] = 1
    return (layer(y) - layer(x))[0, 0]


def poke_on_gpu(layer: Any, size: int) -> Any:
    raise AssertionError("Torch not compiled with CUDA enabled")  # as .cuda() does without one


def poke_width(found: Any) -> int:
    columns = found.nonzero()[:, -1]
    return int(columns.max() - columns.min()) + 1


def poke_kernel(layer: Any, size: int) -> Any:
    return layer.weight.shape[-1]


def _soft(f: Any, n: Any, c: Any) -> Any:
    return f + n.reshape(f.shape[0], 2, f.shape[1], 2).max(axis=(1, 3)) + c


def chain_in_groups(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for conv, x in zip(convs[1:], groups[2:], strict=True):
        x += results[-1]
        results.append(conv(x))
    return results


WRONG: dict[str, list[Wrong]] = {
    "1.1": [
        (lambda image, low, high: np.zeros_like(image), "every number of your answer is 0, whatever it is given."),
        (lambda image, low, high: np.ones_like(image), "every number of your answer is 1, whatever it is given."),
        (
            lambda image, low, high: [[np.interp(float(hu), (low, high), (0, 1)) for hu in row] for row in image],
            "0-dim",
        ),
        (window_clipped_in_place, "changes `image` itself"),
        (prints, "prints"),
        (window_of_first, "does not depend on `low`"),
        (window_whole_numbers, "make it float"),
        (window_returns_early, "shape"),
        (
            lambda image, low, high: (np.clip((image - low) / (high - low), 0, 1), image.shape),
            "the first alone is right",
        ),
        (lambda image, low, high: 0 if image < low else 1, "An `if` looks at one number"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1).T, "rows and columns"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1) > 0.5, "rounded"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1) * 100, "100 times"),
        (lambda image: image, "argument"),
        (lambda image, high, low: np.clip((image - low) / (high - low), 0, 1), "in another order"),
        (lambda image, low, high: np.clip((image - low) / (high - low), 0, 1) + low, "plus `low`"),
        (lambda image, low, high: (imagee - low) / high, "NameError"),  # type: ignore[name-defined] # noqa: F821
    ],
    "1.2": [
        (lambda label, spacing: (label[..., ...] == 2).sum(), "may hold `...` once"),
        (lambda label, spacing: round((label == 2).sum() * np.prod(spacing) / 1000, 4), "rounded"),
        (lambda label, spacing: (label == 2).sum() * np.prod(spacing) / 1024, "times what is right"),
        (lambda label, spacing: (label == 2).sum() * 5.0 * 0.8 * 0.7 / 1000, "does not depend on `spacing`"),
        (lambda label, spacing: (label == 2).sum() * np.array(spacing) / 1000, "one number is wanted"),
        (lambda label, spacing: (label == 2).sum() * np.prod(spacing) // 1000, "rounded"),
        (lambda label, spacing: 0.0138, "whatever it is given"),
        (lambda label, spacing: (label == 2).sum() * math.prod(int(s - 1) for s in spacing) / 1000, "Three things"),
    ],
    "1.3": [
        (lambda affine, index: affine @ index, "ValueError"),
        (lambda affine, index: (affine @ [*index, 1])[[0, 1, 2]] * [1, 1, -1], "superior"),
        (lambda affine, index: -(affine @ [*index, 1])[:3], "sign"),
        (lambda affine, index: (affine @ [*index, 1])[:3, None], "shape"),
        (lambda affine, index: affine[index], "more indices than the array has axes"),
        (lambda affine, index: str((affine @ [*index, 1])[:3]), "text"),
        (lambda affine, index: (affine @ [*index, 1])[[1, 0, 2]], "order"),
        (lambda affine, index: affine.diagonal()[:3] * index + affine[:3, 0], "there are two mistakes"),
    ],
    "1.4": [
        (box_of_floats, "give whole numbers, by int"),
        (box_forgets_return, "returns nothing for"),
        (box_largest_part, "holds all of it"),
        (lambda label, spacing, margin: [(0, size, 1) for size in label.shape], "holds 3 numbers; 2 are wanted"),
        (lambda label, spacing, margin: {"slices": (0, 1)}, "dict"),
        (lambda label, spacing, margin: [slice(0, 3)] * 3, "slices"),
    ],
    "2.1": [
        ((2, 128, 4, 128, 127), "Not right: W"),
        ((2, 128, 4, 170, 170), "Not right: H and W"),
        ("(2, 128, 4, 128, 128)", "one text"),
        ((2, 128, 4, 128), "4 values; 5 are wanted"),
        (2 * 128 * 4 * 128 * 128, "one value"),
        ({"N": 2}, "dict"),
        (("2", "128", "4", "128", "128"), "your values are texts"),
        ([(2, 128, 4, 128, 128)], "one pair of brackets too many"),
        (np.zeros((2, 128, 4, 128, 128), np.bool_), "give the shape itself"),
    ],
    "2.2": [
        (
            lambda *given: np.asarray(EXERCISES["2.2"].solution(*given))[None, None],
            "in the shape (1, 1, 1, 2) instead of (1, 2). For feature = [[-0.4364, -1.17]]",
        ),
        (lambda feature, finer, coarser: feature + finer + coarser, "ValueError"),
        (lambda feature, finer, coarser: coarser / (1 + np.exp(-_soft(feature, finer, coarser))), "exchanged"),
        (
            lambda feature, finer, coarser: (feature / (1 + np.exp(-_soft(feature, finer, coarser)))).mean(),
            "one number",
        ),
    ],
    "2.4": [
        (lambda heat, label: (0, 0), "your function gives (0, 0) whatever it is given. Perhaps"),
        (lambda heat, label: heat[label > 0].mean(), "one value"),
        (lambda heat, label: (heat[label > 0].mean(), heat[label == 0].std()), "Not right: the mean outside"),
    ],
    "3.1": [
        (chain_in_groups, "write x = x + y"),
        (lambda groups, convs: groups[0], "1 value; 2 are wanted"),
        (chain_generator, "the values are right, but torch.cat wants a list"),
        (chain_of_halves, "The first 2 of your values are right each time; look at number 3"),
        (lambda groups, convs: [y.detach() for y in chain_generator(groups, convs)], "their gradients are not"),
        (lambda groups, convs: [groups[0], convs[0](groups[1]), convs[1](groups[2] + convs[0](groups[1]))], "Error"),
    ],
    "3.4": [
        (
            lambda layer, size: int(poke_changed(layer, size).all(dim=0).nonzero().max()) + 1,
            "not only if all do",
        ),
        (lambda layer, size: poke_width(torch.from_numpy(poke_change(layer, size).numpy())), "x.detach().numpy()"),
        (poke_on_gpu, "All here is on the CPU"),
        (poke_kernel, "AttributeError"),
        (
            lambda layer, size: layer(torch.zeros(1, 1, 3, size, size))[..., size / 2],
            "An index must be a whole number",
        ),
    ],
}
