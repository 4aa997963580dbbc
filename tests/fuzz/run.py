"""Fuzzing of all that reads files: `python tests/fuzz/run.py --seconds 600`. Anything but InputError is a finding.

With atheris (`pip install atheris`) what an input runs through guides the next; without it, inputs are drawn blindly.
Inputs that make a finding are kept in --findings; FINDINGS/runs.csv has a line for each target of each run. With
atheris, inputs that reached new code are kept in --corpus, and the next run goes on from there. A short run is part
of the tests (test_targets.py).
"""

import argparse
import csv
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mutations import mutated

if TYPE_CHECKING:
    from targets import Target

TARGETS = ("nifti", "label", "pair", "dicom", "checkpoint", "split", "store", "run", "results")  # of targets.py
HERE = Path(__file__).resolve().parent
SECONDS = 600  # of the clock for one input, before it counts as a hang: a machine may be busy
SLOW = 5  # seconds of the processor for one input, before that counts as a finding
MEMORY = 3000  # MB of the process, before that counts as greedy


class Fuzzer:
    """Reads inputs and notes what becomes of them; each place of the code that raises counts as one finding."""

    def __init__(self, name: str, target: "Target", findings: Path) -> None:
        self.name, self.target, self.findings = name, target, findings
        self.read = self.refused = 0
        self.found: dict[str, str] = {}  # what and where -> the file with the input

    def once(self, content: bytes) -> None:
        """Read one input."""
        from kits_msan.errors import InputError

        started = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.target.read(content)
            self.read += 1
        except InputError:
            self.refused += 1
        except Exception as error:
            self.read += 1
            where = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in where if "kits_msan" in frame.filename] or where
            place = f"{type(error).__name__} in {Path(own[-1].filename).name}, {own[-1].name}"
            self.keep(place, content, "".join(traceback.format_exception(error)))
        spent = time.process_time() - started
        if spent > SLOW:
            self.keep("slow", content, f"{spent:.1f} s of the processor")

    def keep(self, place: str, content: bytes, about: str) -> None:
        """The first input of a finding, under a name that the same place gets in a later run, too."""
        if place not in self.found:
            kept = self.findings / f"{self.name}-{zlib.crc32(place.encode()):08x}"
            kept.write_bytes(content)
            self.found[place] = kept.name
            kept.with_suffix(".txt").write_text(about, encoding="utf-8")

    def state(self) -> dict[str, Any]:
        """The counts, JSON-able."""
        return {"target": self.name, "read": self.read, "refused": self.refused, "found": self.found}


def fuzz_blindly(fuzzer: Fuzzer, seed: int, goes_on: Callable[[int], bool]) -> None:
    """Draw inputs as long as `goes_on`, which is given how many there were, says so."""
    rng = random.Random(seed)
    for content in fuzzer.target.seeds:
        fuzzer.once(content)
    count = 0
    while goes_on(count):
        fuzzer.once(mutated(rng, rng.choice(fuzzer.target.seeds), fuzzer.target.seeds))
        count += 1


def load() -> tuple[ModuleType | None, ModuleType]:
    """atheris, if it is there, and the targets, whose package it then watches."""
    try:
        import atheris
    except ImportError:
        atheris = None
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    with atheris.instrument_imports(include=["kits_msan"]) if atheris else nullcontext():
        import targets
    import torch

    torch.set_num_threads(1)
    return atheris, targets


def fuzz_one(name: str, seconds: float, seed: int, scratch: str, args: argparse.Namespace) -> None:
    """Fuzz one target in this process; what became of it is in FINDINGS/<name>.json, now and then and at the end."""
    log = os.open(args.findings / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    atheris, targets = load()
    fuzzer = Fuzzer(name, getattr(targets, name)(Path(scratch)), args.findings)
    status, ends = args.findings / f"{name}.json", time.monotonic() + seconds
    written = 0.0

    def note() -> None:
        nonlocal written
        written = time.monotonic()
        status.write_text(json.dumps(fuzzer.state()), encoding="utf-8")

    if atheris is None:
        fuzz_blindly(fuzzer, seed, lambda _: time.monotonic() < ends)
        return note()

    def once(content: bytes) -> None:
        fuzzer.once(content)
        if time.monotonic() - written > 0.5:
            note()

    def change(content: bytes, longest: int, number: int) -> bytes:
        """Half of the changes are ours, which know of values in a text; half are atheris's, which know of bytes."""
        if number % 2:
            return mutated(random.Random(number), content, fuzzer.target.seeds)[:longest]
        return bytes(atheris.Mutate(content, longest))

    corpus = args.corpus / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(fuzzer.target.seeds):
        (corpus / f"whole-{number}").write_bytes(content)
    options = {
        "seed": seed or 1, "max_total_time": int(seconds), "timeout": SECONDS, "rss_limit_mb": MEMORY,
        "max_len": max(map(len, fuzzer.target.seeds)) + 400, "artifact_prefix": f"{args.findings}/{name}-died-",
        "verbosity": 0,
    }  # fmt: skip
    words = [sys.argv[0], str(corpus), *(f"-{key}={value}" for key, value in options.items())]
    atheris.Setup(words, once, custom_mutator=change)
    atheris.Fuzz()  # which ends the process


def run_all(names: Sequence[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Fuzz each target in a process of its own for its share of the time; one that dies is a finding and goes on."""
    rows = []
    processes: Any = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    load()  # once: a forked process has what was imported
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk would be slower by far
    for name in names:
        left, seed, parts = args.seconds / len(names), args.seed, []
        while left >= 1:
            began = time.monotonic()
            (args.findings / f"{name}.json").unlink(missing_ok=True)  # an earlier run's counts are not this one's
            with tempfile.TemporaryDirectory(dir=memory) as scratch:
                process = processes.Process(target=fuzz_one, args=(name, left, seed, scratch, args))
                process.start()
                process.join()
            code = process.exitcode or 0
            state: dict[str, Any] = {"target": name, "read": 0, "refused": 0, "found": {}}
            with suppress(OSError, ValueError):
                state = json.loads((args.findings / f"{name}.json").read_text(encoding="utf-8"))
            if code:
                died = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                state["found"][f"the process died ({died}), see {name}-died-* and {name}.log"] = ""
            parts.append(state)
            left, seed = (left - (time.monotonic() - began), seed + 1) if code and state["read"] else (0, seed)
        found = {place for part in parts for place in part["found"]}
        total = {key: sum(part[key] for part in parts) for key in ("read", "refused")}
        rows.append({"target": name, **total, "found": sorted(found), "seconds": round(args.seconds / len(names))})
        with open(args.findings / "runs.csv", "a", newline="", encoding="utf-8") as file:
            line = {"at": time.strftime("%Y-%m-%d %H:%M"), "seed": args.seed, **rows[-1], "found": "; ".join(found)}
            table = csv.DictWriter(file, line)
            if not file.tell():
                table.writeheader()
            table.writerow(line)
        print(
            f"{name:12} {sum(total.values()):9} inputs, {total['refused']:9} refused, {len(found)} findings",
            flush=True,
        )
        for place in sorted(found):
            print(f"             {place}", flush=True)
    return rows


def main() -> int:
    """Returns 1 if there was a finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together (default: 600)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", help="only this one; may be repeated")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for what was found")
    parser.add_argument("--corpus", type=Path, help="folder of inputs to go on from (default: FINDINGS/corpus)")
    args = parser.parse_args()
    args.findings.mkdir(parents=True, exist_ok=True)
    args.corpus = args.corpus or args.findings / "corpus"
    return int(any(row["found"] for row in run_all(args.target or TARGETS, args)))


if __name__ == "__main__":
    sys.exit(main())
