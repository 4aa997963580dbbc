"""The map in the README: data flows one way through the package; importing it costs next to nothing."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import kits_msan

PACKAGE = Path(kits_msan.__file__).parent
ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHARED = ("__init__", "__main__", "conftest", "common")  # beside which a folder may hold twelve files


def mapped() -> list[str]:
    """The package's modules as the README's map has them, in its order: "data.nifti"."""
    lines = README.read_text(encoding="utf-8").partition("kits_msan/ ")[2].partition("\ntests/")[0].splitlines()[1:]
    names: list[str] = []
    folders: dict[int, str] = {}
    for line in lines:
        depth = (len(line) - len(line.lstrip())) // 2
        words = line.strip().partition("  ")[0]  # the caption follows two blanks
        folders = {level: name for level, name in folders.items() if level < depth}
        if words.endswith("/"):
            folders[depth] = words[:-1]
        else:
            names += [".".join([*folders.values(), word]) for word in words.split()]
    return names


ORDER = mapped()


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package == "kits_msan":
                names |= {module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)}
    return names & set(ORDER)


def test_every_module_is_on_the_map() -> None:
    files = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.stem != "__init__")
    assert {".".join(file.with_suffix("").parts) for file in files} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("root", [PACKAGE, ROOT / "tests", ROOT / "benchmarks"], ids=lambda root: root.name)
@pytest.mark.parametrize("kind", ["py", "js"])
def test_no_file_is_long_and_no_folder_crowded(root: Path, kind: str) -> None:
    files = [path for path in root.rglob(f"*.{kind}") if path.stem not in SHARED]
    assert {path.name for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 250} == set()
    folders = Counter(path.parent.relative_to(root) for path in files)
    assert {folder for folder, count in folders.items() if count > 12} == set()


def test_a_module_imports_only_from_those_before_it() -> None:
    for place, name in enumerate(ORDER):
        path = PACKAGE / f"{name.replace('.', '/')}.py"
        assert imported(path) <= set(ORDER[:place]), f"{name}: {imported(path) - set(ORDER[:place])}"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, kits_msan; print(*sorted({'torch', 'monai', 'pandas', 'scipy', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_every_public_name_can_be_had() -> None:
    for name in kits_msan.__all__:
        assert getattr(kits_msan, name) is not None, name


def test_a_missing_package_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "traitlets", None)
    monkeypatch.delitem(sys.modules, "kits_msan.viewer.widget", raising=False)
    with pytest.raises(
        ModuleNotFoundError, match=r'SliceViewer needs traitlets, .*: pip install "kits_msan\[course\]"'
    ):
        kits_msan.__getattr__("SliceViewer")
