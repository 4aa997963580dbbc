"""Which device and which number format a network runs in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from kits_msan.errors import InputError, check_choice

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "32", "bf16")


@dataclass(frozen=True)
class Machine:
    """On what networks are trained.

    device: see `pick_device`; precision: see `pick_precision`.
    devices: how many of them work at once: on shares of each batch of one network, or each on a network of its own.
    """

    device: str = "auto"
    precision: str = "auto"
    devices: int = 1


THIS_MACHINE = Machine()


def pick_device(name: str | torch.device = "auto", numbered: bool = False) -> torch.device:
    """`auto` is the GPU where there is one, else the processor.

    numbered: whether one of several may be named, such as "cuda:1"; a training takes those that are visible.
    Raises InputError for what is not there.
    """
    name = str(name)
    kind, colon, number = name.partition(":")
    if not numbered or kind == "auto":
        kind = name
    check_choice("device", kind, DEVICES)
    there = {"cpu": 1, "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
             "mps": int(torch.backends.mps.is_available())}  # fmt: skip
    if kind == "auto":
        name = kind = "cuda" if there["cuda"] else "cpu"
    if not there[kind] or (colon and not (number.isdecimal() and int(number) < there[kind])):
        raise InputError(f"device {name!r} is not available on this machine; use cpu or auto.")
    return torch.device(name)


def pick_precision(name: str, device: torch.device, thin: bool = False) -> str:
    """`auto` is bfloat16 where the device computes in it at full speed, and rightly, else 32-bit floats.

    thin: whether maps of the network have fewer slices than a convolution sees at once. There PyTorch 2.13 on a
    processor reads memory in bfloat16 that nobody wrote. Raises InputError for an unknown name, and for such maps.
    """
    check_choice("precision", name, PRECISIONS)
    if thin and device.type == "cpu":
        if name == "bf16":
            raise InputError(
                "a processor computes wrongly in bf16 where maps have fewer slices than a convolution sees at once; "
                "choose precision 32, or thicker slabs."
            )
        return "32"
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    if device.type == "cpu":
        ask: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # older ones do not say
        return "bf16" if ask().get("avx512_bf16") else "32"
    return "32"
