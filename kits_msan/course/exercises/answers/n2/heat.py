"""The exercise 2.4, where the weights look: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _heat(rng: np.random.Generator) -> Inputs:
    """Maps (D, H, W) and labels in which all three classes occur."""
    trials: Inputs = []
    for shape in ((1, 2, 3), (2, 3, 4), (3, 2, 5), (2, 4, 4), (1, 3, 3), (4, 3, 2)):
        label = rng.choice(3, size=shape, p=(0.5, 0.3, 0.2)).astype(np.uint8)
        label.flat[rng.permutation(label.size)[:3]] = (0, 1, 2)
        trials.append((rng.uniform(0, 1, size=shape), label))
    return trials


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


def _middle(heat: Any, label: Any) -> Any:
    heat, label = heat[len(heat) // 2], label[len(label) // 2]
    return heat[label > 0].mean(), heat[label == 0].mean()


EXERCISE = Exercise(
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
        "this is the ratio; return both means.": lambda heat, label: heat[label > 0].mean() / heat[label == 0].mean(),
        "the tumor is part of the outside; it should count as inside, so take label > 0 and label == 0.": _means(
            lambda label: label == 1, lambda label: label != 1
        ),
        "only the tumor is inside here; take label > 0.": _means(lambda label: label == 2, lambda label: label != 2),
        "these are tumor and kidney; inside is both together, and outside is label == 0.": lambda heat, label: (
            heat[label == 2].mean(),
            heat[label == 1].mean(),
        ),
        "you looked at the middle slice only; take all voxels.": _middle,
        "`inside = heat` is no copy, so `heat` itself became 0; index with a mask instead: heat[label > "
        "0].": lambda heat, label: (
            0.0,
            0.0,
        ),
        "the rest is not 1 minus the inside; take the mean of heat where label == 0.": lambda heat, label: (
            heat[label > 0].mean(),
            1 - heat[label > 0].mean(),
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
        "these are standard deviations; take the mean.": {"measure": lambda heat, mask: heat[mask].std()},
    },
)
