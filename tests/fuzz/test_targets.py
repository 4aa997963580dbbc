from pathlib import Path

import pytest
import targets
from run import TARGETS, Fuzzer, fuzz_blindly
from targets import Target


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_files_are_read_or_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    fuzzer = Fuzzer(name, getattr(targets, name)(tmp_path / "files"), tmp_path)
    for content in fuzzer.target.seeds:
        fuzzer.once(content)
    assert fuzzer.read >= len(fuzzer.target.seeds) / 2  # they are whole, though noise is not always taken for a CT
    fuzz_blindly(fuzzer, 1, lambda count: count < 100)
    assert fuzzer.found == {}
    assert fuzzer.refused > 10
    assert fuzzer.read > len(fuzzer.target.seeds)  # not all die at the first check


def test_a_crash_is_a_finding_once_and_its_input_is_kept(tmp_path: Path) -> None:
    def crash(content: bytes) -> None:
        raise KeyError(content)

    fuzzer = Fuzzer("crash", Target([b"whole"], crash), tmp_path)
    fuzz_blindly(fuzzer, 1, lambda count: count < 9)
    assert list(fuzzer.found) == ["KeyError in test_targets.py, crash"]
    assert (tmp_path / "crash-0").read_bytes() == b"whole"
    assert "KeyError" in (tmp_path / "crash-0.txt").read_text(encoding="utf-8")
