"""Slabs a second from disk, and memory: this package's store, MONAI's PersistentDataset, nnU-Net's blosc2 dataset.

    python benchmarks/slabs.py          some minutes; writes results/slabs.json

The same slabs of 4 whole slices of 512x512, windowed to 0..1, with their labels: MONAI draws them with its random
spatial crop, and the others read the ones that it drew; sums over all voxels must agree. One reader is one process
with one thread, the page cache is warm for all. nnU-Net is measured if `nnunetv2` and `blosc2` can be imported.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kits_msan.cases import Case, kits_affine, load_case, save_case, window
from kits_msan.kits19 import Split
from kits_msan.phantom import phantom_case
from kits_msan.profiles import PAPER
from kits_msan.store import open_cases, prepare

RESULT = Path(__file__).with_name("results") / "slabs.json"
CASES, DEPTH, DRAWS, REPEATS = 4, 96, 40, 3
SPACING = (3.0, 0.78, 0.78)
Draw = tuple[str, int]  # case and first slice
Slab = tuple[torch.Tensor, torch.Tensor]  # (4, 512, 512) float32 in 0..1 and uint8


def names() -> list[str]:
    return [f"case_{number:05d}" for number in range(CASES)]


def make_cases(folder: Path) -> None:
    """Phantoms of 24 slices, mirrored end to end to the depth of an average KiTS19 case."""
    for seed, name in enumerate(names()):
        case = phantom_case(seed, "paper", grid=(24, 512, 512), spacing=SPACING)
        assert case.image is not None
        assert case.label is not None
        image, label = (np.concatenate([part, part[::-1]] * (DEPTH // 48)) for part in (case.image, case.label))
        save_case(Case(name, image, label, SPACING, kits_affine(SPACING)), folder / "cases" / name)


def ours(folder: Path) -> Callable[[Draw], Slab]:
    stored = {case.name: case for case in open_cases(folder / "store", names(), PAPER, folder)}

    def read(draw: Draw) -> Slab:
        case, start = stored[draw[0]], draw[1]
        image, label = (np.array(array[start : start + 4]) for array in (case.image, case.label))
        return torch.from_numpy(window(image)), torch.from_numpy(label)

    return read


def monai_dataset(folder: Path) -> Any:
    from monai.data import PersistentDataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, RandSpatialCropd, ScaleIntensityRanged

    keys = ("image", "label")
    files = [
        {
            key: folder / "cases" / name / f"{file}.nii.gz"
            for key, file in zip(keys, ("imaging", "segmentation"), strict=True)
        }
        for name in names()
    ]
    steps = [
        LoadImaged(keys),
        EnsureChannelFirstd(keys),
        ScaleIntensityRanged("image", -200, 500, 0, 1, clip=True),
        RandSpatialCropd(keys, (4, 512, 512), random_size=False),
    ]
    return PersistentDataset(files, Compose(steps).set_random_state(0), cache_dir=folder / "monai")


def nnunet_dataset(folder: Path) -> Any:
    from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

    return nnUNetDatasetBlosc2(str(folder / "nnunet"))


def nnunet(folder: Path) -> Callable[[Draw], Slab]:
    dataset = nnunet_dataset(folder)

    def read(draw: Draw) -> Slab:
        data, seg, _, _ = dataset.load_case(draw[0])
        image, label = (array[:, draw[1] : draw[1] + 4][0] for array in (data, seg))
        return torch.from_numpy(image), torch.from_numpy(label)

    return read


def make_nnunet(folder: Path) -> None:
    from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params

    dataset = nnunet_dataset(folder)
    for name in names():
        case = load_case(folder / "cases" / name)
        assert case.image is not None
        assert case.label is not None
        image, label = window(case.image)[None], case.label.astype(np.int8)[None]
        blocks, chunks = comp_blosc2_params(image.shape, (4, 512, 512))
        dataset.save_case(image, label, {}, str(folder / "nnunet" / name), chunks=chunks, blocks=blocks)


def measure(reader: str, folder: Path) -> dict[str, Any]:
    """In this process."""
    torch.set_num_threads(1)
    drawn_file = folder / "draws.json"
    draws: list[Draw] = []
    if reader == "monai":
        dataset = monai_dataset(folder)
        cropper = dataset.transform.transforms[-1].cropper
        rng = np.random.default_rng(0)
        order = [int(i) for i in rng.integers(CASES, size=DRAWS)]
        jobs: list[Any] = order

        def read(job: Any) -> Slab:
            item = dataset[job]
            if len(draws) < DRAWS:
                draws.append((names()[job], cropper._slices[0].start))
            return item["image"][0], item["label"][0]
    else:
        read = {"ours": ours, "nnunet": nnunet}[reader](folder)
        jobs = json.loads(drawn_file.read_text())
    before = peak()
    read(jobs[0])  # what is imported on first use
    draws.clear()
    totals, started = [0.0, 0.0], time.perf_counter()
    for job in jobs:
        image, label = read(job)
        totals[0] += float(image.sum())
        totals[1] += float(label.sum())
    seconds = time.perf_counter() - started
    if reader == "monai":
        drawn_file.write_text(json.dumps(draws))
    return {"slabs_per_s": len(jobs) / seconds, "more_mb": (peak() - before) / 1e6, "sums": totals}


def peak() -> int:
    """Bytes of memory at most so far, of this program alone; mapped files count as far as they were read."""
    status = Path("/proc/self/status")  # getrusage would start from the parent's
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    result: dict[str, Any] = {"cpu": cpu(), "python": platform.python_version(), "versions": {}}
    for package in ("torch", "monai", "numpy", "nnunetv2", "blosc2"):
        try:
            result["versions"][package] = version(package)
        except PackageNotFoundError:
            result["versions"][package] = None
    readers = ["monai", "ours"] + ["nnunet"] * bool(result["versions"]["nnunetv2"] and result["versions"]["blosc2"])
    result |= {"slab": [4, 512, 512], "cases": CASES, "slices_a_case": DEPTH, "draws": DRAWS, "repeats": REPEATS}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        make_cases(folder)
        prepare(folder / "cases", folder / "store", PAPER, Split(tuple(names()), ()), progress=False)
        dataset = monai_dataset(folder)
        for index in range(CASES):
            dataset[index]  # fills its cache
        if "nnunet" in readers:
            (folder / "nnunet").mkdir()
            make_nnunet(folder)
        runs: dict[str, list[dict[str, Any]]] = {reader: [] for reader in readers}
        for _ in range(REPEATS):
            for reader in readers:  # in turn, so that whatever else the machine does meets all of them
                command = [sys.executable, "-W", "ignore", __file__, reader, name]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs[reader].append(json.loads(done.stdout.splitlines()[-1]))
        disk = {"ours": "store", "monai": "monai", "nnunet": "nnunet"}
        for reader, rows in runs.items():
            for row in rows:
                np.testing.assert_allclose(row["sums"], runs["monai"][0]["sums"], rtol=1e-4)
            result[reader] = {
                "slabs_per_s": round(statistics.median(row["slabs_per_s"] for row in rows), 2),
                "all_slabs_per_s": [round(row["slabs_per_s"], 2) for row in rows],
                "memory_mb": round(statistics.median(row["more_mb"] for row in rows), 1),
                "disk_mb": round(sum(f.stat().st_size for f in (folder / disk[reader]).rglob("*")) / 1e6),
            }
    result["ours_over_monai"] = round(result["ours"]["slabs_per_s"] / result["monai"]["slabs_per_s"], 1)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    assert result["ours_over_monai"] >= 10


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
