"""Intervals of a mean over cases and trainings, and of a share of cases."""

import numpy as np
import pytest

from kits_msan.errors import InputError
from kits_msan.metrics import bootstrap_interval

NAN = float("nan")


def test_interval_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(80, 5, 100)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert low < narrow[0] < narrow[1] < high
    assert bootstrap_interval(values) == (low, high)  # same seed
    assert bootstrap_interval(values, seed=1) != (low, high)


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        ([], (NAN, NAN)),
        ([0.5], (NAN, NAN)),
        ([NAN, 0.5], (NAN, NAN)),
        ([0.5, 0.5, NAN], (NAN, NAN)),  # as if no case could differ
        ([[0.0, 0.0], [0.0, 0.0]], (NAN, NAN)),
        ([0.3, 0.1 + 0.2], (NAN, NAN)),
        ([[0.3, 0.1 + 0.2], [0.3, 0.3]], (NAN, NAN)),
        ([97.0, 97.0005, 97.0009], (97.0, 97.0009)),
        ([[97.0, 97.0005, 97.0009]] * 2, (97.0, 97.0009)),
        ([1000.0, 1000.009], (1000.0, 1000.009)),
    ],
)
def test_interval_of_few_values(values: list, interval: tuple[float, float]) -> None:
    """Equal ones show no more than a single one; those that differ little have an interval in either form."""
    assert bootstrap_interval(values) == pytest.approx(interval, abs=1e-5, nan_ok=True)


def test_interval_leaves_out_cases_without_score() -> None:
    assert bootstrap_interval([0.1, 0.5, NAN, 0.8]) == bootstrap_interval([0.1, 0.5, 0.8])


def test_interval_of_one_training_is_that_of_its_cases() -> None:
    values = [0.1, 0.5, NAN, 0.8]
    assert bootstrap_interval([values]) == bootstrap_interval(values)


def test_interval_over_cases_and_trainings() -> None:
    rng = np.random.default_rng(0)
    trainings, cases = rng.normal(0, 3, (8, 1)), rng.normal(0, 5, (1, 60))
    values = 80 + trainings + cases + rng.normal(0, 1, (8, 60))
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    # the mean of both draws varies by the trainings' and the cases' share: 9 / 8 + 25 / 60
    expected = 2 * 1.96 * np.sqrt(trainings.var() / 8 + cases.var() / 60)
    assert high - low == pytest.approx(expected, rel=0.1)
    assert bootstrap_interval(values) == (low, high)  # same seed
    # a training more with the same values adds nothing to what is known of cases
    same = np.repeat(values[:1], 4, axis=0)
    assert bootstrap_interval(same) == pytest.approx(bootstrap_interval(values[0]), abs=0.15)


def test_interval_over_trainings_leaves_out_what_is_not_known() -> None:
    low, high = bootstrap_interval([[0.2, 0.4, NAN], [0.2, 0.4, NAN]])
    assert (low, high) == pytest.approx((0.2, 0.4))
    assert np.isnan(bootstrap_interval([[0.2, NAN], [0.3, NAN]])).all()  # a single case


@pytest.mark.parametrize("confidence", [95, 0, 1, -0.5, np.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    with pytest.raises(InputError, match=r"is not between 0 and 1; give a share, such as 0.95"):
        bootstrap_interval([1, 2, 3], confidence=confidence)
