"""Networks for a page: the weights that inference needs, as 16-bit floats, packed small."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from kits_msan.networks.checkpoints import load_checkpoint
from kits_msan.viewer.letters import letters

TRAINING_ONLY = ("aux_heads.",)  # deep supervision's heads


def packed_weights(checkpoint: Path) -> tuple[str, dict[str, Any]]:
    """The network of a checkpoint as the page reads it, `letters` of gzip of `planes`, and its description.

    Raises InputError for what is no checkpoint.
    """
    tensors, about = load_checkpoint(checkpoint)
    halves = {
        name: tensor.float().numpy().astype(np.float16)
        for name, tensor in tensors.items()
        if not name.startswith(TRAINING_ONLY)
    }
    data = save(halves, metadata={"about": json.dumps({key: about[key] for key in ("model", "config", "profile")})})
    return letters(gzip.compress(planes(data), 9, mtime=0)), about


def planes(data: bytes) -> bytes:
    """A safetensors file of 16-bit numbers with the low bytes of all numbers before the high bytes of all.

    The high bytes, which say how large a number is, repeat each other; gzip sees that where they lie together.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    return data[:start] + data[start::2] + data[start + 1 :: 2]
