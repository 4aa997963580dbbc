"""Three small cases as the local server has them: files, addresses, the table that announces them; getting them."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from server import Server

from kits_msan.data.cases import kits_affine
from kits_msan.data.download import download

SHAPES = [(20, 128, 128), (12, 96, 128), (12, 96, 96)]
SPACING = (3.0, 0.75, 0.75)
COLUMNS = ["slices", "rows", "columns", "thickness_mm", "pixel_mm"]
TABLE = pd.DataFrame(
    [(*shape, *SPACING[:2]) for shape in SHAPES], columns=COLUMNS, index=[f"case_{i:05d}" for i in range(3)]
)
IMAGE, LABEL = "/images/case_00000.nii.gz", "/labels/case_00000/segmentation.nii.gz"


def nifti(shape: tuple[int, ...], dtype: type, spacing: tuple[float, float, float] = SPACING, seed: int = 0) -> bytes:
    """A .nii.gz of noise, which gzip cannot shrink much: 100 to 600 kB."""
    values: np.ndarray = (
        np.random.default_rng(seed).integers(0, 3 if dtype is np.uint8 else 30_000, shape).astype(dtype)
    )
    return gzip.compress(nib.Nifti1Image(values, kits_affine(spacing)).to_bytes(), 1)


FILES = {}
for i, shape in enumerate(SHAPES):
    FILES[f"/images/case_{i:05d}.nii.gz"] = nifti(shape, np.int16, seed=i)
    FILES[f"/labels/case_{i:05d}/segmentation.nii.gz"] = nifti(shape, np.uint8, seed=i)


def get(server: Server, out: Path, cases: tuple[int, ...] = (0,), **options: object) -> list[Path]:
    arguments: dict = {"timeout": 5.0, "backoff": 0.01, "table": TABLE} | options
    return download(cases, out, image_base=f"{server.base}/images", label_base=f"{server.base}/labels", **arguments)


def assert_whole(out: Path, server: Server, cases: tuple[int, ...] = (0,)) -> None:
    for i in cases:
        folder = out / f"case_{i:05d}"
        assert (folder / "imaging.nii.gz").read_bytes() == server.files[f"/images/case_{i:05d}.nii.gz"]
        label = server.files[f"/labels/case_{i:05d}/segmentation.nii.gz"]
        assert (folder / "segmentation.nii.gz").read_bytes() == label
        assert sorted(path.name for path in folder.iterdir()) == ["imaging.nii.gz", "segmentation.nii.gz"]
