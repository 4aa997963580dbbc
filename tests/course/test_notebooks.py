"""The committed notebooks are whole: explained, executed, free of widget state, and truly compared by nbval."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from kits_msan.course.paths import runs_folder
from kits_msan.course.questions.ask import questions

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PARAMETERS = {"profile", "device", "train", "data", "seed", "out"}


def test_there_are_five() -> None:
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_code_cell_was_executed_in_order(notebook: nbformat.NotebookNode) -> None:
    assert [cell.execution_count for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))


def test_no_cell_failed_or_warned(notebook: nbformat.NotebookNode) -> None:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name") != "stderr", cell.id


def test_no_widget_state_is_stored(notebook: nbformat.NotebookNode) -> None:
    assert "widgets" not in notebook.metadata
    assert len(nbformat.writes(notebook)) < 2_000_000


def test_the_first_cell_says_what_it_is_for(notebook: nbformat.NotebookNode) -> None:
    text = notebook.cells[0].source
    for part in ("# ", "**The question.**", "**Objectives.**", "**Before you start.**", "**Time.**"):
        assert part in text, part


def test_the_last_cells_sum_up(notebook: nbformat.NotebookNode) -> None:
    headings = [
        line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines()
        if line.startswith("## ")
    ]  # fmt: skip
    assert headings[-3:] == ["## Summary", "## What our set-up is missing", "## Further reading"]


def test_a_notebook_is_not_too_long(notebook: nbformat.NotebookNode) -> None:
    asked = [cell for cell in code_cells(notebook) if "question" in cell.metadata.get("tags", [])]
    predicted = [question for question in questions(int(notebook.cells[0].source[2])) if question.predict]
    assert 4 <= len(asked) - len(predicted) <= 6  # about ideas; before a figure stands one more each
    assert len(predicted) <= 9
    assert len(code_cells(notebook)) - len(asked) <= 45


def test_every_question_of_the_notebook_is_asked_once(notebook: nbformat.NotebookNode) -> None:
    chapter = int(notebook.cells[0].source[2])
    asked = [number for cell in code_cells(notebook) for number in re.findall(r'^ask\("(\w+)"\)$', cell.source)]
    assert sorted(asked) == sorted(question.number for question in questions(chapter))


def test_code_that_is_folded_is_folded_in_the_notebook_too(notebook: nbformat.NotebookNode) -> None:
    for cell in code_cells(notebook):
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == ("hide-input" in cell.metadata.get("tags", [])), cell.id


def test_the_picture_of_exercise_4_3_does_not_give_it_away() -> None:
    """What is read aloud for it must not name what the exercise asks for."""
    [cell] = [cell for cell in nbformat.read(NOTEBOOKS[3], as_version=4).cells if cell.id == "rates-figure"]
    [alt] = re.findall(r'"(Loss against the step[^"]*)"', cell.source)
    assert not re.search(r"jump|flat|fall|smooth", alt)


def test_cells_have_names(notebook: nbformat.NotebookNode) -> None:
    for cell in notebook.cells:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.id), cell.id


def test_one_cell_holds_the_parameters(notebook: nbformat.NotebookNode) -> None:
    [cell] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert set(re.findall(r"^(\w+) = ", cell.source, re.MULTILINE)) == PARAMETERS


def test_results_in_the_home_folder_land_there(
    notebook: nbformat.NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    lines = [line for cell in code_cells(notebook) for line in cell.source.splitlines() if line.startswith("runs = ")]
    assert len(lines) == (notebook.cells[0].source[2] != "1")  # the first writes nothing
    for line in lines:
        names = {"runs_folder": runs_folder, "profile": "smoke", "out": "~/results"}
        exec(line, names)
        assert names["runs"] == tmp_path / "results"


def test_every_figure_has_a_text_for_those_who_do_not_see_it(notebook: nbformat.NotebookNode) -> None:
    figures = [
        (cell.id, output.metadata.get("image/png", {}).get("alt", ""))
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert figures
    for cell, alt in figures:
        assert len(alt) > 30, cell


def test_nothing_of_one_machine_is_stored(notebook: nbformat.NotebookNode) -> None:
    assert not re.search(r"/(home|root|Users|work|tmp)/", nbformat.writes(notebook))


@pytest.mark.slow
def test_nbval_fails_on_an_altered_number_alone(tmp_path: Path) -> None:
    """A cell as it is stored, and below it the same cell with another number in its output."""
    notebook = nbformat.read(NOTEBOOKS[2], as_version=4)
    wanted = ("parameters", "imports", "idea", "field")  # a part that runs in seconds
    notebook.cells = [cell for cell in notebook.cells if cell.id in wanted]
    altered = copy.deepcopy(notebook.cells[-1])
    altered.id = "altered"
    altered.outputs[0]["text"] = altered.outputs[0]["text"].replace("15}", "16}")
    assert altered.outputs != notebook.cells[-1].outputs
    notebook.cells.append(altered)
    nbformat.write(notebook, tmp_path / "altered.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "-v", "-p", "no:cacheprovider", "-c", os.devnull]
    done = subprocess.run([*command, "altered.ipynb"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    results = re.findall(r"^\S+::Cell (\d+) (\w+)", done.stdout, re.MULTILINE)
    *same, last = [result for _, result in results]
    assert same == ["PASSED"] * (len(code_cells(notebook)) - 1)
    assert last == "FAILED"
