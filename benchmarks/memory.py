"""Peak memory of `predict` with five voting networks of smoke width, by the size of the scan.

    python benchmarks/memory.py          all sizes, each in a process of its own; writes results/memory.json
    python benchmarks/memory.py quick    without the largest scan at its own spacing, which takes an hour

The scans are noise on a body-shaped ellipse, written a slice at a time; the networks are untrained, with weights
that make them find something everywhere, which is the worst case for the clean-up.
"""

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from kits_msan.cases import Case, load_case, save_segmentation
from kits_msan.inference import predict
from kits_msan.networks import MODELS, UNet3D, build_model
from kits_msan.profiles import SMOKE

RESULT = Path(__file__).with_name("results") / "memory.json"
RUNS = [  # shape, and whether the networks see it at its own spacing instead of the smoke profile's
    ((29, 512, 512), False), ((252, 512, 796), False), ((1059, 512, 512), False),
    ((29, 512, 512), True), ((1059, 512, 512), True),
]  # fmt: skip
SPACING = (0.5, 0.78, 0.78)  # mm, as thin as KiTS19's thinnest
LIMIT = 3e9  # bytes, for five networks on the largest scan


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


def networks(native: bool) -> list[UNet3D]:
    models = []
    for seed, name in enumerate(MODELS):
        torch.manual_seed(seed)
        model = build_model(name, width=SMOKE.width, poolings=SMOKE.poolings)
        torch.nn.init.zeros_(model.head.bias)
        model.head.weight.data *= 8
        model.profile = replace(SMOKE, spacing=None) if native else SMOKE
        models.append(model)
    return models


def peak() -> int:
    """Bytes; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(shape: tuple[int, int, int], native: bool) -> dict[str, object]:
    """In this process: read, segment, clean up, write."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        write_scan(Path(folder) / "scan.nii", shape)
        models = networks(native)
        predict(
            models, load_small(shape), device="cpu"
        )  # what torch needs for slabs of this size, whatever the depth
        base, started = peak(), time.perf_counter()
        case = load_case(Path(folder) / "scan.nii")
        labels = predict(models, case, device="cpu")
        save_segmentation(labels, case, Path(folder) / "out.nii.gz")
        seconds = time.perf_counter() - started
    voxels = int(np.prod(shape))
    return {
        "shape": shape, "resampled": not native, "peak_bytes": peak(), "before_the_scan_bytes": base,
        "volume_and_labels_bytes": 3 * voxels, "foreground_share": round(float((labels > 0).mean()), 4),
        "seconds": round(seconds, 1),
    }  # fmt: skip


def load_small(shape: tuple[int, int, int]) -> Case:
    with tempfile.TemporaryDirectory() as folder:
        write_scan(Path(folder) / "scan.nii", (12, *shape[1:]))
        return load_case(Path(folder) / "scan.nii")


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def growth(rows: list[dict[str, Any]]) -> float:
    """Bytes of peak memory a byte of volume and labels, from the thinnest to the deepest resampled scan."""
    first, last = (next(row for row in rows if row["resampled"] and row["shape"][0] == depth) for depth in (29, 1059))
    more = last["volume_and_labels_bytes"] - first["volume_and_labels_bytes"]
    return round((last["peak_bytes"] - first["peak_bytes"]) / more, 3)


def main(runs: list[tuple[tuple[int, int, int], bool]]) -> None:
    rows: list[dict[str, Any]] = []
    for shape, native in runs:
        command = [sys.executable, __file__, *map(str, shape), str(int(native))]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(rows[-1], flush=True)
    result = {
        "cpu": cpu(), "threads": 1, "torch": torch.__version__, "python": platform.python_version(),
        "networks": list(MODELS), "width": SMOKE.width, "growth": growth(rows), "rows": rows,
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    assert max(row["peak_bytes"] for row in rows) < LIMIT, "more than 3 GB"
    assert growth(rows) < 1.1, "memory grows by more than the volume and its labels"


if __name__ == "__main__":
    if len(sys.argv) > 2:
        d, h, w, native = map(int, sys.argv[1:])
        print(json.dumps(measure((d, h, w), bool(native))))
    else:
        main(RUNS[:-1] if sys.argv[1:] == ["quick"] else RUNS)
