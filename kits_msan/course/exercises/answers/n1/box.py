"""The exercise 1.4, a box around the kidneys: its solution and common mistakes."""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _boxes(rng: np.random.Generator) -> Inputs:
    """Labels with kidney and tumor inside the volume and at its rims; margins that are whole voxels, or not."""
    inside, at_rim = np.zeros((2, 8, 20, 20), np.uint8)
    inside[3:5, 8:12, 6:9] = 1
    inside[4, 8:12, 9:11] = 2
    at_rim[0:2, 15:20, 9:12] = 1
    at_rim[1, 15:18, 11] = 2
    trials: Inputs = [(inside, (5.0, 2.0, 1.0), 5.0), (at_rim, (5.0, 2.0, 1.0), 5.0)]
    for _ in range(16):
        label = np.zeros(rng.integers((8, 16, 16), (12, 26, 26)), np.uint8)
        for value in (1, 2):
            corner = [int(rng.integers(0, size - 2)) for size in label.shape]
            label[tuple(slice(at, at + int(rng.integers(2, 4))) for at in corner)] = value
        label[tuple(int(rng.integers(0, size)) for size in label.shape)] = 1
        spacing = (*rng.choice([2.0, 2.5, 3.0, 4.0, 5.0], 1), *rng.choice([0.75, 1.0, 1.25, 1.5, 2.0], 2))
        trials.append((label, tuple(map(float, spacing)), float(rng.choice([2, 3, 4, 5, 6]))))
    return trials


def _box(
    mask: Callable[[Any], Any] = lambda label: label > 0, rounded: Callable[[float], float] = math.ceil,
    past: int = 1, clip: str = "both", sides: tuple[int, int] = (1, 1), order: tuple[int, int, int] = (0, 1, 2),
    mm: str = "divided", side: Callable[[Any], float] | None = None, times: float = 1,
) -> Callable[[Any, Any, float], Any]:  # fmt: skip
    """(start, stop) for each axis around the label and a margin; the arguments are what can go wrong."""

    def box(label: Any, spacing: Any, margin: float) -> Any:
        found = np.argwhere(mask(label))
        pairs = []
        for axis, size in enumerate(label.shape):
            of = side(spacing) if side else spacing[order[axis]]
            ways = {"divided": margin / of, "ignored": margin, "multiplied": margin * spacing[axis]}
            voxels = rounded(times * ways[mm])
            start = int(found[:, axis].min()) - sides[0] * voxels
            stop = int(found[:, axis].max()) + past + sides[1] * voxels
            start = max(start, int(clip == "one")) if clip in ("both", "low", "tight", "one") else start
            stop = min(stop, size - (clip == "tight")) if clip in ("both", "high", "tight", "one") else stop
            pairs.append((start, stop))
        return pairs

    return box


def _of_box(change: Callable[[Any], Any], **how: Any) -> Callable[[Any, Any, float], Any]:
    """What `change` makes of a box."""
    return lambda label, spacing, margin: change(_box(**how)(label, spacing, margin))


def _over_one_axis(label: Any, spacing: Any, margin: float) -> Any:
    box = []
    for axis, size in enumerate(label.shape):
        found, voxels = np.flatnonzero((label > 0).any(axis=axis)), int(np.ceil(margin / spacing[axis]))
        box.append((max(found[0] - voxels, 0), min(found[-1] + 1 + voxels, size)))
    return box


def _around(firsts: Any, lasts: Any, label: Any, spacing: Any, margin: float) -> Any:
    pairs = zip(firsts, lasts, label.shape, [math.ceil(margin / mm) for mm in spacing], strict=True)
    return [(max(first - voxels, 0), min(last + 1 + voxels, size)) for first, last, size, voxels in pairs]


def _first_and_last(label: Any, spacing: Any, margin: float) -> Any:
    found = np.argwhere(label > 0)
    return _around(found[0], found[-1], label, spacing, margin)


def _backwards(label: Any, spacing: Any, margin: float) -> Any:
    found = np.argwhere(label > 0)[:, ::-1]
    return _around(found.min(axis=0), found.max(axis=0), label, spacing, margin)


def _all_axes(label: Any, spacing: Any, margin: float) -> Any:
    found = np.argwhere(label > 0)
    return _around([found.min()] * 3, [found.max()] * 3, label, spacing, margin)


def _cut_at_stop(label: Any, spacing: Any, margin: float) -> Any:
    starts, stops = (_box(rounded=rounded)(label, spacing, margin) for rounded in (math.ceil, math.floor))
    return [(start, stop) for (start, _), (_, stop) in zip(starts, stops, strict=True)]


def _largest_piece(label: Any) -> Any:
    pieces = ndimage.label(label > 0)[0]
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def _as_indices(pairs: Any) -> list[int]:
    """The numbers of a box as they stand in label[start:stop]; raises TypeError for those that cannot."""
    flat = np.ravel(pairs).tolist() if isinstance(pairs, np.ndarray) else [n for pair in pairs for n in pair]
    return [operator.index(number) for number in flat]


EXERCISE = Exercise(
    solution=_box(),
    why="the margin is the same in millimeters on every side, and the box stays within the volume.",
    inputs=_boxes,
    used={"the box is right, but label[3.0:6.0] does not work: give whole numbers, by int(...).": _as_indices},
    hint="A box is three pairs (start, stop), such that label[start:stop] on each axis holds all of it.",
    parts={"slices": "Look at axis 0.", "rows": "Look at axis 1.", "columns": "Look at axis 2."},
    mistakes={
        "these are three starts and three stops; give a pair (start, stop) for each axis.": _of_box(np.transpose),
        "these are six numbers in a row; give three pairs (start, stop).": _of_box(np.ravel),
        "this is the part cut out; give its box, three pairs (start, stop).": lambda label, spacing, margin: label[
            tuple(slice(*pair) for pair in _box()(label, spacing, margin))
        ],
        "any(axis=axis) takes this axis away; to keep it, take any over the two others.": (_over_one_axis),
        "start is one too large: it is the first voxel minus the margin, and counts from 0.": _of_box(
            lambda box: [(a + 1, b) for a, b in box]
        ),
        "each pair is (stop, start); give (start, stop).": _of_box(lambda box: [pair[::-1] for pair in box]),
        "these are (start, length); give (start, stop).": _of_box(lambda box: [(a, b - a) for a, b in box]),
        "these are millimeters; give indices of voxels.": (
            lambda label, spacing, margin: [
                (a * mm, b * mm) for (a, b), mm in zip(_box()(label, spacing, margin), spacing, strict=True)
            ]
        ),
        "the volume's size differs from axis to axis; you clipped all with label.shape[0].": (
            lambda label, spacing, margin: [(a, min(b, label.shape[0])) for a, b in _box()(label, spacing, margin)]
        ),
        "you always took 5 mm: use `margin`.": (lambda label, spacing, margin: _box()(label, spacing, 5.0)),
        "the axes are in the reverse order; give slices, rows, columns.": _of_box(lambda box: box[::-1]),
        "this is the part cut out, without a margin; give its box, three pairs (start, "
        "stop).": lambda label, spacing, margin: label[
            tuple(slice(*pair) for pair in _box(sides=(0, 0))(label, spacing, margin))
        ],
        "the first and last row of argwhere hold the first and last *slice*; take min and max of each "
        "column.": _first_and_last,
        "np.where gives slices, rows and columns, in this order; you took them the other way round.": _backwards,
        "min() and max() looked at all three axes together; take them for each axis.": _all_axes,
        "a negative start became positive, by abs; clip it to 0.": _of_box(
            lambda box: [(abs(a), b) for a, b in box], clip="high"
        ),
        "int() rounds down, so a part of the margin is lost at the stop; round up there.": _cut_at_stop,
        "you rounded the margin to the nearest, with + 0.5; round up, or part of it is lost.": _box(
            rounded=lambda voxels: math.floor(voxels + 0.5)
        ),
        "stop may be as large as the axis, and no larger; you clipped it to size + "
        "1.": lambda label, spacing, margin: [
            (a, min(b, size + 1))
            for (a, b), size in zip(_box(clip="low")(label, spacing, margin), label.shape, strict=True)
        ],
    },
    make=_box,
    flaws={
        "you took the margin in voxels; divide it by the spacing of each axis, and round up.": {"mm": "ignored"},
        "you multiplied the margin by the spacing; divide, and round up.": {"mm": "multiplied"},
        "there is no margin; add it on both sides.": {"sides": (0, 0)},
        "the margin is missing at the stop.": {"sides": (1, 0)},
        "the margin is missing at the start.": {"sides": (0, 1)},
        "the margin makes the box smaller; subtract it from start and add it to stop.": {"sides": (-1, -1)},
        "the axes are swapped: spacing is (slice, row, column), as the array is.": {"order": (2, 1, 0)},
        "you took the spacing of the slices for all axes; each has its own.": {"order": (0, 0, 0)},
        "you took the spacing of the columns for all axes; each has its own.": {"order": (2, 2, 2)},
        "you took the smallest spacing for all axes; each has its own.": {"side": min},
        "you took the mean spacing for all axes; each has its own.": {"side": np.mean},
        "you took the side of a cube with a voxel's volume for all axes; each has its own spacing.": {
            "side": lambda spacing: np.prod(spacing) ** (1 / 3)
        },
        "the margin was divided by 10; it is in millimeters, as the spacing is.": {"times": 0.1},
        "the margin was multiplied by 10; it is in millimeters, as the spacing is.": {"times": 10},
        "the margin is halved; it is meant for *each* side.": {"times": 0.5},
        "the margin is doubled; it is meant for each side as it is.": {"times": 2},
        "start may be 0, the first index; you clipped it to 1.": {"clip": "one"},
        "the margin is not a whole number of voxels; round it up.": {"rounded": float},
        "stop is one too small: label[start:stop] leaves out stop, so it is the last voxel plus 1.": {"past": 0},
        "stop is one too large: it is the last voxel plus 1, and the margin.": {"past": 2},
        "the box leaves the volume; a negative start counts from the end. Clip it to 0 and the size.": {
            "clip": "none"
        },
        "stop can be larger than the volume; clip it to the size of the axis.": {"clip": "low"},
        "start can be negative, and would count from the end; clip it to 0.": {"clip": "high"},
        "stop may be as large as the axis, since stop is left out; you clipped it to size - 1.": {"clip": "tight"},
        "the tumor is cut off; it belongs to the box, so look for label > 0.": {"mask": lambda label: label == 1},
        "the kidney is cut off; it belongs to the box, so look for label > 0.": {
            "mask": lambda label: (label == 2) if (label == 2).any() else label > 0
        },
        "you rounded the margin down; round up, or part of it is lost.": {"rounded": np.floor},
        "you rounded the margin to the nearest; round up, or part of it is lost.": {"rounded": round},
        "the margin is a voxel too large: divided and rounded up, it is large enough.": {
            "rounded": lambda voxels: math.ceil(voxels) + 1
        },
        "you added a voxel to the margin; where it is whole voxels already, this is one too many.": {
            "rounded": lambda voxels: np.floor(voxels) + 1
        },
        "only the largest piece is in your box; it must hold all of kidney and tumor.": {"mask": _largest_piece},
    },
)
