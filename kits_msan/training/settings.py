"""The settings of a run: whether any training can be made with them, and what two runs differ in, in words."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

import kits_msan
from kits_msan.data.augment import parse_kind
from kits_msan.errors import InputError, check_choice, note
from kits_msan.networks.layers import Network
from kits_msan.profiles import SCHEDULES, Profile
from kits_msan.training.losses import LOSSES
from kits_msan.training.optimizers import OPTIMIZERS


def check_settings(profile: Profile, network: Network, seed: int, share: int) -> None:
    """Raise InputError where the training would stumble later, with a run folder begun and a store made.

    share: slabs of a batch that each process gets.
    """
    check_choice("schedule", profile.schedule, SCHEDULES)
    check_choice("loss", profile.loss, LOSSES)
    check_choice("optimizer", profile.optimizer, OPTIMIZERS)
    parse_kind(profile.augment)
    if seed < 0:
        raise InputError(f"the seed is {seed}; choose one of 0 or more.")
    if profile.together and share % profile.together:
        remedy = "change its batch or its together" if profile.batch % profile.together else "choose fewer devices"
        raise InputError(
            f"profile {profile.name} takes {profile.together} slabs together, but a process would get {share}; "
            f"{remedy}."
        )
    slab = (profile.slab, *profile.grid[1:])
    if any(n % step for n, step in zip(slab, network.multiple, strict=True)):
        raise InputError(
            f"slabs of profile {profile.name} have {slab} slices, rows and columns, but the network needs multiples "
            f"of {network.multiple}; change the profile's slab or grid."
        )
    if slab == network.multiple:
        raise InputError(
            f"slabs of profile {profile.name} are pooled to a single voxel, which cannot be normalized; change its "
            "slab, grid or poolings."
        )


def is_thin(profile: Profile, network: Network) -> bool:
    """Whether the network's smallest maps have fewer slices than one of its convolutions sees at once."""
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv3d))
    seen = max((1 + (one.kernel_size[0] - 1) * one.dilation[0] for one in convolutions), default=1)
    return profile.slab // network.multiple[0] < seen


def difference(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """In words: a profile that differs in its number of steps alone is not "another profile" to a user."""
    before, now = old.get(key), new.get(key)
    if key == "profile" and isinstance(before, dict) and now:
        keys = [name for name in {**now, **before} if before.get(name) != now.get(name)]
        if keys == ["steps"]:
            return (
                f"number of steps ({before.get('steps')}, not {now['steps']}), and a training cannot be made longer "
                "afterwards, since its learning rate falls by plan to its last step"
            )
        if before.get("name") == now["name"]:
            return f"{keys[0].replace('_', ' ')} in its profile ({before.get(keys[0])}, not {now.get(keys[0])})"
        return f"profile ({before.get('name')}, not {now['name']})"
    if isinstance(before, (str, int)):
        return f"{key} ({before}, not {now})"
    words = {"cases": "list of training cases", "validation": "list of validation cases"}
    return (words | {"started_from": "network to start from (--start-from)"}).get(key, key)


def say_other_numbers(path: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Say where a run goes on with another kind of device or other precision than it had: that is not refused."""
    for key in ("device", "precision"):
        if before.get(key) not in (None, now.get(key)):
            note(
                f"{path} began with {key} {before[key]} and goes on with {now.get(key)}; its weights differ a little."
            )


def versions() -> dict[str, str]:
    """Of what a result may depend on."""
    return {"kits_msan": kits_msan.__version__, "torch": torch.__version__, "python": platform.python_version()}
