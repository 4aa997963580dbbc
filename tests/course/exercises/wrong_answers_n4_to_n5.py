"""Wrong answers to notebooks 4 and 5 that no list of mistakes foresaw, each with words that its hint must hold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.stats
import torch
from right_answers_n4_to_n5 import interval_at_once
from scipy import ndimage


def dice_two_dimensions(p: Any, t: Any) -> Any:
    return 1 - (2 * (p * t).sum(axis=(1, 2)) + 1) / (p.sum(axis=(1, 2)) + t.sum(axis=(1, 2)) + 1)


def rate_at_150(step: int) -> float:
    if step < 150_000:
        return 1e-3
    return 1e-4 if step < 200_000 else 1e-5 if step < 300_000 else 1e-6


def adam_first_step(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
    return weights - rate * (m / 0.1) / (np.sqrt(v / 0.001) + 1e-8), m, v


def chance_of_another_library(wrong: Any, right: Any) -> Any:
    from sklearn.metrics import roc_auc_score  # type: ignore[import-not-found]

    return roc_auc_score(len(wrong) * [0] + len(right) * [1], [*wrong, *right])


Wrong = tuple[Callable[..., Any] | Any, str]


def two_by_size(label: Any) -> Any:
    pieces = ndimage.label(label > 0)[0]
    sizes = np.bincount(pieces.ravel(), minlength=2)
    return np.where(sizes[pieces] >= np.sort(sizes[1:])[-2:][0], label, 0)


def interval_of_shares(differences: Any, draws: int, rng: Any, level: float) -> Any:
    means = [rng.choice(differences, len(differences)).mean() for _ in range(draws)]
    return np.percentile(means, [(1 - level / 100) / 2, 1 - (1 - level / 100) / 2])


def interval_of_whole_percents(differences: Any, draws: int, rng: Any, level: float) -> Any:
    means = [rng.choice(differences, len(differences)).mean() for _ in range(draws)]
    return np.percentile(means, [(100 - level) // 2, 100 - (100 - level) // 2])


def interval_of_scipy(**how: Any) -> Callable[..., Any]:
    def interval(differences: Any, draws: int, rng: Any, level: float = 95) -> Any:
        how_sure = level / 100
        made = scipy.stats.bootstrap(
            (differences,), np.mean, n_resamples=draws, confidence_level=how_sure, rng=rng, **how
        )
        return made.confidence_interval

    return interval


def interval_that_sorts(differences: Any, draws: int, rng: Any, level: float) -> Any:
    differences.sort()
    return interval_at_once(differences, draws, rng, level)


WRONG: dict[str, list[Wrong]] = {
    "4.1": [
        (lambda p, t: 1 - 2 * np.einsum("...i,...i->", p, t), "no '...' ellipsis provided"),
        (lambda p, t: 1 - (2 * p @ t + 1) / (p.sum() + t.sum() + 1), "for one row only"),
        (dice_two_dimensions, "AxisError"),
    ],
    "4.2": [
        (lambda step: 0, "your function gives 0 whatever it is given. Perhaps `//`"),
        (rate_at_150, "right for"),
        (lambda step: 3 + step // 100_000, "divide by 10 that many times"),
        (lambda step: np.float16(1e-3), "never changes"),
        (lambda step: 2**-10, "whatever"),  # which float16 holds exactly
        (lambda step: np.float16(1e-3 * 0.1 ** (max(step - 1, 0) // 100_000)), "first of the second stair"),
        (lambda step: torch.tensor(1e-3, dtype=torch.bfloat16), "never changes"),
    ],
    "4.3": [
        (("too high", "right", "right"), "Not right: C"),
        ({"too high", "right", "too low"}, "set"),
        (("to high", "right", "to low"), "'to high' is not one of the words"),
    ],
    "4.4": [
        (adam_first_step, "does not depend on `step`"),
    ],
    "5.1": [
        (lambda labels, p: (np.eye(3)[labels].sum(axis=0).T + p.mean(axis=0) * 9).argmax(axis=0), "compare the sums"),
    ],
    "5.2": [
        (lambda share: round(2 * share / (1 + share), 2), "rounded"),
        (lambda share: 2 * share / (1.01 + share), "nearly: yours is off by up to 0.9%"),
        (lambda share: [2 * share / (1 + share)], "pair of brackets too many"),
    ],
    "5.3": [
        (lambda first, second: (np.mean(first - second), np.std(second - first)), "ddof=1"),
        (lambda first, second: (np.mean(first) - np.mean(second), 1.0), "the standard error"),
    ],
    "5.4": [
        (lambda wrong, right: (wrong < right).mean(), "Error"),
        (lambda w, r: ((w[:, None] < r) | (w[:, None] == r) / 2).mean(), "put brackets around each comparison"),
        (
            lambda w, r: (lambda x: None if x == 0.5 else x)(np.heaviside(r - w[:, None], 0.5).mean()),
            "returns nothing",
        ),
        (chance_of_another_library, "NumPy, SciPy, pandas and torch are"),
    ],
}
