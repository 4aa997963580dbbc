import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from nibabel.imageglobals import logger

from kits_msan import threads
from kits_msan.errors import without_warnings
from kits_msan.files import write_json
from kits_msan.formats.nifti import no_remarks
from kits_msan.formats.pixels import _quiet
from kits_msan.threads import SPIN, Chooser, Pieces, adapted, wait_briefly


@pytest.fixture(autouse=True)
def one_thread_afterwards() -> Iterator[None]:
    yield
    torch.set_num_threads(1)


def spent(chooser: Chooser, seconds: dict[int, float], steps: int) -> list[int]:
    """The threads of so many steps on a machine where a step with so many threads takes so long."""
    used = []
    for _ in range(steps):
        used.append(chooser.threads)
        chooser.add(seconds[chooser.threads])
    return used


def test_a_quiet_machine_keeps_all_threads_and_tries_one_now_and_then() -> None:
    used = spent(Chooser(2), {2: 0.07, 1: 0.11}, 1000)
    assert 5 <= used.count(1) <= 20
    assert used[-1] == 2


def test_a_busy_machine_gets_one_thread_after_seconds_and_its_threads_back_when_it_is_quiet() -> None:
    chooser = Chooser(2)
    used = spent(chooser, {2: 0.4, 1: 0.11}, 200)
    assert used.index(1) <= 15
    assert used.count(1) > 150
    used = spent(chooser, {2: 0.07, 1: 0.11}, 200)
    assert used[60:].count(2) > 120


def test_a_single_slow_step_changes_nothing() -> None:
    chooser = Chooser(2)
    spent(chooser, {2: 0.07, 1: 0.11}, 60)
    chooser.add(20.0)
    assert spent(chooser, {2: 0.07, 1: 0.11}, 60).count(1) <= 3


def test_what_another_kind_of_work_takes_is_not_compared() -> None:
    chooser = Chooser(2)
    spent(chooser, {2: 0.4, 1: 0.11}, 100)
    assert chooser.threads == 1
    chooser.forget()
    assert spent(chooser, {2: 4.0, 1: 1.1}, 4) == [1, 1, 1, 1]  # slower than all before, and yet no reason to change


def test_pieces_run_with_the_chosen_threads_which_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "EVERY", 0.0)
    monkeypatch.setattr(threads, "CLEARLY", 1e9)  # whatever is tried is faster
    torch.set_num_threads(2)
    pieces, seen = Pieces(), []
    for kind in ["one"] * 30 + ["other"] * 30:
        with pieces.piece(kind):
            seen.append(torch.get_num_threads())
        assert torch.get_num_threads() == 2
    assert set(seen[:30]) == set(seen[30:]) == {1, 2}
    with pytest.raises(ZeroDivisionError), pieces.piece("one"):
        1 / 0  # noqa: B018
    assert torch.get_num_threads() == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with pieces.piece("one"):
        assert torch.get_num_threads() == 2


def test_steps_run_with_the_chosen_threads_which_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "EVERY", 0.0)
    monkeypatch.setattr(threads, "CLEARLY", 1e9)  # whatever is tried is faster
    torch.set_num_threads(2)
    seen = [(step, torch.get_num_threads()) for step in adapted(range(30))]
    assert [step for step, _ in seen] == list(range(30))
    assert {number for _, number in seen} == {1, 2}
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("number", "variable"), [(1, None), (2, "2")])
def test_a_number_that_was_set_stays(number: int, variable: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "EVERY", 0.0)
    monkeypatch.setattr(threads, "CLEARLY", 1e9)
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    else:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(number)
    assert {torch.get_num_threads() for _ in adapted(range(30))} == {number}


def test_settings_that_are_there_stay() -> None:
    for given in ({SPIN: "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}):
        environment = dict(given)
        wait_briefly(environment)
        assert environment == given
    environment = {}
    wait_briefly(environment)
    assert environment.keys() == {SPIN}


def test_the_command_sets_it_before_torch_is_loaded() -> None:
    code = (
        "import os, sys; from kits_msan.cli import main\n"
        "assert 'torch' not in sys.modules\n"
        "try: main(['phantom', 'x', '--cases', '-1'])\n"
        "except SystemExit: pass\n"
        f"print(os.environ.get('{SPIN}'))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP", "OMP"))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == threads.SPINS


@pytest.mark.parametrize(
    ("block", "state"),
    [
        (without_warnings, lambda: list(warnings.filters)),
        (no_remarks, lambda: logger.disabled),
        (_quiet, lambda: os.fstat(2)[:3]),
    ],
)
def test_two_threads_leave_the_process_as_it_was(
    block: Callable[[], AbstractContextManager[None]], state: Callable[[], object]
) -> None:
    """Without a lock the second saves what the first has set, and restores it last."""
    first_in, second_in, first_out = (threading.Event() for _ in range(3))
    before = state()

    def first() -> None:
        with block():
            first_in.set()
            second_in.wait(0.1)
        first_out.set()

    def second() -> None:
        first_in.wait()
        with block():
            second_in.set()
            first_out.wait(0.1)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()
    assert state() == before


def test_two_threads_that_write_leave_the_rights_of_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.umask

    def slow(mask: int) -> int:
        before = plain(mask)
        time.sleep(0.05)
        return before

    plain(before := plain(0o027))
    monkeypatch.setattr(os, "umask", slow)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda name: write_json(tmp_path / name, {}), ("a", "b")))
    finally:
        after = plain(before)
    assert after == before
