"""Instance normalization as the networks use it: `nn.InstanceNorm3d`, in less time.

Its values, gradients and weights are PyTorch's. To read the networks, take it for that one and read on. Only second
derivatives, as of a gradient penalty, and `torch.func` are missing on a CPU in float32: they raise errors there.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

ROW = 64  # numbers that are added side by side: less is slow, more leaves longer sums for the second round


class InstanceNorm(nn.InstanceNorm3d):
    """`nn.InstanceNorm3d` that keeps the memory order channels_last_3d, (N, C, D, H, W) -> the same.

    PyTorch's leaves that order, so each convolution after it copies its input back. On a GPU and in bfloat16, whose
    own rounding is far above that of PyTorch's long sums, its result is put back in order.
    Without gradients it writes over its input, which in the networks is a convolution's output.
    """

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        kind = x.device.type
        if kind not in ("cpu", "cuda") or torch.compiler.is_compiling():  # for ONNX too, which knows PyTorch's
            return super().forward(x)
        if x[0, 0].numel() == 1 or type(x) is not Tensor:  # PyTorch refuses the one, and knows MONAI's MetaTensor
            return _guarded(super().forward(x))
        if kind == "cuda" or x.dtype != torch.float32:
            return _guarded(super().forward(x)).contiguous(memory_format=torch.channels_last_3d)
        if not torch.is_grad_enabled():
            return _normalize_in_place(x, self.weight, self.bias, self.eps)
        return _Normalize.apply(x, self.weight, self.bias, self.eps)


def _guarded(y: Tensor) -> Tensor:
    """What PyTorch's normalization gave, whose gradient then comes to it in the default memory order.

    Of a batch of one in channels_last_3d it makes wrong gradients, off by 1.4 times their own length (PyTorch 2.13 on
    a CPU, in every number format); of a larger batch it changes the order by itself.
    """
    if len(y) == 1 and y.requires_grad:
        y.register_hook(Tensor.contiguous)
    return y


class _Normalize(torch.autograd.Function):
    """y = (x - mean) / deviation * weight + bias, over the V voxels of each sample and channel.

    In channels_last_3d a sample is a matrix of V rows and C columns. A few columns are slow to walk, so k voxels are
    taken for one row of k C columns where k divides V. PyTorch adds rows up in stages, so a sum of a million
    numbers is about as exact as one of a few, and the same with any number of threads.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        rows = _Rows(x)
        centered = rows.of(x)
        centered = centered - rows.wide(rows.mean(centered))
        scale = (rows.mean(centered.square()) + eps).rsqrt()  # (N, C)
        ctx.rows = rows
        ctx.save_for_backward(centered, scale, weight)
        y = torch.empty_like(x, memory_format=torch.channels_last_3d)
        torch.addcmul(rows.wide(bias[None]), centered, rows.wide(scale * weight), out=rows.of(y))
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        if torch.is_grad_enabled():  # `create_graph`: what follows would take mean and deviation for constants
            raise RuntimeError(f"{InstanceNorm.__name__} has no second derivatives; nn.InstanceNorm3d has.")
        rows, (centered, scale, weight) = ctx.rows, ctx.saved_tensors
        out = rows.of(gradient)
        by_bias = rows.mean(out)  # (N, C)
        by_weight = rows.mean(out * centered) * scale
        step = scale * weight
        inward = torch.addcmul(rows.wide(-step * by_bias), centered, rows.wide(-step * scale * by_weight))
        inward.addcmul_(out, rows.wide(step))
        return rows.back(inward), rows.voxels * by_weight.sum(0), rows.voxels * by_bias.sum(0), None


def _normalize_in_place(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """The same to the bit without gradients, in the memory of x: less of it is touched, which takes time too."""
    rows = _Rows(x)
    y = rows.of(x)
    y -= rows.wide(rows.mean(y))
    scale = (rows.mean(y.square()) + eps).rsqrt()  # (N, C)
    torch.addcmul(rows.wide(bias[None]), y, rows.wide(scale * weight), out=y)
    return rows.back(y)


class _Rows:
    """The matrices of N samples, (N, V / k, k C), and what is done along them."""

    def __init__(self, x: Tensor) -> None:
        self.samples, self.channels, *self.grid = x.shape
        self.voxels = math.prod(self.grid)
        self.k = math.gcd(self.voxels, max(ROW // self.channels, 1))

    def of(self, x: Tensor) -> Tensor:
        """(N, C, D, H, W) -> (N, V / k, k C), without a copy from channels_last_3d."""
        return x.permute(0, 2, 3, 4, 1).reshape(self.samples, -1, self.k * self.channels)

    def back(self, rows: Tensor) -> Tensor:
        """The way back, in channels_last_3d."""
        return rows.view(self.samples, *self.grid, self.channels).permute(0, 4, 1, 2, 3)

    def mean(self, rows: Tensor) -> Tensor:
        """(N, V / k, k C) -> (N, C)."""
        total = rows.sum(1)
        if self.k > 1:
            total = total.view(self.samples, self.k, self.channels).sum(1)
        return total / self.voxels

    def wide(self, values: Tensor) -> Tensor:
        """One value a channel for each column: (N, C) -> (N, 1, k C)."""
        return (values.repeat(1, self.k) if self.k > 1 else values)[:, None]
