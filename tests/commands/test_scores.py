"""Scores that mislead or are lost: of training cases, of a network that votes twice, on a disk that is full."""

import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from kits_msan.cli import main
from kits_msan.data.cases import LABEL
from kits_msan.networks.checkpoints import load_checkpoint, save_checkpoint

NETWORK = "networks/unet3d.safetensors"
NAMES = [f"case_{number:05d}" for number in range(4)]


@pytest.fixture
def place(place: Path) -> Path:
    """With labels that play a prediction of all cases."""
    for name in NAMES:
        shutil.copytree(f"data/{name}", f"found/{name}")
    return place


@pytest.mark.usefixtures("place")
def test_scores_are_printed_before_a_full_disk_takes_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_csv", full)
    assert main(["evaluate", "found", "data", "--out", "new/scores.csv"]) == 2
    captured = capsys.readouterr()
    assert [line.split()[0] for line in captured.out.splitlines()] == ["kidney", "tumor", "composite"]
    assert captured.err == (
        "kits-msan: new/scores.csv: No space left on device; make space, or name a folder on another disk, and start "
        "the command again.\n"
    )
    assert not Path("new").exists()


@pytest.mark.usefixtures("place")
def test_a_table_that_cannot_be_written_is_met_before_the_scoring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kits_msan.metrics.score_folders", lambda *_, **__: 1 / 0)
    assert main(["evaluate", "found", "data", "--out", "data/split.json/scores.csv"]) == 2
    assert "data/split.json/scores.csv: Not a directory; name another file or folder" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_the_test_part_is_scored_alone(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.move(f"found/{NAMES[3]}", f"found/{NAMES[3]}_0000")  # as nnU-Net names scans
    line = "evaluate found data --out scores.csv --overwrite --split"
    assert main([*line.split(), "data/split.json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[0].endswith("n = 1")
    assert pd.read_csv("scores.csv")["case"].tolist() == [f"{NAMES[3]}_0000"]
    Path("split.json").write_text(json.dumps({"train": [], "test": NAMES[2:]}), encoding="utf-8")
    Path(f"found/{NAMES[0]}/{LABEL}").write_bytes(b"")  # in neither part
    shutil.rmtree(f"found/{NAMES[2]}")
    assert main([*line.split(), "split.json"]) == 0
    assert "found lacks 1 of the 2 cases of data that are to be scored: case_00002." in capsys.readouterr().err
    shutil.rmtree(f"found/{NAMES[3]}_0000")
    assert main([*line.split(), "split.json"]) == 2
    assert "found holds no test case of split.json, which names case_00002, case_00003" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is Unicode")
@pytest.mark.usefixtures("place")
def test_a_name_that_is_no_utf8_is_scored() -> None:
    for folder in ("found", "data"):
        Path(folder, NAMES[0]).rename(Path(folder, os.fsdecode(b"M\xfcller")))
    assert main(["evaluate", "found", "data", "--out", "scores.csv"]) == 0
    assert pd.read_csv("scores.csv")["case"].tolist() == [r"M\udcfcller", *NAMES[1:]]


@pytest.mark.usefixtures("place")
def test_two_predictions_of_one_test_case_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(f"found/{NAMES[3]}", f"found/{NAMES[3]}.seg")
    assert main(["evaluate", "found", "data", "--out", "scores.csv", "--split", "data/split.json"]) == 2
    assert "found/case_00003 and found/case_00003.seg are both of case_00003; move one" in capsys.readouterr().err


@pytest.mark.usefixtures("place")
def test_scans_that_the_network_was_trained_on_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    tensors, about = load_checkpoint(NETWORK)
    save_checkpoint("learned.safetensors", tensors, about | {"cases": NAMES[:2], "validation": NAMES[2:3]})
    for scans, count in (("data", "3 of 4 scans"), (f"data/{NAMES[1]}", "1 of 1 scans")):
        assert main(f"predict {scans} --checkpoint learned.safetensors --out out-{count[0]}".split()) == 0
        error = capsys.readouterr().err
        assert f"{count} have names of cases that this network was trained on (case_0000" in error
        assert error.count("\n") == 1
    assert main(f"predict data/{NAMES[3]} --checkpoint learned.safetensors --out out".split()) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("place")
def test_a_network_votes_once(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(NETWORK, "copy.safetensors")
    scan = f"predict data/{NAMES[3]}"
    twice = "came before, with the same weights, and has no second vote"
    assert main(f"{scan} --checkpoint {NETWORK} --checkpoint copy.safetensors --out one".split()) == 0
    assert capsys.readouterr().err == f"kits-msan: copy.safetensors {twice}; 1 network votes.\n"
    assert main(f"{scan} --checkpoint {NETWORK} --out alone".split()) == 0
    assert Path(f"one/{NAMES[3]}/{LABEL}").read_bytes() == Path(f"alone/{NAMES[3]}/{LABEL}").read_bytes()
    capsys.readouterr()
    assert main(f"{scan} --checkpoint networks --checkpoint {NETWORK} --out five".split()) == 0
    captured = capsys.readouterr()
    assert captured.err == f"kits-msan: {NETWORK} {twice}; 5 networks vote.\n"
    assert captured.out.startswith("5 networks vote: msan_v1, ")
