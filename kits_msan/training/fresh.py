"""New patients all the time: phantoms that are made while a training runs, used for some steps, and forgotten.

A fixed set of synthetic patients is learned by heart: networks for liver tumors reached 43.5 with one and 52.9 with
patients made on the fly (Hu et al. 2023, "Label-Free Liver Tumor Segmentation").
"""

import multiprocessing
import os
import signal
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np

from kits_msan.data.store import StoredCase, slices_showing
from kits_msan.errors import InputError
from kits_msan.phantom.make import MOST_CASES, PHANTOM_VERSION, case_seed, patient_of, phantom_case
from kits_msan.profiles import Profile

AHEAD = 4  # phantoms that each process makes before they are needed
CANDIDATES = 3  # of which the best becomes the patient
SMALL = 45.0  # mm across


class FreshPhantoms:
    """The patients of each step: `profile.train_cases` at a time, and every `profile.fresh` steps the oldest goes.

    Which they are depends on seed and step alone, so a run that resumes meets the same ones. Processes beside the
    training, by default one, make them ahead. Use it in a `with` block, which raises InputError where no process
    can be started: in a script that trains without asking whether it is the main one.
    """

    def __init__(self, profile: Profile, seed: int, processes: int = 1) -> None:
        self.profile, self.seed, self._ahead = profile, seed, AHEAD * processes
        self._cases: dict[int, Future[StoredCase]] = {}
        self._pool = ProcessPoolExecutor(
            processes, multiprocessing.get_context("spawn"), _live_as_long_as_the_training
        )

    def __enter__(self) -> "FreshPhantoms":
        try:
            self._pool.submit(int).result()
        except BrokenProcessPool as error:
            raise InputError(
                "no process can be started to make phantoms; put what trains into a file, below the line "
                '`if __name__ == "__main__":`, since each process reads that file first.'
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def fingerprint(self) -> str:
        """Another one where other patients would come: a run is not to go on with others than it began with."""
        seeds = [patient_seed(self.seed, index) for index in range(len(WISHES) * self.profile.train_cases)]
        return f"phantoms version {PHANTOM_VERSION}, patients {zlib.crc32(repr(seeds).encode()):08x}"

    def at(self, step: int) -> list[StoredCase]:
        """The cases from which the slabs of a step are drawn; waits for those that are not made yet."""
        first = step // self.profile.fresh
        end = first + self.profile.train_cases
        try:
            for index in range(first, end + self._ahead):
                if index not in self._cases:
                    self._cases[index] = self._pool.submit(_make, self.profile, self.seed, index)
            for index in [index for index in self._cases if index < first]:
                del self._cases[index]
            return [self._cases[index].result() for index in range(first, end)]
        except BrokenProcessPool as error:
            raise InputError(
                "a process that makes phantoms was ended, perhaps for want of memory; start the same training again: "
                "it goes on from its last checkpoint."
            ) from error


def refuse_too_many_steps(profile: Profile) -> None:
    """Raise InputError for a training that would run out of seeds for new patients."""
    most = profile.fresh * (MOST_CASES // CANDIDATES - profile.train_cases - AHEAD)
    if profile.steps > most:
        raise InputError(
            f"profile {profile.name} has new patients for at most {most:,} steps, not {profile.steps:,}; train for "
            "fewer, and then go on with another --seed and --start-from."
        )


def patient_seed(seed: int, index: int) -> int:
    """The seed of a training's patient of that number. Three of four are the best of three candidates; our choice.

    One of these is hard: a scan without contrast, or organs that lie close to the kidneys. There networks failed on
    real patients. In the other two, contrast shows a tumor, best a small one: networks that met few of these called
    many a part of the kidney. In all three, liver and spleen may touch the kidneys too.
    """
    wish = _wish(index)
    candidates = [case_seed(seed, "train", CANDIDATES * index + other) for other in range(CANDIDATES if wish else 1)]
    return max(candidates, key=wish) if wish else candidates[0]


def _wish(index: int) -> Callable[[int], int] | None:
    return WISHES[index % len(WISHES)]


def _hardness(seed: int) -> int:
    patient = patient_of(seed)
    return 2 * (patient.phase == "plain") + (patient.snug < 1)


def _tumor_shown(seed: int) -> int:
    patient = patient_of(seed)
    tumor = patient.largest_tumor
    if tumor is None or patient.phase == "plain":
        return 0
    return 1 + (tumor.diameter_mm < SMALL)


WISHES = (None, _hardness, _tumor_shown, _tumor_shown)  # of four patients one comes as it is drawn


def _make(profile: Profile, seed: int, index: int) -> StoredCase:
    case = phantom_case(patient_seed(seed, index), profile, touching=_wish(index) is not None)
    assert case.image is not None
    assert case.label is not None
    slices = {value: np.array(where, int) for value, where in slices_showing(case.label).items()}
    return StoredCase(case.name, case.image, case.label, slices)


def _live_as_long_as_the_training() -> None:
    """In the process beside it: leave Ctrl-C to the training, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
