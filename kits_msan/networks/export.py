"""A trained network as an ONNX file, which other programs run without PyTorch and without this package.

The file holds the network alone. Resampling, slabs, the vote and the clean-up are up to the program that runs it;
the numbers for them are in the file's metadata.
"""

import copy
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from kits_msan.data.cases import CLASSES, WINDOW
from kits_msan.errors import InputError, without_warnings
from kits_msan.files import atomic_file
from kits_msan.networks.layers import Network

NEEDED = ("onnx", "onnxscript")  # by torch.onnx
OPSET = 18  # of 2022: what it exports to without conversion


def export_onnx(model: Network, path: str | Path) -> None:
    """Write a network as ONNX: input "image" (N, 1, D, H, W) float32, output "logits" (N, 3, D, H, W) float32.

    The image is in HU, clipped to "window_hu" and scaled to 0..1. N, D, H and W are free; D, H and W must be
    multiples of "multiple". Labels are the largest of the three logits.
    model: one with its `name` and `profile`, as `load_model` gives it; it stays as it is.
    Raises InputError where the extra `onnx` is not installed.
    """
    if missing := [package for package in NEEDED if find_spec(package) is None]:
        raise InputError(f'{" and ".join(missing)} cannot be imported; pip install "kits_msan[onnx]" to write ONNX.')
    example = torch.zeros(2, 1, *(count * step for count, step in zip((6, 4, 5), model.multiple, strict=True)))
    with without_warnings(), _quiet("torch.onnx"):
        program = torch.onnx.export(
            copy.deepcopy(model).eval(), (example,), dynamo=True, verbose=False, opset_version=OPSET,
            input_names=["image"], output_names=["logits"], dynamic_shapes=({0: "N", 2: "D", 3: "H", 4: "W"},),
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props.update({key: json.dumps(value) for key, value in about(model).items()})
    with atomic_file(path) as temporary:
        program.save(temporary)


def about(model: Network) -> dict[str, Any]:
    """What a program must know to use the network, JSON-able; each is an entry of the file's metadata."""
    profile = model.profile
    if profile is None:
        raise InputError("the network does not say at which spacing it was trained; load it with `load_model`.")
    return {
        "model": model.name,
        "classes": CLASSES,
        "window_hu": WINDOW,
        "axes": "slices from head to feet, rows from front to back, columns from the patient's right to left",
        "spacing_mm": profile.spacing,  # slices, rows, columns; null: each scan's own
        "slab": profile.slab,  # slices of a slab in training; `predict` takes twice as many at once
        "multiple": model.multiple,
        "profile": profile.name,
        "use": "Teaching material, not a medical device.",
    }


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Within the block only errors are logged, not that a package is missing which no network here needs."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
