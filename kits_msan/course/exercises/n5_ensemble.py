"""The exercises of notebook 5, ensemble and ablation: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise

Inputs = list[tuple[Any, ...]]


def _ballots() -> Inputs:
    """Labels (M, V) and the probabilities (M, 3, V) whose largest they are, of three and of five networks."""
    rng = np.random.default_rng(0)
    drawn = [rng.dirichlet((1, 1, 1), size=(networks, 30)).swapaxes(1, 2) for networks in (5, 3)]
    return [(probabilities.argmax(axis=1), probabilities) for probabilities in drawn]


def _shares() -> Inputs:
    return [(share,) for share in (0.5, 0.9, 0.1, 1.0)]


def _pairs() -> Inputs:
    """Scores of two networks on the same cases, which differ more from case to case than from one to the other."""
    rng = np.random.default_rng(0)
    pairs: Inputs = []
    for n in (8, 24):
        easy = rng.uniform(20, 90, n)
        pairs.append((easy + rng.normal(3, 4, n), easy + rng.normal(0, 4, n)))
    return pairs


def _agreeing() -> Inputs:
    """How many of five networks agree at wrong voxels, and at right ones."""
    return [
        (np.array([3, 2, 5, 3]), np.array([5, 5, 4, 3, 5, 2])),
        (np.array([5, 4]), np.array([5, 5, 5])),
        (np.array([2, 3, 3]), np.array([4, 5])),
    ]


def _counted(labels: Any) -> Any:
    return np.stack([(labels == value).sum(axis=0) for value in range(3)])  # (class, V)


def _vote(tie_break: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """The majority, where `tie_break` makes of probabilities (M, 3, V) what decides a tie, (3, V)."""

    def vote(labels: Any, probabilities: Any) -> Any:
        counts = _counted(labels)
        return np.where(counts == counts.max(axis=0), tie_break(probabilities), -np.inf).argmax(axis=0)

    return vote


def _chance(tie: float) -> Callable[[Any, Any], Any]:
    def chance(wrong: Any, right: Any) -> Any:
        return ((wrong[:, None] < right).mean() + tie * (wrong[:, None] == right).mean()).item()

    return chance


EXERCISES = {
    "5.1": Exercise(
        solution=_vote(lambda probabilities: probabilities.sum(axis=0)),
        why="votes first; only where they tie do the summed probabilities decide.",
        inputs=_ballots,
        hint="Count the votes of each class; among the classes with the most votes, compare the sums.",
        mistakes={
            "this is the mean probability, not a vote: one very sure network can outweigh three.": (
                lambda labels, probabilities: probabilities.sum(axis=0).argmax(axis=0)
            ),
            "your ties go to the lowest class, so to background and kidney; the summed probability decides.": (
                lambda labels, probabilities: _counted(labels).argmax(axis=0)
            ),
            "your ties go to the highest class; the summed probability decides.": (
                lambda labels, probabilities: 2 - _counted(labels)[::-1].argmax(axis=0)
            ),
            "a label is a name, not a quantity: the median of background and tumor is not kidney.": (
                lambda labels, probabilities: np.median(labels, axis=0).astype(int)
            ),
            "a label is a name, not a quantity: the mean of background and tumor is not kidney.": (
                lambda labels, probabilities: labels.mean(axis=0).round().astype(int)
            ),
            "your ties go to the surest single network; the sum over all of them decides.": (
                _vote(lambda probabilities: probabilities.max(axis=0))
            ),
        },
    ),
    "5.2": Exercise(
        solution=lambda share: 2 * share / (1 + share),
        why="half of the truth, and nothing false, still has a Dice of two thirds: a mean hides a lost kidney well.",
        inputs=_shares,
        hint="Say that the truth has 1 unit. How much is found, how much is shared?",
        mistakes={
            "this is the share that was found (recall); Dice divides twice the overlap by the sum of both sizes.": (
                lambda share: share
            ),
            "the overlap counts twice in the numerator.": lambda share: share / (1 + share),
            "twice the overlap is right; now divide it by the sum of both sizes.": (lambda share: 2 * share),
            "this is the share halfway to 1; write down overlap and sizes.": lambda share: (1 + share) / 2,
            "this is the loss, 1 - Dice.": lambda share: 1 - 2 * share / (1 + share),
        },
    ),
    "5.3": Exercise(
        solution=lambda first, second: (
            (first - second).mean(),
            (first - second).std(ddof=1) / np.sqrt(len(first)),
        ),
        why="hard cases are hard for both and cancel out, so the difference is known better than either mean.",
        inputs=_pairs,
        hint="Subtract case by case first; then a mean, and a standard deviation over the root of the cases.",
        mistakes={
            "you added the variances of two groups; these are the same cases, so subtract case by case first.": (
                lambda first, second: (
                    (first - second).mean(),
                    np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)),
                )
            ),
            "this is the spread of single cases; the mean of n cases is known better by the root of n.": (
                lambda first, second: ((first - second).mean(), (first - second).std(ddof=1))
            ),
            "divide by the root of n, not by n.": (
                lambda first, second: ((first - second).mean(), (first - second).std(ddof=1) / len(first))
            ),
            "NumPy's std divides by n; the spread of a sample is estimated with n - 1: ddof=1.": (
                lambda first, second: ((first - second).mean(), (first - second).std() / np.sqrt(len(first)))
            ),
            "the sign is turned: a positive difference says that the first is better.": (
                lambda first, second: (
                    (second - first).mean(),
                    (first - second).std(ddof=1) / np.sqrt(len(first)),
                )
            ),
            "you subtracted the spreads; it is the spread of the differences that counts.": (
                lambda first, second: (
                    (first - second).mean(),
                    (first.std(ddof=1) - second.std(ddof=1)) / np.sqrt(len(first)),
                )
            ),
        },
    ),
    "5.4": Exercise(
        solution=_chance(0.5),
        why="this is the area under the ROC curve: 0.5 is a coin, 1 says that disagreement finds every error.",
        inputs=_agreeing,
        hint="Compare every wrong voxel with every right one; NumPy does it with wrong[:, None] < right.",
        mistakes={
            "ties are left out; a tie is a coin's throw, so it counts half.": _chance(0.0),
            "ties count whole; a tie is a coin's throw, so it counts half.": _chance(1.0),
            "it is the other way round: an error is expected where fewer agree.": (
                lambda wrong, right: 1 - _chance(0.5)(wrong, right)
            ),
            "you compared the first with the first and so on; compare every wrong voxel with every right one.": (
                lambda wrong, right: np.mean(
                    [(w < r) + 0.5 * (w == r) for w, r in zip(wrong, right, strict=False)]
                ).item()
            ),
            "this is the difference of two means, not a chance between 0 and 1.": (
                lambda wrong, right: (right.mean() - wrong.mean()).item()
            ),
        },
    ),
}
