"""`kill PID` while a command works: a whole sentence, nothing half-written, no process left, and a way to go on.

What is printed is then run in this process, which has imported its libraries; for one of the commands, as printed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
import pytest

from commands.command_line import MODULE, NETWORK, shown
from kits_msan.cli import main
from kits_msan.data.cases import LABEL

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM"),
]
SAYS = re.compile(r"^kits-msan: stopped[^;]*; (?:to go on|nothing is kept. To start again): {2}(.*)$", re.MULTILINE)
TRAIN = "--data data --out out --profile smoke --device cpu --steps"
SECONDS = 120  # until a command works, on a slow machine


class Job(NamedTuple):
    """A command line, the file (or what is in the output) that shows it at work, and what is there in the end."""

    line: str
    works: str
    target: str


JOBS = {
    "phantom": Job("phantom out --cases 12 --profile smoke", ".tmp-*/case_00001", "out/split.json"),
    "train": Job(f"train unet3d {TRAIN} 40", "out/metrics.csv", "out/model.safetensors"),
    "predict": Job(f"predict many {NETWORK} --out out", f"out/*/{LABEL}", f"out/case_00029/{LABEL}"),
    "export": Job("export networks/unet3d.safetensors --onnx out/net.onnx", "libtorch_python", "out/net.onnx"),
    "grade": Job("grade student --out out", "each notebook runs|refused by Python", "out/grades.csv"),
    "course": Job("course --no-train --profile smoke --data data --out out", "ipykernel", "out/seconds.json"),
}


@pytest.fixture
def place(place: Path) -> Path:
    """With many cases, and a student's notebook."""
    for number in range(30):
        shutil.copytree(f"data/case_0000{number % 4}", f"many/case_{number:05d}")
    Path("student").mkdir()
    cells = [nbformat.v4.new_code_cell('checks.check("5.2", lambda share: share)')]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), "student/05.ipynb")
    return place


def at_work(place: Path, job: Job, process: psutil.Process) -> Callable[[], bool]:
    """What says whether the sign of work is there: a file, words in the output, a library or a kernel."""

    def is_there() -> bool:
        if "*" in job.works or "/" in job.works:
            return any(place.glob(job.works))
        if re.search(job.works, "".join(path.read_text(encoding="utf-8") for path in place.glob("std*.txt"))):
            return True
        with suppress(psutil.Error):  # of a child that ends meanwhile
            children = [" ".join(child.cmdline()) for child in process.children(recursive=True)]
            return any(job.works in text for text in [*children, *(part.path for part in process.memory_maps())])
        return False

    return is_there


@pytest.mark.parametrize("name", JOBS)
def test_kill_at_work(name: str, place: Path) -> None:
    job, environment = JOBS[name], {**os.environ, "OMP_NUM_THREADS": "1"}
    with (place / "stdout.txt").open("w") as out, (place / "stderr.txt").open("w") as error:
        started = subprocess.Popen([*MODULE, *job.line.split()], cwd=place, env=environment, stdout=out, stderr=error)
    process = psutil.Process(started.pid)
    works, end = at_work(place, job, process), time.monotonic() + SECONDS
    while True:
        assert started.poll() is None, "it ended too soon"
        assert time.monotonic() < end
        process.suspend()  # so that it cannot end between the look and the signal
        if works():
            break
        process.resume()
        time.sleep(0.02)
    family = process.children(recursive=True)
    started.terminate()  # SIGTERM
    process.resume()
    assert started.wait(SECONDS) == 143
    said = shown((place / "stderr.txt").read_text(encoding="utf-8"))
    found = SAYS.search(said)
    assert found, said
    assert "Traceback" not in said
    assert psutil.wait_procs(family, 10)[1] == []
    assert not [path for path in place.rglob(".*") if path.name.startswith((".tmp", ".old-"))]
    assert not (place / job.target).exists()
    words = shlex.split(found[1])
    python, line = words[: -len(job.line.split())], words[-len(job.line.split()) :]
    assert line == job.line.split()
    assert python[1:] == MODULE[1:]
    if name == "course":  # whose notebooks take minutes; test_interrupts.py goes on with stand-ins for them
        return
    if name == "phantom":
        done = subprocess.run(words, cwd=place, env=environment, capture_output=True, timeout=500, check=False)
        assert done.returncode == 0, done.stderr.decode()[-500:]
    else:
        assert main(line) == 0
    assert (place / job.target).exists()
