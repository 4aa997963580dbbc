"""A training killed at random moments and started again ends as one that was never interrupted, to the bit.

    python benchmarks/kills.py        20 kills with SIGKILL, a few minutes

Every fourth kill may come before a step is done; the others come after one, so that the run gets on. Checkpoints are
written every 0.1 seconds instead of every minute, so that kills meet files that are being written.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import arguments, record, row

from kits_msan.devices import Machine
from kits_msan.networks.checkpoints import LAST, MODEL, load_checkpoint
from kits_msan.phantom.make import write_phantoms
from kits_msan.profiles import SMOKE
from kits_msan.training.logs import METRICS, read_metrics
from kits_msan.training.loop import train
from kits_msan.training.runs import BEST

NAME, SAVE_SECONDS, SEED = "msan_v2_ds", 0.1, 0
METHOD = "Weights, best weights and logged losses of killed and resumed trainings against an uninterrupted one."
PROCESSES = multiprocessing.get_context("forkserver")  # each process starts with the imports done, and nothing else
PROCESSES.set_forkserver_preload(["kits_msan.training.loop", "lightning_fabric", "matplotlib.figure", "tensorboardX"])
Moments = Iterator[tuple[bool, float]]  # whether to wait for a step first, and seconds to wait then


def train_here(data: Path, run: Path, steps: int) -> None:
    """In a process of its own."""
    torch.set_num_threads(1)
    profile = replace(SMOKE, steps=steps)
    train(
        NAME, data, profile, run, machine=Machine("cpu", "32"), validate=1, save_seconds=SAVE_SECONDS, progress=False
    )


def run_killed(data: Path, run: Path, steps: int, moments: Moments, kills: int) -> list[dict[str, Any]]:
    """Start a training until it ends, and kill it `kills` times on the way; returns what each kill met."""
    met: list[dict[str, Any]] = []
    while not (run / MODEL).exists():
        process = PROCESSES.Process(target=train_here, args=(data, run, steps))
        before = _time_of(run / METRICS)
        process.start()
        if len(met) < kills:
            wait, seconds = next(moments)
            while wait and process.is_alive() and _time_of(run / METRICS) == before:
                time.sleep(0.01)
            process.join(seconds)
            process.kill()
        process.join()
        if process.exitcode == -9:
            saved = load_checkpoint(run / LAST)[1]["step"] if (run / LAST).exists() else 0
            met.append({"steps_saved": saved, "while_writing": any(run.glob(".tmp-*"))})
        elif process.exitcode:
            raise RuntimeError(f"the training ended with exit code {process.exitcode}")
    return met


def is_same(first: Path, second: Path) -> bool:
    """Whether two finished runs have the same weights, best weights and metrics, but for the seconds."""
    for file in (MODEL, BEST):
        one, other = (load_checkpoint(run / file)[0] for run in (first, second))
        if not all(torch.equal(one[name], other[name]) for name in one):
            return False
    rows = [[{**row, "seconds": 0} for row in read_metrics(run / METRICS)] for run in (first, second)]
    return rows[0] == rows[1]


def main(args: argparse.Namespace) -> None:
    kills, steps = (2, 20) if args.quick else (20, 60)
    rng = random.Random(SEED)
    met: list[dict[str, Any]] = []
    same: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        data, whole = Path(folder) / "data", Path(folder) / "whole"
        write_phantoms(data, 3, 1, 0, SMOKE)
        started = time.perf_counter()
        run_killed(data, whole, steps, iter([]), 0)
        seconds = time.perf_counter() - started
        while len(met) < kills:
            run = Path(folder) / f"killed-{len(same)}"
            moments = iter(lambda: (rng.random() < 0.75, rng.uniform(0, seconds / 4)), None)
            met += run_killed(data, run, steps, moments, kills - len(met))
            same.append(is_same(whole, run))
    what = f"Trainings equal to the bit after {len(met)} kills"
    line = row(what, [sum(same)], "of", [len(same)], unit="trainings", goal=1.0, at_least=True)
    record("kills", [line], args, METHOD, network=NAME, steps=steps, seconds=round(seconds, 1), seed=SEED, kills=met)
    assert all(same), "a killed and resumed training ended otherwise"


def _time_of(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(arguments(__doc__).parse_args())
