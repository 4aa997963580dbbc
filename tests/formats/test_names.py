"""Names, links and what is no file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from turned import Make

from kits_msan.data.cases import IMAGE, LABEL, case_name, find_cases, load_case, save_case
from kits_msan.data.split import Split, load_split
from kits_msan.errors import InputError, InputNote
from kits_msan.metrics import score_folders


def test_a_link_has_its_own_name_not_its_targets(tmp_path: Path, make_case: Make) -> None:
    save_case(make_case("patient"), tmp_path / "store/patient")
    (tmp_path / "farm").mkdir()
    (tmp_path / "farm/case_00007").symlink_to(tmp_path / "store/patient")
    (tmp_path / "store/5fd924625f6a").write_bytes((tmp_path / "store/patient" / LABEL).read_bytes())
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/case_00007.nii.gz").symlink_to("../store/5fd924625f6a")
    assert [case_name(path) for path in find_cases(tmp_path / "farm")] == ["case_00007"]
    assert load_case(tmp_path / "farm/case_00007").name == "case_00007"
    scores = score_folders(tmp_path / "labels", tmp_path / "farm")
    assert scores["case"].tolist() == ["case_00007"]
    assert scores["kidney"].tolist() == [1.0]


def test_link_to_an_absent_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "scan.nii.gz").symlink_to(tmp_path / "annex/absent")
    with pytest.raises(InputError, match=r"scan\.nii\.gz is a link to a file that is absent"):
        load_case(find_cases(tmp_path)[0])


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (loop, "is a link to a file that is absent"),
        (os.mkfifo, "is a folder, a pipe or a device, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "is a folder, a pipe or a device, not a file"),
        (Path.mkdir, "holds no case"),
    ],
    ids=["link to itself", "pipe", "device", "folder"],
)
def test_what_is_no_file_costs_one_scan_and_nobody_waits_for_it(
    tmp_path: Path, make_case: Make, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "one" / "scan.nii.gz"
    path.parent.mkdir()
    make(path)
    with pytest.raises(InputError, match=message):
        find_cases(path)
    save_case(make_case(), tmp_path / "one/case_00000")
    for found in set(find_cases(path.parent)) - {path.parent / "case_00000"}:
        with pytest.raises(InputError, match=message):
            load_case(found)


def test_two_of_one_name_and_truths_without_prediction(tmp_path: Path, make_case: Make) -> None:
    for name in ("case_00000", "case_00001"):
        save_case(make_case(name), tmp_path / "truth" / name)
    shutil.copytree(tmp_path / "truth/case_00000", tmp_path / "found/case_00000")
    with pytest.warns(InputNote, match="lacks 1 of the 2 cases of .* that are to be scored: case_00001"):
        assert len(score_folders(tmp_path / "found", tmp_path / "truth")) == 1
    shutil.copy(tmp_path / "truth/case_00000" / LABEL, tmp_path / "truth/case_00000.nii.gz")
    with pytest.raises(InputError, match=r"two scans named case_00000, case_00000 and case_00000\.nii\.gz"):
        score_folders(tmp_path / "found", tmp_path / "truth")


def test_what_may_be_a_scan_and_is_no_case_is_said(tmp_path: Path, make_case: Make) -> None:
    for name in ("case_00000", "unpacked", "renamed", "._case_00001"):
        save_case(make_case(), tmp_path / name)
    (tmp_path / "unpacked" / IMAGE).rename(tmp_path / "unpacked/imaging.nii")
    (tmp_path / "renamed" / IMAGE).rename(tmp_path / "renamed/ct.nii.gz")
    for name in ("unpacked", "renamed"):
        (tmp_path / name / LABEL).unlink()
    for name in ("scan.mhd", "more.zip", "split.json", "._scan.nii.gz"):
        (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.warns(InputNote, match=r": more\.zip, renamed, scan\.mhd and 1 more passed over; a case is a folder"):
        assert [path.name for path in find_cases(tmp_path)] == ["case_00000"]


def test_a_split_as_windows_writes_it_is_read(tmp_path: Path, data: Path) -> None:
    text = '{"train": ["case_00000"],\r\n "test": ["case_00003"]}\r\n'
    (tmp_path / "split.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_split(data, tmp_path / "split.json") == Split(("case_00000",), ("case_00003",))
