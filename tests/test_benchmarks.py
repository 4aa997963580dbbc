"""The benchmarks run, at tiny sizes, and the tables in the pages are those of the recorded results. No timing."""

import argparse
import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from browser.lab import find_chromium

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"
RESULTS = sorted((FOLDER / "results").glob("*.json"))
NEEDS_CHROMIUM = pytest.mark.skipif(find_chromium() is None and not os.environ.get("CI"), reason="no Chromium")
HERE = ["step", "busy", "inference", "slabs", "phantom", "start"]  # in this process, with their children
ALONE = ["memory", "hardship", pytest.param("page", marks=[pytest.mark.browser, NEEDS_CHROMIUM])]
# the viewer has tests in a browser, kills.py one beside the training's


pytestmark = pytest.mark.slow


@pytest.fixture
def common(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(FOLDER))
    with mock.patch.dict(os.environ):
        yield import_module("common")
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


def run_here(script: str, *words: object) -> list[str]:
    """Run a script as a command would, but in this process, which has imported torch and MONAI; what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out, mock.patch.object(sys, "argv", [script, *map(str, words)]):
        runpy.run_path(script, run_name="__main__")
    return out.getvalue().splitlines()


def run_alone(script: str, *words: object) -> None:
    command = [sys.executable, "-W", "ignore", script, *map(str, words)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def check(results: dict[str, Any]) -> None:
    assert {"cpu", "instructions", "precision", "cores", "gpu", "system"} <= set(results["machine"])
    for part in results["parts"].values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", part["measured"])
        assert part["method"]
        assert part["rows"]
        for row in part["rows"]:
            assert row["ours"] > 0
            assert "ratio" not in row or 0 < row["lowest"] <= row["ratio"] <= row["highest"]
            assert "goal" not in row or "ratio" in row


@pytest.mark.parametrize("part", [*HERE, *ALONE])
def test_every_benchmark_runs(part: str, tmp_path: Path, common: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    children = []

    def child(script: str, *words: object, environment: object = None) -> Any:
        children.append(words)
        return json.loads(run_here(script, *words)[-1])

    monkeypatch.setattr(common, "child", child)
    before = {path: path.read_bytes() for path in [*RESULTS, FOLDER / "README.md", ROOT / "README.md"]}
    other: dict[str, Any] = {"machine": {}, "parts": {"other": {"rows": []}}}
    (tmp_path / f"{common.slug()}.json").write_text(json.dumps(other), encoding="utf-8")
    run = run_here if part in HERE else run_alone
    run(str(FOLDER / f"{part}.py"), "--quick", "--results", tmp_path)
    assert bool(children) == (part in {"busy", "inference", "slabs"})
    [path] = tmp_path.glob("*.json")
    results = json.loads(path.read_text(encoding="utf-8"))
    assert results["parts"].pop("other") == {"rows": []}  # what others have measured stays
    assert list(results["parts"]) == [part]
    check(results)
    assert before == {path: path.read_bytes() for path in before}


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_recorded_results_are_valid(path: Path) -> None:
    check(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("what", ["benchmarks", "benchmarks on a GPU"])
@pytest.mark.parametrize(("page", "kind"), [(ROOT / "README.md", "short"), (FOLDER / "README.md", "long")])
def test_tables_in_the_pages_are_those_of_the_results(page: Path, kind: str, what: str, common: Any) -> None:
    text = page.read_text(encoding="utf-8")
    [name] = re.findall(rf"<!-- {what} (\S+) -->", text)
    results = json.loads((FOLDER / "results" / name).read_text(encoding="utf-8"))
    lines = {"short": common.short_table, "long": common.long_table}[kind](results)
    assert common.between(text, lines, name, what) == text
    changed: str = common.between(text, [*lines[:-1], lines[-1].replace("1", "2")], name, what)
    assert changed != text


def test_a_row_holds_repeat_against_repeat(common: Any) -> None:
    row = common.row("it", [1.0, 4.0, 3.0], "peer", [2.0, 2.0, 3.0], goal=1.5)
    assert (row["ratio"], row["lowest"], row["highest"], row["ours"], row["theirs"]) == (1.0, 0.5, 2.0, 3.0, 2.0)
    assert common.table([row])[-1] == "| it | 3 s | peer | 2 s | **1** [0.5, 2] | ≤ 1.5 |"
    assert common.table([common.row("alone", [5.0], unit="ms")])[-1] == "| alone | 5 ms |  |  |  |  |"


def test_a_failing_child_is_reported(tmp_path: Path, common: Any) -> None:
    (tmp_path / "bad.py").write_text("raise ValueError('broken')", encoding="utf-8")
    with pytest.raises(SystemExit, match="broken"):
        common.child(str(tmp_path / "bad.py"))


def test_quick_runs_record_nothing_unless_told_where(
    common: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    args = argparse.Namespace(quick=True, results=None)
    common.record("step", [common.row("it", [1.0])], args, "")
    assert not list(tmp_path.iterdir())


def test_augmentations_are_measured_and_a_second_run_trains_none_anew(
    tmp_path: Path, data: Path, common: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    augmentation = import_module("augmentation")
    words = ["augmentation.py", "--data", str(data), "--out", str(out), "--profile", "smoke", "--steps", "1"]
    monkeypatch.setattr(sys, "argv", [*words, "--cases", "1", "--only", "blur", "intensity"])
    monkeypatch.setattr(augmentation, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))  # has all imports
    augmentation.main()
    first = {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/model.safetensors")}
    assert set(first) == {"none-0", "blur-0", "intensity-0"}
    lines = (out / "table.md").read_text(encoding="utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| none", "| blur", "| intensity"]
    assert "1 of split validation" in lines[-1]
    augmentation.main()
    assert {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/model.safetensors")} == first
    assert (out / "table.md").read_text(encoding="utf-8").splitlines() == lines
