"""Mutated NIfTI files against the reader: `python tests/fuzz/nifti_files.py 20000 [seed]`.

Each is either read or refused in one sentence that names it, at once, and in no more memory than the file holds.
A short run is part of the tests (test_nifti_files.py).
"""

import gzip
import re
import sys
import tempfile
import time
import tracemalloc
import warnings
import zlib
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np

from kits_msan.data.cases import load_case, load_label, save_segmentation
from kits_msan.errors import InputError, InputNote

SECONDS = 2.0  # of the processor that one file may take
OVERHEAD = 2**20  # bytes for Python, nibabel and gzip, whatever the file
WIDTH = 32  # bytes of memory a byte of the file: 8 for a uint8 that is scaled, and copies of one plane
FIELDS = {  # NIfTI-1: offset, number type; where most of what can be wrong is
    "sizeof_hdr": (0, "i4"), "dim": (40, "8i2"), "intent": (68, "i2"), "datatype": (70, "i2"), "bitpix": (72, "i2"),
    "pixdim": (76, "8f4"), "vox_offset": (108, "f4"), "scl_slope": (112, "f4"), "scl_inter": (116, "f4"),
    "xyzt_units": (123, "u1"), "qform_code": (252, "i2"), "sform_code": (254, "i2"), "quatern": (256, "6f4"),
    "srow": (280, "12f4"), "magic": (344, "4u1"), "extension": (348, "4u1"), "esize": (352, "2i4"),
}  # fmt: skip
NASTY: dict[str, list[float]] = {
    "f": [0, -1, 1, 1e-30, 1e30, -1e30, np.nan, np.inf, -np.inf, 352, 351.5, 1e9, 2**31],
    "i": [0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 128, 256, 512, 1024, 1536, 1792, 2304, 3001, 32767, -32768, 2**31 - 1],
    "u": [0, 1, 2, 10, 43, 49, 50, 110, 255],
}  # fmt: skip


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


def mutate(rng: np.random.Generator, content: bytes) -> tuple[str, bytes]:
    """A file name and content: header fields, bytes or length changed, before or after compression."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        kind = rng.choice(["field", "field", "field", "bytes", "cut", "grow", "splice"])
        if kind == "field":
            offset, fmt = FIELDS[str(rng.choice(list(FIELDS)))]
            dtype = np.dtype(fmt).base
            at = offset + int(rng.integers(max(1, np.dtype(fmt).itemsize // dtype.itemsize))) * dtype.itemsize
            if rng.random() < 0.7:
                with np.errstate(all="ignore"):
                    value = np.array(rng.choice(NASTY[dtype.kind])).astype(dtype).tobytes()
            else:
                value = rng.bytes(dtype.itemsize)
            data[at : at + len(value)] = value
        elif kind == "bytes":
            for _ in range(rng.integers(1, 9)):
                data[rng.integers(len(data))] = rng.integers(256)
        elif kind == "cut":
            del data[int(rng.integers(1, len(data))) :]
        elif kind == "grow":
            data += rng.bytes(int(rng.integers(1, 4000)))
        else:
            at = int(rng.integers(len(data)))
            data[at:at] = rng.bytes(int(rng.integers(1, 64)))
        if not data:
            return "scan.nii", b""
    if rng.random() < 0.5:
        return "scan.nii", bytes(data)
    packed = bytearray(gzip.compress(bytes(data), compresslevel=1))
    draw = rng.random()
    if draw < 0.1:
        packed[rng.integers(len(packed))] = rng.integers(256)
    elif draw < 0.2:
        del packed[int(rng.integers(len(packed))) :]
    elif draw < 0.3:
        packed += gzip.compress(rng.bytes(100)) if rng.random() < 0.5 else rng.bytes(20)
    return "scan.nii.gz", bytes(packed)


def honest_size(name: str, content: bytes) -> int:
    """Bytes that the file really holds, decompressed as far as it can be."""
    if not name.endswith(".gz"):
        return len(content)
    total, data = 0, content
    while data:
        stream = zlib.decompressobj(31)
        try:
            total += len(stream.decompress(data))
        except zlib.error:
            break
        data = stream.unused_data
    return max(total, len(content))


def check(path: Path, content: bytes, overhead: int = OVERHEAD) -> str:
    """Read a file and say how it went; AssertionError if the reader breaks its word."""
    path.write_bytes(content)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", InputNote)
            case = load_case(path)
        outcome = "read"
        assert case.image is not None
        assert case.image.dtype == np.int16
        assert np.isfinite(case.affine).all()
        assert min(case.spacing) > 0
        save_segmentation(np.ones(case.shape, np.uint8), case, path.parent / "out.nii")
        assert load_label(path.parent / "out.nii").shape == case.shape
    except InputError as error:
        message = str(error)
        outcome = re.sub(r"\(.*\)|[\d.e+-]+ x .* mm|-?\d+", "…", message.removeprefix(f"{path} "))
        assert message.startswith(f"{path} "), message
        assert "\n" not in message, message
        assert message.endswith("."), message
        assert not re.search(r"[.!?]\s", message), message
    spent = time.process_time() - started
    used = tracemalloc.get_traced_memory()[1] - before
    assert spent < SECONDS, f"{spent:.1f} s"
    held = honest_size(path.name, content)
    assert used < overhead + WIDTH * held, f"{used} bytes of memory for a file that holds {held}"
    return outcome


def fuzz(count: int, seed: int, folder: Path) -> Counter[str]:
    """Check `count` mutated files; returns how often each outcome came. What fails is kept in `folder`."""
    rng = np.random.default_rng(seed)
    seeds = seed_files()
    outcomes: Counter[str] = Counter()
    tracemalloc.start()
    check(folder / "whole.nii.gz", gzip.compress(seeds[0]), overhead=2**24)  # with what is imported on first use
    try:
        for number in range(count):
            name, content = mutate(rng, seeds[rng.integers(len(seeds))])
            try:
                outcomes[check(folder / name, content)] += 1
            except Exception as error:
                kept = folder / f"failed-{number}-{name}"
                kept.write_bytes(content)
                raise AssertionError(f"{kept}: {type(error).__name__}: {error}") from error
    finally:
        tracemalloc.stop()
    return outcomes


if __name__ == "__main__":
    begun = time.perf_counter()
    found = fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, Path(tempfile.mkdtemp()))
    for text, times in found.most_common():
        print(f"{times:6}  {text}")
    print(
        f"{sum(found.values())} files in {time.perf_counter() - begun:.0f} s: no crash, no hang, no dishonest memory"
    )
