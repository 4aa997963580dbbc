"""The exercises 2.1, a shape, and 2.2, the attention layer: solutions and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _maps(rng: np.random.Generator) -> Inputs:
    """A feature map (H, W), its finer neighbor (2H, 2W) and its coarser neighbor, already spread to (H, W)."""
    shapes = [(2, 3), (2, 2), (1, 2), (3, 2), (4, 4), (2, 5)]
    return [
        (rng.normal(size=(h, w)), rng.normal(size=(2 * h, 2 * w)), rng.normal(size=(h, w))) for h, w in shapes * 2
    ]


def _blocks(finer: Any) -> Any:
    return finer.reshape(finer.shape[0] // 2, 2, finer.shape[1] // 2, 2)


def _pooled(finer: Any) -> Any:
    return _blocks(finer).max(axis=(1, 3))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _attend(
    pool: Callable[[Any], Any] = _pooled,
    add: Callable[..., Any] = lambda feature, finer, coarser: feature + finer + coarser,
    squash: Callable[[Any], Any] = _sigmoid,
    multiply: Callable[..., Any] = lambda feature, weights, total: feature * weights,
) -> Callable[[Any, Any, Any], Any]:
    """The layer; the arguments are what can go wrong."""

    def attend(feature: Any, finer: Any, coarser: Any) -> Any:
        total = add(feature, pool(finer), coarser)
        return multiply(feature, squash(total), total)

    return attend


EXERCISES = {
    "2.1": Exercise(
        solution=lambda: (2, 128, 4, 128, 128),
        why="two poolings double the channels twice and halve rows and columns twice; the slices stay 4.",
        hint="Level 2 lies below two poolings: channels double and rows and columns halve at each.",
        parts={
            "N": "N is the number of slabs that go in, 2.",
            "C": "The channels begin with 32 at level 0 and double at each of the two poolings.",
            "D": "Pooling is (1, 2, 2): the 4 slices stay.",
            "H": "The rows begin with 512 at level 0 and are halved by each of the two poolings.",
            "W": "The columns begin with 512 at level 0 and are halved by each of the two poolings.",
        },
        mistakes={
            "the batch is missing: a tensor is (N, C, D, H, W), and there are two slabs.": lambda: (128, 4, 128, 128),
            "the slices were pooled too; pooling is (1, 2, 2), in the plane only.": lambda: (2, 128, 1, 128, 128),
            "you are one level too deep: level 0 is the finest, before any pooling.": lambda: (2, 256, 4, 64, 64),
            "you are one level too high: level 0 is the finest, before any pooling.": lambda: (2, 64, 4, 256, 256),
            "this is level 0; level 2 lies two poolings below.": lambda: (2, 32, 4, 512, 512),
            "the channels double at each pooling.": lambda: (2, 32, 4, 128, 128),
            "the channels double twice, so they are four times as many.": lambda: (2, 64, 4, 128, 128),
            "each channel has its own weights: the shape is that of F_2, not one map.": lambda: (2, 1, 4, 128, 128),
            "the order is (N, C, D, H, W); channels come second, before slices.": lambda: (2, 4, 128, 128, 128),
            "the order is (N, C, D, H, W); slices come third, not last.": lambda: (2, 128, 128, 128, 4),
            "pooling doubles the channels but halves rows and columns.": lambda: (2, 128, 4, 512, 512),
            "rows and columns are halved twice, so they are a quarter of 512.": lambda: (2, 128, 4, 256, 256),
            "two slabs of 4 slices are N = 2 and D = 4, not one slab of 8.": lambda: (1, 128, 8, 128, 128),
            "the four slices are D, and N is the number of slabs: the two are exchanged.": lambda: (
                4,
                128,
                2,
                128,
                128,
            ),
        },
    ),
    "2.2": Exercise(
        solution=_attend(),
        why="add, squash, multiply: this is the whole layer, but for the 1×1×1 convolutions.",
        inputs=_maps,
        hint="Compute each of the five lines for this input by hand, and print what your function has at each.",
        mistakes={
            "the sigmoid came after the multiplication; it turns the sum into weights that multiply F.": _attend(
                squash=lambda total: total, multiply=lambda feature, weights, total: _sigmoid(feature * total)
            ),
            "only F went through the sigmoid; add all three maps first, squash their sum, and multiply F by it.": (
                lambda feature, finer, coarser: feature * _sigmoid(feature) + _pooled(finer) + coarser
            ),
            "each map went through a sigmoid of its own; add the maps first, then squash once.": (
                lambda feature, finer, coarser: (
                    feature * (_sigmoid(feature) + _sigmoid(_pooled(finer)) + _sigmoid(coarser))
                )
            ),
            "each neighbor went through a sigmoid of its own; add the maps first, then squash once.": (
                lambda feature, finer, coarser: feature * _sigmoid(_pooled(finer)) * _sigmoid(coarser)
            ),
            "brackets are missing: 1 / 1 + exp(-S) is 1 + exp(-S); write 1 / (1 + exp(-S)).": (
                lambda feature, finer, coarser: feature * 1 / 1 + np.exp(-(feature + _pooled(finer) + coarser))
            ),
            "the coarser map was added once more at the end; the skip is F times W.": (
                lambda feature, finer, coarser: _attend()(feature, finer, coarser) + coarser
            ),
            "the pooled map was multiplied by the weights; it is F that is enhanced.": (
                lambda feature, finer, coarser: _pooled(finer) * _sigmoid(feature + _pooled(finer) + coarser)
            ),
            "the weights come from F alone, and the sum was multiplied; it is F times the sigmoid of the sum.": (
                lambda feature, finer, coarser: (feature + _pooled(finer) + coarser) * _sigmoid(feature)
            ),
            "the finer map was pooled along the rows only; take 2×2 blocks, and give the size of `feature`.": (
                lambda feature, finer, coarser: np.maximum(finer[::2], finer[1::2])
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
            "the sigmoid is missing: a sum is no weight, it can be negative or large.": {
                "squash": lambda total: total
            },
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
            "the feature map itself is missing from the sum.": {
                "add": lambda feature, finer, coarser: finer + coarser
            },
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
            "you pooled with the mean; the encoder and this layer take the largest of each 2×2 block.": {
                "pool": lambda finer: _blocks(finer).mean(axis=(1, 3))
            },
            "you pooled with the sum; take the largest of each 2×2 block.": {
                "pool": lambda finer: _blocks(finer).sum(axis=(1, 3))
            },
            "you pooled with the smallest; take the largest of each 2×2 block.": {
                "pool": lambda finer: _blocks(finer).min(axis=(1, 3))
            },
            "you took every second pixel of the finer map; pooling takes the largest of each 2×2 block.": {
                "pool": lambda finer: finer[::2, ::2]
            },
            "you cut out a corner of the finer map; pool it, so that all of it counts.": {
                "pool": lambda finer: finer[: finer.shape[0] // 2, : finer.shape[1] // 2]
            },
            "you took one pixel of each 2×2 block, the last; pooling takes the largest of the four.": {
                "pool": lambda finer: finer[1::2, 1::2]
            },
            "you took one pixel of each 2×2 block, the upper right; pooling takes the largest of the four.": {
                "pool": lambda finer: finer[::2, 1::2]
            },
            "you took the median of each 2×2 block; pooling takes the largest.": {
                "pool": lambda finer: np.median(_blocks(finer), axis=(1, 3))
            },
            "you took the largest without its sign; pooling takes the largest number, and -3 is less than 1.": {
                "pool": lambda finer: np.abs(_blocks(finer)).max(axis=(1, 3))
            },
            "you took the largest of the whole finer map; take it of each 2×2 block.": {
                "pool": lambda finer: finer.max()
            },
            "the blocks are mixed up: reshape to (H, 2, W, 2), then the largest over axes 1 and 3.": {
                "pool": lambda finer: finer.reshape(2, finer.shape[0] // 2, 2, finer.shape[1] // 2).max(axis=(0, 2))
            },
        },
    ),
}
