from pathlib import Path

import pytest
from fuzz_reader import check, fuzz, seed_files


def test_mutated_files_are_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    outcomes = fuzz(500, 1, tmp_path)
    assert outcomes["read"] > 50  # the mutations do not all die at the first check
    assert len(outcomes) > 8


def test_the_check_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> None:
        raise KeyError(path)

    monkeypatch.setattr("fuzz_reader.load_case", crash)
    with pytest.raises(AssertionError, match=r"failed-0-scan\.nii.*KeyError"):
        fuzz(1, 0, tmp_path)
    with pytest.raises(KeyError):
        check(tmp_path / "scan.nii", seed_files()[0])
