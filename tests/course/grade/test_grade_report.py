"""The tables and the picture of a class: without names where it is shown, and nothing lost when something breaks."""

import errno
import os
import re
import stat
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from student_notebooks import notebook

from kits_msan.course.exercises.checks import sentence
from kits_msan.course.grade import report
from kits_msan.course.grade.collect import of_chapter
from kits_msan.course.grade.notebooks import NOT_RUN, RIGHT, UNANSWERED, WRONG, Grade
from kits_msan.course.grade.report import draw, grade_folder, mistakes
from kits_msan.errors import InputError

RECALL = "this is the share that was found (recall)"


class Class:
    """A folder of notebooks, graded by a stand-in; a student in `errors` raises."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder / "collected", folder / "grades"
        self.seen: list[str] = []
        self.errors: dict[str, BaseException] = {}

    def add(self, *names: str) -> None:
        for name in names:
            notebook(self.folder / name / "05.ipynb", ['checks.check("5.2", f)'])

    def one(self, student: str, chapter: int, *_: object) -> list[Grade]:
        self.seen.append(student)
        if student in self.errors:
            raise self.errors[student]
        return [Grade(student, number, RIGHT, "=Right") for number in of_chapter(chapter)]

    def grade(self, overwrite: bool = False) -> None:
        self.seen = []
        grade_folder(self.folder, self.out, 1, 1, overwrite)

    def results(self) -> dict[str, list[str]]:
        table = pd.read_csv(self.out / "grades.csv", dtype=str)
        return {str(student): sorted(set(rows["result"])) for student, rows in table.groupby("student")}


@pytest.fixture
def students(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Class:
    made = Class(tmp_path)
    monkeypatch.setattr(report, "smoke_cases", lambda: nullcontext(tmp_path))
    monkeypatch.setattr(report, "can_unshare", lambda: False)
    monkeypatch.setattr(report, "grade", made.one)
    return made


def test_counts_and_picture_hold_no_names(tmp_path: Path) -> None:
    said = f"Wrong: {RECALL}. For share = 0.1 yours gives 0.1, but 0.1818 is right."
    grades = [
        Grade("ann", "5.2", WRONG, said),
        Grade("ann", "5.2", WRONG, said),  # a student counts once
        Grade("bob", "5.2", WRONG, said.replace("0.1", "0.2")),
        Grade("eve", "5.2", RIGHT, "Right: so it is."),
        Grade("eve", "5.3", UNANSWERED, "Not answered yet: fill it in."),
    ]
    counted = mistakes(grades)
    pd.testing.assert_frame_equal(
        counted, pd.DataFrame({"exercise": ["5.2"], "students": [2], "hint": [f"{RECALL}."]})
    )
    draw(grades, tmp_path / "grades.png")
    assert (tmp_path / "grades.png").read_bytes().startswith(b"\x89PNG")


def fails(*given: Any) -> Any:
    raise ValueError(f"Ann Lee: it is in {given}")


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [
        ("1.2", fails, "your function stopped with ValueError. Call it yourself on this input"),
        ("1.2", lambda label, spacing: ("ann", 1), "your answer holds a text; give numbers alone."),
        ("4.3", ("ann", "high", "low"), "a text is not one of the words."),
        ("2.1", map(int, ["ann"]), "the check cannot look at your answer (ValueError). Give plain numbers"),
    ],
)
def test_what_a_student_wrote_is_in_no_hint(number: str, answer: Any, words: str) -> None:
    said = sentence(number, answer)
    hint = Grade("ann", number, WRONG, said).hint
    assert "ann" in said.lower()
    assert words in hint, hint
    assert not re.search(r"\bann\b", hint.lower()), hint


def test_a_hint_keeps_what_the_check_gives_a_function() -> None:
    hint = Grade("ann", "1.2", WRONG, sentence("1.2", lambda ann: 1)).hint
    assert hint.endswith("the check gives it 2 arguments, label, spacing, and it takes others.")


def test_an_odd_notebook_costs_one_student(students: Class, capsys: pytest.CaptureFixture[str]) -> None:
    students.add("ann", "bob", "eve")
    students.errors["bob"] = KeyError("source")
    (students.folder / "zoe").mkdir()
    students.grade()
    assert students.results() == {"ann": [RIGHT], "bob": [NOT_RUN], "eve": [RIGHT], "zoe": [NOT_RUN]}
    text = (students.out / "grades.csv").read_text(encoding="utf-8")
    said = "this notebook cannot be graded (KeyError: 'source'); look at it yourself"
    assert f'"bob","5.1","not run","{said}"' in text
    assert '"zoe","5.c","not run","no notebook"' in text
    zoe = students.folder / "zoe"
    assert f"{zoe} holds no notebook of this course; ask the student for it.\n" in capsys.readouterr().out


def test_a_folder_that_may_not_be_read_is_named_and_graded_once_it_may(
    students: Class, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    students.add("ann", "bob")
    bob, hidden = students.folder / "bob", students.folder.with_name("hidden")
    with monkeypatch.context() as now:  # root may read all: so the notebook is away, and the system says no
        now.setattr(os, "access", lambda path, _: Path(path) != bob)
        (bob / "05.ipynb").rename(hidden)
        for _ in range(2):  # also where there are results
            students.grade()
            assert students.results() == {"ann": [RIGHT], "bob": [NOT_RUN]}
            assert '"bob","5.1","not run","the folder may not be read"' in (students.out / "grades.csv").read_text(
                encoding="utf-8-sig"
            )
            assert f"{bob} may not be read; change its permissions.\n" in (said := capsys.readouterr().out)
            assert "ask the student" not in said
        hidden.rename(bob / "05.ipynb")
    before = os.stat(bob / "05.ipynb").st_ctime + 1  # what comes back is older than the grades
    os.utime(students.out / "grades.csv", (before, before))
    students.grade()
    assert students.seen == ["bob"]
    assert students.results() == {"ann": [RIGHT], "bob": [RIGHT]}


def test_where_no_folder_may_be_read_that_is_said(
    students: Class, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (students.folder / "bob").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) == students.folder)
    with pytest.raises(InputError, match="no notebooks with exercises of this course; make the folders above read"):
        students.grade()
    assert f"{students.folder / 'bob'} may not be read; change" in capsys.readouterr().out
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != students.folder)
    with pytest.raises(InputError, match="collected may not be read; change its permissions"):
        students.grade()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_names_are_for_their_owner_alone(students: Class) -> None:
    students.add("ann")
    students.grade()
    assert stat.S_IMODE((students.out / "grades.csv").stat().st_mode) == 0o600


def test_no_text_of_a_student_is_a_formula(students: Class) -> None:
    students.add('=HYPERLINK("x")', "+1", "@sum", "-ann", "a;=1")  # the last where ";" parts the cells
    if sys.platform == "linux":
        students.add(os.fsdecode(b"J\xfcrgen"))
    students.grade()
    table = pd.read_csv(students.out / "grades.csv", dtype=str)
    names = {'\'=HYPERLINK("x")', "'+1", "'@sum", "'-ann", "a;=1"}
    assert set(table["student"]) == names | ({"J\\udcfcrgen"} if sys.platform == "linux" else set())
    assert set(table["said"]) == {"'=Right"}
    assert '"a;=1","5.1"' in (students.out / "grades.csv").read_text(encoding="utf-8")
    assert list(mistakes([Grade("ann", "5.2", WRONG, "\t=1")])["hint"]) == ["'\t=1"]


def test_a_stopped_run_goes_on(students: Class, capsys: pytest.CaptureFixture[str]) -> None:
    students.add("=ann", "bob", "eve")
    students.errors["eve"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        students.grade()
    assert students.results() == {"'=ann": [RIGHT], "bob": [RIGHT]}
    students.add("bob")  # handed in again
    for _ in range(2):  # what was kept is not lost by a second stop
        with pytest.raises(KeyboardInterrupt):
            students.grade()
    assert students.results() == {"'=ann": [RIGHT], "bob": [RIGHT]}
    del students.errors["eve"]
    students.grade()
    assert students.seen == ["eve"]
    assert "2 of 3 are graded already; to grade them anew, remove" in capsys.readouterr().out
    assert {path.name for path in students.out.iterdir()} == {"grades.csv", "grades.png", "mistakes.csv"}
    students.add("late")
    students.grade()  # after the end
    assert students.seen == ["late"]
    assert set(students.results()) == {"'=ann", "bob", "eve", "late"}
    (students.folder / "late" / "05.ipynb").rename(students.folder / "05.ipynb")
    with pytest.raises(InputError, match="already holds results"):  # of a student who is not here
        students.grade()
    (students.folder / "05.ipynb").unlink()
    students.errors["bob"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        students.grade(overwrite=True)
    assert students.seen == ["'=ann", "bob"]  # all anew
    assert [path.name for path in students.out.iterdir()] == ["grades.csv"]  # and no picture of other grades


def test_a_table_that_excel_has_open_costs_no_grades(
    students: Class, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on Windows, where a file that is open cannot be replaced."""
    students.add("ann", "bob", "eve")
    students.errors["eve"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        students.grade()
    del students.errors["eve"]
    replace, is_open = os.replace, True

    def refused(source: Path, target: Path) -> None:
        if is_open and Path(target).name == "grades.csv":
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        replace(source, target)

    def closed(_: float) -> None:
        nonlocal is_open
        is_open = False

    monkeypatch.setattr("kits_msan.files.os.replace", refused)
    monkeypatch.setattr(report.time, "sleep", closed)
    with pytest.raises(PermissionError):
        students.grade()
    monkeypatch.setattr(report, "WINDOWS", True)
    students.grade()
    assert students.results() == {"ann": [RIGHT], "bob": [RIGHT], "eve": [RIGHT]}
    said = f"{students.out / 'grades.csv'} is open in another program; close it there, and the command goes on"
    assert said in capsys.readouterr().out
    assert all((students.out / name).read_bytes().startswith(b"\xef\xbb\xbf") for name in report.COLUMNS)


def test_results_in_the_folder_of_the_class_are_no_student(students: Class) -> None:
    students.add("ann")
    students.out = students.folder / "grades"
    for overwrite in (False, True):
        students.grade(overwrite)
        assert students.results() == {"ann": [RIGHT]}
