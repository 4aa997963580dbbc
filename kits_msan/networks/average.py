"""The mean of two networks, of which one was trained on from the other: what it learned, without what it forgot.

    python -m kits_msan.networks.average OLD NEW OUT

After Wortsman et al. 2022, "Robust fine-tuning of zero-shot models". Half of each is our choice, made on validation
phantoms and on the four real patients: data/README.md.
"""

import sys
from pathlib import Path

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import checkpoint_file, digest, load_checkpoint, load_model, save_checkpoint


def average(old: str | Path, new: str | Path, out: str | Path) -> None:
    """Write a checkpoint whose weights are the mean of two, described as `new` and naming `old`.

    Their numbers have bfloat16's 8 digits, in float16: a page packs them small, and computes with what Python has.

    Raises InputError where one is no checkpoint of a trained network, or where they are of different networks.
    """
    old, new = checkpoint_file(old), checkpoint_file(new)  # of the folder of a run, its network
    first, second = load_model(old), load_model(new)
    if (first.name, first.config) != (second.name, second.config):
        raise InputError(f"{old} and {new} are different networks; name two trainings of the same one.")
    other = first.state_dict()
    tensors = {name: ((value + other[name]) / 2).bfloat16().half() for name, value in second.state_dict().items()}
    save_checkpoint(out, tensors, load_checkpoint(new)[1] | {"mean_with": digest(old)})


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("average: name three files, OLD NEW OUT.")
    try:
        average(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"average: {error}")
