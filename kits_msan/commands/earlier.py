"""Which segmentations `predict` wrote before, of which scan and by which networks.

Each carries a mark in the 80 characters that a NIfTI header has for a description: hashes of the scan's file, of the
networks' files and of the labels themselves. The mark is in the file, so no kill can part the two; a segmentation
that somebody corrected no longer fits its mark and is never written over.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kits_msan import __version__
from kits_msan.data.cases import IMAGE, LABEL, Case, load_label, save_segmentation
from kits_msan.data.store import checksum
from kits_msan.errors import InputError
from kits_msan.formats.series import dicom_files
from kits_msan.formats.volumes import read_header

PATTERN = re.compile(rb"kits-msan scan=([0-9a-f]{12}) by=([0-9a-f]{12}) labels=([0-9a-f]{8})")


class Mark(NamedTuple):
    """Of which scan a segmentation is, and by which networks, as short hashes."""

    scan: str
    networks: str


def scan_id(path: Path, series: str | None = None) -> str:
    """A hash of the content of a scan: a file, a case folder's image, or a DICOM folder's slices and the series."""
    if path.is_dir():
        image = path / IMAGE
        files = [image] if image.exists() else dicom_files(path)
    else:
        files = [path]
    return _hash([*(_digest(file) for file in files), series or ""])


def networks_id(checkpoints: Sequence[Path], clean: bool) -> str:
    """A hash of all, beside the scan, that decides the labels: networks in any order, clean-up, version."""
    return _hash([*sorted(_digest(path) for path in checkpoints), str(clean), __version__])


def save_marked(labels: NDArray[np.uint8], case: Case, path: Path, mark: Mark) -> None:
    """Write labels (D, H, W) as `save_segmentation` does, with their mark."""
    assert case.header is not None
    header = case.header.copy()
    header["descrip"] = f"kits-msan scan={mark.scan} by={mark.networks} labels={_checksum(labels)}".encode()
    save_segmentation(labels, replace(case, header=header), path)


def read_mark(path: Path) -> Mark | None:
    """The mark of a segmentation; None if it has none or no longer fits its labels."""
    try:
        case = load_label(path)
    except (InputError, OSError):
        return None
    assert case.header is not None
    assert case.label is not None
    found = PATTERN.match(case.header["descrip"].item())
    if found is None or found[3].decode() != _checksum(case.label):
        return None
    return Mark(found[1].decode(), found[2].decode())


def refuse_target(out: Path, name: str, scan: Path) -> None:
    """Raise InputError where a segmentation would lie among scans or replace a file that `predict` did not write."""
    target, here, there = out / name / LABEL, Path(os.path.realpath(scan)), Path(os.path.realpath(out))
    among = (out / name / IMAGE).exists() or here == there or here in there.parents
    beside = {here.parent, Path(os.path.realpath(scan.parent))}  # of a link, its own folder and its target's
    if among or there in beside or (target.exists() and target.samefile(scan)):
        raise InputError(f"{out} holds scans, and a segmentation there would pass for a truth; name another --out.")
    if (target.exists() or target.is_symlink()) and read_mark(target) is None:
        raise InputError(
            f"{target} was not written by kits-msan predict, or was changed since, and is never written over; "
            "move it away or name another folder."
        )


def marked(out: Path) -> Iterator[tuple[str, Mark]]:
    """The case name and mark of each segmentation in `out` that has one."""
    for path in sorted(out.glob(f"*/{LABEL}")):
        if mark := read_mark(path):
            yield path.parent.name, mark


def has_mark(out: Path) -> bool:
    """Whether the first segmentation in `out` has a mark, be it still of these labels or not; no voxel is read."""
    first = next(iter(sorted(out.glob(f"*/{LABEL}"))), out / LABEL)
    try:
        return PATTERN.match(read_header(first)["descrip"].item()) is not None
    except (InputError, OSError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _checksum(labels: NDArray[np.uint8]) -> str:
    return f"{checksum(labels):08x}"
