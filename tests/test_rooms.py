"""The rooms of the package: data flows one way through them, and importing it costs next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import kits_msan

PACKAGE = Path(kits_msan.__file__).parent
FLOW = """
errors files profiles nifti dicom cases resampling shapes pelvis anatomy kidneys scanner patients phantom
kits19 fetch download store augment slabs layers peers networks losses optimizers devices processes checkpoints
inference metrics validation logs runs training fusion scoring tables variation report results side_by_side ablation
viewer_data viewer_html viewer figures exercise exercises_data exercises_attention exercises_res2net
exercises_training exercises_ensemble checks course student machine software doctor site_text site arguments cli
"""
ORDER = FLOW.split()


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package == "kits_msan":
                names |= {module} if module else {alias.name for alias in node.names}
    return names & set(ORDER)


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", *ORDER}


def test_a_module_imports_only_from_those_before_it() -> None:
    for place, name in enumerate(ORDER):
        assert imported(PACKAGE / f"{name}.py") <= set(ORDER[:place]), name


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, kits_msan; print(*sorted({'torch', 'monai', 'pandas', 'scipy', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_every_public_name_can_be_had() -> None:
    for name in kits_msan.__all__:
        assert getattr(kits_msan, name) is not None, name
