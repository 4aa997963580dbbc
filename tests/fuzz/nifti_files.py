"""NIfTI files of many kinds, and what a reader of damaged ones promises.

Each is read, or refused in one sentence that names it, in no more memory than the file holds.
"""

import re
import tracemalloc
import warnings
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from kits_msan.data.cases import load_case, load_label, save_segmentation
from kits_msan.errors import InputError, InputNote

OVERHEAD = 2**20  # bytes for Python, nibabel and gzip, whatever the file
WIDTH = 32  # bytes of memory a byte of the file: 8 for a uint8 that is scaled, and copies of one plane


def seed_files() -> list[bytes]:
    """Small whole files of several number types, axis orders and versions, one with an extension."""
    rng = np.random.default_rng(0)
    volume = rng.integers(-900, 900, (5, 4, 3))  # tiny: most of what can be wrong is in the header
    upright = np.diag([0.8, 0.8, 3, 1])
    kits = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [-3, 0, 0, 0], [0, 0, 0, 1]])
    files = []
    for dtype in (np.int16, np.uint8, np.uint16, np.int32, np.float32, np.float64, np.int64, np.uint64):
        image = nib.Nifti1Image(np.clip(volume, 0, None).astype(dtype), kits, dtype=dtype)
        image.header.set_slope_inter(2, -900)
        files.append(image.to_bytes())
    files.append(nib.Nifti1Image(volume.astype(np.int16), upright).to_bytes())
    files.append(nib.Nifti2Image(volume.astype(np.int16), upright).to_bytes())
    image = nib.Nifti1Image(volume.astype(np.int16), kits)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made up"))
    files.append(image.to_bytes())
    swapped = nib.Nifti1Header(endianness=">")
    files.append(nib.Nifti1Image(volume.astype(">i2"), kits, swapped).to_bytes())
    return files


def honest_size(content: bytes) -> int:
    """Bytes that the file really holds, decompressed as far as it can be."""
    total, data = 0, content
    while data.startswith(b"\x1f\x8b"):
        stream = zlib.decompressobj(31)
        try:
            total += len(stream.decompress(data))
        except zlib.error:
            break
        data = stream.unused_data
    return max(total, len(content))


def read_honestly(path: Path) -> None:
    """Read a scan, write its segmentation and read that. AssertionError if the reader breaks its word."""
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", InputNote)
            case = load_case(path)
        assert np.isfinite(case.affine).all()
        assert min(case.spacing) > 0
        save_segmentation(np.ones(case.shape, np.uint8), case, path.parent / "out.nii")
        assert load_label(path.parent / "out.nii").shape == case.shape
    except InputError as error:
        said = str(error)
        assert said.startswith(f"{path} "), said
        assert said.endswith("."), said
        assert not re.search(r"[.!?]\s|\n", said), said
        raise
    finally:
        used, held = tracemalloc.get_traced_memory()[1], honest_size(path.read_bytes())
        tracemalloc.stop()
        assert used < OVERHEAD + WIDTH * held, f"{used} bytes of memory for a file that holds {held}"
