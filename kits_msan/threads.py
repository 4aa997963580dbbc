"""How many threads work on the processor uses, and how they wait for each other.

Threads that share a step wait for each other by spinning. On a machine with something else to do, the one that was
put aside holds the others, and a step takes many times longer than with a single thread.
"""

import os
import statistics
import time
from collections.abc import Hashable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager

SPIN = "GOMP_SPINCOUNT"
SPINS = "10000"  # well below a millisecond; on a quiet machine steps are no slower than with the default's millions
EVERY, TRIAL = 5.0, 2  # seconds between trials of the other number of threads, and steps of a trial
LATEST = 5  # steps by whose median a trial is judged
CLEARLY = 0.9  # of the time: what the other number must be below


def available_cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def wait_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Have threads spin only briefly before they sleep. It counts for processes that load torch after this.

    A setting that is there already stays. It is for GNU's OpenMP, which PyTorch brings on Linux; others ignore it.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault(SPIN, SPINS)


def adapted(steps: Iterable[int]) -> Iterator[int]:
    """The steps, one after the other; meanwhile torch gets all its threads or one, whichever is faster now.

    The other number is tried for a moment every few seconds. Sums on another number of threads differ in their last
    bits, so where results must be equal to the bit, set OMP_NUM_THREADS: then, and with a single thread, nothing is
    chosen. After each step torch has its threads back.
    """
    pieces = Pieces()
    for step in steps:
        with pieces.piece("step"):
            yield step


class Pieces:
    """The choice of `adapted` for work in pieces, which many calls may share: each goes on with what is known."""

    def __init__(self) -> None:
        self._chooser: Chooser | None = None
        self._kind: Hashable = None

    @contextmanager
    def piece(self, kind: Hashable) -> Iterator[None]:
        """A piece of work. Seconds are compared within a kind; another kind begins with the choice so far."""
        import torch

        most = torch.get_num_threads()
        if most == 1 or "OMP_NUM_THREADS" in os.environ:
            yield
            return
        if self._chooser is None or self._chooser.most != most:
            self._chooser = Chooser(most)
        if kind != self._kind:
            self._chooser.forget()
            self._kind = kind
        torch.set_num_threads(self._chooser.threads)
        started = time.perf_counter()
        try:
            yield
        finally:
            torch.set_num_threads(most)
        self._chooser.add(time.perf_counter() - started)


class Chooser:
    """Chooses between `most` threads and one, by the seconds that steps took. `threads`: what the next step gets."""

    def __init__(self, most: int) -> None:
        self.most = self.threads = most
        self.latest: list[float] = []  # seconds of steps with the number that is in use
        self.trial: list[float] | None = None  # of steps with the other, while it is tried
        self.since = 0.0  # seconds after the last trial

    def add(self, seconds: float) -> None:
        """Take note of a step with `threads` threads."""
        if self.trial is None:
            self.latest = [*self.latest[1 - LATEST :], seconds]
            self.since += seconds
            if self.since > EVERY and len(self.latest) == LATEST:
                self.trial = []
                self._swap()
            return
        self.trial.append(seconds)
        usual = statistics.median(self.latest)
        better = seconds < CLEARLY * usual
        if better and len(self.trial) < TRIAL:
            return
        if better:
            self.latest = self.trial
        else:
            self._swap()
        self.trial, self.since = None, 0.0

    def forget(self) -> None:
        """Other work follows, whose steps take another time; the number in use stays."""
        if self.trial is not None:
            self._swap()
        self.latest, self.trial = [], None

    def _swap(self) -> None:
        self.threads = 1 if self.threads == self.most else self.most
