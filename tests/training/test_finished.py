"""A folder that holds a finished training, or something else: loaded, refused, or overwritten on demand."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import kits_msan.training.loop
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import MODEL, load_model
from kits_msan.profiles import Profile
from kits_msan.training.loop import train
from kits_msan.training.runs import CONFIG


@pytest.fixture(scope="module")
def finished(store: Path, tiny: Profile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training."""
    folder = tmp_path_factory.mktemp("finished")
    train("unet3d", store, tiny, folder / "run", progress=False)
    return folder / "run"


def test_a_finished_run_is_loaded_not_repeated(
    data: Path, finished: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setattr(kits_msan.training.loop, "SlabSampler", lambda *_: pytest.fail("it trains again"))
    again = train("unet3d", data, tiny, run, progress=False).state_dict()
    before = load_model(finished / MODEL).state_dict()
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], before[name]) for name in before)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "msan_v1"}, "model"),
        ({"seed": 1}, "seed"),
        ({"steps": 7}, "number of steps"),
        ({"width": 2}, "config"),
    ],
)
def test_run_with_other_settings_is_refused_or_overwritten(
    store: Path, finished: Path, tmp_path: Path, tiny: Profile, change: dict, word: str
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    name, seed = change.get("name", "unet3d"), change.get("seed", 0)
    profile = replace(tiny, **{key: value for key, value in change.items() if key in ("steps", "width")})
    with pytest.raises(InputError, match=f"holds a run with another {word}.*--overwrite"):
        train(name, store, profile, run, seed=seed, progress=False)
    assert {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    train(name, store, profile, run, seed=seed, overwrite=True, progress=False)
    assert (run / MODEL).read_bytes() != before[MODEL]
    assert json.loads((run / CONFIG).read_text(encoding="utf-8"))["seed"] == seed


def test_folder_with_something_else_in_it_is_refused(data: Path, tmp_path: Path, tiny: Profile) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already holds results"):
        train("unet3d", data, tiny, tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
