"""Scores during training, on training cases that are held out for it; test cases are never seen here."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from kits_msan.data.store import StoredCase
from kits_msan.errors import InputError
from kits_msan.inference import slab_probabilities
from kits_msan.metrics import SCORES, dice_scores
from kits_msan.networks.layers import Network
from kits_msan.profiles import Profile

PARTS = 10  # scores are taken after each tenth of the steps; our choice


def hold_out(names: Sequence[str], count: int) -> tuple[list[str], list[str]]:
    """Split training cases in those to train on and the last `count`, to validate on.

    Raises InputError if none is left to train on.
    """
    if not 0 <= count < len(names):
        raise InputError(
            f"{count} of {len(names)} training cases are to be held out; leave at least one to train on."
        )
    kept = len(names) - count
    return list(names[:kept]), list(names[kept:])


def is_scored(step: int, steps: int) -> bool:
    """Whether scores are taken after the `step`th of `steps`: after each tenth of them, the last included."""
    return step * PARTS // steps > (step - 1) * PARTS // steps


def validation_scores(
    fabric: Any, network: Network, cases: Sequence[StoredCase], profile: Profile
) -> dict[str, float]:
    """Mean Dice of stored cases, {"kidney", "tumor", "composite"}, at the profile's spacing and before clean-up.

    Each process takes its share of the cases; all return the same means. A class that no case has is 0.
    """
    training = network.training
    sums = np.zeros((len(SCORES), 2))  # of scores, and how many there are
    for case in cases[fabric.global_rank :: fabric.world_size]:
        parts = slab_probabilities([network], case.image, profile.slab, fabric.device.type)  # each (1, 3, d, H, W)
        labels = torch.cat([part[0].argmax(0) for part in parts]).numpy()  # (D, H, W)
        scores = dice_scores(labels, case.label)
        sums += [[np.nan_to_num(scores[name]), not np.isnan(scores[name])] for name in SCORES]
    network.train(training)
    total = fabric.all_reduce(torch.tensor(sums, dtype=torch.float32, device=fabric.device), reduce_op="sum")
    return {name: float(value / max(count, 1)) for name, (value, count) in zip(SCORES, total.tolist(), strict=True)}
