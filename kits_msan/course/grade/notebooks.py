"""One student's notebook: found, prepared, run in a kernel with limits, and read."""

import atexit
import copy
import logging
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from traitlets import Bool

from kits_msan.course.exercises.checks import BUILDS, EXERCISES
from kits_msan.course.grade.kernel import environment, launch
from kits_msan.course.paths import NOTEBOOKS
from kits_msan.errors import InputError

ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")  # as learning platforms hand notebooks out
OURS = 600  # seconds for a cell that is the teacher's own, such as the imports
ASKED = sorted([*EXERCISES, *BUILDS])  # 1.1 to 1.4, then the builds 1.b; 2.1 ...
CHECK = re.compile(r'checks\.(?:check|passes)\("(\d\.\w)"')
EXAMPLE = re.compile(r" (For \w+ = |The input was |It is not ).*", re.DOTALL)
RIGHT = "right"
WRONG = "wrong"
UNANSWERED = "unanswered"
NOT_RUN = "not run"
WORDS = {"Right": RIGHT, "Wrong": WRONG, "Not answered yet": UNANSWERED, "Not built yet": UNANSWERED}


@dataclass(frozen=True)
class Limits:
    """For one notebook: seconds a cell and of processor time in all, bytes of memory; whether it has no network."""

    cell_seconds: int
    seconds: int
    memory: int
    isolated: bool


@dataclass(frozen=True)
class Grade:
    """What an answer to an exercise, or a build, was told; `hint` is that without the input that was shown."""

    student: str
    exercise: str
    result: str
    said: str

    @property
    def hint(self) -> str:
        """The sentence that names the mistake."""
        return EXAMPLE.sub("", self.said).removeprefix("Wrong: ")


class _OneKernel(KernelSpecManager):
    """Under every name the kernel with limits, whatever is installed on this machine."""

    isolated = Bool()

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(argv=launch(self.isolated), display_name="grade", language="python")


def collected(folder: Path) -> list[tuple[str, int, Path]]:
    """(student, number of the notebook, file) of all notebooks below `folder`.

    A student's name is the folder that the notebooks lie in, or what a file's name has beside that of the notebook.
    A file that cannot be read counts if its name tells which notebook it was; else it is named and left out.
    Raises InputError if there are none.
    """
    found = []
    for path in sorted(folder.rglob("[!.]*")):
        if path.name.lower().endswith(ARCHIVES):
            print(f"{path} is an archive and was left out; unpack it.")
    for path in sorted(folder.rglob("*.ipynb")):
        if any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts):
            continue
        chapter = _chapter(path)
        if chapter:
            found.append((_student(path, folder, chapter), chapter, path))
    if not found:
        raise InputError(
            f"{folder} holds no notebooks with exercises of this course; collect the students' copies there."
        )
    return found


def grade(student: str, chapter: int, path: Path, data: Path, limits: Limits) -> list[Grade]:
    """Run a student's notebook on the phantoms in `data`, and read what its checks say."""
    try:
        notebook = _prepared(_read(path), chapter, data)
    except InputError as error:
        return [Grade(student, number, NOT_RUN, str(error)) for number in _of_chapter(chapter)]
    ours = {cell.source for cell in _teacher(chapter).cells if not CHECK.search(cell.source)} | {_setup(data)}
    failure = _run(notebook, ours, limits)
    return [Grade(student, number, *_said(notebook, number, failure)) for number in _of_chapter(chapter)]


def _read(path: Path) -> Any:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise InputError(f"{path} is no notebook ({type(error).__name__}); ask for it again or remove it.") from error


def _chapter(path: Path) -> int | None:
    """The number of the course's notebook that a file is, or None."""
    try:
        numbers = _exercises(_read(path))
        return int(min(numbers)[0]) if numbers else None
    except InputError as error:
        named = [int(original.name[:2]) for original in NOTEBOOKS.glob("0*.ipynb") if original.stem in path.stem]
        print(f"{error} It {'counts as not run' if named else 'was left out'}.")
        return named[0] if named else None


def _exercises(notebook: Any) -> list[str]:
    return [number for cell in notebook.cells for number in CHECK.findall(cell.source) if number in ASKED]


def _of_chapter(chapter: int) -> list[str]:
    return [number for number in ASKED if number.startswith(f"{chapter}.")]


def _teacher(chapter: int) -> Any:
    [path] = NOTEBOOKS.glob(f"0{chapter}_*.ipynb")
    return nbformat.read(path, as_version=4)


def _student(path: Path, folder: Path, chapter: int) -> str:
    parents = path.relative_to(folder).parts[:-1]
    if parents:
        return "/".join(parents)
    [original] = NOTEBOOKS.glob(f"0{chapter}_*.ipynb")
    return path.stem.replace(original.stem, "").strip("-_. ") or path.stem


def _prepared(notebook: Any, chapter: int, data: Path) -> Any:
    """A copy with the teacher's check cells, whatever became of the student's, and parameters for a short run."""
    notebook, teacher = copy.deepcopy(notebook), _teacher(chapter)
    checks = {number: cell.source for cell in teacher.cells for number in CHECK.findall(cell.source)}
    seen = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            for number in CHECK.findall(cell.source):
                cell.source = checks.get(number, cell.source)
                seen.add(number)
    missing = [nbformat.v4.new_code_cell(source) for number, source in checks.items() if number not in seen]
    at = next((i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])), -1)
    notebook.cells = [
        *notebook.cells[: at + 1],
        nbformat.v4.new_code_cell(_setup(data)),
        *notebook.cells[at + 1 :],
        *missing,
    ]
    return notebook


def _setup(data: Path) -> str:
    """The cell that comes after the parameters: a short run on these cases."""
    values = f'profile, device, train, seed = "smoke", "cpu", False, 0\ndata, out = {str(data)!r}, "out"\n'
    return values + "from kits_msan import checks\nfrom kits_msan.course import built"


def _run(notebook: Any, ours: set[str], limits: Limits) -> str:
    """Execute all cells, also after one that fails; returns why the rest was not run, or nothing.

    ours: the sources of cells that get more time than a student's.
    """
    from nbclient import NotebookClient

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # nbclient loses a task with each kernel that dies
    with tempfile.TemporaryDirectory(prefix="kits-grade-") as home:
        where = {"transport": "ipc", "ip": f"{home}/k"} if limits.isolated else {"ip": "127.0.0.1"}
        manager = AsyncKernelManager(kernel_spec_manager=_OneKernel(isolated=limits.isolated), **where)
        client = NotebookClient(
            notebook, km=manager, interrupt_on_timeout=True, allow_errors=True, record_timing=False,
            timeout_func=lambda cell: OURS if cell.source in ours else limits.cell_seconds,
            resources={"metadata": {"path": home}}, store_widget_state=False,
        )  # fmt: skip
        try:
            with ThreadPoolExecutor(1) as aside:  # in the main thread nbclient takes Ctrl-C for itself
                running = aside.submit(client.execute, env=environment(Path(home), limits.memory, limits.seconds))
                try:
                    running.result()
                except KeyboardInterrupt:
                    atexit.unregister(client._cleanup_kernel)  # there is none left; no public way
                    if kernel := getattr(manager.provisioner, "process", None):
                        kernel.kill()
                    raise
        except Exception as error:  # the kernel died of a limit, or did not even react to an interrupt
            return f"the notebook stopped: {type(error).__name__}, most likely at a limit of time or memory"
    return ""


def _said(notebook: Any, number: str, failure: str) -> tuple[str, str]:
    """(result, sentence) of an exercise or a build."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and number in CHECK.findall(cell.source))
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            lines = [line for line in output.text.splitlines() if line.partition(":")[0] in WORDS]
            if lines:
                return WORDS[lines[-1].partition(":")[0]], lines[-1]
        if output.output_type == "error" and output.ename == "KeyboardInterrupt":
            return WRONG, "Wrong: your function did not end within the time limit."
        if output.output_type == "error":
            return NOT_RUN, f"{output.ename}: {output.evalue}"
    return NOT_RUN, failure or "the check said nothing"
