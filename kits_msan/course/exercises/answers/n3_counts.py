"""The exercises 3.2, how far the chain sees, and 3.3, its parameters: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _scales(rng: np.random.Generator) -> Inputs:
    return [(scale,) for scale in range(1, 17)]


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


EXERCISES = {
    "3.2": Exercise(
        solution=lambda scale: max(2 * scale - 1, 3),
        why="each 3×3×3 convolution adds one pixel on either side; group s has seen s - 1 of them, scale 1 one.",
        inputs=_scales,
        hint="One convolution sees 3 pixels, and each further one adds 2; how many are in the chain?",
        mistakes={
            "nearly: a plain block, scale 1, has one convolution too, so its width is 3 and not 1.": (
                lambda scale: 2 * scale - 1
            ),
            "the last group has seen one convolution less than there are groups, since the first has none.": (
                lambda scale: 2 * scale + 1
            ),
            "widths do not multiply and kernels overlap: every further convolution adds 2 pixels, not 3.": (
                lambda scale: 3 * scale
            ),
            "kernels overlap: the first sees 3 pixels, and every further convolution adds 2 pixels, not 3.": (
                lambda scale: 3 * max(scale - 1, 1)
            ),
            "widths do not multiply: every further convolution adds 2 pixels.": lambda scale: 3**scale,
            "widths do not multiply: every further convolution adds 2 pixels, and there are scale - 1 of them.": (
                lambda scale: 3 ** max(scale - 1, 1)
            ),
            "each convolution sees one pixel farther on *either* side, so the width grows by 2.": (
                lambda scale: scale + 1
            ),
            "each convolution adds a pixel on *either* side, so the width grows by 2 from one to the next.": (
                lambda scale: max(scale + 1, 3)
            ),
            "each convolution adds 2 pixels to the width, and you added 1.": lambda scale: scale + 2,
            "2 pixels are missing: scale 2 sees 3 already, and each further group adds 2.": lambda scale: (
                2 * scale - 3
            ),
            "that is the number of groups; ask how many pixels the last of them sees.": lambda scale: scale,
            "that is the number of convolutions; ask how many pixels they see.": lambda scale: scale - 1,
            "that is the number of convolutions, with one for the plain block; ask how many pixels they see.": (
                lambda scale: max(scale - 1, 1)
            ),
            "that is one convolution; the last group comes after scale - 1 of them.": lambda scale: 3,
            "the middle pixel is missing: the width is 2 for each convolution, and 1.": lambda scale: 2 * (scale - 1),
            "the middle pixel is missing: the width is 2 for each convolution, and 1. The plain block has one.": (
                lambda scale: 2 * max(scale - 1, 1)
            ),
            "the first group has no convolution; there are scale - 1, and the width is 1 more than 2 for each.": (
                lambda scale: 2 * scale
            ),
            "you squared or doubled: a width grows by 2 from one convolution to the next.": lambda scale: scale**2,
            "a width grows by 2 from one convolution to the next, it does not double.": lambda scale: 2**scale,
            "scale 1 is right, and for larger ones the width grows by 2 for each convolution after the first.": (
                lambda scale: max(2 * scale - 3, 3)
            ),
            "that is a number of pixels of a square; the width is along one side.": (
                lambda scale: max(2 * scale - 1, 3) ** 2
            ),
            "every convolution adds 2 pixels, and the first group has none: there are scale - 1 of them.": (
                lambda scale: 3 + 2 * scale
            ),
            "scale 1 is right; then the width grows by 2 for each further group, to 2 * scale - 1.": (
                lambda scale: 3 if scale == 1 else 2 * scale
            ),
            "kernels overlap: every further convolution adds 2 pixels, not 3, and the first sees 3.": (
                lambda scale: 3 * scale - 2
            ),
            "a width grows by 2 from one convolution to the next; it does not double, and 1 is the middle.": (
                lambda scale: 2 ** (scale - 1) + 1
            ),
            "each further convolution adds 2 pixels, also beyond scale 4.": lambda scale: 5 if scale >= 4 else 3,
            "that is a number of voxels of a cube; the width is along one side.": (
                lambda scale: max(2 * scale - 1, 3) ** 3
            ),
        },
    ),
    "3.3": Exercise(
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
        },
        make=_kernels,
        flaws={
            "the first group has no convolution: there are scale - 1 of them.": {"count": lambda scale: scale},
            "that is one of the convolutions; there are scale - 1.": {"count": lambda scale: 1},
            "only the first group has no convolution: there are scale - 1 of them.": {
                "count": lambda scale: scale - 2
            },
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
    ),
}
