"""The volumes of the slice viewer: checked before anything is sent, and packed small for the way to the browser."""

import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kits_msan.data.cases import Case
from kits_msan.errors import InputError
from kits_msan.formats import nifti

PLANES = ("axial", "coronal", "sagittal")  # plane k cuts across axis k of a (D, H, W) volume
BLOCK_VOXELS = 1 << 22  # a volume is compressed in blocks of whole slices of about this size, on all cores

Shape = tuple[int, ...]


def checked_image(case: Case) -> NDArray[np.int16]:
    """The (D, H, W) image of a case in whole HU. Raises InputError if it has none, or nothing in it."""
    if not isinstance(case, Case):
        raise InputError(f"{type(case).__name__} is no case; read the scan first: SliceViewer(load_case(path)).")
    if case.image is None:
        raise InputError(f"{case.name} has no image to show; read it with its image.")
    image = np.asarray(case.image)
    if image.ndim != 3 or image.size == 0:
        raise InputError(f"the image of {case.name} has shape {image.shape}; a volume (D, H, W) is needed.")
    if image.dtype == np.int16:
        return image
    limits = np.iinfo(np.int16)
    if not np.isfinite(image).all() or image.min() < limits.min or image.max() > limits.max:
        raise InputError(f"the image of {case.name} holds values that are not HU (not finite or beyond 16 bits).")
    return np.rint(image).astype(np.int16)


def check_names(what: str, given: Any) -> None:
    """Raise InputError for arguments that are no dict of texts to arrays."""
    if not isinstance(given, Mapping):
        raise InputError(f"{what} is a {type(given).__name__}; give each array a name: {what}={{'mine': array}}.")
    for name in given:
        if not isinstance(name, str):
            raise InputError(f"{what} has the name {name!r}; names are texts, such as {str(name)!r}.")


def checked_labels(name: str, labels: ArrayLike, shape: Shape) -> NDArray[np.uint8]:
    """A copy, (D, H, W) uint8: it is sent when it is shown, and the caller's array may be filled anew by then.

    Raises InputError for another shape than the image's, or another label than 0, 1, 2.
    """
    return nifti.checked_labels(f"the overlay {name!r} holds", _checked_shape(name, labels, shape)).copy()


def checked_heat(name: str, values: ArrayLike, shape: Shape) -> tuple[NDArray[np.uint8], float, float]:
    """The values in 256 steps as (D, H, W) uint8, with the lowest and highest.

    Raises InputError for another shape than the image's, or a value or a range that is not finite.
    """
    given = _checked_shape(name, values, shape)
    low, high = float(given.min()), float(given.max())
    if not np.isfinite([low, high, high - low]).all():
        raise InputError(
            f"the heat map {name!r} holds NaN or infinity, or numbers too far apart; replace them, with "
            "np.nan_to_num for example."
        )
    steps, span = np.empty(shape, np.uint8), (high - low) or 1.0
    for plane, own in zip(steps, given, strict=True):  # in double precision, but not all at once
        plane[:] = np.rint(np.subtract(own, low, dtype=float) / span * 255).clip(0, 255)
    return steps, low, high


def voxels_per_slice(labels: NDArray[np.uint8], value: int) -> dict[str, list[int]]:
    """For each plane, how many voxels of that value each slice of (D, H, W) labels holds."""
    places = np.unravel_index(np.flatnonzero(labels == value), labels.shape)
    counts = [np.bincount(at, minlength=size).tolist() for at, size in zip(places, labels.shape, strict=True)]
    return dict(zip(PLANES, counts, strict=True))


def pack_labels(volume: NDArray[np.uint8]) -> list[bytes]:
    """Compress labels; `readBytes` in js/volume.js is the way back."""
    return _compress([np.ascontiguousarray(block) for block in _blocks(volume)], zlib.Z_RLE)


def pack_heat(volume: NDArray[np.uint8]) -> list[bytes]:
    """Compress a heat map; `readBytes` in js/volume.js is the way back."""
    return _compress([np.ascontiguousarray(block) for block in _blocks(volume)], zlib.Z_DEFAULT_STRATEGY)


def pack_hounsfield(volume: NDArray[np.int16], step: int = 1) -> list[bytes]:
    """Compress a volume of HU, rounded to multiples of `step`; `readHounsfield` in js/volume.js is the way back.

    Each voxel becomes its difference from the one before, folded to a number without sign; low bytes come first,
    then high bytes. On CT that takes a third less room than compressing the HU themselves.
    """
    return _compress([_folded_differences(block, step) for block in _blocks(volume)], zlib.Z_RLE)


def _folded_differences(block: NDArray[np.int16], step: int) -> NDArray[np.uint8]:
    values = block.ravel()
    if step > 1:  # whose multiples must fit 16 bits in the browser, too
        values = np.rint(values / step).clip(-(32768 // step), 32767 // step).astype(np.int16)
    difference = np.diff(values, prepend=np.int16(0))  # modulo 16 bits, as in the browser
    folded = ((difference << 1) ^ (difference >> 15)).view(np.uint16)  # 0, -1, 1, -2 become 0, 1, 2, 3
    return np.concatenate([(folded & 255).astype(np.uint8), (folded >> 8).astype(np.uint8)])


def _blocks(volume: NDArray[Any]) -> list[NDArray[Any]]:
    slices = max(1, BLOCK_VOXELS // (volume.shape[1] * volume.shape[2]))
    return [volume[start : start + slices] for start in range(0, len(volume), slices)]


def _compress(blocks: list[NDArray[np.uint8]], strategy: int) -> list[bytes]:
    """zlib on all cores. Looking for runs only is twice as fast on noisy CT, and smaller on CT and labels."""

    def compress(block: NDArray[np.uint8]) -> bytes:
        stream = zlib.compressobj(level=1, strategy=strategy)
        return stream.compress(block.data) + stream.flush()

    with ThreadPoolExecutor() as pool:  # zlib lets go of the interpreter lock
        return list(pool.map(compress, blocks))


def _checked_shape(name: str, values: ArrayLike, shape: Shape) -> NDArray[Any]:
    given = np.asarray(values)
    if given.shape != shape:
        raise InputError(f"{name!r} has shape {given.shape}, but the image has {shape}; resample it to the image.")
    if given.dtype.kind not in "biuf":
        raise InputError(f"{name!r} holds values of type {given.dtype}; whole or real numbers are needed.")
    return given
