"""Hints from the numbers of all results beside the right ones: a sign, a factor, an offset, a rounding, gaps.

Each function looks for one kind of mistake in all trials and returns a sentence that holds for all, or None.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kits_msan.course.exercises.compare import NOT_NUMBERS, numbers
from kits_msan.course.exercises.form import Tried, array_of

NEARLY = 0.02  # how far off an answer may be that is nearly right
NOISE = 1e-9  # what calculating with 64 bits costs
ROUNDED = "the answer was rounded, or calculated with whole numbers; give it as it is."
STEPS = (2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 255, 256, 512, 1000, 1024)  # in 1, that are rounded to


def relation(tried: Tried) -> str | None:
    """A sign, a factor or an offset that is the same in all trials."""
    got, want = flat(tried.results), flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape or np.unique(want).size < 3:
        return None
    factor, offset = np.polyfit(want, got, 1) if np.isfinite(got).all() else (0.0, 0.0)
    width = np.ptp(want)
    exact = np.allclose(got, factor * want + offset, rtol=NOISE, atol=NOISE * width)
    whole = np.array_equal(np.concatenate([got, want]), np.concatenate([got, want]).round())
    if abs(factor) < NOISE or not np.allclose(got, factor * want + offset, rtol=1e-4, atol=1e-4 * width):
        return None
    if whole and not exact:  # a half of a whole number, rounded, is not half of it
        return None
    if abs(offset) < (10 * NOISE if exact else 1e-3) * width:  # where all is inexact, a small one may be noise
        offset = 0.0
    factor, offset = float(f"{factor:.4g}"), float(f"{offset:.4g}")
    if factor == -1 and offset == 0:
        return "only the sign is wrong."
    if factor == 1 and offset == 0:
        return None
    if factor == 1:
        return f"your answer is always {abs(offset):g} too {'large' if offset > 0 else 'small'}."
    if offset == 0:
        return f"your answer is always {factor:g} times what is right."
    return (
        f"your answer is always {factor:g} times what is right, {'plus' if offset > 0 else 'minus'} {abs(offset):g}."
    )


def with_argument(tried: Tried) -> str | None:
    """What is right, with one of the arguments added, subtracted, multiplied or divided at the end."""
    ways = {
        "plus": np.add, "minus": np.subtract, "times": np.multiply, "divided by": np.divide
    }  # fmt: skip
    for place, name in enumerate(tried.exercise.arguments):
        for word, way in ways.items():
            try:
                others = [
                    way(array_of(want), numbers(t[place])) for want, t in zip(tried.wanted, tried.trials, strict=True)
                ]
            except (*NOT_NUMBERS, RuntimeError):
                continue
            if all(np.isfinite(o).all() and tried.same(g, o) for g, o in zip(tried.results, others, strict=True)):
                return f"your answer is what is right, {word} `{name}`."
    return None


def rounded(tried: Tried) -> str | None:
    """What is right, rounded in one of many ways."""
    got, want = flat(tried.results), flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape:
        return None
    ways = [np.trunc(want), *(np.round(want, digits) for digits in range(7))]
    ways += [way(want * steps) / steps for steps in (1, *STEPS) for way in (np.floor, np.ceil, np.round)]
    if any(np.allclose(got, way) and not np.allclose(way, want) for way in ways):
        return ROUNDED
    return None


def nearly(tried: Tried) -> str | None:
    """Results that are off by little."""
    got, want = flat(tried.results), flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape or not np.isfinite(got).all():
        return None
    off = np.abs(got - want)
    if (off > NEARLY * np.abs(want)).any():
        return None
    most = (off[want != 0] / np.abs(want[want != 0])).max()
    size = f"up to {most:.1%}" if most >= 0.0005 else "less than 0.1%"
    return f"nearly: yours is off by {size}. Was a number rounded, added or drawn by chance on the way?"


def gaps(tried: Tried) -> str | None:
    """Some numbers of each result are right, and all others the same, such as 0."""
    got, want = flat(tried.results), flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape or want.size == len(tried.wanted):
        return None
    wrong = ~np.isclose(got, want, rtol=1e-3, atol=1e-3)
    if wrong.all() or np.unique(got[wrong]).size != 1 or np.unique(want[wrong]).size < 2:
        return None
    return f"some numbers are right, and all others are {got[wrong][0]:g} in yours. {tried.exercise.hint}"


def not_numbers(tried: Tried) -> str | None:
    """Results that are nan or infinite."""
    got, want = flat(tried.results), flat(tried.wanted)
    if got is None or want is None or not np.isfinite(want).all() or np.isfinite(got).all():
        return None
    often = "sometimes" if np.isfinite(got).any() else "always"
    what = "nan, not a number" if np.isnan(got).any() else "infinite"
    return f"your answer is {often} {what}: is something divided by zero, or a mean taken of nothing?"


def flat(values: list[Any]) -> NDArray[np.float64] | None:
    """All numbers of all trials in one row; None where something is not a number."""
    try:
        arrays = [
            numbers(part) for value in values for part in (value if isinstance(value, list | tuple) else [value])
        ]
    except NOT_NUMBERS:
        return None
    return np.concatenate([array.ravel() for array in arrays]) if arrays else None
