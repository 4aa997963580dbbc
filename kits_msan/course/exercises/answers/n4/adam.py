"""The exercise 4.4, a step of Adam: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


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
    first: float = 0.9, second: float = 0.999, new: tuple[float, float] = (1, 1),
    squared: Callable[[Any], Any] = np.square, factors: tuple[float, float] | None = None, correct: str = "mv",
    powers: tuple[float, float] | None = None, m_below: Callable[[int], float] | None = None,
    v_below: Callable[[int], float] | None = None, root: Callable[[Any], Any] = np.sqrt, late: int = 0,
    eps: str = "after", size: float = 1e-8, step_from: str = "m", sign: int = -1, rated: bool = True,
    give: Callable[..., Any] = lambda weights, m, v, m_hat, v_hat: (weights, m, v), old: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """A step of Adam; the arguments are what can go wrong."""

    def adam_step(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
        before_m, before_v = m, v
        of_m, of_v = factors or (first, second)
        m = of_m * m + new[0] * (1 - of_m) * gradient
        v = of_v * v + new[1] * (1 - of_v) * squared(gradient)
        used_m, used_v = (before_m, before_v) if old else (m, v)
        power_m, power_v = powers or (first, second)
        m_part = m_below(step) if m_below else 1 - power_m ** (step - late)
        v_part = v_below(step) if v_below else 1 - power_v ** (step - late)
        m_hat = used_m / m_part if "m" in correct else used_m
        v_hat = used_v / v_part if "v" in correct else used_v
        below = root(v_hat + size) if eps == "inside" else root(v_hat) + size * (eps == "after")
        top = {"m": m_hat, "gradient": gradient, "1": 1.0}[step_from]
        return give(weights + sign * (rate if rated else 1) * top / below, m, v, m_hat, v_hat)

    return adam_step


def _weights(other: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """Adam, with `other` of the old and the new weights in place of the new."""

    def adam_step(weights: Any, *rest: Any) -> Any:
        new, m, v = _adam()(weights, *rest)
        return other(weights, new), m, v

    return adam_step


def _late_correction(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    _, m, v = _adam()(weights, gradient, m, v, step, rate)
    return weights - rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step) * m / (np.sqrt(v) + 1e-8), m, v


def _unbracketed(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    _, m, v = _adam()(weights, gradient, m, v, step, rate)
    return weights - rate * m / 1 - 0.9**step / (np.sqrt(v / (1 - 0.999**step)) + 1e-8), m, v


def _squared_mean(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    m = 0.9 * m + 0.1 * gradient
    v = 0.999 * v + 0.001 * m**2
    return weights - rate * m / (1 - 0.9**step) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8), m, v


def _rmsprop(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    v = 0.999 * v + 0.001 * gradient**2
    return weights - rate * gradient / (np.sqrt(v) + 1e-8), m, v


EXERCISE = Exercise(
    solution=_adam(),
    why="this is Adam as PyTorch runs it; m, v and the number of the step must all be in a checkpoint.",
    inputs=_states,
    in_place=("weights", "m", "v"),  # as PyTorch's does
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
        "this is plain gradient descent; Adam first makes new m and v, and divides m by the root of v.": (
            lambda weights, gradient, m, v, step, rate: (weights - rate * gradient, m, v)
        ),
        "this is plain gradient descent; Adam divides m by the root of v.": (
            lambda weights, gradient, m, v, step, rate: (
                weights - rate * gradient,
                *_adam()(weights, gradient, m, v, step, rate)[1:],
            )
        ),
        "the 10^-8 was added to the root of the uncorrected v; correct v first, then take the root and "
        "add.": _late_correction,
        "brackets are missing: m / 1 - 0.9**s is not m / (1 - 0.9**s).": _unbracketed,
        "the weights were multiplied; subtract the step from them.": _weights(lambda old, new: (old - new) * old),
        "this is the step alone; subtract it from the weights.": _weights(lambda old, new: old - new),
        "this is minus the step alone; add the weights to it.": _weights(lambda old, new: -(old - new)),
        "you made the weights smaller too (weight decay, as in AdamW); leave that "
        "out.": lambda weights, gradient, m, v, step, rate: (
            _adam()(weights, gradient, m, v, step, rate)[0] - 0.01 * rate * weights,
            *_adam()(weights, gradient, m, v, step, rate)[1:],
        ),
        "v is the mean of the squared *gradient*; yours squared m.": _squared_mean,
        "the rate was multiplied by the step; leave it as it is.": lambda weights, gradient, m, v, step, rate: (
            _adam()(weights, gradient, m, v, step, rate * step)
        ),
        "this is RMSprop: it has no m. Adam divides the corrected m by the root of the corrected v.": _rmsprop,
        "m is missing: it must change too, and stand above the line.": lambda weights, gradient, m, v, step, rate: (
            _adam(step_from="gradient")(weights, gradient, m, v, step, rate)[0],
            m,
            _adam()(weights, gradient, m, v, step, rate)[2],
        ),
    },
    make=_adam,
    flaws={
        "m and v are not corrected; they begin at 0, so the first steps would be far too small or too large.": {
            "correct": ""
        },
        "v is not corrected; divide it by 1 - 0.999^s.": {"correct": "m"},
        "m is not corrected; divide it by 1 - 0.9^s.": {"correct": "v"},
        "divide by the root of v: a step's size must not depend on the units of the gradient.": {"root": lambda v: v},
        "v was squared; take its root.": {"root": np.square},
        "v is the mean of the squared gradient; yours is not squared.": {"squared": lambda gradient: gradient},
        "v is the mean of the squared gradient; yours took its size without the sign.": {"squared": np.abs},
        "v is the mean of the squared gradient; yours is doubled, g * 2 for g**2.": {
            "squared": lambda gradient: 2 * gradient
        },
        "each weight has a v of its own; you added up the squared gradients of all.": {
            "squared": lambda gradient: (gradient**2).sum()
        },
        "each weight has a v of its own; you took the mean of the squared gradients of all.": {
            "squared": lambda gradient: (gradient**2).mean()
        },
        "the two factors are exchanged: 0.9 belongs to m, 0.999 to v.": {"first": 0.999, "second": 0.9},
        "m has the factor 0.9, and 0.1 for the new gradient.": {"first": 0.99},
        "v has the factor 0.999, and 0.001 for the new squared gradient.": {"second": 0.99},
        "v has the factor 0.999, not 0.9.": {"second": 0.9},
        "the 0.1 before the gradient is missing in m.": {"new": (10, 1)},
        "in m the old one has the factor 0.9 and the gradient 0.1; you gave 0.9 to both.": {"new": (9, 1)},
        "in v the old one has 0.999 and the squared gradient 0.001; you gave 0.999 to both.": {"new": (1, 999)},
        "in m the gradient is added; you subtracted it.": {"new": (-1, 1)},
        "the factors of m are exchanged: 0.9 of the old m, and 0.1 of the gradient.": {"factors": (0.1, 0.999)},
        "the factors of v are exchanged: 0.999 of the old v, and 0.001 of the squared gradient.": {
            "factors": (0.9, 0.001)
        },
        "the factors are exchanged: 0.9 and 0.1 belong to m, 0.999 and 0.001 to v.": {"factors": (0.999, 0.9)},
        "the powers are exchanged: m is divided by 1 - 0.9^s, v by 1 - 0.999^s.": {"powers": (0.999, 0.9)},
        "m is divided by 1 - 0.9^s; you multiplied 0.9 by s.": {"m_below": lambda step: 1 - 0.9 * step},
        "v is divided by 1 - 0.999^s; you multiplied 0.999 by s.": {"v_below": lambda step: 1 - 0.999 * step},
        "m is divided by 1 - 0.9^s, and yours by 0.9^s.": {"m_below": lambda step: 0.9**step},
        "m and v are divided by 1 - 0.9^s and 1 - 0.999^s; you multiplied.": {
            "m_below": lambda step: 1 / (1 - 0.9**step),
            "v_below": lambda step: 1 / (1 - 0.999**step),
        },
        "the 0.001 before the squared gradient is missing in v.": {"new": (1, 1000)},
        "the 0.1 and the 0.001 before the gradient are missing.": {"new": (10, 1000)},
        "you went uphill; subtract the step from the weights.": {"sign": 1},
        "the 10^-8 stands under the root; take the root first, then add it.": {"eps": "inside"},
        "the 10^-8 is missing below the line, beside the root; a gradient of 0 divides by 0.": {"eps": "none"},
        "the small number is 10^-8, and yours is larger.": {"size": 1e-6},
        "the small number is 10^-8, and yours is larger, 10^-7.": {"size": 1e-7},
        "the small number is 10^-8, and yours is larger, 10^-3.": {"size": 1e-3},
        "the small number is 10^-8, and yours is smaller.": {"size": 1e-12},
        "you multiplied by the root of v; divide by it.": {"root": lambda v: 1 / (np.sqrt(v) + 1e-30)},
        "the rate is missing: w - rate * m / (...).": {"rated": False},
        "the step is made of the rate alone; m belongs above the line.": {"step_from": "1"},
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
        "the root was taken before the correction; divide v by 1 - 0.999^s first.": {
            "v_below": lambda step: (1 - 0.999**step) ** 2
        },
        "v is divided by 1 - 0.999^s, not by 1 - 0.9^s.": {"powers": (0.9, 0.9)},
        "m is divided by 1 - 0.9^s, not by 1 - 0.999^s.": {"powers": (0.999, 0.999)},
        "in v the squared gradient has the factor 0.001, not 0.01.": {"new": (1, 10)},
        "in m the gradient has the factor 0.1, not 0.01.": {"new": (0.1, 1)},
    },
)
