"""One file to a (D, H, W) array of HU or of labels, whatever its format, number type and axis order.

Values are read a few planes at a time straight into the array that is returned, so that a NIfTI never costs more
memory than its array.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import InputError, check_choice, permitted
from kits_msan.formats import foreign
from kits_msan.formats.grids import (
    check_geometry,
    in_file_order,
    onto_grid,
    shape_after,
    to_kits_order,
)
from kits_msan.formats.headers import is_dicom_file
from kits_msan.formats.nifti import BROKEN, as_whole, open_nifti, read_to_end, reason

NIFTI = (".nii", ".nii.gz")
ENDINGS = (*NIFTI, *foreign.ENDINGS)
VOXELS = 2**21  # how many are read at once, or one plane
ROUNDING = 1e-3  # by which a label may miss a whole number
TUMOR, CYST = 2, 3  # the highest label of KiTS19, and what KiTS21 and KiTS23 add
Cyst = Literal["kidney", "tumor"]  # what a cyst shall count as


def is_scan_name(name: str) -> bool:
    """Whether a file's name ends like that of a volume which can be read here."""
    return name.lower().endswith(ENDINGS)


def read_image(path: Path) -> tuple[NDArray[np.int16], nib.Nifti1Header]:
    """A CT as (D, H, W) int16, and the header of its grid.

    Values are rounded to whole numbers (half a Hounsfield unit is far below any noise) and clipped to int16.
    Raises InputError, naming the file, if it cannot be read, is broken, truncated, fails its checksum, is not 3-D, or
    holds NaN or infinite voxels. No memory is set aside for voxels that the file does not hold.
    """
    with _opened(path) as (voxels, header, stream):
        transform = to_kits_order(header)
        out = np.empty(shape_after(voxels.shape, transform), np.int16)
        _fill(in_file_order(out, transform), voxels, path, "voxels; export it again with every voxel in HU", as_whole)
        read_to_end(stream)
    return out, header


def read_labels(
    path: Path, image: tuple[Path, nib.Nifti1Header] | None = None, cyst: Cyst | None = None
) -> tuple[NDArray[np.uint8], nib.Nifti1Header]:
    """Labels as (D, H, W) uint8: 0 background, 1 kidney, 2 tumor; and the header of their grid.

    image: the file and header of the CT (or truth) that the labels belong to; they are turned to its grid.
    cyst: what the label 3 of KiTS21 and KiTS23 shall count as. KiTS19 counts cysts as kidney.
    Raises InputError as `read_image` does, for values that are no such label, and for labels that do not lie on the
    image's points.
    """
    if cyst is not None:
        check_choice("meaning of a cyst", cyst, get_args(Cyst))
    with _opened(path) as (voxels, header, stream):
        transform = onto_grid(path, header, *image) if image else to_kits_order(header)
        out = np.empty(shape_after(voxels.shape, transform), np.uint8)
        whole = partial(_as_labels, path, cyst)
        _fill(in_file_order(out, transform), voxels, path, "labels; save them as whole numbers", whole)
        read_to_end(stream)
    return out, header


def read_header(path: Path) -> nib.Nifti1Header:
    """The header of a file's grid. Raises InputError as `read_image` does, but for what only the voxels show."""
    with _opened(path) as (_, header, _):
        return header


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, nib.Nifti1Header, Any]]:
    """Voxels (i, j, k) that can be sliced, the header of their grid, and the stream to read to its end."""
    name = path.name.lower()
    if not name.endswith(ENDINGS) and path.is_file() and is_dicom_file(path):
        raise InputError(f"{path} is a single DICOM file; name the folder that holds its whole series.")
    if not name.endswith(ENDINGS):
        raise InputError(
            f"{path} is not a NIfTI file; its name must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, so "
            "convert it (a folder of DICOM slices is read as it is)."
        )
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link to a file that is absent; fetch it or name another.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a folder, a pipe or a device, not a file; name another.")
    opened = False
    try:
        with (
            permitted(path),
            (open_nifti if name.endswith(NIFTI) else foreign.open_foreign)(path) as (voxels, header, stream),
        ):
            _check_voxels(path, voxels)
            check_geometry(path, header)
            to_kits_order(header)
            opened = True
            yield voxels, header, stream
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; fetch it or name another.") from error
    except BROKEN as error:
        if opened:
            raise InputError(
                f"{path} is truncated or damaged ({reason(error)}); remove it and fetch it again."
            ) from error
        kind = "NIfTI file" if name.endswith(NIFTI) else "volume"
        raise InputError(f"{path} is not a readable {kind} ({reason(error)}); fetch or export it anew.") from error


def _fill(out: NDArray, voxels: Any, path: Path, what: str, change: Callable[[NDArray], NDArray]) -> None:
    """Put `change` of the voxels into `out`, both (i, j, k), a few planes at a time, the slowest axis on disk last.

    Raises InputError, ending in `what`, for values that are not finite.
    """
    shape = voxels.shape
    count = max(1, VOXELS // (shape[0] * shape[1]))
    for start in range(0, shape[2], count):
        place = slice(start, start + count)
        with np.errstate(all="ignore"):  # a scaling that overflows
            planes = np.asarray(voxels[:, :, place]).reshape(*shape[:2], -1)
        if planes.dtype.kind == "f" and not np.isfinite(planes).all():
            raise InputError(f"{path} holds NaN or infinite {what}.")
        out[..., place] = change(planes)


def _as_labels(path: Path, cyst: Cyst | None, planes: NDArray) -> NDArray:
    """The planes as whole labels. Raises InputError, naming a value that is none."""
    whole = np.rint(planes) if planes.dtype.kind == "f" else planes
    broken = planes[np.abs(planes - whole) > ROUNDING] if planes.dtype.kind == "f" else planes[:0]
    if broken.size:
        raise InputError(
            f"{path} holds {broken.flat[0]:.3g}, which is no label; it may be a probability or an interpolated "
            "label, so save whole labels: 0, 1 (kidney) and 2 (tumor)."
        )
    low, high = whole.min(), whole.max()
    if high == CYST and low >= 0:
        if cyst is None:
            raise InputError(
                f"{path} holds the label 3; labels are 0, 1 (kidney) and 2 (tumor), and if 3 is a cyst as in KiTS21 "
                "and KiTS23, add --cyst kidney (as in KiTS19) or --cyst tumor to `prepare`, `ablation` or `evaluate` "
                "(and to `train` give the store that `prepare` makes)."
            )
        whole = np.where(whole == CYST, {"kidney": 1, "tumor": TUMOR}[cyst], whole)
    elif low < 0 or high > TUMOR:
        raise InputError(
            f"{path} holds the label {low if low < 0 else high:g}; labels are 0, 1 (kidney) and 2 (tumor)."
        )
    return whole


def _check_voxels(path: Path, voxels: Any) -> None:
    shape = tuple(int(n) for n in voxels.shape)
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise InputError(f"{path} has shape {shape}, but a CT volume has three axes; extract one volume first.")
    if min(shape) < 1:
        raise InputError(f"{path} has shape {shape}, which holds no voxels; export it anew.")
    if voxels.dtype.kind not in "iuf":
        raise InputError(f"{path} holds colors or complex numbers; export it with one number a voxel, in HU.")
