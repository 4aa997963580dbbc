"""How the phantom's kidneys lie and how large they are, beside KiTS19's: the table of docs/phantom.md.

    python docs/kidneys.py

KiTS19's percentiles were measured in the same way on all 210 labels of its public repository, neheller/kits19 at
commit 456b293 (CC BY-NC-SA 4.0; Heller et al. 2019, arXiv:1904.00445), every second pixel and at most 400 slices.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kits_msan.data.cases import TUMOR
from kits_msan.phantom.make import case_seed, patient_of, phantom_case

PATIENTS, GRID, EDGE = 90, (70, 60, 64), 6.0  # of base seed 9, split validation; voxels, and mm of one
SMALLEST = 60.0  # ml of the second component: below, the kidneys are one piece, or one is all there is
KITS19 = {  # percentiles 5, 50, 95
    "left to right, mm": (115, 148, 177),
    "right below left, mm": (-26, 7, 42),
    "right behind left, mm": (-29, -5, 31),
    "left, lower end outwards, degrees": (-5, 12, 26),
    "right, lower end outwards, degrees": (-4, 12, 25),
    "left, lower end to the front, degrees": (6, 22, 34),
    "right, lower end to the front, degrees": (4, 25, 48),
    "length, mm": (101, 118, 141),
    "width, mm": (58, 71, 85),
    "depth, mm": (46, 55, 67),
    "volume, ml": (128, 211, 323),
}


def measures(label: NDArray[np.uint8]) -> dict[str, list[float]]:
    """What is known of one patient; tilts and sizes only of whole kidneys with less than 2 ml of tumor."""
    pieces, _ = ndimage.label(label > 0)
    size = np.bincount(pieces.ravel())[1:]
    if len(size) < 2 or np.sort(size)[-2] * EDGE**3 / 1000 < SMALLEST:
        return {}
    two = [np.argwhere(pieces == index + 1) for index in np.argsort(-size)[:2]]
    right, left = sorted(two, key=lambda voxels: voxels[:, 2].mean())
    down, back, across = (left.mean(0) - right.mean(0)) * EDGE
    found = {"left to right, mm": [across], "right below left, mm": [-down], "right behind left, mm": [-back]}
    for name, side, voxels in (("right", -1, right), ("left", 1, left)):
        tumor_ml = (label[tuple(voxels.T)] == TUMOR).sum() * EDGE**3 / 1000
        if tumor_ml >= 2 or voxels[:, 0].min() == 0 or voxels[:, 0].max() == len(label) - 1:
            continue
        points = (voxels - voxels.mean(0)) * EDGE
        axes = np.linalg.eigh(points.T @ points)[1].T[::-1]  # the longest first
        long = axes[0] * np.sign(axes[0][0])
        found[f"{name}, lower end outwards, degrees"] = [np.degrees(np.arctan2(side * long[2], long[0]))]
        found[f"{name}, lower end to the front, degrees"] = [np.degrees(np.arctan2(-long[1], long[0]))]
        for title, axis in zip(("length, mm", "width, mm", "depth, mm"), axes, strict=True):
            found.setdefault(title, []).append(np.ptp(points @ axis) + EDGE)
        found.setdefault("volume, ml", []).append(len(voxels) * EDGE**3 / 1000)
    return found


def main() -> None:
    """Print the table."""
    all_of: dict[str, list[float]] = {name: [] for name in KITS19}
    for index in range(PATIENTS):
        seed = case_seed(9, "validation", index)
        if len(patient_of(seed).kidneys) == 2:
            label = phantom_case(seed, grid=GRID, spacing=(EDGE, EDGE, EDGE)).label
            assert label is not None
            for name, values in measures(label).items():
                all_of[name] += values
    print("| percentiles 5, 50, 95 | phantom | KiTS19 |\n| --- | --- | --- |")
    for name, values in all_of.items():
        ours = ", ".join(f"{value:.0f}" for value in np.percentile(values, (5, 50, 95)))
        print(f"| {name} | {ours} | {', '.join(map(str, KITS19[name]))} |")


if __name__ == "__main__":
    main()
