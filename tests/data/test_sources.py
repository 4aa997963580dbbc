"""What lies in a folder of cases beside, or instead of, what a store is made from."""

import shutil
from pathlib import Path

import pytest

from kits_msan.cli import main
from kits_msan.data.cases import IMAGE
from kits_msan.data.prepare import prepare
from kits_msan.data.split import Split
from kits_msan.errors import InputError
from kits_msan.profiles import Profile

NAMES = [f"case_{number:05d}" for number in range(4)]


def test_links_to_nothing_and_hidden_files_stop_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Path(shutil.copytree(data, tmp_path / "data"))
    (own / NAMES[0] / ".#notes").symlink_to("nowhere")  # an editor's lock
    (own / NAMES[0] / "notes.txt").symlink_to("nowhere")
    (own / NAMES[1] / IMAGE).unlink()
    (own / NAMES[1] / IMAGE).symlink_to("../.git/annex/objects/x")  # not fetched
    command = ["prepare", str(own), "--profile", "smoke", "--out", str(tmp_path / "store")]
    assert main(command) == 2  # and yet the store is whole
    shown = capsys.readouterr()
    assert f"3 cases in {tmp_path / 'store'}" in shown.out
    assert f"{NAMES[1]} is left out: {own / NAMES[1] / IMAGE} is a link to a file that is absent" in shown.err
    before = [file.stat().st_mtime_ns for file in sorted((tmp_path / "store").glob("case_*"))]
    (own / NAMES[0] / ".DS_Store").touch()
    main(command)
    assert [file.stat().st_mtime_ns for file in sorted((tmp_path / "store").glob("case_*"))] == before


def test_cases_that_are_files_are_told_what_they_lack(tmp_path: Path, data: Path, tiny: Profile) -> None:
    (tmp_path / "flat").mkdir()
    shutil.copy(data / NAMES[0] / IMAGE, tmp_path / "flat" / f"{NAMES[0]}.nii.gz")
    with pytest.raises(
        InputError, match=rf"{NAMES[0]}\.nii\.gz lacks its image or its label; .* in a folder {NAMES[0]}"
    ):
        prepare(tmp_path / "flat", tmp_path / "store", tiny, Split((NAMES[0],), ()), progress=False)
