"""Several processes that train one network: started together, in step, and stopped together.

Fabric starts them itself, or finds itself started by torchrun or by SLURM's srun.
"""

import logging
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from kits_msan.errors import InputError

if TYPE_CHECKING:
    from kits_msan.devices import Machine  # brings torch

PATIENCE = 2  # seconds after which a second Ctrl-C acts at once; torchrun passes on the first one a second time
Result = TypeVar("Result")
Failure = TypeVar("Failure", bound=BaseException)


def build_fabric(machine: "Machine", batch: int | None = None, thin: bool = False) -> Any:
    """Lightning Fabric on this machine, with the devices that it names or those that torchrun or srun took.

    batch: slabs in a step, of which each process takes its share. thin: see `pick_precision`.
    Raises InputError for a device or precision that is not there, for too many devices, and for a batch that the
    processes cannot share evenly.
    """
    import torch

    from kits_msan.devices import pick_device, pick_precision

    kind = pick_device(machine.device)
    number_format = pick_precision(machine.precision, kind, thin)
    here, nodes = _processes(machine.devices)
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind.type, here)
    if here > there:
        raise InputError(f"{here} devices are asked for, but this machine has {there} of kind {kind.type}.")
    if batch is not None and batch % (here * nodes):
        raise InputError(
            f"a batch of {batch} slabs cannot be shared evenly by {here * nodes} processes; choose a number of "
            f"devices that divides {batch}."
        )
    from lightning_fabric import Fabric  # takes a second to import

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # importing it had set INFO
    warnings.filterwarnings("ignore", "Grad strides do not match")  # 1x1x1 weights: their strides mean nothing
    return Fabric(
        accelerator=kind.type, devices=here, num_nodes=nodes, strategy="ddp" if here * nodes > 1 else "auto",
        precision="bf16-mixed" if number_format == "bf16" else "32-true",
    )  # fmt: skip


def _processes(devices: int) -> tuple[int, int]:
    """Processes on each node, and nodes: as torchrun or srun started them, else `devices` on this machine."""
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        launcher, here, nodes = "torchrun", int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    elif SLURMEnvironment.detect():
        nodes = int(os.environ.get("SLURM_NNODES", 1))
        launcher, here = "SLURM", int(os.environ["SLURM_NTASKS"]) // nodes
    else:
        return devices, 1
    if devices not in (1, here):
        raise InputError(f"{launcher} started {here} processes on this machine, not {devices}; leave out --devices.")
    return here, nodes


def process_number() -> int:
    """Which of the processes that train together this one is, from 0, as `build_fabric` will find it; alone, 0.

    The variables alone do not tell: `RANK` may be anything's, and not all that srun starts is one training.
    """
    if all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        return 0  # at once: what follows takes a second to import
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect():
        return int(os.environ["RANK"])
    return int(os.environ.get("SLURM_PROCID" if SLURMEnvironment.detect() else "LOCAL_RANK", 0))


def first_then_others(fabric: Any, work: Callable[[], Result]) -> Result:
    """Do `work` in the first process, then in the others, which find done what it did; raises as `by_first`."""
    result = by_first(fabric, work)
    return work() if fabric.global_rank > 0 else result  # type: ignore[return-value]


def by_first(fabric: Any, work: Callable[[], Result]) -> Result | None:
    """Do `work` in the first process, for which the others wait; its result there, None in the others.

    What keeps the first from doing it (InputError, OSError, FloatingPointError) is raised in all, so that none waits
    for ever.
    """
    if fabric.world_size == 1:
        return work()
    result, problem = None, None
    if fabric.global_rank == 0:
        try:
            result = work()
        except (InputError, OSError, FloatingPointError) as error:
            problem = error
    problem = fabric.broadcast(problem)
    if problem is not None:
        raise said_by_first(fabric, problem)
    return result


def said_by_first(fabric: Any, error: Failure) -> Failure:
    """The same error, which all processes raise, marked in all but the first: the command leaves it to that one."""
    error.said_by_first = fabric.global_rank > 0  # type: ignore[attr-defined]
    return error


class TrainingStopped(KeyboardInterrupt):
    """A signal ended a training, after a checkpoint. `code` is the exit code that a shell expects."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.code = 128 + number  # 130 for Ctrl-C, 143 for SIGTERM


class StopSignals:
    """Holds back Ctrl-C, SIGTERM and a closed terminal within its block, so that a loop can end after a whole step.

    A closed terminal (SIGHUP) that `nohup` ignores stays ignored. Outside the main thread, where Python allows no
    handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.number = 0
        self.since = 0.0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._note) for number in _signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number, self.since = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self.since > PATIENCE:
            raise TrainingStopped("stopped at once", number)

    def agreed(self, fabric: Any) -> int:
        """The signal that any of the processes got, else 0. All ask after the same step, so all stop after it."""
        if fabric.world_size == 1:
            return self.number
        import torch

        return int(fabric.all_reduce(torch.tensor(self.number, device=fabric.device), reduce_op="max"))


def _signals() -> set[int]:
    """Those that ask to stop; Windows has no SIGHUP."""
    hangup = getattr(signal, "SIGHUP", signal.SIGTERM)
    is_ignored = signal.getsignal(hangup) == signal.SIG_IGN
    return {signal.SIGINT, signal.SIGTERM} if is_ignored else {signal.SIGINT, signal.SIGTERM, hangup}
