"""The builds of notebooks 2 and 3, the attention layer and the Res2Net block as modules."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kits_msan.course.exercises.exercise import Build, Exercise, Inputs
from kits_msan.networks.layers import Res2NetBlock

SEED = 0


def _maps(rng: np.random.Generator) -> Inputs:
    """Channels of two to four levels, and their maps (1, C, 2, H, W)."""
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    return [
        (list(c), [torch.randn(1, n, 2, 8 >> i, 16 >> i, generator=generator) for i, n in enumerate(c)])
        for c in ((2, 3), (2, 3, 4), (3, 2, 4, 5))
    ]


def _blocks(rng: np.random.Generator) -> Inputs:
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    sizes = ((8, 4), (8, 2), (8, 8), (16, 4))  # channels that go out, and groups; 8 go in
    return [(torch.randn(1, 8, 3, 4, 4, generator=generator), channels, scale) for channels, scale in sizes]


def use_attention(layer: Any) -> Callable[[Sequence[int], list[Tensor]], Any]:
    """What a layer gives for maps, with convolutions that are the same for all."""

    def skips(channels: Sequence[int], features: list[Tensor]) -> Any:
        module = layer(channels).eval()
        generator = torch.Generator().manual_seed(SEED)
        with torch.no_grad():
            for conv in (*module.finer, *module.coarser):
                conv.weight.normal_(generator=generator)
            return list(module(list(features)))

    return skips


def use_block(block: Any) -> Callable[[Tensor, int, int], Any]:
    """What a block gives for (N, C, D, H, W), with weights that are the same for all."""

    def outputs(x: Tensor, channels_out: int, scale: int) -> Any:
        torch.manual_seed(SEED)
        with torch.no_grad():
            return block(x.shape[1], channels_out, scale).eval()(x)

    return outputs


def _spread(x: Tensor, like: Tensor, **how: Any) -> Tensor:
    return F.interpolate(x, like.shape[2:], **({"mode": "trilinear"} | how))


def _attention(
    own: float = 1, finer: float = 1, coarser: float = 1,
    down: Callable[..., Tensor] = lambda conv, x: conv(F.max_pool3d(x, (1, 2, 2))),
    up: Callable[..., Tensor] = lambda conv, x, like: _spread(conv(x), like),
    end: Callable[..., Tensor] = lambda feature, total: feature * torch.sigmoid(total),
    give: Callable[..., Any] = lambda skips, features: skips,
    finer_of: Callable[..., Tensor] = lambda features, skips, i: features[i - 1], in_place: bool = False,
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
                total = own * feature
                if i > 0:
                    total = total + finer * down(self.finer[i - 1], finer_of(features, skips, i))
                total = total + coarser * up(self.coarser[i], features[i + 1], feature)
                if in_place:
                    features[i] = feature = total
                skips.append(end(feature, total))
            return give(skips, features)

    return use_attention(Layer)


def _block(
    residual: Callable[..., Tensor] = lambda y, x: torch.relu(y + x), reduced: bool = True, expanded: bool = True,
    previous: Callable[[list[Tensor]], Any] = lambda outputs: outputs[-1] if len(outputs) > 1 else 0,
    join: Callable[[list[Tensor]], Tensor] = lambda outputs: torch.cat(outputs, dim=1),
) -> Any:  # fmt: skip
    class Block(nn.Module):
        def __init__(self, channels_in: int, channels_out: int, scale: int) -> None:
            super().__init__()
            self.parts = Res2NetBlock(channels_in, channels_out, scale)

        def forward(self, x: Tensor) -> Tensor:
            groups = (self.parts.reduce(x) if reduced else x).chunk(self.parts.scale, dim=1)
            outputs = [groups[0]]
            for group, conv in zip(groups[1:], self.parts.convs, strict=True):
                outputs.append(conv(group + previous(outputs)))
            joined = join(outputs)
            return residual(self.parts.expand(joined) if expanded else joined, self.parts.shortcut(x))

    return use_block(Block)


BUILDS: dict[str, Build] = {
    "2.b": (
        use_attention,
        Exercise(
            solution=_attention(),
            why="your layer gives the skips of the package's, level by level.",
            inputs=_maps,
            hint="At each level but the bottom: F, plus the finer map pooled and projected, plus the coarser map "
            "projected and spread; then F times the sigmoid of this sum.",
            stops={
                "out of range": "finer[i] leads from level i to level i + 1, so the finer map of level i goes "
                "through "
                "finer[i - 1]; coarser[i] leads from level i + 1 to level i.",
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
                "`s = F` is no copy: `s += ...` changed F itself, and F is what the weights multiply. Write s = F + "
                "...": {"in_place": True},
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
                "these are the sums; squash them, and multiply F by the weights.": {
                    "end": lambda feature, total: total
                },
                "you pooled across slices too; with (1, 2, 2) the slices stay as many as they are.": {
                    "down": lambda conv, x: conv(F.max_pool3d(x, 2))
                },
                "the finer map was pooled with the mean; take the largest, with F.max_pool3d.": {
                    "down": lambda conv, x: conv(F.avg_pool3d(x, (1, 2, 2)))
                },
                "pool the finer map first, and then project it; you projected first.": {
                    "down": lambda conv, x: F.max_pool3d(conv(x), (1, 2, 2))
                },
                "you took every second pixel of the finer map; pool it.": {
                    "down": lambda conv, x: conv(x[..., ::2, ::2])
                },
                'the coarser map was spread to the nearest pixel; use mode="trilinear".': {
                    "up": lambda conv, x, like: _spread(conv(x), like, mode="nearest")
                },
                "leave out align_corners=True when you spread.": {
                    "up": lambda conv, x, like: _spread(conv(x), like, align_corners=True)
                },
                "the bottom level is among your results; it has no skip.": {
                    "give": lambda skips, features: [*skips, features[-1]]
                },
                "the levels are in the reverse order; give level 0 first.": {
                    "give": lambda skips, features: skips[::-1]
                },
                "this is the last level only; return the list of all.": {"give": lambda skips, features: skips[-1]},
            },
        ),
    ),
    "3.b": (
        use_block,
        Exercise(
            solution=_block(),
            why="your block gives what the package's gives: 2, 4 and 8 groups, and more channels out than in.",
            inputs=_blocks,
            hint="reduce, split with chunk, the chain, torch.cat, expand; then add shortcut(x), and last the ReLU.",
            stops={
                "tuple index": "chunk splits the first axis, the batch, if no axis is named: x.chunk(scale, dim=1).",
                "size of tensor a": "More channels can come out than go in: add shortcut(x), not x.",
                "channels, but got": "A convolution got another number of channels than it takes. Join the "
                "groups with "
                "dim=1; and `chunk` takes the number of groups, `split` their width.",
            },
            make=_block,
            flaws={
                "a ReLU came before the input was added, and one after it; only the last is right.": {
                    "residual": lambda y, x: torch.relu(torch.relu(y) + x)
                },
                "the input is missing at the end: add shortcut(x), then take the ReLU.": {
                    "residual": lambda y, x: torch.relu(y)
                },
                "the ReLU is missing at the end.": {"residual": lambda y, x: y + x},
                "the ReLU came before the input was added; add first.": {"residual": lambda y, x: torch.relu(y) + x},
                "input and ReLU are missing at the end: add shortcut(x), then take the ReLU.": {
                    "residual": lambda y, x: y
                },
                "the input was multiplied; add it.": {"residual": lambda y, x: torch.relu(y * x)},
                "`reduce` is missing: x goes through it before it is split.": {"reduced": False},
                "`expand` is missing after the groups are joined.": {"expanded": False},
                "the groups do not talk: put them through your chain.": {"previous": lambda outputs: 0},
                "y_2 takes x_2 alone; your second group took y_1 too.": {"previous": lambda outputs: outputs[-1]},
                "the groups were joined in the reverse order.": {
                    "join": lambda outputs: torch.cat(outputs[::-1], dim=1)
                },
            },
        ),
    ),
}
