"""The patients that a shipped network learned from: those that its training drew, made again."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kits_msan.course.cells import patients_of
from kits_msan.course.paths import CHECKPOINTS
from kits_msan.errors import InputError
from kits_msan.networks import build_model
from kits_msan.networks.checkpoints import describe_model, load_checkpoint, save_model
from kits_msan.phantom import PHANTOM_VERSION
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
    assert about["data"] == f"phantoms version {PHANTOM_VERSION}"  # else they cannot be made again
    oldest, *_ = drawn(about["profile"]["steps"] - 1, about)
    [patient] = patients_of(path, 1)
    made = fresh._make(*oldest)
    assert patient.name == made.name
    assert patient.image is not None
    np.testing.assert_array_equal(patient.image, made.image)


def test_a_network_that_was_trained_on_a_folder_has_its_patients_there(tmp_path: Path) -> None:
    about = describe_model("unet3d", build_model("unet3d", width=2, poolings=1), SMOKE)
    save_model(tmp_path / "model.safetensors", build_model("unet3d", width=2, poolings=1), about)
    with pytest.raises(InputError, match="was trained on a folder of cases"):
        patients_of(tmp_path / "model.safetensors")
