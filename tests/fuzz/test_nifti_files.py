import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from nifti_files import check, fuzz, seed_files

from kits_msan.errors import InputError


@pytest.mark.slow
def test_mutated_files_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    outcomes = fuzz(500, 1, tmp_path)
    assert outcomes["read"] > 50  # the mutations do not all die at the first check
    assert len(outcomes) > 8


def test_the_check_notices_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> None:
        raise KeyError(path)

    monkeypatch.setattr("nifti_files.load_case", crash)
    with pytest.raises(KeyError):
        check(tmp_path / "scan.nii", seed_files()[0])


def test_the_check_notices_memory_that_the_file_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(path: Path) -> None:
        np.zeros(2**23, np.uint8)
        raise InputError(f"{path} is greedy.")

    monkeypatch.setattr("nifti_files.load_case", greedy)
    tracemalloc.start()
    try:
        with pytest.raises(AssertionError, match="bytes of memory for a file that holds"):
            check(tmp_path / "scan.nii", seed_files()[0])
    finally:
        tracemalloc.stop()
