"""The rooms of the package: data flows one way through them, and importing it costs next to nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import kits_msan

PACKAGE = Path(kits_msan.__file__).parent
FLOW = """
lazy errors files profiles devices
data.nifti data.dicom data.cases data.resampling data.kits19 data.fetch data.download data.store
data.augment data.slabs
phantom.shapes phantom.pelvis phantom.anatomy phantom.kidneys phantom.scanner phantom.patients phantom.make
networks.norms networks.layers networks.peers networks.msan networks.checkpoints
inference metrics
training.losses training.optimizers training.processes training.validation training.logs training.runs training.loop
ablation.trust ablation.scoring ablation.tables ablation.variation ablation.report ablation.results
training.side_by_side ablation.run
viewer.volumes viewer.still viewer.scripts viewer.page viewer.cells viewer.state viewer.widget
course.figures course.exercises.exercise course.exercises.n1_data course.exercises.n2_attention
course.exercises.n3_res2net course.exercises.n4_training course.exercises.n5_ensemble course.exercises.checks
course.questions.ask course.run course.student course.doctor.machine course.doctor.software course.doctor.examine
course.site.text course.site.build
commands.options commands.data commands.train commands.predict commands.evaluate commands.ablation commands.course cli
"""
ORDER = FLOW.split()


def imported(path: Path) -> set[str]:
    """The modules of the package that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            package, _, module = node.module.partition(".")
            if package == "kits_msan":
                names |= {module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)}
    return names & set(ORDER)


def test_every_module_has_its_place() -> None:
    files = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.stem != "__init__")
    assert {".".join(file.with_suffix("").parts) for file in files} == set(ORDER)


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
