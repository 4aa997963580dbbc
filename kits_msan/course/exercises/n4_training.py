"""The exercises of notebook 4, training: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise

Inputs = list[tuple[Any, ...]]
HIGH, LOW, RIGHT = "too high", "too low", "right"


def _voxels() -> Inputs:
    """Probabilities and truth of four voxels: a class that is there, and one that is absent."""
    return [
        (np.array([0.1, 0.8, 0.6, 0.3]), np.array([0, 1, 1, 0])),
        (np.array([0.2, 0.1, 0.3, 0.4]), np.array([0, 0, 0, 0])),
    ]


def _steps() -> Inputs:
    return [(step,) for step in (0, 99_999, 100_000, 250_000, 399_999)]


def _states() -> Inputs:
    """Weights, gradient, both means, step and rate: at the first step, and at the fifth."""
    rng = np.random.default_rng(0)
    zeros = np.zeros(3)
    weights, gradient, mean = rng.normal(size=(3, 3))
    return [
        (weights, gradient, zeros, zeros.copy(), 1, 0.1),
        (weights, gradient, mean, rng.uniform(0.5, 2, size=3), 5, 0.1),
    ]


def _adam(
    first: float = 0.9, second: float = 0.999, correct: bool = True, root: bool = True, power: int = 2,
    sign: int = -1, late: int = 0, keep_corrected: bool = False,
) -> Callable[..., tuple[Any, Any, Any]]:  # fmt: skip
    """A step of Adam; the arguments are what can go wrong."""

    def step_once(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> tuple[Any, Any, Any]:
        m = first * m + (1 - first) * gradient
        v = second * v + (1 - second) * gradient**power
        m_hat = m / (1 - first ** (step - late)) if correct else m
        v_hat = v / (1 - second ** (step - late)) if correct else v
        weights = weights + sign * rate * m_hat / ((np.sqrt(v_hat) if root else v_hat) + 1e-8)
        return (weights, m_hat, v_hat) if keep_corrected else (weights, m, v)

    return step_once


EXERCISES = {
    "4.1": Exercise(
        solution=lambda p, t: 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1),
        why="three sums and a fraction; a class that is absent has a loss too, and it falls with every false voxel.",
        inputs=_voxels,
        hint="The loss is 1 - Dice, and Dice is the formula above.",
        mistakes={
            "this is the Dice, which should be large; the loss is 1 minus it.": (
                lambda p, t: (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
            ),
            "the overlap counts twice, since it is in both of the sums below.": (
                lambda p, t: 1 - ((p * t).sum() + 1) / (p.sum() + t.sum() + 1)
            ),
            "the 1 is missing, above and below; without it a class that is absent always has the loss 1.": (
                lambda p, t: 1 - 2 * (p * t).sum() / (p.sum() + t.sum())
            ),
            "the 1 stands above the line too; else a perfect answer would still have a loss.": (
                lambda p, t: 1 - 2 * (p * t).sum() / (p.sum() + t.sum() + 1)
            ),
            "you made the answer hard before comparing; a threshold has no gradient to learn from.": (
                lambda p, t: 1 - (2 * ((p > 0.5) * t).sum() + 1) / ((p > 0.5).sum() + t.sum() + 1)
            ),
            "sum over the voxels first, then divide; a mean of fractions is another measure.": (
                lambda p, t: 1 - ((2 * p * t + 1) / (p + t + 1)).mean()
            ),
            "you squared the probabilities below; that is the Dice loss of V-Net, ours adds them as they are.": (
                lambda p, t: 1 - (2 * (p * t).sum() + 1) / ((p**2).sum() + t.sum() + 1)
            ),
            "this is 1 - Jaccard, overlap over union; Dice divides by the sum of both sizes.": (
                lambda p, t: 1 - ((p * t).sum() + 1) / (p.sum() + t.sum() - (p * t).sum() + 1)
            ),
        },
    ),
    "4.2": Exercise(
        solution=lambda step: 1e-3 * 0.1 ** (step // 100_000),
        why="four stairs, from 0.001 down to 0.000001, and each begins exactly at its hundred thousand.",
        inputs=_steps,
        hint="Count how many whole hundred thousands lie behind, and divide by 10 so often.",
        tolerance=1e-9,
        mistakes={
            "the rate falls in stairs: between them it stays, so only whole hundred thousands count.": (
                lambda step: 1e-3 * 0.1 ** (step / 100_000)
            ),
            "steps count from 0, so step 100,000 is the first of the second stair, not the last of the first.": (
                lambda step: 1e-3 * 0.1 ** (max(step - 1, 0) // 100_000)
            ),
            "you rounded to the nearest hundred thousand; the rate falls when one is complete.": (
                lambda step: 1e-3 * 0.1 ** round(step / 100_000)
            ),
            "the rate falls every 100,000 steps, three times in all, not once.": (
                lambda step: 1e-3 if step < 100_000 else 1e-4
            ),
            "each stair is a tenth of the one before, so the third is a hundredth of the first, not a twentieth.": (
                lambda step: 1e-3 / max(10 * (step // 100_000), 1)
            ),
            "the rate must fall, and yours rises.": lambda step: 1e-3 * 10.0 ** (step // 100_000),
            "you began with 0.01; the paper's initial learning rate is 0.001.": (
                lambda step: 1e-2 * 0.1 ** (step // 100_000)
            ),
        },
    ),
    "4.3": Exercise(
        solution=lambda: (HIGH, RIGHT, LOW),
        why="too high leaps up and settles higher, too low falls so slowly that you would wait all day.",
        hint='Answer with "too low", "right" and "too high", in the order A, B, C.',
        mistakes={
            "you took B and C the wrong way round: of two smooth curves, the steeper has the better rate.": (
                lambda: (HIGH, LOW, RIGHT)
            ),
            "a rate that is too low makes no jumps; look at A again.": lambda: (LOW, RIGHT, HIGH),
            "a good rate brings the loss down smoothly; look at A again, and then at B.": lambda: (RIGHT, HIGH, LOW),
            "none is where you think; jumps mean too high, a nearly flat line too low.": lambda: (LOW, HIGH, RIGHT),
            "the flat line is no jump: with too high a rate the loss would not move so calmly.": (
                lambda: (RIGHT, LOW, HIGH)
            ),
        },
    ),
    "4.4": Exercise(
        solution=_adam(),
        why="this is Adam as PyTorch runs it; m, v and the number of the step must all be in a checkpoint.",
        inputs=_states,
        hint="Go through the four lines above one by one; return the weights, m and v.",
        mistakes={
            "m and v are not corrected; they begin at 0, so the first steps would be far too small or too large.": (
                _adam(correct=False)
            ),
            "divide by the root of v: a step's size must not depend on the units of the gradient.": _adam(root=False),
            "v is the mean of the squared gradient; yours is not squared.": _adam(power=1),
            "the two factors are exchanged: 0.9 belongs to m, 0.999 to v.": _adam(first=0.999, second=0.9),
            "you went uphill; subtract the step from the weights.": _adam(sign=1),
            "steps are counted from 1 here, so the power is step itself; with 0 you divide by zero.": _adam(late=1),
            "return m and v as they were before the correction; corrected ones would be corrected twice.": (
                _adam(keep_corrected=True)
            ),
        },
    ),
}
