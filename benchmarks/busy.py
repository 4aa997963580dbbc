"""A training step, a scan and a phantom while other processes keep the machine busy.

    python benchmarks/busy.py               with 0, 1 and 2 busy processes
    python benchmarks/busy.py --busy 0 4    with these numbers

Our loop chooses between all threads and one while it runs, and its threads wait for each other only briefly
(kits_msan/threads.py). Its peers are the same steps with all threads as PyTorch comes, and with one; and DynUNet with
all threads. Each side is a process of its own; the sides are measured in turn, for some seconds each.

A fair share is what the scheduler owes n threads beside k busy processes on n cores: n / (n + k) of the machine, so
a step should take (n + k) / n times what it takes on the quiet machine. A scan may be segmented with all threads too;
a phantom is made with one, which has a core of its own as long as k is less than n.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from common import Row, arguments, child, interleaved, record, row

from kits_msan.course.paths import CHECKPOINTS
from kits_msan.threads import SPIN, SPINS, adapted, available_cores

GOAL = 1.3  # of the fair share
SPINNING = [sys.executable, "-c", "while True: pass"]
OURS: dict[str, str | None] = {SPIN: SPINS, "OMP_NUM_THREADS": None}
SIDES = {  # of a step: settings of the process before torch is loaded; None removes one
    "adapted": OURS,
    "PyTorch's threads": {SPIN: None, "OMP_NUM_THREADS": None},
    "one thread": {SPIN: None, "OMP_NUM_THREADS": "1"},
    "DynUNet (MONAI)": {SPIN: None, "OMP_NUM_THREADS": None},
}
SCAN, PHANTOM = "Phantom to labels, 3D U-Net", "Making a phantom"  # measured on our side alone
METHOD = (
    "Median seconds of a training step of the 3D U-Net (laptop profile), of a phantom through the shipped 3D U-Net, "
    "and of making one, while k other processes compute without end, on {cores} cores; each side in a process of its "
    "own, in turn, for {seconds:g} s. A fair share is (threads + k) / cores times our median with none, and at least "
    "that median; a phantom is made with one thread."
)

KEPT = [
    "A scan is segmented with as many threads as are faster at the moment, as a training step is: the shipped 3D "
    "U-Net took 0.77 s for a phantom on the quiet machine, and beside one busy process of another session 1.47 s, "
    "1.27 times a fair share, not 1.80 s (medians, 2026-11-27, two cores). Beside two it took 2.69 s, 1.75 times a "
    "fair share, not 2.78; with one thread fixed 2.08 s."
]


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    processes = [subprocess.Popen(SPINNING) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def steps(side: str, seconds: float, smoke: bool) -> dict[str, float]:
    """In this process: the median and the longest seconds of a step, after the first half of the time."""
    import torch
    from step import Trainer

    from kits_msan.profiles import LAPTOP, SMOKE

    network = "dynunet" if side.startswith("DynUNet") else "unet3d"
    trainer = Trainer(network, SMOKE if smoke else LAPTOP, torch.device("cpu"))
    trainer.step()
    started = time.perf_counter()

    def until() -> Iterator[int]:
        step = 0
        while time.perf_counter() - started < seconds:
            yield step
            step += 1

    found = []
    for _ in adapted(until()) if side == "adapted" else until():
        began = time.perf_counter()
        trainer.step()
        found.append((began - started, time.perf_counter() - began))
    settled = [length for at, length in found if at >= seconds / 2] or [length for _, length in found]
    return {"median": statistics.median(settled), "longest": max(length for _, length in found)}


def cases(what: str, seconds: float, smoke: bool) -> dict[str, float]:
    """In this process: the median and the longest seconds of a case, segmented or made, after half of the time."""
    from kits_msan.inference import predict
    from kits_msan.networks.checkpoints import load_model
    from kits_msan.phantom.make import phantom_case
    from kits_msan.profiles import SHIPPED, SMOKE

    profile = SMOKE if smoke else SHIPPED
    model, case = load_model(CHECKPOINTS / "unet3d.safetensors", "unet3d"), phantom_case(5, profile)
    once = (lambda: predict(model, case, profile)) if what == SCAN else (lambda: phantom_case(5, profile))
    once()
    found: list[float] = []
    while sum(found) < seconds:
        began = time.perf_counter()
        once()
        found.append(time.perf_counter() - began)
    return {"median": statistics.median(found[len(found) // 2 :]), "longest": max(found)}


def measured(side: str, seconds: float, smoke: bool) -> dict[str, float]:
    """The same, in a fresh process with the side's settings."""
    settings = {**os.environ, **SIDES.get(side, OURS)}
    environment = {name: value for name, value in settings.items() if value is not None}
    return child(__file__, "--child", side, seconds, int(smoke), environment=environment)


def fair_share(threads: int, count: int, cores: int) -> float:
    """How many times as long work on so many threads should take beside `count` busy processes."""
    return max(1.0, (threads + count) / cores)


def main(args: argparse.Namespace) -> None:
    seconds, repeats = (0.2, 1) if args.quick else (args.seconds, args.repeats)
    sides = ["adapted", "one thread"] if args.quick else list(SIDES)
    cores = available_cores()
    rows: list[Row] = []
    details: dict[str, Any] = {}
    quiet: dict[str, list[float]] = {}
    for count in [0, 1] if args.quick else sorted({0, *args.busy}):
        with busy(count):
            found = interleaved({side: partial(measured, side, seconds, args.quick) for side in sides}, repeats)
            found |= {what: [measured(what, seconds, args.quick) for _ in range(repeats)] for what in (SCAN, PHANTOM)}
        runs = {what: [each["median"] for each in of_what] for what, of_what in found.items()}
        beside = f"beside {count} busy process{'' if count == 1 else 'es'}"
        for what, ours in {"Step": runs["adapted"], SCAN: runs[SCAN], PHANTOM: runs[PHANTOM]}.items():
            quiet.setdefault(what, ours)
            fair = statistics.median(quiet[what]) * fair_share(1 if what == PHANTOM else cores, count, cores)
            if count:
                rows.append(row(f"{what} {beside}", ours, "a fair share", [fair] * repeats, goal=GOAL))
        for side in sides[1:]:
            goal = 1.0 if side.startswith("PyTorch") else None
            rows.append(row(f"Step {beside}", runs["adapted"], side, runs[side], goal=goal))
        details[f"busy_{count}"] = {
            "seconds": {what: [round(s, 4) for s in run] for what, run in runs.items()},
            "longest": {side: round(max(each["longest"] for each in found[side]), 3) for side in sides},
        }
    record("busy", rows, args, METHOD.format(cores=cores, seconds=seconds), kept=KEPT, **details)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="numbers of busy processes")
    parser.add_argument("--seconds", type=float, default=15.0, help="for each side and repeat")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        side, seconds, smoke = given.child
        work = steps if side in SIDES else cases
        print(json.dumps(work(side, float(seconds), smoke == "1")))
    else:
        main(given)
