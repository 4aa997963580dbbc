"""New patients all the time: phantoms that are made while a training runs, used for some steps, and forgotten.

A fixed set of synthetic patients is learned by heart: networks for liver tumors reached 43.5 with one and 52.9 with
patients made on the fly (Hu et al. 2023, "Label-Free Liver Tumor Segmentation").
"""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np

from kits_msan.data.store import StoredCase, slices_showing
from kits_msan.phantom.make import case_seed, patient_of, phantom_case
from kits_msan.profiles import Profile

AHEAD = 4  # phantoms that are made before they are needed
AS_DRAWN = 4  # one patient of so many comes as it is drawn; the others are chosen to be hard


class FreshPhantoms:
    """The patients of each step: `profile.train_cases` at a time, and every `profile.fresh` steps the oldest goes.

    Which they are depends on seed and step alone, so a run that resumes meets the same ones. A process beside the
    training makes them ahead. Use it in a `with` block.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        self.profile, self.seed = profile, seed
        self._cases: dict[int, Future[StoredCase]] = {}
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _live_as_long_as_the_training)

    def __enter__(self) -> "FreshPhantoms":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def at(self, step: int) -> list[StoredCase]:
        """The cases from which the slabs of a step are drawn; waits for those that are not made yet."""
        first = step // self.profile.fresh
        end = first + self.profile.train_cases
        for index in range(first, end + AHEAD):
            if index not in self._cases:
                self._cases[index] = self._pool.submit(_make, self.profile, self.seed, index)
        for index in [index for index in self._cases if index < first]:
            del self._cases[index]
        return [self._cases[index].result() for index in range(first, end)]


def patient_seed(seed: int, index: int) -> int:
    """The seed of a training's patient of that number. Three of four are the hardest of three candidates; our choice.

    Hard are scans without contrast, and organs that lie close to the kidneys: there networks failed on real patients.
    In these patients liver and spleen may touch the kidneys too.
    """
    candidates = [case_seed(seed, "train", 3 * index + other) for other in range(3 if _is_hard(index) else 1)]
    return max(candidates, key=_hardness)


def _is_hard(index: int) -> bool:
    return index % AS_DRAWN != 0


def _hardness(seed: int) -> int:
    patient = patient_of(seed)
    return 2 * (patient.phase == "plain") + (patient.snug < 1)


def _make(profile: Profile, seed: int, index: int) -> StoredCase:
    case = phantom_case(patient_seed(seed, index), profile, touching=_is_hard(index))
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
