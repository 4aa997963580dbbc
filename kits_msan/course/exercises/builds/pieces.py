"""A build of notebook 5, a clean-up that keeps the two largest pieces."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from kits_msan.course.exercises.compare import numbers
from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.course.exercises.stops import told

CORNERS = ((0, 0, 0), (0, 7, 7), (3, 0, 7), (3, 7, 0))  # each has room for a piece of (2, 5, 5)
LARGE, SECOND, SMALL, TINY = (2, 5, 5), (2, 4, 3), (1, 3, 2), (1, 2, 1)  # pieces
EQUALS = ((2, 5, 5), (2, 5, 4), (2, 4, 4))  # the third is large too
FEW = ((1, 2, 2), (1, 3, 1), (1, 2, 1))  # the first is small
LONE, BLOCK = (
    np.s_[3:5, 8:11, :4],
    np.s_[:2, :4, :4],
)  # of 24 and of 32 voxels, and below smaller ones beside the block
BESIDE = (np.s_[:2, 4:7, 4:7], np.s_[2:4, 1:4, 4:7], np.s_[2:4, 4:7, 4:7])  # two share an edge with it, one a corner


FACES, EDGES, CORNERS_TOO = (ndimage.generate_binary_structure(3, how) for how in (1, 2, 3))
IN_SLICE = FACES * np.array([0, 1, 0])[:, None, None]
TWO = "ndimage.label gives two things, the pieces and how many: pieces, count = ndimage.label(mask)."


def _labels(rng: np.random.Generator) -> Inputs:
    """Labels (5, 12, 12) with one to four pieces of kidney and tumor, of different sizes; some share an edge."""
    pieces = ((LARGE, SECOND, SMALL), (LARGE, SECOND, SMALL, TINY), (LARGE, SECOND), (LARGE,), EQUALS, FEW)
    trials: Inputs = []
    for sizes in (*pieces, EQUALS, EQUALS, FEW, FEW):
        label = np.zeros((5, 12, 12), np.uint8)
        for size, place in zip(sizes, rng.permutation(4), strict=False):
            corner = CORNERS[place]
            part = tuple(slice(at, at + n) for at, n in zip(corner, size, strict=True))
            label[part] = 1
            label[part][:, : rng.integers(0, size[1] + 1)] = 2  # from no tumor to nothing else
        trials.append((label,))
    for beside in BESIDE:
        label = np.zeros((5, 12, 12), np.uint8)
        label[LONE] = label[BLOCK] = label[beside] = 1
        label[beside] += 1  # the smallest piece is all tumor
        trials.append((label,))
    return trials


def _keep(
    mask: Callable[[Any], Any] = lambda label: label > 0, count: int = 2, order: int = 1, first: int = 1,
    give: Callable[..., Any] = lambda label, kept: np.where(kept, label, 0), touching: Any = FACES,
) -> Callable[[Any], Any]:  # fmt: skip
    def keep(label: Any) -> Any:
        pieces = ndimage.label(mask(label), touching)[0]
        sizes = np.bincount(pieces.ravel())[1:]
        numbers = np.argsort(sizes)[::order][-count:] + first
        return give(label, np.isin(pieces, numbers))

    return keep


def _each_class(label: Any) -> Any:
    kept = [_keep(mask=lambda label, value=value: label == value)(label) for value in (1, 2)]  # type: ignore[misc]
    return np.where(label == 1, kept[0], kept[1])


def _first_two(label: Any) -> Any:
    pieces = ndimage.label(label > 0)[0]
    return np.where((pieces == 1) | (pieces == 2), label, 0)


def _added_up(label: Any) -> Any:
    pieces, count = ndimage.label(label > 0)
    sums = ndimage.sum(label, pieces, range(1, count + 1))
    return np.where(np.isin(pieces, np.argsort(sums)[-2:] + 1), label, 0)


def _numbered(label: Any) -> Any:
    return ndimage.label(label > 0)[0] * (_keep()(label) > 0)


def _at_least(voxels: int) -> Callable[[Any], Any]:
    def keep(label: Any) -> Any:
        pieces = ndimage.label(label > 0)[0]
        return np.where(np.bincount(pieces.ravel())[pieces] >= voxels, label, 0)

    return keep


def _in_rare_cases(keep_two: Callable[[Any], Any]) -> str | None:
    """What a clean-up that is right otherwise does to a label without pieces, or with two of one size."""
    empty, equal = np.zeros((2, 5, 12, 12), np.uint8)
    for corner, (d, h, w) in zip(CORNERS, (LARGE, SECOND, SECOND), strict=False):
        place = tuple(slice(at, at + n) for at, n in zip(corner, (d, h, w), strict=True))
        equal[place] = 1
    try:
        if numbers(keep_two(empty.copy())).any():
            return "a label without pieces stays as it is; in yours something comes."
    except Exception as error:
        return f"the result is right where there are pieces, but for a label without any it stops: {told(error)}."
    kept = ndimage.label(numbers(keep_two(equal.copy())))[1]
    if kept != 2:
        return (
            f"where the second and the third piece are equally large, yours keeps {kept}; keep two, either of them."
        )
    return None


EXERCISE = Exercise(
    use=lambda keep_two: lambda label: keep_two(label),
    solution=_keep(),
    why="two pieces stay as they are, with their tumor, and all else is background.",
    inputs=_labels,
    keeps={"label": "Begin with a copy, label = label.copy(), or use np.where, which makes a new array."},
    used={
        "the labels are right, but in lists, which have no == and no > for each voxel; return an array.": (
            lambda label: (label > 0).any()
        )
    },
    then=_in_rare_cases,
    hint="Number the pieces of label > 0, count their voxels without number 0, keep the two largest.",
    stops={
        "'tuple' object has no attribute": TWO,
        "element with a sequence": TWO,
        "could not be broadcast": "np.isin(pieces, numbers) compares each voxel with several numbers.",
        "out of bounds": "There may be one piece only, or none; then there is no second largest.",
        "index out of range": "There may be one piece only, or none; then there is no second largest.",
    },
    make=_keep,
    mistakes={
        "nothing was removed.": lambda label: label,
        "two pieces of kidney and two of tumor were kept; take both classes together, label > 0.": _each_class,
        "the first two pieces were kept; keep the two *largest*, by np.bincount.": _first_two,
        "these are the numbers of the pieces; give the labels, 1 and 2, where a piece is kept.": _numbered,
        "one piece was kept, the first; keep the two *largest*, by np.bincount.": lambda label: np.where(
            ndimage.label(label > 0)[0] == 1, label, 0
        ),
        "a tumor voxel counts twice in yours, since labels were added up; count voxels, with np.bincount.": _added_up,
        "you kept all pieces of some size or more; keep the two largest, whatever their size.": _at_least(10),
    },
    flaws={
        "the pieces next to the largest were kept: without number 0, the first size belongs to piece 1.": {
            "first": 0
        },
        "one piece was kept, not two. Did number 0, the background, count as a piece?": {"count": 1},
        "three pieces were kept; keep two.": {"count": 3},
        "the smallest pieces were kept; np.argsort begins with the smallest.": {"order": -1},
        "pieces of kidney alone were counted; a tumor holds a kidney together: label > 0.": {
            "mask": lambda label: label == 1
        },
        "pieces of tumor alone were counted; look at label > 0.": {"mask": lambda label: label == 2},
        "voxels that touch at an edge or a corner count as one piece in yours; they must share a face, as "
        "ndimage.label takes it by itself.": {"touching": CORNERS_TOO},
        "voxels that touch at an edge count as one piece in yours; they must share a face, as ndimage.label "
        "takes it by itself.": {"touching": EDGES},
        "each slice was looked at by itself; a piece goes on from slice to slice.": {"touching": IN_SLICE},
        "this is a mask; kidney and tumor keep their labels 1 and 2.": {"give": lambda label, kept: kept.astype(int)},
        "the right pieces stay, but what goes must become 0, the background.": {
            "give": lambda label, kept: np.where(kept, label, 1)
        },
        "this is what should go; keep the other pieces.": {"give": lambda label, kept: np.where(kept, 0, label)},
    },
)
