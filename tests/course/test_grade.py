"""Collected notebooks: found, run within limits, without a network, and read; what is shown holds no names."""

from pathlib import Path

import nbformat
import pandas as pd
import pytest

from kits_msan.course.grade.kernel import can_unshare
from kits_msan.course.grade.notebooks import NOT_RUN, RIGHT, UNANSWERED, WRONG, Grade, Limits, collected, grade
from kits_msan.course.grade.report import draw, mistakes
from kits_msan.errors import InputError

RECALL = "this is the share that was found (recall)"
CELLS = [
    "def dice_of_share(share):\n    return share",
    'checks.check("5.2", lambda share: 2 * share / (1 + share))  # a check that was tampered with',
    "while True:\n    pass",
    "def paired(first, second):\n    while True:\n        pass",
    'checks.check("5.3", paired)',
    "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), timeout=2)\n    online = True\n"
    "except OSError:\n    online = False\n"
    "try:\n    big = bytearray(10**11)\n    limited = False\nexcept MemoryError:\n    limited = True",
    "import os\ndef chance(wrong, right):\n    return f'{online} {limited} {\"SECRET\" in os.environ}'",
    'checks.check("5.4", chance)',
    "def keep_two(label):\n    return label",
    'checks.passes("5.b", keep_two)  # without the teacher\'s `built`',
    "def bootstrap(differences, draws, rng, level=95):\n    return ...",
    'if built(bootstrap) and checks.passes("5.c", bootstrap):\n    pass',
]


def notebook(path: Path, cells: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    path.write_text(nbformat.writes(book), encoding="utf-8")
    return path


def test_students_are_named_by_folder_or_file(tmp_path: Path) -> None:
    notebook(tmp_path / "ann" / "my work.ipynb", ['checks.check("5.2", f)'])
    notebook(tmp_path / "02_attention_layer_bob.ipynb", ['checks.check("2.1", shape)'])
    notebook(tmp_path / "ann" / ".ipynb_checkpoints" / "old.ipynb", ['checks.check("5.2", f)'])
    notebook(tmp_path / "other.ipynb", ["1 + 1"])
    assert [(student, chapter) for student, chapter, _ in collected(tmp_path)] == [("bob", 2), ("ann", 5)]


def test_what_macs_and_learning_platforms_put_beside_is_no_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook(tmp_path / "ann" / "work.ipynb", ['checks.check("5.2", f)'])
    (tmp_path / "__MACOSX").mkdir()
    for name in ("ann/._05_work.ipynb", "__MACOSX/02_attention_layer.ipynb", "bob.zip"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert [student for student, _, _ in collected(tmp_path)] == ["ann"]
    assert capsys.readouterr().out == f"{tmp_path / 'bob.zip'} is an archive and was left out; unpack it.\n"


def test_broken_notebooks_do_not_cost_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="holds no notebooks"):
        collected(tmp_path)
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="holds no notebooks"):
        collected(tmp_path)
    assert "broken.ipynb is no notebook" in capsys.readouterr().out
    torn = tmp_path / "02_attention_layer_ann.ipynb"
    torn.write_text("", encoding="utf-8")
    assert collected(tmp_path) == [("ann", 2, torn)]
    results = grade("ann", 2, torn, tmp_path, Limits(1, 1, 1, False))
    assert {one.exercise for one in results} == {"2.1", "2.2", "2.3", "2.4", "2.b"}
    assert {one.result for one in results} == {NOT_RUN}


@pytest.mark.slow
def test_a_notebook_is_run_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "a token")
    path = notebook(tmp_path / "05.ipynb", CELLS)
    given = {one.exercise: one for one in grade("ann", 5, path, tmp_path, Limits(5, 300, 4 * 10**9, can_unshare()))}
    assert list(given) == ["5.1", "5.2", "5.3", "5.4", "5.b", "5.c"]
    assert given["5.1"].result == NOT_RUN  # its cell is missing, so the teacher's was put there
    assert "NameError" in given["5.1"].said
    assert given["5.2"].result == WRONG  # by the teacher's check cell
    assert given["5.2"].hint.startswith(RECALL)
    assert "For share" not in given["5.2"].hint
    assert given["5.3"].said.startswith("Wrong: your function did not end by itself.")
    assert "'False True False'" in given["5.4"].said  # not online, memory limited, no secret
    assert (given["5.b"].result, given["5.b"].hint) == (WRONG, "nothing was removed.")
    assert given["5.c"].result == UNANSWERED


def test_counts_and_picture_hold_no_names(tmp_path: Path) -> None:
    said = f"Wrong: {RECALL}. For share = 0.1 yours gives 0.1, but 0.1818 is right."
    grades = [
        Grade("ann", "5.2", WRONG, said),
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
