"""Where voxels lie: the package's axis order, and whether two files lie on the same points.

A file's grid is the affine from its (i, j, k) indices to RAS+ millimeters. nibabel's orientation transforms (a row
"axis there, flip" for each file axis) bring it to KiTS19's order.
"""

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from kits_msan.errors import InputError, millimeters, note

AXES = "IPL"  # the first slice is superior, the first row anterior, the first column at the patient's right
EDGES = (0.01, 100.0)  # mm that a voxel's edge can have
LONGEST = 4000.0  # mm that a scan's side can have
FARTHEST = 1e6  # mm from the origin
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])  # DICOM and ITK count to the left and back, NIfTI to the right and front
SMALL = 100.0  # mm; a body is larger, and so are two kidneys
WIDE = 1000.0  # mm; no scanner is so wide, but a body may be longer
UNITS = {1: "meter", 3: "micron"}  # of length, beside millimeters, by their code in a NIfTI header
ROUNDED = 1e-2  # of the products of unit axes: what a header of two or three digits leaves
SKEW = 1.0  # degrees; less comes of rounding
SAME_FIT = 6  # digits to which two cosines must differ
ALONG = 0.3  # cosine of the angle between an axis and where it should run; of a scan that was read, at least 0.37
SAME_PLACE = 0.2  # of a voxel: what rounding and quaternions in float32 cost; half a voxel is a mistake


def checked_spacing(what: str, spacing: Any) -> tuple[float, float, float]:
    """Millimetres between slices, rows and columns, as floats. Raises InputError, begun by `what`, for others."""
    try:
        depth, height, width = (float(size) for size in spacing)
    except (TypeError, ValueError):
        depth = height = width = math.nan
    if not all(0 < size < math.inf for size in (depth, height, width)):
        raise InputError(f"{what} is {spacing}; give three numbers of mm above 0: between slices, rows, columns.")
    return depth, height, width


def to_kits_order(header: nib.Nifti1Header) -> NDArray[np.float64]:
    """nibabel's orientation transform from the header's grid to AXES."""
    return orientations.ornt_transform(_orientation(header.get_best_affine()), orientations.axcodes2ornt(AXES))


def _orientation(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """As nibabel's `io_orientation`; but of world axes that fit alike, at 45 degrees, the first is taken, always.

    There nibabel leaves the choice to rounding, which differs from one machine to the next.
    """
    axes = affine[:3, :3] / nib.affines.voxel_sizes(affine)
    if not abs(np.linalg.det(axes)) > 1e-12:
        raise HeaderDataError("its affine is singular")
    left, _, right = np.linalg.svd(axes)
    rotation = np.round(left @ right, SAME_FIT)
    fit, found = np.abs(rotation), np.empty((3, 2))
    for axis in np.argsort(-fit.max(axis=0), kind="stable"):
        world = int(fit[:, axis].argmax())
        found[axis] = world, -1 if rotation[world, axis] < 0 else 1
        fit[world] = -1  # it is taken
    return found


def affine_in_kits_order(header: nib.Nifti1Header) -> NDArray[np.float64]:
    """The (4, 4) affine from (slice, row, column) indices to RAS+ millimetres."""
    shape = header.get_data_shape()[:3]
    return header.get_best_affine() @ orientations.inv_ornt_aff(to_kits_order(header), shape)


def is_in_kits_order(affine: NDArray[np.float64]) -> bool:
    """Whether a (4, 4) affine's axes run along AXES, as far as the axes of an oblique scan do once it is read."""
    along = -affine[[2, 1, 0], [0, 1, 2]]  # mm of a step along each axis towards I, P and L
    return bool((along > ALONG * nib.affines.voxel_sizes(affine)).all())


def shape_and_spacing(header: nib.Nifti1Header) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Voxels and millimeters, both (slices, rows, columns)."""
    shape = shape_after(header.get_data_shape(), to_kits_order(header))
    return shape, spacing_of(affine_in_kits_order(header))


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Millimeters between slices, rows and columns."""
    slices, rows, columns = (float(size) for size in nib.affines.voxel_sizes(affine))
    return slices, rows, columns


def at_right_angles(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation or reflection closest to (3, 3) unit axes, if they are one but for rounding; else these axes.

    ITK opens no NIfTI file whose axes are a little off, though it opens such DICOM series and MetaImages.
    """
    if not np.allclose(axes.T @ axes, np.eye(3), atol=ROUNDED):
        return axes
    left, _, right = np.linalg.svd(axes)
    return left @ right


def in_file_order(volume: NDArray, transform: NDArray) -> NDArray:
    """A view of a (D, H, W) volume in the file's axis order; writing to it writes to the volume."""
    view = volume.transpose(transform[:, 0].astype(int))
    return view[tuple(slice(None, None, int(flip)) for flip in transform[:, 1])]


def shape_after(shape: Sequence[int], transform: NDArray) -> tuple[int, int, int]:
    """The (D, H, W) of a file of shape (i, j, k)."""
    d, h, w = (int(shape[axis]) for axis in np.argsort(transform[:, 0]))
    return d, h, w


def onto_grid(path: Path, header: nib.Nifti1Header, image: Path, wanted: nib.Nifti1Header) -> NDArray[np.float64]:
    """The transform of a label's file to (D, H, W) on its image's grid, however both are stored.

    The image's header alone says which axis is which, so that rounding near 45 degrees cannot turn one of the two.
    Raises InputError, naming both files, where they do not lie on the same points.
    """
    target, own = affine_in_kits_order(wanted), header.get_best_affine()
    transform = orientations.io_orientation(np.linalg.inv(target) @ own)
    if np.isnan(transform).any():
        raise HeaderDataError("its affine is singular")
    shape = header.get_data_shape()[:3]
    wanted_shape = shape_after(wanted.get_data_shape(), to_kits_order(wanted))
    if shape_after(shape, transform) == wanted_shape:
        moved = own @ orientations.inv_ornt_aff(transform, shape)
        far, voxels = apart(moved, target, wanted_shape)
    elif shape == wanted.get_data_shape()[:3]:  # one array of voxels, but other axes
        far, voxels = apart(own, wanted.get_best_affine(), shape)
    else:
        raise InputError(
            f"{path} has shape {shape_after(shape, to_kits_order(header))}, but {image} has {wanted_shape}; "
            "both must be of the same scan."
        )
    if not voxels <= SAME_PLACE:
        raise InputError(
            f"{path} is not on the grid of {image}: their affines put one voxel up to {far:.1f} mm apart; save it "
            "with that file's affine, or predict on the original scan."
        )
    return transform


def apart(first: NDArray, second: NDArray, shape: Sequence[int]) -> tuple[float, float]:
    """How far the corners of a volume lie apart under two affines: millimeters, and voxels of the second."""
    corners = np.array(list(product(*((0, n - 1) for n in shape))))
    with np.errstate(all="ignore"):
        step = nib.affines.apply_affine(first, corners) - nib.affines.apply_affine(second, corners)
        voxels = step @ np.linalg.inv(second[:3, :3]).T
        return float(np.linalg.norm(step, axis=1).max()), float(np.abs(voxels).max())


def is_grid(affine: NDArray[np.float64]) -> bool:
    """Whether the affine is finite and spans a volume of voxels that a CT can have."""
    with np.errstate(all="ignore"):
        edges = nib.affines.voxel_sizes(affine)
        if not (np.isfinite(affine).all() and EDGES[0] <= edges.min() <= edges.max() <= EDGES[1]):
            return False
        return bool(abs(np.linalg.det(affine[:3, :3] / edges)) > 1e-3)


def check_geometry(path: Path, header: nib.Nifti1Header) -> None:
    """Raise InputError for voxels of impossible size or place."""
    with np.errstate(all="ignore"):
        affine = header.get_best_affine()
        edges = nib.affines.voxel_sizes(affine)
        sides = edges * header.get_data_shape()[:3]
    if not np.isfinite(affine).all():
        flaw = "has an affine that is not finite"
    elif not EDGES[0] <= edges.min() <= edges.max() <= EDGES[1]:
        flaw = f"has voxels of {millimeters(edges.tolist())}, which no CT has"
    elif sides.max() > LONGEST:
        flaw = f"spans {_in_words(sides)} mm, which no CT does"
    elif not is_grid(affine):
        flaw = "has an affine whose axes lie in one plane"
    elif np.abs(affine).max() > FARTHEST:
        flaw = "lies farther from its origin than any scanner"
    else:
        return
    raise InputError(f"{path} {flaw}; export it anew with its geometry.")


def say_odd_grid(path: Path, header: nib.Nifti1Header) -> None:
    """Say what in a CT's grid is possible but hardly true: lost geometry, another unit, the size of a body."""
    affine, unit = header.get_best_affine(), int(header["xyzt_units"]) % 8  # what it says of time is beyond
    sides = nib.affines.voxel_sizes(affine) * header.get_data_shape()[:3]
    if unit in UNITS:
        note(f"{path} says that its lengths are in {UNITS[unit]}s; they are taken as millimeters.")
    lost = np.array_equal(np.abs(affine), np.eye(4))
    if lost:
        note(
            f"{path} lies at 0 with voxels of just 1 mm, axes {''.join(nib.aff2axcodes(affine))}, as where the "
            "geometry was lost on the way; if so, export it anew."
        )
    axes = affine[:3, :3] / nib.affines.voxel_sizes(affine)
    skew = np.rad2deg(np.arcsin(np.abs(axes.T @ axes - np.eye(3)).max().clip(0, 1)))
    if skew > SKEW:
        note(
            f"{path} has axes {skew:.0f} degrees off a right angle, as after a tilted gantry; they are taken as at "
            "right angles, so its labels may be worse and volumes in ml too large."
        )
    size = _in_words(sides)
    if np.sort(sides)[1] > WIDE:
        note(f"{path} spans {size} mm; no body is so wide, so its voxel sizes may be wrong.")
    elif sides.max() < SMALL and not lost:
        note(f"{path} spans only {size} mm; if that is more of a body than it seems, its voxel sizes are wrong.")


def _in_words(sides: NDArray[np.float64]) -> str:
    return " x ".join(f"{side:.0f}" for side in sides)
