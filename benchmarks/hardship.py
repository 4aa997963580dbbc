"""Every command that writes is killed, and runs on a full disk; a scan is segmented with too little memory.

    python benchmarks/hardship.py        20 kills of each command with SIGKILL, some minutes

After a kill each finished file must be the one that an unbroken run writes, to the byte. The same command, started
again, must end with the same files. On a disk of 100 kB, and with too little memory, a command must end well or say
why in one sentence, with exit code 2. The disk is a file system of its own, so this needs the right to mount one.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import Row, arguments, record, row

from kits_msan.course.paths import NOTEBOOKS
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.phantom.make import write_phantoms
from kits_msan.profiles import SMOKE

SEED, DISK = 0, "100k"
SMALL = "--profile smoke --device cpu"
COMMANDS = {  # with DATA, NETS, RUN and OUT in place of paths; training has kills.py
    "phantom": "phantom OUT --profile smoke --cases 4 --test 1",
    "prepare": "prepare DATA --out OUT --profile smoke",
    "predict": "predict DATA --checkpoint NETS/unet3d.safetensors --out OUT --device cpu",
    "evaluate": "evaluate DATA DATA --out OUT/scores.csv --surface",
    "ablation": f"ablation --data DATA --checkpoints NETS --out OUT {SMALL}",
    "export": "export NETS/unet3d.safetensors --onnx OUT/net.onnx",
    "site": "site --run RUN --out OUT",
}
HIDDEN = "."  # what begins so nobody takes for a result
METHOD = (
    "Each command but `train` is killed at {kills} random moments of its work, and started again; counted are kills "
    "after which all finished files were whole and the second start ended with the files of an unbroken run. All "
    "run on a disk of 100 kB, and predict on 512 x 512 x 108 voxels with its address space limited to 1.0, 1.3 and "
    "1.7 times the resident memory that it needs, and to its own address space less 5 to 30 %: counted are ends with "
    "a result, or with one sentence and exit code 2."
)
PROCESSES = multiprocessing.get_context("forkserver")  # each process starts with the imports done
PROCESSES.set_forkserver_preload(["kits_msan.cli", "kits_msan.training.loop", "kits_msan.ablation.run", "pandas"])


def run_command(line: list[str]) -> None:
    """In a process of its own, without a word."""
    import torch

    from kits_msan.cli import main

    torch.set_num_threads(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(main(line))


def run(line: list[str], kill_after: float | None = None) -> int | None:
    """Start a command; returns its exit code, or None where it was killed before its end."""
    process = PROCESSES.Process(target=run_command, args=(line,))
    process.start()
    process.join(kill_after)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return process.exitcode


def finished(out: Path) -> dict[str, bytes]:
    """All that a reader would take for a result."""
    found = {}
    for path in out.rglob("*"):
        parts = path.relative_to(out).parts
        if not path.is_file() or any(part.startswith(HIDDEN) for part in parts) or "events.out" in path.name:
            continue
        found["/".join(parts)] = _content(path)
    return found


def _content(path: Path) -> bytes:
    """The bytes of a file; of one that holds times no more than that it can be read."""
    if path.suffix != ".json":
        return path.read_bytes()
    json.loads(path.read_text(encoding="utf-8"))
    return b"can be read"


def killed(line: str, places: dict[str, Path], folder: Path, kills: int, rng: random.Random) -> dict[str, int]:
    """Kill a command `kills` times; returns how many kills met it at work, and how many were followed by a fault."""
    whole, out = folder / "whole", folder / "killed"
    filled = lambda target: _filled(line, {**places, "OUT": target})  # noqa: E731
    assert run(filled(folder / "first")) == 0, line  # all modules are read once, before the time is taken
    started = time.perf_counter()
    assert run(filled(whole)) == 0, line
    seconds, wanted = time.perf_counter() - started, finished(whole)
    if finished(folder / "first") != wanted:
        raise SystemExit(f"{line} does not write the same files twice")
    found = {"at_work": 0, "not_whole": 0, "not_resumed": 0}
    while found["at_work"] < kills:
        if run(filled(out), rng.uniform(0, seconds)) is not None:
            seconds *= 0.9  # it was done before; the machine is less busy than it was
            shutil.rmtree(out, ignore_errors=True)
            continue
        found["at_work"] += 1
        left = finished(out) if out.exists() else {}
        steps = {"last.safetensors", "best.safetensors"}  # of a training on its way, read below by going on
        found["not_whole"] += any(wanted.get(name) != value for name, value in left.items() if name not in steps)
        code = run(filled(out))
        if code == 2:  # finished before the kill, and results are not replaced unasked
            code = 0 if finished(out) == wanted else 2
        found["not_resumed"] += code != 0 or finished(out) != wanted
        shutil.rmtree(out, ignore_errors=True)
    return found


def ends_well(line: list[str], memory: int | None = None) -> bool:
    """Whether the command ends with 0, or with 2 and one sentence."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
    done = subprocess.run(
        [sys.executable, "-m", "kits_msan", *line], capture_output=True, text=True, preexec_fn=limit,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    faults = [text for text in done.stderr.splitlines() if text.startswith("kits-msan: ")]
    good = done.returncode == 0 or (done.returncode == 2 and faults and "Traceback" not in done.stderr)
    if not good:
        print(line, memory, done.returncode, done.stderr[-2000:], file=sys.stderr)
    return bool(good)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of 100 kB at `folder`; False where this user may mount none."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def needs(line: list[str]) -> tuple[int, int]:
    """Bytes of resident memory and of address space that a command needs."""
    code = (
        "import re, sys; from kits_msan.cli import main; assert main(sys.argv[1:]) == 0; "
        "print(*re.findall(r'Vm(?:HWM|Peak):\\s+(\\d+)', open('/proc/self/status').read()))"
    )
    done = subprocess.run([sys.executable, "-c", code, *line], capture_output=True, text=True, check=True)
    peak, resident = map(int, done.stdout.split()[-2:])  # VmPeak comes first
    return 1024 * resident, 1024 * peak


def main(args: argparse.Namespace) -> None:
    kills = 1 if args.quick else 20
    commands = {"prepare": COMMANDS["prepare"]} if args.quick else COMMANDS
    rng, rows, details = random.Random(SEED), list[Row](), dict[str, Any]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = {"DATA": folder / "data", "NETS": folder / "nets", "RUN": folder / "run"}
        places["RUN"].mkdir()
        for book in sorted(NOTEBOOKS.glob("0[23]*.ipynb")):
            shutil.copy(book, places["RUN"])
        write_phantoms(places["DATA"], 3, 1, 0, SMOKE)
        for network in MODELS:
            model = build_model(network, width=4, poolings=2)
            save_model(places["NETS"] / f"{network}.safetensors", model, describe_model(network, model, SMOKE))
        for command, line in commands.items():
            found = details[command] = killed(line, places, folder, kills, rng)
            good = kills - max(found["not_whole"], found["not_resumed"])
            rows.append(row(f"{command}: kills without a fault", [good], "of", [kills], "", goal=1.0, at_least=True))
            print(command, json.dumps(found), flush=True)
            shutil.rmtree(folder / "whole")
            shutil.rmtree(folder / "first")
        with small_disk(folder / "disk") as mounted:
            if mounted:
                good = 0
                for line in commands.values():
                    good += ends_well(_filled(line, {**places, "OUT": folder / "disk" / "out"}))
                    shutil.rmtree(folder / "disk" / "out", ignore_errors=True)
                what = "Commands that end well on a disk of 100 kB"
                rows.append(row(what, [good], "of", [len(commands)], "", goal=1.0, at_least=True))
        if not args.quick:
            large = folder / "large.nii.gz"
            _write_scan(large)
            line = ["predict", str(large), "--checkpoint", str(places["NETS"] / "unet3d.safetensors"), "--out"]
            resident, space = needs([*line, str(folder / "out-0")])
            limits = [int(share * resident) for share in (1.0, 1.3, 1.7)]
            limits += [int(share * space) for share in (0.95, 0.9, 0.85, 0.8, 0.7)]
            wells = [ends_well([*line, str(folder / f"out-{limit}")], limit) for limit in limits]
            details["memory"] = {"resident": resident, "address_space": space, "limits": limits, "well": wells}
            what = "Scans that end well with too little memory"
            rows.append(row(what, [sum(wells)], "of", [len(wells)], "", goal=1.0, at_least=True))
    record("hardship", rows, args, METHOD.format(kills=kills), seed=SEED, found=details)


def _filled(line: str, places: dict[str, Path]) -> list[str]:
    words = line.split()
    for name, path in places.items():
        words = [str(path) + word[len(name) :] if word.startswith(name) else word for word in words]
    return words


def _write_scan(path: Path) -> None:
    """A phantom's voxels, repeated to 512 x 512 x 108."""
    import numpy as np

    from kits_msan.data.cases import Case, kits_affine, save_case
    from kits_msan.phantom.make import case_seed, phantom_case

    image = phantom_case(case_seed(0, "test", 0), SMOKE).image
    assert image is not None
    axes = [np.arange(count) * size // count for count, size in zip((108, 512, 512), image.shape, strict=True)]
    spacing = (3.0, 0.75, 0.75)
    save_case(Case("large", image[np.ix_(*axes)], None, spacing, kits_affine(spacing)), path.parent / "large")
    (path.parent / "large" / "imaging.nii.gz").rename(path)


if __name__ == "__main__":
    main(arguments(__doc__).parse_args())
