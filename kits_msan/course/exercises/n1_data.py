"""The exercises of notebook 1, data exploration: solutions and common mistakes."""

from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise

Inputs = list[tuple[Any, ...]]


def _labels() -> Inputs:
    """(D, H, W) labels with their spacing: 12 voxels of kidney and 5 of tumor, then none of tumor."""
    label = np.zeros((4, 6, 5), np.uint8)
    label[1:3, 1:4, 1:3] = 1
    label[1, 1:4, 3] = 2
    label[2, 4, 1:3] = 2
    return [(label, (5.0, 0.8, 0.7)), (np.minimum(label, 1), (3.0, 1.0, 0.9))]


def _images() -> Inputs:
    image = np.array([[-1024, -160, 40], [190, 240, 1300]], np.int16)
    return [(image, -160, 240), (image, -200, 500)]


def _corners() -> Inputs:
    """Affines with their third axis along the patient's head or feet, and an index in (slice, row, column)."""
    kits = np.array([[0, 0, -0.8, 90], [0, -0.7, 0, 60], [-3.0, 0, 0, -20], [0, 0, 0, 1.0]])
    other = np.array([[0, 0.5, 0, -80], [0, 0, 2.0, 10], [4.0, 0, 0, 30], [0, 0, 0, 1.0]])
    return [(kits, (10, 20, 30)), (other, (1, 2, 3))]


def _boxes() -> Inputs:
    inside, at_rim = np.zeros((2, 8, 20, 20), np.uint8)
    inside[3:5, 8:12, 6:9] = 1
    inside[4, 8:12, 9:11] = 2
    at_rim[0:2, 15:20, 9:12] = 1
    return [(inside, (5.0, 2.0, 1.0), 5.0), (at_rim, (5.0, 2.0, 1.0), 5.0)]


def _windowed(image: Any, low: float, high: float) -> Any:
    return (np.clip(image, low, high).astype(float) - low) / (high - low)


def _patient(affine: Any, index: Any) -> Any:
    return (affine @ (*index, 1))[:3]


def _box(mask: Any, spacing: Any, margin: float, past: int = 1, clip: bool = True, rounded: Any = np.ceil) -> Any:
    """(start, stop) for each axis around the true voxels of a mask; stop is `past` the last one and the margin."""
    box = []
    for axis, size in enumerate(mask.shape):
        found = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        voxels = int(rounded(margin / spacing[axis]))
        start, stop = int(found[0]) - voxels, int(found[-1]) + past + voxels
        box.append((max(start, 0), min(stop, size)) if clip else (start, stop))
    return box


EXERCISES = {
    "1.1": Exercise(
        solution=_windowed,
        why="everything below the window is 0, everything above it 1, and between them gray rises evenly.",
        inputs=_images,
        hint="np.clip(image, low, high) keeps to the window; then low must become 0 and high 1.",
        mistakes={
            "values outside the window lie below 0 and above 1; clip the HU first.": (
                lambda image, low, high: (image.astype(float) - low) / (high - low)
            ),
            "you clipped but did not scale: black must be 0 and white 1.": (
                lambda image, low, high: np.clip(image, low, high)
            ),
            "you divided by the upper limit; the window is high - low wide.": (
                lambda image, low, high: (np.clip(image, low, high).astype(float) - low) / high
            ),
            "brackets are missing: a / high - low is (a / high) - low.": (
                lambda image, low, high: (np.clip(image, low, high).astype(float) - low) / high - low
            ),
            "you divided without taking off the lower limit, so black is not 0.": (
                lambda image, low, high: np.clip(image, low, high) / (high - low)
            ),
            "bone turned black: what is above the window must become 1, not 0. Clip instead of masking.": (
                lambda image, low, high: np.where((image >= low) & (image <= high), _windowed(image, low, high), 0)
            ),
            "you scaled by the smallest and largest value of the image; then the same tissue has another gray in "
            "every case. Scale by the window.": (
                lambda image, low, high: (image.astype(float) - image.min()) / np.ptp(image.astype(float))
            ),
            "this runs from -1 to 1; the course scales to 0 to 1.": (
                lambda image, low, high: 2 * _windowed(image, low, high) - 1
            ),
            "bright is dark: high HU must give 1.": lambda image, low, high: 1 - _windowed(image, low, high),
            "the result was rounded to whole numbers; use / and not //.": (
                lambda image, low, high: (np.clip(image, low, high) - low) // (high - low)
            ),
        },
    ),
    "1.2": Exercise(
        solution=lambda label, spacing: np.count_nonzero(label == 2) * np.prod(spacing) / 1000,
        why="voxels times the volume of one voxel, and 1000 mm³ are 1 ml.",
        inputs=_labels,
        hint="Count the voxels with np.count_nonzero(label == 2); np.prod(spacing) is the volume of one, in mm³.",
        mistakes={
            "you counted voxels; a voxel is a box, whose volume is the product of the three spacings.": (
                lambda label, spacing: np.count_nonzero(label == 2)
            ),
            "this is in mm³; 1000 of them are 1 ml.": (
                lambda label, spacing: np.count_nonzero(label == 2) * np.prod(spacing)
            ),
            "a millimeter is a tenth of a centimeter, but a mm³ is a thousandth of a ml, not a tenth.": (
                lambda label, spacing: np.count_nonzero(label == 2) * np.prod(spacing) / 10
            ),
            "the kidney is in it too; take label == 2 alone.": (
                lambda label, spacing: np.count_nonzero(label > 0) * np.prod(spacing) / 1000
            ),
            "that is the kidney; tumor has the label 2.": (
                lambda label, spacing: np.count_nonzero(label == 1) * np.prod(spacing) / 1000
            ),
            "you added up the labels; count the voxels that are 2, each once.": (
                lambda label, spacing: label.sum() * np.prod(spacing) / 1000
            ),
            "each tumor voxel counts double; you added up 2s. Count with np.count_nonzero(label == 2).": (
                lambda label, spacing: label[label == 2].sum() * np.prod(spacing) / 1000
            ),
            "you took the pixel's area; a voxel is as thick as its slice, so spacing[0] belongs in the product.": (
                lambda label, spacing: np.count_nonzero(label == 2) * spacing[1] * spacing[2] / 1000
            ),
            "spacings are multiplied for a volume, not added.": (
                lambda label, spacing: np.count_nonzero(label == 2) * sum(spacing) / 1000
            ),
        },
    ),
    "1.3": Exercise(
        solution=_patient,
        why="the affine holds direction, spacing and origin; nothing else is needed to find a voxel in the patient.",
        inputs=_corners,
        hint="The affine is 4×4: append a 1 to the index, multiply, and drop the 1 of the result.",
        mistakes={
            "the origin is missing: append a 1 to the index, so that the affine's last column is added.": (
                lambda affine, index: affine[:3, :3] @ index
            ),
            "you returned four numbers; the last is always 1 and is dropped.": (
                lambda affine, index: affine @ (*index, 1)
            ),
            "you multiplied from the wrong side; it is affine @ index, with the index as a column.": (
                lambda affine, index: (np.array((*index, 1)) @ affine)[:3]
            ),
            "you gave the index as column, row, slice; the affine takes it in the array's own order.": (
                lambda affine, index: _patient(affine, index[::-1])
            ),
            "index times spacing forgets in which direction each axis runs, and where the volume begins.": (
                lambda affine, index: np.array(index) * np.linalg.norm(affine[:3, :3], axis=0)
            ),
            "this goes from millimeters to an index; you inverted the affine.": (
                lambda affine, index: _patient(np.linalg.inv(affine), index)
            ),
        },
    ),
    "1.4": Exercise(
        solution=lambda label, spacing, margin: _box(label > 0, spacing, margin),
        why="the margin is the same in millimeters on every side, and the box stays within the volume.",
        inputs=_boxes,
        hint="A box is three pairs (start, stop), such that label[start:stop] on each axis holds all of it.",
        mistakes={
            "you took the margin in voxels; divide it by the spacing of each axis, and round up.": (
                lambda label, spacing, margin: _box(label > 0, (1, 1, 1), margin)
            ),
            "there is no margin; add it on both sides.": lambda label, spacing, margin: _box(label > 0, spacing, 0),
            "the axes are swapped: spacing is (slice, row, column), as the array is.": (
                lambda label, spacing, margin: _box(label > 0, spacing[::-1], margin)
            ),
            "stop is one too small: label[start:stop] leaves out stop, so it is the last voxel plus 1.": (
                lambda label, spacing, margin: _box(label > 0, spacing, margin, past=0)
            ),
            "the box leaves the volume; a negative start would count from the end. Clip it to 0 and the size.": (
                lambda label, spacing, margin: _box(label > 0, spacing, margin, clip=False)
            ),
            "the tumor is cut off; it belongs to the box, so look for label > 0.": (
                lambda label, spacing, margin: _box(label == 1, spacing, margin)
            ),
            "you rounded the margin down; round up, or part of it is lost.": (
                lambda label, spacing, margin: _box(label > 0, spacing, margin, rounded=np.floor)
            ),
        },
    ),
}
