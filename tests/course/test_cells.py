"""What cells of the notebooks take from elsewhere: patients that a network saw, and a build of another notebook."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from torch import nn

from kits_msan.course.cells import own_build, patients_of
from kits_msan.course.paths import CHECKPOINTS, NOTEBOOKS
from kits_msan.course.student import STUDENT
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import describe_model, load_checkpoint, save_model
from kits_msan.networks.registry import build_model
from kits_msan.phantom.make import PHANTOM_VERSION
from kits_msan.profiles import SMOKE, profile_from
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    layer = own_build("2.b", "MyAttention")
    assert isinstance(layer([2, 3]), nn.Module)
    monkeypatch.chdir(STUDENT)
    assert own_build("2.b", "MyAttention") is None  # not filled in
    monkeypatch.chdir(tmp_path)
    assert own_build("2.b", "MyAttention") is None  # no notebook
    (tmp_path / "02_mine.ipynb").write_text("{", encoding="utf-8")
    assert own_build("2.b", "MyAttention") is None
    cell = nbformat.v4.new_code_cell("MyAttention = 1 / 0", metadata={"tags": ["build"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "02_mine.ipynb")
    assert own_build("2.b", "MyAttention") is None
