"""Collected files: whose notebook of which chapter each is; two of one student count once; none vanishes unsaid."""

import json
import os
import sys
from pathlib import Path

import pytest
from student_notebooks import notebook, raw_notebook

from kits_msan.course.grade.collect import checks_in, code_cells, collected, empty_handed
from kits_msan.course.grade.notebooks import NOT_RUN, Limits, grade
from kits_msan.errors import InputError

FIFTH = ['checks.check("5.2", f)']
ODD_CELLS = [
    {"cell_type": "code", "metadata": {}},
    {"cell_type": "code", "metadata": {}, "source": None},
    {"cell_type": "code", "metadata": {"tags": None}, "source": 7},
    {"cell_type": "code", "metadata": None, "source": ["x = 1\n", 2, "y = 2"]},
    {"source": 'checks.check("5.2", "\ud800")'},
    {"cell_type": "markdown", "source": 'checks.check("1.1", f)'},
    "no cell",
    None,
]


def test_students_are_named_by_folder_or_file(tmp_path: Path) -> None:
    notebook(tmp_path / "ann" / "my work.ipynb", FIFTH)
    notebook(tmp_path / "02_attention_layer_bob.ipynb", ['checks.check("2.1", shape)'])
    notebook(tmp_path / "ann" / ".ipynb_checkpoints" / "old.ipynb", FIFTH)
    notebook(tmp_path / "other.ipynb", ["1 + 1"])
    assert [(student, chapter) for student, chapter, _ in collected(tmp_path)] == [("bob", 2), ("ann", 5)]


def test_what_macs_and_learning_platforms_put_beside_is_no_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook(tmp_path / "ann" / "work.ipynb", FIFTH)
    (tmp_path / "__MACOSX").mkdir()
    for name in ("ann/._05_work.ipynb", "__MACOSX/02_attention_layer.ipynb", "bob.zip"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    found = collected(tmp_path)
    assert [student for student, _, _ in found] == ["ann"]
    assert empty_handed(tmp_path, found) == []
    assert capsys.readouterr().out == f"{tmp_path / 'bob.zip'} is an archive and was left out; unpack it.\n"


def test_broken_notebooks_do_not_cost_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="holds no notebooks"):
        collected(tmp_path)
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="holds no notebooks"):
        collected(tmp_path)
    assert "broken.ipynb is damaged or not JSON; ask the student for it again." in capsys.readouterr().out
    torn = tmp_path / "02_attention_layer_ann.ipynb"
    torn.write_text("", encoding="utf-8")
    assert collected(tmp_path) == [("ann", 2, torn)]
    for path in (torn, raw_notebook(tmp_path / "cells.ipynb", {"a": 1}), raw_notebook(tmp_path / "no.ipynb", 5)):
        results = grade("ann", 2, path, tmp_path, Limits(1, 1, 1, False))
        assert {one.exercise for one in results} == {"2.1", "2.2", "2.3", "2.4", "2.b"}
        assert {one.result for one in results} == {NOT_RUN}
        assert all(one.said.endswith("; ask the student for it again.") for one in results)


def test_odd_cells_are_read_as_far_as_possible(tmp_path: Path) -> None:
    path = raw_notebook(tmp_path / "ann" / "odd.ipynb", ODD_CELLS)
    assert collected(tmp_path) == [("ann", 5, path)]
    sources = [cell.source for cell in code_cells(path)]
    assert sources == ["", "", "", "x = 1\ny = 2", 'checks.check("5.2", "\\ud800")']


def test_old_notebooks_are_read_and_other_languages_named(tmp_path: Path) -> None:
    old = tmp_path / "old.ipynb"
    cell = {"cell_type": "code", "input": FIFTH, "language": "python", "outputs": [], "collapsed": False}
    old.write_text(
        json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [cell]}]}),
        encoding="utf-8",
    )
    assert [one.source for one in code_cells(old)] == FIFTH
    for told, language in [
        ({"kernelspec": {"name": "kits", "language": "R"}}, "R"),
        ({"language_info": {"name": "R"}}, "R"),
        ({"kernelspec": {"name": "kits"}, "language_info": {"name": "ipython"}}, None),
    ]:
        text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": told, "cells": []})
        old.write_text(text, encoding="utf-8")
        if language:
            with pytest.raises(InputError, match=f"is a notebook in {language}, and the course is in Python"):
                code_cells(old)
        else:
            assert code_cells(old) == []


def test_a_check_in_a_comment_is_none() -> None:
    assert checks_in('#checks.check("5.2", f)\nx = 1  # then checks.check("5.1", f)') == []
    assert checks_in('checks.check("5.2", f); checks.passes( \'5.b\', g)  # both\nchecks.check("9.9", h)') == [
        "5.2",
        "5.b",
    ]


def test_of_several_notebooks_of_a_student_one_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"01_data_exploration": "1.1", "01_data_exploration-Copy1": "1.1", "01_data_exploration (1)": "1.1"}
    paths = [notebook(tmp_path / "ann" / f"{name}.ipynb", [f'checks.check("{n}", f)']) for name, n in names.items()]
    for at, path in enumerate(paths):
        os.utime(path, (1e9 + at / 10, 1e9 + at / 10))  # copied one after the other: as good as equally new
    assert collected(tmp_path) == [("ann", 1, paths[0])]
    said = (
        "01_data_exploration.ipynb counts, left out: 01_data_exploration (1).ipynb, 01_data_exploration-Copy1.ipynb"
    )
    assert capsys.readouterr().out == f"ann has several notebooks 1: {said}.\n"
    os.utime(paths[1], (1e9 + 60, 1e9 + 60))
    assert collected(tmp_path) == [("ann", 1, paths[1])]
    paths[1].write_text("{", encoding="utf-8")  # the newest of all, and torn
    assert collected(tmp_path) == [("ann", 1, paths[0])]
    for name in ("05_ensemble_and_ablation_bob", "05_ensemble_and_ablation_bob (2)", "my_bob - Copy"):
        notebook(tmp_path / f"{name}.ipynb", FIFTH)
    assert [one[:2] for one in collected(tmp_path)] == [("bob", 5), ("ann", 1), ("my_bob", 5)]


@pytest.mark.parametrize(
    ("names", "student"),
    [
        (["Copy of 01_data_exploration_ann", "Copy of Copy of 02_attention_layer_ann", "03_res2net_ann"], "ann"),
        (["Kopie von 01_data_exploration_ann", "02_attention_layer_ann - Kopie (2)"], "ann"),
        (["Copy of 01_data_exploration", "01_data_exploration copy 2"], "01_data_exploration"),
        (["01_data_exploration_J\u00f6rg", "02_attention_layer_Jo\u0308rg"], "J\u00f6rg"),
        (
            [
                "smithjane_12345_900001_01_data_exploration",
                "smithjane_12345_900777_02_attention_layer",
                "smithjane_LATE_12345_900888_03_res2net",
                "smithjane_12345_900002_01_data_exploration-1",
            ],
            "smithjane_12345",
        ),
        (
            [
                "Ann Lee_123456_assignsubmission_file_/01_data_exploration",
                "Ann Lee_123999_assignsubmission_file_/02_attention_layer",
                "Ann Lee_124000_assignsubmission_file/mine/03_res2net",
            ],
            "Ann Lee",
        ),
        (
            ["Ann Lee_1_assignsubmission_file_01_data_exploration", "Ann Lee_2_assignsubmission_file_03_res2net"],
            "Ann Lee",
        ),
    ],
)
def test_names_of_colab_and_of_learning_platforms_are_understood(
    tmp_path: Path, names: list[str], student: str
) -> None:
    for name in names:
        notebook(tmp_path / f"{name}.ipynb", ["1 + 1"])
    assert {one[0] for one in collected(tmp_path)} == {student}


def test_others_with_names_alike_stay_others(tmp_path: Path) -> None:
    names = ["smithjane_12345_900001_", "smithjane_12346_900002_", "group_1_2_", "group_1_3_", "ann_2_", "ann_3_"]
    for name in names:
        notebook(tmp_path / f"{name}01_data_exploration.ipynb", ["1 + 1"])
    assert len(collected(tmp_path)) == len(names)


def test_students_that_differ_in_capitals_are_one_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = (notebook(tmp_path / f"0{name}.ipynb", ["1"]) for name in ("1_data_exploration_Ann", "3_res2net_ann"))
    os.utime(old, (1e9, 1e9))
    (tmp_path / "ANN_7_assignsubmission_file_").mkdir()
    found = collected(tmp_path)
    assert found == [("ann", 1, new), ("ann", 3, old)]
    assert empty_handed(tmp_path, found) == []
    said = "ann, Ann are taken for one student; if they are several, give them other names.\n"
    assert capsys.readouterr().out == said


def test_folders_in_a_students_folder_are_no_other_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new, old = (notebook(tmp_path / name / "05.ipynb", FIFTH) for name in ("ann", "ann/backup"))
    os.utime(old, (1e9, 1e9))
    assert collected(tmp_path) == [("ann", 5, new)]
    assert capsys.readouterr().out == "ann has several notebooks 5: 05.ipynb counts, left out: backup/05.ipynb.\n"
    notebook(tmp_path / "monday" / "bob" / "05.ipynb", FIFTH)
    notebook(tmp_path / "monday" / "eve" / "x" / "05.ipynb", FIFTH)
    assert [one[0] for one in collected(tmp_path)] == ["ann", "monday/bob", "monday/eve/x"]
    assert f"{tmp_path / 'monday'} holds several students: bob, eve/x; if they are one" in capsys.readouterr().out


def test_files_of_another_kind_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook(tmp_path / "ann" / "05_ensemble_and_ablation.IPYNB", ["checks.check('5.2', f)"])
    bad = ["bob/02_attention_layer.ipynb.txt", "bob/x.ipynb.json", "eve/04_training.html", "03_res2net_joe.py"]
    for name in [*bad, "ann/05_ensemble_and_ablation.html", "eve/notes.txt"]:  # ann has the notebook as well
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}", encoding="utf-8")
    notebook(tmp_path / "ann" / "scratch.ipynb", ["1 + 1"])
    found = collected(tmp_path)
    assert [one[:2] for one in found] == [("ann", 5)]
    assert empty_handed(tmp_path, found) == ["bob", "eve"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        f"{tmp_path / 'ann' / 'scratch.ipynb'} has no exercise of this course and was left out;"
    )
    says = "does not end in .ipynb; rename it if it is the notebook, else ask the student for that."
    assert sorted(lines[1:]) == sorted(f"{tmp_path / name} {says}" for name in bad)


def test_a_notebook_without_checks_is_known_by_its_name(tmp_path: Path) -> None:
    path = notebook(tmp_path / "ann" / "02_Attention_Layer.ipynb", ["def shape(): return 1"])
    assert collected(tmp_path) == [("ann", 2, path)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_in_another_encoding_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/J\xfcrgen"))
    raw_notebook(folder / "05_ensemble_and_ablation.ipynb", 5)
    assert [chapter for _, chapter, _ in collected(tmp_path)] == [5]
    assert "J\\udcfcrgen" in capsys.readouterr().out
