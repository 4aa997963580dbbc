"""Cases read and written: axes, number types, names."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from volumes import SHAPE, SPACING, affine, labels, load, slope_of, volume, write

from kits_msan.data.cases import (
    IMAGE,
    LABEL,
    Case,
    case_name,
    find_cases,
    kits_affine,
    load_case,
    load_label,
    save_case,
    save_segmentation,
    window,
)
from kits_msan.errors import InputError

AXES = ["IPL", "RAS", "LPS", "LPI", "SAR", "PIR", "ALI"]
TILTS = [0, 20]  # degrees


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("axes", AXES)
def test_any_axis_order_is_read_as_kits19s(tmp_path: Path, axes: str, tilt: float) -> None:
    stored = write(tmp_path / "scan.nii.gz", volume(), axes, tilt)
    assert "".join(nib.aff2axcodes(stored.affine)) == axes
    case = load_case(tmp_path / "scan.nii.gz")
    assert case.image is not None
    np.testing.assert_array_equal(case.image, volume())
    assert case.image.dtype == np.int16
    assert case.label is None
    assert case.name == "scan"
    np.testing.assert_allclose(case.spacing, SPACING, rtol=1e-6)
    np.testing.assert_allclose(case.affine, affine(tilt), atol=1e-4)


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("axes", AXES)
def test_segmentation_is_written_on_the_grid_of_the_file(tmp_path: Path, axes: str, tilt: float) -> None:
    stored = write(tmp_path / "scan.nii.gz", volume(), axes, tilt)
    wanted = write(tmp_path / "wanted.nii.gz", labels(), axes, tilt)
    save_segmentation(labels(), load_case(tmp_path / "scan.nii.gz"), tmp_path / "out" / LABEL)
    written = load(tmp_path / "out" / LABEL)
    np.testing.assert_array_equal(np.asarray(written.dataobj), np.asarray(wanted.dataobj))
    assert written.get_data_dtype() == np.uint8
    assert written.shape == stored.shape
    np.testing.assert_array_equal(written.affine, load(tmp_path / "scan.nii.gz").affine)
    assert written.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_array_equal(written.header.get_zooms(), stored.header.get_zooms())
    for form in ("sform", "qform"):
        assert written.header[f"{form}_code"] == stored.header[f"{form}_code"]
    read = load_label(tmp_path / "out" / LABEL)
    np.testing.assert_array_equal(read.label, labels())


@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"),
    [
        (np.int16, 1, 0),
        (np.int32, 1, 0),
        (np.float32, 1, 0),
        (np.float64, 1, 0),
        (np.uint16, 1, -1024),  # as many converters of DICOM write CT
        (np.uint8, 4, -500),
        (np.int16, 0.25, -30),
    ],
)
@pytest.mark.parametrize("axes", ["IPL", "RAS"])
def test_any_number_type_is_read_as_whole_hounsfield_units(
    tmp_path: Path, axes: str, dtype: type, slope: float, intercept: float
) -> None:
    stored = np.random.default_rng(1).integers(0, 250 if dtype is np.uint8 else 2000, SHAPE)
    if slope == 1 and intercept == 0:
        stored -= 100
    units = stored * float(slope) + intercept
    if np.issubdtype(dtype, np.floating):
        units += 0.3
    path = tmp_path / "scan.nii.gz"
    image = write(path, units if np.issubdtype(dtype, np.floating) else stored.astype(dtype), axes)
    image.set_data_dtype(dtype)
    image.header.set_slope_inter(slope, intercept)
    image.to_filename(path)
    on_disk = load(path)
    assert (on_disk.get_data_dtype(), slope_of(path)) == (dtype, (slope, intercept))
    case = load_case(path)
    assert case.image is not None
    assert case.image.dtype == np.int16
    np.testing.assert_array_equal(case.image, np.rint(units).astype(np.int16))
    save_segmentation(labels(), case, tmp_path / "out.nii.gz")  # the CT's scaling must not touch labels
    np.testing.assert_array_equal(load_label(tmp_path / "out.nii.gz").label, labels())
    assert slope_of(tmp_path / "out.nii.gz") == (1, 0)


def test_values_beyond_int16_are_clipped(tmp_path: Path) -> None:
    image = volume().astype(np.int32)
    image[0, 0, 0], image[0, 0, 1] = 70_000, -70_000
    write(tmp_path / "scan.nii.gz", image)
    read = load_case(tmp_path / "scan.nii.gz").image
    assert read is not None
    assert (read[0, 0, 0], read[0, 0, 1]) == (32767, -32768)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_labels_of_any_number_type_are_read_as_uint8(tmp_path: Path, dtype: type) -> None:
    write(tmp_path / "case_00003" / LABEL, labels().astype(dtype))
    case = load_case(tmp_path / "case_00003")
    assert case.image is None
    assert case.label is not None
    assert case.label.dtype == np.uint8
    np.testing.assert_array_equal(case.label, labels())
    assert (case.name, case.shape) == ("case_00003", SHAPE)


def test_uncompressed_and_second_nifti_version_are_read(tmp_path: Path) -> None:
    write(tmp_path / "scan.nii", volume())
    nib.Nifti2Image(volume(), affine(0)).to_filename(tmp_path / "two.nii.gz")
    for name in ("scan.nii", "two.nii.gz"):
        np.testing.assert_array_equal(load_case(tmp_path / name).image, volume())


def test_trailing_axes_of_one_are_no_fourth_dimension(tmp_path: Path) -> None:
    nib.Nifti1Image(volume().transpose(2, 1, 0)[..., None], np.diag([0.5, 0.75, 3, 1])).to_filename(
        tmp_path / "scan.nii.gz"
    )
    case = load_case(tmp_path / "scan.nii.gz")  # RAS: all three axes run the other way
    np.testing.assert_array_equal(case.image, volume()[::-1, ::-1, ::-1])


@pytest.mark.slow
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3).filter(lambda shape: max(shape) > 1),
    order=st.permutations("IPL"),
    flips=st.tuples(*[st.booleans()] * 3),
)
def test_round_trip_through_any_axis_order(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, int, int], order: list[str], flips: tuple[bool, ...]
) -> None:
    opposite = {"I": "S", "P": "A", "L": "R"}
    axes = "".join(opposite[code] if flip else code for code, flip in zip(order, flips, strict=True))
    folder = tmp_path_factory.mktemp("trip")
    image = np.arange(np.prod(shape)).reshape(shape).astype(np.int16) - 150
    label = (image % 3).astype(np.uint8)
    write(folder / "scan.nii", image, axes)
    case = load_case(folder / "scan.nii")
    np.testing.assert_array_equal(case.image, image)
    save_segmentation(label, case, folder / "out.nii")
    np.testing.assert_array_equal(load_label(folder / "out.nii").label, label)


def test_made_case_round_trip(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    case = make_case("case_00042", spacing=(3.0, 0.5, 0.75))
    save_case(case, tmp_path / "case_00042")
    read = load_case(tmp_path / "case_00042")
    np.testing.assert_array_equal(read.image, case.image)
    np.testing.assert_array_equal(read.label, case.label)
    np.testing.assert_allclose(read.affine, case.affine)
    assert (read.name, read.spacing, read.shape) == ("case_00042", (3.0, 0.5, 0.75), case.shape)
    stored = load(tmp_path / "case_00042" / IMAGE)
    assert (stored.shape, "".join(nib.aff2axcodes(stored.affine))) == (case.shape, "IPL")  # as KiTS19 lies on disk
    assert stored.get_data_dtype() == np.int16
    assert load(tmp_path / "case_00042" / LABEL).get_data_dtype() == np.uint8
    assert load_case(tmp_path / "case_00042", label=False).label is None
    for labels_alone in (tmp_path / "case_00042", tmp_path / "case_00042" / LABEL):
        read = load_case(labels_alone, image=False)
        assert read.image is None
        np.testing.assert_array_equal(read.label, case.label)


def test_one_of_image_and_label_must_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither image nor label is to be read; leave one of them True"):
        load_case(tmp_path, image=False, label=False)


def test_display_range_of_the_ct_is_not_passed_on(tmp_path: Path) -> None:
    image = write(tmp_path / "scan.nii.gz", volume())
    image.header["cal_min"], image.header["cal_max"] = -200, 500
    image.to_filename(tmp_path / "scan.nii.gz")
    save_segmentation(labels(), load_case(tmp_path / "scan.nii.gz"), tmp_path / "out.nii.gz")
    header = load(tmp_path / "out.nii.gz").header
    assert (header["cal_min"], header["cal_max"], bytes(header["descrip"]).rstrip(b"\0")) == (0, 0, b"made up")


def test_segmentation_of_another_shape_is_refused(tmp_path: Path, make_case: Callable[..., Case]) -> None:
    with pytest.raises(InputError, match=r"labels of shape \(2, 2, 2\) do not fit case_00000"):
        save_segmentation(np.zeros((2, 2, 2), np.uint8), make_case(), tmp_path / "out.nii.gz")
    assert not any(tmp_path.iterdir())


def test_cases_are_found_sorted_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("case_00010", "case_00002", ".tmp-half"):
        write(tmp_path / name / LABEL, labels())
    write(tmp_path / "scan.nii", volume())
    (tmp_path / "split.json").write_text("{}", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    found = [tmp_path / name for name in ("case_00002", "case_00010", "scan.nii")]
    assert find_cases(tmp_path) == found
    assert find_cases(found[0]) == found[:1]
    assert find_cases(found[2]) == found[2:]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/case_00042", "case_00042"),
        ("data/case_00042/", "case_00042"),
        ("scan.nii.gz", "scan"),
        ("a.b/scan.1.nii", "scan.1"),
        ("scan.gz", "scan.gz"),
    ],
)
def test_case_name(path: str, name: str) -> None:
    assert case_name(path) == name


def test_window_clips_and_scales() -> None:
    image = np.array([-1000, -200, 150, 500, 3000], np.int16)
    np.testing.assert_allclose(window(image), [0, 0, 0.5, 1, 1])
    assert window(image).dtype == np.float32
    np.testing.assert_allclose(window(image, (0, 300)), [0, 0, 0.5, 1, 1])


def test_case_without_image_has_its_labels_shape(make_case: Callable[..., Case]) -> None:
    case = make_case()
    assert replace(case, image=None).shape == case.shape == (12, 36, 34)
    assert case.with_label(None).label is None


def test_affine_of_made_cases_is_kits19s() -> None:
    assert kits_affine((3.0, 0.5, 0.75)).tolist() == [
        [0, 0, -0.75, 0],
        [0, -0.5, 0, 0],
        [-3, 0, 0, 0],
        [0, 0, 0, 1],
    ]
