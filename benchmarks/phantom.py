"""Seconds to make a laptop phantom, against reading a scan of KiTS19 size and bringing it to the same grid.

    python benchmarks/phantom.py

A case of the `laptop` profile is either made, or comes from disk: the peer reads image and label of 512 x 512 x 108
voxels with nibabel and resamples them with scipy (linear and nearest), as a script without this package would.
"""

import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import torch.nn.functional as F
from common import arguments, interleaved, record, row
from scipy import ndimage
from torch import from_numpy

from kits_msan.data.cases import Case, kits_affine, save_case
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import LAPTOP, SMOKE

SHAPE = (108, 512, 512)
METHOD = (
    "A phantom of the laptop grid (image and label), against nibabel and scipy's zoom on a scan of "
    "512 x 512 x 108 voxels, on disk as KiTS19 has it. One process, page cache warm."
)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    profile, shape, repeats = (SMOKE, (16, 64, 64), 2) if args.quick else (LAPTOP, SHAPE, args.repeats)
    seeds = iter(range(1000))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "case_00000"
        small = phantom_case(0, profile)
        fine = [
            F.interpolate(from_numpy(np.asarray(part))[None, None].float(), shape)[0, 0].numpy()
            for part in (small.image, small.label)
        ]
        mm = (3.0, 0.78, 0.78)
        save_case(Case(folder.name, fine[0].astype(np.int16), fine[1].astype(np.uint8), mm, kits_affine(mm)), folder)

        def made() -> float:
            started = time.perf_counter()
            phantom_case(next(seeds), profile)
            return time.perf_counter() - started

        def read() -> float:
            started = time.perf_counter()
            factors = np.divide(profile.grid, shape)
            for file, order in (("imaging", 1), ("segmentation", 0)):
                volume = np.asanyarray(nib.load(folder / f"{file}.nii.gz").dataobj)
                ndimage.zoom(volume, factors, order=order)
            return time.perf_counter() - started

        made(), read()  # to warm up
        runs = interleaved({"made": made, "read": read}, repeats)
    rows = [row("A case for the laptop profile", runs["made"], "nibabel and scipy's zoom", runs["read"], goal=1.0)]
    record("phantom", rows, args, METHOD, seconds=runs, cases_per_s=round(len(runs["made"]) / sum(runs["made"]), 2))


if __name__ == "__main__":
    main()
