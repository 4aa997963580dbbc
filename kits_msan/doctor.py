"""`kits-msan doctor`: can this machine run the course, with which profile, and what to do where it cannot.

Nothing heavy is imported: the doctor must work where torch or any other package is missing or broken. Torch is
tried in a process of its own.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import webbrowser
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from kits_msan.course import CHECKPOINTS, MINUTES, ROOT
from kits_msan.machine import available_cores, available_memory, graphics_card

OK, LOOK, MISSING = "ok", "look", "missing"  # the course runs; it runs, but read this; it does not run
INSTALL = "install the packages: make install, or pip install -c constraints.txt -e .[test]"
LEAST_PYTHON, TESTED_PYTHON = (3, 11), (3, 13)  # the oldest that works, the newest that the tests run with
LEAST_MEMORY, LEAST_DISK, LEAST_GPU = 3.0, 2.0, 12.0  # GB: the laptop profile, its phantoms and runs; the gpu profile
TORCH_SECONDS = 60  # a slow disk may take long over the first import
TORCH = """
import json, torch
gpu = torch.cuda.is_available()
name, memory = (torch.cuda.get_device_name(0), torch.cuda.mem_get_info(0)[1]) if gpu else ("", 0)
print(json.dumps({"cuda": torch.version.cuda or "", "gpu": name, "memory": memory / 1e9,
                  "mps": torch.backends.mps.is_available()}))
"""


class Finding(NamedTuple):
    """One line of the report."""

    state: str  # OK, LOOK or MISSING
    about: str
    found: str
    todo: str = ""

    def __str__(self) -> str:
        line = f"{self.state:8}{self.about:13}{self.found}"
        return f"{line}\n{'':21}-> {self.todo}" if self.todo else line


def examine() -> int:
    """Print a line for everything that the course needs; 0 if it can run here, 2 if something is missing."""
    with subprocess.Popen(
        [sys.executable, "-c", TORCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as torch:  # starts first, since it takes longest
        findings = [
            finding
            for check in (python, packages, cores, memory, disk, jupyter, browser, checkpoints, data_folder)
            for finding in _guarded(check)
        ]
        findings[2:2] = gpus = list(_guarded(torch_and_gpu, torch))
    for finding in findings:
        print(finding)
    missing = [finding.about for finding in findings if finding.state == MISSING]
    if missing:
        print(f"\nThe course cannot run yet: see {', '.join(missing)} above.")
        return 2
    print(f"\n{advice(gpus[-1].state == OK and gpus[-1].about == 'GPU', available_cores(), available_memory())}")
    return 0


def advice(gpu: bool, processors: int, gigabytes: float) -> str:
    """Which profile this machine should use, with the minutes to expect."""
    if gpu:
        return (
            f"Use the gpu profile: make course PROFILE=gpu, about {MINUTES['gpu']:.0f} minutes (not measured). "
            f"For a first look, the laptop profile, about {MINUTES['laptop']:.0f} minutes on two cores."
        )
    if processors >= 2 and gigabytes >= LEAST_MEMORY:
        return f"Use the laptop profile: make course, about {MINUTES['laptop']:.0f} minutes on two slow cores."
    return (
        "Work through the notebooks as they are, with the shipped networks; train only with the smoke profile: "
        f"make course PROFILE=smoke, about {60 * MINUTES['smoke']:.0f} seconds on two cores."
    )


def python() -> Iterator[Finding]:
    """The interpreter."""
    version = platform.python_version()
    if sys.version_info[:2] < LEAST_PYTHON:
        yield Finding(MISSING, "Python", version, f"install Python {_dotted(LEAST_PYTHON)} or newer")
    elif sys.version_info[:2] > TESTED_PYTHON:
        todo = f"not tried: if something fails, take {_dotted(TESTED_PYTHON)} or older"
        yield Finding(LOOK, "Python", version, todo)
    else:
        yield Finding(OK, "Python", f"{version} in {sys.prefix}")


def packages() -> Iterator[Finding]:
    """Every declared package: there, new enough, and the version that the tests ran with."""
    declared = {re.split(r"[ <>=!~\[;]", line)[0]: line for line in _declared()}
    found = {name: _installed(name) for name in declared}
    if absent := [name for name, version in found.items() if not version]:
        yield Finding(MISSING, "packages", f"not installed: {', '.join(absent)}", INSTALL)
        return
    from packaging.requirements import Requirement

    constraints = ROOT / "constraints.txt"
    lines = constraints.read_text(encoding="utf-8").splitlines() if constraints.exists() else []
    pins = dict(line.lower().split("==") for line in lines if "==" in line)
    unfit = [
        f"{line} (found {found[name]})"
        for name, line in declared.items()
        if not Requirement(line).specifier.contains(found[name], prereleases=True)
    ]
    other = [
        f"{name} {version} (pin: {pins[name]})"
        for name, version in found.items()
        if name in pins and version.partition("+")[0] != pins[name]  # 2.13.0+cpu is 2.13.0
    ]
    if unfit:
        yield Finding(MISSING, "packages", ", ".join(unfit), INSTALL)
    elif other:
        todo = "likely fine; for the tested versions, pip install -c constraints.txt -e .[test]"
        yield Finding(LOOK, "packages", f"{len(found)} found, other versions: {', '.join(other)}", todo)
    else:
        yield Finding(OK, "packages", f"{len(found)} found, {'in the tested versions' if pins else 'not compared'}")


def torch_and_gpu(process: subprocess.Popen[str]) -> Iterator[Finding]:
    """What the process that runs TORCH says."""
    try:
        answer, complaint = process.communicate(timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        yield Finding(MISSING, "torch", f"no answer in {TORCH_SECONDS} s", "try: python -c 'import torch'")
        return
    if process.returncode != 0:
        last = (complaint.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        yield Finding(MISSING, "torch", last, INSTALL)
        return
    about = json.loads(answer.splitlines()[-1])
    card = graphics_card()
    if about["gpu"] and about["memory"] >= LEAST_GPU:
        yield Finding(OK, "GPU", f"{about['gpu']}, {about['memory']:.0f} GB")
    elif about["gpu"]:
        todo = f"the gpu profile wants {LEAST_GPU:.0f} GB: use the laptop profile, it runs on this GPU too"
        yield Finding(LOOK, "GPU", f"{about['gpu']}, {about['memory']:.0f} GB", todo)
    elif card and not about["cuda"]:
        todo = "install a CUDA build of torch (pytorch.org) to use it"
        yield Finding(LOOK, "GPU", f"{card}, but this PyTorch is for processors only", todo)
    elif card:
        todo = f"the driver is likely older than CUDA {about['cuda']} asks for: update it"
        yield Finding(LOOK, "GPU", f"{card}, but PyTorch cannot use it", todo)
    elif about["mps"]:
        yield Finding(OK, "no CUDA GPU", "Apple's: --device mps tries it, auto takes the processor")
    else:
        yield Finding(OK, "no GPU", "none is needed: the laptop profile is made for processors")


def cores() -> Iterator[Finding]:
    """Processor cores that this process may use."""
    count = available_cores()
    todo = "the course will take about twice as long" if count < 2 else ""
    yield Finding(LOOK if todo else OK, "cores", f"{count}, {platform.machine()}", todo)


def memory() -> Iterator[Finding]:
    """Main memory, or what a container may use of it."""
    size = available_memory()
    todo = f"below {LEAST_MEMORY:.0f} GB: close other programs, and run one notebook at a time"
    yield (
        Finding(LOOK, "memory", f"{size:.1f} GB", todo)
        if size < LEAST_MEMORY
        else Finding(OK, "memory", f"{size:.1f} GB")
    )


def disk() -> Iterator[Finding]:
    """Free room where phantoms and runs go."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < LEAST_DISK:
        todo = f"make room: phantoms and runs take up to {LEAST_DISK:.0f} GB"
        yield Finding(MISSING, "disk", f"{free:.1f} GB free at {ROOT}", todo)
    else:
        yield Finding(OK, "disk", f"{free:.0f} GB free")


def jupyter() -> Iterator[Finding]:
    """JupyterLab of this Python, and not of another one first on the PATH."""
    if not _installed("jupyterlab") or not _installed("ipykernel"):
        yield Finding(MISSING, "Jupyter", "not installed for this Python", INSTALL)
        return
    first, own = shutil.which("jupyter-lab"), Path(sysconfig.get_path("scripts")).resolve()
    if first and Path(first).parent.resolve() != own:
        todo = "start this Python's: make lab, or python -m jupyterlab notebooks"
        yield Finding(LOOK, "Jupyter", f"`jupyter lab` would start {first}, of another Python", todo)
    else:
        yield Finding(OK, "Jupyter", f"JupyterLab {_installed('jupyterlab')}")


def browser() -> Iterator[Finding]:
    """A browser that Python can open."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        todo = "open the address that JupyterLab prints, in a browser of this or (over ssh -L) another machine"
        yield Finding(LOOK, "browser", "none that Python could open", todo)
    else:
        yield Finding(OK, "browser", getattr(found, "name", "the system's own"))


def checkpoints() -> Iterator[Finding]:
    """The five networks that the notebooks load: each file as long as its own header says."""
    broken = [path.name for path in CHECKPOINTS.glob("*.safetensors") if not _whole(path)]
    count = len(list(CHECKPOINTS.glob("*.safetensors")))
    if broken or count < 5:
        found = f"not readable: {', '.join(broken)}" if broken else f"{count} of 5 in {CHECKPOINTS}"
        yield Finding(MISSING, "checkpoints", found, "get them anew: git checkout data/checkpoints, or clone again")
    else:
        yield Finding(OK, "checkpoints", f"{count} trained networks")


def data_folder() -> Iterator[Finding]:
    """Whether phantoms can be written."""
    folder = ROOT / "data"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        todo = "move the project to a folder that you may write to"
        yield Finding(MISSING, "data folder", f"{folder}: {error.strerror or error}", todo)
    else:
        yield Finding(OK, "data folder", f"{folder} can be written")


def _guarded(check: Callable[..., Iterator[Finding]], *arguments: Any) -> Iterator[Finding]:
    """What the check finds; a check that fails is a finding, not a traceback."""
    try:
        yield from check(*arguments)
    except Exception as error:  # whatever is broken here, the other lines are still worth having
        yield Finding(MISSING, check.__name__.replace("_", " "), f"{type(error).__name__}: {error}", INSTALL)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _declared() -> list[str]:
    """The requirements in pyproject.toml; of an installed package without one, those it was installed with."""
    import tomllib  # an old Python, which lacks it, must get as far as being told so

    project = ROOT / "pyproject.toml"
    if project.exists():
        return list(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"])
    return [line for line in metadata.requires("kits_msan") or [] if "extra ==" not in line]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


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
