"""Which files of a DICOM folder are slices, and which series is the one to read.

pydicom reads the headers, with or without a preamble. What is no image (a DICOMDIR, a report) is passed over. Which
series was taken among several, and what was left out of it, is said.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np

from kits_msan.errors import InputError, first_of, note
from kits_msan.formats.headers import Slice, is_dicom_file, is_directory, read_header, start_of, text_of

NAMED = (".dcm", "")  # endings of a slice's name
PACKED = re.compile(r"\.(?:gz|bz2|xz|zst|zip|part|tmp|crdownload)$")  # what packing and fetching add to names
ENOUGH = 5  # slices, to be taken by itself among several series: a localizer has one to three
DEEPEST = 5  # folders below: patient, study, series and what some exports put around them
SAME_DIRECTION = 1e-3  # between direction cosines of slices of one stack
AXIAL = 0.7  # cosine between the slices' normal and the patient's long axis


def is_dicom_folder(path: Path, deep: bool = True) -> bool:
    """Whether a DICOM file lies in the folder `path`, or, if `deep`, not far below it."""
    levels = _levels(path) if deep else islice(_levels(path), 1)
    return path.is_dir() and any(_may_be_dicom(file) for files in levels for file in files)


def _may_be_dicom(file: Path) -> bool:
    """As `is_dicom_file`; of a file that cannot be read the name decides, and whoever loads it is told."""
    try:
        return is_dicom_file(file)
    except OSError:
        return file.suffix.lower() in NAMED


def series_of(path: Path) -> tuple[str, str] | None:
    """The study and series of the first whole image in or below a folder; None if there is none."""
    one = next(_whole(_levels(path)), None)
    return (one.study, one.series) if one else None


def hold_parts(path: Path, other: Path, series: str) -> bool:
    """Whether two folders hold different slices of a series; else they are copies, or do not say."""
    one, two = ({one.uid for one in _whole(_levels(each)) if one.series == series} for each in (path, other))
    return "" not in one | two and one.isdisjoint(two)


def dicom_files(path: Path) -> list[Path]:
    """All DICOM files in or below a folder, hidden ones and directories of others left out."""
    return [file for files in _levels(path) for file in files if _may_be_dicom(file)]


def _whole(levels: Iterator[list[Path]]) -> Iterator[Slice]:
    """The images that can be read; whoever loads a series is told of the others."""
    for files in levels:
        for file in files:
            with suppress(OSError, ValueError):
                if is_dicom_file(file) and (one := read_header(file)):
                    yield one


def choose_series(path: Path, wanted: str | None = None) -> list[Slice]:
    """The slices of one series in or below a folder, unsorted, without localizers.

    wanted: the series' number or UID. Without it the only series is taken, or the only axial CT with enough slices.
    Raises InputError, naming the folder or file, where there is none or more than one, or where a file is damaged.
    """
    groups: dict[str, list[Slice]] = defaultdict(list)
    for one in _images(path):
        groups[one.series].append(one)
    series = sorted(groups.values(), key=lambda group: (len(group[0].number), group[0].number))
    if not series:
        raise InputError(f"{path} holds no DICOM image that can be read; export the series anew.")
    chosen = series
    if wanted is not None:
        chosen = [group for group in series if wanted in (group[0].number, group[0].series)]
    elif len(series) > 1:
        chosen = [group for group in series if _fits(group)]
    if len(chosen) != 1:
        asked = "" if wanted is None else f" ({len(chosen) or 'none'} with number {text_of(wanted)})"
        raise InputError(
            f"{path} holds {len(series)} DICOM series{asked}; leave only the one to segment in the folder, or choose "
            f"it with --series and its number or UID: {_listed(series, series)}."
        )
    if len(series) > 1 and wanted is None:
        others = [group for group in series if group is not chosen[0]]
        taken = _described(chosen[0], series)
        note(f"{path}: {taken} is taken; the folder also holds {_listed(others, series)} (--series N).")
    return _without_localizers(chosen[0])


def _levels(path: Path) -> Iterator[list[Path]]:
    """The files of a folder, then of those below it, each folder's sorted by name; hidden ones are passed over."""
    for folder, below, names in os.walk(path, onerror=_raise_denied, followlinks=True):
        deep = len(Path(folder).relative_to(path).parts) >= DEEPEST
        below[:] = [] if deep else sorted(name for name in below if not name.startswith("."))
        files = (Path(folder, name) for name in sorted(names) if not name.startswith("."))
        yield [file for file in files if file.is_file() or (file.is_symlink() and not file.exists())]


def _images(path: Path) -> list[Slice]:
    """All images right in the folder; where there are none, those below it.

    Raises InputError for one that is damaged, for files that seem to be lost ones, and for CTs below others, which
    would be passed over.
    """
    images: list[Slice] = []
    others: list[Path] = []
    damaged: list[Path] = []
    levels = _levels(path)
    for level, files in enumerate(levels):
        for file in files:
            lost = file.is_symlink() and not file.exists()
            ending = file.suffix.lower()
            if not (ending in NAMED if lost else ending == ".dcm" or is_dicom_file(file)):
                others.append(file)
                continue
            try:
                one = read_header(file)
                images += [one] if one else []
            except ValueError:
                damaged.append(file)
        if images and level == 0:
            # reports, and segmentations beside their scan, are no CTs
            if below := next((one for one in _whole(levels) if one.modality in ("CT", "")), None):
                raise InputError(
                    f"{path} holds DICOM images, and so does {below.file.parent}, below it; name the folder of one "
                    f"of them, or move the files that lie right in {path.name} into a folder of their own."
                )
            break
    damaged += _lost_slices(path, images, others)
    if images and damaged:
        unpack = "unpack this file, " if PACKED.search(damaged[0].name) else ""
        raise InputError(
            f"{damaged[0]} cannot be read as a DICOM image; {unpack}export the series anew, or remove this file."
        )
    return images


def _lost_slices(path: Path, images: Sequence[Slice], others: Sequence[Path]) -> list[Path]:
    """Of files that are no DICOM, those named like the slices beside them; says which others are empty."""
    names = {(one.file.parent, _naming(one.file)) for one in images}
    empty, lost = [], []
    for file in others:
        start = start_of(file) if file.exists() else b"a link to nothing"
        if (file.parent, _naming(file)) in names and not is_directory(file, start):
            lost += [] if PACKED.search(file.name) and file.with_suffix("").exists() else [file]  # both are there
        elif not start.strip(b"\0"):
            empty.append(file.name)
    if images and empty:
        note(f"{path}: {first_of(empty)} empty and passed over; if that was a slice, export the series anew.")
    return lost


def _naming(file: Path) -> str:
    """What names of a series' slices have in common, whatever their numbers."""
    return re.sub(r"\d+", "#", PACKED.sub("", file.name.lower()))


def _fits(group: Sequence[Slice]) -> bool:
    """Whether a series can be the CT that is meant: axial, with enough slices."""
    stack = [one for one in group if not one.localizer]
    return (
        len(stack) >= ENOUGH
        and all(one.modality in ("CT", "") and one.frames == 1 for one in stack)
        and float(np.median([abs(one.axes[2, 2]) for one in stack])) > AXIAL
    )


def _without_localizers(group: list[Slice]) -> list[Slice]:
    """The series without localizers, and without up to three slices that lie across all others; says so."""
    stack = [one for one in group if not one.localizer]
    stack = stack if len(stack) > 1 else group
    directions = [tuple(np.nan_to_num(np.rint(one.axes[:, :2].ravel() * 2))) for one in stack]  # by 30 degrees
    usual, count = Counter(directions).most_common(1)[0]
    if count >= ENOUGH and len(stack) - count <= 3:
        stack = [one for one, direction in zip(stack, directions, strict=True) if direction == usual]
    left_out = [one.file.name for one in group if one not in stack]
    if names := ", ".join(left_out[:3]):
        note(f"{group[0].file.parent}: {names} left out, as a localizer or because it lies across the rest.")
    return stack


def _listed(groups: Sequence[Sequence[Slice]], among: Sequence[Sequence[Slice]]) -> str:
    return first_of([_described(group, among) for group in groups], 6, "; ")


def _described(group: Sequence[Slice], among: Sequence[Sequence[Slice]]) -> str:
    """Number, description, slices and spacing of a series; and its UID, if another has its number."""
    first = group[0]
    steps = np.diff(sorted(one.height for one in group))
    apart = f", {np.median(steps):.2g} mm apart" if len(steps) and np.median(steps) > 0 else ""
    name = f' "{first.description[:40]}"' if first.description else ""
    same = first.number and sum(other[0].number == first.number for other in among) > 1
    what = f"{first.modality or 'CT'}, {len(group)} slice{'s' if len(group) > 1 else ''}{apart}"
    return f"series {first.number or first.series}{name} ({what}{f', UID {first.series}' if same else ''})"


def _raise_denied(error: OSError) -> None:
    """For os.walk, to which a folder that may not be listed is an empty one."""
    if isinstance(error, PermissionError):
        raise error
