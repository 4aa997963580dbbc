"""What a notebook does with its parameters: it runs with good ones and refuses all others in one sentence."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from kits_msan.course import run as course
from kits_msan.course.parameters import PARAMETERS, check_parameters
from kits_msan.course.run import execute
from kits_msan.errors import InputError
from kits_msan.profiles import SMOKE

GOOD = {"profile": "smoke", "device": "cpu", "train": False, "data": "", "seed": 0, "out": ""}


def test_good_parameters_give_the_profile() -> None:
    assert check_parameters(GOOD) is SMOKE
    assert check_parameters({**GOOD, "In": ["", "x = 1", "# Parameters\ntrain = True\nseed = 3\n"]}) is SMOKE


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"profile": "labtop"},
            "unknown profile 'labtop'; choose one of smoke, laptop, shipped, shipped-gpu, gpu, paper.",
        ),
        ({"device": "gpu"}, "unknown device 'gpu'; choose one of auto, cpu, cuda, mps."),
        ({"train": "false"}, "the parameter train is 'false'; it must be True or False, with a capital letter."),
        ({"data": 7}, "the parameter data is 7; it must be the path of a folder, or empty."),
        ({"seed": True}, "the parameter seed is True; it must be a whole number."),
        ({"seed": -1}, "the parameter seed is -1; it must be 0 or more."),
        ({"In": ["# Parameters\ntrian = True\n"]}, "this notebook has no parameter 'trian'; did you mean train?"),
        (
            {"In": ["# Parameters\nlr = 1\n", "# Parameters\nbatch = 2\n"]},
            "this notebook has no parameter 'lr'; there are profile, device, train, data, seed, out.",
        ),
    ],
)
def test_bad_parameters_are_refused(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refusal:
        check_parameters({**GOOD, **changed})
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("path", sorted(course.NOTEBOOKS.glob("0*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_checks_its_parameters_first(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "parameters" in cells[0].metadata.tags
    values: dict[str, Any] = {}
    exec(cells[0].source, values)
    assert {name for name in values if name[0] != "_"} == set(PARAMETERS)
    check_parameters(values)
    assert "check_parameters(globals())" in cells[1].source


def write_notebook(path: Path) -> Path:
    """A notebook that begins as those of the course do, and then does nothing."""
    parameters = new_code_cell("\n".join(f"{name} = {value!r}" for name, value in GOOD.items()))
    parameters.metadata.tags = ["parameters"]
    check = "from kits_msan.course import check_parameters\nprint(check_parameters(globals()).name, train)"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=[parameters, new_code_cell(check)], metadata={"kernelspec": kernel}), path)
    return path


@pytest.mark.slow
def test_a_notebook_run_by_papermill_stops_at_a_misspelled_parameter(tmp_path: Path) -> None:
    notebook, target = write_notebook(tmp_path / "a.ipynb"), tmp_path / "b.ipynb"
    failure = execute(notebook, target, {"profile": "smoke", "trian": True})
    assert failure is not None
    assert "InputError: this notebook has no parameter 'trian'; did you mean train?" in failure
    assert execute(notebook, target, {"profile": "laptop", "train": True}) is None
    [output] = nbformat.read(target, as_version=4).cells[-1].outputs
    assert output.text == "laptop True\n"
