"""The student's copies: fresh, without a solution, and running to the end as they are."""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest

from kits_msan.course.exercises.checks import EXERCISES
from kits_msan.course.exercises.verdict import UNANSWERED
from kits_msan.course.paths import NOTEBOOKS
from kits_msan.course.student import BUILD, SOLUTION, STUDENT, starter, student_copy, student_text, write_students

GUIDED = 'import math\n\n\ndef f(\n    x,\n):\n    """Twice x.\n\n    Units: mm.\n    """\n    # multiply\n'
TEACHER = sorted(NOTEBOOKS.glob("0*.ipynb"))


@pytest.fixture(params=TEACHER, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    given: Path = request.param
    return given


def tagged(notebook: Any, tag: str) -> list[Any]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def printed(code: str, names: dict[str, Any]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    return out.getvalue()


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("a = 4 * 5", "a = ..."),
        ("# Take care of units.\na = 4\nb = 5\nprint(a)", "# Take care of units.\na = ...\nb = ..."),
        ("def f(x, y=1):\n    return x + y\n\n\nprint(f(1))", "def f(x, y=1):\n    return ..."),
        (f"{GUIDED}    y = 2 * x\n    return y\n\n\ng = f(1)", f"{GUIDED}    return ..."),
        (
            "def f():\n    return 1\n\n\ndef g():\n    return 2",
            "def f():\n    return ...\n\n\ndef g():\n    return ...",
        ),
        ("for i in range(3):\n    a = i", None),
        (
            'class A(B):\n    """Doc."""\n\n    def __init__(self):\n        self.x = 1\n\n    def f(self):\n'
            "        # add\n        return self.x + 1",
            'class A(B):\n    """Doc."""\n\n    def __init__(self):\n        self.x = 1\n\n    def f(self):\n'
            "        # add\n        return ...",
        ),
    ],
)
def test_starter(solution: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="to fill in"):
            starter(solution)
    else:
        assert starter(solution) == expected


def test_the_copies_are_fresh(path: Path) -> None:
    """After a change to a notebook: make student."""
    assert (STUDENT / path.name).read_text(encoding="utf-8") == student_text(path)
    assert sorted(copy.name for copy in STUDENT.glob("*.ipynb")) == [teacher.name for teacher in TEACHER]


def test_the_copies_hold_no_solution_and_no_output(path: Path) -> None:
    teacher, student = (nbformat.read(file, as_version=4) for file in (path, STUDENT / path.name))
    assert not tagged(student, SOLUTION)
    assert len(tagged(student, "exercise")) == len(tagged(teacher, SOLUTION)) >= 3
    assert [cell.id for cell in student.cells] == [cell.id for cell in teacher.cells]
    for cell in student.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    solved = [*tagged(teacher, SOLUTION), *tagged(teacher, BUILD)]
    blanks = [*tagged(student, "exercise"), *tagged(student, BUILD)]
    assert len(tagged(teacher, BUILD)) >= 1
    for whole, blank in zip(solved, blanks, strict=True):
        functions = [node for node in ast.walk(ast.parse(blank.source)) if isinstance(node, ast.FunctionDef)]
        for node in functions or [ast.parse(blank.source)]:
            if getattr(node, "name", "") == "__init__":  # the parts of a build are given
                continue
            for part in ast.walk(node):
                if isinstance(part, ast.Return | ast.Assign):
                    assert isinstance(part.value, ast.Constant)
                    assert part.value.value is ...
        assert "..." in blank.source
        assert whole.source != blank.source


def test_links_of_a_copy_lead_where_they_led(path: Path) -> None:
    for cell in nbformat.read(STUDENT / path.name, as_version=4).cells:
        for target in re.findall(r"\]\(([^)#:]+\.(?:ipynb|md))", cell.source if cell.cell_type == "markdown" else ""):
            assert (STUDENT / target).exists(), target


def test_every_exercise_is_asked_solved_and_checked(path: Path) -> None:
    """A heading with its minutes, the solution, and below it the check."""
    cells = nbformat.read(path, as_version=4).cells
    chapter = str(int(path.name[:2]))
    numbers = [number for number in EXERCISES if number.startswith(f"{chapter}.")]
    assert len(numbers) >= 3
    at = [i for i, cell in enumerate(cells) if SOLUTION in cell.metadata.get("tags", [])]
    assert len(at) == len(numbers)
    for number, i in zip(numbers, at, strict=True):
        heading = cells[i - 1].source.splitlines()[0]
        assert heading.startswith(f"### Exercise {number}: "), heading
        assert heading.endswith(" minutes)"), heading
        assert f'checks.check("{number}", ' in cells[i + 1].source


def test_the_solutions_in_the_notebook_are_right_and_the_starters_unanswered(path: Path) -> None:
    """The stored outputs say "Right"; the starters are executed here, each with the check below it."""
    teacher = nbformat.read(path, as_version=4)
    for i, cell in enumerate(teacher.cells):
        if SOLUTION not in cell.metadata.get("tags", []):
            continue
        asked = teacher.cells[i + 1]
        stored = "".join(output.get("text", "") for output in asked.outputs)
        assert stored.startswith("Right: "), asked.id
        names: dict[str, Any] = {}
        exec("from kits_msan import checks\n" + starter(cell.source), names)
        for name in (
            "case",
            "settings",
            "model",
            "batch",
        ):  # what a check may pass on; not looked at before the answer
            names.setdefault(name, None)
        assert printed(asked.source, names).strip() == UNANSWERED, asked.id


@pytest.mark.slow
def test_a_copy_runs_to_the_end_as_it_is(
    path: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cells in order, in the smoke profile; in this process, since five kernels would take a minute to start."""
    monkeypatch.chdir(STUDENT)
    plt.switch_backend("agg")
    names: dict[str, Any] = {}
    answers = []
    for cell in nbformat.read(path.name, as_version=4).cells:
        if cell.cell_type == "code":
            text = printed(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= {"profile": "smoke", "data": str(data), "out": str(tmp_path)}
            if "checks.check(" in cell.source:
                answers.append(text.strip())
    plt.close("all")
    assert len(answers) >= 3
    assert set(answers) == {UNANSWERED}


def test_a_copy_forgets_outputs_and_leaves_the_notebook_as_it_was() -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# 1. Title, see [the paper](../docs/paper.md) and [2](02_next.ipynb)"),
        nbformat.v4.new_code_cell("a = 3", metadata={"tags": [SOLUTION]}, execution_count=1),
        nbformat.v4.new_code_cell(
            "print(a)", execution_count=2, outputs=[nbformat.v4.new_output("stream", text="3")]
        ),
    ]
    copied = student_copy(notebook, "01_title.ipynb")
    assert "](../../docs/paper.md)" in copied.cells[0].source
    assert "](02_next.ipynb)" in copied.cells[0].source
    assert "](../01_title.ipynb)" in copied.cells[0].source
    assert copied.cells[1].source == "a = ..."
    assert copied.cells[2].outputs == []
    assert notebook.cells[1].source == "a = 3"
    assert notebook.cells[2].outputs


def test_writing_removes_old_copies_and_nothing_that_somebody_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [teacher.name for teacher in TEACHER]
    assert write_students(tmp_path) == 0
    first = tmp_path / names[0]
    blank = first.read_text(encoding="utf-8")
    old = blank.replace("# 1. ", "# 0. ")  # of an older course, as it was written
    filled = blank.replace("return ...", "return 1", 1)
    assert len({blank, filled, old}) == 3
    run = nbformat.reads(blank, as_version=4)
    next(cell for cell in run.cells if cell.cell_type == "code").execution_count = 7
    nbformat.write(run, tmp_path / names[1])  # run, and nothing written
    (tmp_path / "06_gone.ipynb").write_text(blank, encoding="utf-8")
    own = {"01_data_exploration-Copy1.ipynb": filled, "my_project.ipynb": "{}", "07_old.ipynb": old, names[0]: filled}
    for name, text in own.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert write_students(tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{len(TEACHER) - 1} copies in {tmp_path}"
    assert said[1].startswith(f"Somebody wrote in {names[0]}; left as found.")
    assert sorted(copy.name for copy in tmp_path.iterdir()) == sorted({*names, *own})
    for name, text in own.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text
    assert (tmp_path / names[1]).read_text(encoding="utf-8") == student_text(TEACHER[1])
    assert write_students(tmp_path, overwrite=True) == 0
    assert first.read_text(encoding="utf-8") == blank
    assert (tmp_path / "my_project.ipynb").exists()
