"""The exercise 2.2, the attention layer: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.answers.n2.pools import POOLS, pooled
from kits_msan.course.exercises.exercise import Exercise, Inputs


def _maps(rng: np.random.Generator) -> Inputs:
    """A feature map (H, W), its finer neighbor (2H, 2W) and its coarser neighbor, already spread to (H, W)."""
    shapes = [(2, 3), (2, 2), (1, 2), (3, 2), (4, 4), (2, 5)]
    return [
        (rng.normal(size=(h, w)), rng.normal(size=(2 * h, 2 * w)), rng.normal(size=(h, w))) for h, w in shapes * 2
    ]


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _attend(
    pool: Callable[[Any], Any] = pooled,
    add: Callable[..., Any] = lambda feature, finer, coarser: feature + finer + coarser,
    squash: Callable[[Any], Any] = _sigmoid,
    multiply: Callable[..., Any] = lambda feature, weights, total: feature * weights,
) -> Callable[[Any, Any, Any], Any]:
    """The layer; the arguments are what can go wrong."""

    def attend(feature: Any, finer: Any, coarser: Any) -> Any:
        total = add(feature, pool(finer), coarser)
        return multiply(feature, squash(total), total)

    return attend


EXERCISE = Exercise(
    solution=_attend(),
    why="add, squash, multiply: this is the whole layer, but for the 1×1×1 convolutions.",
    inputs=_maps,
    hint="Compute each of the five lines for this input by hand, and print what your function has at each.",
    stops={
        "core dimension": "@ is the product of matrices; multiply F and W number by number, with *.",
        "could not be broadcast": "These maps differ in size: pool `finer` to the size of `feature`; "
        "`coarser` has it already.",
        "cannot reshape": "The maps have any size: take rows and columns from feature.shape.",
        "zero-size": "A block is empty: do your loops run over the right numbers of rows and of columns?",
    },
    mistakes={
        "the sigmoid came after the multiplication; it turns the sum into weights that multiply F.": _attend(
            squash=lambda total: total, multiply=lambda feature, weights, total: _sigmoid(feature * total)
        ),
        "only F went through the sigmoid; add all three maps first, squash their sum, and multiply F by it.": (
            lambda feature, finer, coarser: feature * _sigmoid(feature) + pooled(finer) + coarser
        ),
        "each map went through a sigmoid of its own; add the maps first, then squash once.": (
            lambda feature, finer, coarser: (
                feature * (_sigmoid(feature) + _sigmoid(pooled(finer)) + _sigmoid(coarser))
            )
        ),
        "each neighbor went through a sigmoid of its own; add the maps first, then squash once.": (
            lambda feature, finer, coarser: feature * _sigmoid(pooled(finer)) * _sigmoid(coarser)
        ),
        "each map went through a sigmoid of its own; add the maps first, then squash their sum once.": (
            lambda feature, finer, coarser: feature * _sigmoid(feature) * _sigmoid(pooled(finer)) * _sigmoid(coarser)
        ),
        "each neighbor went through a sigmoid of its own; add the maps first, then squash their sum once.": (
            lambda feature, finer, coarser: feature * (_sigmoid(pooled(finer)) + _sigmoid(coarser))
        ),
        "brackets are missing: 1 / 1 + exp(-S) is 1 + exp(-S); write 1 / (1 + exp(-S)).": (
            lambda feature, finer, coarser: feature * 1 / 1 + np.exp(-(feature + pooled(finer) + coarser))
        ),
        "the coarser map was added once more at the end; the skip is F times W.": (
            lambda feature, finer, coarser: _attend()(feature, finer, coarser) + coarser
        ),
        "the pooled map was multiplied by the weights; it is F that is enhanced.": (
            lambda feature, finer, coarser: pooled(finer) * _sigmoid(feature + pooled(finer) + coarser)
        ),
        "the weights come from F alone, and the sum was multiplied; it is F times the sigmoid of the sum.": (
            lambda feature, finer, coarser: (feature + pooled(finer) + coarser) * _sigmoid(feature)
        ),
        "the finer map was pooled along the rows only; take 2×2 blocks, and give the size of `feature`.": (
            lambda feature, finer, coarser: np.maximum(finer[::2], finer[1::2])
        ),
        "the minus stands before the first map only; it belongs before the whole sum: exp(-(F + ... + "
        "...)).": lambda feature, finer, coarser: feature / (1 + np.exp(-feature + pooled(finer) + coarser)),
        "each map went through a sigmoid of its own, and their mean was taken; add the maps, then squash "
        "once.": lambda feature, finer, coarser: (
            feature * (_sigmoid(feature) + _sigmoid(pooled(finer)) + _sigmoid(coarser)) / 3
        ),
        "this is a softmax over the three maps; the sigmoid squashes their sum.": lambda feature, finer, coarser: (
            feature * np.exp(feature) / (np.exp(feature) + np.exp(pooled(finer)) + np.exp(coarser))
        ),
    },
    make=_attend,
    flaws={
        "these are the weights W; the skip is the feature map times its weights.": {
            "multiply": lambda feature, weights, total: weights
        },
        "this is the sum S; squash it with the sigmoid, and multiply F by it.": {
            "multiply": lambda feature, weights, total: total
        },
        "the weights were added to F; they multiply it.": {
            "multiply": lambda feature, weights, total: feature + weights
        },
        "you multiplied the sum by the weights; it is F that is enhanced.": {
            "multiply": lambda feature, weights, total: total * weights
        },
        "you added F once more after the multiplication; that is another layer (residual attention).": {
            "multiply": lambda feature, weights, total: feature + feature * weights
        },
        "a large sum must give a weight near 1: W is 1 / (1 + exp(-S)), and yours is 1 - W. Look at the sign.": {
            "multiply": lambda feature, weights, total: feature * (1 - weights)
        },
        "negative numbers of F were cut off first; multiply F as it is.": {
            "multiply": lambda feature, weights, total: np.maximum(feature, 0) * weights
        },
        "F was multiplied by the weights twice.": {
            "multiply": lambda feature, weights, total: feature * weights * weights
        },
        "F is multiplied by W = 1 / (1 + exp(-S)); you divided by it, or left out the 1 /.": {
            "multiply": lambda feature, weights, total: feature / weights
        },
        "the sigmoid is missing: a sum is no weight, it can be negative or large.": {"squash": lambda total: total},
        "this is tanh, which runs from -1 to 1; the sigmoid is 1 / (1 + exp(-S)).": {"squash": np.tanh},
        "this is a ReLU, which can be larger than 1; the sigmoid is 1 / (1 + exp(-S)).": {
            "squash": lambda total: np.maximum(total, 0)
        },
        "the weights are hard, 0 or 1; the sigmoid gives what lies between too.": {
            "squash": lambda total: (total > 0).astype(float)
        },
        "this is a softmax, whose weights share one sum; the sigmoid looks at each number alone.": {
            "squash": lambda total: np.exp(total) / np.exp(total).sum()
        },
        "this is a softmax along the rows; the sigmoid looks at each number alone.": {
            "squash": lambda total: np.exp(total) / np.exp(total).sum(axis=1, keepdims=True)
        },
        "this is a softmax along the columns; the sigmoid looks at each number alone.": {
            "squash": lambda total: np.exp(total) / np.exp(total).sum(axis=0, keepdims=True)
        },
        "this is clipped to 0 and 1; the sigmoid, 1 / (1 + exp(-S)), bends smoothly.": {
            "squash": lambda total: np.clip(total, 0, 1)
        },
        "the sum was halved before the sigmoid; S goes into it as it is.": {
            "squash": lambda total: _sigmoid(total / 2)
        },
        "the 1 below the line is missing: the sigmoid is 1 / (1 + exp(-S)).": {"squash": np.exp},
        "the feature map itself is missing from the sum.": {"add": lambda feature, finer, coarser: finer + coarser},
        "the coarser map is missing from the sum.": {"add": lambda feature, finer, coarser: feature + finer},
        "the finer map is missing from the sum.": {"add": lambda feature, finer, coarser: feature + coarser},
        "both neighbors are missing from the sum.": {"add": lambda feature, finer, coarser: feature},
        "you divided the sum by the number of maps; the paper adds.": {
            "add": lambda feature, finer, coarser: (feature + finer + coarser) / 3
        },
        "the maps were multiplied where they should be added.": {
            "add": lambda feature, finer, coarser: feature * finer * coarser
        },
        "the neighbors were multiplied; all three maps are added.": {
            "add": lambda feature, finer, coarser: feature + finer * coarser
        },
        "F was multiplied by the neighbors; all three maps are added.": {
            "add": lambda feature, finer, coarser: feature * (finer + coarser)
        },
        "the largest of the three maps was taken; they are added.": {
            "add": lambda feature, finer, coarser: np.maximum(np.maximum(feature, finer), coarser)
        },
        "a map was subtracted; all three are added.": {
            "add": lambda feature, finer, coarser: feature + finer - coarser
        },
        "the pooled map was subtracted; all three are added.": {
            "add": lambda feature, finer, coarser: feature - finer + coarser
        },
        "one mean of the whole sum was squashed; each number has a weight of its own.": {
            "squash": lambda total: _sigmoid(total.mean())
        },
        "F is in the sum twice.": {"add": lambda feature, finer, coarser: 2 * feature + finer + coarser},
        "the coarser map is in the sum twice.": {
            "add": lambda feature, finer, coarser: feature + finer + 2 * coarser
        },
        **{hint: {"pool": pool} for hint, pool in POOLS.items()},
    },
)
