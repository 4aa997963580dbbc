"""The exercise 5.3, a paired difference: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy  # its parts are loaded on first use

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _pairs(rng: np.random.Generator) -> Inputs:
    """Scores of two networks on the same cases, which differ more from case to case than from one to the other."""
    pairs: Inputs = [(np.array([90.0, 50.0, 70.0]), np.array([84.0, 49.0, 62.0]))]
    for n in (8, 24, 4, 5, 12):
        easy = rng.uniform(20, 90, n)
        pairs.append((easy + rng.normal(3, 4, n), easy + rng.normal(0, 4, n)))
    return pairs


def _paired(
    mean: Callable[[Any, Any], Any] = lambda first, second: (first - second).mean(),
    spread: Callable[..., Any] = lambda first, second, ddof: (first - second).std(ddof=ddof),
    root: Callable[[int], Any] = np.sqrt, ddof: int = 1, order: int = 1,
) -> Callable[[Any, Any], Any]:  # fmt: skip
    """A paired difference with its error; the arguments are what can go wrong."""
    return lambda first, second: (mean(first, second), spread(first, second, ddof) / root(len(first)))[::order]


def _of_pair(change: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """What `change` makes of the difference and its error."""
    return lambda first, second: change(*_paired()(first, second))


EXERCISE = Exercise(
    solution=_paired(),
    why="hard cases are hard for both and cancel out, so the difference is known better than either mean.",
    inputs=_pairs,
    hint="Subtract case by case first; then a mean, and a standard deviation over the root of the cases.",
    parts={
        "the mean": "It is the mean of first - second.",
        "the standard error": "It is the standard deviation of first - second, with ddof=1, over the root of n.",
    },
    stops={
        "'ddof'": "ddof belongs to std, not to mean.",
    },
    mistakes={
        "this is the mean difference alone; return its standard error too.": lambda first, second: (
            first - second
        ).mean(),
        "these are the differences of all cases; return their mean and its standard error.": (
            lambda first, second: first - second
        ),
        "these are the ends of an interval; return the mean and its standard error.": _of_pair(
            lambda mean, error: (mean - 1.96 * error, mean + 1.96 * error)
        ),
        "these are t and p of a test; return the mean difference and its standard error.": (
            lambda first, second: scipy.stats.ttest_rel(first, second)
        ),
        "these are t and the error; return the mean and its standard error.": _of_pair(
            lambda mean, error: (mean / error, error)
        ),
        "this is the squared standard error; take its root.": _of_pair(lambda mean, error: (mean, error**2)),
        "these are the ends of an interval, two standard errors wide on each side; return the mean and the "
        "error.": _of_pair(lambda mean, error: (mean - 2 * error, mean + 2 * error)),
        "these are percent of the second network's scores; subtract, and leave it so.": lambda first, second: (
            _paired()(100 * first / second, np.full(len(first), 100.0))
        ),
        "the scores were sorted, so cases no longer stand beside themselves; subtract case by "
        "case.": lambda first, second: _paired()(np.sort(first), np.sort(second)),
        "each case was compared with every other; subtract case by case.": lambda first, second: _paired()(
            np.repeat(first, len(second)), np.tile(second, len(first))
        ),
    },
    make=_paired,
    flaws={
        "you added the variances of two groups; the cases are the same, so subtract case by case.": {
            "spread": lambda first, second, ddof: np.sqrt(first.var(ddof=ddof) + second.var(ddof=ddof))
        },
        "you subtracted the spreads; it is the spread of the differences that counts.": {
            "spread": lambda first, second, ddof: first.std(ddof=ddof) - second.std(ddof=ddof)
        },
        "you added the spreads; it is the spread of the differences that counts.": {
            "spread": lambda first, second, ddof: first.std(ddof=ddof) + second.std(ddof=ddof)
        },
        "this is the spread of the first network's scores; take that of the differences.": {
            "spread": lambda first, second, ddof: first.std(ddof=ddof)
        },
        "this is the spread of the second network's scores; take that of the differences.": {
            "spread": lambda first, second, ddof: second.std(ddof=ddof)
        },
        "this is a variance; take the standard deviation, its root.": {
            "spread": lambda first, second, ddof: (first - second).var(ddof=ddof)
        },
        "both groups were put together; take the spread of the differences.": {
            "spread": lambda first, second, ddof: np.concatenate([first, second]).std(ddof=ddof)
        },
        "the differences lost their sign before the spread was taken.": {
            "spread": lambda first, second, ddof: np.abs(first - second).std(ddof=ddof)
        },
        "this is the spread of single cases; for that of their mean, divide by the root of n.": {"root": lambda n: 1},
        "divide by the root of n, not by n.": {"root": lambda n: n},
        "divide by the root of n; the n - 1 is for the spread.": {"root": lambda n: np.sqrt(n - 1)},
        "there are n cases, not 2n: divide by the root of n.": {"root": lambda n: np.sqrt(2 * n)},
        "you multiplied by the root of n; divide.": {"root": lambda n: 1 / np.sqrt(n)},
        "this is half an interval, 1.96 standard errors; give one standard error.": {
            "root": lambda n: np.sqrt(n) / 1.96
        },
        "NumPy's std divides by n; the spread of a sample is estimated with n - 1: ddof=1.": {"ddof": 0},
        "the sign is the wrong way round: a positive difference says that the first is better.": {
            "mean": lambda first, second: (second - first).mean()
        },
        "the differences lost their sign: a mean of absolute values cannot be negative.": {
            "mean": lambda first, second: np.abs(first - second).mean()
        },
        "this is the median of the differences; take the mean.": {
            "mean": lambda first, second: np.median(first - second)
        },
        "this is the largest difference; take the mean.": {"mean": lambda first, second: (first - second).max()},
        "these are ratios; subtract, case by case.": {"mean": lambda first, second: (first / second).mean()},
        "this is the sum of the differences; take the mean.": {"mean": lambda first, second: (first - second).sum()},
        "this is the first network's mean; subtract the second's.": {"mean": lambda first, second: first.mean()},
        "the order is swapped: the mean first, then its standard error.": {"order": -1},
        "the spread was not taken around the mean; take the standard deviation of the differences.": {
            "spread": lambda first, second, ddof: np.sqrt(((first - second) ** 2).mean())
        },
        "the root was taken of all; only the number of cases is under it: std / np.sqrt(n).": {
            "spread": lambda first, second, ddof: np.sqrt((first - second).std(ddof=ddof))
        },
        "the number of cases is not always 24; take len(first).": {"root": lambda n: np.sqrt(24)},
    },
)
