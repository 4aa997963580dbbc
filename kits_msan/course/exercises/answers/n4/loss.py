"""The exercise 4.1, the Dice loss: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _voxels(rng: np.random.Generator) -> Inputs:
    """Probabilities and truth of a few voxels, in a row or in rows; a class can be there or absent."""
    trials: Inputs = [
        (np.array([0.1, 0.8, 0.6, 0.3]), np.array([0.0, 1, 1, 0])),
        (np.array([0.2, 0.1, 0.3, 0.7]), np.array([0.0, 0, 0, 0])),
        (np.array([0.0, 1, 1]), np.array([0.0, 1, 1])),
        (np.array([0.9, 0.2]), np.array([0.0, 1])),
        (np.zeros(3), np.zeros(3)),
    ]
    for size in rng.integers(2, 9, size=8):
        trials.append((rng.uniform(0, 1, size=size), rng.integers(0, 2, size=size).astype(float)))
    for shape in ((2, 3), (2, 3, 4)):
        trials.append((rng.uniform(0, 1, size=shape), rng.integers(0, 2, size=shape).astype(float)))
    return trials


def _dice(
    overlap: Callable[[Any, Any], Any] = lambda p, t: 2 * (p * t).sum(),
    sizes: Callable[[Any, Any], Any] = lambda p, t: p.sum() + t.sum(),
    above: float = 1, below: float = 1, loss: Callable[[Any], Any] = lambda dice: 1 - dice, hard: bool = False,
) -> Callable[[Any, Any], Any]:  # fmt: skip
    """The Dice loss; the arguments are what can go wrong."""

    def dice_loss(p: Any, t: Any) -> Any:
        p = (p > 0.5).astype(float) if hard else p
        return loss((overlap(p, t) + above) / (sizes(p, t) + below))

    return dice_loss


def _cross_entropy(p: Any, t: Any) -> Any:
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()


EXERCISE = Exercise(
    solution=_dice(),
    why="three sums and a fraction; a class that is absent has a loss too, which grows with every false voxel.",
    inputs=_voxels,
    hint="The loss is 1 - Dice. Compute the sums of the formula one by one for this input, and compare.",
    stops={
        "core dimension": "`p @ t` is Σpt for one row only, and a label has many rows; write (p * t).sum().",
        "not aligned": "np.dot is Σpt for one row only, and a label has many rows; write (p * t).sum().",
        "truth value": "sum(x) and max(x) take one row only, and a label has many; write x.sum().",
    },
    mistakes={
        "yours adds along the first axis only, as sum(x) does; write x.sum(), which adds all.": lambda p, t: (
            1 - (2 * sum(p * t) + 1) / (sum(p) + sum(t) + 1)
        ),
        "yours adds along the last axis only, as .sum(-1) does; write .sum(), which adds all.": lambda p, t: (
            1 - (2 * (p * t).sum(-1) + 1) / (p.sum(-1) + t.sum(-1) + 1)
        ),
        "sum over the voxels first, then divide; a mean of fractions is another measure.": (
            lambda p, t: 1 - ((2 * p * t + 1) / (p + t + 1)).mean()
        ),
        "this is 1 - Jaccard, overlap over union; Dice divides by the sum of both sizes.": (
            lambda p, t: 1 - ((p * t).sum() + 1) / (p.sum() + t.sum() - (p * t).sum() + 1)
        ),
        "this is the cross-entropy; the Dice loss is made of three sums.": (
            lambda p, t: -np.where(t == 1, np.log(p), np.log(1 - p)).mean()
        ),
        "this is the mean squared error; the Dice loss is made of three sums.": lambda p, t: ((p - t) ** 2).mean(),
        "brackets are missing: the 1 below belongs under the line, (2 Σpt + 1) / (Σp + Σt + 1).": (
            lambda p, t: 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum()) + 1
        ),
        "the 2 multiplies the overlap only: 2 Σpt + 1, not 2 (Σpt + 1).": (
            lambda p, t: 1 - 2 * ((p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        ),
        "you have 2 Σpt + 2 above the line and + 2 below it; the formula has a 1 in each place.": (
            lambda p, t: 1 - (2 * (p * t).sum() + 2) / (p.sum() + t.sum() + 2)
        ),
        "a mean of fractions was summed; sum over the voxels first, then divide once.": (
            lambda p, t: (1 - (2 * p * t + 1) / (p + t + 1)).sum()
        ),
        "this is the mean absolute error; the Dice loss is made of three sums.": lambda p, t: np.abs(p - t).mean(),
        "this is the sum of absolute errors; the Dice loss is made of three sums.": lambda p, t: np.abs(p - t).sum(),
        "this is the loss of the background, 1 - p and 1 - t; take p and t themselves.": (
            lambda p, t: _dice()(1 - p, 1 - t)
        ),
        "this is the mean with the background's loss; one class is asked.": (
            lambda p, t: (_dice()(p, t) + _dice()(1 - p, 1 - t)) / 2
        ),
        "you made an absent class a special case; with the 1 above and below it needs none.": (
            lambda p, t: _dice()(p, t) if t.sum() else 0.0
        ),
        "you made an absent class a special case, and the 1 is missing elsewhere.": (
            lambda p, t: _dice(above=0, below=0)(p, t) if t.sum() else 0.0
        ),
        "the largest values were compared; add up over the voxels.": (
            lambda p, t: 1 - (2 * (p * t).max() + 1) / (p.max() + t.max() + 1)
        ),
        "there are no sums; add up over the voxels before you divide.": (
            lambda p, t: 1 - (2 * p * t + 1) / (p + t + 1)
        ),
        "brackets are missing: 1 - a / b + c is not 1 - a / (b + c).": (
            lambda p, t: 1 - (2 * (p * t).sum() + 1) / p.sum() + t.sum() + 1
        ),
        "brackets are missing: the 1 belongs above the line, (2 Σpt + 1) / (Σp + Σt + 1).": (
            lambda p, t: 1 - 2 * (p * t).sum() + 1 / (p.sum() + t.sum() + 1)
        ),
        "brackets are missing above and below the line: (2 * overlap + 1) / (sizes + 1).": lambda p, t: (
            1 - 2 * (p * t).sum() + 1 / p.sum() + t.sum() + 1
        ),
        "this is the cross-entropy, which has no finite value at 0; the Dice loss is made of three "
        "sums.": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(),
        "the cross-entropy was added; give the Dice loss alone.": lambda p, t: _dice()(p, t) + _cross_entropy(p, t),
        "you made an absent class a special case, with the loss 1; with the 1 above and below it needs "
        "none.": lambda p, t: _dice()(p, t) if t.sum() else 1.0,
        "where nothing is there and nothing is called, the answer is right: the loss is 0, not 1.": lambda p, t: (
            _dice()(p, t) if (p + t).sum() else 1.0
        ),
        "your fraction is upside down: twice the overlap and 1 belong above the line.": lambda p, t: (
            1 - (p.sum() + t.sum() + 1) / (2 * (p * t).sum() + 1)
        ),
        "this is the logarithm of the Dice; the loss is 1 minus it.": lambda p, t: np.log(1 - _dice()(p, t)),
        "the loss was squared; it is 1 minus the Dice.": lambda p, t: _dice()(p, t) ** 2,
        "this is a Tversky loss, which weighs missed and false voxels differently; Dice weighs them "
        "alike.": lambda p, t: (
            1 - ((p * t).sum() + 1) / ((p * t).sum() + 0.3 * (p * (1 - t)).sum() + 0.7 * ((1 - p) * t).sum() + 1)
        ),
        "`p` holds probabilities already; leave out the softmax.": lambda p, t: _dice()(
            np.exp(p) / np.exp(p).sum(), t
        ),
        "`p` holds probabilities already; leave out the sigmoid.": lambda p, t: _dice()(1 / (1 + np.exp(-p)), t),
    },
    make=_dice,
    flaws={
        "this is the Dice, which should be large; the loss is 1 minus it.": {"loss": lambda dice: dice},
        "this is minus the Dice; the loss is 1 minus it.": {"loss": lambda dice: -dice},
        "this is the Dice minus 1; the loss is 1 minus the Dice.": {"loss": lambda dice: dice - 1},
        "this is minus the logarithm of the Dice; the loss is 1 minus it.": {"loss": lambda dice: -np.log(dice)},
        "the overlap counts twice, since it is in both of the sums below.": {"overlap": lambda p, t: (p * t).sum()},
        "the overlap is Σ p·t; you added all p instead of those where t is 1.": {"overlap": lambda p, t: 2 * p.sum()},
        "the overlap is Σ p·t; multiply voxel by voxel and then add up.": {
            "overlap": lambda p, t: 2 * p.sum() * t.sum()
        },
        "the 1 counts once for each voxel in yours: it stands inside the sums, or these are means.": {
            "overlap": lambda p, t: 2 * (p * t).mean(),
            "sizes": lambda p, t: p.mean() + t.mean(),
        },
        "the 1 is missing, above and below; without it a class that is absent always has the loss 1.": {
            "above": 0,
            "below": 0,
        },
        "the 1 stands above the line too; otherwise a perfect answer would still have a loss.": {"above": 0},
        "the 1 stands below the line too; otherwise an absent class that is called nowhere divides by 0.": {
            "below": 0
        },
        "below the line stands a 2; the formula has a 1 there.": {"below": 2},
        "a tiny number stands in place of the 1; then one false voxel of an absent class costs 1.": {
            "above": 1e-6,
            "below": 1e-6,
        },
        "a tiny number stands below in place of the 1, and nothing above.": {"above": 0, "below": 1e-6},
        "you made each p 0 or 1 first; such a threshold has no gradient to learn from.": {"hard": True},
        "you made each p of the overlap 0 or 1; such a threshold has no gradient to learn from.": {
            "overlap": lambda p, t: 2 * ((p > 0.5) * t).sum()
        },
        "you counted where p and t are the same number; the overlap is Σ p·t.": {
            "overlap": lambda p, t: 2 * (p == t).sum()
        },
        "you squared the probabilities below, as V-Net does; ours adds them as they are.": {
            "sizes": lambda p, t: (p**2).sum() + (t**2).sum()
        },
        "the truth is missing below the line: divide by Σp + Σt + 1.": {"sizes": lambda p, t: p.sum()},
        "the probabilities are missing below the line: divide by Σp + Σt + 1.": {"sizes": lambda p, t: t.sum()},
        "you subtracted the overlap below the line; Dice divides by the sum of both sizes.": {
            "sizes": lambda p, t: p.sum() + t.sum() - (p * t).sum()
        },
        "below is the number of voxels; it must be Σp + Σt + 1.": {"sizes": lambda p, t: p.size},
        "below is twice the number of voxels; it must be Σp + Σt + 1.": {"sizes": lambda p, t: 2 * p.size},
        "below counts a voxel of both once; it must be Σp + Σt + 1.": {"sizes": lambda p, t: (p + t > 0).sum()},
        "you multiplied the sizes below the line; add them.": {"sizes": lambda p, t: p.sum() * t.sum()},
        "the overlap is Σ p·t; you took how far p and t lie apart.": {
            "overlap": lambda p, t: 2 * np.abs(p - t).sum()
        },
        "below stands twice the truth; it must be Σp + Σt + 1.": {"sizes": lambda p, t: 2 * t.sum()},
    },
)
