"""The clean-up's two shares: how much of a tumor must lie on a kidney, or how much of the kidney it must cover."""

import numpy as np
import pytest

from kits_msan.cleanup import keep_kidneys


@pytest.mark.parametrize(
    ("kidney", "length", "stays"),
    [((6, 6, 6), 4, True), ((6, 6, 6), 5, False), ((2, 2, 5), 6, True), ((3, 3, 3), 6, False)],
)
def test_a_rod_on_a_block(kidney: tuple[int, int, int], length: int, stays: bool) -> None:
    """Of its 4 length + 2 faces one is on kidney: 1/18, 1/22 (of 1/20), and 1/48, 1/54 of the block (of 1/50)."""
    labels = np.zeros((14, 8, 8), np.uint8)
    labels[tuple(map(slice, kidney))] = 1
    labels[kidney[0] : kidney[0] + length, 0, 0] = 2
    assert (keep_kidneys(labels) == 2).any() == stays
