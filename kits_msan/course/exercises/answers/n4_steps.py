"""The exercises 4.3, three learning rates, and 4.4, a step of Adam: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs

HIGH, LOW, RIGHT = "too high", "too low", "right"


def _states(rng: np.random.Generator) -> Inputs:
    """Weights, gradient, both means, step and rate: first and later steps, and gradients of 0 and nearly 0."""
    trials: Inputs = []
    for step, rate, size in ((1, 0.1, 3), (5, 0.1, 3), (2, 0.01, 2), (50, 0.5, 4), (1000, 1.0, 3)):
        weights, gradient, mean = rng.normal(size=(3, size))
        first = step == 1
        square = np.zeros(size) if first else rng.uniform(0.5, 2, size=size)
        trials.append((weights, 3 * gradient, np.zeros(size) if first else mean, square, step, rate))
    trials.append((np.array([1.0, -2.0]), np.array([0.0, 1e-8]), np.zeros(2), np.zeros(2), 1, 1.0))
    trials.append((np.array([1.0, 2.0]), np.array([-3.0, 4.0]), np.zeros(2), np.zeros(2), 2, 0.5))
    return trials


def _adam(
    first: float = 0.9, second: float = 0.999, new: tuple[float, float] = (1, 1), power: float = 2,
    correct: str = "mv", root: Callable[[Any], Any] = np.sqrt, late: int = 0, sign: int = -1, eps: str = "after",
    size: float = 1e-8, step_from: str = "m",
    give: Callable[..., Any] = lambda weights, m, v, m_hat, v_hat: (weights, m, v),
    old: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """A step of Adam; the arguments are what can go wrong."""

    def adam_step(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
        before_m, before_v = m, v
        m = first * m + new[0] * (1 - first) * gradient
        v = second * v + new[1] * (1 - second) * np.abs(gradient) ** power
        used_m, used_v = (before_m, before_v) if old else (m, v)
        m_hat = used_m / (1 - first ** (step - late)) if "m" in correct else used_m
        v_hat = used_v / (1 - second ** (step - late)) if "v" in correct else used_v
        below = {"after": root(v_hat) + size, "inside": root(v_hat + size), "none": root(v_hat)}[eps]
        top = {"m": m_hat, "gradient": gradient}[step_from]
        return give(weights + sign * rate * top / below, m, v, m_hat, v_hat)

    return adam_step


EXERCISES = {
    "4.3": Exercise(
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
        hint="Go through the lines above one by one; return the weights, m and v.",
        parts={
            "the new weights": "Look at the two corrected means and at the last line.",
            "m": "Look at the first line: 0.9 of the old m, and 0.1 of the gradient.",
            "v": "Look at the second line: 0.999 of the old v, and 0.001 of the squared gradient.",
        },
        mistakes={
            "the order is weights, m, v.": _adam(give=lambda weights, m, v, m_hat, v_hat: (m, v, weights)),
            "m and v came back as they were; return the new ones.": lambda weights, gradient, m, v, step, rate: (
                _adam()(weights, gradient, m, v, step, rate)[0],
                m,
                v,
            ),
            "this is plain gradient descent; Adam divides m by the root of v.": (
                lambda weights, gradient, m, v, step, rate: (
                    weights - rate * gradient,
                    *_adam()(weights, gradient, m, v, step, rate)[1:],
                )
            ),
        },
        make=_adam,
        flaws={
            "m and v are not corrected; they begin at 0, so the first steps would be far too small or too large.": {
                "correct": ""
            },
            "v is not corrected; divide it by 1 - 0.999^s.": {"correct": "m"},
            "m is not corrected; divide it by 1 - 0.9^s.": {"correct": "v"},
            "divide by the root of v: a step's size must not depend on the units of the gradient.": {
                "root": lambda v: v
            },
            "v was squared; take its root.": {"root": np.square},
            "v is the mean of the squared gradient; yours is not squared.": {"power": 1},
            "the two factors are exchanged: 0.9 belongs to m, 0.999 to v.": {"first": 0.999, "second": 0.9},
            "m has the factor 0.9, and 0.1 for the new gradient.": {"first": 0.99},
            "v has the factor 0.999, and 0.001 for the new squared gradient.": {"second": 0.99},
            "v has the factor 0.999, not 0.9.": {"second": 0.9},
            "the 0.1 before the gradient is missing in m.": {"new": (10, 1)},
            "the 0.001 before the squared gradient is missing in v.": {"new": (1, 1000)},
            "the 0.1 and the 0.001 before the gradient are missing.": {"new": (10, 1000)},
            "you went uphill; subtract the step from the weights.": {"sign": 1},
            "the 10^-8 stands under the root; it is added after it.": {"eps": "inside"},
            "the 10^-8 is missing; a gradient of 0 divides by 0.": {"eps": "none"},
            "the small number is 10^-8, and yours is larger.": {"size": 1e-6},
            "steps are counted from 1 here, so the power is step itself; with 0 you divide by zero.": {"late": 1},
            "the power is step itself, not step + 1.": {"late": -1},
            "the step is made of the gradient alone; it is made of the corrected m.": {"step_from": "gradient"},
            "the step was made of the old m and v; update them first.": {"old": True},
            "return m and v as they were before the correction; corrected ones would be corrected twice.": {
                "give": lambda weights, m, v, m_hat, v_hat: (weights, m_hat, v_hat)
            },
            "the order is weights, m, v; you exchanged m and v.": {
                "give": lambda weights, m, v, m_hat, v_hat: (weights, v, m)
            },
            "only the weights came back; return m and v too, the next step needs them.": {
                "give": lambda weights, m, v, m_hat, v_hat: weights
            },
        },
    ),
}
