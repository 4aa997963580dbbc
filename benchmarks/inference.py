"""A scan of 512 x 512 x 108 voxels to labels: `predict` against MONAI's sliding_window_inference and its vote.

    python benchmarks/inference.py

Both sides get the same scan in memory, the same weights, the same grid for the network, the same slabs of whole
slices that overlap by half; both end with uint8 labels on the scan's own grid, without clean-up. MONAI gets two slabs
at once, since a single one falls to a slow convolution of PyTorch's; ours one. Each run is a process of its own,
whose peak memory counts, libraries included. The networks are those that ship: a phantom is resampled to their
spacing, and the result back.

MONAI as documented: sliding_window_inference (mode gaussian), softmax, Resize back, argmax, VoteEnsemble. Tuned: with
network and input in channels_last_3d, which `predict` does by itself.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Row, arguments, child, interleaved, peak, record, row
from numpy.typing import NDArray

from kits_msan.course.paths import CHECKPOINTS
from kits_msan.data.cases import Case, kits_affine, window
from kits_msan.data.resampling import grid_shape
from kits_msan.errors import millimeters
from kits_msan.inference import LONGER, PIXELS, predict
from kits_msan.networks.checkpoints import load_model
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import MODELS
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import LAPTOP, SHIPPED

SHAPE, QUICK = (108, 512, 512), (14, 64, 64)
TITLES = {"monai": "MONAI, as documented", "tuned": "MONAI, channels_last_3d"}
METHOD = (
    "512 x 512 x 108 voxels to labels on the scan's own grid. Same scan, weights, network grid, slabs and overlap "
    "(half) on both sides; MONAI with two slabs at once, since one alone is slower there; peak memory of the process "
    f"with its libraries. Shipped networks work at {millimeters(SHIPPED.spacing)}."
)

KEPT = [
    "Instance normalization that writes over its input, one weight of the attention at a time, and class scores four "
    "slices at a time, not sixteen: 1.88 to 1.95 s, not 2.16 to 2.27, and 659 to 733 MB, not 670 to 755 (one "
    "network, five runs each, two threads, 2026-11-28); the labels are the same to the bit.",
    "Large slabs one at a time, their convolutions by oneDNN as those of pairs are: 569 to 612 MB, not 696 to 708, "
    "and 2.02 to 2.16 s, not 1.80 to 2.04; beside one busy process 5.7 to 6.0 s, not 4.9 to 5.1 (one network, three "
    "and four runs each in turn, 2026-11-28); the labels are the same to the bit.",
]
TRIED = [
    "Memory given back as soon as it is free (MALLOC_MMAP_THRESHOLD_=4000000, for GNU's C library): one network 601 "
    "to 611 MB, not 673 to 706, but 1.9 to 2.3 s, not 1.3 to 1.4 (three runs each in turn).",
    "The decoder's blocks called as two convolutions, so that the joined maps are let go after the first: 668 to 680 "
    "MB, against 660 to 700 (three runs each in turn).",
]


def write_scan(path: Path, shape: tuple[int, int, int]) -> None:
    """A laptop phantom on a finer grid, with noise of 15 HU."""
    image = phantom_case(7, LAPTOP).image
    assert image is not None
    fine = torch.nn.functional.interpolate(torch.from_numpy(image)[None, None].float(), shape, mode="trilinear")
    noise = np.random.default_rng(0).normal(0, 15, shape)
    np.save(path, np.rint(fine[0, 0].numpy() + noise).astype(np.int16))


def load_scan(path: Path) -> Case:
    image = np.load(path)
    spacing = [
        mm * min(1, n / size) for n, mm, size in zip(LAPTOP.grid, LAPTOP.spacing or (), image.shape, strict=True)
    ]
    mm = (spacing[0], spacing[1], spacing[2])
    return Case("case_00000", image, None, mm, kits_affine(mm))


@torch.inference_mode()
def with_monai(models: Sequence[Network], case: Case, tuned: bool) -> NDArray[np.uint8]:
    from monai.inferers import sliding_window_inference
    from monai.transforms import Resize, VoteEnsemble

    assert case.image is not None
    grid = grid_shape(case.shape, case.spacing, SHIPPED.spacing or case.spacing)
    x = torch.from_numpy(window(case.image))[None]  # (1, D, H, W)
    if grid != case.shape:
        x = Resize(grid, mode="trilinear")(x)
    x = x[None]
    if tuned:
        x = x.to(memory_format=torch.channels_last_3d)
        models = [model.to(memory_format=torch.channels_last_3d) for model in models]  # type: ignore[call-overload]
    multiple = models[0].multiple
    window_size = (LONGER * SHIPPED.slab, *(n + -n % step for n, step in zip(grid[1:], multiple[1:], strict=True)))
    together = max(2, min(8, PIXELS // int(np.prod(window_size))))  # alone, a slab takes PyTorch's slow convolution

    def labels(model: Network) -> torch.Tensor:
        logits = sliding_window_inference(x, window_size, together, model, overlap=0.5, mode="gaussian")
        chances = logits[0].softmax(0)  # (3, d, h, w)
        if grid != case.shape:
            chances = Resize(case.shape, mode="trilinear")(chances)
        return chances.argmax(0, keepdim=True).to(torch.uint8)

    found = [labels(model) for model in models]
    voted = found[0] if len(found) == 1 else VoteEnsemble(num_classes=3)(found)
    return np.asarray(voted[0], np.uint8)


def measure(side: str, count: int, scan: Path) -> dict[str, Any]:
    """In this process, with so many of the five: seconds and peak of the memory; the labels go beside the scan."""
    if side != "ours":
        import monai.inferers
        import monai.transforms  # noqa: F401
    models = [load_model(CHECKPOINTS / f"{name}.safetensors", name) for name in list(MODELS)[-count:]]
    start = peak()
    case = load_scan(scan)
    started = time.perf_counter()
    if side == "ours":
        labels = predict(models, case, device="cpu", clean=False)
    else:
        labels = with_monai(models, case, tuned=side == "tuned")
    seconds = time.perf_counter() - started
    result = {"seconds": round(seconds, 2), "peak_mb": round(peak() / 1e6), "before_mb": round(start / 1e6)}
    np.save(scan.with_name(f"{side}.npy"), labels)
    return result


def compare(scan: Path, count: int, sides: Sequence[str], repeats: int) -> tuple[list[Row], dict[str, Any]]:
    runs = interleaved({side: partial(child, __file__, "--child", side, count, scan) for side in sides}, repeats)
    seconds, memory = ({side: [each[key] for each in runs[side]] for side in sides} for key in ("seconds", "peak_mb"))
    ours = np.load(scan.with_name("ours.npy"))
    agree = {side: round(float((np.load(scan.with_name(f"{side}.npy")) == ours).mean()), 5) for side in sides[1:]}
    voters = {1: "one network", len(MODELS): "vote of five"}.get(count, f"vote of {count}")
    what = f"{voters}, shipped"
    rows = []
    for side in sides[1:]:
        goal = 0.5 if side == "monai" else None
        rows.append(row(f"Scan to labels, {what}", seconds["ours"], TITLES[side], seconds[side], goal=goal))
        rows.append(row(f"Its peak memory, {what}", memory["ours"], TITLES[side], memory[side], "MB", goal))
    return rows, {"runs": runs, "share_of_equal_labels": agree}


def main(args: argparse.Namespace) -> None:
    rows: list[Row] = []
    details: dict[str, Any] = {}
    plans = [(1, ["ours", "monai", "tuned"], 2), (len(MODELS), ["ours", "monai"], 1)]  # networks, sides, repeats
    if args.quick:
        plans = [(2, ["ours", "monai", "tuned"], 1)]
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(folder) / "scan.npy"
        write_scan(scan, QUICK if args.quick else SHAPE)
        for count, sides, repeats in plans:
            new, details[f"shipped, {count}"] = compare(scan, count, sides, repeats)
            rows += new
    record("inference", rows, args, METHOD, kept=KEPT, tried=TRIED, **details)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--child", nargs=3, metavar=("SIDE", "COUNT", "SCAN"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        side, count, scan = given.child
        print(json.dumps(measure(side, int(count), Path(scan))))
    else:
        main(given)
