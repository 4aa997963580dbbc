"""Right answers that are written differently: loops, torch, lists, generators, in place, half precision."""

import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.stats
import torch
from scipy import ndimage
from torch.nn import functional


def dice_loop(p: Any, t: Any) -> Any:
    shared = sizes = 0.0
    for a, b in zip(p.flat, t.flat, strict=True):
        shared += a * b
        sizes += a + b
    return np.float32(1 - (2 * shared + 1) / (sizes + 1))


def dice_in_place(p: Any, t: Any) -> Any:
    sizes = p.sum() + t.sum() + 1
    p = p.copy()
    p *= t
    return (sizes - 1 - 2 * p.sum()) / sizes


def dice_torch(p: Any, t: Any) -> Any:
    p, t = torch.tensor(p).flatten(), torch.tensor(t).flatten()
    return 1 - (2 * torch.dot(p, t) + 1) / (p.sum() + t.sum() + 1)


def dice_half(p: Any, t: Any) -> Any:
    return float(dice_in_place(p.astype(np.float16), t.astype(np.float16)))


def rate_loop(step: int) -> float:
    rate = 0.001
    while step >= 100_000:
        rate /= 10
        step -= 100_000
    return rate


def rate_ifs(step: int) -> float:
    if step < 100_000:
        return 1e-3
    if step < 200_000:
        return 1e-4
    return 1e-5 if step < 300_000 else 1e-6


def adam_in_place(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    m *= 0.9
    m += 0.1 * gradient
    v *= 0.999
    v += 0.001 * gradient * gradient
    weights -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return weights, m, v


def adam_torch(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    weights, gradient, m, v = (torch.tensor(x) for x in (weights, gradient, m, v))
    m = torch.lerp(m, gradient, 0.1)
    v = 0.999 * v + (1 - 0.999) * gradient.square()
    bottom = v.sqrt() / math.sqrt(1 - 0.999**step) + 1e-8
    return [weights - rate / (1 - 0.9**step) * m / bottom, m, v]


def adam_loop(weights: Any, gradient: Any, m: Any, v: Any, step: int, rate: float) -> Any:
    new: list[list[float]] = [[], [], []]
    for w, g, a, b in zip(weights, gradient, m, v, strict=True):
        a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g**2
        top, bottom = a / (1 - 0.9**step), math.sqrt(b / (1 - 0.999**step)) + 1e-8
        for values, value in zip(new, (w - rate * top / bottom, a, b), strict=True):
            values.append(value)
    return new


def vote_loop(labels: Any, probabilities: Any) -> Any:
    winners = []
    for voxel in range(labels.shape[1]):
        votes = [list(labels[:, voxel]).count(c) for c in range(3)]
        sums = [probabilities[:, c, voxel].sum() for c in range(3)]
        winners.append(max(range(3), key=lambda c: (votes[c], sums[c])))
    return winners


def vote_scaled(labels: Any, probabilities: Any) -> Any:
    return (functional.one_hot(torch.tensor(labels), 3).sum(0).T * 1000 + torch.tensor(probabilities).sum(0)).argmax(
        0
    )


def vote_one_mean(labels: Any, probabilities: Any) -> Any:
    """A mean of probabilities differs by less than one vote."""
    return (np.eye(3)[labels].sum(axis=0).T + probabilities.mean(axis=0)).argmax(axis=0)


def paired_loop(first: Any, second: Any) -> Any:
    d = [float(a) - float(b) for a, b in zip(first, second, strict=True)]
    mean = sum(d) / len(d)
    return mean, math.sqrt(sum((x - mean) ** 2 for x in d) / (len(d) - 1)) / math.sqrt(len(d))


def paired_in_place(first: Any, second: Any) -> Any:
    first = first.copy()
    first -= second
    return np.array([first.mean(), scipy.stats.sem(first)])


def chance_loop(wrong: Any, right: Any) -> Any:
    return sum(1.0 if w < r else 0.5 if w == r else 0.0 for w in wrong for r in right) / (len(wrong) * len(right))


def chance_rank(wrong: Any, right: Any) -> Any:
    return scipy.stats.mannwhitneyu(right, wrong).statistic / (len(wrong) * len(right))


def loop_first_zero(model: Any, sampler: Any, loss_of: Any, rate: float, steps: int) -> Any:
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate), np.zeros(steps)
    for step in range(steps):
        optimizer.zero_grad(set_to_none=True)
        batch = sampler.batch(step)
        loss = loss_of(model(batch.image), batch.label)
        loss.backward()
        optimizer.step()
        losses[step] = loss.detach()
    return losses


def two_by_loop(label: Any) -> Any:
    pieces, count = ndimage.label(label > 0)
    sizes = {number: (pieces == number).sum() for number in range(1, count + 1)}
    for number in sorted(sizes, key=lambda number: sizes[number])[:-2]:
        label[pieces == number] = 0
    return label


def two_most_common(label: Any) -> Any:
    pieces = ndimage.label(label > 0)[0]
    kept = [number for number, _ in Counter(pieces[label > 0].tolist()).most_common(2)]
    return torch.tensor(label * np.isin(pieces, kept))


def interval_at_once(differences: Any, draws: int, rng: Any, level: float) -> Any:
    means = differences[rng.integers(len(differences), size=(draws, len(differences)))].mean(axis=1)
    return np.quantile(means, [0.5 - level / 200, 0.5 + level / 200])


RIGHT: dict[str, list[Callable[..., Any] | Any]] = {
    "4.1": [
        dice_loop,
        dice_in_place,
        dice_torch,
        dice_half,
        lambda p, t: 1 - (2 * p.ravel() @ t.ravel() + 1) / (p + t).sum().__add__(1),
    ],
    "4.2": [
        rate_loop,
        rate_ifs,
        lambda step: 10.0 ** -(3 + step // 100_000),
        lambda step: np.float32(rate_ifs(step)),
        lambda step: np.float16(rate_ifs(step)),
        lambda step: torch.tensor(rate_ifs(step), dtype=torch.bfloat16),
    ],
    "4.3": [["Too high", "right", "too low "], np.array(["too high", "right", "too low"])],
    "4.4": [adam_in_place, adam_torch, adam_loop],
    "5.1": [vote_loop, vote_scaled, vote_one_mean, lambda *given: iter(vote_loop(*given))],
    "5.2": [
        lambda share: 2 / (1 / share + 1),
        lambda share: Fraction(2) * Fraction(share) / (1 + Fraction(share)),
        lambda share: scipy.stats.hmean([1, share]),
        lambda share: float(np.float16(2 * share) / np.float16(1 + share)),
    ],
    "5.3": [
        paired_loop,
        paired_in_place,
        lambda first, second: [np.mean(first) - np.mean(second), scipy.stats.sem(first - second)],
    ],
    "5.4": [
        chance_loop,
        chance_rank,
        lambda wrong, right: np.array(chance_loop(wrong, right)),
        lambda w, r: Fraction(chance_loop(w, r)),
    ],
}
