"""A large slab passes the networks alone, and as fast as in a pair."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import kits_msan.inference as inference
from kits_msan.data.cases import Case
from kits_msan.inference import PIXELS, _FastAlone, slab_probabilities
from kits_msan.networks.registry import build_model

ONE_DNN = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="PyTorch was built without oneDNN")


@ONE_DNN
def test_oneDNN_takes_a_single_slab_too() -> None:  # noqa: N802
    torch.manual_seed(0)
    conv = nn.Conv3d(4, 4, 3, padding=1)
    x = torch.rand(1, 4, 4, 16, 16)
    with _FastAlone():
        alone = conv(x)
    assert type(alone.grad_fn).__name__ == "MkldnnConvolutionBackward0"  # PyTorch's own has another name
    pair = conv(torch.cat([x, x]))
    torch.testing.assert_close(alone, pair[:1])


@pytest.mark.parametrize("x", [torch.rand(1, 1, 4, 8, 8, dtype=torch.float64), torch.rand(2, 1, 4, 8, 8)])
def test_other_convolutions_are_left_as_they_are(x: Tensor) -> None:
    weight = torch.rand(2, 1, 3, 3, 3, dtype=x.dtype)
    with _FastAlone():
        found = functional.conv3d(x, weight, padding=1)
    assert torch.equal(found, functional.conv3d(x, weight, padding=1))


@ONE_DNN
@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: functional.conv3d(x, w, None, 1, 1, 1, 1),
        lambda x, w: functional.conv3d(x, w, None, (1,), 1, (1, 1, 1), 1),
        lambda x, w: functional.conv3d(input=x, weight=w, padding=1),
        lambda x, w: functional.conv3d(x, w, padding="same"),
        lambda x, w: functional.conv3d(x[0], w, None, (1, 1, 1), (1, 1, 1), (1, 1, 1), 1)[None],
    ],
)
def test_a_layer_may_call_it_in_any_way(call: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, weight = torch.rand(1, 1, 4, 16, 16), torch.rand(2, 1, 3, 3, 3)
    with _FastAlone():
        found = call(x, weight)
    torch.testing.assert_close(found, call(x, weight))


@ONE_DNN
def test_autocast_holds_for_a_single_slab_as_for_two() -> None:
    conv = nn.Conv3d(1, 2, 3)
    with _FastAlone(), torch.autocast("cpu", torch.bfloat16):
        assert conv(torch.rand(1, 1, 4, 16, 16)).dtype == torch.bfloat16


@pytest.mark.parametrize(("pixels", "together"), [(1, {1}), (2 * 8 * 32 * 32, {2, 1}), (PIXELS, {5})])
def test_slabs_pass_together_as_far_as_memory_allows(
    make_case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch, pixels: int, together: set[int]
) -> None:
    model = build_model("unet3d", width=2, poolings=1)
    image = make_case(shape=(24, 32, 32)).image
    assert image is not None
    wanted = torch.cat(list(slab_probabilities([model], image, slab=4)), 2)
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    monkeypatch.setattr(inference, "PIXELS", pixels)
    found = torch.cat(list(slab_probabilities([model], image, slab=4)), 2)
    assert set(sizes) == together
    torch.testing.assert_close(found, wanted)
