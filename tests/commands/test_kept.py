"""What is never written over: inputs, truths, and whatever this program did not make, --overwrite or not."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import voxels, write_series

from commands.command_line import NETWORK
from kits_msan.cli import main
from kits_msan.commands.earlier import scan_id
from kits_msan.data.cases import IMAGE, LABEL, load_case, load_label, save_segmentation
from kits_msan.errors import InputError
from kits_msan.phantom.make import write_phantoms


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(place: Path) -> Path:
    """With notebooks of a student, a store, and more of others."""
    made = '{"phantom_version": 1, "cases": []}'
    texts = {
        "student/01_mine.ipynb": "{}", "store/manifest.json": '{"store_version": 2}', "web/site.js": "mine",
        "bert/config.json": '{"model_type": "bert"}', "bert/model.safetensors": "mine", "tables/scores.csv": "mine",
        "own/manifest.json": made, "own/runs/model.safetensors": "mine",
        "repository/manifest.json": made, "repository/.git/HEAD": "mine",
        "mine/a.image.npy": "mine", "mine/manifest.json": "{}",
        "class/grades.csv": "student,note\nann,1\n", "class2/grades.png": "mine",
        "class3/mistakes.csv": "mine",
    }  # fmt: skip
    for file, text in texts.items():
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"evaluate data data --out data/case_00000/{LABEL}", f"case_00000/{LABEL} is to be written as .csv"),
        ("export networks/unet3d.safetensors --onnx networks/msan_v1.safetensors", "is to be written as .onnx"),
        ("phantom data --profile smoke", "data holds something that is no folder of phantoms"),
        ("phantom store --profile smoke", "store holds something that is no folder of phantoms"),
        ("site --out student", "student holds something that is no site of the course"),
        ("course --profile smoke --data data --out student", "student holds something that is no course"),
        ("train unet3d --data data --profile smoke --out bert", "bert holds something that is no run of this"),
        ("ablation --data data --profile smoke --checkpoints networks --out tables", "tables holds something that"),
        ("phantom own --profile smoke --cases 1", "own/runs/model.safetensors is no phantom's and would be lost"),
        ("phantom repository --profile smoke --cases 1", "repository is a git repository, whose history would be"),
        ("evaluate data data --out tables/scores.csv", "tables/scores.csv was not written by this command and is"),
        ("grade student --out class", "class/grades.csv was not written by this command and is never replaced"),
        ("grade student --out class2", "class2 holds something that is no result of kits-msan grade"),
        ("grade student --out class3", "class3/mistakes.csv was not written by this command and is never"),
        ("site --out web", "web holds something that is no site of the course"),
    ],
)
def test_inputs_and_foreign_folders_are_kept(
    place: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    before = contents(place)
    assert main([*line.split(), "--overwrite"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert contents(place) == before


def test_python_keeps_what_the_command_keeps(place: Path) -> None:
    before = contents(place)
    with pytest.raises(InputError, match="data holds something that is no folder of phantoms"):
        write_phantoms("data", 1, 0, profile="smoke", overwrite=True)
    assert contents(place) == before


def test_a_store_takes_no_place_and_no_file_of_others(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(place)
    assert main(["prepare", "data", "--out", "mine", "--profile", "smoke"]) == 2
    assert "mine holds something that is no store" in capsys.readouterr().err
    assert contents(place) == before
    assert main(["prepare", "data", "--out", "made-store", "--profile", "smoke"]) == 0
    Path("made-store/notes.json").write_text("mine", encoding="utf-8")
    assert main(["prepare", "data", "--out", "made-store", "--profile", "smoke", "--exclude", "2"]) == 0
    assert Path("made-store/notes.json").read_text(encoding="utf-8") == "mine"
    assert not list(Path("made-store").glob("case_00002.*"))


def test_links_as_output(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link to a folder on another disk is written through; one that leads nowhere is refused before the work."""
    Path("scratch").mkdir()
    for name, target in {"there": "scratch", "nowhere": "absent", "loop": "loop"}.items():
        Path(name).symlink_to(target)
    for _ in range(2):
        assert main(["phantom", "there", "--cases", "1", "--test", "0", "--profile", "smoke", "--overwrite"]) == 0
    assert Path("there").is_symlink()
    assert Path(f"scratch/case_00000/{LABEL}").exists()
    for line in (
        "phantom OUT --cases 1 --profile smoke", "prepare data --out OUT --profile smoke",
        f"predict data/case_00000 {NETWORK} --out OUT",
    ):  # fmt: skip
        for out in ("nowhere", "loop"):
            capsys.readouterr()
            assert main(line.replace("OUT", out).split()) == 2
            error = capsys.readouterr().err
            assert f"{out} is a link that leads nowhere; remove it or name another folder" in error
            assert error.count("\n") == 1


def test_phantoms_and_scores_of_this_program_are_replaced(place: Path) -> None:
    assert main(["phantom", "made", "--cases", "2", "--profile", "smoke"]) == 0
    assert main(["phantom", "made", "--cases", "1", "--test", "0", "--profile", "smoke", "--overwrite"]) == 0
    assert sorted(path.name for path in Path("made").glob("case_*")) == ["case_00000"]
    Path("scores.CSV").write_text("case,kidney,tumor,composite\nold,0.5,0.5,0.5\n", encoding="utf-8")
    assert main(["evaluate", "data", "data", "--out", "scores.CSV", "--overwrite"]) == 0
    scores = Path("scores.CSV").read_text(encoding="utf-8")
    assert "case_00003" in scores
    assert "old" not in scores


@pytest.mark.parametrize("out", ["hf/images", "other/way", "hf/blobs"])
def test_links_to_scans_are_scans(place: Path, capsys: pytest.CaptureFixture[str], out: str) -> None:
    """As in the cache of Hugging Face: a flat folder of links, whose targets lie in another one."""
    for folder in ("hf/images", "hf/blobs", "other"):
        Path(folder).mkdir(parents=True)
    for number in range(2):
        shutil.copy(f"data/case_0000{number}/{IMAGE}", f"hf/blobs/5fd{number}")
        os.symlink(f"../blobs/5fd{number}", f"hf/images/case_0000{number}.nii.gz")
    os.symlink("../hf/images", "other/way")
    before = contents(place)
    for more in ("", "--overwrite"):
        assert main(f"predict hf/images {NETWORK} --out {out} {more}".split()) == 2
        assert f"{out} holds scans, and a segmentation there would pass for a truth" in capsys.readouterr().err
    assert contents(place) == before


def test_a_farm_of_linked_cases_is_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("farm").mkdir()
    os.symlink("../data/case_00000", "farm/patient")
    before = contents(place)
    for out in ("farm", "data", "farm/patient"):
        assert main(f"predict farm {NETWORK} --out {out} --overwrite".split()) == 2
        assert "would pass for a truth" in capsys.readouterr().err
    assert contents(place) == before


def test_a_segmentation_that_somebody_corrected_is_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = f"predict data/case_00000 {NETWORK} --out found".split()
    assert main(line) == 0
    case = load_label(Path("found/case_00000"))
    assert case.label is not None
    case.label[0, 0, 0] = 2 - case.label[0, 0, 0]
    save_segmentation(case.label, case, f"found/case_00000/{LABEL}")
    before = contents(place)
    for more in ([], ["--overwrite"]):
        assert main([*line, *more]) == 2
        assert re.search(r"was not written by kits-msan predict, or was changed since", capsys.readouterr().err)
    assert contents(place) == before


def test_hidden_and_other_files_do_not_make_another_scan_of_a_dicom_folder(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    before = scan_id(tmp_path / "scan")
    (tmp_path / "scan/.DS_Store").touch()
    (tmp_path / "scan/readme.txt").write_text("from the archive", encoding="utf-8")
    assert scan_id(tmp_path / "scan") == before
    next((tmp_path / "scan").glob("*.dcm")).unlink()
    assert scan_id(tmp_path / "scan") != before


def test_overwrite_removes_stale_results_of_others_alone(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(f"predict data {NETWORK} --out found".split()) == 0
    Path("found/case_00001/notes.txt").write_text("mine", encoding="utf-8")
    line = ["predict", "data/case_00003", "--checkpoint", "networks/msan_v1.safetensors", "--out", "found"]
    assert main(line) == 2
    assert "of another scan or by other networks" in capsys.readouterr().err
    assert main([*line, "--overwrite"]) == 0
    assert "4 older segmentations were removed from found." in capsys.readouterr().out
    kept = sorted(str(path) for path in Path("found").rglob("*") if path.is_file())
    assert kept == ["found/case_00001/notes.txt", f"found/case_00003/{LABEL}"]
    found, scan = load_label(Path("found/case_00003")), load_case(Path("data/case_00003"))
    assert found.shape == scan.shape
    np.testing.assert_allclose(found.affine, scan.affine)
