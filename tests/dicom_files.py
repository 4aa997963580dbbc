"""A small DICOM series that is written for tests: one file a slice, by SimpleITK."""

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK

SHAPE, PIXEL, STEP = (6, 9, 8), (0.75, 0.5), 3.0  # slices, rows, columns; mm between rows and between columns
UPRIGHT = np.eye(3)
TILT = np.deg2rad(20)
OBLIQUE = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])
FEET_FIRST = np.diag([-1.0, 1.0, -1.0])
ORIGIN = np.array([-100.0, -80.0, 40.0])  # LPS, of the lowest slice's first pixel


def voxels() -> np.ndarray:
    """(slice, row, column) HU from the lowest slice up, each its own."""
    return (np.arange(np.prod(SHAPE)).reshape(SHAPE) - 300).astype(np.int16)


def write_series(
    folder: Path, volume: np.ndarray, axes: np.ndarray = UPRIGHT, series: str = "1", intercept: int = -1024,
    positions: list[float] | None = None, compressed: bool = False, compressor: str = "JPEG2000",
) -> None:  # fmt: skip
    """One file a slice, in shuffled file order, with unsigned pixels that are rescaled to HU."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(len(volume))
    for index, plane in enumerate(volume):
        image = SimpleITK.GetImageFromArray(plane.astype(np.float64)[None])  # the writer takes off the intercept
        image.SetSpacing((PIXEL[1], PIXEL[0], STEP))
        at = ORIGIN + axes[:, 2] * (STEP * index if positions is None else positions[index])
        tags = {
            "0008|0060": "CT", "0020|000e": f"1.2.3.{series}", "0020|000d": "1.2.3", "0020|0013": str(index),
            "0008|0018": f"1.2.3.{series}.{index}", "0020|0032": "\\".join(f"{x:.9g}" for x in at),
            "0020|0037": "\\".join(f"{x:.9g}" for x in axes[:, :2].T.ravel()), "0028|1052": str(intercept),
            "0028|1053": "1", "0028|0100": "16", "0028|0101": "16", "0028|0102": "15", "0028|0103": "0",
        }  # fmt: skip
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        image.SetOrigin(at)
        image.SetDirection(axes.ravel())
        writer = SimpleITK.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetUseCompression(compressed)
        writer.SetCompressor(compressor)
        writer.SetFileName(str(folder / f"{series}-{order[index]:03d}.dcm"))
        writer.Execute(image)


def change(path: Path, **tags: object) -> None:
    """Give tags of a file, or of all in a folder, another value; None takes them away."""
    for file in path.iterdir() if path.is_dir() else [path]:
        data = pydicom.dcmread(file)
        for name, value in tags.items():
            if value is None:
                delattr(data, name)
            else:
                setattr(data, name, value)
        data.save_as(file)


def ras(axes: np.ndarray, index: tuple[int, int, int]) -> np.ndarray:
    """RAS millimeters of a pixel (slice, row, column), by hand."""
    slice_, row, column = index
    lps = ORIGIN + axes @ [PIXEL[1] * column, PIXEL[0] * row, STEP * slice_]
    return lps * [-1, -1, 1]
