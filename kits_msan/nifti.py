"""NIfTI files to arrays in KiTS19's axis order, and back onto the file's own grid.

Values are read a few planes at a time straight into the array that is returned, so that a volume never costs
more memory than itself, whatever number type and axis order the file has.
"""

import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from kits_msan.errors import InputError
from kits_msan.files import atomic_file

AXES = "IPL"  # the first slice is superior, the first row anterior, the first column at the patient's right
PLANES = 16  # how many planes are read at once
MOST_DEFLATE = 1032  # gzip cannot shrink more than this: a bound on the voxels that a file can honestly hold
BROKEN = (OSError, EOFError, zlib.error, ValueError, OverflowError, ImageFileError, HeaderDataError)


def read_voxels(path: Path, dtype: type[np.integer]) -> tuple[NDArray, nib.Nifti1Header]:
    """Read a 3-D NIfTI file as a (D, H, W) array and its header.

    Values are rounded to whole numbers and clipped to `dtype`: int16 for Hounsfield units (half a unit is far
    below any noise), uint8 for labels.
    Raises InputError, naming the file, if it is not NIfTI, broken, truncated, not 3-D, or holds NaN or
    infinite voxels.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} is not a NIfTI file; its name must end in .nii or .nii.gz.")
    try:
        image = nib.load(path, keep_file_open=True)
        if not isinstance(image, nib.Nifti1Image):  # Nifti2Image is one too
            raise InputError(f"{path} is not a NIfTI file; convert it to .nii.gz first.")
        shape = _honest_shape(path, image)
        transform = to_kits_order(image.header)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(
            f"{path} is not a readable NIfTI file ({_first_line(error)}); fetch or export it anew."
        ) from error

    limits = np.iinfo(dtype)
    out = np.empty([shape[axis] for axis in np.argsort(transform[:, 0])], dtype)
    target = in_file_order(out, transform)
    try:
        for start in range(0, shape[2], PLANES):  # the last axis is the slowest on disk: the file is read in one pass
            planes = np.asarray(image.dataobj[:, :, start : start + PLANES]).reshape(*shape[:2], -1)
            if planes.dtype.kind == "f" and not np.isfinite(planes).all():
                raise InputError(f"{path} holds NaN or infinite voxels; export it again with every voxel in HU.")
            if planes.dtype.kind == "f":
                planes = np.rint(planes)
            target[..., start : start + PLANES] = np.clip(planes, limits.min, limits.max)
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{path} is truncated or damaged ({_first_line(error)}); fetch it again.") from error
    return out, image.header


def write_image(path: str | Path, voxels: NDArray[np.int16], header: nib.Nifti1Header) -> None:
    """Write a (D, H, W) volume of HU as int16 NIfTI on the grid of `header`."""
    _write(path, voxels, np.int16, header)


def write_labels(path: str | Path, labels: NDArray[np.uint8], header: nib.Nifti1Header) -> None:
    """Write (D, H, W) labels as uint8 NIfTI on the grid of `header`: its axis order, affine and units."""
    header = header.copy()
    header["cal_min"] = header["cal_max"] = 0  # the display range of the CT makes no sense for labels
    _write(path, labels, np.uint8, header)


def _write(path: str | Path, volume: NDArray, dtype: type[np.integer], header: nib.Nifti1Header) -> None:
    array = in_file_order(volume, to_kits_order(header)).astype(dtype)
    header = header.copy()
    header.set_data_shape(array.shape)
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    with atomic_file(path) as temporary:
        nib.Nifti1Image(array, None, header).to_filename(temporary)


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


def in_file_order(volume: NDArray, transform: NDArray) -> NDArray:
    """A view of a (D, H, W) volume in the file's axis order; writing to it writes to the volume."""
    view = volume.transpose(transform[:, 0].astype(int))
    return view[tuple(slice(None, None, int(flip)) for flip in transform[:, 1])]


def _honest_shape(path: Path, image: nib.Nifti1Image) -> tuple[int, int, int]:
    """The shape that the header claims, if it is 3-D and the file is long enough to hold it."""
    shape = tuple(int(n) for n in image.header.get_data_shape())
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise InputError(f"{path} has shape {shape}, but a CT volume has three axes; extract one volume first.")
    if min(shape) < 1:
        raise InputError(f"{path} has shape {shape}, which holds no voxels; export it anew.")
    if not np.isfinite(image.affine).all():
        raise InputError(f"{path} has an affine that is not finite; export it anew with its geometry.")
    claimed = int(np.prod(shape, dtype=object)) * image.get_data_dtype().itemsize
    size = path.stat().st_size * (MOST_DEFLATE if path.name.endswith(".gz") else 1)
    if claimed > size:
        raise InputError(
            f"{path} is truncated: it is too short for the {shape} voxels of its header; fetch it again."
        )
    return shape[0], shape[1], shape[2]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
