"""A DICOM series to an array in KiTS19's axis order.

SimpleITK reads the pixels, whatever their compression; slices are sorted by position here and read one at a time
into the array that is returned. DICOM counts millimeters to the patient's left and back (LPS), NIfTI to the right and
front (RAS).
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import InputError, note
from kits_msan.formats.grids import LPS_TO_RAS, check_geometry, in_file_order, shape_after, to_kits_order
from kits_msan.formats.headers import Slice
from kits_msan.formats.hounsfield import AIR_HU
from kits_msan.formats.nifti import as_whole, new_header
from kits_msan.formats.pixels import PixelReader
from kits_msan.formats.series import SAME_DIRECTION, choose_series

UNEVEN = 0.1  # share by which the steps between slices may differ
UPRIGHT = 0.2  # pixels that a stack may slide sideways before it counts as tilted


def read_series(path: Path, series: str | None = None) -> tuple[NDArray[np.int16], nib.Nifti1Header]:
    """Read the series in a folder: (D, H, W) int16 HU, rescaled as its files say, and the header of its NIfTI twin.

    series: number or UID, where the folder holds several. A stack whose gantry was tilted is brought to an upright
    grid, each slice moved within its plane by linear interpolation (our choice): a grid that is not upright can be
    said by an s-form only, and half of all readers do not read it.
    Raises InputError, naming folder or file, for anything but one stack of parallel slices evenly apart, and for what
    cannot be read.
    """
    with PixelReader() as pixels:
        stack = _sorted(path, _once(path, choose_series(path, series), pixels))
        slid = _slid(stack)  # (slices, 2) pixels along rows and columns
        tilted = bool(np.abs(slid).max() > UPRIGHT)
        first, last = (np.floor(slid.min(0)), np.ceil(slid.max(0))) if tilted else (np.zeros(2), np.zeros(2))
        rows, columns = stack[0].size
        width, height = (int(n) for n in np.array([columns, rows]) + last - first)
        header = new_header((width, height, len(stack)), _affine(stack, first))
        check_geometry(path, header)
        if tilted:
            far = np.abs(slid * stack[0].pixel[::-1]).max()
            note(
                f"{path}: its slices lie up to {far:.1f} mm sideways of the first, as with a tilted gantry or a "
                "table that moved; they are brought to an upright grid, on which their segmentation lies."
            )
        transform = to_kits_order(header)
        volume = np.empty(shape_after(header.get_data_shape(), transform), np.int16)
        view = in_file_order(volume, transform)  # (columns, rows, slices)
        for index, one in enumerate(stack):
            plane = pixels.read(one)
            if tilted:
                plane = _moved(plane, slid[index] - first, (height, width))
            view[:, :, index] = as_whole(plane).T
    return volume, header


def _once(path: Path, slices: list[Slice], pixels: PixelReader) -> list[Slice]:
    """Each slice once: copies under other names are left out."""
    first: dict[tuple[Any, ...], Slice] = {}
    kept, copies = [], []
    for one in slices:
        other = first.setdefault((one.uid, one.size, *one.origin, *one.axes.ravel()), one)
        if one.uid and other is not one and np.array_equal(pixels.read(one), pixels.read(other)):
            copies.append(one.file.name)
        else:
            kept.append(one)
    if copies:
        note(f"{path} holds {len(copies)} slices twice ({copies[0]} is a copy); each is taken once.")
    return kept


def _sorted(path: Path, slices: list[Slice]) -> list[Slice]:
    """The stack from its first slice to its last. Raises InputError if it is none."""
    first = slices[0]
    if first.modality not in ("CT", ""):
        raise InputError(f"{first.file} is of modality {first.modality}, not a CT; leave only the CT in the folder.")
    for one in slices:
        if one.flaw:
            raise InputError(f"{one.file} {one.flaw}.")
        if not (np.isfinite([one.height, *one.origin]).all() and one.pixel.min() > 0):
            raise InputError(f"{one.file} does not say where its slice lies; export the series anew.")
        if all(one.rescale) != all(first.rescale):
            lacks = one if all(first.rescale) else first
            raise InputError(
                f"{lacks.file} lacks the rescale slope or intercept that other slices have; export the series anew."
            )
        if what := _difference(one, first):
            raise InputError(
                f"{path} holds slices of {what} ({first.file.name}, {one.file.name}); leave only one scan in the "
                "folder."
            )
    if len(slices) < 2:
        raise InputError(f"{path} holds a single slice; a CT volume needs the whole series.")
    if len(ways := {one.rescale for one in slices}) > 1:
        note(f"{path}: its slices are rescaled to HU in {len(ways)} ways; each by its own slope and intercept.")
    stack = sorted(slices, key=lambda one: one.height)
    steps = np.diff([one.height for one in stack])
    if steps.min() < 1e-3:
        at = int(steps.argmin())
        raise InputError(
            f"{path} holds two slices at one position ({stack[at].file.name} and {stack[at + 1].file.name}); "
            "leave only one phase of the scan in the folder."
        )
    turns = [(a.file.name, b.file.name) for a, b in pairwise(stack) if a.acquisition != b.acquisition]
    if len(turns) > max(2 * len({one.acquisition for one in stack}), len(stack) // 2):  # a scan has them in blocks
        raise InputError(
            f"{path} holds the slices of several acquisitions in turn ({turns[0][0]}, {turns[0][1]}); leave only one "
            "phase of the scan in the folder."
        )
    if np.ptp(steps) > UNEVEN * np.median(steps):
        at = int(steps.argmax())
        raise InputError(
            f"{path} has slices {steps.min():.2f} to {steps.max():.2f} mm apart, the most between "
            f"{stack[at].file.name} and {stack[at + 1].file.name}; export the series with all of them."
        )
    return stack


def _difference(one: Slice, other: Slice) -> str:
    """What two slices have that no stack has; empty if they can be of one."""
    if any(a and b and a != b for a, b in ((one.study, other.study), (one.patient, other.patient))):
        return "two patients or studies in one series"
    if one.size != other.size or not np.allclose(one.pixel, other.pixel, rtol=1e-3):
        return "different sizes"
    return "" if np.allclose(one.axes, other.axes, atol=SAME_DIRECTION) else "different directions"


def _slid(stack: Sequence[Slice]) -> NDArray[np.float64]:
    """How far each slice lies sideways of the first: (slices, 2) pixels along rows and along columns."""
    origins = np.array([one.origin for one in stack])
    return (origins - origins[0]) @ stack[0].axes[:, :2] / stack[0].pixel[::-1]


def _affine(stack: Sequence[Slice], first: NDArray) -> NDArray[np.float64]:
    """Upright, from (column, row, slice) indices to RAS millimeters; `first`: where it begins, in pixels."""
    one = stack[0]
    step = (stack[-1].height - one.height) / (len(stack) - 1)
    affine = np.eye(4)
    affine[:3, :3] = LPS_TO_RAS @ one.axes * [one.pixel[1], one.pixel[0], step]
    affine[:3, 3] = LPS_TO_RAS @ (one.origin + one.axes[:, :2] @ (first * one.pixel[::-1]))
    return affine


def _moved(plane: NDArray, by: NDArray, shape: tuple[int, int]) -> NDArray:
    """A slice moved by pixels along rows and columns, on a larger canvas of air."""
    from scipy.ndimage import affine_transform

    return affine_transform(
        plane.astype(np.float32), np.ones(2), offset=-by[::-1], output_shape=shape, order=1, cval=AIR_HU
    )
