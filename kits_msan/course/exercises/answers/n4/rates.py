"""The exercises 4.2, the paper's learning rate, and 4.3, three learning rates: solutions and common mistakes."""

from collections.abc import Callable

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _steps(rng: np.random.Generator) -> Inputs:
    ends = [step + k for step in (100_000, 200_000, 300_000) for k in (-1, 0, 1)]
    return [
        (step,)
        for step in (0, 5_000, 1, 399_999, 149_999, 150_000, 250_000, *ends, *rng.integers(0, 400_000, 4).tolist())
    ]


def _stairs(first: float = 1e-3, factor: float = 0.1, length: int = 100_000) -> Callable[[int], float]:
    return lambda step: first * factor ** (step // length)


HIGH, LOW, RIGHT = "too high", "too low", "right"


STAIRS = Exercise(
    solution=_stairs(),
    why="four stairs, from 0.001 down to 0.000001, and each begins exactly at its hundred thousand.",
    inputs=_steps,
    hint="Count how many whole hundred thousands of steps are complete, and divide by 10 that many times.",
    tolerance=1e-9,
    stops={
        "division by zero": "In the first hundred thousand steps none is complete: 0.001 is divided by 10**0, "
        "which is 1.",
        "list index": "There are four stairs, so the list must hold four rates.",
        "math domain": "Step 0 has no logarithm; step // 100_000 counts the stairs.",
        "too large": "The power is the number of the stair, step // 100_000, and not the step.",
    },
    mistakes={
        "the rate falls in stairs: between them it stays, so only whole hundred thousands count.": (
            lambda step: 1e-3 * 0.1 ** (step / 100_000)
        ),
        "the rate falls in stairs, and each is a tenth of the one before; yours falls along a line.": (
            lambda step: 1e-3 * (1 - step / 400_000)
        ),
        "each stair is a tenth of the one before; you subtracted the same each time.": (
            lambda step: 1e-3 - 2.5e-4 * (step // 100_000)
        ),
        "0.001 is divided by 10 at each stair; you subtracted 10.": lambda step: 1e-3 - 10 * (step // 100_000),
        "steps count from 0, so step 100,000 is the first of the second stair, not the last of the first.": (
            lambda step: 1e-3 * 0.1 ** (max(step - 1, 0) // 100_000)
        ),
        "a stair begins at its hundred thousand, and yours begins a step early.": (
            lambda step: 1e-3 * 0.1 ** ((step + 1) // 100_000)
        ),
        "you rounded to the nearest hundred thousand; the rate falls when one is complete.": (
            lambda step: 1e-3 * 0.1 ** round(step / 100_000)
        ),
        "you rounded up; the first hundred thousand steps keep 0.001, so round down.": (
            lambda step: 1e-3 * 0.1 ** int(np.ceil(step / 100_000))
        ),
        "yours begins with 0.0001; the first hundred thousand steps have 0.001.": (
            lambda step: 1e-3 * 0.1 ** (step // 100_000 + 1)
        ),
        "the rate falls every 100,000 steps, three times in all, not once.": (
            lambda step: 1e-3 if step < 100_000 else 1e-4
        ),
        "the last stair is missing: the rate falls at 100,000, 200,000 and 300,000.": (
            lambda step: 1e-3 * 0.1 ** min(step // 100_000, 2)
        ),
        "the rate is 0.001 divided by 10 at each stair; yours never changes.": lambda step: 1e-3,
        "the rate falls only at the hundred thousands themselves in yours; it must stay low afterwards.": (
            lambda step: 1e-4 if step % 100_000 == 0 and step > 0 else 1e-3
        ),
        "each stair is a tenth of the one before, so the third is a hundredth of the first, not a twentieth.": (
            lambda step: 1e-3 / max(10 * (step // 100_000), 1)
        ),
        "each stair is a tenth of the one before; dividing by 10 times the number of stairs is something else.": (
            lambda step: 1e-3 / (1 + 10 * (step // 100_000))
        ),
        "you divided by the number of the stair; each is a tenth of the one before.": (
            lambda step: 1e-3 / (1 + step // 100_000)
        ),
        "the first stair has number 0, and [-1] takes the last of a list: the number is step // 100_000.": (
            lambda step: 1e-3 * 0.1 ** ((step // 100_000 - 1) % 4)
        ),
        "the rate halves in yours; it is divided by 10.": _stairs(factor=0.5),
        "the rate must fall, and yours rises.": _stairs(factor=10.0),
        "you began with 0.01; the paper's initial learning rate is 0.001.": _stairs(first=1e-2),
        "you began with 1; the paper's initial learning rate is 0.001.": _stairs(first=1),
        "you began with 0.1; the paper's initial learning rate is 0.001.": _stairs(first=0.1),
        "the stairs are 10,000 steps long; they are 100,000.": _stairs(length=10_000),
        "the stairs are 1,000 steps long; they are 100,000.": _stairs(length=1_000),
        "`%` is what is left over; `//` counts the whole hundred thousands.": (
            lambda step: 1e-3 * 0.1 ** (step % 100_000)
        ),
        "the number of the stair is the power to which 0.1 is raised; you multiplied by it.": (
            lambda step: 1e-3 * 0.1 * (step // 100_000)
        ),
        "each stair is a tenth of the one before; yours is nine tenths.": _stairs(factor=0.9),
        "the stairs are 200,000 steps long; they are 100,000.": _stairs(length=200_000),
        "a stair has 100,000 steps, from 0 to 99,999; yours has one more.": _stairs(length=100_001),
        "each stair is a tenth of the one before; you subtracted a tenth of the first each time.": (
            lambda step: 1e-3 - 1e-4 * (step // 100_000)
        ),
        "after 300,000 steps yours is 0; the last stair is 0.000001.": (
            lambda step: 1e-3 * 0.1 ** (step // 100_000) if step < 300_000 else 0.0
        ),
        "the rate falls smoothly in yours, by exp; the paper's falls in stairs.": (
            lambda step: 1e-3 * np.exp(-step / 100_000)
        ),
        "`//` between rates gives 0; divide them with `/`.": lambda step: 1e-3 // 10 ** (step // 100_000),
        "the rate falls along a cosine in yours; the paper's falls in stairs.": (
            lambda step: 0.5e-3 * (1 + np.cos(np.pi * step / 400_000))
        ),
        "the rate is divided only in the step itself in yours, and in step 0 too; count how many hundred "
        "thousands are complete.": lambda step: 1e-4 if step % 100_000 == 0 else 1e-3,
        "the first hundred thousand steps have 0.001, and the number of the stair is a power: 10 ** (step // "
        "100_000).": lambda step: 1e-3 / (10 * (step // 100_000 + 1)),
        "step 100,000 itself, 200,000 or 300,000 fits none of your conditions; each is the first of its "
        "stair.": lambda step: 1e-6 if step and step % 100_000 == 0 else 1e-3 * 0.1 ** (step // 100_000),
        "steps count from 0: without the - 1, step 0 has 0.001 and step 100,000 is the first of the second "
        "stair.": lambda step: 1e-3 * 0.1 ** ((step - 1) // 100_000),
        "the last stair is 0.000001, three zeros more than the first; count its zeros.": lambda step: (
            1e-3 * 0.1 ** (step // 100_000) * (0.1 if step >= 300_000 else 1)
        ),
        "this is the power of 10; the rate is 10 to this power.": lambda step: -3 - step // 100_000,
        "each stair is a tenth of the one before; you subtracted nine tenths of the first each time.": (
            lambda step: 1e-3 - 9e-4 * (step // 100_000)
        ),
        "the rate falls along a curve in yours; the paper's falls in stairs.": lambda step: (
            1e-3 * (1 - step / 400_000) ** 0.9
        ),
    },
)
CURVES = Exercise(
    solution=lambda: (HIGH, RIGHT, LOW),
    why="too high leaps up and settles higher, too low falls so slowly that you would wait all day.",
    hint='Answer with "too low", "right" and "too high", each once, in the order A, B, C.',
    parts={
        "A": "Look at A again: jumps mean too high, a nearly flat line too low.",
        "B": "Look at B again: jumps mean too high, a nearly flat line too low.",
        "C": "Look at C again: jumps mean too high, a nearly flat line too low.",
    },
    mistakes={
        'write the words out: "too high", "right" and "too low".': lambda: ("high", "right", "low"),
        "write the words with a space and no line between: too high.": lambda: ("too_high", "right", "too_low"),
        "write the words with a space, not with a hyphen: too high.": lambda: ("too-high", "right", "too-low"),
        "write the words with a space between: too high.": lambda: ("toohigh", "right", "toolow"),
        "you took B and C the wrong way round: of two smooth curves, the steeper has the better rate.": (
            lambda: (HIGH, LOW, RIGHT)
        ),
        "a rate that is too low makes no jumps; look at A again.": lambda: (LOW, RIGHT, HIGH),
        "a good rate brings the loss down smoothly; look at A again, and then at B.": lambda: (RIGHT, HIGH, LOW),
        "none is where you think; jumps mean too high, a nearly flat line too low.": lambda: (LOW, HIGH, RIGHT),
        "a flat line does not jump: with a rate that is too high, the loss would not be so calm.": (
            lambda: (RIGHT, LOW, HIGH)
        ),
    },
)
