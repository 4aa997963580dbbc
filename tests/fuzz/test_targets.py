import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import run
import targets
from run import TARGETS, Fuzzer, fuzz_blindly
from targets import Target

from kits_msan.errors import InputError


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_files_are_read_or_refused_in_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SLOW", float("inf"))  # a busy machine is no finding
    (tmp_path / "files").mkdir()
    fuzzer = Fuzzer(name, getattr(targets, name)(tmp_path / "files"), tmp_path)
    for content in fuzzer.target.seeds:
        fuzzer.once(content)
    assert fuzzer.read >= len(fuzzer.target.seeds) / 2  # they are whole, though noise is not always taken for a CT
    fuzz_blindly(fuzzer, 1, lambda count: count < 100)
    assert fuzzer.found == {}
    assert fuzzer.refused > 10
    assert fuzzer.read > len(fuzzer.target.seeds)  # not all die at the first check


def test_memory_that_the_file_does_not_hold_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(path: Path) -> None:
        np.zeros(2**23, np.uint8)
        raise InputError(f"{path} is greedy.")

    monkeypatch.setattr("nifti_files.load_case", greedy)
    fuzzer = Fuzzer("nifti", targets.nifti(tmp_path), tmp_path)
    fuzzer.once(fuzzer.target.seeds[0])
    assert list(fuzzer.found) == ["AssertionError in nifti_files.py, read_honestly"]


def test_a_crash_is_a_finding_once_and_its_input_is_kept(tmp_path: Path) -> None:
    def crash(content: bytes) -> None:
        raise KeyError(content)

    fuzzer = Fuzzer("crash", Target([b"whole"], crash), tmp_path)
    fuzz_blindly(fuzzer, 1, lambda count: count < 9)
    assert list(fuzzer.found) == ["KeyError in test_targets.py, crash"]
    kept = tmp_path / fuzzer.found["KeyError in test_targets.py, crash"]
    assert kept.read_bytes() == b"whole"
    assert "KeyError" in kept.with_suffix(".txt").read_text(encoding="utf-8")


def test_a_later_finding_does_not_replace_an_earlier_one(tmp_path: Path) -> None:
    def crash(content: bytes) -> None:
        raise (KeyError if content == b"first" else IndexError)(content)

    for content in (b"first", b"second"):  # two runs into one folder
        Fuzzer("crash", Target([content], crash), tmp_path).once(content)
    assert {file.read_bytes() for file in tmp_path.glob("crash-????????")} == {b"first", b"second"}


def test_what_takes_long_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dawdle(content: bytes) -> None:
        hash(content * 50_000_000)

    monkeypatch.setattr("run.SLOW", 0.01)
    fuzzer = Fuzzer("slow", Target([b"whole"], dawdle), tmp_path)
    fuzzer.once(b"whole")
    assert list(fuzzer.found) == ["slow"]


@pytest.mark.slow
def test_each_run_of_the_command_is_noted(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        words = ["--target", "split", "--seconds", "1", "--seed", seed, "--findings", str(tmp_path)]
        assert subprocess.run([sys.executable, run.__file__, *words]).returncode == 0
    with (tmp_path / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["target"], row["found"]) for row in rows] == [("1", "split", ""), ("2", "split", "")]
    assert all(int(row["refused"]) > 0 for row in rows)
