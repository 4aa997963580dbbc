"""Each command, interrupted at work, prints a whole sentence; the command that it prints goes on and ends well."""

import re
import shlex
import shutil
import signal
import sys
import time
import weakref
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kits_msan.cli import main
from kits_msan.commands.output import complain
from kits_msan.commands.stopping import Stopped, Stops, to_go_on
from kits_msan.course.grade.notebooks import RIGHT, Grade
from kits_msan.data.cases import LABEL
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE

GOES_ON, ANEW = "to go on", "nothing is kept. To start again"
SAYS = re.compile(rf"^kits-msan: (stopped[^;]*); ({GOES_ON}|{ANEW}): {{2}}kits-msan (.*)$", re.MULTILINE)
KEEP = ("download", "prepare", "train", "predict", "ablation", "course", "grade")  # the others write all at the end
TRAIN = "--profile smoke --steps 4 --device cpu"
# All but the doctor, which takes seconds, writes nothing and has nothing to go on with.
# A command line; the function in whose call of this number the signal comes; and what is there in the end.
COMMANDS = {
    "phantom": ("phantom OUT --profile smoke --cases 3", "kits_msan.phantom.make.phantom_case", 2, "split.json"),
    "download": ("download --cases 0 --out OUT --labels-only", "kits_msan.data.download._fetch_all", 1, ""),
    "prepare": ("prepare DATA --out OUT --profile smoke", "kits_msan.data.prepare._store_case", 2, "manifest.json"),
    "train": (f"train unet3d --data DATA --out OUT {TRAIN}", "SlabSampler.batch", 3, "model.safetensors"),
    "predict": ("predict DATA --checkpoint NET --out OUT", "kits_msan.inference.predict", 3, f"case_00003/{LABEL}"),
    "evaluate": ("evaluate DATA DATA --out OUT/s.csv", "kits_msan.metrics.score_folders", 1, "s.csv"),
    "ablation": (f"ablation --data DATA --out OUT {TRAIN}", "SlabSampler.batch", 6, "table.md"),
    "course": ("course --profile smoke --data DATA --out OUT", "kits_msan.course.run.execute", 3, "seconds.json"),
    "site": ("site --run RUN --out OUT", "kits_msan.course.site.build._notebook_page", 2, "index.html"),
    "export": ("export NET --onnx OUT/n.onnx", "kits_msan.networks.export.about", 1, "n.onnx"),
    "grade": ("grade RUN --out OUT", "kits_msan.course.grade.report.grade", 2, "grades.csv"),
}
# What stood in the output before, where --overwrite is given: a command line, or a file in a folder of nothing else
BEFORE = {
    "phantom": "phantom OUT --profile smoke --cases 2",
    "train": f"train unet3d --data DATA --out OUT {TRAIN.replace('4', '2')}",
    "predict": "predict DATA/case_00000 --checkpoint OTHER --out OUT",
    "evaluate": "evaluate DATA DATA --out OUT/s.csv",
    "ablation": f"ablation --data DATA --out OUT {TRAIN.replace('4', '2')}",
    "course": "course --profile smoke --data DATA --out OUT --seed 1",
    "export": "export NET --onnx OUT/n.onnx",
    "grade": "grade RUN --out OUT",
}
HOME = {"SlabSampler.batch": "kits_msan.data.slabs.SlabSampler.batch"}


@pytest.fixture
def places(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the words in capitals stand for; notebooks, ONNX's exporter and networks are stand-ins.

    They are not the subject here, and take seconds or minutes. test_terminated.py goes on with the real exporter.
    """
    for seed, name in enumerate(("net", "other")):
        model = build_model("unet3d", width=4 + 4 * seed, poolings=2)
        save_model(tmp_path / f"{name}.safetensors", model, describe_model("unet3d", model, SMOKE))
    books = Path(__file__).parents[2] / "notebooks"
    (tmp_path / "run").mkdir()
    for book in sorted(books.glob("0*.ipynb"))[1:3]:
        shutil.copy(book, tmp_path / "run")

    def execute(source: Path, target: Path, parameters: dict[str, Any], *_: object, **__: object) -> None:
        shutil.copy(source, target)
        (Path(parameters["out"]) / "ablation").mkdir(exist_ok=True)
        (Path(parameters["out"]) / "ablation" / "table.md").write_text("| the table |", encoding="utf-8")

    def save(path: Path) -> None:
        path.write_bytes(b"a network")

    program = SimpleNamespace(model=SimpleNamespace(metadata_props={}), save=save)
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: program)
    monkeypatch.setattr("kits_msan.course.site.build.write_api", lambda _: None)
    monkeypatch.setattr("kits_msan.course.run.execute", execute)
    monkeypatch.setattr("kits_msan.course.grade.report.smoke_cases", lambda: nullcontext(data))
    monkeypatch.setattr("kits_msan.course.grade.report.grade", lambda who, *_: [Grade(who, "2.1", RIGHT, "Right.")])
    monkeypatch.setattr("kits_msan.data.download._fetch_all", lambda *_: [])
    monkeypatch.setattr("kits_msan.data.download._check_space", lambda *_, **__: None)
    words = {"OUT": "out", "NET": "net.safetensors", "OTHER": "other.safetensors", "RUN": "run"}
    return {**{word: str(tmp_path / name) for word, name in words.items()}, "DATA": str(data)}


def filled(line: str, places: dict[str, str]) -> list[str]:
    return [re.sub("|".join(places), lambda found: places[found[0]], word) for word in line.split()]


def signal_in(monkeypatch: pytest.MonkeyPatch, path: str, call: int, number: int) -> Callable[[], int]:
    """Let the signal come in this call of the function at `path`; returns what counts the calls."""
    owner, _, name = HOME.get(path, path).rpartition(".")
    calls = 0
    with monkeypatch.context() as look:  # monkeypatch finds modules and classes by a dotted path
        look.setattr(f"{owner}.{name}", None)
        real: Any = look._setattr[-1][2]

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            signal.raise_signal(number)
        return real(*args, **kwargs)

    monkeypatch.setattr(f"{owner}.{name}", interrupted)
    return lambda: calls


def check(
    name: str, line: str, places: dict[str, str], number: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> int:  # fmt: skip
    """Interrupt the command and run what it prints; returns how often the function was called then."""
    _, path, call, target = COMMANDS[name]
    calls = signal_in(monkeypatch, path, call, number)
    capsys.readouterr()
    assert main(filled(line, places)) == 128 + number
    error = capsys.readouterr().err
    found = SAYS.search(re.sub(r"(?m)^.*\r", "", error))
    assert found, error
    assert "Traceback" not in error
    assert found[2] == (GOES_ON if name in KEEP else ANEW)
    before = calls()
    assert main(shlex.split(found[3])) == 0, capsys.readouterr().err
    assert not target or (Path(places["OUT"]) / target).exists()
    assert not list(Path(places["OUT"]).parent.rglob(".tmp*"))
    return calls() - before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"), [*((name, signal.SIGINT) for name in COMMANDS), ("train", signal.SIGTERM)]
)
def test_what_is_printed_goes_on(
    name: str, number: int, places: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    calls = check(name, COMMANDS[name][0], places, number, monkeypatch, capsys)
    goes_on = {"train": 1, "predict": 2, "course": 3}  # of 4 steps, 4 scans and 5 notebooks the rest, and no more
    assert calls == goes_on.get(name, calls)


@pytest.mark.slow
@pytest.mark.parametrize("name", BEFORE)
def test_what_is_printed_goes_on_in_place_of_old_results(
    name: str, places: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert main(filled(BEFORE[name], places)) == 0
    line = COMMANDS[name][0]
    goes_on = name == "grade"  # for late notebooks
    assert main(filled(line, places)) == (0 if goes_on else 2)  # else old results are not replaced unasked
    calls = check(name, f"{line} --overwrite", places, signal.SIGINT, monkeypatch, capsys)
    assert calls == {"train": 1, "predict": 2, "course": 3}.get(name, calls)


def test_what_is_printed_can_be_typed_in_every_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["predict", "my scans", "--out", "found"]
    assert to_go_on(words, Namespace()) == "to go on:  kits-msan predict 'my scans' --out found"
    monkeypatch.setattr("kits_msan.commands.stopping.WINDOWS", True)
    assert to_go_on(words, Namespace()) == 'to go on:  kits-msan predict "my scans" --out found'


@pytest.mark.parametrize("windows", [False, True])
def test_a_stop_that_python_ignores_comes_again(windows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the callback of a weak reference, which imports use: what is raised there is printed and forgotten."""
    if windows:
        monkeypatch.setattr("kits_msan.commands.stopping.WINDOWS", True)
        monkeypatch.setattr("kits_msan.commands.stopping.os.kill", lambda *_: 1 / 0)  # it would end the process

    class Thing:
        pass

    def wait() -> None:  # in steps, since no call of the system is interrupted
        for _ in range(1000):
            time.sleep(0.01)

    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    with Stops() as stops:
        del thing  # calls that function
        with pytest.raises(Stopped):
            wait()
    assert kept() is None
    assert stops.seen == signal.SIGTERM


def test_a_sentence_and_its_end_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped between the two, the next sentence would stand on the same line."""
    written: list[str] = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=written.append, flush=lambda: None))
    complain("no kidney")
    assert written == ["kits-msan: no kidney\n"]
