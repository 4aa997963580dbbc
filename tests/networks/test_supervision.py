"""Deep supervision, and which weights it trains."""

from typing import Any

import pytest
import torch
from torch import Tensor

from kits_msan.networks.layers import interpolate
from kits_msan.networks.msan import MSAN
from kits_msan.networks.registry import MODELS, build_model

SMALL: dict[str, Any] = {"width": 4, "poolings": 2}
MSANS = [name for name in MODELS if name != "unet3d"]


@pytest.mark.parametrize("poolings", [1, 2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_deep_supervision_gives_a_list_in_training_only(name: str, poolings: int) -> None:
    torch.manual_seed(0)
    model = build_model(name, width=4, poolings=poolings)
    x = torch.rand(2, 1, 2, 16, 8)
    trained, evaluated = model.train()(x), model.eval()(x)
    assert isinstance(evaluated, Tensor)
    if not name.endswith("_ds"):
        assert isinstance(trained, Tensor)
        trained = [trained]
    assert len(trained) == (1 + min(poolings, 2) if name.endswith("_ds") else 1)
    assert all(logits.shape == (2, 3, 2, 16, 8) for logits in trained)
    torch.testing.assert_close(trained[0], evaluated)  # instance normalization: training and use compute the same


def test_supervised_are_the_last_two_poolings() -> None:
    model = build_model("msan_v1_ds", width=4, poolings=3)
    assert isinstance(model, MSAN)
    seen: list[Tensor] = []
    for head in model.aux_heads:
        head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.train()(torch.rand(1, 1, 2, 32, 32))
    assert [tuple(x.shape) for x in seen] == [(1, 8, 2, 8, 8), (1, 16, 2, 4, 4)]  # after the second and third pooling


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_in_use_gets_a_gradient(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(name, **SMALL).train()
    out = model(torch.rand(2, 1, 4, 16, 16))
    (sum(logits.square().mean() for logits in out) if isinstance(out, list) else out.square().mean()).backward()
    for parameter_name, parameter in model.named_parameters():
        unused = "aux_heads" in parameter_name and not name.endswith("_ds")
        assert (parameter.grad is None) == unused == (not parameter.requires_grad), parameter_name
        if parameter.grad is not None:
            assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("pair", [("msan_v1", "msan_v1_ds"), ("msan_v2", "msan_v2_ds")])
def test_weights_load_with_and_without_deep_supervision(pair: tuple[str, str]) -> None:
    first, second = (build_model(name, **SMALL).eval() for name in pair)
    x = torch.rand(1, 1, 4, 8, 8)
    assert not torch.equal(first(x), second(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))
    first.load_state_dict(second.state_dict())


def test_supervised_outputs_are_spread_linearly() -> None:
    model = build_model("msan_v1_ds", **SMALL).train()
    assert isinstance(model, MSAN)
    small: list[Tensor] = []
    for head in model.aux_heads:
        head.register_forward_hook(lambda _head, _inputs, output: small.append(output))
    _, *spread = model(torch.rand(1, 1, 2, 16, 16))
    for before, after in zip(small, spread, strict=True):
        torch.testing.assert_close(after, interpolate(before, (2, 16, 16)))
        assert not torch.equal(after[..., 0::2], after[..., 1::2])  # as copies of the nearest would be
