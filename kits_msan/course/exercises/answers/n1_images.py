"""The exercises 1.1, a window, and 1.2, the volume of a tumor: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _images(rng: np.random.Generator) -> Inputs:
    """HU (H, W) and windows: around 0, above 0 and below 0."""
    image = np.array([[-1024, -160, 40], [190, 240, 1300]], np.int16)
    trials: Inputs = [(image, -160, 240), (image, -200, 500), (image, 50, 300), (image, 0, 400), (image, -900, -300)]
    for _ in range(10):
        low, width = int(rng.integers(-1000, 300)), int(rng.integers(200, 1500))
        image = rng.integers(-1024, 3071, size=rng.integers(2, 5, size=2)).astype(np.int16)
        image.flat[0] = low + width // 3  # one value within the window, so that an image is never all black or white
        trials.append((image, low, low + width))
    return trials


def _labels(rng: np.random.Generator) -> Inputs:
    """(D, H, W) labels with their spacing; one has no tumor."""
    label = np.zeros((4, 6, 5), np.uint8)
    label[1:3, 1:4, 1:3] = 1
    label[1, 1:4, 3] = 2
    label[2, 4, 1:3] = 2
    trials: Inputs = [(label, (5.0, 0.8, 0.7)), (np.minimum(label, 1), (3.0, 1.0, 0.9))]
    for size in (3, 3, 4, 4, 5, 5, 12, 16):
        drawn = rng.choice(3, size=rng.integers((3, size - 1, size - 1), size + 2), p=(0.5, 0.3, 0.2)).astype(
            np.uint8
        )
        trials.append((drawn, tuple(rng.uniform(0.5, 6, size=3).round(2).tolist())))
    return trials


def _gray(
    clip: str = "both", less: Callable[..., float] = lambda low, high: low,
    wide: Callable[..., float] = lambda low, high: high - low, then: Callable[[Any], Any] = lambda gray: gray,
) -> Callable[[Any, float, float], Any]:  # fmt: skip
    """A window; the arguments are what can go wrong."""

    def window(image: Any, low: float, high: float) -> Any:
        image = image.astype(float)
        ends = {"both": (low, high), "exchanged": (high, low), "low": (low, None), "high": (None, high)}.get(
            clip, (None, None)
        )
        gray = (np.clip(image, *ends) - less(low, high)) / wide(low, high)
        return then(np.where((image >= low) & (image <= high), gray, 0) if clip == "mask" else gray)

    return window


def _marked_then_scaled(image: Any, low: float, high: float) -> Any:
    image = image.astype(float)
    image[image < low] = 0
    image[image > high] = 1
    return (image - low) / (high - low)


def _range_of_image(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high).astype(float)
    return (image - image.min()) / np.ptp(image)


def _volume(
    count: Callable[[Any], Any] = lambda label: np.count_nonzero(label == 2),
    voxel: Callable[[Any], Any] = np.prod,
    unit: float = 1000,
) -> Callable[[Any, Any], Any]:
    return lambda label, spacing: count(label) * voxel(spacing) / unit


EXERCISES = {
    "1.1": Exercise(
        solution=_gray(),
        why="everything below the window is 0, everything above it 1, and between them gray rises evenly.",
        inputs=_images,
        hint="Three steps: keep the values between low and high, make low 0, and make high 1.",
        mistakes={
            "brackets are missing: a / high - low is (a / high) - low.": (
                lambda image, low, high: (np.clip(image, low, high).astype(float) - low) / high - low
            ),
            "brackets are missing: a - low / (high - low) divides low only.": (
                lambda image, low, high: np.clip(image, low, high) - low / (high - low)
            ),
            "you scaled by the smallest and largest value of the image; then the same tissue has another gray in "
            "every case. Scale by the window.": (
                lambda image, low, high: (image.astype(float) - image.min()) / np.ptp(image.astype(float))
            ),
            "you scaled by the smallest and largest value that remain after clipping; a case without air or bone "
            "would look different. Scale by low and high.": _range_of_image,
            "this is a mask, black or white; between low and high gray must rise evenly.": (
                lambda image, low, high: ((image >= low) & (image <= high)).astype(float)
            ),
            "this is a mask too: between low and high all is 0 in yours, and gray must rise there.": (
                lambda image, low, high: (image > high).astype(float)
            ),
            "a sigmoid bends, and never quite reaches 0 or 1; between low and high gray rises in a straight line.": (
                lambda image, low, high: 1 / (1 + np.exp(-(image - low) / (high - low)))
            ),
            "between low and high you left the HU; gray rises there from 0 to 1: (HU - low) / (high - low).": (
                lambda image, low, high: np.where(image < low, 0, np.where(image > high, 1, image))
            ),
            "you set what lies outside to 0 and 1, and then scaled these too; clip it to low and high.": (
                _marked_then_scaled
            ),
            "low and high are HU: clip the HU to them, or the gray to 0 and 1. You clipped the gray to them.": (
                lambda image, low, high: np.clip((image - low) / (high - low), low, high)
            ),
            "the lower limit was not taken off (subtracted): it is (HU - low) / (high - low), clipped to 0 and 1.": (
                lambda image, low, high: np.clip(image / (high - low), 0, 1)
            ),
            "the lower limit was added; subtract it: (HU - low) / (high - low), clipped to 0 and 1.": (
                lambda image, low, high: np.clip((image + low) / (high - low), 0, 1)
            ),
            "you divided by the upper limit; it is (HU - low) / (high - low), clipped to 0 and 1.": (
                lambda image, low, high: np.clip((image - low) / high, 0, 1)
            ),
            "the clipping is to 0 and 1, but the HU were not scaled: (HU - low) / (high - low) comes first.": (
                lambda image, low, high: np.clip(image, 0, 1)
            ),
            "you clipped to the paper's window, -200 and 500; clip to low and high.": (
                lambda image, low, high: (np.clip(image, -200, 500).astype(float) - low) / (high - low)
            ),
            "you scaled by the paper's window, -200 and 500; scale by low and high.": (
                lambda image, low, high: (np.clip(image, low, high).astype(float) + 200) / 700
            ),
            "you rounded the gray to 256 steps on the way; do not round.": (
                lambda image, low, high: np.round(_gray()(image, low, high) * 255) / 255
            ),
            "the window is cut in three: 0, a half and 1. Between low and high gray must rise evenly.": (
                lambda image, low, high: np.where(image <= low, 0, np.where(image >= high, 1, 0.5))
            ),
            "what lies outside the window must be clipped to its ends first; then low becomes 0.": (
                lambda image, low, high: np.where((image >= low) & (image <= high), image, 0)
            ),
        },
        make=_gray,
        flaws={
            "values outside the window lie below 0 and above 1; clip the HU first.": {"clip": "none"},
            "the limits are exchanged in the clipping: it is np.clip(image, low, high).": {"clip": "exchanged"},
            "you clipped at the lower end only; above high all must be 1.": {"clip": "low"},
            "you clipped at the upper end only; below low all must be 0.": {"clip": "high"},
            "bone turned black: what is above the window must become 1, not 0. Clip instead of masking.": {
                "clip": "mask"
            },
            "you divided without subtracting the lower limit, so black is not 0.": {"less": lambda low, high: 0},
            "you added the lower limit; subtract it, so that low becomes 0.": {"less": lambda low, high: -low},
            "you added abs(low): right only while low is negative. Subtract low.": {
                "less": lambda low, high: -abs(low)
            },
            "you clipped but did not scale: divide by high - low, so that white is 1.": {"wide": lambda low, high: 1},
            "you divided by the upper limit; the window is high - low wide.": {"wide": lambda low, high: high},
            "you divided by high - low + 1; without the 1, high becomes 1.": {
                "wide": lambda low, high: high - low + 1
            },
            "you divided by the sum of the limits; the window is high - low wide.": {
                "wide": lambda low, high: high + low
            },
            "you divided by abs(high) + abs(low): right only while low is negative. Divide by high - low.": {
                "wide": lambda low, high: abs(high) + abs(low)
            },
            "you divided by high + abs(low): right only while low is negative. Divide by high - low.": {
                "wide": lambda low, high: high + abs(low)
            },
            "this runs from -1 to 1; the course scales to 0 to 1.": {"then": lambda gray: 2 * gray - 1},
            "bright is dark: high HU must give 1.": {"then": lambda gray: 1 - gray},
            "this runs from 0 to 255; the course scales to 0 to 1.": {"then": lambda gray: 255 * gray},
            "the result was rounded to whole numbers; use / and not //.": {"then": np.floor},
        },
    ),
    "1.2": Exercise(
        solution=_volume(),
        why="voxels times the volume of one voxel, and 1000 mm³ are 1 ml.",
        inputs=_labels,
        hint="Three things enter: the number of tumor voxels, the mm³ of one voxel, and the unit.",
        mistakes={
            "label[2] is slice number 2; the tumor is where label == 2.": (
                lambda label, spacing: label[2].sum() * np.prod(spacing) / 1000
            ),
            "len(label[2]) is the number of rows of a slice; count the voxels where label == 2.": (
                lambda label, spacing: len(label[2]) * np.prod(spacing) / 1000
            ),
            "in a case without a tumor, the last of your counts is the kidney's; count label == 2.": (
                lambda label, spacing: np.unique(label, return_counts=True)[1][-1] * np.prod(spacing) / 1000
            ),
            "you divided by the volume of a voxel; multiply by it.": (
                lambda label, spacing: np.count_nonzero(label == 2) / np.prod(spacing) / 1000
            ),
            "the number of pieces is not the number of voxels; count the voxels where label == 2.": (
                lambda label, spacing: ndimage.label(label == 2)[1] * np.prod(spacing) / 1000
            ),
        },
        make=_volume,
        flaws={
            "you counted voxels; a voxel is a box, whose volume is the product of the three spacings.": {
                "voxel": lambda spacing: 1,
                "unit": 1,
            },
            "a voxel is a box: its volume is the product of the three spacings.": {"voxel": lambda spacing: 1},
            "you counted kidney too; take label == 2 alone.": {"count": lambda label: np.count_nonzero(label > 0)},
            "that is the kidney; tumor has the label 2.": {"count": lambda label: np.count_nonzero(label == 1)},
            "you counted the background; tumor is label 2.": {"count": lambda label: np.count_nonzero(label == 0)},
            "you counted all but the tumor; take label == 2.": {"count": lambda label: np.count_nonzero(label != 2)},
            "you counted all voxels; take those where label == 2.": {"count": lambda label: label.size},
            "you added up the labels; count the voxels that are 2, each once.": {"count": lambda label: label.sum()},
            "each tumor voxel counts double; you added up 2s. Count with np.count_nonzero(label == 2).": {
                "count": lambda label: label[label == 2].astype(int).sum()
            },
            "you looked at the first slice only; count the voxels of all.": {
                "count": lambda label: np.count_nonzero(label[0] == 2)
            },
            "you took the share of the volume; count the voxels.": {"count": lambda label: (label == 2).mean()},
            "you counted the slices that hold tumor; count its voxels.": {
                "count": lambda label: (label == 2).any(axis=(1, 2)).sum()
            },
            "you took the pixel's area; a voxel is as thick as its slice, so spacing[0] belongs to it.": {
                "voxel": lambda spacing: spacing[1] * spacing[2]
            },
            "one spacing is missing: slice, row and column are all multiplied.": {
                "voxel": lambda spacing: spacing[0] * spacing[1]
            },
            "the pixel's side is squared; rows and columns have a spacing each.": {
                "voxel": lambda spacing: spacing[0] * spacing[1] ** 2
            },
            "you took the spacing of the slices for all three sides; each axis has its own.": {
                "voxel": lambda spacing: spacing[0] ** 3
            },
            "you took the spacing of the rows for all three sides; each axis has its own.": {
                "voxel": lambda spacing: spacing[1] ** 3
            },
            "you took the spacing of the columns for all three sides; each axis has its own.": {
                "voxel": lambda spacing: spacing[2] ** 3
            },
            "you took the mean spacing for all three sides; each axis has its own.": {
                "voxel": lambda spacing: np.mean(spacing) ** 3
            },
            "spacings are multiplied for a volume, not added.": {"voxel": sum},
            "this is in mm³; 1000 of them are 1 ml.": {"unit": 1},
            "a millimeter is a tenth of a centimeter, but a mm³ is a thousandth of a ml, not a tenth.": {"unit": 10},
            "a mm³ is a thousandth of a ml: divide by 1000, not by 100.": {"unit": 100},
            "this is in liters; divide by 1000 once.": {"unit": 1e6},
            "you multiplied by 1000; a mm³ is less than a ml, so divide.": {"unit": 1e-3},
        },
    ),
}
