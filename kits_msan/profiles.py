"""The profiles: every number that differs between a laptop, a GPU and the paper, in one place."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from kits_msan.errors import InputError, check_choice


@dataclass(frozen=True)
class Profile:
    """One setting of the whole course, from the data to the last training step."""

    name: str
    # data
    train_cases: int  # phantoms for training, at a time if made anew; the paper's profile takes the split's
    test_cases: int
    spacing: tuple[float, float, float] | None  # millimetres (slice, row, column); None is the scan's own
    grid: tuple[int, int, int]  # (D, H, W) of a phantom; H and W are also the training slab's
    # network
    width: int  # channels at the finest scale
    poolings: int
    # training
    slab: int  # whole slices in a slab
    batch: int
    steps: int  # a network
    learning_rate: float
    schedule: str  # "steps": divided by 10 every quarter, as the paper does; "one-cycle": ours, for short runs
    loss: str  # "dice": the paper's; "dice-ce": with weighted cross-entropy, ours, for short runs
    smooth: float = 1.0  # voxels, added above and below in each Dice: with 0, an absent class would have none
    together: int = 0  # slabs of a batch whose Dice is one; 0: all, as in the paper's batch of two
    optimizer: str = "adamw"  # the paper's Adam where the decay is zero; or "muon", ours, for short runs
    weight_decay: float = 0.0
    augment: str = ""  # names or groups of `augment.py`, joined by commas; the paper names none
    tumor_share: float = 0.0  # slabs drawn around a slice with tumor, and around one with kidney;
    kidney_share: float = 0.0  # the rest are drawn anywhere, as all are in the paper's profile
    sure: float = 0.0  # score, 0 to 1, that a tumor must have somewhere to be called one; see `cleanup.keep_sure`
    fresh: int = 0  # steps after which a new phantom takes the place of the oldest of train_cases; 0: a fixed set


SMOKE = Profile(
    "smoke", train_cases=2, test_cases=1, spacing=(10.0, 8.0, 8.0), grid=(16, 48, 48), width=4, poolings=2,
    slab=4, batch=2, steps=5, learning_rate=5e-3, schedule="one-cycle", loss="dice-ce",
    optimizer="muon", weight_decay=1e-2, augment="all", tumor_share=0.4, kidney_share=0.3,
)  # fmt: skip
LAPTOP = Profile(
    "laptop", train_cases=160, test_cases=24, spacing=(5.0, 4.0, 4.0), grid=(56, 96, 96), width=8, poolings=3,
    slab=4, batch=2, steps=1200, learning_rate=4e-3, schedule="one-cycle", loss="dice-ce",
    optimizer="muon", weight_decay=1e-2, augment="intensity", tumor_share=0.4, kidney_share=0.3,
)  # fmt: skip
SHIPPED = Profile(  # data/checkpoints: finer than the laptop's, slabs twice as long, and always new patients
    "shipped", train_cases=24, test_cases=72, spacing=(5.0, 2.5, 2.5), grid=(56, 160, 160), width=8, poolings=4,
    slab=8, batch=2, steps=4000, learning_rate=2.5e-3, schedule="one-cycle", loss="dice-ce",
    optimizer="muon", weight_decay=1e-2, augment="rotation,scale,shift,contrast,gamma,noise,blur",
    tumor_share=0.3, kidney_share=0.35, fresh=5, sure=0.99,
)  # fmt: skip
# The same for a GPU, which has the same time for eight times the slabs: their losses are still those of pairs
SHIPPED_GPU = replace(SHIPPED, name="shipped-gpu", batch=16, together=2, fresh=1)
GPU = Profile(
    "gpu", train_cases=160, test_cases=24, spacing=(2.5, 1.6, 1.6), grid=(96, 256, 256), width=32, poolings=4,
    slab=4, batch=8, steps=4000, learning_rate=2e-3, schedule="one-cycle", loss="dice-ce",
    weight_decay=1e-2, augment="all", tumor_share=0.4, kidney_share=0.3,
)  # fmt: skip
PAPER = Profile(  # sections 2.1 and 3.1; nothing here is free to move but `smooth`, which is nnU-Net's
    "paper", train_cases=180, test_cases=10, spacing=None, grid=(96, 512, 512), width=32, poolings=4,
    slab=4, batch=2, steps=400_000, learning_rate=1e-3, schedule="steps", loss="dice",
    smooth=1e-5,  # with 1, slabs drawn anywhere and no cross-entropy, the tumor class dies out: docs/kits19.md
)  # fmt: skip

LEAST = dict.fromkeys(("width", "poolings", "slab", "batch", "steps"), 1.0) | {"smooth": 1e-9}  # of others: 0
LARGEST = dict.fromkeys(("tumor_share", "kidney_share", "sure"), 1.0) | {"slab": 1000}  # of others: MOST
SCHEDULES = ("steps", "one-cycle")
MOST = 1e9

PROFILES = {profile.name: profile for profile in (SMOKE, LAPTOP, SHIPPED, SHIPPED_GPU, GPU, PAPER)}


def get_profile(profile: str | Profile) -> Profile:
    """The profile of that name; a Profile is returned as it is. Raises InputError for an unknown name."""
    if isinstance(profile, Profile):
        return profile
    check_choice("profile", profile, PROFILES)
    return PROFILES[profile]


def checked_profile(profile: str | Profile) -> Profile:
    """The profile of that name, or the given one, as it comes back from a checkpoint.

    Raises InputError, naming the field, for a value with which no checkpoint could be loaded.
    """
    return profile_from(json.loads(json.dumps(asdict(get_profile(profile)), default=repr)))


def with_new_settings(about: Mapping[str, Any]) -> dict[str, Any]:
    """A description with a `profile` in it, with the settings added that are newer than it, at their defaults.

    What was begun before a setting was made is compared in this way with what is begun today.
    """
    newer = {field.name: field.default for field in fields(Profile) if field.default is not MISSING}
    profile = about.get("profile")
    return {**about, "profile": newer | profile} if isinstance(profile, dict) else dict(about)


def profile_from(values: Any) -> Profile:
    """The profile of `dataclasses.asdict` after a journey through JSON, which turns tuples into lists.

    Raises InputError, a ValueError, for values that none was trained with, and TypeError for missing fields.
    """
    if not isinstance(values, dict):
        raise TypeError("a profile is an object")
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    profile = Profile(**given)
    for field in fields(Profile):
        value = getattr(profile, field.name)
        if field.type is str:
            good, wanted = isinstance(value, str), "a text"
        elif field.name == "grid":
            good, wanted = _are_three(value, (int,), 1, MOST), "three whole numbers above 0"
        elif field.name == "spacing":
            good = value is None or _are_three(value, (int, float), 0.1, 100)
            wanted = "three numbers, 0.1 to 100 mm, or None"
        else:
            least, most = LEAST.get(field.name, 0), LARGEST.get(field.name, MOST)
            good = type(value) in (int, field.type) and least <= value <= most
            wanted = f"a {'whole number' if field.type is int else 'number'}, {least:g} to {most:g}"
        if not good:
            raise InputError(f"a profile's {field.name} cannot be {value!r}; it is {wanted}.")
    return profile


def _are_three(value: Any, kinds: tuple[type, ...], least: float, most: float) -> bool:
    return (
        isinstance(value, tuple) and len(value) == 3 and all(type(n) in kinds and least <= n <= most for n in value)
    )
