"""NIfTI files to arrays in KiTS19's axis order, and back onto the file's own grid.

Values are read a few planes at a time straight into the array that is returned, so that a volume never costs
more memory than itself, whatever number type and axis order the file has.
"""

import gzip
import math
import re
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from kits_msan.errors import InputError
from kits_msan.files import atomic_file

AXES = "IPL"  # the first slice is superior, the first row anterior, the first column at the patient's right
VOXELS = 2**21  # how many are read at once, or one plane
USUAL_DEFLATE = 8  # times that gzip shrinks a CT at most; labels shrink a hundredfold and are small
EDGES, LONGEST = (0.01, 100.0), 4000.0  # mm that a voxel's edge and a scan's side can have
FARTHEST = 1e6  # mm from the origin
NIFTI2 = 540  # a NIfTI-2 header's length, its first number
BROKEN = (OSError, EOFError, zlib.error, ValueError, OverflowError, ImageFileError, HeaderDataError, WrapStructError)


def read_voxels(path: Path, dtype: type[np.integer]) -> tuple[NDArray, nib.Nifti1Header]:
    """Read a 3-D NIfTI file as a (D, H, W) array and its header.

    Values are rounded to whole numbers and clipped to `dtype`: int16 for Hounsfield units (half a unit is far
    below any noise), uint8 for labels.
    Raises InputError, naming the file, if it is not NIfTI, broken, truncated, not 3-D, or holds NaN or
    infinite voxels. No memory is set aside for voxels that the file does not hold.
    """
    proxy, header, transform = _open(path)
    shape = proxy.shape
    out = np.empty([shape[axis] for axis in np.argsort(transform[:, 0])], dtype)
    target = in_file_order(out, transform)
    count = max(1, VOXELS // (shape[0] * shape[1]))
    try:
        for start in range(0, shape[2], count):  # the last axis is the slowest on disk: the file is read in one pass
            with np.errstate(all="ignore"):  # a scaling that overflows
                planes = np.asarray(proxy[:, :, start : start + count]).reshape(*shape[:2], -1)
            if planes.dtype.kind == "f" and not np.isfinite(planes).all():
                raise InputError(f"{path} holds NaN or infinite voxels; export it again with every voxel in HU.")
            target[..., start : start + count] = as_whole(planes, dtype)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{path} is truncated or damaged ({_reason(error)}); fetch it again.") from error
    return out, header


def read_grid(path: Path) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Shape in voxels and spacing in mm, both (slices, rows, columns), from the header alone.

    Raises InputError as `read_voxels` does, but for what only the voxels show.
    """
    proxy, header, transform = _open(path)
    d, h, w = (proxy.shape[axis] for axis in np.argsort(transform[:, 0]))
    return (d, h, w), spacing_of(affine_in_kits_order(header))


def as_whole(values: NDArray, dtype: type[np.integer]) -> NDArray:
    """Finite numbers, rounded and clipped to what `dtype` can hold; still of their own type."""
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    if values.dtype.kind == "f":
        return np.clip(np.rint(values), low, high)
    own = np.iinfo(values.dtype)  # numpy refuses limits beyond it
    return np.clip(values, max(low, own.min), min(high, own.max))


def write_image(path: str | Path, voxels: NDArray[np.int16], header: nib.Nifti1Header) -> None:
    """Write a (D, H, W) volume of HU as int16 NIfTI on the grid of `header`."""
    _write(path, voxels, np.int16, header)


def write_labels(path: str | Path, labels: NDArray[np.uint8], header: nib.Nifti1Header) -> None:
    """Write (D, H, W) labels as uint8 NIfTI on the grid of `header`: its axis order, affine and units."""
    header = header.copy()
    header["cal_min"] = header["cal_max"] = 0  # the display range of the CT makes no sense for labels
    _write(path, labels, np.uint8, header)


def _write(path: str | Path, volume: NDArray, dtype: type[np.integer], header: nib.Nifti1Header) -> None:
    array = in_file_order(volume, to_kits_order(header)).astype(dtype, copy=False)
    header = header.copy()
    header.set_data_shape(array.shape)
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    header.set_data_offset(0)  # whatever stood between header and voxels is not passed on
    with atomic_file(path) as temporary:
        kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
        kind(array, None, header).to_filename(temporary)


def to_kits_order(header: nib.Nifti1Header) -> NDArray[np.float64]:
    """nibabel's orientation transform from the header's grid to AXES: a row (axis there, flip) a file axis."""
    here = orientations.io_orientation(header.get_best_affine())
    if np.isnan(here).any():
        raise HeaderDataError("its affine is singular")
    return orientations.ornt_transform(here, orientations.axcodes2ornt(AXES))


def affine_in_kits_order(header: nib.Nifti1Header) -> NDArray[np.float64]:
    """The (4, 4) affine from (slice, row, column) indices to RAS+ millimetres."""
    shape = header.get_data_shape()[:3]
    return header.get_best_affine() @ orientations.inv_ornt_aff(to_kits_order(header), shape)


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Millimeters between slices, rows and columns."""
    slices, rows, columns = (float(size) for size in nib.affines.voxel_sizes(affine))
    return slices, rows, columns


def in_file_order(volume: NDArray, transform: NDArray) -> NDArray:
    """A view of a (D, H, W) volume in the file's axis order; writing to it writes to the volume."""
    view = volume.transpose(transform[:, 0].astype(int))
    return view[tuple(slice(None, None, int(flip)) for flip in transform[:, 1])]


def _open(path: Path) -> tuple[ArrayProxy, nib.Nifti1Header, NDArray[np.float64]]:
    """Voxels not yet read, header, and transform to KiTS19's order; of honest size and plausible geometry."""
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} is not a NIfTI file; its name must end in .nii or .nii.gz.")
    try:
        header = _read_header(path)
        proxy = ArrayProxy(path, header, mmap=False, keep_file_open=True)
        _check_voxels(path, proxy)
        _check_geometry(path, header)
        _check_length(path, proxy)
        return proxy, header, to_kits_order(header)
    except InputError:
        raise
    except BROKEN as error:
        reason = f"is not a readable NIfTI file ({_reason(error)}); fetch or export it anew."
        raise InputError(f"{path} {reason}") from error


def _read_header(path: Path) -> nib.Nifti1Header:
    """The header alone: nibabel reserves memory for extensions of any length that they claim."""
    with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as stream:
        start = stream.read(nib.Nifti2Header.template_dtype.itemsize)
    second = NIFTI2 in (int.from_bytes(start[:4], order) for order in ("little", "big"))
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    was, logger.disabled = logger.disabled, True  # nibabel's remarks: what matters is checked here
    try:
        return kind(start[: kind.template_dtype.itemsize])
    finally:
        logger.disabled = was


def _check_voxels(path: Path, proxy: ArrayProxy) -> None:
    shape = tuple(int(n) for n in proxy.shape)
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise InputError(f"{path} has shape {shape}, but a CT volume has three axes; extract one volume first.")
    if min(shape) < 1:
        raise InputError(f"{path} has shape {shape}, which holds no voxels; export it anew.")
    if proxy.dtype.kind not in "iuf":
        raise InputError(f"{path} holds colors or complex numbers; export it with one number a voxel, in HU.")


def _check_geometry(path: Path, header: nib.Nifti1Header) -> None:
    with np.errstate(all="ignore"):
        affine = header.get_best_affine()
        edges = nib.affines.voxel_sizes(affine)
        sides = edges * header.get_data_shape()[:3]
    if not np.isfinite(affine).all():
        raise InputError(f"{path} has an affine that is not finite; export it anew with its geometry.")
    if not (EDGES[0] <= edges.min() <= edges.max() <= EDGES[1] and sides.max() <= LONGEST):
        size = " x ".join(f"{edge:.3g}" for edge in edges)
        raise InputError(f"{path} has voxels of {size} mm, which no CT has; export it anew with its geometry.")
    if np.abs(affine).max() > FARTHEST:
        raise InputError(f"{path} lies farther from its origin than any scanner; export it anew with its geometry.")


def _check_length(path: Path, proxy: ArrayProxy) -> None:
    """Before memory is set aside: a header can claim what it likes."""
    claimed = int(proxy.offset) + math.prod(proxy.shape) * proxy.dtype.itemsize
    held = path.stat().st_size
    if path.name.endswith(".gz") and held < claimed <= 1032 * held:  # gzip's limit
        held = claimed if claimed <= USUAL_DEFLATE * held else _inflated_length(path, claimed)
    if claimed > held:
        raise InputError(
            f"{path} is truncated: it is too short for the {proxy.shape} voxels of its header; fetch it again."
        )


def _inflated_length(path: Path, enough: int) -> int:
    """How many bytes a gzip file holds, counted until there are `enough`."""
    total = 0
    with gzip.open(path) as stream:
        while total < enough and (chunk := stream.read(1 << 16)):
            total += len(chunk)
    return total


def _reason(error: BaseException) -> str:
    """What went wrong, short enough to stand within a sentence."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.split(r"[.!?;](\s|$)", text)[0]
