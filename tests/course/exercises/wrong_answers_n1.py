"""Wrong answers to notebook 1 that no list of mistakes foresaw, each with words that its hint must hold."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np


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


Wrong = tuple[Callable[..., Any] | Any, str]
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
}
