"""The vote: for each voxel the class that most networks chose."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from kits_msan.errors import InputError
from kits_msan.formats.nifti import as_array, checked_labels
from kits_msan.networks.layers import CLASS_COUNT

ROUNDING = 1e-3  # that a probability may be beyond 0 and 1


def vote_scores(probabilities: Tensor, labels: Tensor | None = None) -> Tensor:
    """Scores whose highest class wins the vote: (M, C, D, H, W) -> (C, D, H, W), 0 to 1.

    Votes, plus half a vote times the mean probability, so that it decides ties and nothing else; all over the most
    that there can be. One network's scores are its probabilities.
    """
    if len(probabilities) == 1:
        return probabilities[0]
    labels = probabilities.argmax(1) if labels is None else labels  # (M, D, H, W)
    votes = torch.stack([(labels == value).sum(0) for value in range(probabilities.shape[1])])
    return (votes + 0.5 * probabilities.mean(0)) / (len(probabilities) + 0.5)


def majority_vote(labels: ArrayLike, probabilities: ArrayLike | None = None) -> NDArray[np.uint8]:
    """The class that most networks chose, for each voxel: (M, D, H, W) labels -> (D, H, W) uint8.

    probabilities: (M, 3, D, H, W); a tie (2-2-1 among five) goes to the class with the highest sum of them, or
    without them to the lowest class. Paper, section 2.2 ("a voting strategy"); the rule for ties is our choice.
    Raises InputError where shapes do not fit, a label is not 0, 1 or 2, or a probability is not from 0 to 1.
    """
    votes = np.require(checked_labels("the labels hold", labels), requirements=["C", "W"])  # as torch wants them
    if votes.ndim < 2 or votes.size == 0:
        raise InputError(
            f"expected the labels of several networks, (M, D, H, W), not an array of shape {votes.shape}."
        )
    sums = np.zeros((len(votes), CLASS_COUNT, *votes.shape[1:]), np.float32)
    if probabilities is not None:
        found = as_array("the probabilities hold", probabilities)
        if found.dtype.kind not in "biuf":
            raise InputError(f"the probabilities hold values of type {found.dtype}; give numbers from 0 to 1.")
        given = np.require(found, np.float32, ["C", "W"])
        if given.shape != sums.shape:
            raise InputError(f"probabilities of shape {given.shape} do not fit labels of shape {votes.shape}.")
        if not (given.min() >= -ROUNDING and given.max() <= 1 + ROUNDING):  # nor are they NaN
            raise InputError("probabilities must be from 0 to 1; of logits, take the softmax over the classes.")
        sums = given
    if len(votes) == 1:
        return votes[0].astype(np.uint8)
    return vote_scores(torch.from_numpy(sums), torch.from_numpy(votes)).argmax(0).to(torch.uint8).numpy()
