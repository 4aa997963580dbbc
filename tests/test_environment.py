"""The two ways to install, pip and conda, list the same packages, and what is imported is declared."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as canonical

ROOT = Path(__file__).parents[1]
RENAMED = {"pytorch": "torch"}  # conda's names
IMPORTED_AS = {
    "lightning-fabric": "lightning_fabric", "simpleitk": "SimpleITK", "tensorboardx": "tensorboardX",
    "ipython": "IPython", "jupyter-client": "jupyter_client", "pillow": "PIL", "pyyaml": "yaml",
    "websocket-client": "websocket", "pytest-xdist": "xdist",
}  # fmt: skip
TOOLS = {"jupyterlab", "nbval", "ipywidgets"}  # used from the command line
WHERE_FOUND = {"atheris", "nnunetv2", "sklearn"}  # a fuzzer and peers that tests and benchmarks use if they are there
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


def test_what_tests_benchmarks_and_pages_import_is_declared() -> None:
    files = [path for folder in ("tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
    own = {name for path in files for name in (path.stem, path.parent.name)}
    declared = {IMPORTED_AS.get(name_of(line), name_of(line)) for line in DECLARED + ONNX + TEST}
    assert imported_by(files) - own - WHERE_FOUND - declared == set()


def test_only_viewer_and_course_need_the_packages_of_the_course() -> None:
    files = (ROOT / "kits_msan").rglob("*.py")
    core = [path for path in files if not {"viewer", "course", "page"} & set(path.parts)]
    own = {IMPORTED_AS.get(name_of(line), name_of(line)) for line in COURSE} & imported_by(core)
    assert own == set()


def required_by(names: Iterable[str]) -> set[str]:
    """These packages and all that they bring when they are installed here."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = canonical(todo.pop())
        if name in found:
            continue
        found.add(name)
        try:
            requirements = [Requirement(line) for line in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # for another system
            continue
        todo += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.slow
def test_the_package_alone_trains_predicts_and_evaluates(data: Path, tmp_path: Path) -> None:
    """Without the packages of [course], [onnx] and [test], as after `pip install kits_msan`."""
    there = required_by(name_of(line) for line in METADATA["dependencies"])
    absent = [name_of(line) for line in COURSE + ONNX + TEST if canonical(name_of(line)) not in there]
    assert {"ipython", "anywidget", "onnx", "pytest"} <= set(absent)
    modules = [IMPORTED_AS.get(name, name.replace("-", "_")) for name in absent]
    commands = [
        ["train", "unet3d", "--data", data, "--profile", "smoke", "--steps", "2", "--out", tmp_path / "run"],
        ["predict", data / "case_00003", "--checkpoint", tmp_path / "run", "--out", tmp_path / "predicted"],
        ["evaluate", tmp_path / "predicted", data, "--out", tmp_path / "scores.csv"],
    ]
    code = (
        "import json, sys; modules, commands = json.load(sys.stdin)\n"
        "sys.modules.update(dict.fromkeys(modules))\n"
        "from kits_msan.cli import main\n"
        "sys.exit(any(main(command) for command in commands))"
    )
    given = json.dumps([modules, [[str(word) for word in command] for command in commands]])
    done = subprocess.run(
        [sys.executable, "-c", code], input=given, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8").startswith("case,kidney,tumor,composite")


def test_every_package_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonical(name_of(line)) for line in lines if line and line[0] != "#"}
    assert required_by(name_of(line) for line in DECLARED + ONNX + TEST) - pins <= {
        "setuptools"
    }  # a part of Python's own tools


def test_every_package_earns_its_line_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in METADATA["dependencies"] + ONNX:
        assert f"`{name_of(line)}`" in readme, f"{name_of(line)} is not explained in README.md"
