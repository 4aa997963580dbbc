"""Public test files against an independent reader: `python tests/conformance/read_public_files.py [FOLDER ...]`.

Reads the files that nibabel and pydicom bring along, and those in the folders named. Each is read with the same
voxels on the same physical points as by an independent reader (SimpleITK for NIfTI, pydicom for DICOM), or refused in
one sentence. Prints a table in Markdown; docs/conformance.md has the one that was made last.
"""

import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK

from kits_msan.errors import InputError
from kits_msan.formats.dicom import read_series
from kits_msan.formats.grids import affine_in_kits_order
from kits_msan.formats.series import choose_series, is_dicom_file
from kits_msan.formats.volumes import is_scan_name, read_image

NIBABEL = Path(nibabel.__file__).parent / "tests/data"
PYDICOM = Path(pydicom.__file__).parent / "data/test_files"
READ = "read, as by the other reader"
ALONE = "read; the other reader cannot"
LPS_TO_RAS = np.array([-1, -1, 1])
EXACT = 1e-2  # of a voxel
MANY = 3  # files of one folder with one outcome, which share a line


def outcome(path: Path) -> str:
    """How reading a file, or a folder with one series, went; AssertionError if it breaks the reader's word."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            volume, header = read_series(path) if path.is_dir() else read_image(path)
    except InputError as error:
        message = str(error)
        assert message.endswith("."), message
        assert "\n" not in message, message
        assert not re.search(r"[.!?]\s", message), message
        short = re.sub(r"^\S+ |/\S+/", "", message)
        return f"refused: {short}"
    affine = affine_in_kits_order(header)
    if path.is_dir():
        return _compare_series(path, volume, affine)
    image = SimpleITK.ReadImage(str(path))
    indices = np.random.default_rng(0).integers(0, image.GetSize(), (200, 3)).tolist()
    points = np.array([image.TransformIndexToPhysicalPoint(index) for index in indices]) * LPS_TO_RAS
    place = nibabel.affines.apply_affine(np.linalg.inv(affine), points)
    assert np.abs(place - np.rint(place)).max() < EXACT, "other points"
    values = _as_int16(np.array([image.GetPixel(index) for index in indices], float))
    assert np.array_equal(volume[tuple(np.rint(place).astype(int).T)], values), "other voxels"
    return READ


def _compare_series(path: Path, volume: np.ndarray, affine: np.ndarray) -> str:
    """Some pixels of each slice by pydicom, at their points; of a tilted series, between pixels.

    The files of the series come from the reader that is tried, the pixels and places do not.
    """
    rng, planes = np.random.default_rng(0), []
    inverse = np.linalg.inv(affine)
    for file in (one.file for one in choose_series(path)):
        data = pydicom.dcmread(file, force=True)
        try:
            stored = data.pixel_array
        except Exception:  # a decoder that is not installed, or a file that only SimpleITK forgives
            return ALONE
        pixels = stored * float(data.get("RescaleSlope") or 1) + float(data.get("RescaleIntercept") or 0)
        across, down = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
        steps = np.stack([down * data.PixelSpacing[0], across * data.PixelSpacing[1]], 1) * LPS_TO_RAS[:, None]
        steps = inverse[:3, :3] @ steps  # (3, 2): in voxels, of a pixel along rows and along columns
        first = nibabel.affines.apply_affine(inverse, np.array(data.ImagePositionPatient, float) * LPS_TO_RAS)
        planes.append((pixels, first, steps))
    tilted = any(np.abs(first - np.rint(first)).max() > EXACT for _, first, _ in planes)
    for pixels, first, steps in planes:
        for pixel in rng.integers(1, np.array(pixels.shape) - 1, (50, 2)):
            voxel = np.rint(first + steps @ pixel)
            at = np.linalg.lstsq(steps, voxel - first, rcond=None)[0]  # that voxel's place among the pixels
            assert np.abs(first + steps @ at - voxel).max() < EXACT, "other points"
            value = _as_int16(_between(pixels, at if tilted else np.rint(at)))
            assert abs(int(volume[tuple(voxel.astype(int))]) - int(value)) <= tilted, "other voxels"
    return f"{READ}, between whose pixels its voxels lie" if tilted else READ


def _between(pixels: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation at (row, column)."""
    row, column = np.floor(at).astype(int)
    y, x = at - (row, column)
    square = np.pad(pixels, ((0, 1), (0, 1)), "edge")[row : row + 2, column : column + 2]
    return np.array([1 - y, y]) @ square @ np.array([1 - x, x])


def _as_int16(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def doubled(file: Path, folder: Path) -> Path:
    """A folder with a slice and the same slice a little farther: a single one is no volume."""
    shutil.copy(file, folder / "1.dcm")
    data = pydicom.dcmread(file, force=True)
    if "ImagePositionPatient" in data and "PixelData" in data and not hasattr(data, "NumberOfFrames"):
        across, down = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
        further = np.array(data.ImagePositionPatient, float) + 3 * np.cross(across, down)
        data.ImagePositionPatient = [round(float(x), 4) for x in further]
        data.SOPInstanceUID = f"{data.SOPInstanceUID[:50]}.2"
        data.save_as(folder / "2.dcm")
    return folder


def all_outcomes(folders: list[Path]) -> list[tuple[str, str]]:
    """(file, outcome) of every scan file, every DICOM file (doubled), and every folder with slices."""
    rows = []
    for root in folders:
        for file in sorted(path for path in root.rglob("*") if path.is_file()):
            name = f"{root.name}/{file.relative_to(root)}"
            if is_scan_name(file.name):
                rows.append((name, outcome(file)))
            elif is_dicom_file(file):
                with tempfile.TemporaryDirectory() as made:
                    try:
                        folder = doubled(file, Path(made))
                    except Exception:  # pydicom cannot write it again: then it stands alone
                        (Path(made) / "2.dcm").unlink(missing_ok=True)
                        folder = Path(made)
                    rows.append((name, outcome(folder)))
        for folder in sorted({path.parent for path in root.rglob("*") if path.is_file() and is_dicom_file(path)}):
            if folder != PYDICOM:
                rows.append((f"{root.name}/{folder.relative_to(root)}/", outcome(folder)))
    return rows


def table(rows: list[tuple[str, str]]) -> str:
    """The outcomes in Markdown, the counts first; files of one folder with one outcome share a line."""
    counts = Counter(result.startswith("refused") + 2 * (result == ALONE) for _, result in rows)
    more = f", {counts[2]} that the other reader cannot" if counts[2] else ""
    lines = [f"{counts[0]} read as by the other reader{more}, {counts[1]} refused in one sentence.", ""]
    lines += ["| file | outcome |", "| --- | --- |"]
    groups: dict[tuple[str, str], list[str]] = {}
    for name, result in rows:
        folder = name if name.endswith("/") else f"{name.rpartition('/')[0]}/"
        groups.setdefault((folder, result.replace(Path(name).name, "FILE").replace("|", "/")), []).append(name)
    for (folder, result), names in groups.items():
        shown = [f"{folder}: {len(names)} files"] if len(names) > MANY else names
        lines += [f"| {name} | {result} |" for name in shown]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(all_outcomes([NIBABEL, PYDICOM, *map(Path, sys.argv[1:])])))
