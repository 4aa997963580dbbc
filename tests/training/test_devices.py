"""Which device, and which precision there."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn

from kits_msan.devices import pick_device, pick_precision
from kits_msan.errors import InputError
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE
from kits_msan.training.settings import is_thin


@pytest.mark.parametrize(
    ("name", "cuda", "wanted"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_device(monkeypatch: pytest.MonkeyPatch, name: str, cuda: bool, wanted: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    assert pick_device(name).type == wanted


@pytest.mark.parametrize("name", ["cuda", "mps", "gpu", ""])
def test_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"not available on this machine|unknown device"):
        pick_device(name)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [*zip(("cuda:1", "cpu:0", "auto"), ("cuda:1", "cpu:0", "cuda"), strict=True),
     *((name, None) for name in ("cuda:2", "cuda:", "cuda:-1", "auto:0", "cpu:1", "gpu:0"))],
)  # fmt: skip
def test_one_of_two_gpus(monkeypatch: pytest.MonkeyPatch, name: str, wanted: str | None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        nullcontext() if wanted else pytest.raises(InputError, match=r"not available on this machine|unknown device")
    ):
        assert str(pick_device(name, numbered=True)) == wanted
    if ":" in name:  # a training takes all that it sees
        with pytest.raises(InputError, match="unknown device"):
            pick_device(name)


@pytest.mark.parametrize(("fast", "wanted"), [(True, "bf16"), (False, "32")])
def test_precision(monkeypatch: pytest.MonkeyPatch, fast: bool, wanted: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast})
    assert pick_precision("auto", torch.device("cpu")) == wanted
    assert pick_precision("32", torch.device("cpu")) == "32"
    assert pick_precision("bf16", torch.device("cpu")) == "bf16"
    assert pick_precision("auto", torch.device("mps")) == "32"
    assert pick_precision("auto", torch.device("cpu"), thin=True) == "32"
    with pytest.raises(InputError, match="computes wrongly in bf16 where maps have fewer slices than a convolution"):
        pick_precision("bf16", torch.device("cpu"), thin=True)


@pytest.mark.parametrize(
    ("slab", "pool", "kernel", "thin"),
    [(3, 1, 3, False), (2, 1, 3, True), (8, 2, 3, True), (16, 2, 3, False), (4, 1, 5, True)],
)
def test_maps_that_are_thinner_than_a_kernel_are_found(slab: int, pool: int, kernel: int, thin: bool) -> None:
    network = build_model("unet3d", width=2, poolings=2, pool=(pool, 2, 2))
    network.add_module("own", nn.Conv3d(1, 2, kernel, padding=kernel // 2))
    assert is_thin(replace(SMOKE, slab=slab), network) == thin
