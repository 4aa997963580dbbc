"""Which device, and which precision there."""

import pytest
import torch

from kits_msan.devices import pick_device, pick_precision
from kits_msan.errors import InputError


@pytest.mark.parametrize(
    ("name", "cuda", "wanted"),
    [("auto", False, "cpu"), ("auto", True, "cuda"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_device(monkeypatch: pytest.MonkeyPatch, name: str, cuda: bool, wanted: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    assert pick_device(name).type == wanted


@pytest.mark.parametrize("name", ["cuda", "mps", "gpu", ""])
def test_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"not available on this machine|unknown device"):
        pick_device(name)


@pytest.mark.parametrize(("fast", "wanted"), [(True, "bf16"), (False, "32")])
def test_precision(monkeypatch: pytest.MonkeyPatch, fast: bool, wanted: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast})
    assert pick_precision("auto", torch.device("cpu")) == wanted
    assert pick_precision("32", torch.device("cpu")) == "32"
    assert pick_precision("bf16", torch.device("cpu")) == "bf16"
    assert pick_precision("auto", torch.device("mps")) == "32"
    assert pick_precision("auto", torch.device("cpu"), slices=2) == "32"
    with pytest.raises(
        InputError, match="a processor computes maps of 2 slices wrongly in bf16; choose precision 32"
    ):
        pick_precision("bf16", torch.device("cpu"), slices=2)
