"""Many at once, one of them bad: it is named, the others are done, the exit code is 2. And printing never fails."""

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dicom_files import voxels, write_series

import kits_msan.inference
from commands.command_line import MODULE, NETWORK
from kits_msan.cli import main
from kits_msan.data.cases import IMAGE, LABEL
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE

FULL = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 123456789 bytes. Error code 12"


@pytest.fixture
def place(place: Path) -> Path:
    """With scans a, b and c in one folder."""
    Path("scans").mkdir()
    for number, name in enumerate("abc"):
        shutil.copy(f"data/case_0000{number}/{IMAGE}", f"scans/{name}.nii.gz")
    return place


def denied(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """From now on the file `name`, or what is in the folder, may not be read: root may read all, so it is told."""
    closed = Path(name)

    def refusing(owner: Any, function: str) -> None:
        real = getattr(owner, function)

        def wrapped(path: Any = ".", *args: Any, **options: Any) -> Any:
            asked = Path(path) if isinstance(path, (str, Path)) else Path()
            if closed in asked.parents or (asked == closed and function != "stat"):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, *args, **options)

        monkeypatch.setattr(owner, function, wrapped)

    for owner, function in ((Path, "open"), (Path, "stat"), (os, "scandir"), (os, "listdir")):
        refusing(owner, function)


def predicted() -> list[str]:
    return sorted(path.parent.name for path in Path("out").glob(f"*/{LABEL}"))


def test_an_unreadable_file_costs_one_scan_and_nothing_of_a_resumed_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = f"predict scans {NETWORK} --out out".split()
    with monkeypatch.context() as now:
        denied(now, "scans/b.nii.gz")
        assert main(line) == 2
    first, last = capsys.readouterr().err.splitlines()
    assert first == "kits-msan: scans/b.nii.gz may not be read; change its permissions."
    assert last.startswith("kits-msan: 1 of 3 scans failed")
    assert predicted() == ["a", "c"]
    before = Path(f"out/a/{LABEL}").read_bytes()
    with monkeypatch.context() as now:
        denied(now, "scans/a.nii.gz")
        assert main([*line, "--overwrite"]) == 2
    captured = capsys.readouterr()
    assert "scans/a.nii.gz may not be read" in captured.err
    assert captured.out.startswith("1 of 3 scans are done already.")
    assert predicted() == ["a", "b", "c"]
    assert Path(f"out/a/{LABEL}").read_bytes() == before


@pytest.mark.usefixtures("place")
def test_a_scan_in_which_nothing_is_found_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    model = build_model("unet3d", width=4, poolings=2)  # untrained, it takes all for background
    save_model("empty.safetensors", model, describe_model("unet3d", model, SMOKE))
    assert main(["predict", "scans", "--checkpoint", "empty.safetensors", "--out", "out"]) == 0
    found = capsys.readouterr().err.splitlines()
    assert [line.partition(";")[0] for line in found] == [
        f"kits-msan: no kidney was found in scans/{name}.nii.gz" for name in "abc"
    ]
    assert predicted() == ["a", "b", "c"]


def test_a_series_is_not_chosen_in_silence_from_what_holds_none(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"predict scans {NETWORK} --out out".split()) == 0
    capsys.readouterr()
    for scan, first in (("scans/a.nii.gz",) * 2, ("data/case_00000",) * 2, ("scans", "scans/a.nii.gz")):
        assert main(f"predict {scan} {NETWORK} --out out --series 3 --overwrite".split()) == 2
        says = (
            f"kits-msan: {first} is no folder of DICOM slices, so there is no series to choose; leave --series out.\n"
        )
        assert capsys.readouterr().err == says
        assert predicted() == ["a", "b", "c"]


def test_a_folder_that_may_not_be_entered_costs_one_scan(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("scans/locked").mkdir()
    denied(monkeypatch, "scans/locked")
    assert main(f"predict scans {NETWORK} --out out".split()) == 2
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("kits-msan: scans/locked")
    assert first.endswith("may not be read; change its permissions.")
    assert last.startswith("kits-msan: 1 of 4 scans failed")
    assert predicted() == ["a", "b", "c"]


def test_a_case_that_may_not_be_entered_is_left_out_of_a_store(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["prepare", "data", "--out", "store", "--profile", "smoke"]
    with monkeypatch.context() as now:
        denied(now, "data/case_00001")
        assert main(line) == 2
    assert "case_00001 is left out: data/case_00001" in (error := capsys.readouterr().err)
    assert "may not be read; change its permissions.\n" in error
    assert len(list(Path("store").glob("*.image.npy"))) == 3
    assert main(line) == 0


def test_a_prediction_goes_on_that_was_killed_with_its_first_segmentation_half_written(place: Path) -> None:
    Path("out/a").mkdir(parents=True)
    Path("out/a/.tmp-0123456789abcdef.nii.gz").write_bytes(b"half")
    assert main(f"predict scans {NETWORK} --out out".split()) == 0
    assert predicted() == ["a", "b", "c"]
    assert not list(Path("out").rglob(".tmp*"))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(FULL)], ids=["without", "with"])
def test_a_scan_that_memory_does_not_suffice_for_costs_itself(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    real = kits_msan.inference.predict

    def predict(models: Any, case: Any, **options: Any) -> Any:
        if case.name in ("b", "series"):
            raise error
        return real(models, case, **options)

    monkeypatch.setattr("kits_msan.inference.predict", predict)
    write_series(Path("scans/series"), voxels())
    assert main(f"predict scans {NETWORK} --out out".split()) == 2
    asked = " (123.5 MB more were asked for)" if str(error) else ""
    remedy = "close other programs, use a machine with more of it, or cut the scan to the abdomen"
    said = [line for line in capsys.readouterr().err.splitlines() if "spans only" not in line]  # of the small series
    assert said[:2] == [
        f"kits-msan: scans/{name}: not enough memory{asked}; {remedy}." for name in ("b.nii.gz", "series")
    ]
    assert predicted() == ["a", "c"]


def test_a_bad_prediction_costs_its_own_score(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("data", "found")
    cut = Path(f"found/case_00001/{LABEL}")
    cut.write_bytes(cut.read_bytes()[:-20])
    Path("found/case_00002").rename("found/stranger")
    line = ["evaluate", "found", "data", "--out", "scores.csv"]
    assert main(line) == 2
    captured = capsys.readouterr()
    assert [text.split()[0] for text in captured.out.splitlines()] == ["kidney", "tumor", "composite"]
    *notes, first, second, last = captured.err.splitlines()
    assert len(notes) == 1
    assert f"case_00001/{LABEL} is not a readable NIfTI file (Compressed file ended" in first
    assert "found/stranger has no label of the name stranger in data" in second
    assert last.startswith("kits-msan: 2 of 4 segmentations cannot be scored")
    assert pd.read_csv("scores.csv")["case"].tolist() == ["case_00000", "case_00003"]
    for name in ("case_00000", "case_00003"):
        shutil.rmtree(f"found/{name}")
    Path("scores.csv").unlink()
    assert main(line) == 2
    assert "none of 2 segmentations can be scored" in capsys.readouterr().err
    assert not Path("scores.csv").exists()


# ---- what is printed ----


def with_output(monkeypatch: pytest.MonkeyPatch, stream: io.TextIOWrapper, run: Callable[[], int]) -> int:
    """Run with `stream` as the terminal."""
    with monkeypatch.context() as now:
        now.setattr("sys.stdout", stream)
        now.setattr("sys.__stdout__", stream)
        return run()


def test_a_name_that_the_terminal_has_no_letters_for_is_printed_nevertheless(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    line = ["phantom", "größe", "--cases", "1", "--test", "0", "--profile", "smoke"]
    assert with_output(monkeypatch, stream, lambda: main(line)) == 0
    assert raw.getvalue() == b"1 training and 0 test cases in gr\\xf6\\xdfe\n"
    assert Path("größe/split.json").exists()


def test_a_pipe_that_nobody_reads_does_not_stop_the_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as stream:
        line = f"predict scans {NETWORK} --out out".split()
        assert with_output(monkeypatch, stream, lambda: main(line)) == 0
    assert predicted() == ["a", "b", "c"]


def test_a_command_works_where_stderr_is_closed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as after 2>&-
    assert main(f"predict scans {NETWORK} --out out".split()) == 0
    assert predicted() == ["a", "b", "c"]
    assert main(f"predict nowhere {NETWORK} --out out".split()) == 2


@pytest.mark.slow
def test_a_closed_pipe_leaves_no_word_of_pythons(tmp_path: Path) -> None:
    words = [*MODULE, "phantom", str(tmp_path / "out"), "--cases", "1", "--test", "0", "--profile", "smoke"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        error = process.stderr.read()
    assert process.returncode == 0
    assert b"Error" not in error
    assert (tmp_path / "out" / "split.json").exists()
