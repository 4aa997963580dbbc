"""`kits-msan grade`: all collected notebooks, as a table with names, and as a picture and a count without."""

import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from kits_msan.course.grade.collect import ASKED, Found, collected, empty_handed, of_chapter, spelled, unreadable
from kits_msan.course.grade.kernel import can_unshare
from kits_msan.course.grade.notebooks import NOT_RUN, RIGHT, UNANSWERED, WRONG, Grade, Limits, grade
from kits_msan.course.paths import smoke_cases
from kits_msan.errors import WINDOWS, InputError, check_readable, one_line
from kits_msan.files import atomic_file, refuse_file, refuse_foreign, refuse_results, write_csv

COLORS = {RIGHT: "#009E73", WRONG: "#D55E00", UNANSWERED: "#DDDDDD", NOT_RUN: "#666666"}
GRADES, MISTAKES, PICTURE = "grades.csv", "mistakes.csv", "grades.png"
COLUMNS = {GRADES: [field.name for field in fields(Grade)], MISTAKES: ["exercise", "students", "hint"]}
MARKED = "utf-8-sig"  # without the mark Excel takes a table for one of another encoding
ABSENT, CLOSED = "no notebook", "the folder may not be read"  # what is said of a student of whom there is nothing
OWNER = 0o600  # who alone may read the names, on a server that others use too
WAIT = 1.0  # seconds until a file that was open is tried again
FORMULA = tuple("=+-@\t\r")  # how a text begins that a spreadsheet would calculate
SIGNS = {RIGHT: "+", WRONG: "x", UNANSWERED: "", NOT_RUN: "!"}


def grade_folder(folder: Path, out: Path, cell_seconds: int, memory_gb: float, overwrite: bool = False) -> None:
    """Run all notebooks below `folder`; write grades.csv (with names), mistakes.csv and grades.png into `out`.

    grades.csv is written with each notebook, and the others at the end. A run goes on from that of an earlier one,
    finished or stopped, and grades only notebooks that are newer; with `overwrite`, all anew.
    cell_seconds: limit for a cell. memory_gb: limit for a kernel, in GB. Nothing is sent anywhere.
    Raises InputError for a folder without notebooks, for an `out` that holds results, and, with `overwrite` too, if
    one of the three files there was not written by this function.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name the one of the collected notebooks.")
    check_readable(folder)
    finished = (out / PICTURE).exists()
    before = [] if overwrite and finished else _earlier(out)
    refuse_results(out, overwrite or bool(before))
    for name, columns in COLUMNS.items():
        refuse_file(out / name, overwrite or bool(before), ".csv", begins=_header(columns))
    refuse_foreign(out, (out / GRADES).exists() or not (out / PICTURE).exists(), "result of kits-msan grade")
    notebooks = collected(folder)
    here = {_plain(student) for student, _, _ in notebooks}
    if finished and any(one.student not in here and one.said not in (ABSENT, CLOSED) for one in before):
        refuse_results(out, overwrite=False)  # of another class
    within = [out.resolve(), *out.resolve().parents]  # results may lie in the folder too, and are no student
    closed = {path.relative_to(folder).parts[0] for path in unreadable(folder)}
    names = [name for name in empty_handed(folder, notebooks) if (folder / name).resolve() not in within]
    absent = {name: CLOSED if name in closed else ABSENT for name in names}
    for name in names:
        if name not in closed:
            print(one_line(f"{folder / name} holds no notebook of this course; ask the student for it."))
    isolated = can_unshare()
    print("each notebook runs without a network" if isolated else "the network is only refused by Python here")
    limits = Limits(cell_seconds, 20 * cell_seconds, int(memory_gb * 1e9), isolated)
    done = _still_true(before, notebooks, out / GRADES) if before else {}
    if done:
        print(f"{len(done)} of {len(notebooks)} are graded already; to grade them anew, remove {out / GRADES}.")
    with smoke_cases() as data:
        for one in tqdm([one for one in notebooks if one not in done], "notebooks"):
            done[one] = _graded(one, data, limits)
            for name in (MISTAKES, PICTURE):
                with _unless_open(out / name):
                    (out / name).unlink(missing_ok=True)  # of an older run, whose grades go now
            with _unless_open(out / GRADES):  # else they are written with the next
                _write_grades(out, [row for rows in done.values() for row in rows])
    grades = [row for rows in done.values() for row in rows]
    asked = [number for number in ASKED if any(one.exercise == number for one in grades)]
    grades += [Grade(_plain(name), number, NOT_RUN, said) for name, said in absent.items() for number in asked]
    _once_closed(out / GRADES, lambda: _write_grades(out, grades))
    _once_closed(out / MISTAKES, lambda: write_csv(out / MISTAKES, mistakes(grades), MARKED, csv.QUOTE_ALL))
    _once_closed(out / PICTURE, lambda: _write_picture(out, grades))
    students = len({one.student for one in grades})
    print(f"{students} students, {len(notebooks)} notebooks; see {GRADES}, {MISTAKES} and {PICTURE} in {out}")
    print(f"{GRADES} holds names: keep it on this machine. The other two hold none.")


def _graded(notebook: Found, data: Path, limits: Limits) -> list[Grade]:
    """The grades of a notebook, whatever is odd about it: the class goes on."""
    student, chapter, path = notebook
    try:
        return grade(_plain(student), chapter, path, data, limits)
    except Exception as error:
        said = f"this notebook cannot be graded ({type(error).__name__}: {error}); look at it yourself"
        return [Grade(_plain(student), number, NOT_RUN, said) for number in of_chapter(chapter)]


def _earlier(out: Path) -> list[Grade]:
    """The grades that an earlier run, finished or stopped, has left in `out`."""
    file, columns = out / GRADES, COLUMNS[GRADES]
    if not file.is_file():
        return []
    with file.open(encoding=MARKED, errors="replace", newline="") as lines:
        if lines.readline().rstrip() != _header(columns):
            return []
        return [Grade(*row) for row in csv.reader(lines) if len(row) == len(columns) and row[2] in COLORS]


def _still_true(before: Sequence[Grade], notebooks: Sequence[Found], file: Path) -> dict[Found, list[Grade]]:
    """Of the notebooks that are no newer than `file`, in which `before` stands, the grades, if all are there."""
    kept = {}
    for student, chapter, path in notebooks:
        numbers, status = of_chapter(chapter), path.stat()
        rows = [one for one in before if one.student == _plain(student) and one.exercise in numbers]
        rows = [one for one in rows if one.said not in (ABSENT, CLOSED)]  # made readable, a notebook is no newer
        came = max(status.st_mtime, status.st_ctime)  # a copy may have the times of its original
        if len(rows) == len(numbers) and came < file.stat().st_mtime:
            kept[student, chapter, path] = rows
    return kept


def _header(columns: Sequence[str]) -> str:
    """The first line of a table. All is quoted: where a list is parted by ";", a name could else begin a formula."""
    return ",".join(f'"{column}"' for column in columns)


def _write_grades(out: Path, grades: Sequence[Grade]) -> None:
    rows = [[_plain(value) for value in vars(one).values()] for one in grades]
    write_csv(out / GRADES, pd.DataFrame(rows, columns=COLUMNS[GRADES]), MARKED, csv.QUOTE_ALL, OWNER)


def _write_picture(out: Path, grades: Sequence[Grade]) -> None:
    with atomic_file(out / PICTURE) as temporary:
        draw(grades, temporary)


@contextmanager
def _unless_open(file: Path) -> Iterator[None]:
    """Windows lets nobody change a file that a program such as Excel has open: then it stays as it is."""
    try:
        yield
    except PermissionError:
        if not (WINDOWS and file.exists()):
            raise


def _once_closed(file: Path, write: Callable[[], None]) -> None:
    """Write the file; while another program has it open, wait: the grades of the class are in memory alone."""
    for tried in count():
        with _unless_open(file):
            return write()
        if not tried:
            print(f"{file} is open in another program; close it there, and the command goes on by itself.")
        time.sleep(WAIT)


def _plain(text: str) -> str:
    """A text of a student's, which a spreadsheet shows and does not calculate."""
    return spelled(f"'{text}" if text.startswith(FORMULA) else text)


def mistakes(grades: Sequence[Grade]) -> pd.DataFrame:
    """How many students got each hint, the most common of an exercise first; without names."""
    made = dict.fromkeys((one.exercise, _plain(one.hint), one.student) for one in grades if one.result == WRONG)
    counted = Counter((exercise, hint) for exercise, hint, _ in made)
    rows = [{"exercise": exercise, "students": count, "hint": hint} for (exercise, hint), count in counted.items()]
    table = pd.DataFrame(rows, columns=COLUMNS[MISTAKES])
    return table.sort_values(["exercise", "students"], ascending=[True, False], ignore_index=True)


def draw(grades: Sequence[Grade], path: Path) -> None:
    """A row for each student, in no telling order and without names; a column for each exercise and build."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    exercises = [number for number in ASKED if any(one.exercise == number for one in grades)]
    students = sorted({one.student for one in grades})
    results = {(one.student, one.exercise): one.result for one in grades}
    kinds = list(COLORS)
    rows = [[kinds.index(results.get((who, what), UNANSWERED)) for what in exercises] for who in students]
    table = np.array(sorted(rows, key=lambda row: row.count(0), reverse=True))
    figure = Figure(figsize=(max(0.45 * len(exercises) + 2.5, 6.0), 0.3 * len(students) + 1.6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(table, cmap=ListedColormap(list(COLORS.values())), vmin=-0.5, vmax=3.5, aspect="auto")
    for row, column in np.ndindex(table.shape):
        axes.text(column, row, SIGNS[kinds[table[row, column]]], ha="center", va="center", color="white")
    axes.set_xticks(range(len(exercises)), exercises)
    axes.set_yticks([])
    axes.set_ylabel(f"{len(students)} students")
    shares = [f"{(table[:, i] == 0).mean():.0%}" for i in range(len(exercises))]
    axes.secondary_xaxis("top").set_xticks(range(len(exercises)), shares)
    axes.set_title("share of students who are right", fontsize="medium")
    handles = [Patch(color=color, label=f"{kind} {SIGNS[kind]}") for kind, color in COLORS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, format="png", dpi=150)
