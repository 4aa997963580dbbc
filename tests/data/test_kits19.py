import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from kits_msan.data import download
from kits_msan.data.cases import kits_affine
from kits_msan.data.kits19 import (
    EXCLUDED_2019,
    SPACING_ERROR,
    geometry,
    grid,
    misfit,
    name_of,
    parse_cases,
)
from kits_msan.data.split import Split, load_split, refuse_test_cases
from kits_msan.errors import InputError, InputNote

ALL = [name_of(i) for i in range(210)]
TABLE = pd.DataFrame(
    [(4, 6, 8, 3.0, 0.75)],
    columns=["slices", "rows", "columns", "thickness_mm", "pixel_mm"],
    index=["case_00007"],
)


def test_geometry_is_the_measured_one() -> None:
    table = geometry()
    assert table.index.tolist() == ALL
    assert (table["slices"].min(), table["slices"].median(), table["slices"].max()) == (29, 108, 1059)
    assert (table["slices"] < 48).sum() == 9
    assert grid(table, "case_00160") == ((252, 512, 796), (1.0, 0.451172, 0.451172))
    assert (table["slices"] * table["rows"] * table["columns"]).sum() == 11_944_271_872
    assert (table["tumor_components"] > 1).sum() == 59
    assert (table["label_dtype"] == "uint16").sum() == 9


def test_geometry_tells_any_two_cases_apart() -> None:
    """So a file of the wrong case can always be recognized, whatever the rounding of its header's spacing."""
    table = geometry()[["slices", "rows", "columns", "thickness_mm", "pixel_mm"]].to_numpy(float)
    apart = np.abs(table[:, None] - table[None]) > 2 * SPACING_ERROR
    assert (apart.any(axis=2) | np.eye(210, dtype=bool)).all()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("3", [3]),
        ("0-9", list(range(10))),
        (" 15, 0-2,1 ", [0, 1, 2, 15]),
        ("209", [209]),
        ("2019", list(EXCLUDED_2019)),
        ("2019,0", [0, *EXCLUDED_2019]),
    ],
)
def test_parse_cases(text: str, ids: list[int]) -> None:
    assert parse_cases(text) == ids


@pytest.mark.parametrize("text", ["", "a", "1,", "1-", "-1", "3-1", "210", "0-210", "1-2-3", "²", "2019-2020", "1.5"])
def test_parse_cases_refuses(text: str) -> None:
    with pytest.raises(InputError, match="is not"):
        parse_cases(text)


def test_paper_split_goes_by_id() -> None:
    split = load_split(ALL)
    assert split.train == tuple(ALL[:180])
    assert split.test == tuple(ALL[180:190])
    with pytest.warns(
        InputNote, match=r"2 of 5 cases are none of KiTS19's 210 .*left out: case_00400, scan; a split"
    ):
        few = load_split([ALL[185], ALL[200], "scan", "case_00400", ALL[3]])
    assert few == Split((ALL[3],), (ALL[185],))
    assert load_split(ALL, exclude=EXCLUDED_2019).train == tuple(
        n for n in ALL[:180] if int(n[-3:]) not in EXCLUDED_2019
    )
    assert load_split(ALL, exclude=[185]).test == tuple(n for n in ALL[180:190] if n != ALL[185])


def make_folder(path: Path, names: list[str], split: object = None) -> Path:
    for name in names:
        (path / name).mkdir(parents=True)
        (path / name / "imaging.nii.gz").touch()
    if split is not None:
        (path / "split.json").write_text(split if isinstance(split, str) else json.dumps(split), encoding="utf-8")
    return path


def test_split_file_in_the_folder_or_given(tmp_path: Path) -> None:
    names = ["case_00000", "case_00001", "case_00185", "other"]
    folder = make_folder(tmp_path / "data", names)
    assert load_split(folder) == Split(("case_00000", "case_00001"), ("case_00185",))
    (folder / "split.json").write_text(
        json.dumps({"train": ["other", "case_00185"], "test": ["case_00000"]}), encoding="utf-8"
    )
    assert load_split(folder) == Split(("other", "case_00185"), ("case_00000",))
    assert load_split(str(folder), exclude=[185]) == Split(("other",), ("case_00000",))
    given_file = tmp_path / "mine.json"
    given_file.write_text(json.dumps({"train": ["case_00001", "case_00015"], "test": []}), encoding="utf-8")
    assert load_split(folder, given_file, exclude=EXCLUDED_2019) == Split(("case_00001",), ())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": ["a", "b"], "test": ["b"]}, "split.json has b in both train and test"),
        ({"train": ["a", "gone", "lost"], "test": ["b"]}, "names gone and 1 more, absent from .*data"),
        ({"train": ["a", "a"], "test": ["b"]}, "names a twice"),
        ('{"train": ["a"], "train": ["b"], "test": []}', "lists train more than once"),
        ({"train": ["a"]}, "is not a split; name a split file that holds"),
        ({"train": ["a"], "test": "b"}, "is not a split"),
        ({"train": [1], "test": ["b"]}, "is not a split"),
        ([["a"], ["b"]], "holds no JSON object; name a split file"),
        ("{", "is damaged or not JSON"),
    ],
)
def test_broken_split_files_are_refused(tmp_path: Path, content: object, message: str) -> None:
    folder = make_folder(tmp_path / "data", ["a", "b"], content)
    with pytest.raises(InputError, match=message):
        load_split(folder)


def test_cases_in_what_is_no_part_of_a_split_are_said(tmp_path: Path) -> None:
    split = {"train": ["a"], "val": ["b", "a"], "test": [], "about": {"train": ["a"]}, "of": ["a", {}, "me"]}
    with pytest.warns(InputNote, match=r"split\.json: val is no part of a split .*left out: b\.") as notes:
        assert load_split(make_folder(tmp_path / "data", ["a", "b"], split)) == Split(("a",), ())
    assert len(notes) == 1


def test_missing_split_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.json cannot be read"):
        load_split(ALL, tmp_path / "nothing.json")


def test_empty_part_is_an_error_only_where_it_is_needed() -> None:
    split = load_split(ALL[:5])
    assert split.require("train") == tuple(ALL[:5])
    with pytest.raises(InputError, match="leaves no test case; add some of the paper's test cases 180-189"):
        split.require("test")


def test_training_on_a_test_case_is_refused() -> None:
    split = load_split(ALL)
    refuse_test_cases(split.train, split)
    with pytest.raises(InputError, match="training would see case_00181, case_00189, which"):
        refuse_test_cases([ALL[0], ALL[189], ALL[181]], split)


def write(
    path: Path, shape: tuple[int, ...] = (4, 6, 8), spacing: tuple[float, float, float] = (3.0, 0.75, 0.75)
) -> Path:
    values = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    nib.Nifti1Image(values, kits_affine(spacing)).to_filename(path)
    return path


def test_whole_file_fits(tmp_path: Path) -> None:
    path = write(tmp_path / "imaging.nii.gz")
    assert misfit(path, "case_00007", TABLE) is None
    assert misfit(path, "case_00007", TABLE, quick=True) is None
    write(path, spacing=(3.0, 0.75 + 4e-4, 0.75))
    assert misfit(path, "case_00007", TABLE) is None


def test_file_in_another_axis_order_fits(tmp_path: Path) -> None:
    path = tmp_path / "imaging.nii.gz"
    image = nib.as_closest_canonical(nib.nifti1.load(write(path)))
    assert image.shape == (8, 6, 4)
    image.to_filename(path)
    assert misfit(path, "case_00007", TABLE) is None


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"shape": (5, 6, 8)}, "has shape (5, 6, 8), but case_00007 has (4, 6, 8)"),
        ({"shape": (4, 6, 8, 2)}, "4 axes instead of 3"),
        ({"spacing": (3.0, 0.752, 0.752)}, "has spacing 3.000 x 0.752 x 0.752 mm, but case_00007 has 3.000 x 0.750"),
    ],
)
def test_wrong_geometry_is_named(tmp_path: Path, options: dict, reason: str, quick: bool) -> None:
    found = misfit(write(tmp_path / "imaging.nii.gz", **options), "case_00007", TABLE, quick=quick)
    assert found is not None
    assert reason in found


@pytest.mark.slow
def test_every_truncation_and_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "imaging.nii.gz")
    data = gzip.compress(gzip.decompress(path.read_bytes()))
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert misfit(path, "case_00007", TABLE) is not None
        assert misfit(path, "case_00007", TABLE, quick=True) is not None
    for at in range(10, len(data)):  # before lies gzip's own header, with a date
        damaged = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        path.write_bytes(damaged)
        # some bits of a deflate stream mean nothing
        assert misfit(path, "case_00007", TABLE) is not None or gzip.decompress(damaged) == gzip.decompress(data)


def test_payload_shorter_than_its_header_promises(tmp_path: Path) -> None:
    path = write(tmp_path / "imaging.nii.gz")
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-2]))
    assert misfit(path, "case_00007", TABLE) == "holds 734 bytes of the 736 that its header promises"


def test_estimate_of_all_images_is_the_known_28_gigabytes(tmp_path: Path) -> None:
    table = geometry()
    files = [f for i in range(210) for f in download._files_of(i, tmp_path, False, "", "", table)]
    assert sum(file.expected for file in files) == pytest.approx(28e9, rel=0.02)
