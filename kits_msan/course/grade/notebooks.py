"""One student's notebook: prepared, run in a kernel with limits, and read."""

import atexit
import contextlib
import logging
import os
import re
import secrets
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from traitlets import Bool

from kits_msan.course.grade.collect import CHECK, checks_in, code_cell, code_cells, of_chapter
from kits_msan.course.grade.kernel import environment, launch
from kits_msan.course.grade.nameless import nameless
from kits_msan.course.paths import NOTEBOOKS
from kits_msan.errors import InputError

OURS = 600  # seconds for a cell that is the teacher's own, such as the imports
OUTPUT = 120  # seconds until what a cell printed has arrived; megabytes take long on a busy machine
SLOWER = 3  # times the seconds of processor time that a notebook may last, asleep or on a busy machine
LONGEST = 300  # characters of an error that are kept
ENDED = "the notebook stopped before this check: a cell ended Python, or reached a limit of time or memory"
FILE = re.compile(r"\(\S+\.py, ")
UNKNOWN = re.compile(r"name '(\w+)' is not defined")
RIGHT = "right"
WRONG = "wrong"
UNANSWERED = "unanswered"
NOT_RUN = "not run"
WORDS = {"Right": RIGHT, "Wrong": WRONG, "Not answered yet": UNANSWERED}
NOT_BUILT = "Not built yet:"  # how `built` begins, in place of a verdict
# The names that a check of the teacher's needs, whatever a student calls so
OWN = re.compile(r"\b(?=checks\.|built\()")


@dataclass(frozen=True)
class Limits:
    """For one notebook: seconds a cell and of processor time in all, bytes of memory; whether it has no network."""

    cell_seconds: int
    seconds: int
    memory: int
    isolated: bool


@dataclass(frozen=True)
class Grade:
    """What an answer to an exercise, or a build, was told; `hint` is that without what the student wrote."""

    student: str
    exercise: str
    result: str
    said: str

    @property
    def hint(self) -> str:
        """The sentence that names the mistake, and holds nothing that the student wrote."""
        return nameless(self.said)


class _OneKernel(KernelSpecManager):
    """Under every name the kernel with limits, whatever is installed on this machine."""

    isolated = Bool()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(argv=launch(self.isolated), display_name="grade", language="python")


class _Client(NotebookClient):
    """Keeps what the teacher's checks print; of other cells the error alone: endless prints would fill our memory."""

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
        metadata = self.nb.cells[cell_index].metadata
        if "check" in metadata:
            return super().output(outs, msg, display_id, cell_index)
        if msg["msg_type"] == "error":
            metadata["stop"] = _error(msg["content"])
        return None


def grade(student: str, chapter: int, path: Path, data: Path, limits: Limits) -> list[Grade]:
    """Run a student's notebook on the phantoms in `data`, and read what the teacher's checks say in it."""
    try:
        cells = code_cells(path)
    except InputError as error:
        return [Grade(student, number, NOT_RUN, str(error)) for number in of_chapter(chapter)]
    teacher = _teacher(chapter)
    notebook = NotebookNode(cells=_prepared(cells, teacher, data), metadata=NotebookNode())
    ours = {cell.source for cell in teacher if not checks_in(cell.source)} | {_setup(data)}
    failure = _run(notebook, ours, limits)
    checks = [(at, cell) for at, cell in enumerate(notebook.cells) if "check" in cell.metadata]
    said = {cell.metadata["check"]: _said(cell, notebook.cells[:at], failure) for at, cell in checks}
    return [Grade(student, number, *said[number]) for number in of_chapter(chapter)]


def _teacher(chapter: int) -> list[NotebookNode]:
    [path] = NOTEBOOKS.glob(f"0{chapter}_*.ipynb")
    return code_cells(path)


def _prepared(cells: list[NotebookNode], teacher: list[NotebookNode], data: Path) -> list[NotebookNode]:
    """The student's cells, with parameters for a short run, and with the teacher's checks, which alone are read.

    A check of the teacher's follows the last cell in which the student has it, be it in a comment. A cell that holds
    nothing else makes room for it; any other may hold an answer too, and stays as it is.
    """
    checks = {number: cell.source for cell in teacher for number in checks_in(cell.source)}
    last = {number: at for at, cell in enumerate(cells) for number in CHECK.findall(cell.source)}
    last |= {number: at for at, cell in enumerate(cells) for number in checks_in(cell.source)}
    start = max((at for at, cell in enumerate(cells) if cell.metadata["parameters"]), default=-1)
    prepared = [code_cell(_setup(data))] if start < 0 else []
    for at, cell in enumerate(cells):
        here = [number for number in checks if last.get(number) == at]
        if cell.source.strip() not in [checks[number].strip() for number in here]:
            prepared.append(cell)
        if at == start:
            prepared.append(code_cell(_setup(data)))
        prepared += [_check(number, checks[number]) for number in here]
    return prepared + [_check(number, source) for number, source in checks.items() if number not in last]


def _check(number: str, source: str) -> NotebookNode:
    """A check of the teacher's, with names of its own and a mark by which its verdict is known."""
    mark = f"{secrets.token_hex(8)} "
    own = "from kits_msan import checks as _kits_checks\nfrom kits_msan.course import built as _kits_built\n"
    return code_cell(f"{own}_kits_checks.MARK = {mark!r}\n{OWN.sub('_kits_', source)}", check=number, mark=mark)


def _setup(data: Path) -> str:
    """The cell that comes after the parameters: a short run on these cases."""
    values = f'profile, device, train, seed = "smoke", "cpu", False, 0\ndata, out = {str(data)!r}, "out"\n'
    return values + "from kits_msan import checks\nfrom kits_msan.course import built"


def _run(notebook: NotebookNode, ours: set[str], limits: Limits) -> str:
    """Execute all cells, also after one that fails; returns why the rest was not run, or nothing.

    ours: the sources of cells that get more time than a student's.
    """
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # nbclient loses a task with each kernel that dies
    with tempfile.TemporaryDirectory(prefix="kits-grade-") as home:
        where = {"transport": "ipc", "ip": f"{home}/k"} if limits.isolated else {"ip": "127.0.0.1"}
        manager = AsyncKernelManager(kernel_spec_manager=_OneKernel(isolated=limits.isolated), **where)
        client = _Client(
            notebook, km=manager, interrupt_on_timeout=True, allow_errors=True, record_timing=False,
            iopub_timeout=OUTPUT,
            timeout_func=lambda cell: OURS if cell.source in ours else limits.cell_seconds,
            resources={"metadata": {"path": home}}, store_widget_state=False,
        )  # fmt: skip
        try:
            with ThreadPoolExecutor(1) as aside:  # in the main thread nbclient takes Ctrl-C for itself
                env = environment(Path(home), limits.memory, limits.seconds)
                quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # else it could hold ours open
                running = aside.submit(client.execute, env=env, **quiet)
                try:
                    running.result(SLOWER * limits.seconds)
                except (KeyboardInterrupt, TimeoutError):
                    atexit.unregister(client._cleanup_kernel)  # there is none left; no public way
                    if kernel := getattr(manager.provisioner, "process", None):
                        kernel.kill()
                    raise
                finally:
                    _end_children(manager)
        except (DeadKernelError, TimeoutError):
            return ENDED
        except Exception as error:
            return _short(f"the notebook was not run to its end ({type(error).__name__}: {error})")
    return ""


def _end_children(manager: AsyncKernelManager) -> None:
    """End what the notebook started and left running in the kernel's group of processes; alone it has no other."""
    group = getattr(manager.provisioner, "pgid", None)
    if group and group != os.getpgrp():
        with contextlib.suppress(OSError):  # there is none left
            os.killpg(group, signal.SIGKILL)


def _said(cell: NotebookNode, above: list[NotebookNode], failure: str) -> tuple[str, str]:
    """(result, sentence) of the teacher's check in a cell that was run, after those above."""
    text = "".join(one.text for one in cell.outputs if one.output_type == "stream" and one.name == "stdout")
    _, marked, verdict = text.partition(cell.metadata["mark"])
    line = next(iter(verdict.splitlines()), "")
    if marked and (result := WORDS.get(line.partition(":")[0])):
        return result, line
    if unbuilt := [line for line in text.splitlines() if line.startswith(NOT_BUILT)]:
        return UNANSWERED, unbuilt[0]
    for output in cell.outputs:
        if output.output_type == "error" and output.ename == "KeyboardInterrupt":
            return WRONG, "Wrong: your function did not end within the time limit."
        if output.output_type == "error":
            return NOT_RUN, _error(output) + _why_missing(output.evalue, above)
    return NOT_RUN, failure or "the check said nothing; run this notebook yourself"


def _error(output: dict[str, Any]) -> str:
    """A cell's error in a line; Jupyter's name for the file of the cell tells nobody anything."""
    if output["ename"] == "KeyboardInterrupt":
        return "it did not end within the time limit"
    return _short(f"{output['ename']}: {FILE.sub('(', output['evalue'])}".removesuffix(": "))


def _why_missing(text: str, above: list[NotebookNode]) -> str:
    """Why a name that a check needs has no value: the last cell that has it stopped, or there is none."""
    if not (missing := UNKNOWN.match(text)):
        return ""
    name = re.compile(rf"\b{missing[1]}\b")
    having = [cell for cell in above if "check" not in cell.metadata and name.search(cell.source)]
    stops = [stop for cell in having if (stop := cell.metadata.get("stop")) and text not in stop]
    return f"; the cell above with this name stopped: {stops[-1]}" if stops else "; no cell above defines it"


def _short(text: str) -> str:
    """An error's text without its line breaks, which a student may have made as long as he likes."""
    return " ".join(text.split())[:LONGEST]
