"""The clean-up: of the islands that a segmentation consists of, only the two kidneys with their tumors stay.

Islands are found a few slices at a time and then joined, so that memory does not grow with the scan. The library
made for it, connected-components-3d, is shorter to use, but took 1.7 GB for 1,059 slices of 512 x 512 where this
takes 0.1 GB.
"""

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kits_msan.data.cases import KIDNEY, TUMOR
from kits_msan.errors import InputError
from kits_msan.formats.nifti import checked_labels

UNSURE = TUMOR + 1  # what `LabelsOnGrid` writes where networks call something tumor, but are not sure
PART = 16  # slices that are looked at together
CONTACT = 0.05  # of a tumor's surface that lies on kidney, at least; in 20 labels of KiTS19 it is 0.07 to 1
COVER = 0.02  # or of all kidney's surface that lies on that tumor: of one that has eaten most of its kidney

Weights = Callable[[NDArray[np.uint8], int], tuple[NDArray, NDArray]]  # (labels, first slice) -> two of each voxel


def keep_kidneys(labels: ArrayLike, components: int = 2) -> NDArray[np.uint8]:
    """Remove islands: a copy of (D, H, W) labels with only the largest connected components of kidney-and-tumor.

    components: how many to keep. The paper's "simple maximal connected component" (section 3.1) is read as two,
    since one would delete the second kidney. The rest is our choice, made on phantoms and on four real scans:
    a tumor grows on a kidney, so an island of tumor goes first if less than CONTACT of its surface lies on kidney
    and covers less than COVER of what is kidney, both counted in voxel faces: it is a spleen or a muscle that touches
    one. What is left of tumor counts up to half the kidney that it touches: it must not oust a kidney. Only where
    nothing is kidney does tumor stay alone.
    Voxels that share a face are connected: with corners, more organs hang on a kidney.
    Raises InputError for other values than 0, 1 and 2 and for other than three axes, and ValueError for a number of
    components that is not whole or below one.
    """
    if components < 1 or components % 1:
        raise ValueError(f"{components} components cannot be kept; give a whole number, 1 or more.")
    out = checked_labels("the labels hold", labels).copy()
    if out.ndim != 3:
        raise InputError(f"expected the labels of one scan, (D, H, W), not an array of shape {out.shape}.")
    remove_islands(out, int(components))
    return out


def remove_islands(labels: NDArray[np.uint8], components: int = 2) -> None:
    """`keep_kidneys` in place, for scans of which there is no room for a copy; then `keep_sure`."""
    if not (inside := _around(labels, KIDNEY)).size:
        return
    surface, contact, island_of = _islands(inside, _is_tumor, _faces)
    if contact.any():  # else tumor goes below, or nothing is kidney
        grown = contact >= CONTACT * surface
        if contact[~grown].any():
            grown |= contact >= COVER * _kidney_surface(inside)
        _keep(inside, _is_tumor, grown[island_of])
    size, kidney, island_of = _islands(inside, np.sign, _voxels)
    if kidney.any():
        size = np.minimum(size, kidney + kidney // 2)
    largest = np.argsort(-size, kind="stable")[:components]
    _keep(inside, np.sign, np.isin(island_of, largest[size[largest] > 0]))
    keep_sure(labels)


def keep_sure(labels: NDArray[np.uint8]) -> None:
    """Of tumor, islands that are UNSURE everywhere become kidney, in place; the others become TUMOR. Our choice.

    Of many a false tumor no network is sure anywhere, while most true ones have a middle that is plain. A high
    threshold to find and a low one to outline are hysteresis (Canny 1986). It comes last: a spleen that is called
    tumor must not count as a whole kidney before.
    """
    inside = _around(labels, TUMOR)
    if inside.max(initial=0) < UNSURE:
        return
    sure, _, island_of = _islands(inside, _is_tumor, _sure)
    _keep(inside, _is_tumor, (sure > 0)[island_of], KIDNEY)
    np.minimum(inside, TUMOR, out=inside)


def _around(labels: NDArray[np.uint8], least: int) -> NDArray[np.uint8]:
    """The rows and columns with labels of `least` or more, as a view: far smaller than the scan."""
    found = labels.max(axis=0, initial=0) >= least  # (H, W)
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return labels[:, :0, :0]
    return labels[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _is_tumor(labels: NDArray[np.uint8]) -> NDArray:
    return labels >= TUMOR


def _sure(labels: NDArray[np.uint8], first: int) -> tuple[NDArray, NDArray]:
    """For each voxel of a part, twice: one if networks are sure of its tumor."""
    sure = labels[first : first + PART] == TUMOR
    return sure, sure


def _voxels(labels: NDArray[np.uint8], first: int) -> tuple[NDArray, NDArray]:
    """For each voxel of a part: one, and one if it is kidney."""
    part = labels[first : first + PART]
    return np.ones(part.shape, np.uint8), part == KIDNEY


def _faces(labels: NDArray[np.uint8], first: int) -> tuple[NDArray, NDArray]:
    """For each voxel of a part: its faces towards what is not tumor, and those towards kidney."""
    bare, kidney = np.zeros((2, *labels[first : first + PART].shape), np.uint8)
    for neighbor in _neighbors(labels, first):
        bare += neighbor < TUMOR
        kidney += neighbor == KIDNEY
    return bare, kidney


def _kidney_surface(labels: NDArray[np.uint8]) -> int:
    """How many faces of kidney do not lie on kidney."""
    return sum(
        int(np.count_nonzero((labels[first : first + PART] == KIDNEY) & (neighbor != KIDNEY)))
        for first in range(0, len(labels), PART)
        for neighbor in _neighbors(labels, first)
    )


def _neighbors(labels: NDArray[np.uint8], first: int) -> Iterator[NDArray[np.uint8]]:
    """Six times for each voxel of a part: what lies behind one of its faces."""
    around = np.pad(
        labels[max(first - 1, 0) : first + PART + 1],
        [(int(first == 0), int(first + PART >= len(labels))), (1, 1), (1, 1)],
    )
    for axis, step in product(range(3), (-1, 1)):
        yield np.roll(around, step, axis)[1:-1, 1:-1, 1:-1]


def _islands(
    labels: NDArray[np.uint8], chosen: Callable[[NDArray[np.uint8]], NDArray], weights: Weights
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """The islands of the chosen voxels: the sums of both weights in each, and for each piece its island."""
    from scipy.sparse import coo_array  # takes long to load: not before it is needed
    from scipy.sparse.csgraph import connected_components

    sums: tuple[list[NDArray], list[NDArray]] = ([], [])
    joins = [np.zeros((2, 0), int)]
    total, last = 0, np.zeros(labels.shape[1:], int)  # pieces so far, and those in the slice before
    for start, pieces, first, found in _pieces(labels, chosen):
        for listed, weight in zip(sums, weights(labels, start), strict=True):
            listed.append(np.bincount(pieces.ravel(), weight.ravel(), minlength=found + 1)[1:])
        touching = (last > 0) & (pieces[0] > 0)
        joins.append(np.unique([last[touching] - 1, pieces[0][touching] + first - 1], axis=1))
        last = np.where(pieces[-1] > 0, pieces[-1] + first, 0)
        total += found
    edges = np.concatenate(joins, axis=1)
    graph = coo_array((np.ones(edges.shape[1]), tuple(edges)), shape=(total, total))
    count, island_of = connected_components(graph, directed=False)
    of_islands = (np.bincount(island_of, np.concatenate(each), minlength=count).astype(int) for each in sums)
    return *of_islands, island_of  # type: ignore[return-value]


def _keep(
    labels: NDArray[np.uint8],
    chosen: Callable[[NDArray[np.uint8]], NDArray],
    keep: NDArray[np.bool_],
    instead: int = 0,
) -> None:
    """Of the chosen voxels only those whose piece is to be kept stay; the others become `instead`."""
    for start, pieces, first, found in _pieces(labels, chosen):
        labels[start : start + PART][~np.concatenate([[True], keep[first : first + found]])[pieces]] = instead


def _pieces(
    labels: NDArray[np.uint8], chosen: Callable[[NDArray[np.uint8]], NDArray]
) -> Iterator[tuple[int, NDArray[np.signedinteger], int, int]]:
    """For each PART slices: the first; each voxel's piece of an island, from 1; the pieces before; how many here."""
    from scipy import ndimage

    first = 0
    for start in range(0, len(labels), PART):
        pieces, found = ndimage.label(chosen(labels[start : start + PART]))  # connected by faces
        yield start, pieces, first, found
        first += found
