"""Time and peak memory of `predict` with five voting networks of smoke width, by the number of slices.

    python benchmarks/memory.py

Reading, segmenting, cleaning and writing, each size in a process of its own with one thread. The scans are noise on a
body-shaped ellipse, written a slice at a time; the networks are untrained, with weights that make them find something
everywhere, which is the worst case for the clean-up.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from common import Row, arguments, child, peak, record, row

from kits_msan.data.cases import Case, load_case, save_segmentation
from kits_msan.inference import predict
from kits_msan.networks.msan import UNet3D
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import SMOKE

SIZES = [(depth, 512, 512) for depth in (29, 108, 273, 1059)]  # KiTS19's thinnest, median, 75th percentile, deepest
QUICK = [(depth, 64, 64) for depth in (29, 60, 120)]
SPACING = (0.5, 0.78, 0.78)  # mm, as thin as KiTS19's thinnest
METHOD = (
    "Read, segment with five voting networks of smoke width, clean up and write scans of 512 x 512 pixels, one "
    "thread, each in its own process. Memory: what the peak grows by from 29 to 1,059 slices, held against the "
    "growth of the volume (int16) and its labels (uint8) alone. Time: seconds a slice, against the average scan's."
)


def write_scan(path: Path, shape: tuple[int, int, int]) -> None:
    """An int16 NIfTI file with the patient's left, front and top last, so that slices follow each other on disk."""
    depth, height, width = shape
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((width, height, depth))
    header.set_sform(np.diag([SPACING[2], SPACING[1], SPACING[0], 1]), code="scanner")
    header["magic"], header["vox_offset"] = b"n+1", 352
    rng = np.random.default_rng(0)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    body = np.where((y / 0.7) ** 2 + (x / 0.9) ** 2 < 1, 60, -1000)
    noise = rng.normal(0, 60, (9, height, width))
    with path.open("wb") as stream:
        stream.write(header.binaryblock + bytes(4))
        for index in range(depth):
            stream.write((body + np.roll(noise[index % 9], 31 * index, axis=1)).astype("<i2").tobytes())


def networks() -> list[UNet3D]:
    models = []
    for seed, name in enumerate(MODELS):
        torch.manual_seed(seed)
        model = build_model(name, width=SMOKE.width, poolings=SMOKE.poolings)
        assert isinstance(model, UNet3D)
        torch.nn.init.zeros_(model.head.bias)  # type: ignore[arg-type]
        model.head.weight.data *= 8
        model.profile = SMOKE
        models.append(model)
    return models


def measure(shape: tuple[int, int, int]) -> dict[str, object]:
    """In this process: read, segment, clean up, write."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_scan(Path(folder) / "scan.nii", shape)
        models = networks()
        predict(models, load_small(shape), device="cpu")  # what torch needs for slabs of this size at any depth
        base, started = peak(), time.perf_counter()
        case = load_case(Path(folder) / "scan.nii")
        labels = predict(models, case, device="cpu")
        save_segmentation(labels, case, Path(folder) / "out.nii.gz")
        seconds = time.perf_counter() - started
    voxels = int(np.prod(shape))
    return {
        "shape": shape, "peak_bytes": peak(), "before_the_scan_bytes": base,
        "volume_and_labels_bytes": 3 * voxels, "foreground_share": round(float((labels > 0).mean()), 4),
        "seconds": round(seconds, 2),
    }  # fmt: skip


def load_small(shape: tuple[int, int, int]) -> Case:
    with tempfile.TemporaryDirectory() as folder:
        write_scan(Path(folder) / "scan.nii", (12, *shape[1:]))
        return load_case(Path(folder) / "scan.nii")


def rows_of(found: list[dict[str, Any]]) -> list[Row]:
    """From the thinnest, the average and the deepest scan."""
    thin, average, *_, deep = found
    growth = [(deep[key] - thin[key]) / 1e6 for key in ("peak_bytes", "volume_and_labels_bytes")]
    pace = [1000 * one["seconds"] / one["shape"][0] for one in (deep, average)]
    names = [f"{one['shape'][0]:,} slices" for one in (thin, average, deep)]
    memory = f"Growth of the peak memory, {names[0]} to {names[2]}"
    return [
        row(memory, growth[:1], "volume and labels alone", growth[1:], "MB", goal=1.1),
        row(f"Time a slice, {names[2]}", pace[:1], names[1], pace[1:], "ms", goal=1.2),
    ]


def main(args: argparse.Namespace) -> None:
    sizes = QUICK if args.quick else SIZES
    found = [child(__file__, "--child", *size) for size in sizes]
    details = {"threads": 1, "networks": list(MODELS), "width": SMOKE.width, "resampled": found}
    record("memory", rows_of(found), args, METHOD, **details)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--child", nargs=3, type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        d, h, w = given.child
        print(json.dumps(measure((d, h, w))))
    else:
        main(given)
