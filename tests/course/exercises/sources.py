"""The teacher's solutions: the source of an exercise's or a build's cell, and the names that it uses.

And layers: an attention layer and a block that are right, and written otherwise, and some that are wrong.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import nbformat
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn

from kits_msan.course.paths import NOTEBOOKS
from kits_msan.course.student import BUILD, SOLUTION
from kits_msan.networks.layers import Res2NetBlock


def my_window(image: Any, low: float = -200, high: float = 500) -> Any:
    return (np.clip(image, low, high).astype(float) - low) / (high - low)


def chain(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results.append(conv(group + results[-1]))
    return results


NAMES = {
    "F": torch.nn.functional, "Res2NetBlock": Res2NetBlock, "chain": chain, "my_window": my_window,
    "ndimage": ndimage, "nn": torch.nn, "np": np, "pairwise": pairwise, "torch": torch,
}  # fmt: skip


def solution_source(number: str) -> str:
    """The cell of the teacher's notebook that solves an exercise such as "1.2" or a build such as "1.b"."""
    [path] = NOTEBOOKS.glob(f"0{number[0]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    asked, tag = (f'checks.check("{number}"', SOLUTION) if number[2].isdigit() else (f'passes("{number}"', BUILD)
    at = next(i for i, cell in enumerate(cells) if asked in cell.source)
    source: str = next(cell.source for cell in cells[at::-1] if tag in cell.metadata.get("tags", []))
    return source


def defined_last(source: str) -> Callable[..., Any]:
    """The function or class that a piece of code defines last."""
    names: dict[str, Any] = dict(NAMES)
    exec(source, names)
    return next(value for value in reversed(names.values()) if callable(value))


class Attention(nn.Module):
    down: Callable[..., Any] = staticmethod(lambda x: F.max_pool3d(x, (1, 2, 2)))

    def __init__(self, channels: Any) -> None:
        super().__init__()
        pairs = list(pairwise(channels))
        self.finer = nn.ModuleList(nn.Conv3d(a, b, 1, bias=False) for a, b in pairs[:-1])
        self.coarser = nn.ModuleList(nn.Conv3d(b, a, 1, bias=False) for a, b in pairs)

    def forward(self, features: Any) -> Any:
        return [*self.skips(features)]

    def skips(self, features: Any) -> Any:
        spread = nn.Upsample(scale_factor=(1, 2, 2), mode="trilinear")
        for level in range(len(features) - 1):
            feature = features[level]
            total = feature + spread(self.coarser[level](features[level + 1]))
            if level:
                total += self.finer[level - 1](self.down(features[level - 1]))
            yield feature / (1 + torch.exp(-total))


class Block(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, scale: int) -> None:
        super().__init__()
        parts = Res2NetBlock(channels_in, channels_out, scale)
        self.scale, self.reduce, self.convs, self.expand = scale, parts.reduce, parts.convs, parts.expand
        self.shortcut = parts.shortcut

    def forward(self, x: Any) -> Any:
        first, *rest = torch.tensor_split(self.reduce(x), self.scale, dim=1)
        joined, y = first, 0
        for conv, group in zip(self.convs, rest, strict=True):
            y = conv(group + y)
            joined = torch.cat([joined, y], dim=1)
        return F.relu(self.shortcut(x) + self.expand(joined))


class AttentionYields(Attention):
    def forward(self, features: Any) -> Any:
        yield from self.skips(features)


class SquaredWeights(Attention):
    def forward(self, features: Any) -> Any:
        return [skip * skip for skip in super().forward(features)]


class AttentionUntrained(Attention):
    def forward(self, features: Any) -> Any:
        with torch.no_grad():
            return super().forward(features)


class AttentionOfNumbers(Attention):
    """Its weights are used, but not as parameters."""

    def skips(self, features: Any) -> Any:
        for conv in (*self.finer, *self.coarser):
            conv.forward = lambda x, conv=conv: F.conv3d(x, conv.weight.data)
        return super().skips(features)


class BlockCut(Block):
    """The gradient of the result before is lost: seen with more than two groups."""

    def forward(self, x: Any) -> Any:
        results, y = [self.reduce(x).chunk(self.scale, dim=1)[0]], torch.zeros(1)
        for conv, group in zip(self.convs, self.reduce(x).chunk(self.scale, dim=1)[1:], strict=True):
            y = conv(group + y.detach())
            results.append(y)
        return F.relu(self.expand(torch.cat(results, dim=1)) + self.shortcut(x))


class BlockInPlace(Block):
    def forward(self, x: Any) -> Any:
        groups = self.reduce(x).chunk(self.scale, dim=1)
        results = [groups[0], self.convs[0](groups[1])]
        for conv, group in zip(self.convs[1:], groups[2:], strict=True):
            group += results[-1]
            results.append(conv(group))
        return F.relu(self.expand(torch.cat(results, dim=1)) + self.shortcut(x))


class BlockWithoutDim(Block):
    def forward(self, x: Any) -> Any:
        results, y = [*self.reduce(x).chunk(self.scale)[:1]], 0
        for conv, group in zip(self.convs, self.reduce(x).chunk(self.scale)[1:], strict=False):
            y = conv(group + y)
            results.append(y)
        return F.relu(self.expand(torch.cat(results, dim=1)) + self.shortcut(x))


class BlockStacked(Block):
    def forward(self, x: Any) -> Any:
        return self.expand(torch.stack(self.reduce(x).chunk(self.scale, dim=1), dim=1))


class AttentionJoined(Attention):
    def forward(self, features: Any) -> Any:
        return torch.cat([*self.skips(features)])


class BlockTwice(Block):
    def forward(self, x: Any) -> Any:
        return super().forward(super().forward(x))


class BlockWithoutShortcut(Block):
    def forward(self, x: Any) -> Any:
        self.shortcut = nn.Identity()
        return super().forward(x)


class OwnAttention(Attention):
    """Layers by other names; right, but the check cannot set their weights."""

    def __init__(self, channels: Any) -> None:
        super().__init__(channels)
        self.down_by, self.up_by = self.finer, self.coarser
        del self.finer, self.coarser


class AttentionWithBias(Attention):
    def __init__(self, channels: Any) -> None:
        super().__init__(channels)
        self.coarser = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairwise(channels))


class NoSuper(Attention):
    def __init__(self, channels: Any) -> None:
        self.finer = nn.ModuleList()


class OwnBlock(Block):
    """Layers of the same kind, made in another order, so that their weights are others."""

    def __init__(self, channels_in: int, channels_out: int, scale: int) -> None:
        nn.Linear(3, 3)
        super().__init__(channels_in, channels_out, scale)
