"""The exercise 3.4, a layer that is poked: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kits_msan.course.exercises.answers.n3.layers import layers_to_poke
from kits_msan.course.exercises.exercise import Exercise


def _poke(
    place: Callable[[int], Any] = lambda middle: (0, 0, 1, middle, middle), compare: bool = True,
    measure: Callable[[Tensor, int], Any] = lambda reached, size: int(reached.max() - reached.min()) + 1,
    axis: int = 2,
) -> Callable[[Any, int], Any]:  # fmt: skip
    """Pokes a layer; the arguments are what can go wrong."""

    def poke(layer: Any, size: int) -> Any:
        still = torch.zeros(1, 1, 3, size, size)
        poked = still.clone()
        poked[place(size // 2)] = 1
        changed = (layer(poked) != (layer(still) if compare else 0))[0, 0]
        return measure(changed.movedim(axis, -1).flatten(0, -2).any(dim=0).nonzero(), size)

    return poke


def _change(layer: Any, size: int) -> Tensor:
    """How a poke in the middle of the input changes the output, (D, H, W)."""
    still = torch.zeros(1, 1, 3, size, size)
    poked = still.clone()
    poked[0, 0, 1, size // 2, size // 2] = 1
    change: Tensor = (layer(poked) - layer(still))[0, 0]
    return change


def _changed(layer: Any, size: int) -> Tensor:
    """Which voxels (D, H, W) change."""
    return _change(layer, size) != 0


def _gradient(layer: Any, size: int) -> Any:
    x = torch.zeros(1, 1, 3, size, size, requires_grad=True)
    layer(x)[0, 0, 1, size // 2, size // 2].backward()
    assert x.grad is not None
    columns = x.grad.nonzero()[:, -1]
    return int(columns.max() - columns.min()) + 1


def _of_all_axes(layer: Any, size: int) -> Any:
    places = _changed(layer, size)[None, None].nonzero()
    return int(places.max() - places.min()) + 1


def _in_order(layer: Any, size: int) -> Any:
    columns = _changed(layer, size).nonzero()[:, -1]
    return int(columns[-1] - columns[0]) + 1


def _of_change(part: Callable[[Tensor], Tensor]) -> Callable[[Any, int], Any]:
    """The width of what is found in the change (D, H, W) of the output."""

    def width(layer: Any, size: int) -> Any:
        found = part(_change(layer, size)).nonzero()[:, -1]
        return int(found.max() - found.min()) + 1

    return width


NOTHING = (
    "No column is left. Is your second input a copy, b = a.clone()? After b = a both are one tensor. And a column "
    "counts if *any* of its voxels changes, not only if all do."
)
FIVE = "The input has five axes, (1, 1, 3, size, size), so slices, rows and columns are axes 2, 3 and 4."
EXERCISE = Exercise(
    solution=_poke(),
    why="what a poke can change is as wide as what an output can see, for any layer and without gradients.",
    inputs=layers_to_poke,
    hint="Poke the middle voxel, compare with the answer to the empty input, and find all columns that change.",
    stops={
        "numel() == 0": NOTHING,
        "zero-size": NOTHING,
        "out of bounds for dimension": FIVE,
        "tuple index out of range": FIVE,
        "(unbatched) or": FIVE,
    },
    mistakes={
        "you looked at the middle row of the middle slice alone; a layer can reach farther in other rows and "
        "slices.": _of_change(lambda change: change[1, change.shape[1] // 2, None]),
        "you looked at the middle slice alone; a layer can reach farther in the slices beside it.": _of_change(
            lambda change: change[1]
        ),
        "you looked at the middle row alone; a layer can reach farther in the rows beside it.": _of_change(
            lambda change: change[:, change.shape[1] // 2]
        ),
        "a change can be negative too: a column counts if it becomes smaller. Compare with !=, or take abs().": (
            _of_change(lambda change: change > 0)
        ),
        "a change can be negative too, and a sum is 0 where changes cancel. Take abs() first, or any().": (
            _of_change(lambda change: change.sum(dim=(0, 1), keepdim=True) > 0)
        ),
        "changes of opposite signs cancel in a sum or mean. Take abs() first, or any().": _of_change(
            lambda change: change.sum(dim=(0, 1), keepdim=True)
        ),
        "a change can be small: a weight of 0.001 counts as well. Compare with !=.": _of_change(
            lambda change: change.abs() > 0.1
        ),
        "you counted changed voxels in all slices and rows; the width counts columns.": (
            lambda layer, size: int(_changed(layer, size).sum())
        ),
        "you counted the changed pixels of a slice; the width counts columns.": (
            lambda layer, size: int(_changed(layer, size)[1].sum())
        ),
        "you counted what changes in a row; a kernel with holes reaches farther. Take last - first + 1.": (
            lambda layer, size: int(_changed(layer, size)[1, size // 2].sum())
        ),
        "you counted the columns that change; a kernel with holes reaches farther. Take last - first + 1.": (
            lambda layer, size: int(_changed(layer, size).any(dim=0).any(dim=0).sum())
        ),
        "that is the reach to one side; the width counts both sides and the middle.": _poke(
            measure=lambda reached, size: int(reached.max()) - size // 2
        ),
        "this is a mask or a list of columns; take last - first + 1.": _poke(
            measure=lambda reached, size: reached.flatten()
        ),
        "the voxel that you poked is one beside the middle; the middle of `size` is size // 2.": _poke(
            place=lambda middle: (0, 0, 1, middle + 1, middle + 1)
        ),
        "this is what one output sees, by its gradient; poke an input, and see which outputs change.": _gradient,
        "that is the reach to the left; where a layer reaches less to the right, the width is not twice "
        "that. Take last - first + 1.": _poke(measure=lambda reached, size: 2 * (size // 2 - int(reached.min())) + 1),
        "these are the first and the last column; take last - first + 1.": _poke(
            measure=lambda reached, size: (int(reached.min()), int(reached.max()))
        ),
        "you took the smallest and largest number of all axes together; look at the columns, the last axis, "
        "alone.": _of_all_axes,
        "the first and the last place in the list need not be those farthest left and right; take min and "
        "max of the columns.": _in_order,
    },
    make=_poke,
    flaws={
        "you compared with 0; a layer with a bias answers an empty input too. Compare with that.": {"compare": False},
        "your width is as large as `size`. Poke one voxel only, not a row, and find the columns that change.": {
            "place": lambda middle: (0, 0, 1, middle)
        },
        "the voxel that you poked is one to the left of the middle; the middle of `size` is size // 2.": {
            "place": lambda middle: (0, 0, 1, middle, middle - 1)
        },
        "a whole column was poked; poke one voxel, in the middle of slices, rows and columns.": {
            "place": lambda middle: (0, 0, 1, slice(None), middle)
        },
        "the middle of every slice was poked; poke one voxel, in the middle slice.": {
            "place": lambda middle: (..., middle, middle)
        },
        "a whole plane was poked; poke one voxel, in the middle of slices, rows and columns.": {
            "place": lambda middle: (..., middle)
        },
        "the voxel that you poked is not in the middle slice; there are 3 slices, so it is number 1.": {
            "place": lambda middle: (0, 0, 0, middle, middle)
        },
        "you poked the corner, where half of what changes lies outside; poke the middle.": {
            "place": lambda middle: (0, 0, 0, 0, 0)
        },
        "last - first is one too small: from 4 to 6 there are 3 columns.": {
            "measure": lambda reached, size: int(reached.max() - reached.min())
        },
        "from 4 to 6 there are 3 columns; you counted one too many.": {
            "measure": lambda reached, size: int(reached.max() - reached.min()) + 2
        },
        "that is the radius; the width counts both sides and the middle.": {
            "measure": lambda reached, size: (int(reached.max() - reached.min()) + 1) // 2
        },
        "that is the reach to the right; where a layer reaches less to the left, the width is not twice "
        "that. Take last - first + 1.": {"measure": lambda reached, size: 2 * (int(reached.max()) - size // 2) + 1},
        "that is the last column that changes; subtract the first, and add 1.": {
            "measure": lambda reached, size: int(reached.max())
        },
        "that is the first column that changes; take last - first + 1.": {
            "measure": lambda reached, size: int(reached.min())
        },
        "you measured from top to bottom; the width goes from left to right, over columns.": {"axis": 1},
        "you measured across slices; the width goes from left to right, over columns.": {"axis": 0},
    },
)
