from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kits_msan.cleanup import keep_kidneys
from kits_msan.errors import InputError
from kits_msan.metrics import dice_scores
from kits_msan.vote import majority_vote, vote_scores


def voxel(labels: list[int]) -> np.ndarray:
    """The labels of several networks for a single voxel: (M, 1, 1, 1)."""
    return np.array(labels, np.uint8).reshape(-1, 1, 1, 1)


@pytest.mark.parametrize(
    ("labels", "winner"),
    [
        ([0, 0, 0, 0, 0], 0),
        ([1, 1, 1, 2, 2], 1),
        ([2], 2),
        ([2, 2, 1, 1, 0], 1),  # ties without probabilities: the lower class
        ([2, 2, 0, 0, 1], 0),
    ],
)
def test_most_votes_win(labels: list[int], winner: int) -> None:
    vote = majority_vote(voxel(labels))
    assert vote.shape == (1, 1, 1)
    assert vote.dtype == np.uint8
    assert vote.item() == winner


def test_every_voxel_votes_for_itself() -> None:
    labels = np.array([[[[0, 1, 2]]], [[[0, 1, 1]]], [[[1, 1, 2]]]], np.int64)
    np.testing.assert_array_equal(majority_vote(labels), [[[0, 1, 2]]])


def test_one_networks_vote_is_its_own_result() -> None:
    probabilities = torch.rand(1, 3, 2, 3, 4, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert torch.equal(vote_scores(probabilities), probabilities[0])


@pytest.mark.parametrize(
    "probabilities",
    [  # the winner is 2 in both
        [[0, 0.6, 0.4], [0, 0.6, 0.4], [0, 0.1, 0.9], [0, 0.2, 0.8], [1, 0, 0]],  # 2-2-1: the higher sum, 2.5 to 1.5
        [[0, 0.4, 0.6], [0.3, 0.3, 0.4], [0.3, 0.3, 0.4], [0, 1, 0], [0, 1, 0]],  # 3-2: a majority with 1.4 to 3
    ],
)
def test_highest_sum_of_probabilities_decides_ties_and_nothing_else(probabilities: list[list[float]]) -> None:
    given_chances = np.array(probabilities, np.float32).reshape(5, 3, 1, 1, 1)
    assert majority_vote(given_chances.argmax(1), given_chances).item() == 2
    assert vote_scores(torch.from_numpy(given_chances)).argmax(0).item() == 2


@given(st.lists(st.integers(0, 2), min_size=1, max_size=5), st.integers(0, 2**16))
def test_vote_equals_counting(labels: list[int], seed: int) -> None:
    probabilities = np.random.default_rng(seed).random((len(labels), 3, 1, 1, 1)).astype(np.float32)
    counts = [labels.count(value) for value in range(3)]
    sums = probabilities.sum(0).ravel()
    best = [value for value in range(3) if counts[value] == max(counts)]
    assert majority_vote(voxel(labels), probabilities).item() == max(best, key=lambda value: sums[value])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (np.zeros(()), None, "expected the labels of several networks"),
        (np.zeros((0, 2, 2, 2)), None, "expected the labels of several networks"),
        (np.full((3, 1, 1, 1), 3), None, "the labels hold 3; only 0, 1 .* are labels"),
        (np.full((3, 1, 1, 1), 0.5), None, "the labels hold 0.5; only 0"),
        (np.zeros((3, 1, 1, 1)), np.full((3, 3, 1, 1, 1), -4.0), "probabilities must be from 0 to 1; of logits"),
        (np.zeros((3, 1, 1, 1)), np.full((3, 3, 1, 1, 1), np.nan), "probabilities must be from 0 to 1"),
        (np.zeros((3, 1, 1, 1)), np.full((3, 3, 1, 1, 1), -0.01), "probabilities must be from 0 to 1"),  # no rounding
        (np.zeros((3, 2, 2, 2)), np.zeros((2, 3, 2, 2, 2)), "do not fit labels of shape"),
        (np.zeros((3, 2, 2, 2)), np.zeros((3, 2, 2, 2, 2)), "do not fit labels of shape"),
    ],
)
def test_bad_votes_are_refused(labels: Any, probabilities: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        majority_vote(labels, probabilities)


def test_arrays_as_nibabel_gives_them_vote_alike() -> None:
    """Flipped, or with the bytes of another machine: torch takes neither."""
    labels = np.random.default_rng(0).integers(0, 3, (3, 2, 4, 5)).astype(np.uint8)
    probabilities = np.random.default_rng(0).random((3, 3, 2, 4, 5)).astype(np.float32)
    wanted = majority_vote(labels, probabilities)
    turned = labels[..., ::-1].copy()[..., ::-1], probabilities[..., ::-1].copy()[..., ::-1]
    for given_labels, given_chances in (turned, (labels.astype(">i2"), probabilities.astype(">f4"))):
        np.testing.assert_array_equal(majority_vote(given_labels, given_chances), wanted)


def test_scores_lie_between_0_and_1_which_is_all_networks_sure() -> None:
    probabilities = torch.rand(5, 3, 2, 3, 4, generator=torch.Generator().manual_seed(0)).softmax(1)
    scores = vote_scores(probabilities)
    assert scores.min() >= 0
    assert scores.max() < 1
    sure = torch.tensor([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1, 1).expand(5, -1, 1, 1, 1)
    assert vote_scores(sure).flatten().tolist() == [0, 0, 1]


LABELS = np.zeros((3, 4, 4), np.uint8)
LABELS[:, 1:3, 1:3] = 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "kind",
    [
        lambda a: a.tolist(),
        lambda a: a.astype(float),
        np.ma.array,
        np.asfortranarray,
        torch.tensor,
        lambda a: torch.tensor(a).bfloat16().requires_grad_(),
        lambda a: [torch.tensor(part).half().requires_grad_() for part in a],
        lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),  # read only
    ],
)
def test_labels_and_probabilities_may_be_any_arrays(kind: Callable[[np.ndarray], Any]) -> None:
    several = np.stack([LABELS] * 3)
    probabilities = np.moveaxis(np.eye(3, dtype=np.float32)[several], -1, 1)
    for found in (keep_kidneys(kind(LABELS)), majority_vote(kind(several), kind(probabilities))):
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, LABELS)
    np.testing.assert_array_equal(keep_kidneys(LABELS > 0), LABELS)
    assert dice_scores(kind(LABELS), LABELS)["kidney"] == 1


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: keep_kidneys(LABELS[None]),
            r"the labels of one scan, \(D, H, W\), not an array of shape \(1, 3, 4, 4\)",
        ),
        (lambda: keep_kidneys(LABELS[0]), r"not an array of shape \(4, 4\)"),
        (lambda: keep_kidneys(LABELS, 2.5), "2.5 components cannot be kept; give a whole number"),  # type: ignore[arg-type]
        (lambda: majority_vote([LABELS, LABELS[1:]]), "the labels hold no array, or arrays of different shape"),
        (lambda: majority_vote([LABELS], [LABELS, LABELS[1:]]), "the probabilities hold no array"),
        (lambda: majority_vote([LABELS], "x"), "the probabilities hold values of type <U1"),
    ],
)
def test_what_is_no_array_of_labels_is_refused(ask: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ask()
