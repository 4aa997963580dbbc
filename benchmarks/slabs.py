"""Slabs a second from disk, and memory: this package's store, MONAI's PersistentDataset, nnU-Net's blosc2 dataset.

    python benchmarks/slabs.py

The same slabs of 4 whole slices of 512x512, windowed to 0..1, with their labels: MONAI draws them with its random
spatial crop, and the others read the ones that it drew; sums over all voxels must agree. One reader is one process
with one thread, the page cache is warm for all. nnU-Net is measured if `nnunetv2` and `blosc2` can be imported.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, child, interleaved, peak, record, row, versions

from kits_msan.data.cases import Case, kits_affine, load_case, save_case, window
from kits_msan.data.prepare import open_cases, prepare
from kits_msan.data.split import Split
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import PAPER

CASES, DEPTH, DRAWS, REPEATS = 4, 96, 40, 3
SIZE = (4, 512, 512)  # of a slab
SPACING = (3.0, 0.78, 0.78)
WHAT = "Slabs read, with labels"
PEERS = {"monai": "MONAI PersistentDataset", "nnunet": "nnU-Net, blosc2"}
GOALS = {"monai": 10.0, "nnunet": 1.0}
METHOD = (
    "Slabs of 4 x 512 x 512 voxels, windowed, with their labels, a second; one process, one thread, page cache warm, "
    "the same slabs for all. nnU-Net's data set is measured where nnunetv2 is installed."
)
Draw = tuple[str, int]  # case and first slice
Slab = tuple[torch.Tensor, torch.Tensor]  # (4, 512, 512) float32 in 0..1 and uint8


def names() -> list[str]:
    return [f"case_{number:05d}" for number in range(CASES)]


def make_cases(folder: Path) -> None:
    """Phantoms of 24 slices, mirrored end to end to the depth of an average KiTS19 case."""
    for seed, name in enumerate(names()):
        case = phantom_case(seed, "paper", grid=(24, *SIZE[1:]), spacing=SPACING)
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
        RandSpatialCropd(keys, SIZE, random_size=False),
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
        blocks, chunks = comp_blosc2_params(image.shape, SIZE)
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
        jobs: list[Any] = rng.integers(CASES, size=DRAWS).tolist()

        def read(job: Any) -> Slab:
            item = dataset[job]
            if len(draws) < DRAWS:
                draws.append((names()[job], cropper._slices[0].start))  # MONAI says nowhere else where it cropped
            return item["image"][0], item["label"][0]
    else:
        read = {"ours": ours, "nnunet": nnunet}[reader](folder)
        jobs = json.loads(drawn_file.read_text(encoding="utf-8"))
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
        drawn_file.write_text(json.dumps(draws), encoding="utf-8")
    return {"slabs_per_s": len(jobs) / seconds, "more_mb": (peak() - before) / 1e6, "sums": totals}


def main(args: argparse.Namespace) -> None:
    found = versions()
    readers = ["monai", "ours"]
    if "nnunetv2" in found and "blosc2" in found:
        readers.append("nnunet")
    details: dict[str, Any] = {"slab": list(SIZE), "cases": CASES, "slices_a_case": DEPTH, "draws": DRAWS}
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
        quick = ["--quick"] if args.quick else []
        sides = {reader: partial(child, __file__, *quick, "--child", reader, name) for reader in readers}
        runs = interleaved(sides, 1 if args.quick else REPEATS)
        disk = {"ours": "store", "monai": "monai", "nnunet": "nnunet"}
        for reader, measured in runs.items():
            for each in measured:
                np.testing.assert_allclose(each["sums"], runs["monai"][0]["sums"], rtol=1e-4)
            details[reader] = {
                "slabs_per_s": [round(each["slabs_per_s"], 2) for each in measured],
                "memory_mb": [round(each["more_mb"], 1) for each in measured],
                "disk_mb": round(sum(f.stat().st_size for f in (folder / disk[reader]).rglob("*")) / 1e6),
            }
    ours = details["ours"]["slabs_per_s"]
    rows = [row(WHAT, ours, PEERS[peer], details[peer]["slabs_per_s"], "/s", GOALS[peer], at_least=True)
            for peer in readers if peer != "ours"]  # fmt: skip
    record("slabs", rows, args, METHOD, **details)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.quick:
        CASES, DEPTH, DRAWS, SIZE = 2, 48, 4, (4, 64, 64)
    if given.child:
        print(json.dumps(measure(given.child[0], Path(given.child[1]))))
    else:
        main(given)
