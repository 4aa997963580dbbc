"""The prepared store: cases at a network's spacing, memory-mapped, from which slabs are drawn.

Each case is two .npy files with the slices first, so that a slab of whole slices is one contiguous read, and an
index with checksums, written last: without it the case does not count. manifest.json, written when all is done,
makes a folder a store that training can use alone.
"""

import json
import math
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from tqdm.auto import tqdm

from kits_msan import __version__
from kits_msan.data.cases import IMAGE, KIDNEY, TUMOR, case_name, load_case
from kits_msan.data.kits19 import Split, load_split, name_of
from kits_msan.data.nifti import read_grid
from kits_msan.data.resampling import grid_shape, resample_case
from kits_msan.errors import InputError
from kits_msan.files import atomic_file, write_json
from kits_msan.profiles import Profile

STORE_VERSION = 2  # goes up when the same case would be stored otherwise
MANIFEST, LOCK = "manifest.json", ".prepare.lock"
KINDS = ("image", "label")
VOXEL_BYTES = 3  # int16 image and uint8 label


@dataclass(frozen=True)
class StoredCase:
    """One case of the store: image (D, H, W) int16 HU and label (D, H, W) uint8, memory-mapped, and its slices."""

    name: str
    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    slices: dict[int, NDArray[np.int64]]  # class -> indices of the slices that show it
    crc32: tuple[int, ...] = ()  # of image and label


def build_store(paths: Sequence[Path], out: Path, profile: Profile, progress: bool = False) -> list[StoredCase]:
    """Bring the cases at `paths` to the profile's spacing and keep them under `out`; what is there is used again.

    A case is made anew when its files or the spacing changed. Raises InputError for a case without image or label.
    """
    for path in tqdm(paths, desc="preparing cases", disable=not progress, leave=False):
        if not _is_stored(path, out, profile):
            _store_case(path, out, profile)
    return [_open_case(out, case_name(path)) for path in paths]


def prepare(
    data: Path, out: Path, profile: Profile, split: Split, strict: bool = False, progress: bool = True
) -> dict[str, str]:
    """Make `out` a store of all cases of `split` in the folder `data`; returns the cases left out, and why.

    One case is in memory at a time. A stopped run goes on where it was. A broken case is left out of the store and
    of its split; with `strict` it raises InputError. So does a disk that is too small, before anything is written.
    """
    if out.is_file() or (out.is_dir() and not is_store(out) and any(out.glob("[!.]*"))):
        raise InputError(f"{out} holds something that is no store; name another folder.")
    split.require("train")
    paths = [data / name for name in (*split.train, *split.test)]
    left_out: dict[str, str] = {}
    todo = [path for path in paths if not _is_stored(path, out, profile)]
    _check_space(todo, out, profile)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            (out / MANIFEST).unlink(missing_ok=True)  # until all is done, this is no store
            for file in out.glob(".tmp-*"):  # of a run that was killed
                file.unlink()
            for path in tqdm(todo, desc="preparing cases", disable=not progress):
                try:
                    _store_case(path, out, profile)
                except InputError as error:
                    if strict:
                        raise
                    left_out[case_name(path)] = str(error)
            parts = [[name for name in part if name not in left_out] for part in (split.train, split.test)]
            _remove_others(out, {name for part in parts for name in part})
            if not parts[0] + parts[1]:
                raise InputError(f"none of the cases in {data} can be used: {min(left_out.values())}")
            write_json(
                out / MANIFEST,
                {
                    "store_version": STORE_VERSION, "package_version": __version__, "profile": profile.name,
                    "spacing": profile.spacing,
                    "split": {"train": parts[0], "test": parts[1]}, "left_out": left_out,
                    "cases": {name: _index(out, name) for part in parts for name in part},
                },
            )  # fmt: skip
    except Timeout as error:
        raise InputError(f"another `prepare` is writing to {out}; wait for it or stop it first.") from error
    return left_out


def is_store(path: Path) -> bool:
    """Whether `path` is a folder with stored cases, be it whole or not."""
    return path.is_dir() and any(path.glob(f"*.{KINDS[0]}.npy"))


def split_of(data: Path, split_file: Path | None = None, exclude: Sequence[int] = ()) -> Split:
    """`load_split` for a folder of cases or a store; a store remembers the split it was prepared with."""
    if not is_store(data):
        return load_split(data, split_file, exclude)
    manifest = _manifest(data)
    if split_file is not None:
        return load_split(list(manifest["cases"]), split_file, exclude)
    out = {name_of(case_id) for case_id in exclude}
    train, test = (tuple(n for n in manifest["split"][part] if n not in out) for part in ("train", "test"))
    return Split(train, test)


def open_cases(
    data: Path, names: Sequence[str], profile: Profile, store: Path, progress: bool = False
) -> list[StoredCase]:
    """The named cases of `data`: straight from it if it is a store, else brought to the spacing and kept in `store`.

    Raises InputError for a store that is half-built, damaged, or of another version or spacing.
    """
    if not is_store(data):
        return build_store([data / name for name in names], store, profile, progress)
    manifest = _manifest(data)
    if manifest["spacing"] != _jsonable(profile.spacing):
        raise InputError(
            f"{data} was prepared at a spacing of {_millimeters(manifest['spacing'])}, but profile {profile.name} "
            f"trains at {_millimeters(profile.spacing)}; prepare the cases anew with --profile {profile.name}."
        )
    for name in names:
        if not _is_whole(data, name, manifest["cases"][name]):
            raise InputError(f"{data} is damaged ({name} is not what its manifest says); prepare it again.")
    return [_open_case(data, name) for name in names]


def _manifest(store: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((store / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{store} is a half-built store; run `kits-msan prepare` again to finish it.") from error
    if manifest.get("store_version") != STORE_VERSION:
        raise InputError(f"{store} was prepared by another version of kits_msan; prepare it again.")
    return manifest


def _is_stored(path: Path, out: Path, profile: Profile) -> bool:
    name = case_name(path)
    if not (out / f"{name}.json").exists():
        return False
    index = _index(out, name)
    return index.get("made_from") == _jsonable(_origin(path, profile)) and _is_whole(out, name, index)


def _is_whole(store: Path, name: str, index: dict[str, Any]) -> bool:
    """Whether the case's files are those that the index was written for."""
    for kind in KINDS:
        file, wanted = store / f"{name}.{kind}.npy", index["files"][kind]
        try:
            state = file.stat()
            if state.st_size != wanted["bytes"]:
                return False
            if state.st_mtime_ns != wanted["time"] and _checksum(np.load(file, mmap_mode="r")) != wanted["crc32"]:
                return False  # one that was copied has another time, and is read once to compare
        except (OSError, ValueError):
            return False
    return True


def _store_case(path: Path, out: Path, profile: Profile) -> None:
    name, origin = case_name(path), _origin(path, profile)
    case = load_case(path)
    if case.image is None or case.label is None:
        raise InputError(f"{path} lacks its image or its label; training needs both.")
    case = resample_case(case, profile.spacing)
    assert case.image is not None
    assert case.label is not None
    (out / f"{name}.json").unlink(missing_ok=True)
    files = {}
    arrays: dict[str, NDArray] = {"image": case.image, "label": case.label}
    for kind, array in arrays.items():
        file = out / f"{name}.{kind}.npy"
        with atomic_file(file) as temporary:
            np.save(temporary, array)
        state = file.stat()
        files[kind] = {"bytes": state.st_size, "time": state.st_mtime_ns, "crc32": _checksum(array)}
    shows = {value: [z for z, plane in enumerate(case.label) if (plane == value).any()] for value in (KIDNEY, TUMOR)}
    write_json(out / f"{name}.json", {"made_from": origin, "files": files, "slices": shows})


def _open_case(out: Path, name: str) -> StoredCase:
    index = _index(out, name)
    slices = {int(value): np.array(where, int) for value, where in index["slices"].items()}
    image, label = (np.load(out / f"{name}.{kind}.npy", mmap_mode="r") for kind in KINDS)
    return StoredCase(name, image, label, slices, tuple(index["files"][kind]["crc32"] for kind in KINDS))


def _index(out: Path, name: str) -> dict[str, Any]:
    return json.loads((out / f"{name}.json").read_text(encoding="utf-8"))


def _origin(path: Path, profile: Profile) -> dict[str, Any]:
    """What a stored case depends on: if any of it differs, it is made anew."""
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    source = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    return {"version": STORE_VERSION, "spacing": profile.spacing, "source": source}


def _remove_others(out: Path, names: set[str]) -> None:
    """Cases of an earlier run that are no longer asked for."""
    for file in out.glob("*.json"):
        if file.name != MANIFEST and file.stem not in names:
            for other in (file, *(out / f"{file.stem}.{kind}.npy" for kind in KINDS)):
                other.unlink(missing_ok=True)


def _check_space(paths: Sequence[Path], out: Path, profile: Profile) -> None:
    needed = sum(_bytes_of(path, profile) for path in paths)
    there = next(folder for folder in (out, *out.resolve().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"{out} has {free / 1e9:.2f} GB free, but about {needed / 1e9:.2f} GB are needed; "
            "make space or name a folder on another disk."
        )


def _bytes_of(path: Path, profile: Profile) -> int:
    try:
        shape, spacing = read_grid(path / IMAGE if path.is_dir() else path)
    except (InputError, OSError):
        return 0  # it will be named when its turn comes
    return VOXEL_BYTES * math.prod(grid_shape(shape, spacing, profile.spacing or spacing))


def _checksum(array: NDArray) -> int:
    value = 0
    for plane in array:
        value = zlib.crc32(np.ascontiguousarray(plane).data, value)
    return value


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _millimeters(spacing: Sequence[float] | None) -> str:
    return " x ".join(f"{size:g}" for size in spacing) + " mm" if spacing else "each scan's own"
