"""The exercise 1.2, the volume of a tumor: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from kits_msan.course.exercises.exercise import Exercise, Inputs


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


def _volume(
    count: Callable[[Any], Any] = lambda label: np.count_nonzero(label == 2),
    voxel: Callable[[Any], Any] = np.prod,
    unit: float = 1000,
) -> Callable[[Any, Any], Any]:
    return lambda label, spacing: count(label) * voxel(spacing) / unit


def _largest(label: Any) -> Any:
    return np.bincount(ndimage.label(label == 2)[0].ravel(), minlength=2)[1:].max()


def _boxed(label: Any) -> Any:
    places = np.argwhere(label == 2)
    return np.prod(np.ptp(places, axis=0) + 1) if places.size else 0


CUBES: dict[str, Callable[[Any], Any]] = {
    "spacing of the slices": lambda spacing: spacing[0] ** 3,
    "spacing of the rows": lambda spacing: spacing[1] ** 3,
    "spacing of the columns": lambda spacing: spacing[2] ** 3,
    "largest spacing": lambda spacing: max(spacing) ** 3,
    "smallest spacing": lambda spacing: min(spacing) ** 3,
    "mean spacing": lambda spacing: np.mean(spacing) ** 3,
}
EXERCISE = Exercise(
    solution=_volume(),
    why="voxels times the volume of one voxel, and 1000 mm³ are 1 ml.",
    inputs=_labels,
    tolerance=2e-5,
    hint="Three things enter: the number of tumor voxels, the mm³ of one voxel, and the unit.",
    stops={
        "attribute 'count'": "An array has no count; np.count_nonzero(label == 2) counts where this is true.",
        "index 2 is out of bounds": "Not every case has a tumor; then there are two counts only. Count where "
        "label == 2.",
    },
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
        "label.sum() / 2 counts a kidney voxel as half a tumor voxel; count where label == 2.": {
            "count": lambda label: label.sum() / 2
        },
        "the first slice is missing; Python counts from 0.": {"count": lambda label: (label[1:] == 2).sum()},
        "the last slice is missing; a range ends one before its end.": {
            "count": lambda label: (label[:-1] == 2).sum()
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
        **{
            f"you took the {side} for all three sides; each axis has its own.": {"voxel": cube}
            for side, cube in CUBES.items()
        },
        "spacings are multiplied for a volume, not added.": {"voxel": sum},
        "this is the diagonal of a voxel; its volume is the product of the three spacings.": {
            "voxel": np.linalg.norm
        },
        "the spacings lost their fractions, by int or round; take them as they are.": {
            "voxel": lambda spacing: np.prod(np.trunc(spacing))
        },
        "this is in mm³; 1000 of them are 1 ml.": {"unit": 1},
        "a millimeter is a tenth of a centimeter, but a mm³ is a thousandth of a ml, not a tenth.": {"unit": 10},
        "a mm³ is a thousandth of a ml: divide by 1000, not by 100.": {"unit": 100},
        "this is in liters; divide by 1000 once.": {"unit": 1e6},
        "you multiplied by 1000; a mm³ is less than a ml, so divide.": {"unit": 1e-3},
        "np.where gives an array for each axis, so its length is 3; count with np.count_nonzero(label == 2).": {
            "count": lambda label: label.ndim
        },
        "len counts the slices; count the voxels with np.count_nonzero(label == 2).": {"count": len},
        "any only says whether there is a tumor; count its voxels.": {"count": lambda label: (label == 2).any()},
        "max is the largest label; count the voxels where label == 2.": {"count": lambda label: label.max()},
        "you counted the largest piece only; a patient can have several tumors.": {"count": _largest},
        "this is the box around the tumor; count the voxels in it where label == 2.": {"count": _boxed},
        "only the last slice counts in yours; begin to count once, before the loop.": {
            "count": lambda label: np.count_nonzero(label[-1] == 2)
        },
        "a sum of uint8 goes to 255 only; count with np.count_nonzero(label == 2).": {
            "count": lambda label: (label == 2).sum(dtype=np.uint8)
        },
        "this is the tumor's share of the kidney; count its voxels.": {
            "count": lambda label: (label == 2).sum() / max((label > 0).sum(), 1)
        },
        "the spacing of the rows is missing: slice, row and column are all multiplied.": {
            "voxel": lambda spacing: spacing[0] * spacing[2]
        },
    },
)
