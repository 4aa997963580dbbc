"""A wider network that begins as a narrower one."""

from pathlib import Path

import pytest
import torch
from torch import nn

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import describe_model, save_model, start_from
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.networks.widen import widen
from kits_msan.profiles import SMOKE


def moved(name: str, width: int, **sizes: int) -> Network:
    """A network none of whose weights is 0 or 1, as after a training."""
    model = build_model(name, width=width, poolings=2, **sizes).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    return model


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("wide", [6, 8, 12])
def test_a_wider_network_gives_the_same_output(name: str, wide: int) -> None:
    torch.manual_seed(0)
    scale = {} if name == "unet3d" else {"scale": 2}
    old, new = moved(name, 4, **scale), build_model(name, width=wide, poolings=2, **scale).eval()
    new.load_state_dict(widen(old.state_dict(), new))
    x = torch.rand(2, 1, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(new(x), old(x), rtol=1e-4, atol=1e-4)


def test_what_is_new_can_learn_at_once() -> None:
    """Fresh channels are no copies of old ones, and what listens to them has a gradient though it is zero."""
    torch.manual_seed(0)
    old, new = moved("unet3d", 2), build_model("unet3d", width=4, poolings=2)
    new.load_state_dict(widen(old.state_dict(), new))
    new(torch.rand(1, 1, 2, 8, 8)).square().mean().backward()
    first = new.encoder[0].second[0]  # type: ignore[index, union-attr]
    assert isinstance(first, nn.Conv3d)
    assert first.weight.grad is not None
    assert not first.weight[:2, 2:].any()
    assert first.weight.grad[:2, 2:].abs().min() > 0
    assert first.weight[2:].abs().min() > 0


def test_a_training_begins_with_a_narrower_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    old, new = moved("msan_v2", 4), build_model("msan_v2", width=8, poolings=2).eval()
    save_model(tmp_path / "old.safetensors", old, describe_model("msan_v2", old, SMOKE))
    taken = start_from(new, tmp_path / "old.safetensors")
    assert taken["weights"] == taken["of"]
    x = torch.rand(1, 1, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(new(x), old(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tensor", ["head.weight", "head.bias", "up.0.weight", "encoder.0.first.1.weight"])
def test_damaged_sizes_are_refused(tmp_path: Path, tensor: str) -> None:
    old, new = moved("unet3d", 4), build_model("unet3d", width=8, poolings=2)
    file = tmp_path / "old.safetensors"
    save_model(file, old, describe_model("unet3d", old, SMOKE))
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(file, "pt") as opened:
        tensors, metadata = {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118
    tensors[tensor] = torch.zeros(99, 99)
    save_file(tensors, file, metadata)
    before = {name: value.clone() for name, value in new.state_dict().items()}
    with pytest.raises(InputError, match=r"old\.safetensors"):
        start_from(new, file)
    assert all(torch.equal(value, before[name]) for name, value in new.state_dict().items())
