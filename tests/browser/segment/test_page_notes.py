"""What a page says of a scan that it reads: the words of Python."""

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from browser.segment.compute import Run
from kits_msan.data.cases import load_case

READ = "return (await readScan(name, new File([bytes], name))).note;"
TILTED = nib.affines.from_matvec(nib.eulerangles.euler2mat(0.1, 0.05, -0.1) @ np.diag([4.0, 4, 5]), [12, -40, 7])

SHEAR = np.array([[1, 0, 0, 0], [0, 1, -0.4, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def scan(affine: np.ndarray, kind: type, unit: str = "mm", form: str = "sform") -> nib.Nifti1Image:
    air = np.random.default_rng(0).random((29, 30, 11)) < 0.4
    rng = np.random.default_rng(1)
    ct = np.where(air, rng.normal(-1000, 20, air.shape), rng.normal(30, 50, air.shape)).astype(np.int16)
    image: nib.Nifti1Image = kind(ct, affine)
    image.header.set_xyzt_units(unit)
    image.set_sform(affine, code=int(form == "sform"))
    image.set_qform(affine, code=int(form == "qform"))
    return image


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("form", ["sform", "qform", "neither"])
@pytest.mark.parametrize("unit", ["mm", "meter", "micron"])
@pytest.mark.parametrize(
    ("affine", "count"),
    [
        (TILTED, 0),
        (np.eye(4), 1),
        (np.diag([-1.0, 1, -1, 1]), 1),
        (np.diag([0.8, 0.75, 1, 1]), 1),  # 22.5 mm, which both round to the even number
        (np.diag([-3.5, -3, 1, 1]), 0),
        (np.diag([40.0, 35, 5, 1]), 1),
        (np.diag([90.0, 30, 5, 1]), 0),
        (TILTED @ SHEAR, 1),
    ],
    ids=["usual", "lost", "lost, turned", "small", "not so small", "wide", "long", "sheared"],
)
def test_the_page_says_of_a_grid_what_python_says(
    run: Run, tmp_path: Path, kind: type, form: str, unit: str, affine: np.ndarray, count: int
) -> None:
    if form == "qform" and count and not np.allclose(affine[:3, 1] @ affine[:3, 2], 0):
        count = 0  # it cannot say a shear
    path = tmp_path / "scan.nii"
    nib.save(scan(affine, kind, unit, form), path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_case(path)
    said = " ".join(str(one.message).replace(str(path), path.name) for one in caught)
    assert run(READ, name=path.name, bytes=path.read_bytes()) == said
    assert form == "neither" or said.count("scan.nii") == count + (unit != "mm")
