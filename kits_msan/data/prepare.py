"""Making a store: cases brought to the profile's spacing one at a time; a stopped run goes on where it was."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.lib.format import header_data_from_array_1_0, write_array_header_1_0
from numpy.typing import NDArray
from tqdm.auto import tqdm

from kits_msan import __version__
from kits_msan.data.cases import CLASSES, IMAGE, KIDNEY, LABEL, TUMOR, case_name, find_cases, load_case
from kits_msan.data.resampling import grid_shape, resample_case
from kits_msan.data.split import Split
from kits_msan.data.store import (
    KINDS,
    MANIFEST,
    STORE_VERSION,
    StoredCase,
    checksum,
    index_of,
    is_store,
    is_whole,
    open_case,
    open_store,
    refuse_same_scans,
    say_odd_label,
    slices_showing,
    split_of,
)
from kits_msan.errors import REASONS, InputError, first_of, note, permitted
from kits_msan.files import (
    atomic_file,
    read_json,
    refuse_foreign,
    refuse_full_disk,
    refuse_results,
    remove_left_over,
    write_json,
)
from kits_msan.formats.grids import shape_and_spacing
from kits_msan.formats.volumes import Cyst, read_header
from kits_msan.locks import only_user
from kits_msan.profiles import Profile

VOXEL_BYTES = 3  # int16 image and uint8 label


def open_cases(
    data: Path, names: Sequence[str], profile: Profile, store: Path, progress: bool = False
) -> list[StoredCase]:
    """The named cases of `data`: straight from it if it is a store, else brought to the spacing and kept in `store`.

    Says so if none shows a kidney or a tumor. Raises InputError as `open_store` and `build_store` do.
    """
    if is_store(data):
        cases = open_store(data, names, profile)
    else:
        cases = build_store(_paths_of(data, names), store, profile, progress)
    _say_what_none_shows(cases, data)
    return cases


def build_store(paths: Sequence[Path], out: Path, profile: Profile, progress: bool = False) -> list[StoredCase]:
    """Bring the cases at `paths` to the profile's spacing and keep them under `out`; what is there is used again.

    A case is made anew when its files or the spacing changed. Raises InputError for a case without image or label,
    and for a disk that is too small, before anything is written. Waits for another process that prepares cases there.
    """
    with _missing(paths, out, profile, wait=True) as missing:
        for path in tqdm(missing, desc="preparing cases", disable=not progress, leave=False):
            _store_case(path, out, profile)
    return [open_case(out, case_name(path)) for path in paths]


def prepare(
    data: Path, out: Path, profile: Profile, split: Split, strict: bool = False, progress: bool = True,
    cyst: Cyst | None = None,
) -> dict[str, str]:  # fmt: skip
    """Make `out` a store of all cases of `split` in the folder `data`; returns the cases left out, and why.

    One case is in memory at a time. A stopped run goes on where it was. A broken case is left out of the store and
    of its split; with `strict` it raises InputError. So do a disk that is too small, before anything is written, a
    folder that another process prepares, and a scan that is in both parts under two names. Says so if no training
    case shows a kidney or a tumor.
    cyst: what the label 3 of KiTS21 and KiTS23 counts as.
    """
    refuse_foreign(out, _is_own(out), "store")
    refuse_results(out, overwrite=True)  # a file, or a link to nothing
    split.require("train")
    left_out: dict[str, str] = {}
    with _missing(_paths_of(data, [*split.train, *split.test]), out, profile, cyst) as missing:
        if missing or not _is_of(out, split):
            (out / MANIFEST).unlink(missing_ok=True)  # until all is done, this is no store
        for path in tqdm(missing, desc="preparing cases", disable=not progress, leave=False):
            try:
                _store_case(path, out, profile, cyst)
            except InputError as error:
                if strict:
                    raise
                left_out[case_name(path)] = str(error)
        train, test = ([name for name in part if name not in left_out] for part in (split.train, split.test))
        _remove_others(out, {*train, *test})
        if not train + test:
            raise InputError(f"no case of {data} can be used: {first_of(sorted(left_out.values()), REASONS, ' ')}")
        cases = {name: index_of(out, name) for name in train + test}
        refuse_same_scans(data, Split(tuple(train), tuple(test)), cases)
        about = {"store_version": STORE_VERSION, "package_version": __version__, "profile": profile.name}
        about |= {"spacing": profile.spacing, "split": {"train": train, "test": test}, "left_out": left_out}
        write_json(out / MANIFEST, about | {"cases": cases})
        _say_what_none_shows([open_case(out, name) for name in train], data)
    return left_out


def _paths_of(data: Path, names: Sequence[str]) -> list[Path]:
    """Where the named cases lie: a case may be a file, which has an ending that its name has not."""
    found = {case_name(path): path for path in find_cases(data)}
    return [found.get(name, data / name) for name in names]


def _say_what_none_shows(cases: Sequence[StoredCase], data: Path) -> None:
    for value in (KIDNEY, TUMOR):
        if cases and not any(case.slices[value].size for case in cases):
            note(f"no training case of {data} shows a {CLASSES[value]}, so that none can be learned.")


@contextmanager
def _missing(
    paths: Sequence[Path], out: Path, profile: Profile, cyst: Cyst | None = None, wait: bool = False
) -> Iterator[list[Path]]:
    """The cases that `out` does not hold yet; while the block runs, no other process writes there."""
    with only_user(out, "process that prepares cases", wait):
        missing = [path for path in paths if not _is_stored(path, out, profile, cyst)]
        refuse_full_disk(out, sum(_bytes_of(path, profile) for path in missing))
        remove_left_over(out)
        yield missing


def _is_of(out: Path, split: Split) -> bool:
    """Whether `out` is a whole store of this split."""
    try:
        return is_store(out) and split_of(out) == split
    except InputError:
        return False


def _is_stored(path: Path, out: Path, profile: Profile, cyst: Cyst | None) -> bool:
    name = case_name(path)
    if not (out / f"{name}.json").exists():
        return False
    try:
        index, origin = index_of(out, name), _origin(path, profile, cyst)
        same = index.get("made_from") == origin and is_whole(out, name, index)
        return bool(same and open_case(out, name))
    except InputError:  # damaged: it is made anew; or its source may not be read, which is said in its turn
        return False


def _is_own(out: Path) -> bool:
    """Whether the folder is a store, or one that was begun or is damaged."""
    try:
        return "store_version" in read_json(out / MANIFEST, "")
    except InputError:  # none yet, or half of one
        return is_store(out)


def _store_case(path: Path, out: Path, profile: Profile, cyst: Cyst | None = None) -> None:
    name, origin = case_name(path), _origin(path, profile, cyst)
    if f"{name}.json".lower() == MANIFEST:  # or would be on Windows
        raise InputError(f"{path} cannot be stored, as {MANIFEST} is a file of the store itself; rename the case.")
    case = load_case(path, cyst=cyst)
    if case.image is None or case.label is None:
        raise InputError(
            f"{path} lacks its image or its label; training needs both, as {IMAGE} and {LABEL} in a folder {name}."
        )
    say_odd_label(path, case.image, case.label)
    case = resample_case(case, profile.spacing)
    assert case.image is not None
    assert case.label is not None
    (out / f"{name}.json").unlink(missing_ok=True)
    files = {}
    arrays: Sequence[NDArray] = (case.image, case.label)
    for kind, array in zip(KINDS, arrays, strict=True):
        file = out / f"{name}.{kind}.npy"
        with atomic_file(file) as temporary, temporary.open("wb") as stream:
            # as np.save, whose error of a disk that fills has no number: "36864 requested and 24512 written"
            write_array_header_1_0(stream, header_data_from_array_1_0(array))
            stream.write(array.data)
        state = file.stat()
        files[kind] = {"bytes": state.st_size, "time": state.st_mtime_ns, "crc32": checksum(array)}
    write_json(out / f"{name}.json", {"made_from": origin, "files": files, "slices": slices_showing(case.label)})


def _origin(path: Path, profile: Profile, cyst: Cyst | None) -> dict[str, Any]:
    """What a stored case depends on: if any of it differs, it is made anew. InputError if it may not be read.

    Hidden files and links to nothing are no part of it: those that matter are named when the case is read.
    """
    with permitted(path):
        files = sorted(path.glob("[!.]*")) if path.is_dir() else [path]
        files = [file for file in files if file.exists()]
        source = [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    origin = {"version": STORE_VERSION, "spacing": profile.spacing and list(profile.spacing), "source": source}
    return origin | ({"cyst": cyst} if cyst else {})


def _remove_others(out: Path, names: set[str]) -> None:
    """Cases of an earlier run that are no longer asked for."""
    for file in out.glob("*.json"):
        if file.stem not in names and (out / f"{file.stem}.{KINDS[0]}.npy").exists():  # not somebody's notes
            for other in (file, *(out / f"{file.stem}.{kind}.npy" for kind in KINDS)):
                other.unlink(missing_ok=True)


def _bytes_of(path: Path, profile: Profile) -> int:
    try:
        shape, spacing = shape_and_spacing(read_header(path / IMAGE if path.is_dir() else path))
    except (InputError, OSError):
        return 0  # it will be named when its turn comes
    return VOXEL_BYTES * math.prod(grid_shape(shape, spacing, profile.spacing or spacing))
