"""The exercise 2.3, parameters of the attention layer: its solution and common mistakes."""

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _channels(rng: np.random.Generator) -> Inputs:
    drawn = [(rng.integers(1, 40, size=rng.integers(2, 7)).tolist(),) for _ in range(10)]
    return [([8, 16, 32, 64],), ([3, 5, 7],), ([4, 6],), *drawn]


def _count(
    term: Callable[[int, int], int] = lambda target, neighbor: target * neighbor,
    neighbors: tuple[int, ...] = (-1, 1),
    levels: slice = slice(None, -1),
) -> Callable[[Any], int]:
    """The sum of `term` over the pairs of a level and a neighbor; the arguments are what can go wrong."""

    def count(channels: Any) -> int:
        last = len(channels)
        pairs = [(i, i + step) for i in range(last)[levels] for step in neighbors if 0 <= i + step < last]
        return sum(term(channels[i], channels[j]) for i, j in pairs)

    return count


EXERCISE = Exercise(
    solution=_count(),
    why="each neighbor brings C_in × C_out numbers, whatever the size of the picture.",
    inputs=_channels,
    hint="Sum over the levels that get weights, and over the one or two neighbors of each.",
    stops={
        "list index out of range": "The first level has no finer neighbor and the last no coarser one; look "
        "at where your loop ends.",
        "to unpack": "A network may have two levels or six; write a loop over them.",
    },
    mistakes={
        "you counted the squares of the channels; a convolution goes from a *neighbor* to the level.": (
            lambda channels: sum(c * c for c in channels[:-1])
        ),
        "you counted the squares of the channels, the bottom's too; a convolution goes from a *neighbor* to a "
        "level.": lambda channels: sum(c * c for c in channels),
        "you added a number for each convolution; they have no bias, and C_in × C_out numbers each.": (
            lambda channels: _count()(channels) + 2 * len(channels) - 3
        ),
        "you added the channels once more; these convolutions have no bias.": (
            lambda channels: _count()(channels) + sum(channels)
        ),
        "you added all channels up; each pair of an input and an output channel has a number.": sum,
        "you multiplied all channels; only a level and its neighbor belong together, and the pairs are added.": (
            np.prod
        ),
        "you added all channels up and squared; only a level and its neighbor belong together.": (
            lambda channels: sum(channels) ** 2
        ),
        "that is the number of convolutions; each has C_in × C_out numbers.": lambda channels: 2 * len(channels) - 3,
        "the finest level has no finer neighbor: channels[-1] is the bottom, at Python's other end.": (
            lambda channels: _count()(channels) + (channels[0] * channels[-1] if len(channels) > 1 else 0)
        ),
        "you added the channels of the levels once more; these convolutions have no bias.": lambda channels: (
            _count()(channels) + sum(channels[:-1])
        ),
        "you counted the squares of the channels, without the finest; a convolution goes from a *neighbor* "
        "to a level.": lambda channels: sum(c * c for c in channels[1:]),
        "only the first two levels count in yours. Does `return` stand inside the loop?": lambda channels: (
            channels[0] * channels[1]
        ),
        "every level is a neighbor of every other in yours; a neighbor is one level away.": (
            lambda channels: sum(a * b for a, b in combinations(channels, 2))
        ),
        "only the last level with weights counts in yours; add up, with +=.": lambda channels: sum(
            channels[-2] * channels[neighbor] for neighbor in (-3, -1) if len(channels) > 2 or neighbor > -3
        ),
        "only the last two levels count in yours; add up, with +=.": lambda channels: channels[-2] * channels[-1],
        "the bottom was left out altogether; it gets no weights, but it is a neighbor.": lambda channels: (
            2 * sum(a * b for a, b in pairwise(channels[:-1]))
        ),
        "you took for granted that channels double; take each from the list.": lambda channels: (
            sum(2 * c * c for c in channels[:-1]) + sum(c * c // 2 for c in channels[1:-1])
        ),
    },
    make=_count,
    flaws={
        "these convolutions have no bias; C_in × C_out numbers each.": {
            "term": lambda target, neighbor: target * neighbor + target
        },
        "these convolutions have no bias, and it would have one number for each *output* channel.": {
            "term": lambda target, neighbor: target * neighbor + neighbor
        },
        "you counted 3×3×3 convolutions; these are 1×1×1.": {"term": lambda target, neighbor: 27 * target * neighbor},
        "you counted 3×3 convolutions; these are 1×1×1.": {"term": lambda target, neighbor: 9 * target * neighbor},
        "you added channels; a convolution has a number for each pair of input and output channel.": {
            "term": lambda target, neighbor: target + neighbor
        },
        "only the level's own channels are in it; each pair of input and output counts.": {
            "term": lambda target, neighbor: target * target
        },
        "you counted the neighbor's channels only; each pair of input and output counts.": {
            "term": lambda target, neighbor: neighbor
        },
        "you counted the level's channels only; each pair of input and output counts.": {
            "term": lambda target, neighbor: target
        },
        "the bottom level has no skip connection, so it gets no weights and needs no convolution.": {
            "levels": slice(None)
        },
        "the finest level gets weights too, from its coarser neighbor; only the bottom gets none.": {
            "levels": slice(1, -1)
        },
        "it is the bottom, the last level, that gets no weights, not the first.": {"levels": slice(1, None)},
        "you stopped a level too early: only the bottom gets no weights.": {"levels": slice(None, -2)},
        "you counted one neighbor a level, the coarser; all but the finest level have two.": {"neighbors": (1,)},
        "you counted one neighbor a level, the finer; each has a coarser one too.": {"neighbors": (-1,)},
        "a level needs no convolution for itself; only its neighbors do.": {"neighbors": (-1, 0, 1)},
        "you counted all other levels; a neighbor is one level away.": {
            "neighbors": (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6)
        },
    },
)
