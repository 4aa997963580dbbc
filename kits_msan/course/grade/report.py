"""`kits-msan grade`: all collected notebooks, as a table with names, and as a picture and a count without."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from kits_msan.course.grade.kernel import can_unshare
from kits_msan.course.grade.notebooks import ASKED, NOT_RUN, RIGHT, UNANSWERED, WRONG, Grade, Limits, collected, grade
from kits_msan.course.paths import course_data
from kits_msan.errors import InputError
from kits_msan.files import atomic_file, refuse_file, refuse_foreign, refuse_results, write_csv
from kits_msan.profiles import get_profile

COLORS = {RIGHT: "#009E73", WRONG: "#D55E00", UNANSWERED: "#DDDDDD", NOT_RUN: "#666666"}
GRADES, MISTAKES, PICTURE = "grades.csv", "mistakes.csv", "grades.png"
COLUMNS = {GRADES: [field.name for field in fields(Grade)], MISTAKES: ["exercise", "students", "hint"]}
SIGNS = {RIGHT: "+", WRONG: "x", UNANSWERED: "", NOT_RUN: "!"}


def grade_folder(folder: Path, out: Path, cell_seconds: int, memory_gb: float, overwrite: bool = False) -> None:
    """Run all notebooks below `folder`; write grades.csv (with names), mistakes.csv and grades.png into `out`.

    cell_seconds: limit for a cell. memory_gb: limit for a kernel, in GB. Nothing is sent anywhere.
    Raises InputError for a folder without notebooks, for an `out` that holds results, and, with `overwrite` too, if
    one of the three files there was not written by this function.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name the one of the collected notebooks.")
    refuse_results(out, overwrite)
    for name, columns in COLUMNS.items():
        refuse_file(out / name, overwrite, ".csv", begins=",".join(columns))
    refuse_foreign(out, (out / GRADES).exists() or not (out / PICTURE).exists(), "result of kits-msan grade")
    notebooks = collected(folder)
    isolated = can_unshare()
    print("each notebook runs without a network" if isolated else "the network is only refused by Python here")
    data = course_data(get_profile("smoke"))
    limits = Limits(cell_seconds, 20 * cell_seconds, int(memory_gb * 1e9), isolated)
    grades: list[Grade] = []
    for student, chapter, path in tqdm(notebooks, "notebooks"):
        grades += grade(student, chapter, path, data, limits)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / GRADES, pd.DataFrame([vars(one) for one in grades], columns=COLUMNS[GRADES]))
    write_csv(out / MISTAKES, mistakes(grades))
    with atomic_file(out / PICTURE) as temporary:
        draw(grades, temporary)
    students = len({one.student for one in grades})
    print(f"{students} students, {len(notebooks)} notebooks; see {GRADES}, {MISTAKES} and {PICTURE} in {out}")
    print(f"{GRADES} holds names: keep it on this machine. The other two hold none.")


def mistakes(grades: Sequence[Grade]) -> pd.DataFrame:
    """How many students got each hint, the most common of an exercise first; without names."""
    counted = Counter((one.exercise, one.hint) for one in grades if one.result == WRONG)
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
