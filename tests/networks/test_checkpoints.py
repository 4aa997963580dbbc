import json
import pickle
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import (
    FORMAT,
    describe_model,
    load_checkpoint,
    load_model,
    save_checkpoint,
    save_model,
)
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import PAPER, SMOKE, Profile


def write(path: Path, name: str = "msan_v2_ds", profile: Profile = SMOKE) -> torch.nn.Module:
    model = build_model(name, width=4, poolings=2).eval()
    save_model(path, model, {**describe_model(name, model, profile), "seed": 3})
    return model


@pytest.mark.parametrize("profile", [SMOKE, PAPER])
@pytest.mark.parametrize("name", MODELS)
def test_round_trip(tmp_path: Path, name: str, profile: Profile) -> None:
    path = tmp_path / "new" / "model.safetensors"
    model = write(path, name, profile)
    before = torch.get_rng_state()
    loaded = load_model(path, name)
    assert torch.equal(torch.get_rng_state(), before)  # the draws of who loads one more network stay the same
    x = torch.rand(1, 1, 4, 8, 8)
    assert torch.equal(loaded(x), model(x))
    assert loaded.profile == profile
    assert not loaded.training
    assert load_checkpoint(path)[1]["seed"] == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_network_of_other_choices_is_built_again(tmp_path: Path) -> None:
    model = build_model("msan_v2", width=4, poolings=1, pool=(2, 2, 2), reading="all", scale=2).eval()
    save_model(tmp_path / "m.safetensors", model, describe_model("msan_v2", model, SMOKE))
    x = torch.rand(1, 1, 2, 4, 4)
    assert torch.equal(load_model(tmp_path / "m.safetensors")(x), model(x))


def test_tensors_of_any_layout_and_type_come_back(tmp_path: Path) -> None:
    tensors = {
        "last": torch.rand(2, 3, 4, 4, 4).to(memory_format=torch.channels_last_3d),
        "view": torch.arange(12.0).reshape(3, 4).T,
        "step": torch.tensor(7),
        "grad": torch.rand(3, requires_grad=True),
    }
    save_checkpoint(tmp_path / "a.safetensors", tensors, {"step": 1, "text": "µ"})
    loaded, about = load_checkpoint(tmp_path / "a.safetensors")
    assert about == {"step": 1, "text": "µ"}
    assert all(torch.equal(loaded[key], tensor) for key, tensor in tensors.items())
    assert loaded.keys() == tensors.keys()


def test_a_device_is_named_as_everywhere_else(tmp_path: Path) -> None:
    write(tmp_path / "m.safetensors")
    assert load_model(tmp_path / "m.safetensors", device="auto").name == "msan_v2_ds"
    with pytest.raises(InputError, match="unknown device 'gpu'; choose one of auto, cpu"):
        load_model(tmp_path / "m.safetensors", device="gpu")


def test_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "m.safetensors", "msan_v1")
    with pytest.raises(InputError, match=r"m.safetensors is a checkpoint of msan_v1, not of unet3d\."):
        load_model(tmp_path / "m.safetensors", "unet3d")


def truncate(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:-100])


def truncate_header(path: Path) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[:50])


def claim_a_huge_header(path: Path) -> None:
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")


def foreign(path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"weight": [1, 2]}))


def training_state(path: Path) -> None:
    save_checkpoint(path, {"model.x": torch.zeros(1)}, {"step": 3, "seconds": 1})


def about_changed(change: dict) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        write(path)
        tensors, about = load_checkpoint(path)
        save_checkpoint(path, tensors, about | change)

    return make


def training_state_without_profile(path: Path) -> None:
    save_checkpoint(path, {"optimizer.0.step": torch.zeros(1)}, {"step": 3, "profile": None})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist; name a checkpoint"),
        (Path.mkdir, "is a folder and holds no checkpoint; name a checkpoint"),
        (Path.touch, "not a readable checkpoint"),
        (truncate, "not a readable checkpoint"),
        (truncate_header, "not a readable checkpoint"),
        (claim_a_huge_header, "not a readable checkpoint"),
        (pickled, "not a readable checkpoint"),
        (foreign, "was not written by kits_msan"),
        (training_state, "does not fit the networks of this version"),
        (about_changed({"config": {"width": 8, "poolings": 2}}), "does not fit the networks of this version"),
        (about_changed({"config": {"breadth": 4}}), "does not fit the networks of this version"),
        (about_changed({"model": "unet3d"}), "does not fit the networks of this version"),
        (about_changed({"model": "resnet"}), "is a checkpoint of resnet, a network that is not known here; if it is"),
        (about_changed({"profile": {"name": "old"}}), "does not fit the networks of this version"),
        (about_changed({"profile": "old"}), "does not fit the networks of this version"),
        (training_state_without_profile, "is what a stopped training goes on from, after 3 of all steps"),
    ],
)
def test_bad_checkpoint_is_named_in_one_sentence(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "m.safetensors"
    make(path)
    with pytest.raises(InputError, match=message) as error:
        load_model(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [*({"profile": {**asdict(SMOKE), **one}} for one in (
        {"grid": ["a", 4, 4]}, {"slab": True}, {"slab": 1001}, {"steps": 0}, {"smooth": 0}, {"learning_rate": "fast"},
        {"learning_rate": float("nan")}, {"loss": 5}, {"spacing": [-1, 1, 1]}, {"spacing": [1, 1]},
     )), {"config": {"width": 2**40, "poolings": 2}}, {"config": {"width": 4, "poolings": 50}}],
)  # fmt: skip
def test_description_that_cannot_be_true_is_refused(tmp_path: Path, change: dict) -> None:
    """Fifty poolings asked for more memory than any machine has, before the tensors were compared."""
    about_changed(change)(tmp_path / "m.safetensors")
    with pytest.raises(InputError, match=r"m\.safetensors does not fit the networks of this version; train it again"):
        load_model(tmp_path / "m.safetensors")


def test_no_memory_is_set_aside_for_weights_that_the_file_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about_changed({"config": {"width": 64, "poolings": 2}})(tmp_path / "m.safetensors")
    built: list[str] = []

    def noted(name: str, **sizes: object) -> torch.nn.Module:
        model = build_model(name, **sizes)
        built.extend(str(tensor.device) for tensor in model.parameters())
        return model

    monkeypatch.setattr("kits_msan.networks.checkpoints.build_model", noted)
    with pytest.raises(InputError, match="does not fit the networks of this version"):
        load_model(tmp_path / "m.safetensors")
    assert set(built) == {"meta"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    """With them every voxel would be background, and nobody told."""
    model = build_model("unet3d", width=4, poolings=2)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = value
    about = describe_model("unet3d", model, SMOKE)
    with pytest.raises(FloatingPointError, match="weights have become NaN or infinite"):
        save_model(tmp_path / "m.safetensors", model, about)
    assert not any(tmp_path.iterdir())
    save_file(model.state_dict(), tmp_path / "m.safetensors", {"format": FORMAT, "about": json.dumps(about)})
    with pytest.raises(InputError, match=r"m\.safetensors holds weights that are NaN or infinite.*train it again"):
        load_model(tmp_path / "m.safetensors")


def test_a_file_that_may_not_be_read_is_no_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.safetensors")

    def denied(path: Path, *_: object) -> None:  # root may read all, so it is told
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match=r"m\.safetensors may not be read; change its permissions"):
        load_model(tmp_path / "m.safetensors")
