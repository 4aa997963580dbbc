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
from kits_msan.formats.series import is_dicom_file
from kits_msan.formats.volumes import is_scan_name, read_image

NIBABEL = Path(nibabel.__file__).parent / "tests/data"
PYDICOM = Path(pydicom.__file__).parent / "data/test_files"
READ = "read, as by the other reader"


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
    other, points = _by_pydicom(path) if path.is_dir() else _by_itk(path)
    affine = affine_in_kits_order(header)
    place = np.linalg.inv(affine) @ np.vstack([points.T, np.ones(len(points))])
    index = np.rint(place[:3]).astype(int)
    assert np.abs(place[:3] - index).max() < 1e-2, "other points"
    assert np.array_equal(volume[tuple(index)], np.clip(np.rint(other), -32768, 32767)), "other voxels"
    return READ


def _by_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Some voxels of a file, and their RAS millimeters."""
    image = SimpleITK.ReadImage(str(path))
    rng = np.random.default_rng(0)
    indices = rng.integers(0, image.GetSize(), (200, 3)).tolist()
    values = np.array([image.GetPixel(index) for index in indices], float)
    points = np.array([image.TransformIndexToPhysicalPoint(index) for index in indices])
    return values, points * [-1, -1, 1]


def _by_pydicom(path: Path) -> tuple[np.ndarray, np.ndarray]:
    values, points = [], []
    rng = np.random.default_rng(0)
    for file in sorted(path.rglob("*")):
        data = pydicom.dcmread(file, force=True)
        pixels = data.pixel_array * float(data.get("RescaleSlope", 1)) + float(data.get("RescaleIntercept", 0))
        across, down = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
        for row, column in rng.integers(0, pixels.shape, (50, 2)):
            step = across * column * data.PixelSpacing[1] + down * row * data.PixelSpacing[0]
            values.append(pixels[row, column])
            points.append((np.array(data.ImagePositionPatient, float) + step) * [-1, -1, 1])
    return np.array(values), np.array(points)


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
    """The outcomes in Markdown, the counts first."""
    counts = Counter(result == READ for _, result in rows)
    lines = [f"{counts[True]} read as by the other reader, {counts[False]} refused in one sentence.", ""]
    lines += ["| file | outcome |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {name} | {result.replace('|', '/')} |" for name, result in rows)])


if __name__ == "__main__":
    print(table(all_outcomes([NIBABEL, PYDICOM, *map(Path, sys.argv[1:])])))
