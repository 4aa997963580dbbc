"""The exercise 5.4, does disagreement predict error: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy  # its parts are loaded on first use

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _agreeing(rng: np.random.Generator) -> Inputs:
    """How many of five networks agree at wrong voxels, and at right ones."""
    drawn = [(rng.integers(2, 6, rng.integers(1, 9)), rng.integers(2, 6, rng.integers(1, 9))) for _ in range(10)]
    return [
        (np.array([3, 4]), np.array([5, 4, 3])),
        (np.array([3, 2, 5, 3]), np.array([5, 5, 4, 3, 5, 2])),
        (np.array([5, 4]), np.array([5, 5, 5])),
        (np.array([2, 3, 3]), np.array([4, 5])),
        (np.array([3, 4]), np.array([4, 3])),  # no better than a coin
        *drawn,
    ]


def _chance(
    tie: float = 0.5, below: Callable[[Any, Any], Any] = np.less, count: Callable[[Any], Any] = np.mean,
    pairs: Callable[[Any, Any], Any] = lambda wrong, right: (wrong[:, None], right),
) -> Callable[[Any, Any], Any]:  # fmt: skip
    """The chance; the arguments are what can go wrong."""

    def chance(wrong: Any, right: Any) -> Any:
        a, b = pairs(wrong, right)
        return float(count(below(a, b)) + tie * count(a == b))

    return chance


def _one_by_one(order: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """The first with the first and so on, until the shorter one ends."""

    def pairs(wrong: Any, right: Any) -> Any:
        many = min(len(wrong), len(right))
        return order(wrong)[:many], order(right)[:many]

    return pairs


EXERCISE = Exercise(
    solution=_chance(),
    why="this is the area under the ROC curve: 0.5 is a coin, 1 says that disagreement finds every error.",
    inputs=_agreeing,
    hint="Compare every wrong voxel with every right one; NumPy does it with wrong[:, None] < right.",
    stops={
        "could not be broadcast": "There are not as many wrong voxels as right ones: compare each with each, "
        "wrong[:, None] < right.",
        "must match exactly": "There are not as many wrong voxels as right ones: compare each with each, "
        "wrong[:, None] < right.",
    },
    mistakes={
        "it is the other way round: an error is expected where fewer agree.": (
            lambda wrong, right: 1 - _chance()(wrong, right)
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
        "ties were left out, above and below; a tie counts half, and you divide by the number of all pairs.": (
            lambda wrong, right: float((wrong[:, None] < right).sum() / max((wrong[:, None] != right).sum(), 1))
        ),
        "you compared the first with the first and so on, and divided by the wrong ones; compare each with each.": (
            lambda wrong, right: sum(w < r for w, r in zip(wrong, right, strict=False)) / len(wrong)
        ),
        "this is the p of a test, not the chance that is asked; compare every wrong voxel with every right "
        "one.": lambda wrong, right: float(scipy.stats.mannwhitneyu(right, wrong).pvalue),
        "this is the p of a t-test, not the chance that is asked; compare every wrong voxel with every right "
        "one.": lambda wrong, right: float(scipy.stats.ttest_ind(wrong, right).pvalue),
        "there are as many pairs as wrong times right; you divided by wrong plus right.": lambda wrong, right: (
            _chance(count=np.sum)(wrong, right) / (len(wrong) + len(right))
        ),
        "a smaller number gets 1 and then a half more in yours; add the half only where both are "
        "equal.": lambda wrong, right: float(
            1.5 * (wrong[:, None] < right).mean() + 0.5 * (wrong[:, None] == right).mean()
        ),
        "only the first wrong voxel is compared. Does `return` stand inside the loop?": lambda wrong, right: (
            _chance()(wrong[:1], right)
        ),
        "this asks only whether all five agree; compare the numbers of every wrong voxel with every right "
        "one.": lambda wrong, right: float(((wrong < 5).mean() + (right == 5).mean()) / 2),
        "this is the share of wrong voxels where not all agree; compare them with the right "
        "ones.": lambda wrong, right: float((wrong < 5).mean()),
    },
    make=_chance,
    flaws={
        "you compared the first with the first and so on; compare every wrong voxel with every right one.": {
            "pairs": _one_by_one(lambda values: values)
        },
        "both were sorted and compared in pairs; compare every wrong voxel with every right one.": {
            "pairs": _one_by_one(np.sort)
        },
        "both were sorted, the largest first, and compared in pairs; compare every wrong voxel with every right "
        "one.": {"pairs": _one_by_one(lambda values: np.sort(values)[::-1])},
        "every number counts once in yours, however often it occurs; compare all voxels.": {
            "pairs": lambda wrong, right: (np.unique(wrong)[:, None], np.unique(right))
        },
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
)
