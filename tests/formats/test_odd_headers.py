"""NIfTI headers that are rare and allowed: each voxel is found where the standard puts it, or refused."""

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from turned import Make, turned

from kits_msan.data.cases import load_case, save_case
from kits_msan.errors import InputError, InputNote
from kits_msan.formats.grids import to_kits_order
from kits_msan.formats.nifti import new_header

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
        (lambda *both: content(*both, (108, "f", 0)), r"\(vox offset 0 too low for single file\)"),
    ],
    ids=["meters", "bool", "no offset"],
)
def test_what_no_ct_holds_is_refused(tmp_path: Path, make_case: Make, make: Content, message: str) -> None:
    image, _, affine = turned(make_case())
    (tmp_path / "scan.nii").write_bytes(make(image, affine))
    with pytest.raises(InputError, match=message):
        load_case(tmp_path / "scan.nii")


@pytest.mark.parametrize(
    ("affine", "unit", "says"),
    [
        (np.eye(4), "mm", "lies at 0 with voxels of just 1 mm, axes RAS, as where the geometry was lost"),
        (np.diag([-1.0, -1, 1, 1]), "mm", "lies at 0 with voxels of just 1 mm, axes LPS"),
        (np.diag([8.0, 8, 10, 1]) @ SHEAR, "mm", "has axes 13 degrees off a right angle, as after a tilted gantry"),
        (np.diag([0.8, 0.8, 1, 1]), "mm", "spans only 10 x 29 x 34 mm"),
        (np.diag([40.0, 35, 30, 1]), "mm", "spans .* mm; no body is so wide, so its voxel sizes may be wrong"),
        (np.diag([8.0, 8, 10, 1]), "meter", "says that its lengths are in meters; they are taken as millimeters"),
    ],
)
def test_what_is_hardly_true_of_a_grid_is_said(
    tmp_path: Path, make_case: Make, affine: np.ndarray, unit: str, says: str
) -> None:
    nifti = nib.Nifti1Image(make_case().image, affine)
    nifti.header.set_xyzt_units(unit)
    nifti.to_filename(tmp_path / "scan.nii")
    with pytest.warns(InputNote, match=says):
        load_case(tmp_path / "scan.nii")


@pytest.mark.parametrize("angles", [(45, 0, 0), (0, 45, 45), (0, 90, 45), (45, 45, 45), (90, 135, 45)])
def test_rounding_does_not_choose_the_axes_of_a_grid_at_45_degrees(angles: tuple[int, ...]) -> None:
    found = set()
    for nudge in (np.zeros((3, 3)), *(np.random.default_rng(seed).normal(0, 1e-12, (3, 3)) for seed in range(20))):
        affine = np.diag([0.7, 0.7, 5, 1])
        affine[:3, :3] = (nib.eulerangles.euler2mat(*np.deg2rad(angles)) + nudge) @ affine[:3, :3]
        found.add(to_kits_order(new_header((9, 8, 7), affine)).tobytes())
    assert len(found) == 1


@pytest.mark.filterwarnings("error")
def test_sizes_that_no_float_holds_print_no_warning(tmp_path: Path, make_case: Make) -> None:
    image, _, affine = turned(make_case())
    data = bytearray(content(image, affine, (PIXDIM, "f", np.inf)))
    data[252:254] = b"\1\0"  # a q-form of infinite voxels beside the s-form
    (tmp_path / "scan.nii").write_bytes(data)
    np.testing.assert_array_equal(load_case(tmp_path / "scan.nii").image, make_case().image)


def test_two_axes_are_refused_as_such(tmp_path: Path) -> None:
    flat = nib.Nifti1Image(np.zeros((9, 8), np.int16), np.diag([2.0, 3, 4, 1]))
    flat.set_qform(flat.affine, 1)
    flat.to_filename(tmp_path / "flat.nii")
    with pytest.raises(InputError, match=r"has shape \(9, 8\), but a CT volume has three axes"):
        load_case(tmp_path / "flat.nii")


def test_a_side_that_is_too_long_is_named(tmp_path: Path) -> None:
    nib.Nifti1Image(np.zeros((2, 2, 60), np.int16), np.diag([3.0, 3, 99, 1])).to_filename(tmp_path / "long.nii")
    with pytest.raises(InputError, match=r"spans 6 x 6 x 5940 mm, which no CT does; export it anew with its geom"):
        load_case(tmp_path / "long.nii")


def test_nothing_is_said_of_an_ordinary_grid(tmp_path: Path, make_case: Make) -> None:
    save_case(make_case(), tmp_path / "case_00000")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_case(tmp_path / "case_00000")
