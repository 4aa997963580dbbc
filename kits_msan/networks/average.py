"""What ships of a training: its network, or the mean of it and those before it, in half the bytes.

    python -m kits_msan.networks.average [OLD ...] NEW OUT

A mean has what the last training learned, without what it forgot; after Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models". Equal shares are our choice, made on validation phantoms and on the four real patients:
data/README.md.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import checkpoint_file, digest, load_about, load_model, save_checkpoint


def average(networks: Sequence[str | Path], out: str | Path) -> None:
    """Write a checkpoint whose weights are the mean, described as the last and naming the others; of one, itself.

    Their numbers have bfloat16's 8 digits, in float16: a page packs them small, and computes with what Python has.

    Raises InputError where one is no checkpoint of a trained network, or where they are of different networks.
    """
    files = [checkpoint_file(file) for file in networks]  # of the folder of a run, its network
    loaded = [load_model(file) for file in files]
    for file, network in zip(files, loaded, strict=True):
        if (network.name, network.config) != (loaded[-1].name, loaded[-1].config):
            raise InputError(f"{file} and {files[-1]} are different networks; name trainings of the same one.")
    states = [network.state_dict() for network in loaded]
    tensors = {name: (sum(state[name] for state in states) / len(states)).bfloat16().half() for name in states[-1]}
    about = load_about(files[-1])
    if len(files) > 1:
        about["mean_with"] = ", ".join(map(digest, files[:-1]))
    save_checkpoint(out, tensors, about)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("average: name the files, [OLD ...] NEW OUT.")
    try:
        average(sys.argv[1:-1], sys.argv[-1])
    except InputError as error:
        sys.exit(f"average: {error}")
