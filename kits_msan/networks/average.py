"""The mean of two networks, of which one was trained on from the other: what it learned, without what it forgot.

    python -m kits_msan.networks.average OLD NEW OUT

After Wortsman et al. 2022, "Robust fine-tuning of zero-shot models". Half of each is our choice, made on validation
phantoms and on the four real patients: data/README.md.
"""

import sys
from pathlib import Path

import torch

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import load_checkpoint, load_model, save_checkpoint, start_from
from kits_msan.networks.registry import build_model


def average(old: str | Path, new: str | Path, out: str | Path) -> None:
    """Write a checkpoint whose weights are the mean of two, in float16, with the description of `new`.

    old: of the same network as `new`, or narrower: then it is widened as it was when `new` began with it.
    Raises InputError where one is no checkpoint of a trained network, or where they are of different networks.
    """
    second, about = load_model(new), load_checkpoint(new)[1]
    torch.manual_seed(about.get("seed", 0))
    first = build_model(second.name, **second.config)
    taken = start_from(first, old)
    if taken["model"] != second.name or taken["weights"] < taken["of"]:
        raise InputError(f"{old} and {new} are different networks; name two trainings of the same one.")
    other = first.state_dict()
    tensors = {name: ((value + other[name]) / 2).half() for name, value in second.state_dict().items()}
    save_checkpoint(out, tensors, about | {"mean_with": taken["sha256"]})


if __name__ == "__main__":
    try:
        average(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"average: {error}")
