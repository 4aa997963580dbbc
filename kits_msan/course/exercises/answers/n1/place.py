"""The exercise 1.3, a voxel's place in the patient: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _corners(rng: np.random.Generator) -> Inputs:
    """Affines, straight and oblique ones, and an index in (slice, row, column)."""
    kits = np.array([[0, 0, -0.8, 90], [0, -0.7, 0, 60], [-3.0, 0, 0, -20], [0, 0, 0, 1.0]])
    other = np.array([[0, 0.5, 0, -80], [0, 0, 2.0, 10], [4.0, 0, 0, 30], [0, 0, 0, 1.0]])
    trials: Inputs = [(kits, (10, 20, 30)), (other, (1, 2, 3))]
    for _ in range(8):
        rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        affine = np.eye(4)
        affine[:3, :3] = rotation * rng.uniform(0.5, 5, size=3)
        affine[:3, 3] = rng.uniform(-200, 200, size=3)
        trials.append((affine.round(2), tuple(rng.integers(0, 60, size=3).tolist())))
    return trials


def _place(
    matrix: Callable[[Any], Any] = lambda affine: affine[:3, :3],
    origin: Callable[[Any], Any] = lambda affine: affine[:3, 3],
    of_index: Callable[[Any], Any] = lambda index: index, give: Callable[[Any], Any] = lambda place: place,
) -> Callable[[Any, Any], Any]:  # fmt: skip
    """Where a voxel lies; the arguments are what can go wrong."""
    return lambda affine, index: give(matrix(affine) @ of_index(np.array(index)) + origin(affine))


def _moved(by: float) -> dict[str, Any]:
    return {"of_index": lambda index: index + by}


_patient = _place()


EXERCISE = Exercise(
    solution=_patient,
    why="the affine holds direction, spacing and origin; nothing else is needed to find a voxel in the patient.",
    inputs=_corners,
    hint="The affine is 4×4: append a 1 to the index, multiply, and drop the last of the four numbers.",
    parts={"toward right": "Look at row 0.", "anterior": "Look at row 1.", "superior": "Look at row 2."},
    stops={
        "core dimension": "The affine is 4×4 and the index has three numbers: append a 1 to the index.",
        "can only concatenate": "An index is a tuple; append a 1 to it with (*index, 1).",
    },
    mistakes={
        "a 0 was appended to the index; with a 1 the origin, the affine's last column, is added.": (
            lambda affine, index: affine @ (*index, 0)
        ),
        "you returned four numbers; the last is always 1 and is dropped.": lambda affine, index: affine @ (*index, 1),
        "you dropped the first number; drop the last one, which is always 1.": (
            lambda affine, index: (affine @ (*index, 1))[1:]
        ),
        "you multiplied from the wrong side; it is affine @ index, with the index as a column.": (
            lambda affine, index: (np.array((*index, 1)) @ affine)[:3]
        ),
        "you put the 1 before the index; append it after the index.": lambda affine, index: (affine @ (1, *index))[
            :3
        ],
        "you gave the index as column, row, slice, and the origin is missing.": (
            lambda affine, index: affine[:3, :3] @ index[::-1]
        ),
        "index times spacing forgets in which direction each axis runs, and where the volume begins.": (
            lambda affine, index: np.array(index) * np.linalg.norm(affine[:3, :3], axis=0)
        ),
        "index times spacing plus origin forgets in which direction each axis runs.": (
            lambda affine, index: np.array(index) * np.linalg.norm(affine[:3, :3], axis=0) + affine[:3, 3]
        ),
        "only the diagonal of the affine is used, and the origin is missing. Multiply by the whole matrix.": (
            lambda affine, index: np.diag(affine)[:3] * index
        ),
        "this is element by element; a matrix is multiplied with @.": (
            lambda affine, index: (affine * np.array((*index, 1)))[:3]
        ),
        "you added the origin first and then multiplied; multiply first.": (
            lambda affine, index: affine[:3, :3] @ (np.array(index) + affine[:3, 3])
        ),
        "this goes from millimeters to an index; you inverted the affine.": (
            lambda affine, index: _patient(np.linalg.inv(affine), index)
        ),
        "this is only the origin, the place of voxel (0, 0, 0).": lambda affine, index: affine[:3, 3],
        "you turned both index and result around; leave both in their order.": (
            lambda affine, index: _patient(affine, index[::-1])[::-1]
        ),
        "you subtracted the origin and then multiplied; multiply first, then add the origin.": lambda affine, index: (
            affine[:3, :3] @ (np.array(index) - affine[:3, 3])
        ),
        "this goes from millimeters to an index; you inverted the affine. And the last number is "
        "dropped.": lambda affine, index: np.linalg.inv(affine) @ (*index, 1),
        "you multiplied element by element and added down the columns; `affine @ index` does both, along the "
        "rows.": lambda affine, index: (affine * np.array((*index, 1))).sum(axis=0)[:3],
        "each row was multiplied by one number of the index; `affine @ index` multiplies along the "
        "rows.": lambda affine, index: (affine * np.array((*index, 1))[:, None]).sum(axis=1)[:3],
        "all is subtracted from the origin; the affine times the index is added to it.": _place(
            matrix=lambda affine: -affine[:3, :3]
        ),
    },
    make=_place,
    flaws={
        "the origin is missing: append a 1 to the index, so that the affine's last column is added.": {
            "origin": lambda affine: 0
        },
        "you subtracted the origin; the affine's last column is added.": {"origin": lambda affine: -affine[:3, 3]},
        "the origin was added twice: the 1 after the index adds it already.": {
            "origin": lambda affine: 2 * affine[:3, 3]
        },
        "you added a 1 to the product; append it to the index, so that the origin is added.": {
            "origin": lambda affine: 1
        },
        "you added column 0 of the affine; the origin is the last column, affine[:3, 3].": {
            "origin": lambda affine: affine[:3, 0]
        },
        "you added column 1 of the affine; the origin is the last column, affine[:3, 3].": {
            "origin": lambda affine: affine[:3, 1]
        },
        "you added column 2 of the affine; the origin is the last column, affine[:3, 3].": {
            "origin": lambda affine: affine[:3, 2]
        },
        "you added a row of the affine; the origin is its last column, affine[:3, 3].": {
            "origin": lambda affine: affine[2, :3]
        },
        "the numbers of the affine lost their fractions; take them as they are.": {
            "matrix": lambda affine: np.trunc(affine[:3, :3])
        },
        "you multiplied from the wrong side; the affine is on the left: affine[:3, :3] @ index + origin.": {
            "matrix": lambda affine: affine[:3, :3].T
        },
        "only the diagonal of the affine is used, but axes are exchanged. Multiply by the whole matrix.": {
            "matrix": lambda affine: np.diag(np.diag(affine)[:3])
        },
        "only the diagonal of the affine is used, without signs, but axes are exchanged. Multiply by the whole "
        "matrix.": {"matrix": lambda affine: np.diag(np.abs(np.diag(affine)[:3]))},
        "index plus origin forgets how large a voxel is, and in which direction each axis runs.": {
            "matrix": lambda affine: np.eye(3)
        },
        "the numbers of the affine lost their signs; an axis can run toward left, behind or below.": {
            "matrix": lambda affine: np.abs(affine[:3, :3])
        },
        "you gave the index as column, row, slice; the affine takes it in the array's own order.": {
            "of_index": lambda index: index[::-1]
        },
        "you exchanged row and column; the index is (slice, row, column), as the affine wants it.": {
            "of_index": lambda index: index[[0, 2, 1]]
        },
        "you exchanged slice and row; the index is (slice, row, column), as the affine wants it.": {
            "of_index": lambda index: index[[1, 0, 2]]
        },
        "you moved by a voxel: Python's indices count from 0, as the affine does.": _moved(1),
        "you moved back by a voxel: Python's indices count from 0, as the affine does.": _moved(-1),
        "you moved by half a voxel; in NIfTI the affine gives the voxel's middle.": _moved(0.5),
        "half a voxel was taken off; in NIfTI the affine gives the voxel's middle.": _moved(-0.5),
        "your three numbers are in the reverse order.": {"give": lambda place: place[::-1]},
        "the signs are lost; a place can lie to the left, behind or below, and is negative then.": {"give": np.abs},
        "two signs are turned: this affine counts toward right, anterior and superior, as it is asked.": {
            "give": lambda place: place * (-1, -1, 1)
        },
    },
)
