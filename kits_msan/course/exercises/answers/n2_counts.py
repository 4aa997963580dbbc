"""The exercises 2.3, parameters of the attention layer, and 2.4, where its weights look: solutions and mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _channels(rng: np.random.Generator) -> Inputs:
    drawn = [(rng.integers(1, 40, size=rng.integers(2, 7)).tolist(),) for _ in range(10)]
    return [([8, 16, 32, 64],), ([3, 5, 7],), ([4, 6],), *drawn]


def _heat(rng: np.random.Generator) -> Inputs:
    """Maps (D, H, W) and labels in which all three classes occur."""
    trials: Inputs = []
    for shape in ((1, 2, 3), (2, 3, 4), (3, 2, 5), (2, 4, 4), (1, 3, 3), (4, 3, 2)):
        label = rng.choice(3, size=shape, p=(0.5, 0.3, 0.2)).astype(np.uint8)
        label.flat[rng.permutation(label.size)[:3]] = (0, 1, 2)
        trials.append((rng.uniform(0, 1, size=shape), label))
    return trials


def _count(
    term: Callable[[int, int], int] = lambda target, neighbor: target * neighbor,
    neighbors: tuple[int, ...] = (-1, 1),
    levels: slice = slice(None, -1),
) -> Callable[[Any], int]:
    """The sum of `term` over the pairs of a level and a neighbor; the arguments are what can go wrong."""

    def count(channels: Any) -> int:
        last = len(channels)
        pairs = [(i, i + step) for i in range(last)[levels] for step in neighbors if 0 <= i + step < last]
        return sum(term(channels[i], channels[j]) for i, j in pairs)

    return count


def _means(
    inside: Callable[[Any], Any] = lambda label: label > 0,
    outside: Callable[[Any], Any] = lambda label: label == 0,
    measure: Callable[[Any, Any], Any] = lambda heat, mask: heat[mask].mean(),
    order: int = 1,
) -> Callable[[Any, Any], Any]:
    return lambda heat, label: (measure(heat, inside(label)), measure(heat, outside(label)))[::order]


def _by_slices(heat: Any, label: Any) -> Any:
    masks = (label > 0, label == 0)
    return [np.mean([h[m].mean() for h, m in zip(heat, mask, strict=True) if m.any()]) for mask in masks]


EXERCISES = {
    "2.3": Exercise(
        solution=_count(),
        why="each neighbor brings C_in × C_out numbers, whatever the size of the picture.",
        inputs=_channels,
        hint="Sum over the levels that get weights, and over the one or two neighbors of each.",
        mistakes={
            "you counted the squares of the channels; a convolution goes from a *neighbor* to the level.": (
                lambda channels: sum(c * c for c in channels[:-1])
            ),
            "you counted the squares of the channels, the bottom's too; a convolution goes from a *neighbor* to a "
            "level.": lambda channels: sum(c * c for c in channels),
            "you added a number for each convolution; they have no bias, and C_in × C_out numbers each.": (
                lambda channels: _count()(channels) + 2 * len(channels) - 3
            ),
            "you added the channels once more; these convolutions have no bias.": (
                lambda channels: _count()(channels) + sum(channels)
            ),
            "you added all channels up; each pair of an input and an output channel has a number.": sum,
            "you multiplied all channels; only a level and its neighbor belong together, and the pairs are added.": (
                np.prod
            ),
            "you added all channels up and squared; only a level and its neighbor belong together.": (
                lambda channels: sum(channels) ** 2
            ),
            "that is the number of convolutions; each has C_in × C_out numbers.": lambda channels: (
                2 * len(channels) - 3
            ),
            "the finest level has no finer neighbor: channels[-1] is the bottom, at Python's other end.": (
                lambda channels: _count()(channels) + (channels[0] * channels[-1] if len(channels) > 1 else 0)
            ),
        },
        make=_count,
        flaws={
            "these convolutions have no bias; C_in × C_out numbers each.": {
                "term": lambda target, neighbor: target * neighbor + target
            },
            "these convolutions have no bias, and it would have one number for each *output* channel.": {
                "term": lambda target, neighbor: target * neighbor + neighbor
            },
            "you counted 3×3×3 convolutions; these are 1×1×1.": {
                "term": lambda target, neighbor: 27 * target * neighbor
            },
            "you counted 3×3 convolutions; these are 1×1×1.": {
                "term": lambda target, neighbor: 9 * target * neighbor
            },
            "you added channels; a convolution has a number for each pair of input and output channel.": {
                "term": lambda target, neighbor: target + neighbor
            },
            "only the level's own channels are in it; each pair of input and output counts.": {
                "term": lambda target, neighbor: target * target
            },
            "you counted the neighbor's channels only; each pair of input and output counts.": {
                "term": lambda target, neighbor: neighbor
            },
            "you counted the level's channels only; each pair of input and output counts.": {
                "term": lambda target, neighbor: target
            },
            "the bottom level has no skip connection, so it gets no weights and needs no convolution.": {
                "levels": slice(None)
            },
            "the finest level gets weights too, from its coarser neighbor; only the bottom gets none.": {
                "levels": slice(1, -1)
            },
            "it is the bottom, the last level, that gets no weights, not the first.": {"levels": slice(1, None)},
            "you stopped a level too early: only the bottom gets no weights.": {"levels": slice(None, -2)},
            "you counted one neighbor a level, the coarser; all but the finest level have two.": {"neighbors": (1,)},
            "you counted one neighbor a level, the finer; each has a coarser one too.": {"neighbors": (-1,)},
            "a level needs no convolution for itself; only its neighbors do.": {"neighbors": (-1, 0, 1)},
            "you counted all other levels; a neighbor is one level away.": {
                "neighbors": (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6)
            },
        },
    ),
    "2.4": Exercise(
        solution=_means(),
        why="two means, of the voxels inside and of those outside: only their difference says where a map looks.",
        inputs=_heat,
        hint="heat[label > 0] holds the values inside; return two means, inside and outside.",
        parts={
            "the mean inside": "Inside is where label > 0; take the mean of heat there.",
            "the mean outside": "Outside is where label == 0; take the mean of heat there.",
        },
        mistakes={
            "the tumor is missing inside: label > 0 holds kidney and tumor.": _means(inside=lambda label: label == 1),
            "these are kidney and tumor; inside is both together, and outside is label == 0.": (
                lambda heat, label: (heat[label == 1].mean(), heat[label == 2].mean())
            ),
            "your mean inside counts the tumor, label 2, twice: index with the mask label > 0.": (
                lambda heat, label: (np.average(heat, weights=label), heat[label == 0].mean())
            ),
            "your mean inside is that of two means, of kidney and of tumor; take one over all voxels inside.": (
                lambda heat, label: (
                    (heat[label == 1].mean() + heat[label == 2].mean()) / 2,
                    heat[label == 0].mean(),
                )
            ),
            "you multiplied heat by the label and took the mean over all voxels; index with the mask label > 0.": (
                lambda heat, label: ((heat * label).mean(), (heat * (label == 0)).mean())
            ),
            "the slices were averaged one by one, and then their means; take one mean over all voxels.": _by_slices,
            "you looked where heat is high and took the label there; it is the other way round.": (
                lambda heat, label: (label[heat > 0.5].mean(), label[heat <= 0.5].mean())
            ),
            "these are means of the label, not of heat.": (
                lambda heat, label: (label[label > 0].mean(), label[label == 0].mean())
            ),
            "this is the difference; return both means.": lambda heat, label: (
                heat[label > 0].mean() - heat[label == 0].mean()
            ),
            "this is the ratio; return both means.": lambda heat, label: (
                heat[label > 0].mean() / heat[label == 0].mean()
            ),
            "the tumor is part of the outside; it should count as inside, so take label > 0 and label == 0.": _means(
                lambda label: label == 1, lambda label: label != 1
            ),
            "only the tumor is inside here; take label > 0.": _means(
                lambda label: label == 2, lambda label: label != 2
            ),
        },
        make=_means,
        flaws={
            "the order is swapped: inside first, then outside.": {"order": -1},
            "the kidney is missing inside: label > 0 holds kidney and tumor.": {"inside": lambda label: label == 2},
            "your first number is the mean of the whole volume; take the inside alone.": {
                "inside": lambda label: label >= 0
            },
            "your second number is the mean of the whole volume; leave the inside out of it.": {
                "outside": lambda label: label >= 0
            },
            "the tumor is part of the outside; outside is label == 0.": {"outside": lambda label: label != 1},
            "the kidney is part of the outside; outside is label == 0.": {"outside": lambda label: label != 2},
            "these are sums; there are far more voxels outside than inside, so compare means.": {
                "measure": lambda heat, mask: heat[mask].sum()
            },
            "you multiplied by the mask and took the mean over all voxels; the zeros count too then. Index "
            "with the mask.": {"measure": lambda heat, mask: (heat * mask).mean()},
            "these are medians; take the mean.": {"measure": lambda heat, mask: np.median(heat[mask])},
            "these are the largest values; take the mean.": {"measure": lambda heat, mask: heat[mask].max()},
            "these are the values themselves; take their mean.": {"measure": lambda heat, mask: heat[mask]},
            "these are shares of voxels; take the mean of heat there.": {"measure": lambda heat, mask: mask.mean()},
            "these are numbers of voxels; take the mean of heat there.": {"measure": lambda heat, mask: mask.sum()},
        },
    ),
}
