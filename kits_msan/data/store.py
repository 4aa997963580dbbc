"""The prepared store: cases at a network's spacing, memory-mapped, from which slabs are drawn.

Each case is two .npy files with the slices first, so that a slab of whole slices is one contiguous read, and an
index with checksums, written last: without it the case does not count. manifest.json, written when all is done,
makes a folder a store that training can use alone. `prepare` writes all of it.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kits_msan.data.cases import KIDNEY, TUMOR
from kits_msan.data.kits19 import name_of
from kits_msan.data.split import Split, load_split
from kits_msan.errors import InputError, millimeters, note, permitted
from kits_msan.files import read_json
from kits_msan.formats.grids import checked_spacing
from kits_msan.formats.hounsfield import NOT_AIR
from kits_msan.profiles import Profile

STORE_VERSION = 2  # goes up when the same case would be stored otherwise
MANIFEST = "manifest.json"
IN_AIR = 0.02  # of a label; of five true ones at most 0.00004, and 0.002 if they are 2 voxels too wide
KINDS = ("image", "label")
OPEN_FILES = 10_240  # of a process; macOS grants no more


@dataclass(frozen=True)
class StoredCase:
    """One case of the store: image (D, H, W) int16 HU and label (D, H, W) uint8, memory-mapped, and its slices."""

    name: str
    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    slices: dict[int, NDArray[np.int64]]  # class -> indices of the slices that show it
    crc32: tuple[int, ...] = ()  # of image and label


def is_store(path: Path) -> bool:
    """Whether `path` is a folder with stored cases, be it whole or not."""
    return path.is_dir() and any(path.glob(f"*.{KINDS[0]}.npy"))


def split_of(data: Path, split_file: Path | None = None, exclude: Sequence[int] = ()) -> Split:
    """`load_split` for a folder of cases or a store; a store remembers the split it was prepared with.

    Raises InputError as `load_split` does, and as `refuse_same_scans` for a store.
    """
    if not is_store(data):
        return load_split(data, split_file, exclude)
    manifest = _manifest(data)
    if split_file is not None:
        split = load_split(list(manifest["cases"]), split_file, exclude, store=data)
        refuse_same_scans(data, split, manifest["cases"])
        return split
    out = {name_of(case_id) for case_id in exclude}
    train, test = (tuple(n for n in manifest["split"][part] if n not in out) for part in ("train", "test"))
    return Split(train, test)


def refuse_same_scans(data: Path, split: Split, indices: Mapping[str, Any]) -> None:
    """Raise InputError if a test case has the voxels of a training case, under another name.

    indices: of each case of the split, see `index_of`; one that is damaged is passed over.
    """
    trained = {_image_sum(indices[name]): name for name in split.train}
    for name in split.test:
        if (value := _image_sum(indices[name])) in trained and value is not None:
            raise InputError(
                f"{data} holds one scan twice, as {trained[value]} for training and as {name} for test; name a split "
                "file that lists it once."
            )


def open_store(store: Path, names: Sequence[str], profile: Profile) -> list[StoredCase]:
    """The named cases of a store. Raises InputError if it is half-built, damaged, of another version or spacing."""
    manifest = _manifest(store)
    if manifest["spacing"] != profile.spacing:
        raise InputError(
            f"{store} was prepared at a spacing of {millimeters(manifest['spacing'])}, but profile {profile.name} "
            f"trains at {millimeters(profile.spacing)}; prepare the cases anew with --profile {profile.name}."
        )
    for name in names:
        if not is_whole(store, name, manifest["cases"].get(name)):
            raise InputError(f"{store} is damaged ({name} is not what its manifest says); prepare it again.")
    return [open_case(store, name) for name in names]


def open_case(out: Path, name: str) -> StoredCase:
    """One case of a store, memory-mapped. Raises InputError if its index is not what was written."""
    _allow_open_files()
    index = index_of(out, name)
    with permitted(out):
        try:
            image, label = (np.load(out / f"{name}.{kind}.npy", mmap_mode="r") for kind in KINDS)
            slices = {value: _places(index["slices"][str(value)], len(label)) for value in (KIDNEY, TUMOR)}
            checksums = tuple(int(index["files"][kind]["crc32"]) for kind in KINDS)
        except (FileNotFoundError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise InputError(f"{out} is damaged (an index is not what was written); prepare it again.") from error
    return StoredCase(name, image, label, slices, checksums)


def _allow_open_files() -> None:
    """Let this process open more files, as far as it may: each mapped case keeps two open.

    Opened only to cut a slab, a file could be another one by then, where a store is prepared anew meanwhile.
    """
    try:
        import resource
    except ImportError:  # Windows, where mapped files do not count
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def index_of(out: Path, name: str) -> dict[str, Any]:
    """What is noted of a stored case: its files, what it was made from, which slices show what."""
    return read_json(out / f"{name}.json", "prepare the cases again")


def is_whole(store: Path, name: str, index: Any) -> bool:
    """Whether the case's files are those that the index was written for."""
    for kind in KINDS:
        file = store / f"{name}.{kind}.npy"
        try:
            wanted = index["files"][kind]
            state = file.stat()
            if state.st_size != wanted["bytes"]:
                return False
            if state.st_mtime_ns != wanted["time"] and checksum(np.load(file, mmap_mode="r")) != wanted["crc32"]:
                return False  # one that was copied has another time, and is read once to compare
        except Exception as error:  # numpy raises whatever Python's parser raises on a damaged header
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise  # it says nothing about what the file holds
            return False
    return True


def slices_showing(label: NDArray[np.uint8]) -> dict[int, list[int]]:
    """For kidney and tumor, which slices of (D, H, W) labels show it."""
    return {value: [z for z, plane in enumerate(label) if (plane == value).any()] for value in (KIDNEY, TUMOR)}


def say_odd_label(path: Path, image: NDArray[np.int16], label: NDArray[np.uint8]) -> None:
    """Say of a case to learn from that its label is empty, or that part of it is air, where no kidney can be."""
    inside = image[label > 0]
    if not inside.size:
        note(f"{path} has an empty label; if its scan shows a kidney, label it or leave the case out.")
    elif (share := float((inside < NOT_AIR).mean())) > IN_AIR:
        note(
            f"{path} has a label of which {share:.0%} is air (below {NOT_AIR} HU), where no kidney can be; look "
            "whether it is of this scan, and flipped along no axis."
        )


def checksum(array: NDArray) -> int:
    """The CRC-32 of an array."""
    return zlib.crc32(np.ascontiguousarray(array).data)


def _image_sum(index: Any) -> tuple[int, int] | None:
    """Length and checksum of a stored image, which tell scans apart; None if the index is damaged."""
    try:
        return index["files"]["image"]["bytes"], index["files"]["image"]["crc32"]
    except (KeyError, TypeError):
        return None


def _places(where: Any, depth: int) -> NDArray[np.int64]:
    """Indices of slices, as an index lists them. Raises ValueError if they are none."""
    if not (isinstance(where, list) and all(type(z) is int and 0 <= z < depth for z in where)):
        raise ValueError("no slices of this case")
    return np.array(where, np.int64)


def _manifest(store: Path) -> dict[str, Any]:
    if not (store / MANIFEST).exists():
        raise InputError(f"{store} is a half-built store; run `kits-msan prepare` again to finish it.")
    manifest = read_json(store / MANIFEST, "prepare the cases again")
    if not _is_whole_manifest(manifest):
        raise InputError(f"{store / MANIFEST} lacks a part; prepare the cases again.")
    if manifest.get("store_version") != STORE_VERSION:
        raise InputError(f"{store} was prepared by another version of kits_msan; prepare it again.")
    return manifest


def _is_whole_manifest(manifest: dict[str, Any]) -> bool:
    """Whether it has its parts: each name once in the split and among the cases, and a spacing, or None for none."""
    try:
        names = [*manifest["split"]["train"], *manifest["split"]["test"]]
        if manifest["spacing"] is not None:
            manifest["spacing"] = checked_spacing("its spacing", manifest["spacing"])
        return len(set(names)) == len(names) and manifest["cases"].keys() >= set(names)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return False


def fingerprint(cases: Sequence[StoredCase]) -> str:
    """A short hash of stored cases: another name or another voxel makes another one, a copy does not."""
    return hashlib.sha256(json.dumps([[case.name, *case.crc32] for case in cases]).encode()).hexdigest()[:16]
