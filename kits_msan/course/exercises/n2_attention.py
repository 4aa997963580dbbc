"""The exercises of notebook 2, the attention layer: solutions and common mistakes."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise

Inputs = list[tuple[Any, ...]]


def _maps() -> Inputs:
    """A feature map (H, W), its finer neighbor (2H, 2W) and its coarser neighbor, already spread to (H, W)."""
    rng = np.random.default_rng(0)
    return [(rng.normal(size=(2, 3)), rng.normal(size=(4, 6)), rng.normal(size=(2, 3))) for _ in range(2)]


def _channels() -> Inputs:
    return [([8, 16, 32, 64],), ([3, 5, 7],), ([4, 6],)]


def _heat() -> Inputs:
    label = np.zeros((2, 3, 4), np.uint8)
    label[0, 1, 1:3] = 1
    label[1, 1, 1] = 2
    return [(np.linspace(0, 1, label.size).reshape(label.shape) ** 2, label)]


def _pooled(finer: Any) -> Any:
    return finer.reshape(finer.shape[0] // 2, 2, finer.shape[1] // 2, 2).max(axis=(1, 3))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _sum_over_pairs(term: Callable[[int, int], int]) -> Callable[[Any], int]:
    """The sum of `term` over (target, neighbor) of the neighbors reading."""
    return lambda channels: sum(
        term(channels[i], channels[j]) for i in range(len(channels) - 1) for j in (i - 1, i + 1) if j >= 0
    )


EXERCISES = {
    "2.1": Exercise(
        solution=lambda: (2, 128, 4, 128, 128),
        why="two poolings double the channels twice and halve rows and columns twice; the slices stay 4.",
        hint="Level 2 lies below two poolings: channels double and rows and columns halve at each.",
        mistakes={
            "the batch is missing: a tensor is (N, C, D, H, W), and there are two slabs.": (
                lambda: (128, 4, 128, 128)
            ),
            "the slices were pooled too; pooling is (1, 2, 2), in the plane only.": lambda: (2, 128, 1, 128, 128),
            "you are one level too deep: level 0 is the finest, before any pooling.": lambda: (2, 256, 4, 64, 64),
            "you are one level too high: level 0 is the finest, before any pooling.": lambda: (2, 64, 4, 256, 256),
            "the channels double at each pooling.": lambda: (2, 32, 4, 128, 128),
            "each channel has its own weights: the shape is that of F_2, not one map.": lambda: (2, 1, 4, 128, 128),
            "the order is (N, C, D, H, W); channels come before slices.": lambda: (2, 4, 128, 128, 128),
            "pooling doubles the channels but halves rows and columns.": lambda: (2, 128, 4, 512, 512),
        },
    ),
    "2.2": Exercise(
        solution=lambda feature, finer, coarser: feature * _sigmoid(feature + _pooled(finer) + coarser),
        why="add, squash, multiply: this is the whole layer, but for the 1×1×1 convolutions.",
        inputs=_maps,
        hint="Pool the finer map to the size of the feature map first, with reshape and max as in line 1.",
        mistakes={
            "these are the weights W; the skip is the feature map times its weights.": (
                lambda feature, finer, coarser: _sigmoid(feature + _pooled(finer) + coarser)
            ),
            "the sigmoid came after the multiplication; it turns the sum into weights, and these multiply F.": (
                lambda feature, finer, coarser: _sigmoid(feature * (feature + _pooled(finer) + coarser))
            ),
            "the sigmoid is missing: a sum is no weight, it can be negative or large.": (
                lambda feature, finer, coarser: feature * (feature + _pooled(finer) + coarser)
            ),
            "you multiplied the sum by the weights; it is F that is enhanced.": (
                lambda feature, finer, coarser: (
                    (feature + _pooled(finer) + coarser) * _sigmoid(feature + _pooled(finer) + coarser)
                )
            ),
            "the feature map itself is missing from the sum.": (
                lambda feature, finer, coarser: feature * _sigmoid(_pooled(finer) + coarser)
            ),
            "the coarser map is missing from the sum.": (
                lambda feature, finer, coarser: feature * _sigmoid(feature + _pooled(finer))
            ),
            "the finer map is missing from the sum.": (
                lambda feature, finer, coarser: feature * _sigmoid(feature + coarser)
            ),
            "you pooled with the mean; the encoder and this layer take the largest of each 2×2 block.": (
                lambda feature, finer, coarser: (
                    feature
                    * _sigmoid(
                        feature + finer.reshape(feature.shape[0], 2, feature.shape[1], 2).mean(axis=(1, 3)) + coarser
                    )
                )
            ),
            "you took every second pixel of the finer map; pooling takes the largest of each 2×2 block.": (
                lambda feature, finer, coarser: feature * _sigmoid(feature + finer[::2, ::2] + coarser)
            ),
            "you divided the sum by the number of maps; the paper adds.": (
                lambda feature, finer, coarser: feature * _sigmoid((feature + _pooled(finer) + coarser) / 3)
            ),
            "you added F once more after the multiplication; that is another layer (residual attention).": (
                lambda feature, finer, coarser: feature + feature * _sigmoid(feature + _pooled(finer) + coarser)
            ),
        },
    ),
    "2.3": Exercise(
        solution=_sum_over_pairs(lambda target, neighbor: target * neighbor),
        why="each neighbor brings C_in × C_out numbers, whatever the size of the picture.",
        inputs=_channels,
        hint="Sum over the levels that get weights, and over the one or two neighbors of each.",
        mistakes={
            "these convolutions have no bias; C_in × C_out numbers each.": (
                _sum_over_pairs(lambda target, neighbor: target * neighbor + target)
            ),
            "you counted 3×3×3 convolutions; these are 1×1×1.": (
                _sum_over_pairs(lambda target, neighbor: 27 * target * neighbor)
            ),
            "you added channels; a convolution has a number for each pair of an input and an output channel.": (
                _sum_over_pairs(lambda target, neighbor: target + neighbor)
            ),
            "the bottom level has no skip connection, so it gets no weights and needs no convolution.": (
                lambda channels: 2 * sum(a * b for a, b in pairwise(channels))
            ),
            "you counted one neighbor a level; all but the finest level have two.": (
                lambda channels: sum(a * b for a, b in pairwise(channels))
            ),
        },
    ),
    "2.4": Exercise(
        solution=lambda heat, label: (heat[label > 0].mean(), heat[label == 0].mean()),
        why="two means, of the voxels inside and of those outside: only their difference says where a map looks.",
        inputs=_heat,
        hint="heat[label > 0] holds the values inside; return two means, inside and outside.",
        mistakes={
            "the order is swapped: inside first, then outside.": (
                lambda heat, label: (heat[label == 0].mean(), heat[label > 0].mean())
            ),
            "the tumor is missing inside: label > 0 holds kidney and tumor.": (
                lambda heat, label: (heat[label == 1].mean(), heat[label == 0].mean())
            ),
            "the tumor is part of the outside; it should count as inside, so take label > 0 and label == 0.": (
                lambda heat, label: (heat[label == 1].mean(), heat[label != 1].mean())
            ),
            "only the tumor is inside here; take label > 0.": (
                lambda heat, label: (heat[label == 2].mean(), heat[label != 2].mean())
            ),
            "these are sums; there are far more voxels outside than inside, so compare means.": (
                lambda heat, label: (heat[label > 0].sum(), heat[label == 0].sum())
            ),
            "your second number is the mean of the whole volume; leave the inside out of it.": (
                lambda heat, label: (heat[label > 0].mean(), heat.mean())
            ),
            "you multiplied by the mask and took the mean over all voxels; the zeros count too then. Index with the "
            "mask.": lambda heat, label: ((heat * (label > 0)).mean(), (heat * (label == 0)).mean()),
        },
    ),
}
