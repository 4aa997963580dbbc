"""Which device and which number format a network runs in."""

import torch

from kits_msan.errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "32", "bf16")


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one, else the processor. Raises InputError for what is not there."""
    if name not in DEVICES:
        raise InputError(f"unknown device {name!r}; choose one of {', '.join(DEVICES)}.")
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if has["cuda"] else "cpu"
    if not has[name]:
        raise InputError(f"device {name!r} is not available on this machine; use cpu or auto.")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> str:
    """`auto` is bfloat16 where the device computes in it at full speed, else 32-bit floats.

    Raises InputError for an unknown name.
    """
    if name not in PRECISIONS:
        raise InputError(f"unknown precision {name!r}; choose one of {', '.join(PRECISIONS)}.")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "32"
    if device.type == "cpu":
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "32"
    return "32"
