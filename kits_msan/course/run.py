"""Running the whole course with papermill: five notebooks in order, a progress bar, minutes and the table."""

import json
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kits_msan.course.paths import NOTEBOOKS, course_data, require_repository
from kits_msan.course.record import RECORD, begin, note, still_to_do
from kits_msan.errors import check_choice
from kits_msan.files import atomic_file, write_json
from kits_msan.locks import only_user
from kits_msan.profiles import Profile
from kits_msan.threads import wait_briefly

SHARES = (4, 1, 1, 86, 8)  # of a course's time that the notebooks take, roughly, when all networks are trained
# Of a course; the bar corrects itself. Projected from steps measured on two cores; gpu and paper are guesses.
MINUTES = {"smoke": 1.0, "laptop": 26.0, "gpu": 25.0, "paper": 60.0 * 24 * 20}
KERNEL_STARTS = 3  # tries
CELL_TIMEOUT = {"smoke": 600, "laptop": 3 * 3600, "gpu": 6 * 3600}  # seconds; a hanging cell must not hang the course


def run_course(
    profile: Profile,
    out: Path,
    *,
    device: str = "auto",
    seed: int = 0,
    data: Path | None = None,
    train: bool = True,
    overwrite: bool = False,
) -> int:
    """Execute the five notebooks into `out`; print minutes per notebook and the table. Returns an exit code.

    A course that was stopped goes on, and of a finished one only the table is shown; see `record`. 1 if a notebook
    failed: the rest is not run, and the failed one, with its error, is in `out`.
    Raises InputError for missing notebooks or data, a profile without a course, and an `out` that is taken.
    """
    from kits_msan.devices import pick_device

    check_choice("profile of a course", profile.name, MINUTES)  # the others train the networks that ship
    require_repository()
    notebooks = sorted(NOTEBOOKS.glob("0*.ipynb"))
    out = Path(out).resolve()
    pick_device(device)
    given = str(course_data(profile, data, seed)) if data else ""
    parameters = {
        "profile": profile.name, "device": device, "train": train, "seed": seed, "out": str(out), "data": given
    }  # fmt: skip
    with only_user(out, "course"):
        record = begin(out, parameters, overwrite)
        parameters["data"] = given or str(course_data(profile, "", seed, "add --data FOLDER"))
        write_json(out / RECORD, record)
        todo = still_to_do(record, notebooks, out)
        if not todo:
            print(f"{out} holds this course already; add --overwrite to run it anew.")
        elif len(todo) < len(notebooks):
            print(f"{len(notebooks) - len(todo)} of {len(notebooks)} notebooks are done already.")
        each = 60 * MINUTES[profile.name] / sum(SHARES)  # seconds of a share
        shares = zip(notebooks, SHARES, strict=True)
        expected = {path.name: each * share for path, share in shares if path in todo}
        seconds: dict[str, float] = {}
        failure = None
        with _progress(expected, seconds, trust=6 * MINUTES[profile.name]):
            for notebook in todo:
                started = time.perf_counter()
                target, limit = out / notebook.name, CELL_TIMEOUT.get(profile.name)
                if failure := execute(notebook, target, parameters, limit, keep_widgets=True):
                    break
                seconds[notebook.name] = time.perf_counter() - started
                note(record, notebook, seconds[notebook.name], out)
                if not sys.stderr.isatty():  # nobody sees the bar
                    print(f"{notebook.name}: {seconds[notebook.name]:.0f} s", flush=True)
        if failure:
            print(failure, file=sys.stderr)
            return 1
        _conclude(profile, out, {path.name: record["done"][path.name]["seconds"] for path in notebooks})
    return 0


def _conclude(profile: Profile, out: Path, seconds: dict[str, float]) -> None:
    write_json(out / "seconds.json", seconds)
    print(f"\n{profile.name} profile, executed notebooks in {out}")
    for name, spent in seconds.items():
        print(f"{spent / 60:6.1f} min  {name}")
    print(f"{sum(seconds.values()) / 60:6.1f} min  in all\n")
    print((out / "ablation" / "table.md").read_text(encoding="utf-8"))


def execute(
    notebook: Path,
    target: Path,
    parameters: dict[str, Any] | None = None,
    timeout: int | None = None,
    keep_widgets: bool = False,
) -> str | None:
    """Run one notebook and store it as `target`; returns None, or a sentence that names notebook and cell.

    keep_widgets: store the state of the viewers too, from which `course.site` draws them.
    Raises FileNotFoundError where no temporary folder may be written.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    tempfile.gettempdir()  # which the kernel needs: without one nothing is wrong with the notebook
    wait_briefly()  # the kernel inherits it

    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            papermill.execute_notebook(
                notebook, target, parameters, kernel_name="python3", cwd=str(notebook.parent), progress_bar=False,
                execution_timeout=timeout, store_widget_state=keep_widgets,
                extra_arguments=["--log-level=CRITICAL"],  # its remarks would tear the progress bar, also at Ctrl-C
            )  # fmt: skip

    try:
        _with_a_kernel(run)
    except PapermillExecutionError as error:
        return _ended(f"{notebook.name} failed in cell {_cell_name(target, error)}: {error.ename}: {error.evalue}")
    except Exception as error:  # the kernel died or a cell took too long: papermill lets nbclient's errors through
        return _ended(f"{notebook.name} failed: {type(error).__name__}: {error}")
    _forget_kernel(target, keep_widgets)
    return None


def _ended(text: str) -> str:
    """The text as a sentence: an error's own words may end with a full stop, or be none."""
    return f"{text.rstrip(' .:')}."


def _with_a_kernel(run: Callable[[], None]) -> None:
    """Run, and try again where the kernel does not start: two that start at once may choose the same port."""
    for _ in range(KERNEL_STARTS - 1):
        try:
            return run()
        except RuntimeError as error:
            if "Kernel died before replying" not in str(error):
                raise
    return run()


def refresh_notebooks() -> int:
    """Run the committed notebooks with their default parameters and store their outputs; returns an exit code."""
    for notebook in sorted(NOTEBOOKS.glob("0*.ipynb")):
        executed = notebook.with_suffix(".tmp")
        started = time.perf_counter()
        failure = execute(notebook, executed)
        if failure:
            print(f"{failure} It is {executed}.", file=sys.stderr)
            return 1
        executed.replace(notebook)
        print(f"{notebook.name}: {time.perf_counter() - started:.0f} s")
    return 0


def _forget_kernel(path: Path, keep_widgets: bool) -> None:
    """Drop what only made sense while the kernel ran: without its state, a widget hides its own still picture."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for part in [notebook, *notebook["cells"]]:
        for key in ("papermill", "execution") if keep_widgets else ("papermill", "execution", "widgets"):
            part["metadata"].pop(key, None)
        for output in part.get("outputs", []):
            if not keep_widgets:
                output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _cell_name(target: Path, error: Any) -> str:
    """The id of the cell that raised `error`, and its count as the notebook shows it."""
    cells = json.loads(target.read_text(encoding="utf-8"))["cells"]
    found = [cell["id"] for cell in cells if cell.get("execution_count") == error.exec_count]
    return f"{found[0] if found else '?'!r} [{error.exec_count}]"


@contextmanager
def _progress(expected: dict[str, float], seconds: dict[str, float], trust: float) -> Iterator[None]:
    """A bar that counts seconds, and corrects its estimate by how long the finished notebooks took.

    expected: seconds of each notebook. trust: in the estimate, in seconds: the short notebooks before the training
    say little about it.
    """
    from tqdm.auto import tqdm

    if not expected:
        yield
        return
    started = time.perf_counter()
    stop = threading.Event()

    def tick(bar: Any) -> None:
        while not stop.wait(1.0):
            planned, spent = sum(expected[name] for name in seconds), sum(seconds.values())
            speed = (spent + trust) / (planned + trust)
            now = time.perf_counter() - started
            rest = [name for name in expected if name not in seconds]
            later = speed * sum(expected[name] for name in rest[1:])  # after the notebook that runs
            left = max(speed * sum(expected[name] for name in rest) - (now - spent), later)
            bar.set_description_str(f"[{len(seconds) + 1}/{len(expected)}]" if rest else "done", refresh=False)
            bar.set_postfix_str(rest[0] if rest else "", refresh=False)
            bar.n, bar.total = round(now), round(now + left)
            bar.refresh()

    # In a narrow terminal the end is cut off: the name. Where there is none, a bar each second would fill a file.
    layout = "{desc} {percentage:3.0f}%|{bar:10}| {elapsed} elapsed, about {remaining} left{postfix}"
    with tqdm(total=round(sum(expected.values())), bar_format=layout, disable=None) as bar:
        ticker = threading.Thread(target=tick, args=(bar,), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            stop.set()
            ticker.join()


if __name__ == "__main__":
    sys.exit(refresh_notebooks())
