"""Types are checked as one of the tests, so that another core does something else meanwhile."""

import subprocess
import sys

import pytest

from kits_msan.course.paths import ROOT


@pytest.mark.slow
def test_mypy_finds_nothing() -> None:
    result = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
