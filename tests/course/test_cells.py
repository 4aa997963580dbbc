"""What cells of the notebooks take from elsewhere: patients that a network saw, and a build of another notebook."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from torch import nn

from kits_msan.course import cells, paths
from kits_msan.course.cells import own_build, patients_of
from kits_msan.course.paths import CHECKPOINTS, NOTEBOOKS
from kits_msan.course.student import STUDENT
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import describe_model, load_checkpoint, save_model
from kits_msan.networks.registry import build_model
from kits_msan.phantom.make import PHANTOM_VERSION
from kits_msan.profiles import LAPTOP, SMOKE, profile_from
from kits_msan.training import fresh

SHIPPED = sorted(CHECKPOINTS.glob("*.safetensors"))


def drawn(step: int, about: dict[str, Any]) -> list[Any]:
    """What the process beside a training is asked for, to have the patients of a step."""
    with fresh.FreshPhantoms(profile_from(about["profile"]), about["seed"]) as patients:

        def submit(make: Any, *given: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(given)
            return future

        patients._pool.submit = submit  # type: ignore[method-assign, assignment]
        return patients.at(step)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_patients_of_a_shipped_network_are_those_that_its_training_drew(path: Path) -> None:
    about = load_checkpoint(path)[1]
    assert about["data"].startswith(f"phantoms version {PHANTOM_VERSION}")  # else they cannot be made again
    oldest, *_ = drawn(about["profile"]["steps"] - 1, about)
    *settings, index = oldest
    [patient] = patients_of(path, 1)
    made = fresh._make(*settings, index - index % len(fresh.WISHES))  # type: ignore[call-arg]
    assert patient.name == made.name
    assert patient.image is not None
    np.testing.assert_array_equal(patient.image, made.image)
    [coarse] = patients_of(path, 1, SMOKE)
    assert (coarse.name, coarse.spacing) == (patient.name, SMOKE.spacing)


def test_a_network_that_was_trained_on_a_folder_has_its_patients_there(tmp_path: Path) -> None:
    about = describe_model("unet3d", build_model("unet3d", width=2, poolings=1), SMOKE)
    save_model(tmp_path / "model.safetensors", build_model("unet3d", width=2, poolings=1), about)
    with pytest.raises(InputError, match="was trained on a folder of cases"):
        patients_of(tmp_path / "model.safetensors")


def test_a_build_is_taken_from_the_notebook_beside_if_it_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    layer = own_build("2.b", "MyAttention")
    assert isinstance(layer([2, 3]), nn.Module)
    monkeypatch.chdir(tmp_path)
    file = "02_attention_layer.ipynb"
    imports = (
        nbformat.v4.new_code_cell("%matplotlib inline"),
        nbformat.v4.new_code_cell("import math\nmath.boom = 1 / 0"),
    )
    stops = nbformat.v4.new_code_cell("MyAttention = math.sqrt(-1)", metadata={"tags": ["build"]})
    for content in (None, "{", (STUDENT / file).read_text(encoding="utf-8"), [*imports, stops]):
        if isinstance(content, str):
            (tmp_path / file).write_text(content, encoding="utf-8")
        elif content:
            nbformat.write(nbformat.v4.new_notebook(cells=content), tmp_path / file)
        assert own_build("2.b", "MyAttention") is None
        (tmp_path / "02_attention_layer-Copy1.ipynb").touch()  # another file of that chapter changes nothing
    reasons = [
        "that notebook is not in this folder",
        "NotJSONError",
        "does not say that it is right",
        "math domain error",
    ]
    said = capsys.readouterr().out.splitlines()
    assert [reason in one for reason, one in zip(reasons, said, strict=True)] == [True] * 4, said


def test_what_may_not_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a hub, where the course belongs to the teacher."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "ROOT", tmp_path / "course")
    assert paths.runs_folder("laptop") == tmp_path / "course/runs/laptop"
    monkeypatch.setattr(paths.os, "access", lambda *_: False)
    assert paths.runs_folder("laptop") == tmp_path / "runs/laptop"
    assert paths.runs_folder("laptop", "mine") == Path("mine")

    def refuse(*_: object, **__: object) -> None:
        raise InputError("it cannot be written")

    monkeypatch.setattr(cells, "course_data", refuse)
    monkeypatch.setattr(cells, "FINE_GRID", (2, 16, 16))
    case = cells.fine_case(LAPTOP)
    assert (case.shape, case.spacing) == ((2, 16, 16), cells.FINE_SPACING)
