"""The exercise 3.4, a layer that is poked: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kits_msan.course.exercises.exercise import Exercise, Inputs


class _Uneven(nn.Module):
    """Sees `middle` columns from the voxels in the middle of an axis, and `elsewhere` from the others."""

    def __init__(self, axis: int, middle: int, elsewhere: int) -> None:
        super().__init__()
        self.axis, self.near, self.far = axis, _conv((3, 3, middle)), _conv((3, 3, elsewhere))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 1, D, H, W) to maps of the same size."""
        middle = torch.zeros_like(x)
        middle.select(self.axis, x.shape[self.axis] // 2).fill_(1)
        result: Tensor = self.near(x * middle) + self.far(x * (1 - middle))
        return result


class _Ramp(nn.Module):
    """Answers an empty input with a ramp along the columns, and sees 3 of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = _conv((3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, 1, D, H, W) to maps of the same size."""
        result: Tensor = self.conv(x) + torch.arange(1.0, x.shape[-1] + 1)
        return result


def _conv(kernel: tuple[int, int, int], dilation: int = 1, bias: float | None = None, gap: int = 0) -> nn.Conv3d:
    """A convolution with weights of 1 that keeps the size; `gap`: the first columns of its kernel are 0."""
    padding = (dilation * (kernel[0] // 2), dilation * (kernel[1] // 2), dilation * (kernel[2] // 2))
    conv = nn.Conv3d(1, 1, kernel, padding=padding, dilation=dilation, bias=bias is not None)
    nn.init.ones_(conv.weight)
    with torch.no_grad():
        conv.weight[..., :gap] = 0
    if conv.bias is not None:
        nn.init.constant_(conv.bias, bias or 0.0)
    return conv.requires_grad_(False)


def _cross(depth: int, row: int) -> nn.Conv3d:
    """A convolution that sees 5 columns of one row of one slice, and one column of the other rows and slices."""
    conv = _conv((3, 3, 5))
    conv.weight[..., :2] = conv.weight[..., 3:] = 0
    conv.weight[0, 0, depth, row] = 1
    return conv


def _layers(rng: np.random.Generator) -> Inputs:
    """Layers: plain, wider than the map, with holes, with a bias, lopsided, uneven, wide on an axis or in a row."""
    layers = [
        _conv((3, 3, 3)),
        _conv((3, 3, 17)),
        _conv((5, 5, 5)),
        _conv((3, 3, 17)),
        _conv((3, 3, 3), dilation=3),
        _conv((3, 3, 3), bias=0.5),
        _conv((3, 7, 3)),
        _conv((3, 3, 7), bias=-2.0),
        _conv((1, 1, 1)),
        _conv((3, 5, 5), gap=2),
        nn.Sequential(_conv((3, 3, 3)), _conv((3, 5, 5), bias=1.0)),
        _Uneven(2, middle=3, elsewhere=5),
        _Uneven(2, middle=5, elsewhere=3),
        _Uneven(3, middle=3, elsewhere=7),
        _Uneven(4, middle=3, elsewhere=7),
        _Ramp(),
        *(_cross(depth, row) for depth, row in ((1, 1), (1, 0), (0, 1), (2, 2))),
    ]
    sizes = (11, 9, 11, 13, 11, 9, 13, 9, 7, 15, 11, 13, 11, 11, 13, 9, 11, 11, 11, 11)
    return [(layer, size) for layer, size in zip(layers, sizes, strict=True)]


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


def _changed(layer: Any, size: int) -> Tensor:
    """Which voxels (D, H, W) of the output a poke in the middle of the input changes."""
    still = torch.zeros(1, 1, 3, size, size)
    poked = still.clone()
    poked[0, 0, 1, size // 2, size // 2] = 1
    changed: Tensor = (layer(poked) != layer(still))[0, 0]
    return changed


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


def _within(part: Callable[[Tensor, int], Tensor]) -> Callable[[Any, int], Any]:
    """The width of what changes in a part of the output (D, H, W)."""

    def width(layer: Any, size: int) -> Any:
        columns = part(_changed(layer, size), size // 2).nonzero()[:, -1]
        return int(columns.max() - columns.min()) + 1

    return width


NOTHING = (
    "No column is left. Is your second input a copy, b = a.clone()? After b = a both are one tensor. And a column "
    "counts if *any* of its voxels changes, not only if all do."
)
FIVE = "The input has five axes, (1, 1, 3, size, size), so slices, rows and columns are axes 2, 3 and 4."
EXERCISES = {
    "3.4": Exercise(
        solution=_poke(),
        why="what a poke can change is as wide as what an output can see, for any layer and without gradients.",
        inputs=_layers,
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
            "slices.": _within(lambda changed, middle: changed[1, middle, None]),
            "you looked at the middle slice alone; a layer can reach farther in the slices beside it.": _within(
                lambda changed, middle: changed[1]
            ),
            "you looked at the middle row alone; a layer can reach farther in the rows beside it.": _within(
                lambda changed, middle: changed[:, middle]
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
            "that. Take last - first + 1.": _poke(
                measure=lambda reached, size: 2 * (size // 2 - int(reached.min())) + 1
            ),
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
            "you compared with 0; a layer with a bias answers an empty input too. Compare with that.": {
                "compare": False
            },
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
            "that. Take last - first + 1.": {
                "measure": lambda reached, size: 2 * (int(reached.max()) - size // 2) + 1
            },
            "that is the last column that changes; subtract the first, and add 1.": {
                "measure": lambda reached, size: int(reached.max())
            },
            "that is the first column that changes; take last - first + 1.": {
                "measure": lambda reached, size: int(reached.min())
            },
            "you measured from top to bottom; the width goes from left to right, over columns.": {"axis": 1},
            "you measured across slices; the width goes from left to right, over columns.": {"axis": 0},
        },
    ),
}
