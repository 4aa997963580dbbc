"""A coarse grid, and the arrays of a case, for the tests of the phantom."""

import numpy as np
from numpy.typing import NDArray

from kits_msan.data.cases import Case

COARSE = (40, 48, 48), (10.0, 8.0, 8.0)  # the smoke grid, but taller, so that no kidney is cut off


def pixels(case: Case) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    assert case.image is not None
    assert case.label is not None
    return case.image, case.label
