"""Several trainings at once, each in its own process on its own GPU, or on one thread of the processor."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kits_msan.devices import Machine, pick_device
from kits_msan.errors import WINDOWS, InputError
from kits_msan.networks.registry import MODELS
from kits_msan.profiles import Profile, get_profile
from kits_msan.threads import available_cores

# Linux's allocator hands large arrays back after each step and asks for them again, a tenth of a laptop step's time
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
UTF8 = {"PYTHONIOENCODING": "utf-8"}  # so is the log read; Windows would have another
GRACE = 10.0  # seconds in which a training that Ctrl-C has reached writes its checkpoint
FEW_STEPS = 100  # of a training that is over before processes have started


@dataclass(frozen=True)
class Job:
    """One training: `kits-msan train name --seed seed --out run`; what it prints goes to `log`."""

    name: str
    seed: int
    run: Path
    log: Path


@contextmanager
def side_by_side(
    jobs: Sequence[Job], data: Path | None, profile: Profile, machine: Machine, overwrite: bool = False
) -> Iterator[list[Future[None]]]:
    """Start the jobs in their order, as many at a time as the machine has devices; yields for each job its future.

    data: a folder of cases or, better, a store for all of them; None where the profile makes its phantoms.
    The future of a job that fails raises InputError, a sentence that says why; the others go on. Leaving the block
    early stops what is running; a training that is started again goes on from its checkpoint.
    Raises InputError for a profile that the command cannot name and for more devices than there are GPUs.
    """
    if replace(get_profile(profile.name), steps=profile.steps) != profile:
        raise InputError(f"profile {profile.name} was changed in more than its steps; train one network at a time.")
    command = [sys.executable, "-m", "kits_msan", "train"]
    device = pick_device(machine.device).type
    options = ["--device", device, "--precision", machine.precision]
    options += ["--profile", profile.name, "--steps", str(profile.steps)]
    if data is not None:
        options += ["--data", str(data)]
    if overwrite:
        options.append("--overwrite")
    environments = _environments(machine.devices, device)
    free: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()
    for environment in environments:
        free.put(environment)
    running: set[subprocess.Popen[bytes]] = set()
    stopping = threading.Event()

    def train(job: Job) -> None:
        environment = free.get()
        try:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            with job.log.open("wb") as log:
                if stopping.is_set():
                    return
                process = subprocess.Popen(
                    [*command, job.name, "--seed", str(job.seed), "--out", str(job.run), *options],
                    stdout=log, stderr=log, env=environment,
                )  # fmt: skip
                running.add(process)
                if stopping.is_set():  # since it was looked at above, so that nobody else stops this one
                    process.terminate()
                code = process.wait()
                running.discard(process)
        finally:
            free.put(environment)
        if code and not stopping.is_set():
            lines = job.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["nothing was said"]
            raise InputError(
                f"training {job.name} with seed {job.seed} ended with code {code}: {lines[-1]}; see {job.log}. "
                "Started again, it goes on from its checkpoint."
            )

    pool = ThreadPoolExecutor(machine.devices)
    with _termination_is_an_interrupt():
        futures = [pool.submit(train, job) for job in jobs]
        try:
            yield futures
        finally:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            _end(list(running))
            pool.shutdown(wait=True)


def _end(running: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ask the processes to stop. On Windows that is a kill: Ctrl-C has reached them too, so they get time."""
    last = time.monotonic() + (GRACE if WINDOWS else 0)
    for process in running:
        if WINDOWS:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, last - time.monotonic()))
        process.terminate()


def devices_for(profile: Profile, device: str = "auto") -> int:
    """How many of the five networks to train at once on this machine: as many as it has GPUs, or cores.

    One after the other where a training takes seconds, as does starting a process. A processor's threads that share
    a step wait for each other; a network on each core is faster, and has the same weights on every number of cores.
    """
    import torch

    if profile.steps < FEW_STEPS:
        return 1
    there = {"cpu": available_cores(), "cuda": torch.cuda.device_count()}.get(pick_device(device).type, 1)
    return max(1, min(len(MODELS), there))


def _environments(devices: int, kind: str) -> list[dict[str, str]]:
    """Of the processes: which GPU each sees; on a processor each has one thread, since more get in their own way."""
    import torch

    if kind != "cuda":
        return [{**os.environ, "OMP_NUM_THREADS": "1", **KEEP_MEMORY, **UTF8}] * devices
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    visible = [name for name in names if name] or [str(index) for index in range(torch.cuda.device_count())]
    if len(visible) < devices:
        raise InputError(f"{devices} devices were asked for, but there are {len(visible)} GPUs; ask for fewer.")
    return [{**os.environ, "CUDA_VISIBLE_DEVICES": name, **UTF8} for name in visible[:devices]]


@contextmanager
def _termination_is_an_interrupt() -> Iterator[None]:
    """A cluster's SIGTERM ends the block as Ctrl-C does, so that no training is left behind."""
    with contextlib.ExitStack() as stack:
        at_default = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # the command has a handler of its own
        if at_default and threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            stack.callback(signal.signal, signal.SIGTERM, before)
        yield
