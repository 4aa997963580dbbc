"""What is known of KiTS19, by case id: its measured geometry, the paper's split, label versions and odd cases.

Everything here selects by case id or name, never by a position in a list: a folder that holds only some of the
cases then means the same as one that holds all.
"""

import gzip
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pandas as pd

from kits_msan.data.cases import case_name, find_cases
from kits_msan.data.nifti import BROKEN, affine_in_kits_order, to_kits_order
from kits_msan.errors import InputError

CASES = 210  # with public labels: ids 0 to 209
PAPER_TRAIN, PAPER_TEST = range(180), range(180, 190)  # paper, section 3: first 180, and ten of 180 to 190
CORRECTED = (15, 23, 37, 125)  # labels that the dataset's authors corrected in December 2019
EXCLUDED_2019 = (15, 23, 37, 68, 125, 133)  # usually left out with the labels as they were frozen for the challenge
SPLIT_FILE = "split.json"
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


def format_cases(ids: Iterable[int]) -> str:
    """The shortest text that `parse_cases` reads as `ids`: "0-9,15"."""
    runs: list[list[int]] = []
    for case_id in sorted(set(ids)):
        if runs and case_id == runs[-1][1] + 1:
            runs[-1][1] = case_id
        else:
            runs.append([case_id, case_id])
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in runs)


@dataclass(frozen=True)
class Split:
    """Names of the training and the test cases; no case is in both."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def require(self, part: Literal["train", "test"]) -> tuple[str, ...]:
        """The names of one part. Raises InputError if it is empty."""
        names = self.train if part == "train" else self.test
        if not names:
            ids = PAPER_TRAIN if part == "train" else PAPER_TEST
            raise InputError(
                f"the split leaves no {part} case; add some of the paper's {part} cases {format_cases(ids)} to the "
                f"data folder, or name a split file that lists others."
            )
        return names


def load_split(
    data: str | Path | Sequence[str], split_file: str | Path | None = None, exclude: Iterable[int] = ()
) -> Split:
    """Which of the cases that are present are for training and which for test.

    data: a folder of cases, or the names of the cases.
    split_file: JSON, {"train": [names], "test": [names]}. Without it, `split.json` in the data folder is taken
    (a folder of phantoms has one); without that, the paper's split: ids 0-179 train, 180-189 test.
    exclude: case ids to leave out of both, such as EXCLUDED_2019.
    Raises InputError if the split file is broken, names a case twice, in both parts, or one that is absent.
    """
    out = {name_of(case_id) for case_id in exclude}
    if isinstance(data, str | Path):
        names, where = [case_name(path) for path in find_cases(data)], str(data)
        beside = Path(data) / SPLIT_FILE
        split_file = beside if split_file is None and beside.is_file() else split_file
    else:
        names, where = list(data), "the given cases"
    present = set(names) - out
    if split_file is None:
        train, test = ([name_of(i) for i in ids if name_of(i) in present] for ids in (PAPER_TRAIN, PAPER_TEST))
        return Split(tuple(train), tuple(test))
    parts = _read_split(Path(split_file))
    listed = [name for name in parts.train + parts.test if name not in out]
    absent = sorted(set(listed) - present)
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise InputError(f"{split_file} names {absent[0]}{more}, absent from {where}; add or exclude what is absent.")
    return Split(*(tuple(name for name in part if name in present) for part in (parts.train, parts.test)))


def refuse_test_cases(train_names: Iterable[str], split: Split) -> None:
    """Raise InputError if a training run over `train_names` would see a test case of `split`."""
    seen = sorted(set(train_names) & set(split.test))
    if seen:
        raise InputError(f"training would see {', '.join(seen)}, which the split keeps for testing; leave them out.")


def misfit(path: Path, name: str, table: pd.DataFrame, quick: bool = False) -> str | None:
    """Why the .nii.gz at `path` is not a whole file of the case `name`, as the end of a sentence; None if it is.

    Reads the file to its end, so that gzip's own checksum (CRC-32) is tested; its header must fit the shape and
    spacing in `table` (see `geometry`). `quick` compares only header and gzip's closing length: enough to find
    a truncated file at once, blind to a flipped bit, and strict about files of several gzip members.
    """
    wanted_shape, wanted_spacing = grid(table, name)
    try:
        image = nib.load(path)
        if not (isinstance(image, nib.Nifti1Image) and isinstance(image.dataobj, nib.arrayproxy.ArrayProxy)):
            return "is not NIfTI"
        shape, spacing = _in_kits_order(image.header)
        promised = int(image.dataobj.offset) + math.prod(shape) * image.get_data_dtype().itemsize
        held = _closing_length(path) if quick else _inflated_length(path)
    except BROKEN as error:
        return f"is truncated, damaged or not NIfTI ({str(error).strip().splitlines()[0] if str(error) else 'empty'})"
    if shape != wanted_shape:
        return f"has shape {shape}, but {name} has {wanted_shape}"
    if not np.allclose(spacing, wanted_spacing, rtol=0, atol=SPACING_ERROR):
        return f"has spacing {_millimeters(spacing)}, but {name} has {_millimeters(wanted_spacing)}"
    if held < promised or (quick and held != promised % 2**32):
        return f"holds {held} bytes of the {promised} that its header promises"
    return None


def _read_split(path: Path) -> Split:
    wanted = 'it must hold {"train": [names], "test": [names]}'
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name a split file.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {wanted}.") from error
    parts = [content.get(part) if isinstance(content, dict) else None for part in ("train", "test")]
    lists = [tuple(part) for part in parts if isinstance(part, list) and all(isinstance(n, str) for n in part)]
    if len(lists) < 2:
        raise InputError(f"{path} is not a split; {wanted}.")
    train, test = lists
    both = sorted(set(train) & set(test))
    if both:
        raise InputError(f"{path} has {both[0]} in both train and test; a case can only be in one.")
    for names in lists:
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path} names {twice} twice; name each case once.")
    return Split(train, test)


def _in_kits_order(header: nib.Nifti1Header) -> tuple[tuple[int, ...], tuple[float, ...]]:
    shape = tuple(int(n) for n in header.get_data_shape())
    if len(shape) != 3:
        raise ValueError(f"{len(shape)} axes instead of 3")
    order = np.argsort(to_kits_order(header)[:, 0])
    sizes = nib.affines.voxel_sizes(affine_in_kits_order(header))
    return tuple(shape[axis] for axis in order), tuple(float(size) for size in sizes)


def _inflated_length(path: Path) -> int:
    total = 0
    with gzip.open(path) as stream:
        while chunk := stream.read(1 << 20):
            total += len(chunk)
    return total


def _closing_length(path: Path) -> int:
    with open(path, "rb") as stream:
        stream.seek(-4, 2)
        return int.from_bytes(stream.read(), "little")


def _millimeters(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:.3f}" for size in sizes) + " mm"
