"""The two ways to install, pip and conda, list the same packages, and what is imported is declared."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RENAMED = {"pytorch": "torch"}  # conda's names
IMPORTED_AS = {
    "lightning-fabric": "lightning_fabric", "simpleitk": "SimpleITK", "tensorboardx": "tensorboardX",
    "ipython": "IPython", "jupyter-client": "jupyter_client", "pillow": "PIL",
}  # fmt: skip
TOOLS = {"jupyterlab", "nbval", "ipywidgets"}  # used from the command line
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COURSE = METADATA["optional-dependencies"]["course"]
DECLARED = METADATA["dependencies"] + COURSE
ONNX = METADATA["optional-dependencies"]["onnx"]
TEST = [line for line in METADATA["optional-dependencies"]["test"] if not line.startswith("kits_msan[")]


def name_of(requirement: str) -> str:
    return re.split(r"[ <>=!~\[;]", requirement.strip())[0].lower()


def conda_packages() -> dict[str, str]:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8").partition("dependencies:")[2]
    lines = re.findall(r"^  - ([^:\n]+)$", text, re.MULTILINE)
    return {RENAMED.get(name_of(line), name_of(line)): line for line in lines}


def test_conda_and_pip_list_the_same_packages() -> None:
    assert set(conda_packages()) - {"python", "pip"} == {name_of(line) for line in DECLARED}


def test_conda_and_pip_ask_for_the_same_versions() -> None:
    bounds = {name_of(line): line[len(name_of(line)) :].strip() for line in DECLARED}
    for name, line in conda_packages().items():
        if name in bounds:
            assert line.partition(" ")[2] == bounds[name], name
    assert conda_packages()["python"].split()[1] == METADATA["requires-python"]


def imported_by(files: Iterable[Path]) -> set[str]:
    """The packages that files import, without Python's own and this one."""
    imported = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).partition(".")[0])
    return imported - set(sys.stdlib_module_names) - {"kits_msan"}


def test_every_declared_package_is_imported_and_every_imported_one_declared() -> None:
    foreign = imported_by((ROOT / "kits_msan").rglob("*.py"))
    assert foreign == {IMPORTED_AS.get(name_of(line), name_of(line)) for line in DECLARED} - TOOLS


def test_only_viewer_and_course_need_the_packages_of_the_course() -> None:
    files = (ROOT / "kits_msan").rglob("*.py")
    core = [path for path in files if not {"viewer", "course", "page"} & set(path.parts)]
    own = {IMPORTED_AS.get(name_of(line), name_of(line)) for line in COURSE} & imported_by(core)
    assert own == set()


@pytest.mark.parametrize("name", [name_of(line) for line in DECLARED + ONNX + TEST])
def test_every_package_is_pinned(name: str) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {name_of(line) for line in lines if line and line[0] != "#"}
    assert name in pins


def test_every_package_earns_its_line_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in METADATA["dependencies"] + ONNX:
        assert f"`{name_of(line)}`" in readme, f"{name_of(line)} is not explained in README.md"
