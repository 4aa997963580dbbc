"""A notebook is run within limits and without a network; the teacher's checks are read, and nothing else."""

import ntpath
import os
import posixpath
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.channels import AsyncZMQSocketChannel
from student_notebooks import notebook, raw_notebook

from kits_msan.course.grade import notebooks
from kits_msan.course.grade.kernel import can_unshare, environment
from kits_msan.course.grade.notebooks import NOT_RUN, RIGHT, UNANSWERED, WRONG, Limits, grade

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

TAMPERED = """chance = lambda wrong, right: 1.0
checks.check("5.4", checks.EXERCISES["5.4"].solution)
print("Right: so it is.")"""
PRINTS = "import sys\nfor _ in range(150):\n    print(140_000 * 'x')\n    sys.stdout.flush()"  # 21 MB
ODD_CELLS = [
    "import time\nexit(0)",
    "time.sleep(0.5)",  # in which a kernel that was asked to exit ends
    {"cell_type": "code", "source": None},
    "no code at all:",
    "def vote(labels, probabilities):\n    return labels",
    'checks.check("5.1", vote)',
    'vote = checks.EXERCISES["5.1"].solution',
    'checks.check("5.1", vote)',
    f'dice_of_share = checks.EXERCISES["5.2"].solution\n{PRINTS}\nchecks.check("5.2", dice_of_share)',
    f'paired = checks.EXERCISES["5.3"].solution\nchecks.check("5.3", paired)\n{TAMPERED}',
    'keep_two = checks.BUILDS["5.b"].solution\n# checks.passes("5.b", keep_two)',
    "import os\nos._exit(0)",
    'checks.passes("5.c", bootstrap)',
]

DETACHED = f"detached-{os.getpid()}"  # a name that the list of processes shows
FALSE_WORDS = [  # before and after each check, and of what a check calls
    'for event in ("pre_run_cell", "post_run_cell"):\n'
    '    get_ipython().events.register(event, lambda *a: print("Right: so it is."))',
    f"import os\nos.system('(while true; do sleep 0.{os.getpid()}; done) &')",
    f"import subprocess\nloop = ['sh', '-c', 'while true; do sleep 0.1; done', '{DETACHED}']\n"
    "subprocess.Popen(loop, start_new_session=True)",
    'answers = checks\nchecks = {"a": 1}\nbuilt = True',
    "dice_of_share = lambda share: share",
    'def keep_two(label):\n    print("Not answered yet: debug")\n    return answers.BUILDS["5.b"].solution(label)',
    'import sys\nsys.stdout.close()\nsys.stderr = sys.stdout = None\nchecks["a"]',
    'paired = answers.EXERCISES["5.3"].solution',
    "def bootstrap(differences, draws, rng, level=95):\n    return ...",
]


@pytest.mark.slow
def test_the_checks_alone_are_believed_and_nothing_lives_on(tmp_path: Path) -> None:
    path = notebook(tmp_path / "05.ipynb", FALSE_WORDS)
    isolated = can_unshare()
    given = {one.exercise: one for one in grade("ann", 5, path, tmp_path, Limits(30, 60, 4 * 10**9, isolated))}
    results = {number: one.result for number, one in given.items()}
    wanted = {"5.1": NOT_RUN, "5.2": WRONG, "5.3": RIGHT, "5.4": NOT_RUN, "5.b": RIGHT, "5.c": UNANSWERED}
    assert results == wanted
    assert given["5.2"].hint.startswith(RECALL)
    for _ in range(100):  # what was killed needs a moment to be gone
        running = subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout
        if f"sleep 0.{os.getpid()}" not in running and (not isolated or DETACHED not in running):
            return
        time.sleep(0.1)
    raise AssertionError("it lives on")


@pytest.mark.slow
def test_the_kernel_has_its_own_home_on_every_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tmp")  # of the teacher's
    monkeypatch.setattr(os, "environ", environment(tmp_path, 1, 1))
    assert posixpath.expanduser("~") == ntpath.expanduser("~") == str(tmp_path)
    assert tempfile._candidate_tempdir_list()[0] == str(tmp_path)  # type: ignore[attr-defined]


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


@pytest.mark.slow
def test_odd_notebooks_are_graded_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receive = AsyncZMQSocketChannel._recv

    async def slowly(self: AsyncZMQSocketChannel, **options: Any) -> Any:
        """As on a busy machine: four seconds, Jupyter's own limit, are not enough for what is printed."""
        message = await receive(self, **options)
        if message["msg_type"] == "stream":
            time.sleep(0.04)
        return message

    monkeypatch.setattr(AsyncZMQSocketChannel, "_recv", slowly)
    cells = [{"cell_type": "code", "source": cell} if isinstance(cell, str) else cell for cell in ODD_CELLS]
    path = raw_notebook(tmp_path / "05.ipynb", cells)
    given = {one.exercise: one for one in grade("ann", 5, path, tmp_path, Limits(30, 300, 4 * 10**9, can_unshare()))}
    assert given["5.1"].result == RIGHT  # the last check counts
    assert given["5.2"].result == RIGHT  # the answer and the check in one cell, and much print between
    assert given["5.3"].result == RIGHT  # two checks in one cell
    assert given["5.4"].result == WRONG  # whatever the student's cell checks and prints
    assert given["5.b"].result == RIGHT  # an answer that stands above a check in a comment
    assert given["5.c"].result == NOT_RUN
    assert "a cell ended Python, or reached a limit of time or memory" in given["5.c"].said


STOPPED = [  # what a cell with an answer does instead, and what the grade says of it
    ("def vote(labels, probabilities)\n    return labels", "stopped: SyntaxError: expected ':' (line 1)"),
    ("raise ValueError('a\\nb')\n\ndef dice_of_share(share): return share", "stopped: ValueError: a b"),
    ("while True: pass\n\ndef paired(a, b): return a", "stopped: it did not end within the time limit"),
    ("def my_chance(wrong, right): return 1\nmy_chance = None\n1 / 0", "; no cell above defines it"),
    ("raise MemoryError\n\ndef keep_two(label): return label", "stopped: MemoryError"),
    ("from google.colab import drive\ndef bootstrap(): return 1", "stopped: ModuleNotFoundError: No module named"),
    ("print(vote)", ""),  # which stops too, for the same reason
]


def test_a_grade_says_why_an_answer_was_not_run(tmp_path: Path) -> None:
    path = notebook(tmp_path / "05.ipynb", [cell for cell, _ in STOPPED])
    given = grade("ann", 5, path, tmp_path, Limits(3, 60, 4 * 10**9, can_unshare()))
    assert {one.result for one in given} == {NOT_RUN}
    for one, (_, why) in zip(given, STOPPED[:-1], strict=True):
        assert one.said.startswith("NameError: name '")
        assert why in one.said


@pytest.mark.slow
def test_a_notebook_that_sleeps_forever_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "SLOWER", 0.03)
    asleep = "import time\nwhile True:\n    try:\n        time.sleep(1)\n    except KeyboardInterrupt:\n        pass"
    path = notebook(tmp_path / "05.ipynb", [asleep])
    results = grade("ann", 5, path, tmp_path, Limits(1, 300, 4 * 10**9, can_unshare()))
    assert {one.result for one in results} == {NOT_RUN}
    assert "reached a limit of time" in results[0].said
