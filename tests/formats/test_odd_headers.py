"""NIfTI headers that are rare and allowed: each voxel is found where the standard puts it, or refused."""

import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from turned import Make, turned

from kits_msan.data.cases import load_case
from kits_msan.errors import InputError

SHEAR = np.array([[1, 0, 0, 0], [0, 1, 0.3, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
Content = Callable[[np.ndarray, np.ndarray], bytes]


def content(image: np.ndarray, affine: np.ndarray, *changes: tuple[int, str, float], form: str = "sform") -> bytes:
    """An uncompressed file on an affine that one form says, with numbers put in where nibabel would not."""
    nifti = nib.Nifti1Image(image, affine)
    nifti.set_qform(affine, int(form == "qform"))
    nifti.set_sform(affine, int(form == "sform"))
    data = bytearray(nifti.to_bytes())
    for at, kind, value in changes:
        struct.pack_into(f"<{kind}", data, at, value)
    return bytes(data)


def big_endian(image: np.ndarray, affine: np.ndarray) -> bytes:
    return nib.Nifti1Image(image.astype(">i2"), affine, nib.Nifti1Header(endianness=">")).to_bytes()


def in_meters(image: np.ndarray, affine: np.ndarray) -> bytes:
    nifti = nib.Nifti1Image(image, np.diag([1e-3, 1e-3, 1e-3, 1]) @ affine)
    nifti.header.set_xyzt_units("meter")
    return nifti.to_bytes()


QFAC, PIXDIM, SLOPE, INTERCEPT = 76, 80, 112, 116
READ: dict[str, Content] = {
    "q-form alone": lambda image, affine: content(image, affine, form="qform"),
    "qfac 0": lambda image, affine: content(image, affine, (QFAC, "f", 0), form="qform"),
    "negative size": lambda image, affine: content(image, affine, (QFAC, "f", 0), (PIXDIM, "f", -8), form="qform"),
    "big endian": big_endian,
    "slope NaN": lambda *both: content(*both, (SLOPE, "f", np.nan), (INTERCEPT, "f", np.nan)),
    "slope 0": lambda *both: content(*both, (SLOPE, "f", 0), (INTERCEPT, "f", 7)),
}


@pytest.mark.parametrize("shear", [np.eye(4), SHEAR], ids=["upright", "sheared"])
@pytest.mark.parametrize("kind", READ)
def test_voxels_are_read_at_their_points(tmp_path: Path, make_case: Make, kind: str, shear: np.ndarray) -> None:
    image, _, affine = turned(make_case(), 20)
    if not np.array_equal(shear, np.eye(4)):
        if kind in ("q-form alone", "qfac 0", "negative size"):
            pytest.skip("a q-form cannot say a shear")
        affine = affine @ shear
    (tmp_path / "scan.nii").write_bytes(READ[kind](image, affine))
    case = load_case(tmp_path / "scan.nii")
    assert case.image is not None
    indices = np.random.default_rng(0).integers(0, image.shape, (100, 3))
    points = nib.affines.apply_affine(affine, indices)
    found = nib.affines.apply_affine(np.linalg.inv(case.affine), points)
    np.testing.assert_allclose(found, np.rint(found), atol=1e-3)
    np.testing.assert_array_equal(case.image[tuple(np.rint(found).astype(int).T)], image[tuple(indices.T)])
    np.testing.assert_allclose(case.spacing, nib.affines.voxel_sizes(affine)[::-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (in_meters, r"has voxels of 0\.008 x 0\.008 x 0\.01 mm, which no CT has"),
        (lambda *both: content(*both, (70, "h", 1), (72, "h", 1)), r"is not a readable NIfTI file \(data code 1 "),
    ],
    ids=["meters", "bool"],
)
def test_what_no_ct_holds_is_refused(tmp_path: Path, make_case: Make, make: Content, message: str) -> None:
    image, _, affine = turned(make_case())
    (tmp_path / "scan.nii").write_bytes(make(image, affine))
    with pytest.raises(InputError, match=message):
        load_case(tmp_path / "scan.nii")
