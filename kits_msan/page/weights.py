"""Networks for a page: the weights that inference needs, as 16-bit floats, gzipped, in base64."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from kits_msan.networks.checkpoints import load_checkpoint

TRAINING_ONLY = ("aux_heads.",)  # deep supervision's heads


def packed_weights(checkpoint: Path) -> tuple[str, dict[str, Any]]:
    """The network of a checkpoint as the page reads it (base64 of gzip of safetensors), and its description.

    Raises InputError for what is no checkpoint.
    """
    tensors, about = load_checkpoint(checkpoint)
    halves = {
        name: tensor.float().numpy().astype(np.float16)
        for name, tensor in tensors.items()
        if not name.startswith(TRAINING_ONLY)
    }
    data = save(halves, metadata={"about": json.dumps({key: about[key] for key in ("model", "config", "profile")})})
    return packed(data), about


def packed(data: bytes) -> str:
    """base64 of gzip, the same for the same data."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode("ascii")
