"""A process that may take less memory than its libraries need says so, before one of them ends it."""

import subprocess
import sys
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [600, 800])
def test_too_little_for_the_libraries_is_one_sentence(tmp_path: Path, megabytes: int) -> None:
    most = megabytes * 10**6
    done = subprocess.run(
        [sys.executable, "-m", "kits_msan", "phantom", str(tmp_path / "out"), "--cases", "1"],
        capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("kits-msan: this process may take ")
    assert "ulimit -v unlimited" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
