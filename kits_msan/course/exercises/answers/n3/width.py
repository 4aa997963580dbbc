"""The exercise 3.2, how far the chain sees: its solution and common mistakes."""

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _scales(rng: np.random.Generator) -> Inputs:
    return [(scale,) for scale in range(1, 17)]


EXERCISE = Exercise(
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
        "2 pixels are missing: scale 2 sees 3 already, and each further group adds 2.": lambda scale: 2 * scale - 3,
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
        "widths do not multiply: every further convolution adds 2 pixels. And the plain block has "
        "one.": lambda scale: 3 ** (scale - 1),
        "a width grows by 2 from one convolution to the next, it does not double: scale 3 sees 5 "
        "pixels.": lambda scale: 2**scale - 1,
        "kernels overlap: every further convolution adds 2 pixels, not 3. And the plain block has "
        "one.": lambda scale: 3 * (scale - 1),
        "this fits 1, 4 and 8 only, or grows with the logarithm; a width grows by 2 for every further "
        "group.": lambda scale: 2 * int(np.log2(scale)) + 3,
        "nearly: scale 2 has one convolution, as the plain block has.": lambda scale: (
            2 * scale - 1 if scale > 2 else 2 * scale + 1
        ),
        "min keeps the smaller number; take the larger, with max.": lambda scale: min(2 * scale - 1, 3),
        "yours stops to grow at 15; each further group adds 2 pixels.": lambda scale: min(max(2 * scale - 1, 3), 15),
    },
)
