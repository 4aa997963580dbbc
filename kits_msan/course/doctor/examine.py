"""`kits-msan doctor`: can this machine run the course, with which profile, and what to do where it cannot.

Nothing heavy is imported: the doctor must work where torch or any other package is missing or broken. Torch is
tried in a process of its own.
"""

import json
import platform
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kits_msan.course.doctor.machine import available_memory
from kits_msan.course.doctor.software import (
    LOOK,
    MISSING,
    OK,
    TORCH,
    Finding,
    jupyter,
    packages,
    python,
    to_install,
    torch_and_gpu,
)
from kits_msan.course.paths import CHECKPOINTS, ROOT, in_repository
from kits_msan.course.run import MINUTES
from kits_msan.threads import available_cores

LEAST_MEMORY = 3.0  # GB: the laptop profile
LEAST_DISK = 2.0  # GB: its phantoms and runs


def examine() -> int:
    """Print a line for everything that the course needs; 0 if it can run here, 2 if something is missing."""
    rest = (checkpoints, data_folder) if in_repository() else (clone,)
    with subprocess.Popen(
        [sys.executable, "-c", TORCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as torch:  # starts first, since it takes longest
        checks = (python, packages, cores, memory, jupyter, browser, temporary_folder, *rest)
        findings = [_guarded(check) for check in checks]
        gpu = _guarded(torch_and_gpu, torch)
    findings.insert(2, gpu)  # after Python and the packages
    print(*findings, sep="\n")
    missing = [finding.about for finding in findings if finding.state == MISSING]
    if missing:
        print(f"\nThe course cannot run yet: see {', '.join(missing)} above.")
        return 2
    print(f"\n{advice(gpu.state == OK and gpu.about == 'GPU', available_cores(), available_memory())}")
    return 0


def advice(gpu: bool, processors: int, gigabytes: float) -> str:
    """Which profile this machine should use, with the minutes to expect."""
    if gpu:
        return (
            f"Use the gpu profile: {_command('gpu')}, about {MINUTES['gpu']:.0f} minutes (not measured). "
            f"For a first look, the laptop profile, about {MINUTES['laptop']:.0f} minutes on two cores."
        )
    if processors >= 2 and gigabytes >= LEAST_MEMORY:
        return (
            f"Use the laptop profile: {_command('laptop')}, about {MINUTES['laptop']:.0f} minutes on two slow cores."
        )
    return (
        "Work through the notebooks as they are, with the shipped networks; train only with the smoke profile: "
        f"{_command('smoke')}, about {60 * MINUTES['smoke']:.0f} seconds on two cores."
    )


def _command(profile: str) -> str:
    """The command that runs the course, also for a machine without make, such as one with Windows."""
    return f"make course PROFILE={profile} (or kits-msan course --profile {profile} --out runs/{profile})"


def cores() -> Finding:
    """Processor cores that this process may use."""
    count = available_cores()
    todo = "the course will take about twice as long" if count < 2 else ""
    return Finding(LOOK if todo else OK, "cores", f"{count}, {platform.machine()}", todo)


def memory() -> Finding:
    """Main memory, or what a container may use of it."""
    size = available_memory()
    todo = f"below {LEAST_MEMORY:.0f} GB: close other programs, and run one notebook at a time"
    if size < LEAST_MEMORY:
        return Finding(LOOK, "memory", f"{size:.1f} GB", todo)
    return Finding(OK, "memory", f"{size:.1f} GB")


def browser() -> Finding:
    """A browser that Python can open."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        todo = "open the address that JupyterLab prints, in a browser of this or (over ssh -L) another machine"
        return Finding(LOOK, "browser", "none that Python could open", todo)
    return Finding(OK, "browser", getattr(found, "name", "the system's own"))


def temporary_folder() -> Finding:
    """Where kernels and trainings put what they need only while they run."""
    try:
        return Finding(OK, "temp folder", tempfile.gettempdir())
    except FileNotFoundError as error:
        todo = "set TMPDIR to a folder that may be written"
        return Finding(MISSING, "temp folder", f"{error.strerror}", todo)


def checkpoints() -> Finding:
    """The five networks that the notebooks load: each file as long as its own header says."""
    paths = list(CHECKPOINTS.glob("*.safetensors"))
    broken = [path.name for path in paths if not _whole(path)]
    if broken or len(paths) < 5:
        found = f"not readable: {', '.join(broken)}" if broken else f"{len(paths)} of 5 in {CHECKPOINTS}"
        return Finding(MISSING, "checkpoints", found, "get them anew: git checkout data/checkpoints, or clone again")
    return Finding(OK, "checkpoints", f"{len(paths)} trained networks")


def data_folder() -> Finding:
    """Whether phantoms and runs can be written, and have room."""
    folder = ROOT / "data"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        todo = (
            "make cases elsewhere, kits-msan phantom FOLDER --profile laptop, and set data= to that folder and out= "
            "to another in the notebooks; instead of make course, kits-msan course --data FOLDER --out FOLDER"
        )
        return Finding(LOOK, "data folder", f"{folder} cannot be written: {error.strerror or error}", todo)
    free = shutil.disk_usage(folder).free / 1e9
    if free < LEAST_DISK:
        todo = f"make room: phantoms and runs take up to {LEAST_DISK:.0f} GB"
        return Finding(MISSING, "data folder", f"{free:.1f} GB free in {folder}", todo)
    return Finding(OK, "data folder", f"{folder} can be written, {free:.0f} GB free")


def clone() -> Finding:
    """The notebooks and trained networks, which an installed package does not bring."""
    return Finding(MISSING, "clone", f"{Path.cwd()} is not in a clone of kits_msan", "run this in a clone")


def _guarded(check: Callable[..., Finding], *arguments: Any) -> Finding:
    """What the check finds; a check that fails is a finding, not a traceback."""
    try:
        return check(*arguments)
    except Exception as error:  # whatever is broken here, the other lines are still worth having
        return Finding(MISSING, check.__name__.replace("_", " "), f"{type(error).__name__}: {error}", to_install())


def _whole(path: Path) -> bool:
    """Whether a safetensors file has the length that its header tells; reads no weights, needs no package."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                return False
            tensors = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in tensors.items() if name != "__metadata__"]
        return bool(path.stat().st_size == 8 + length + max(ends))
    except (OSError, ValueError, KeyError, TypeError):
        return False
