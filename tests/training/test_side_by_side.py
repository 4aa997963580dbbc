"""Trainings in processes of their own: order, devices, failures and interruption, with a stand-in for the command."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.profiles import SHIPPED, SMOKE
from kits_msan.training.side_by_side import Job, _end, _environments, devices_for, side_by_side

STAND_IN = """
import os, sys, time
from pathlib import Path

name, run = sys.argv[sys.argv.index("train") + 1], Path(sys.argv[sys.argv.index("--out") + 1])
run.mkdir(parents=True)
threads = os.environ.get("OMP_NUM_THREADS", "?")
(run / "told").write_text(f"{' '.join(sys.argv[1:])} threads {threads}", encoding="utf-8")
while name == "waits" and not (run.parent / "go").exists():
    time.sleep(0.01)
if name == "fails":
    print("Traceback: far above", file=sys.stderr)
    print("kits-msan: the loss is nan.", file=sys.stderr)
    sys.exit(2)
(run / "done").write_text(str(time.time()), encoding="utf-8")
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of Python: a script that runs the stand-in whatever module it is asked for."""
    (tmp_path / "stand_in.py").write_text(STAND_IN, encoding="utf-8")
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{tmp_path / "stand_in.py"}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr("kits_msan.training.side_by_side.sys.executable", str(script))


def jobs(folder: Path, *names: str) -> list[Job]:
    return [
        Job(name, seed, folder / f"{seed}-{name}", folder / "logs" / f"{seed}.log") for seed, name in enumerate(names)
    ]


@pytest.mark.usefixtures("command")
def test_each_job_is_one_training_on_one_thread(tmp_path: Path) -> None:
    todo = jobs(tmp_path, "a", "b", "c")
    with side_by_side(todo, tmp_path / "store", SMOKE, Machine("cpu", devices=2)) as futures:
        assert [future.result() for future in futures] == [None] * 3
    told = (tmp_path / "1-b" / "told").read_text(encoding="utf-8")
    assert "-m kits_msan train b --seed 1 " in told
    assert f"--device cpu --precision auto --profile smoke --steps 5 --data {tmp_path / 'store'}" in told
    assert "--overwrite" not in told
    assert told.endswith("threads 1")


@pytest.mark.usefixtures("command")
def test_profiles_that_make_their_phantoms_get_no_data(tmp_path: Path) -> None:
    with side_by_side(jobs(tmp_path, "a"), None, SHIPPED, Machine("cpu", devices=1)) as futures:
        futures[0].result()
    told = (tmp_path / "0-a" / "told").read_text(encoding="utf-8")
    assert "--profile shipped" in told
    assert "--data" not in told


@pytest.mark.usefixtures("command")
def test_second_device_goes_on_while_the_first_is_busy(tmp_path: Path) -> None:
    with side_by_side(jobs(tmp_path, "waits", "b", "c"), tmp_path, SMOKE, Machine("cpu", devices=2)) as futures:
        futures[2].result()
        assert futures[1].done()
        assert not futures[0].done()
        (tmp_path / "go").touch()
        futures[0].result()


@pytest.mark.usefixtures("command")
def test_one_failure_is_a_sentence_and_the_others_go_on(tmp_path: Path) -> None:
    with side_by_side(jobs(tmp_path, "fails", "b"), tmp_path, SMOKE, Machine("cpu", devices=1)) as futures:
        with pytest.raises(InputError) as error:
            futures[0].result()
        futures[1].result()
    log = tmp_path / "logs" / "0.log"
    assert str(error.value) == (
        f"training fails with seed 0 ended with code 2: kits-msan: the loss is nan.; see {log}. "
        "Started again, it goes on from its checkpoint."
    )
    assert "far above" in log.read_text(encoding="utf-8")
    assert (tmp_path / "1-b" / "done").exists()


def interrupted(todo: list[Job], folder: Path, interrupt: Callable[[], None]) -> None:
    """Start the jobs, and interrupt when the first is running."""
    with side_by_side(todo, folder, SMOKE, Machine("cpu", devices=1)) as futures:
        while not (todo[0].run / "told").exists():
            time.sleep(0.01)
        interrupt()
        futures[0].result()


def press_ctrl_c() -> None:
    raise KeyboardInterrupt


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize("interrupt", [press_ctrl_c, terminate])
def test_interruption_stops_what_runs_and_starts_nothing_more(tmp_path: Path, interrupt: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    todo = jobs(tmp_path, "waits", "b")
    with pytest.raises(KeyboardInterrupt):  # without it, the first would be waited for without end
        interrupted(todo, tmp_path, interrupt)
    assert not (todo[0].run / "done").exists()
    assert not todo[1].run.exists()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.usefixtures("command")
def test_a_training_that_starts_while_all_are_stopped_is_stopped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, start = threading.Event(), subprocess.Popen

    def slowly(*command: Any, **options: Any) -> Any:
        starting.set()
        time.sleep(0.3)
        return start(*command, **options)

    monkeypatch.setattr("kits_msan.training.side_by_side.subprocess.Popen", slowly)
    todo = jobs(tmp_path, "waits")
    with side_by_side(todo, tmp_path, SMOKE, Machine("cpu", devices=1)):
        assert starting.wait(10)  # without the stop, leaving this block would wait without end
    assert not (todo[0].run / "done").exists()


def test_a_training_that_writes_its_checkpoint_is_waited_for_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `terminate` kills at once."""
    monkeypatch.setattr("kits_msan.training.side_by_side.WINDOWS", True)
    for grace, seconds, ends_by_itself in ((60, 0.2, True), (0.1, 60, False)):
        monkeypatch.setattr("kits_msan.training.side_by_side.GRACE", grace)
        process = subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"])
        _end([process])
        assert (process.wait() == 0) == ends_by_itself


def test_logs_have_the_encoding_in_which_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    [environment] = _environments(1, "cpu")
    printed = subprocess.check_output([sys.executable, "-c", "print('J\u00fcrgen')"], env=environment)
    assert printed.decode("utf-8").strip() == "J\u00fcrgen"


def test_profile_that_the_command_cannot_name_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="profile smoke was changed in more than its steps"),
        side_by_side(jobs(tmp_path, "a"), tmp_path, replace(SMOKE, width=6, steps=9), Machine("cpu", devices=2)),
    ):
        pass


def test_each_process_sees_one_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [each["CUDA_VISIBLE_DEVICES"] for each in _environments(2, "cuda")] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-5f,7")
    assert [each["CUDA_VISIBLE_DEVICES"] for each in _environments(3, "cuda")] == ["4", "GPU-5f", "7"]
    with pytest.raises(InputError, match="5 devices were asked for, but there are 3 GPUs"):
        _environments(5, "cuda")


@pytest.mark.parametrize(("steps", "cores", "devices"), [(1200, 2, 2), (1200, 16, 5), (1200, 1, 1), (5, 8, 1)])
def test_a_course_trains_a_network_on_each_core_where_it_takes_a_while(
    steps: int, cores: int, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kits_msan.training.side_by_side.available_cores", lambda: cores)
    assert devices_for(replace(SMOKE, steps=steps), "cpu") == devices
