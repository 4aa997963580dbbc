"""What is known of KiTS19, by case id: its measured geometry, odd cases, and whether a file is whole."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from kits_msan.errors import InputError, millimeters
from kits_msan.formats.grids import shape_and_spacing
from kits_msan.formats.nifti import BROKEN, inflated_length

CASES = 210  # with public labels: ids 0 to 209
EXCLUDED_2019 = (15, 23, 37, 68, 125, 133)  # usually left out with the labels as they were frozen for the challenge
SPACING_ERROR = 5e-4  # mm; the two most alike cases (94, 113) differ by 2e-3, rounding by far less


def geometry() -> pd.DataFrame:
    """The measured geometry of all 210 cases, indexed by case name ("case_00000").

    Columns: slices, rows, columns (voxels); thickness_mm, pixel_mm; label_dtype; kidney_ml (label 1 alone),
    tumor_ml; tumor_components (connected by faces); foreground_slices. No two cases share shape and spacing.
    Source: labels of github.com/neheller/kits19, commit 456b293; CC BY-NC-SA 4.0.
    """
    return pd.read_csv(Path(__file__).with_name("kits19_geometry.csv"), comment="#", index_col="case")


def grid(table: pd.DataFrame, name: str) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Shape in voxels and spacing in mm, both (slices, rows, columns), of a case in a table like `geometry()`."""
    slices, rows, columns, thickness, pixel = (
        float(table[column][name]) for column in ("slices", "rows", "columns", "thickness_mm", "pixel_mm")
    )
    return (int(slices), int(rows), int(columns)), (thickness, pixel, pixel)


def name_of(case_id: int) -> str:
    """`case_00042` for 42."""
    return f"case_{case_id:05d}"


def parse_cases(text: str) -> list[int]:
    """Case ids, sorted and each once, from a list such as "0-9,15", or "2019" for the cases excluded in 2019.

    Raises InputError for anything else and for ids beyond 0..209.
    """
    ids: set[int] = set()
    for item in text.split(","):
        first, dash, last = (part.strip() for part in item.partition("-"))
        if first == "2019" and not dash:
            ids.update(EXCLUDED_2019)
            continue
        bounds = (first, last) if dash else (first, first)
        if not all(bound.isascii() and bound.isdigit() for bound in bounds):
            raise InputError(f"{item!r} in {text!r} is not a case; give ids such as 3, 0-9 or 0-9,15.")
        low, high = int(bounds[0]), int(bounds[1])
        if not low <= high < CASES:
            raise InputError(f"{item!r} in {text!r} is not within the cases 0-{CASES - 1} of KiTS19, low-high.")
        ids.update(range(low, high + 1))
    return sorted(ids)


def misfit(path: Path, name: str, table: pd.DataFrame, quick: bool = False) -> str | None:
    """Why the .nii.gz at `path` is not a whole file of the case `name`, as the end of a sentence; None if it is.

    Reads the file to its end, so that gzip's own checksum (CRC-32) is tested; its header must fit the shape and
    spacing in `table` (see `geometry`). `quick` compares only header and gzip's closing length: enough to find
    a truncated file at once, blind to a flipped bit, and strict about files of several gzip members.
    """
    wanted_shape, wanted_spacing = grid(table, name)
    if reason := damage(path, quick):
        return reason
    header = nib.load(path).header
    assert isinstance(header, nib.Nifti1Header)
    try:
        if len(header.get_data_shape()) != 3:
            raise ValueError(f"{len(header.get_data_shape())} axes instead of 3")
        shape, spacing = shape_and_spacing(header)
    except BROKEN as error:
        return f"is no case of KiTS19 ({error})"
    if shape != wanted_shape:
        return f"has shape {shape}, but {name} has {wanted_shape}"
    if not np.allclose(spacing, wanted_spacing, rtol=0, atol=SPACING_ERROR):
        return f"has spacing {millimeters(spacing, 3)}, but {name} has {millimeters(wanted_spacing, 3)}"
    return None


def damage(path: Path, quick: bool = False) -> str | None:
    """Why the .nii.gz at `path` is no whole file, of whatever scan, as the end of a sentence; quick: see `misfit`."""
    try:
        image = nib.load(path)
        if not (isinstance(image, nib.Nifti1Image) and isinstance(image.dataobj, nib.arrayproxy.ArrayProxy)):
            return "is not NIfTI"
        promised = int(image.dataobj.offset) + math.prod(image.shape) * image.get_data_dtype().itemsize
        held = _closing_length(path) if quick else inflated_length(path)
    except BROKEN as error:
        return f"is truncated, damaged or not NIfTI ({str(error).strip().splitlines()[0] if str(error) else 'empty'})"
    if held < promised or (quick and held != promised % 2**32):
        return f"holds {held} bytes of the {promised} that its header promises"
    return None


def _closing_length(path: Path) -> int:
    with open(path, "rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(), "little")
