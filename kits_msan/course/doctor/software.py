"""What the doctor says of the software: Python, the packages, torch and the GPU that it sees, Jupyter."""

import json
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from kits_msan.course.doctor.machine import graphics_card
from kits_msan.course.paths import ROOT

OK = "ok"  # the course runs
LOOK = "look"  # it runs, but read this
MISSING = "missing"  # it does not run
LEAST_PYTHON = (3, 11)  # the oldest that works
TESTED_PYTHON = (3, 13)  # the newest that the tests run with
LEAST_GPU = 12.0  # GB: the gpu profile
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


def to_install() -> str:
    """How to install the packages: in the repository, or of a package that was installed from it."""
    if (ROOT / "constraints.txt").exists():
        return "install the packages: make install, or pip install -c constraints.txt -e .[test]"
    return 'install the packages: pip install "kits_msan[course]"'


def python() -> Finding:
    """The interpreter."""
    version = platform.python_version()
    if sys.version_info[:2] < LEAST_PYTHON:
        return Finding(MISSING, "Python", version, f"install Python {_dotted(LEAST_PYTHON)} or newer")
    if sys.version_info[:2] > TESTED_PYTHON:
        todo = f"not tried: if something fails, take {_dotted(TESTED_PYTHON)} or older"
        return Finding(LOOK, "Python", version, todo)
    return Finding(OK, "Python", f"{version} in {sys.prefix}")


def packages() -> Finding:
    """Every declared package: there, new enough, and the version that the tests ran with."""
    declared = {re.split(r"[ <>=!~\[;]", line)[0]: line for line in _declared()}
    found = {name: _installed(name) for name in declared}
    if absent := [name for name, version in found.items() if not version]:
        return Finding(MISSING, "packages", f"not installed: {', '.join(absent)}", to_install())
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
        return Finding(MISSING, "packages", ", ".join(unfit), to_install())
    if other:
        todo = "likely fine; for the tested versions, pip install -c constraints.txt -e .[test]"
        return Finding(LOOK, "packages", f"{len(found)} found, other versions: {', '.join(other)}", todo)
    return Finding(OK, "packages", f"{len(found)} found, {'in the tested versions' if pins else 'not compared'}")


def torch_and_gpu(process: subprocess.Popen[str]) -> Finding:
    """What the process that runs TORCH says."""
    try:
        answer, complaint = process.communicate(timeout=TORCH_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return Finding(MISSING, "torch", f"no answer in {TORCH_SECONDS} s", "try: python -c 'import torch'")
    if process.returncode != 0:
        last = (complaint.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        return Finding(MISSING, "torch", last, to_install())
    about = json.loads(answer.splitlines()[-1])
    card = graphics_card()
    if about["gpu"] and about["memory"] >= LEAST_GPU:
        return Finding(OK, "GPU", f"{about['gpu']}, {about['memory']:.0f} GB")
    if about["gpu"]:
        todo = f"the gpu profile wants {LEAST_GPU:.0f} GB: use the laptop profile, it runs on this GPU too"
        return Finding(LOOK, "GPU", f"{about['gpu']}, {about['memory']:.0f} GB", todo)
    if card and not about["cuda"]:
        todo = "install a CUDA build of torch (pytorch.org) to use it"
        return Finding(LOOK, "GPU", f"{card}, but this PyTorch is for processors only", todo)
    if card:
        todo = f"the driver is likely older than CUDA {about['cuda']} asks for: update it"
        return Finding(LOOK, "GPU", f"{card}, but PyTorch cannot use it", todo)
    if about["mps"]:
        return Finding(OK, "no CUDA GPU", "Apple's: --device mps tries it, auto takes the processor")
    return Finding(OK, "no GPU", "none is needed: the laptop profile is made for processors")


def jupyter() -> Finding:
    """JupyterLab of this Python, and not of another one first on the PATH."""
    if not _installed("jupyterlab") or not _installed("ipykernel"):
        return Finding(MISSING, "Jupyter", "not installed for this Python", to_install())
    first, own = shutil.which("jupyter-lab"), Path(sysconfig.get_path("scripts")).resolve()
    if first and Path(first).parent.resolve() != own:
        todo = "start this Python's: make lab, or python -m jupyterlab notebooks"
        return Finding(LOOK, "Jupyter", f"`jupyter lab` would start {first}, of another Python", todo)
    return Finding(OK, "Jupyter", f"JupyterLab {_installed('jupyterlab')}")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _declared() -> list[str]:
    """What the course requires by pyproject.toml; of an installed package without one, by its metadata."""
    import tomllib  # an old Python, which lacks it, must get as far as being told so

    project = ROOT / "pyproject.toml"
    if project.exists():
        wanted = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        return [*wanted["dependencies"], *wanted["optional-dependencies"]["course"]]
    lines = (line.partition(";") for line in metadata.requires("kits_msan") or [])
    return [line.strip() for line, _, extra in lines if not extra or "course" in extra]


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
