"""Slips of the hand: a variable that is not set, a number that is too large, the wrong folder."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.command_line import NETWORK, code_of
from kits_msan.ablation.results import load_results
from kits_msan.cli import main

UNET = NETWORK.split()
SMOKE = ["--profile", "smoke"]


@pytest.fixture
def place(place: Path) -> Path:
    """With the folder of a course run, in which a notebook is damaged."""
    Path("run").mkdir()
    Path("run/01_data_exploration.ipynb").write_text("{}", encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["phantom", ""], "argument OUT: the name is empty; a variable of the shell may not be set"),
        (["predict", "data", *UNET, "--out", " "], "argument --out: the name is empty"),
        (["train", "unet3d", "--data", "data", "--out", "run", "--seed", 30 * "9"], "is above 2147483647"),
        (["phantom", "out", "--cases", "1000000000", *SMOKE], "a split holds at most 100000"),
        (
            ["train", "unet3d", "--data", "data/case_00000", "--out", "out", *SMOKE],
            "data/case_00000 is a single case; name the folder that holds the cases",
        ),
        (["prepare", "data/case_00000", "--out", "out", *SMOKE], "data/case_00000 is a single case; name"),
        (["predict", "data", *UNET, "--out", "out", "--series", ""], "argument --series: the name is empty; a"),
        (["grade", "data/split.json", "--out", "out"], "data/split.json is no folder; name the one of the collected"),
        (["site", "--out", "out", "--run", "run"], "run/01_data_exploration.ipynb is no notebook (ValidationError)"),
    ],
)
def test_is_said_in_one_sentence(
    place: Path, capsys: pytest.CaptureFixture[str], line: list[str], message: str
) -> None:
    assert code_of(line) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_a_mistyped_path_is_said_before_torch_is_loaded(tmp_path: Path) -> None:
    """Which takes a second, or several from a slow disk."""
    lines = [
        "predict absent --checkpoint absent --out out", "train unet3d --data absent --out out",
        "site --run absent --out out", "prepare absent --out out",
        "ablation --data absent --out out", "evaluate absent absent --out out.csv",
    ]  # fmt: skip
    code = (
        "import sys; from kits_msan.cli import main\n"
        "assert [main(line.split()) for line in sys.argv[1:]] == [2] * 6\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, *lines], cwd=tmp_path, check=True, capture_output=True)


def test_folders_that_are_mistaken_for_each_other_are_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "data", *UNET, "--out", "found"]) == 0
    for words, says in (
        (["found", "data"], ""),
        (["data", "found"], "found holds segmentations that `predict` wrote; predictions come first"),
        (["data", "data"], "data is given as predictions and as truth"),
    ):
        capsys.readouterr()
        assert main(["evaluate", *words, "--out", "scores.csv", "--overwrite"]) == 0
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == bool(says)


@pytest.mark.parametrize("name", ["NA", "001"])
def test_a_case_is_scored_by_whatever_name(place: Path, name: str) -> None:
    """What pandas takes for nothing or for a number: initials, or a number in a list of patients."""
    names = ["case_00002", name]
    Path("data/case_00003").rename(Path("data", name))
    split = {"train": ["case_00000", "case_00001"], "test": names}
    Path("data/split.json").write_text(json.dumps(split), encoding="utf-8")
    line = ["ablation", "--data", "data", "--checkpoints", "networks", "--out", "out", "--device", "cpu", *SMOKE]
    for _ in range(2):  # the second time the scores are read, not made
        assert main(line) == 0
        assert sorted(set(load_results("out")[0].scores["case"])) == sorted(names)
        assert "n = 2 test cases" in Path("out/table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "predict data/case_00003 --checkpoint networks/unet3d.safetensors --out locked/deeper",
            "locked: Permission denied; change its rights, or name another file or folder.",
        ),
        ("evaluate data locked --out scores.csv", "locked may not be read; change its permissions."),
    ],
)
def test_a_folder_that_may_not_be_entered_is_named_not_what_was_looked_for_in_it(
    place: Path, line: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("locked/deeper").mkdir(parents=True)
    locked, real = Path("locked"), Path.stat

    def stat(path: Path, **options: Any) -> os.stat_result:
        if locked in path.parents:  # root may enter all, so it is told
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(os, "access", lambda path, *_, **__: locked not in (Path(path), *Path(path).parents))
    assert main(line.split()) == 2
    assert capsys.readouterr().err == f"kits-msan: {says}\n"
