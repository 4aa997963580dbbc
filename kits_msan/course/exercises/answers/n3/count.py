"""The exercise 3.3, parameters of the chain: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _sizes(rng: np.random.Generator) -> Inputs:
    drawn = [(int(scale * rng.integers(1, 20)), int(scale)) for scale in rng.integers(2, 12, size=8)]
    return [(64, 4), (64, 8), (12, 2), (4, 4), *drawn]


def _kernels(
    count: Callable[[int], int] = lambda scale: scale - 1,
    numbers: int = 27,
    pairs: Callable[[int, int], Any] = lambda channels, scale: (channels // scale) ** 2,
    bias: int = 0,
) -> Callable[[int, int], Any]:
    def parameters(channels: int, scale: int) -> Any:
        return count(scale) * (numbers * pairs(channels, scale) + bias * (channels // scale))

    return parameters


EXERCISE = Exercise(
    solution=_kernels(),
    why="the width of a group enters squared, so more groups see farther with fewer parameters.",
    inputs=_sizes,
    hint="How many convolutions are there, and how many channels does each take and give?",
    mistakes={
        "brackets are missing: scale - 1 multiplies the numbers of one convolution.": (
            lambda channels, scale: scale - 1 + 27 * (channels // scale) ** 2
        ),
        "brackets are missing: it is scale - 1 convolutions, not one number less.": (
            lambda channels, scale: 27 * (channels // scale) ** 2 * scale - 1
        ),
        "you added the 1×1×1 convolutions too; count K_2 to K_s alone.": (
            lambda channels, scale: (scale - 1) * 27 * (channels // scale) ** 2 + 2 * channels**2
        ),
        "this is what the groups save; give what they need.": (
            lambda channels, scale: 27 * channels**2 - (scale - 1) * 27 * (channels // scale) ** 2
        ),
        "you counted the numbers of the normalization too; count those of the convolutions "
        "alone.": lambda channels, scale: (scale - 1) * (27 * (channels // scale) ** 2 + 2 * (channels // scale)),
        "the number of convolutions enters once, and yours is squared.": lambda channels, scale: (
            (scale - 1) ** 2 * 27 * (channels // scale) ** 2
        ),
        "K_k takes the *sum* x_k + y_{k-1}, as wide as one group; your inputs grow.": lambda channels, scale: sum(
            27 * k * (channels // scale) ** 2 for k in range(1, scale)
        ),
        "the numbers of a kernel and the pairs of channels are multiplied, not added.": lambda channels, scale: (
            (scale - 1) * 27 + (channels // scale) ** 2
        ),
        "brackets are missing: (channels // scale) ** 2 is not channels // scale ** 2, which divides "
        "first.": lambda channels, scale: (scale - 1) * 27 * channels // scale**2,
        "one number was added to each convolution; they have no bias.": lambda channels, scale: (
            (scale - 1) * (27 * (channels // scale) ** 2 + 1)
        ),
        "you took one convolution off the result; there are scale - 1 of them: (scale - 1) * ...": (
            lambda channels, scale: scale * 27 * (channels // scale) ** 2 - 27
        ),
        "brackets are missing: (channels // scale) ** 2 is not channels // scale ** 2.": lambda channels, scale: (
            27 * channels // scale**2 * (scale - 1)
        ),
    },
    make=_kernels,
    flaws={
        "the first group has no convolution: there are scale - 1 of them.": {"count": lambda scale: scale},
        "that is one of the convolutions; there are scale - 1.": {"count": lambda scale: 1},
        "only the first group has no convolution: there are scale - 1 of them.": {"count": lambda scale: scale - 2},
        "there is one convolution less than there are groups, not one more.": {"count": lambda scale: scale + 1},
        "a 3×3×3 kernel has 27 numbers, not 9.": {"numbers": 9},
        "a 3×3×3 kernel has 27 numbers, not 3.": {"numbers": 3},
        "the kernels are missing: each pair of channels has 3×3×3 numbers.": {"numbers": 1},
        "each convolution sees its own group only: channels / scale in and out.": {
            "pairs": lambda channels, scale: channels**2
        },
        "a convolution has a kernel for each *pair* of channels: the group's width enters squared.": {
            "pairs": lambda channels, scale: channels // scale
        },
        "you divided by the scale once; a group takes channels / scale *and* gives as many: squared.": {
            "pairs": lambda channels, scale: channels // scale * channels
        },
        "a kernel for each pair: (channels / scale) squared, not channels.": {
            "pairs": lambda channels, scale: channels
        },
        "a group has channels / scale channels; you divided by scale - 1.": {
            "pairs": lambda channels, scale: (channels // (scale - 1)) ** 2
        },
        "a group has channels / scale channels; you divided by scale - 1, with a fraction left.": {
            "pairs": lambda channels, scale: (channels / (scale - 1)) ** 2
        },
        "the group's width enters squared; yours is to the power of 3.": {
            "pairs": lambda channels, scale: (channels / scale) ** 3
        },
        "the group's width was doubled instead of squared.": {
            "pairs": lambda channels, scale: 2 * (channels // scale)
        },
        "these convolutions have no bias.": {"bias": 1},
    },
)
