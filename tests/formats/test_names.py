"""Names, links and what is no file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from turned import Make

from kits_msan.data.cases import LABEL, case_name, find_cases, load_case, save_case
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
    with pytest.warns(InputNote, match="lacks 1 of the 2 cases in .*: case_00001"):
        assert len(score_folders(tmp_path / "found", tmp_path / "truth")) == 1
    shutil.copy(tmp_path / "truth/case_00000" / LABEL, tmp_path / "truth/case_00000.nii.gz")
    with pytest.raises(InputError, match=r"two scans named case_00000, case_00000 and case_00000\.nii\.gz"):
        score_folders(tmp_path / "found", tmp_path / "truth")
