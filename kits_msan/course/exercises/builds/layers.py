"""The build of notebook 2, the attention layer as a module."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.course.exercises.gradients import untrained

SEED = 0
INIT = "Leave `__init__` as it was given: the check sets the weights of self.finer and self.coarser."
SPREAD = "F.interpolate wants the size without batch and channels: feature.shape[2:]."


def _maps(rng: np.random.Generator) -> Inputs:
    """Channels of two to four levels, and their maps (N, C, 2, H, W); one has two samples."""
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    return [
        (list(c), [torch.randn(batch, n, 2, 8 >> i, 16 >> i, generator=generator) for i, n in enumerate(c)])
        for batch, c in ((1, (2, 3)), (2, (2, 3, 4)), (1, (3, 2, 4, 5)))
    ]


def use_attention(layer: Any) -> Callable[[Sequence[int], list[Tensor]], Any]:
    """What a layer gives for maps, with convolutions that are the same for all."""

    def skips(channels: Sequence[int], features: list[Tensor]) -> Any:
        module = layer(channels).eval()
        generator = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            for conv in (*module.finer, *module.coarser):
                conv.weight.normal_(generator=generator)
        return module(list(features))

    return skips


def _spread(x: Tensor, like: Tensor, **how: Any) -> Tensor:
    return F.interpolate(x, like.shape[2:], **({"mode": "trilinear"} | how))


def _attention(
    own: float = 1, finer: float = 1, coarser: float = 1,
    down: Callable[..., Tensor] = lambda conv, x: conv(F.max_pool3d(x, (1, 2, 2))),
    up: Callable[..., Tensor] = lambda conv, x, like: _spread(conv(x), like),
    end: Callable[..., Tensor] = lambda feature, total: feature * torch.sigmoid(total),
    give: Callable[..., Any] = lambda skips, features: skips,
    finer_of: Callable[..., Tensor] = lambda features, skips, i: features[i - 1], in_place: bool = False,
    add: Callable[[Tensor, list[Tensor]], Tensor] = lambda own, parts: sum(parts, own), first: int = 1,
) -> Any:  # fmt: skip
    class Layer(nn.Module):
        def __init__(self, channels: Sequence[int]) -> None:
            super().__init__()
            pairs = list(pairwise(channels))
            self.finer = nn.ModuleList(nn.Conv3d(a, b, 1, bias=False) for a, b in pairs[:-1])
            self.coarser = nn.ModuleList(nn.Conv3d(b, a, 1, bias=False) for a, b in pairs)

        def forward(self, features: list[Tensor]) -> Any:
            skips: list[Tensor] = []
            for i, feature in enumerate(features[:-1]):
                parts = [coarser * up(self.coarser[i], features[i + 1], feature)]
                if i >= first:
                    parts.append(finer * down(self.finer[i - 1], finer_of(features, skips, i)))
                total = add(own * feature, parts)
                if in_place:
                    features[i] = feature = total
                skips.append(end(feature, total))
            return give(skips, features)

    return use_attention(Layer)


EXERCISE = Exercise(
    use=use_attention,
    solution=_attention(),
    why="your layer gives the skips of the package's, level by level.",
    inputs=_maps,
    used={"the skips are right, but the network takes a list of them; return a list, without `yield`.": len},
    then=untrained(_attention(), _maps),
    keeps={"features": "Write s = s + x, not s += x."},
    hint="At each level but the bottom: F, plus the finer map pooled and projected, plus the coarser map "
    "projected and spread; then F times the sigmoid of this sum. Leave `__init__` as it was given.",
    takes=("channels",),
    stops={
        "no attribute 'finer'": INIT,
        "no attribute 'coarser'": INIT,
        "must match except in dimension": "Each level has a map of its own size: return a list of them.",
        "spatial dimensions": SPREAD,
        "size or scale_factor": SPREAD,
        "out of range": "finer[i] leads from level i to level i + 1, so the finer map of level i goes "
        "through finer[i - 1]; coarser[i] leads from level i + 1 to level i.",
        "size of tensor a": "These maps differ in channels or in size: is one not projected by its P, not "
        "pooled, or not spread?",
        "channels, but got": "This P belongs to another pair of levels: finer[i] takes level i and gives "
        "level i + 1, coarser[i] takes level i + 1 and gives level i.",
    },
    make=_attention,
    flaws={
        "the finer map was taken after it was weighed; take it from `features`.": {
            "finer_of": lambda features, skips, i: skips[i - 1]
        },
        "`s = F` is no copy: `s += ...` changed F itself, and F is what the weights multiply. Write s = F + ...": {
            "in_place": True
        },
        "the feature map itself is missing from the sum.": {"own": 0},
        "the finer neighbor is missing from the sum; every level but 0 has one.": {"finer": 0},
        "the coarser neighbor is missing from the sum.": {"coarser": 0},
        "the sigmoid is missing: it makes weights of the sum, and F is multiplied by them.": {
            "end": lambda feature, total: feature * total
        },
        "these are the weights; the skip is F times its weights.": {
            "end": lambda feature, total: torch.sigmoid(total)
        },
        "the weights were added to F; they multiply it.": {
            "end": lambda feature, total: feature + torch.sigmoid(total)
        },
        "the sum was multiplied by the weights; it is F that is enhanced.": {
            "end": lambda feature, total: total * torch.sigmoid(total)
        },
        "this is a softmax, whose weights share one sum; the sigmoid looks at each number alone.": {
            "end": lambda feature, total: feature * torch.softmax(total, dim=1)
        },
        "this is tanh, which runs from -1 to 1; take the sigmoid.": {
            "end": lambda feature, total: feature * torch.tanh(total)
        },
        "this is a ReLU, which can be larger than 1; take the sigmoid.": {
            "end": lambda feature, total: feature * torch.relu(total)
        },
        "a large sum must give a weight near 1; yours is 1 - W. Look at the sign.": {
            "end": lambda feature, total: feature * torch.sigmoid(-total)
        },
        "F was added once more at the end; the skip is F times its weights.": {
            "end": lambda feature, total: feature + feature * torch.sigmoid(total)
        },
        "one mean over the channels was squashed; each channel has weights of its own.": {
            "end": lambda feature, total: feature * torch.sigmoid(total.mean(dim=1, keepdim=True))
        },
        "the sum was divided by the number of maps; S is the sum itself.": {
            "end": lambda feature, total: feature * torch.sigmoid(total / 3)
        },
        "the finer map was subtracted; all maps are added.": {"finer": -1},
        "the coarser map was subtracted; all maps are added.": {"coarser": -1},
        "the maps were multiplied where they should be added.": {"add": lambda own, parts: math.prod([own, *parts])},
        "level 1 has a finer neighbor too, level 0; every level but 0 has one.": {"first": 2},
        "these are the sums; squash them, and multiply F by the weights.": {"end": lambda feature, total: total},
        "you pooled across slices too; with (1, 2, 2) the slices stay as many as they are.": {
            "down": lambda conv, x: conv(F.max_pool3d(x, 2))
        },
        "the finer map was pooled with the mean; take the largest, with F.max_pool3d.": {
            "down": lambda conv, x: conv(F.avg_pool3d(x, (1, 2, 2)))
        },
        "pool the finer map first, and then project it; you projected first.": {
            "down": lambda conv, x: F.max_pool3d(conv(x), (1, 2, 2))
        },
        "you took every second pixel of the finer map; pool it.": {"down": lambda conv, x: conv(x[..., ::2, ::2])},
        'the coarser map was spread to the nearest pixel; use mode="trilinear".': {
            "up": lambda conv, x, like: _spread(conv(x), like, mode="nearest")
        },
        "leave out align_corners=True when you spread.": {
            "up": lambda conv, x, like: _spread(conv(x), like, align_corners=True)
        },
        "the bottom level is among your results; it has no skip.": {
            "give": lambda skips, features: [*skips, features[-1]]
        },
        "the levels are in the reverse order; give level 0 first.": {"give": lambda skips, features: skips[::-1]},
        "this is the last level only; return the list of all.": {"give": lambda skips, features: skips[-1]},
        "this is level 0 only; return the list of all.": {"give": lambda skips, features: skips[0]},
        "level 0 is missing from your list.": {"give": lambda skips, features: skips[1:]},
    },
)
