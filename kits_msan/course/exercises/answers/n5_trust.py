"""The exercises 5.3, a paired difference, and 5.4, does disagreement predict error: solutions and mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _pairs(rng: np.random.Generator) -> Inputs:
    """Scores of two networks on the same cases, which differ more from case to case than from one to the other."""
    pairs: Inputs = [(np.array([90.0, 50.0, 70.0]), np.array([84.0, 49.0, 62.0]))]
    for n in (8, 24, 4, 5, 12):
        easy = rng.uniform(20, 90, n)
        pairs.append((easy + rng.normal(3, 4, n), easy + rng.normal(0, 4, n)))
    return pairs


def _agreeing(rng: np.random.Generator) -> Inputs:
    """How many of five networks agree at wrong voxels, and at right ones."""
    drawn = [(rng.integers(2, 6, rng.integers(1, 9)), rng.integers(2, 6, rng.integers(1, 9))) for _ in range(10)]
    return [
        (np.array([3, 4]), np.array([5, 4, 3])),
        (np.array([3, 2, 5, 3]), np.array([5, 5, 4, 3, 5, 2])),
        (np.array([5, 4]), np.array([5, 5, 5])),
        (np.array([2, 3, 3]), np.array([4, 5])),
        *drawn,
    ]


def _paired(
    mean: Callable[[Any, Any], Any] = lambda first, second: (first - second).mean(),
    spread: Callable[..., Any] = lambda first, second, ddof: (first - second).std(ddof=ddof),
    root: Callable[[int], Any] = np.sqrt, ddof: int = 1, order: int = 1,
) -> Callable[[Any, Any], Any]:  # fmt: skip
    """A paired difference with its error; the arguments are what can go wrong."""
    return lambda first, second: (mean(first, second), spread(first, second, ddof) / root(len(first)))[::order]


def _chance(
    tie: float = 0.5, below: Callable[[Any, Any], Any] = np.less, count: Callable[[Any], Any] = np.mean
) -> Callable[[Any, Any], Any]:
    def chance(wrong: Any, right: Any) -> Any:
        return float(count(below(wrong[:, None], right)) + tie * count(wrong[:, None] == right))

    return chance


def _one_by_one(wrong: Any, right: Any) -> Any:
    return float(np.mean([(w < r) + 0.5 * (w == r) for w, r in zip(wrong, right, strict=False)]))


EXERCISES = {
    "5.3": Exercise(
        solution=_paired(),
        why="hard cases are hard for both and cancel out, so the difference is known better than either mean.",
        inputs=_pairs,
        hint="Subtract case by case first; then a mean, and a standard deviation over the root of the cases.",
        parts={
            "the mean": "It is the mean of first - second.",
            "the standard error": "It is the standard deviation of first - second, with ddof=1, over the root of n.",
        },
        mistakes={
            "this is the mean difference alone; return its standard error too.": lambda first, second: (
                first - second
            ).mean(),
            "these are the differences of all cases; return their mean and its standard error.": (
                lambda first, second: first - second
            ),
            "these are the ends of an interval; return the mean and its standard error.": lambda first, second: (
                _paired()(first, second)[0] - 1.96 * _paired()(first, second)[1],
                _paired()(first, second)[0] + 1.96 * _paired()(first, second)[1],
            ),
            "these are t and p of a test; return the mean difference and its standard error.": (
                lambda first, second: scipy.stats.ttest_rel(first, second)
            ),
            "these are t and the error; return the mean and its standard error.": lambda first, second: (
                _paired()(first, second)[0] / _paired()(first, second)[1],
                _paired()(first, second)[1],
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
            "this is the spread of single cases; for that of their mean, divide by the root of n.": {
                "root": lambda n: 1
            },
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
            "this is the sum of the differences; take the mean.": {
                "mean": lambda first, second: (first - second).sum()
            },
            "this is the first network's mean; subtract the second's.": {"mean": lambda first, second: first.mean()},
            "the order is swapped: the mean first, then its standard error.": {"order": -1},
        },
    ),
    "5.4": Exercise(
        solution=_chance(),
        why="this is the area under the ROC curve: 0.5 is a coin, 1 says that disagreement finds every error.",
        inputs=_agreeing,
        hint="Compare every wrong voxel with every right one; NumPy does it with wrong[:, None] < right.",
        mistakes={
            "it is the other way round: an error is expected where fewer agree.": (
                lambda wrong, right: 1 - _chance()(wrong, right)
            ),
            "you compared the first with the first and so on; compare every wrong voxel with every right one.": (
                _one_by_one
            ),
            "this is the difference of two means, not a chance between 0 and 1.": (
                lambda wrong, right: float(right.mean() - wrong.mean())
            ),
            "you compared with the mean of the others only; compare every wrong voxel with every right one.": (
                lambda wrong, right: float((wrong < right.mean()).mean())
            ),
            "you compared two means, which gives 0, 1 or a tie; compare every wrong voxel with every right one.": (
                lambda wrong, right: float(wrong.mean() < right.mean())
            ),
            "ties count half only if you leave the rest whole: fewer + equal / 2.": (
                lambda wrong, right: float(((wrong[:, None] < right).mean() + (wrong[:, None] == right).mean()) / 2)
            ),
            "you compared the first with the first and left out ties; compare each wrong voxel with each "
            "right one.": lambda wrong, right: float(np.mean([a < b for a, b in zip(wrong, right, strict=False)])),
            "you compared the mean with the others; compare every wrong voxel with every right one.": (
                lambda wrong, right: float((wrong.mean() < right).mean())
            ),
            "you compared the smallest of the wrong with the right; compare every one.": (
                lambda wrong, right: float((wrong.min() < right).mean())
            ),
            "you compared the largest of the wrong with the right; compare every one.": (
                lambda wrong, right: float((wrong.max() < right).mean())
            ),
            "you compared with the largest of the right; compare every one.": (
                lambda wrong, right: float((wrong < right.max()).mean())
            ),
            "you compared with the median of the right; compare every one.": (
                lambda wrong, right: float((wrong < np.median(right)).mean())
            ),
            "this is the share of wrong voxels; compare every wrong voxel with every right one.": (
                lambda wrong, right: len(wrong) / (len(wrong) + len(right))
            ),
            "this is fewer minus more, from -1 to 1; it is fewer plus half of the ties.": (
                lambda wrong, right: float((wrong[:, None] < right).mean() - (wrong[:, None] > right).mean())
            ),
            "this is how often they differ; ask how often *fewer* agree at the wrong one.": (
                lambda wrong, right: float((wrong[:, None] != right).mean())
            ),
            "half was added to all; add half of the ties only.": (
                lambda wrong, right: float((wrong[:, None] < right).mean() + 0.5)
            ),
            "this is the ratio of two means; compare every wrong voxel with every right one.": (
                lambda wrong, right: float(wrong.mean() / right.mean())
            ),
            "every number counts once in yours, however often it occurs; compare all voxels.": (
                lambda wrong, right: _chance()(np.unique(wrong), np.unique(right))
            ),
            "every number counts once in yours, and ties are left out; compare all voxels.": (
                lambda wrong, right: _chance(tie=0)(np.unique(wrong), np.unique(right))
            ),
            "ties were left out, above and below; a tie counts half, and you divide by the number of all pairs.": (
                lambda wrong, right: float((wrong[:, None] < right).sum() / max((wrong[:, None] != right).sum(), 1))
            ),
        },
        make=_chance,
        flaws={
            "ties are left out; a tie is like tossing a coin, so it counts half.": {"tie": 0.0},
            "ties count whole; a tie is like tossing a coin, so it counts half.": {"tie": 1.0},
            "ties are subtracted; a tie is like tossing a coin, so it counts half.": {"tie": -0.5},
            "ties count twice; a tie is like tossing a coin, so it counts half.": {"tie": 2.0},
            "<= counts the ties in already; count with <, and add half of the ties.": {"below": np.less_equal},
            "this is the number of pairs; divide by how many pairs there are.": {"count": np.sum},
            "you divided by the number of wrong voxels; divide by all pairs.": {
                "count": lambda pairs: pairs.sum() / pairs.shape[0]
            },
            "you divided by the number of right voxels; divide by all pairs.": {
                "count": lambda pairs: pairs.sum() / pairs.shape[1]
            },
        },
    ),
}
