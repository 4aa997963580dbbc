"""What lies beside cases and is none, so that no scan is left out without a word."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kits_msan.errors import InputError, first_of, note
from kits_msan.formats.series import hold_parts, series_of
from kits_msan.formats.volumes import is_scan_name

OTHERS = (  # endings of scans, or of archives of them, that are not read here
    *(".mhd", ".nhdr", ".mgz", ".mgh", ".mnc", ".nii.bz2", ".nii.xz", ".nii.zst", ".dcm.gz"),
    *(".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"),
)


def say_passed_over(folder: Path, cases: Sequence[Path], names: Sequence[str]) -> None:
    """Say which entries of a folder of cases look like scans and are not among the cases.

    names: of the files that make a folder a case.
    """
    over = sorted(entry.name for entry in set(folder.iterdir()) - set(cases) if _may_hold_a_scan(entry))
    if over:
        note(
            f"{folder}: {first_of(over)} passed over; a case is a folder with {' or '.join(names)}, and other "
            "formats and archives must be converted or unpacked first."
        )


def check_beside_series(folder: Path, names: Sequence[str]) -> None:
    """Say which scans lie beside the slices of a DICOM folder. Raises InputError for cases beside DICOM files."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    cases = [entry.name for entry in entries if entry.is_dir() and any((entry / name).exists() for name in names)]
    if cases:
        raise InputError(
            f"{folder} holds DICOM files beside the cases {first_of(cases)}; move the DICOM files into a folder of "
            "their own."
        )
    if scans := [entry.name for entry in entries if is_scan_name(entry.name)]:
        note(f"{folder} is read as a DICOM series; {first_of(scans)} beside it passed over.")


def are_one_study(folder: Path, cases: Sequence[Path], image: str) -> bool:
    """Whether they are several series of one DICOM study, which is one case, and not copies of one series.

    image: the file that makes a folder a case whatever DICOM lies in it. Says which two hold parts of one series.
    """
    try:
        folders = [case for case in cases if case.is_dir() and not (case / image).exists()]
        found = [(case, series) for case in folders if (series := series_of(case))]
        _say_parts(folder, found)
    except PermissionError:
        return False
    studies, names = {series[0] for _, series in found}, {series for _, series in found}
    return 1 < len(cases) == len(found) == len(names) and len(studies) == 1 and "" not in studies


def _say_parts(folder: Path, found: Sequence[tuple[Path, tuple[str, str]]]) -> None:
    holders: dict[tuple[str, str], list[Path]] = {}
    for case, series in found:
        holders.setdefault(series, []).append(case)
    for series, cases in holders.items():
        if len(cases) > 1 and hold_parts(cases[0], cases[1], series[1]):  # two tell whether all are copies
            note(
                f"{folder}: {cases[0].name} and {cases[1].name} hold different slices of one DICOM series, and are "
                "taken as two scans; if they are parts of one, put them into one folder."
            )


def _may_hold_a_scan(entry: Path) -> bool:
    if entry.name.startswith("."):
        return False
    with suppress(PermissionError):
        if entry.is_dir():
            return any(is_scan_name(file.name) and not file.name.startswith(".") for file in entry.iterdir())
    return entry.name.lower().endswith(OTHERS)
