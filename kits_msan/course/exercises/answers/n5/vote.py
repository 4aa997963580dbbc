"""The exercise 5.1, the vote: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _ballots(rng: np.random.Generator) -> Inputs:
    """Labels (M, V) and probabilities (M, 3, V) whose largest they are, of two to nine networks, with many ties."""
    trials: Inputs = []
    for networks, voxels in ((5, 30), (3, 30), (2, 12), (4, 60), (5, 90), (6, 90), (7, 60), (9, 60), (1, 5)):
        sure = rng.dirichlet((0.3, 0.3, 0.3), size=(networks, voxels))  # some are sure, some are not
        unsure = rng.dirichlet((9, 9, 9), size=(networks, voxels))
        drawn = np.where(rng.random((networks, voxels, 1)) < 0.4, sure, unsure).swapaxes(1, 2)
        trials.append((drawn.argmax(axis=1), drawn))
    for few in (20, 300):  # sure networks that lose by a vote, however small a sum is made
        sure = np.array([[[0.02], [0.96], [0.02]]] * few + [[[0.4], [0.31], [0.29]]] * (few + 1))
        trials.append((sure.argmax(axis=1), sure))
    return [*_one_each(*trials[4]), *trials]


def _one_each(labels: Any, probabilities: Any) -> Inputs:
    """Single voxels of five networks, to be shown: a tie whose third class has the largest sum, and a plain tie."""
    counts, sums = _counted(labels), probabilities.sum(axis=0)
    tied = (counts == counts.max(axis=0)).sum(axis=0) == 2
    third = tied & (counts[sums.argmax(axis=0), np.arange(sums.shape[1])] < counts.max(axis=0))
    picked = [int(np.flatnonzero(where)[0]) for where in (tied & ~third, third) if where.any()]
    return [(labels[:, [i]], probabilities[..., [i]]) for i in picked]


def _counted(labels: Any) -> Any:
    return np.stack([(labels == value).sum(axis=0) for value in range(3)])  # (class, V)


def _vote(
    tie_break: Callable[..., Any] = np.sum,
    taking_part: Callable[[Any], Any] = lambda counts: counts == counts.max(axis=0),
    give: Callable[[Any], Any] = lambda scores: scores.argmax(axis=0),
) -> Callable[[Any, Any], Any]:
    """The majority; the arguments are what decides a tie (3, V), who takes part in it, and what is returned."""
    return lambda labels, probabilities: give(
        np.where(taking_part(_counted(labels)), tie_break(probabilities, axis=0), -np.inf)
    )


def _ties_to(choose: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The majority, where `choose` makes of labels, probabilities and counts what wins at ties, (V,)."""

    def vote(labels: Any, probabilities: Any) -> Any:
        counts = _counted(labels)
        tied = (counts == counts.max(axis=0)).sum(axis=0) > 1
        return np.where(tied, choose(labels, probabilities, counts), counts.argmax(axis=0))

    return vote


def _majority_else_sums(labels: Any, probabilities: Any) -> Any:
    counts = _counted(labels)
    clear = 2 * counts.max(axis=0) > len(labels)
    return np.where(clear, counts.argmax(axis=0), probabilities.sum(axis=0).argmax(axis=0))


def _most_common(votes: Any) -> Any:
    values, first, counts = np.unique(votes, return_index=True, return_counts=True)
    return values[np.lexsort((first, -counts))[0]]


def _weighed(labels: Any, probabilities: Any) -> Any:
    return (probabilities * (labels[:, None] == np.arange(3)[:, None])).sum(axis=0)


def _so_far(labels: Any) -> Any:
    counts = _counted(labels).cumsum(axis=1)
    return counts == counts.max(axis=0)


def _place_in_list(labels: Any, probabilities: Any) -> Any:
    tied = _counted(labels) == _counted(labels).max(axis=0)
    sums = probabilities.sum(axis=0)
    return np.array([sums[tied[:, v], v].argmax() for v in range(labels.shape[1])])


EXERCISE = Exercise(
    solution=_vote(),
    why="votes first; only where they tie do the summed probabilities decide.",
    inputs=_ballots,
    hint="Count the votes of each class; among the classes with the most votes, compare the sums.",
    stops={
        "could not be broadcast": "Votes and probabilities are counted and added over the networks, axis 0; "
        "both are (3, V) then.",
        "out of bounds": "`labels` is (M, V): M networks and V voxels, and neither is always the same number.",
        "index out of range": "`labels` is (M, V): M networks and V voxels, and neither is always the same number.",
    },
    mistakes={
        "at a tie you compare the sums of all three classes; only those that tie take part.": _ties_to(
            lambda labels, probabilities, counts: probabilities.sum(axis=0).argmax(axis=0)
        ),
        "votes and sums are added, so a large sum can beat a vote; the sums count at ties only.": (
            lambda labels, probabilities: (_counted(labels) + probabilities.sum(axis=0)).argmax(axis=0)
        ),
        "votes and half of the sums are added, so a large sum can beat a vote; the sums count at ties only.": (
            lambda labels, probabilities: (_counted(labels) + 0.5 * probabilities.sum(axis=0)).argmax(axis=0)
        ),
        "votes and a small part of the sums are added; with many networks this can still beat a vote.": (
            lambda labels, probabilities: (_counted(labels) + 0.1 * probabilities.sum(axis=0)).argmax(axis=0)
        ),
        "votes and a very small part of the sums are added; with hundreds of networks this can still beat a "
        "vote.": lambda labels, probabilities: (_counted(labels) + 0.01 * probabilities.sum(axis=0)).argmax(axis=0),
        "at a tie you add only what those who voted for a class gave it; add the probabilities of all.": (
            lambda labels, probabilities: _vote(lambda p, axis: _weighed(labels, p))(labels, probabilities)
        ),
        "you compared with the most votes anywhere; take the largest count of each voxel: max(axis=0).": _vote(
            taking_part=lambda counts: counts == counts.max()
        ),
        "this is the vote of a network over its voxels; count over the networks, axis 0, for each voxel.": (
            lambda labels, probabilities: np.array([np.bincount(row, minlength=3).argmax() for row in labels])
        ),
        "these are the votes of the winner; give the class, with argmax.": (
            lambda labels, probabilities: _counted(labels).max(axis=0)
        ),
        "votes and sums are multiplied, so a large sum can beat a vote; the sums count at ties only.": (
            lambda labels, probabilities: (_counted(labels) * probabilities.sum(axis=0)).argmax(axis=0)
        ),
        "you ask for more than half of the votes; the class with the most wins, also with 3 of 7.": (
            _majority_else_sums
        ),
        "you ask for more than half of the votes; the class with the most wins, also with 3 of 7. And at a tie "
        "only those that tie take part.": lambda labels, probabilities: np.where(
            2 * _counted(labels).max(axis=0) >= len(labels),
            _counted(labels).argmax(axis=0),
            probabilities.sum(axis=0).argmax(axis=0),
        ),
        "this is the mean probability, not a vote: one very sure network can outweigh three.": (
            lambda labels, probabilities: probabilities.sum(axis=0).argmax(axis=0)
        ),
        "at a tie you take the surest single network, of all classes; among those that tie, the sum decides.": (
            _ties_to(lambda labels, probabilities, counts: probabilities.max(axis=0).argmax(axis=0))
        ),
        "your ties go to the lowest class, so to background and kidney; the summed probability decides.": (
            lambda labels, probabilities: _counted(labels).argmax(axis=0)
        ),
        "your ties go to the highest class; the summed probability decides.": (
            lambda labels, probabilities: 2 - _counted(labels)[::-1].argmax(axis=0)
        ),
        "your ties go to the first network; the summed probability decides.": _ties_to(
            lambda labels, probabilities, counts: labels[0]
        ),
        "your ties go to the network that comes first among those that tie; the summed probability decides.": (
            lambda labels, probabilities: np.array([_most_common(column) for column in labels.T])
        ),
        **{
            f"your ties go to {name}; the summed probability decides.": _ties_to(lambda *_, value=value: value)
            for value, name in enumerate(("background", "kidney", "tumor"))
        },
        "a label is a name, not a quantity: the median of background and tumor is not kidney.": (
            lambda labels, probabilities: np.median(labels, axis=0).astype(int)
        ),
        "a label is a name, not a quantity: the mean of background and tumor is not kidney.": (
            lambda labels, probabilities: labels.mean(axis=0).round().astype(int)
        ),
        "this is the highest label that any network gave; count the votes.": (
            lambda labels, probabilities: labels.max(axis=0)
        ),
        "this is the lowest label that any network gave; count the votes.": (
            lambda labels, probabilities: labels.min(axis=0)
        ),
        "this is the surest single network; count the votes.": (
            lambda labels, probabilities: probabilities.max(axis=0).argmax(axis=0)
        ),
        "this is the answer of the first network; count the votes of all.": lambda labels, probabilities: labels[0],
        "these are the numbers of votes; give the class that wins at each voxel.": (
            lambda labels, probabilities: _counted(labels)
        ),
        "argmin takes the smallest, so a class that takes no part; take argmax.": _vote(
            give=lambda scores: np.maximum(scores, 0).argmin(axis=0)
        ),
        "three votes are a majority of five networks only; the class with the most votes wins, whatever "
        "their number.": lambda labels, probabilities: np.where(
            _counted(labels).max(axis=0) >= 3,
            _counted(labels).argmax(axis=0),
            probabilities.sum(axis=0).argmax(axis=0),
        ),
        "this is the place in your list of tied classes; give the class that stands there.": _place_in_list,
        "a vote counts as much as its probability in yours; a vote is one vote, and sums count at ties "
        "only.": lambda labels, probabilities: _weighed(labels, probabilities).argmax(axis=0),
        "you compare sums only where all three classes tie; two can tie as well.": lambda labels, probabilities: (
            np.where(
                (_counted(labels) == _counted(labels).max(axis=0)).all(axis=0),
                probabilities.sum(axis=0).argmax(axis=0),
                _counted(labels).argmax(axis=0),
            )
        ),
        "the votes of the voxels before are counted too; begin to count anew for each "
        "voxel.": lambda labels, probabilities: np.where(_so_far(labels), probabilities.sum(axis=0), -np.inf).argmax(
            axis=0
        ),
    },
    make=_vote,
    flaws={
        "your ties go to the surest single network; the sum over all of them decides.": {"tie_break": np.max},
        "your ties go to the class whose least probability is largest; the sum decides.": {"tie_break": np.min},
        "your ties go by the product of the probabilities; the sum decides.": {"tie_break": np.prod},
        "your ties go by the median of the probabilities; the sum decides.": {"tie_break": np.median},
        "your ties go by the first five networks alone; add the probabilities of all.": {
            "tie_break": lambda probabilities, axis: probabilities[:5].sum(axis)
        },
        "your ties go by the first network's probabilities; the sum over all decides.": {
            "tie_break": lambda probabilities, axis: probabilities[0]
        },
        "your ties go to the class with the smaller sum; the larger wins.": {
            "tie_break": lambda probabilities, axis: -probabilities.sum(axis)
        },
        "the class with the fewest votes wins in yours; it is the one with the most.": {
            "taking_part": lambda counts: counts == counts.min(axis=0)
        },
        "a class with one vote less takes part in yours; only those with the most votes do.": {
            "taking_part": lambda counts: counts >= counts.max(axis=0) - 1
        },
        "every class that got a vote takes part in yours; only those with the most do.": {
            "taking_part": lambda counts: counts > 0
        },
        "these are scores; give the class, with argmax.": {"give": lambda scores: scores.max(axis=0)},
        "this is a row for each class; give the winning class of each voxel.": {
            "give": lambda scores: scores == scores.max(axis=0)
        },
        "your classes count from 1; they are 0, 1 and 2.": {"give": lambda scores: scores.argmax(axis=0) + 1},
    },
)
