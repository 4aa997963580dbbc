"""The three building blocks: the 3D U-Net's double convolution, the paper's attention and the Res2Net block.

Before them what all networks share: `Network`, and where their outputs start. Shape comments use N batch,
C channels, D slices, H rows, W columns.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kits_msan.errors import check_choice
from kits_msan.networks.norms import InstanceNorm
from kits_msan.profiles import Profile

CLASS_COUNT = 3  # background, kidney, tumor
PRIOR = (0.985, 0.012, 0.003)  # of the voxels of an abdominal CT, roughly: where the output biases start
SUPERVISION_WEIGHT = 0.4  # of the loss of deep supervision beside the output's, where nothing else is said
MOST_POOLINGS = 9  # 512 pixels to one
READINGS = ("neighbors", "finer", "all")


class Network(nn.Module):
    """What training, inference and checkpoints ask of a network: (N, 1, D, H, W) -> logits (N, 3, D, H, W).

    width, poolings, pool: as in `UNet3D`. Raises ValueError where one of them does not fit.
    config: what `build_model` needs, beside the name, to build it again.
    multiple: D, H and W must be multiples of these.
    """

    name = ""  # the one that `build_model` knows it by; set on loading, as is the next
    profile: Profile | None = None  # the one that it was trained with
    supervision_weight = 0.0  # in the loss, of what a network in training returns beside its output

    def __init__(self, width: int, poolings: int, pool: tuple[int, int, int]) -> None:
        if width < 1 or not 1 <= poolings <= MOST_POOLINGS:
            limit = f" (poolings at most {MOST_POOLINGS})" if width >= 1 and poolings >= 1 else ""
            raise ValueError(f"width {width} and poolings {poolings} must both be at least 1{limit}.")
        if not (isinstance(pool, Sequence) and len(pool) == 3 and all(isinstance(n, int) and n >= 1 for n in pool)):
            raise ValueError(f"pool {pool} must be three whole numbers of at least 1, such as (1, 2, 2).")
        super().__init__()
        self.config: dict[str, Any] = {"width": width, "poolings": poolings, "pool": list(pool)}
        self.multiple = (pool[0] ** poolings, pool[1] ** poolings, pool[2] ** poolings)

    def _check(self, x: Tensor) -> None:
        """Raises ValueError for an input whose size does not fit."""
        if x.ndim != 5 or x.shape[1] != 1:
            raise ValueError(f"expected an input of shape (N, 1, D, H, W), not {tuple(x.shape)}.")
        if any(n == 0 or n % step for n, step in zip(x.shape[2:], self.multiple, strict=True)):
            raise ValueError(
                f"slices, rows and columns {tuple(x.shape[2:])} must be multiples of {self.multiple}; pad first."
            )


def start_at_prior(head: nn.Conv3d) -> nn.Conv3d:
    """The convolution to logits with its bias at the classes' prior, so that no step is spent learning it."""
    with torch.no_grad():
        head.bias.copy_(torch.tensor([math.log(p) for p in PRIOR]))  # type: ignore[union-attr]
    return head


def conv3(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3x3 convolution, normalization, ReLU: (N, C_in, D, H, W) -> (N, C_out, D, H, W).

    Instance normalization is our choice (the paper is silent): with two slabs a batch, batch statistics would be
    mostly noise, and a sample's result would depend on its companions.
    """
    return nn.Sequential(
        nn.Conv3d(channels_in, channels_out, kernel_size=3, padding=1, bias=False),
        InstanceNorm(channels_out, affine=True),
        nn.ReLU(inplace=True),
    )


class ConvBlock(nn.Module):
    """Two 3x3x3 convolutions: (N, C_in, D, H, W) -> (N, C_out, D, H, W); Çiçek et al. 2016, figure 2."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = conv3(channels_in, channels_out)
        self.second = conv3(channels_out, channels_out)

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        x = self.first(x)  # (N, C_in, D, H, W) -> (N, C_out, D, H, W)
        return self.second(x)


class MultiScaleAttention(nn.Module):
    """The paper's multi-scale attention layer (section 2.2, figure 1).

    In: the encoder's maps F_0 (finest) to F_n (bottom), F_i of shape (N, channels[i], D, H_i, W_i).
    Out: the enhanced maps of levels 0 to n-1, each of F_i's shape:

        S_i = F_i + sum over other levels j of P_ij(F_j resized to F_i's grid)
        W_i = sigmoid(S_i)
        out_i = F_i * W_i

    P_ij is a 1x1x1 convolution to channels[i], since maps of different scale have different numbers of channels.
    Which levels j are added is the `reading` of "the larger feature maps are added element-wisely with the smaller
    feature maps": "neighbors" (i-1 and i+1, our default), "finer" (i-1 only) or "all". The paper gives neither P
    nor the way of resizing: finer maps are max-pooled as in the encoder, coarser ones interpolated.

    Raises InputError, a ValueError, for an unknown reading, and ValueError for fewer than two levels.
    """

    def __init__(self, channels: Sequence[int], reading: str = "neighbors") -> None:
        super().__init__()
        check_choice("reading", reading, READINGS)
        if len(channels) < 2:
            raise ValueError("attention needs the maps of at least two levels.")
        self.sources = [_sources(level, len(channels), reading) for level in range(len(channels) - 1)]
        self.project = nn.ModuleDict(
            {
                f"{j}_to_{i}": nn.Conv3d(channels[j], channels[i], kernel_size=1, bias=False)
                for i, sources in enumerate(self.sources)
                for j in sources
            }
        )

    def weights(self, features: Sequence[Tensor]) -> list[Tensor]:
        """W_0 to W_{n-1}, each of F_i's shape, values 0 to 1."""
        return [self._weight(features, i) for i in range(len(self.sources))]

    def _weight(self, features: Sequence[Tensor], i: int) -> Tensor:
        total = features[i]  # (N, C_i, D, H_i, W_i)
        for j in self.sources[i]:
            project = self.project[f"{j}_to_{i}"]  # (N, C_j, D, H_j, W_j) -> (N, C_i, D, H_i, W_i):
            if j < i:  # finer: resize, then project, since a pooled map is cheaper to project
                total = total + project(resize_to(features[j], features[i]))
            else:  # coarser: project, then resize, for the same reason
                total = total + resize_to(project(features[j]), features[i])
        return torch.sigmoid(total)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:  # noqa: D102
        return [features[i] * self._weight(features, i) for i in range(len(self.sources))]  # one weight at a time


class Res2NetBlock(nn.Module):
    """The 3D Res2Net block (paper, figure 3; Gao et al. 2019): (N, C_in, D, H, W) -> (N, C_out, D, H, W).

    A 1x1x1 convolution, a split of the channels in `scale` groups x_1 to x_s, then

        y_1 = x_1,   y_2 = K_2(x_2),   y_k = K_k(x_k + y_{k-1}) for k > 2

    with 3x3x3 convolutions K_k, so that group k has seen k-1 convolutions; concatenation, a 1x1x1 convolution and
    the residual. With scale 1, y_1 = K_1(x_1). Channels are not narrowed before K, as in a bottleneck: our choice.

    The residual passes a 1x1x1 convolution where the number of channels changes, as in a ResNet.
    Raises ValueError if channels_out is no multiple of scale.
    """

    def __init__(self, channels_in: int, channels_out: int, scale: int = 4) -> None:
        super().__init__()
        if scale < 1 or channels_out % scale:
            raise ValueError(f"{channels_out} channels cannot be split in {scale} equal groups.")
        self.scale = scale
        group = channels_out // scale
        self.reduce = _conv1(channels_in, channels_out)
        self.convs = nn.ModuleList(conv3(group, group) for _ in range(max(scale - 1, 1)))
        self.expand = _conv1(channels_out, channels_out, relu=False)
        self.shortcut = (
            nn.Identity() if channels_in == channels_out else _conv1(channels_in, channels_out, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:  # noqa: D102
        x_in, x = x, self.reduce(x)  # (N, C_in, D, H, W) -> (N, C_out, D, H, W)
        groups = list(x.chunk(self.scale, dim=1))  # -> scale x (N, C_out/scale, D, H, W)
        outputs = [groups.pop(0)] if self.scale > 1 else []  # y_1 = x_1
        for k, (conv, group) in enumerate(zip(self.convs, groups, strict=True)):
            outputs.append(conv(group if k == 0 else group + outputs[-1]))
        y = self.expand(torch.cat(outputs, dim=1))  # scale x (N, C_out/scale, D, H, W) -> (N, C_out, D, H, W)
        return F.relu(y + self.shortcut(x_in))


def resize_to(x: Tensor, like: Tensor) -> Tensor:
    """Bring (N, C, D, H, W) to the grid of `like`: max pooling to a coarser one, interpolation to a finer one.

    Raises ValueError for a coarser grid of which the map's own is no multiple: poolings make no such.
    """
    grid = like.shape[2:]
    if x.shape[2:] == grid:
        return x
    if x.shape[2:].numel() > grid.numel():
        if any(n % wanted for n, wanted in zip(x.shape[2:], grid, strict=True)):
            raise ValueError(f"a map of {tuple(x.shape[2:])} voxels is no multiple of {tuple(grid)}; pad first.")
        return F.max_pool3d(x, [n // wanted for n, wanted in zip(x.shape[2:], grid, strict=True)])
    return interpolate(x, grid)


def interpolate(x: Tensor, grid: Sequence[int]) -> Tensor:
    """(N, C, D, h, w) -> (N, C, *grid), linearly. Slice by slice where none are added: the same in half the time."""
    samples, _, slices = x.shape[:3]
    if grid[0] != slices:
        return F.interpolate(x, tuple(grid), mode="trilinear", align_corners=False)
    flat = x.transpose(1, 2).flatten(0, 1)  # (N, C, D, h, w) -> (N D, C, h, w)
    flat = F.interpolate(flat, tuple(grid[1:]), mode="bilinear", align_corners=False)
    return flat.unflatten(0, (samples, slices)).transpose(1, 2)


def _conv1(channels_in: int, channels_out: int, relu: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv3d(channels_in, channels_out, kernel_size=1, bias=False),
        InstanceNorm(channels_out, affine=True),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _sources(level: int, levels: int, reading: str) -> list[int]:
    """The levels that are added to `level`."""
    if reading == "all":
        return [j for j in range(levels) if j != level]
    offsets = (-1,) if reading == "finer" else (-1, 1)
    return [level + offset for offset in offsets if 0 <= level + offset < levels]
