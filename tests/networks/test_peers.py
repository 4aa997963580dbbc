"""MONAI's networks behind our interface: the same contract as the five, so that nothing else knows them apart."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kits_msan.data.cases import load_case
from kits_msan.inference import predict
from kits_msan.networks.checkpoints import describe_model, load_model, save_model
from kits_msan.networks.layers import PRIOR, Network
from kits_msan.networks.peers import PEERS
from kits_msan.networks.registry import build_model
from kits_msan.profiles import Profile
from kits_msan.training.loop import train


@pytest.mark.parametrize(
    ("sizes", "shape", "multiple"),
    [
        ({"width": 4, "poolings": 2}, (2, 1, 4, 16, 12), (1, 4, 4)),
        ({"width": 8, "poolings": 3}, (1, 1, 4, 16, 24), (1, 8, 8)),
        ({"width": 3, "poolings": 2}, (1, 1, 3, 8, 12), (1, 4, 4)),
        ({"width": 6, "poolings": 2}, (1, 1, 3, 8, 12), (1, 4, 4)),
        ({"width": 4, "poolings": 4}, (1, 1, 1, 32, 32), (1, 16, 16)),
        ({"width": 4, "poolings": 2, "pool": (2, 2, 2)}, (1, 1, 4, 8, 8), (4, 4, 4)),
        ({"width": 4, "poolings": 2, "pool": [1, 2, 2]}, (1, 1, 2, 8, 8), (1, 4, 4)),
    ],
)
@pytest.mark.parametrize("name", PEERS)  # of our own: test_networks.py
def test_one_contract(name: str, sizes: dict, shape: tuple[int, ...], multiple: tuple[int, ...]) -> None:
    model = build_model(name, **sizes).eval()
    assert isinstance(model, Network)
    assert model.multiple == multiple
    with torch.no_grad():
        assert model(torch.rand(shape)).shape == (shape[0], 3, *shape[2:])
    with pytest.raises(ValueError, match="must be multiples of"):
        model(torch.rand(*shape[:-1], shape[-1] + 1))


@pytest.mark.parametrize("name", PEERS)
def test_slices_are_never_pooled(name: str) -> None:
    """A slab of 4 slices keeps them at every scale, as in our networks."""
    depths = set()
    model = build_model(name, width=4, poolings=3).eval()
    for module in model.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.Upsample):
            module.register_forward_hook(lambda *hook: depths.add(hook[-1].shape[2]))
    model(torch.rand(1, 1, 4, 16, 16))
    assert depths == {4}


@pytest.mark.parametrize("name", PEERS)
def test_scales_have_our_widths(name: str) -> None:
    seen = set()
    model = build_model(name, width=8, poolings=3).eval()
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            module.register_forward_hook(lambda *hook: seen.add((hook[-1].shape[1], hook[-1].shape[3])))
    model(torch.rand(1, 1, 4, 32, 32))
    ours = {(8, 32), (16, 16), (32, 8), (64, 4)}  # channels, rows
    assert ours <= seen


@pytest.mark.parametrize("name", PEERS)
def test_training_starts_from_the_classes_prior(name: str) -> None:
    model = build_model(name, width=4, poolings=2)
    biases = [m.bias for m in model.modules() if isinstance(m, nn.Conv3d) and m.bias is not None and len(m.bias) == 3]
    assert len(biases) == 1
    torch.testing.assert_close(biases[0].detach().softmax(0), torch.tensor(PRIOR))


@pytest.mark.parametrize("name", PEERS)
def test_sizes_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"poolings 0 must both be at least 1"):
        build_model(name, width=4, poolings=0)


@pytest.mark.parametrize("name", PEERS)
def test_checkpoint_brings_the_same_network_back(name: str, tmp_path: Path, tiny: Profile) -> None:
    model = build_model(name, width=4, poolings=2).eval()
    assert len(model.state_dict()) == len(list(model.parameters()))  # no weight under two names
    save_model(tmp_path / "m.safetensors", model, describe_model(name, model, tiny))
    loaded = load_model(tmp_path / "m.safetensors", name)
    x = torch.rand(1, 1, 4, 8, 8)
    assert torch.equal(loaded(x), model(x))
    assert loaded.profile == tiny


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_trained_resumed_and_used_like_ours(name: str, data: Path, tmp_path: Path, tiny: Profile) -> None:
    torch.manual_seed(0)
    fresh = build_model(name, width=tiny.width, poolings=tiny.poolings).state_dict()
    model = train(name, data, replace(tiny, steps=3), tmp_path / name, progress=False)
    trained = model.state_dict()
    assert all(not torch.equal(fresh[key], trained[key]) for key in fresh)  # every weight takes part
    case = load_case(data / "case_00003")
    assert predict(model, case).shape == case.shape
    assert predict([model, build_model("unet3d", width=4, poolings=2)], case, tiny).shape == case.shape
