"""The layers that are poked in exercise 3.4."""

import numpy as np
import torch
from torch import Tensor, nn

from kits_msan.course.exercises.exercise import Inputs


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


def _weighted(weights: list[list[float]], bias: float | None = None) -> nn.Conv3d:
    """A convolution within a slice, with these weights (rows, columns), which can be trained."""
    conv = _conv((1, len(weights), len(weights[0])), bias=bias)
    conv.weight[0, 0, 0] = torch.tensor(weights)
    return conv.requires_grad_()


def layers_to_poke(rng: np.random.Generator) -> Inputs:
    """Layers, each with the size of its input.

    Plain, wider than the map, with holes, with a bias, lopsided, uneven, wide on an axis or in a row; then some whose
    weights are negative, small, or cancel in a column, and can be trained, as those of real layers.
    """
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
        _weighted([[-1, 3, -1]]),
        _weighted([[-1, -1, 3, -1, -1]]),
        _weighted([[1e-3, -1e-3, 1, 1e-3, -1e-3]], bias=0.5),
        _weighted([[1, 0, 1, -1, 2], [0, 1, 1, 0, -1], [-1, -1, 1, 1, -1]]),
    ]
    sizes = (11, 9, 11, 13, 11, 9, 13, 9, 7, 15, 11, 13, 11, 11, 13, 9, 11, 11, 11, 11, 9, 9, 11, 11)
    return [(layer, size) for layer, size in zip(layers, sizes, strict=True)]
