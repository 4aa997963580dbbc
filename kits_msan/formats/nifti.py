"""NIfTI files: opened without trust in what their header claims, and written onto a grid."""

import gzip
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import ArrayLike, NDArray

from kits_msan.errors import WHOLE_PROCESS, InputError, note
from kits_msan.files import atomic_file
from kits_msan.formats.grids import SAME_PLACE, apart, in_file_order, is_grid, to_kits_order

GZIP = b"\x1f\x8b"  # how a gzip file begins, whatever its name
USUAL_DEFLATE = 8  # times that gzip shrinks a CT at most; labels shrink a hundredfold and are small
MOST_DEFLATE = 1032  # times that gzip can shrink anything
NIFTI2 = 540  # a NIfTI-2 header's length, its first number
CHUNK = 2**16  # bytes
BROKEN = (OSError, EOFError, zlib.error, ValueError, OverflowError, ImageFileError, HeaderDataError, WrapStructError)


@contextmanager
def open_nifti(path: Path) -> Iterator[tuple[ArrayProxy, nib.Nifti1Header, IO[bytes]]]:
    """Voxels not yet read, the header, and the stream, which `read_to_end` tests once the voxels are read.

    What the file holds decides whether it is gzip, not its name. Raises InputError for a file that is shorter than
    its header claims, and one of `BROKEN` for what is no NIfTI.
    """
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        stream: Any
        with gzip.GzipFile(fileobj=file) if packed else nullcontext(file) as stream:
            header = _read_header(stream)
            settle_orientation(path, header)
            proxy = ArrayProxy(stream, header, mmap=False)
            if int(proxy.offset) < header.single_vox_offset:  # nibabel says so of all but 0
                raise ValueError(f"vox offset {int(proxy.offset)} too low for single file")
            check_length(path, proxy, packed)
            yield proxy, header, stream


@contextmanager
def no_remarks() -> Iterator[None]:
    """Within the block nibabel prints nothing about a header: what matters is checked here."""
    with WHOLE_PROCESS:
        was, logger.disabled = logger.disabled, True
        try:
            yield
        finally:
            logger.disabled = was


def read_to_end(stream: IO[bytes]) -> None:
    """Read what is left, so that gzip compares its checksum and length. Raises one of `BROKEN` if they differ."""
    while stream.read(CHUNK):
        pass


def inflated_length(path: Path, enough: float = math.inf) -> int:
    """How many bytes a gzip file holds, counted until there are `enough`; or one of `BROKEN` is raised."""
    total = 0
    with gzip.open(path) as stream:
        while total < enough and (chunk := stream.read(CHUNK)):
            total += len(chunk)
    return total


def as_whole(values: NDArray) -> NDArray[np.int16]:
    """Finite numbers, rounded and clipped to what int16 can hold; those that are int16 already are not copied."""
    if values.dtype == np.int16:
        return values
    low, high = np.iinfo(np.int16).min, np.iinfo(np.int16).max
    if values.dtype.kind == "f":
        return np.clip(np.rint(values), low, high).astype(np.int16)
    own = np.iinfo(values.dtype)  # numpy refuses limits beyond it
    return np.clip(values, max(low, own.min), min(high, own.max)).astype(np.int16)


def check_finite(path: str | Path, voxels: NDArray[Any]) -> None:
    """Raise InputError for voxels that are to be written to `path` and are not finite."""
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise InputError(f"the voxels for {path} hold NaN or infinite values; give every voxel in HU.")


def as_array(what: str, values: Any) -> NDArray:
    """What numpy reads, or a tensor on any device and of any number format, or a list of such, as one array.

    what: how the sentence begins, such as "the prediction holds". Raises InputError for parts of different shape.
    """
    several = isinstance(values, list | tuple)
    try:
        return np.asarray([_plain(value) for value in values] if several else _plain(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{what} no array, or arrays of different shape; give one, or some of one shape.") from error


def _plain(value: Any) -> Any:
    """A tensor as numpy reads it, which knows no bfloat16; what is none, as it is."""
    if not hasattr(value, "detach"):
        return value
    value = value.detach().cpu()
    return value.float() if value.is_floating_point() else value


def checked_labels(what: str, labels: ArrayLike) -> NDArray[np.uint8]:
    """Labels of any shape as uint8; those that are uint8 already are not copied.

    what, labels: as for `as_array`. Raises InputError for other values than 0, 1 and 2.
    """
    given = as_array(what, labels)
    if given.dtype.kind not in "biuf":
        raise InputError(f"{what} values of type {given.dtype}; give an array of whole numbers, such as case.label.")
    with np.errstate(invalid="ignore"):  # NaN is no label either, and is found below
        result = given.astype(np.uint8, copy=False)
    if result.max(initial=0) > 2 or not (result is given or np.array_equal(result, given)):
        values = np.unique(given)
        others = values[~np.isin(values, (0, 1, 2))]
        names = ", ".join(f"{value:g}" for value in others[:3].tolist()) + " and more" * (len(others) > 3)
        raise InputError(f"{what} {names}; only 0, 1 (kidney) and 2 (tumor) are labels.")
    return result


def write_image(path: str | Path, voxels: NDArray[np.int16], header: nib.Nifti1Header) -> None:
    """Write a (D, H, W) volume of HU as int16 NIfTI on the grid of `header`, rounded and clipped as on reading.

    Raises InputError for voxels that are not finite.
    """
    check_finite(path, voxels)
    _write(path, as_whole(voxels), np.int16, header)


def write_labels(path: str | Path, labels: NDArray[np.uint8], header: nib.Nifti1Header) -> None:
    """Write (D, H, W) labels as uint8 NIfTI on the grid of `header`: its axis order, affine and units.

    Raises InputError for other values than 0, 1 and 2.
    """
    labels = checked_labels(f"the labels for {path} hold", labels)
    header = header.copy()
    header["cal_min"] = header["cal_max"] = 0  # the display range of the CT makes no sense for labels
    _write(path, labels, np.uint8, header)


def new_header(shape: tuple[int, ...], affine: NDArray[np.float64]) -> nib.Nifti1Header:
    """A header for an array of `shape` with the (4, 4) affine from its indices to RAS+ millimeters.

    A sheared affine gets no q-form: a rotation cannot say it, and two forms that differ mislead half of all readers.
    """
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_xyzt_units("mm")
    header.set_sform(affine, code="scanner")
    axes = affine[:3, :3] / nib.affines.voxel_sizes(affine)
    if np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
        header.set_qform(affine, code="scanner")
    return header


def reason(error: BaseException) -> str:
    """What went wrong, short enough to stand within a sentence."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.split(r"[.!?;](\s|$)", text)[0]


def _write(path: str | Path, volume: NDArray, dtype: type[np.integer], header: nib.Nifti1Header) -> None:
    array = in_file_order(volume, to_kits_order(header)).astype(dtype, copy=False)
    header = header.copy()
    header.set_data_shape(array.shape)
    header.set_data_dtype(dtype)
    header.set_slope_inter(1, 0)
    header.set_data_offset(0)  # whatever stood between header and voxels is not passed on
    if not str(path).lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} is no name of a NIfTI file; let it end in .nii.gz.")
    with atomic_file(path) as temporary:
        kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
        kind(array, None, header).to_filename(temporary)


def _read_header(stream: IO[bytes]) -> nib.Nifti1Header:
    """The header alone: nibabel reserves memory for extensions of any length that they claim."""
    start = stream.read(nib.Nifti2Header.template_dtype.itemsize)
    second = NIFTI2 in (int.from_bytes(start[:4], order) for order in ("little", "big"))
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    with no_remarks():
        return kind(start[: kind.template_dtype.itemsize])


def settle_orientation(path: Path, header: nib.Nifti1Header) -> None:
    """Where a header says two things or nothing about its orientation, say which is taken."""
    forms: dict[str, Any] = {}
    for form in ("sform", "qform"):
        try:
            with np.errstate(all="ignore"):
                forms[form] = getattr(header, f"get_{form}")() if header[f"{form}_code"] > 0 else None
        except BROKEN:
            forms[form] = None
    good = {form: affine is not None and is_grid(affine) for form, affine in forms.items()}
    if header["sform_code"] > 0 and not good["sform"] and good["qform"]:
        header["sform_code"] = 0  # as some programs write it: a code, and nothing but zeros
        note(f"{path} has an s-form that cannot be used; its q-form says where it lies.")
    elif all(good.values()):
        shape = (*header.get_data_shape(), 1, 1)[:3]  # which may be of fewer axes
        far, voxels = apart(forms["qform"], forms["sform"], shape)
        if voxels > SAME_PLACE:
            note(f"{path} has two orientations, up to {far:.1f} mm apart; its s-form is taken, not its q-form.")
    elif header["sform_code"] <= 0 and header["qform_code"] <= 0 and is_grid(header.get_best_affine()):
        codes = "".join(nib.aff2axcodes(header.get_best_affine()))
        note(
            f"{path} does not say how the patient lay (both orientation codes are 0); its axes are taken as {codes}."
        )


def check_length(path: Path, proxy: ArrayProxy, packed: bool = False) -> None:
    """Raise InputError for a file that holds fewer voxels than claimed: before memory is set aside for them."""
    if not all(int(n) >= 0 for n in proxy.shape):
        raise ValueError("its header claims a negative length")
    claimed = int(proxy.offset) + math.prod(int(n) for n in proxy.shape) * proxy.dtype.itemsize
    held = path.stat().st_size
    if packed and held < claimed <= MOST_DEFLATE * held:
        held = claimed if claimed <= USUAL_DEFLATE * held else inflated_length(path, claimed)
    if claimed > held:
        raise InputError(
            f"{path} is truncated: it is too short for the {proxy.shape} voxels of its header; remove it and fetch "
            "it again."
        )
