"""Running `kits-msan` by its real entry points."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel as nib

from kits_msan.cli import main

NETWORK = "--checkpoint networks/unet3d.safetensors"
NOTE = "The networks expect 10 x 8 x 8 mm (profile smoke); scans are resampled to it, and their segmentations back."
SCRIPT = [str(Path(sys.executable).parent / "kits-msan")]
MODULE = [sys.executable, "-m", "kits_msan"]


class Result(NamedTuple):
    code: int
    out: str
    err: str


def run(*arguments: object, entry: list[str] = SCRIPT, cwd: Path | None = None) -> Result:
    done = subprocess.run(
        [*entry, *map(str, arguments)], capture_output=True, timeout=300, cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return Result(done.returncode, done.stdout.decode(), shown(done.stderr.decode()))


def code_of(words: Sequence[str]) -> int:
    """The exit code of the same, in this process, which has imported its libraries."""
    try:
        return main(words)
    except SystemExit as stop:  # argparse's own way
        return int(stop.code or 0)


def shown(text: str) -> str:
    """What stays on the screen: a progress bar is wiped by what is written over it."""
    return re.sub(r"(?m)^.*\r", "", text)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def nifti(path: Path) -> nib.Nifti1Image:
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image
