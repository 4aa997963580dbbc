"""The exercises 4.1, the Dice loss, and 4.2, the paper's learning rate: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _voxels(rng: np.random.Generator) -> Inputs:
    """Probabilities and truth of a few voxels: a class that is there, one that is absent, a perfect answer."""
    trials: Inputs = [
        (np.array([0.1, 0.8, 0.6, 0.3]), np.array([0.0, 1, 1, 0])),
        (np.array([0.2, 0.1, 0.3, 0.7]), np.array([0.0, 0, 0, 0])),
        (np.array([0.0, 1, 1]), np.array([0.0, 1, 1])),
        (np.array([0.9, 0.2]), np.array([0.0, 1])),
        (np.zeros(3), np.zeros(3)),
    ]
    for size in rng.integers(2, 9, size=8):
        trials.append((rng.uniform(0, 1, size=size), rng.integers(0, 2, size=size).astype(float)))
    return trials


def _steps(rng: np.random.Generator) -> Inputs:
    ends = [step + k for step in (100_000, 200_000, 300_000) for k in (-1, 0, 1)]
    return [
        (step,)
        for step in (0, 1, 5_000, 399_999, 149_999, 150_000, 250_000, *ends, *rng.integers(0, 400_000, 4).tolist())
    ]


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


EXERCISES = {
    "4.1": Exercise(
        solution=_dice(),
        why="three sums and a fraction; a class that is absent has a loss too, which grows with every false voxel.",
        inputs=_voxels,
        hint="The loss is 1 - Dice. Compute the sums of the formula one by one for this input, and compare.",
        mistakes={
            "sum over the voxels first, then divide; a mean of fractions is another measure.": (
                lambda p, t: 1 - ((2 * p * t + 1) / (p + t + 1)).mean()
            ),
            "this is 1 - Jaccard, overlap over union; Dice divides by the sum of both sizes.": (
                lambda p, t: 1 - ((p * t).sum() + 1) / (p.sum() + t.sum() - (p * t).sum() + 1)
            ),
            "this is the cross-entropy; the Dice loss is made of three sums.": (
                lambda p, t: -np.where(t == 1, np.log(p), np.log(1 - p)).mean()
            ),
            "this is the mean squared error; the Dice loss is made of three sums.": lambda p, t: (
                (p - t) ** 2
            ).mean(),
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
            "this is the mean absolute error; the Dice loss is made of three sums.": lambda p, t: np.abs(
                p - t
            ).mean(),
            "this is the sum of absolute errors; the Dice loss is made of three sums.": lambda p, t: np.abs(
                p - t
            ).sum(),
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
        },
        make=_dice,
        flaws={
            "this is the Dice, which should be large; the loss is 1 minus it.": {"loss": lambda dice: dice},
            "this is minus the Dice; the loss is 1 minus it.": {"loss": lambda dice: -dice},
            "this is the Dice minus 1; the loss is 1 minus the Dice.": {"loss": lambda dice: dice - 1},
            "this is minus the logarithm of the Dice; the loss is 1 minus it.": {"loss": lambda dice: -np.log(dice)},
            "the overlap counts twice, since it is in both of the sums below.": {
                "overlap": lambda p, t: (p * t).sum()
            },
            "the overlap is Σ p·t; you added all p instead of those where t is 1.": {
                "overlap": lambda p, t: 2 * p.sum()
            },
            "the overlap is Σ p·t; multiply voxel by voxel and then add up.": {
                "overlap": lambda p, t: 2 * p.sum() * t.sum()
            },
            "these are means of the sums; then the 1 weighs more than it should. Add up.": {
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
            "a tiny number stands in place of the 1; then one false voxel of an absent class costs 1.": {
                "above": 1e-6,
                "below": 1e-6,
            },
            "a tiny number stands below in place of the 1, and nothing above.": {"above": 0, "below": 1e-6},
            "you made each p 0 or 1 first; such a threshold has no gradient to learn from.": {"hard": True},
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
        },
    ),
    "4.2": Exercise(
        solution=lambda step: 1e-3 * 0.1 ** (step // 100_000),
        why="four stairs, from 0.001 down to 0.000001, and each begins exactly at its hundred thousand.",
        inputs=_steps,
        hint="Count how many whole hundred thousands of steps are complete, and divide by 10 that many times.",
        tolerance=1e-9,
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
            "the rate halves in yours; it is divided by 10.": lambda step: 1e-3 * 0.5 ** (step // 100_000),
            "the rate must fall, and yours rises.": lambda step: 1e-3 * 10.0 ** (step // 100_000),
            "you began with 0.01; the paper's initial learning rate is 0.001.": (
                lambda step: 1e-2 * 0.1 ** (step // 100_000)
            ),
            "you began with 1; the paper's initial learning rate is 0.001.": lambda step: 0.1 ** (step // 100_000),
            "you began with 0.1; the paper's initial learning rate is 0.001.": (
                lambda step: 0.1 * 0.1 ** (step // 100_000)
            ),
            "the stairs are 10,000 steps long; they are 100,000.": lambda step: 1e-3 * 0.1 ** (step // 10_000),
            "the stairs are 1,000 steps long; they are 100,000.": lambda step: 1e-3 * 0.1 ** (step // 1_000),
            "`%` is what is left over; `//` counts the whole hundred thousands.": (
                lambda step: 1e-3 * 0.1 ** (step % 100_000)
            ),
            "the number of the stair is the power to which 0.1 is raised; you multiplied by it.": (
                lambda step: 1e-3 * 0.1 * (step // 100_000)
            ),
            "each stair is a tenth of the one before; yours is nine tenths.": (
                lambda step: 1e-3 * 0.9 ** (step // 100_000)
            ),
            "the stairs are 200,000 steps long; they are 100,000.": lambda step: 1e-3 * 0.1 ** (step // 200_000),
            "a stair has 100,000 steps, from 0 to 99,999; yours has one more.": (
                lambda step: 1e-3 * 0.1 ** (step // 100_001)
            ),
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
        },
    ),
}
