"""Ways to make a finer map smaller: the right one of exercise 2.2, and those that students take for it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage


def blocks(finer: Any) -> Any:
    """(2H, 2W) as blocks (H, 2, W, 2)."""
    return finer.reshape(finer.shape[0] // 2, 2, finer.shape[1] // 2, 2)


def pooled(finer: Any) -> Any:
    """The largest number of each block, (H, W)."""
    return blocks(finer).max(axis=(1, 3))


def of_blocks(measure: Callable[..., Any]) -> Callable[[Any], Any]:
    """Another measure of each block than its largest number."""
    return lambda finer: measure(blocks(finer), axis=(1, 3))


def windows(finer: Any) -> Any:
    """The largest of the 2×2 pixels that begin at each pixel, (2H, 2W)."""
    return ndimage.maximum_filter(finer, 2, origin=-1)


POOLS: dict[str, Callable[[Any], Any]] = {
    "you pooled with the mean; the encoder and this layer take the largest of each 2×2 block.": of_blocks(np.mean),
    "you pooled with the sum; take the largest of each 2×2 block.": of_blocks(np.sum),
    "you pooled with the smallest; take the largest of each 2×2 block.": of_blocks(np.min),
    "you took every second pixel of the finer map; pooling takes the largest of each 2×2 block.": lambda finer: finer[
        ::2, ::2
    ],
    "you cut out a corner of the finer map; pool it, so that all of it counts.": lambda finer: finer[
        : finer.shape[0] // 2, : finer.shape[1] // 2
    ],
    "you took one pixel of each 2×2 block, the last; pooling takes the largest of the four.": lambda finer: finer[
        1::2, 1::2
    ],
    "you took one pixel of each 2×2 block, the upper right; pooling takes the largest of the four.": lambda finer: (
        finer[::2, 1::2]
    ),
    "you took the median of each 2×2 block; pooling takes the largest.": of_blocks(np.median),
    "you took the largest without its sign; pooling takes the largest number, and -3 is less than 1.": lambda finer: (
        np.abs(blocks(finer)).max(axis=(1, 3))
    ),
    "you took the largest of the whole finer map; take it of each 2×2 block.": lambda finer: finer.max(),
    "the blocks are mixed up: reshape to (H, 2, W, 2), then the largest over axes 1 and 3.": lambda finer: (
        finer.reshape(2, finer.shape[0] // 2, 2, finer.shape[1] // 2).max(axis=(0, 2))
    ),
    "the blocks are mixed up: reshape to (H, 2, W, 2), not to (H, W, 2, 2).": lambda finer: finer.reshape(
        finer.shape[0] // 2, finer.shape[1] // 2, 2, 2
    ).max(axis=(2, 3)),
    "block (i, j) begins at row 2i and column 2j; yours begins at i and j.": lambda finer: windows(finer)[
        : finer.shape[0] // 2, : finer.shape[1] // 2
    ],
    "your blocks begin one row and column too early; block (i, j) has the rows 2i and 2i + 1.": lambda finer: (
        ndimage.maximum_filter(finer, 2)[::2, ::2]
    ),
    "your blocks are 3×3; take 2×2.": lambda finer: ndimage.maximum_filter(finer, 3)[::2, ::2],
    "two of the four pixels of a block were compared; take the largest of all four.": lambda finer: np.maximum(
        finer[::2, ::2], finer[1::2, 1::2]
    ),
    "you pooled the rows and took every second column; take the largest of all four pixels.": lambda finer: (
        np.maximum(finer[::2], finer[1::2])[:, ::2]
    ),
    "you pooled the columns and took every second row; take the largest of all four pixels.": lambda finer: (
        np.maximum(finer[:, ::2], finer[:, 1::2])[::2]
    ),
    "you took one pixel of each 2×2 block, the lower left; pooling takes the largest of the four.": lambda finer: (
        finer[1::2, ::2]
    ),
    "negative numbers of the pooled map became 0; pooling takes the largest of each block as it is.": lambda finer: (
        np.maximum(pooled(finer), 0)
    ),
    "the finer map was made smaller by interpolation; pooling takes the largest of each 2×2 block.": lambda finer: (
        ndimage.zoom(finer, 0.5, order=1)
    ),
}
