"""The build of notebook 3, the Res2Net block as a module."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.course.exercises.gradients import untrained
from kits_msan.networks.layers import Res2NetBlock

SEED = 0


def _blocks(rng: np.random.Generator) -> Inputs:
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    sizes = ((2, 8, 8, 4), (2, 4, 4, 2), (1, 8, 8, 8), (1, 8, 16, 4))  # batch, channels in and out, groups
    return [(torch.randn(n, c, 3, 4, 4, generator=generator), out, scale) for n, c, out, scale in sizes]


def use_block(block: Any) -> Callable[[Tensor, int, int], Any]:
    """What a block gives for (N, C, D, H, W), with weights that are the same for all."""

    def outputs(x: Tensor, channels_out: int, scale: int) -> Any:
        torch.manual_seed(SEED)
        return block(x.shape[1], channels_out, scale).eval()(x)

    return outputs


def _block(
    residual: Callable[..., Tensor] = lambda y, x: torch.relu(y + x), reduced: bool = True, expanded: bool = True,
    previous: Callable[[list[Tensor]], Any] = lambda outputs: outputs[-1] if len(outputs) > 1 else 0,
    join: Callable[[list[Tensor]], Tensor] = lambda outputs: torch.cat(outputs, dim=1),
    turned: bool = False, chained: bool = True,
) -> Any:  # fmt: skip
    class Block(nn.Module):
        def __init__(self, channels_in: int, channels_out: int, scale: int) -> None:
            super().__init__()
            self.parts = Res2NetBlock(channels_in, channels_out, scale)

        def forward(self, x: Tensor) -> Tensor:
            groups = (self.parts.reduce(x) if reduced else x).chunk(self.parts.scale, dim=1)
            outputs = [groups[0]]
            convs = [*self.parts.convs][:: -1 if turned else 1]
            for group, conv in zip(groups[1:], convs, strict=True):
                outputs.append(conv(group + previous(outputs)) if chained else group)
            joined = join(outputs)
            return residual(self.parts.expand(joined) if expanded else joined, self.parts.shortcut(x))

    return use_block(Block)


EXERCISE = Exercise(
    use=use_block,
    solution=_block(),
    why="your block gives what the package's gives: 2, 4 and 8 groups, and more channels out than in.",
    inputs=_blocks,
    then=untrained(_block(), _blocks),
    takes=("channels_in", "channels_out", "scale"),
    keeps={"x": "Write x = x + y, not x += y."},
    hint="reduce, split with chunk, the chain, torch.cat, expand; then add shortcut(x), and last the ReLU. "
    "Leave `__init__` as it was given.",
    stops={
        "modified inplace": "A group is a part of x, and cannot be trained if it changes in place. Write "
        "x = x + y, not x += y.",
        "tuple index": "chunk splits the first axis, the batch, if no axis is named: x.chunk(scale, dim=1).",
        "size of tensor a": "More channels can come out than go in: add shortcut(x), not x.",
        "channels, but got": "A convolution got another number of channels than it takes. Make the parts "
        "with `channels_in`; split and join with dim=1; and `chunk` takes the number of groups, `split` "
        "their width.",
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
        "input and ReLU are missing at the end: add shortcut(x), then take the ReLU.": {"residual": lambda y, x: y},
        "the input was subtracted; add it.": {"residual": lambda y, x: torch.relu(y - x)},
        "the last step is a ReLU, not a sigmoid.": {"residual": lambda y, x: torch.sigmoid(y + x)},
        "the convolutions were taken in the reverse order.": {"turned": True},
        "the chain is missing between `reduce` and `expand`.": {"chained": False},
        "the channels of the groups are mixed; torch.cat(..., dim=1) puts group beside group.": {
            "join": lambda outputs: torch.stack(outputs, dim=2).flatten(1, 2)
        },
        "the input was multiplied; add it.": {"residual": lambda y, x: torch.relu(y * x)},
        "`reduce` is missing: x goes through it before it is split.": {"reduced": False},
        "`expand` is missing after the groups are joined.": {"expanded": False},
        "the groups do not talk: put them through your chain.": {"previous": lambda outputs: 0},
        "y_2 takes x_2 alone; your second group took y_1 too.": {"previous": lambda outputs: outputs[-1]},
        "the groups were joined in the reverse order.": {"join": lambda outputs: torch.cat(outputs[::-1], dim=1)},
    },
)
