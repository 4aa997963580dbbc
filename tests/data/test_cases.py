import gzip
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel import orientations

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

SHAPE, SPACING = (20, 7, 5), (3.0, 0.75, 0.5)  # all different, and more slices than are read at once
AXES = ["IPL", "RAS", "LPS", "LPI", "SAR", "PIR", "ALI"]
TILTS = [0, 20]  # degrees


def volume() -> np.ndarray:
    """(D, H, W) int16 in which every voxel has a value of its own, from -340 to 359."""
    return (np.arange(np.prod(SHAPE)) - 340).reshape(SHAPE).astype(np.int16)


def labels() -> np.ndarray:
    """(D, H, W) uint8, without any symmetry."""
    return np.random.default_rng(0).integers(0, 3, SHAPE).astype(np.uint8)


def affine(tilt: float) -> np.ndarray:
    """IPL, turned by `tilt` degrees about the patient's left-right axis, with an origin."""
    cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    out = kits_affine(SPACING)
    out[:3, :3] = turn @ out[:3, :3]
    out[:3, 3] = 90, -40, 300
    return out


def load(path: Path) -> nib.Nifti1Image:
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image


def slope_of(path: Path) -> tuple[float, float]:
    proxy = load(path).dataobj
    assert isinstance(proxy, nib.arrayproxy.ArrayProxy)
    return proxy.slope, proxy.inter


def write(path: Path, array: np.ndarray, axes: str = "IPL", tilt: float = 0) -> nib.Nifti1Image:
    """A (D, H, W) array as NIfTI with other axes, by nibabel's own means; with units and a description."""
    image = nib.Nifti1Image(array, affine(tilt))
    there = orientations.axcodes2ornt(axes)
    image = image.as_reoriented(orientations.ornt_transform(orientations.axcodes2ornt("IPL"), there))
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"made up"
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return image


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
    assert load_case(tmp_path / "case_00042", image=False).image is None


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


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=0)


def nifti(array: np.ndarray, row: float | None = None, origin: float | None = None) -> bytes:
    """`row`: what stands in the affine's second row instead of numbers that make sense; `origin`: at its end."""
    content = bytearray(nib.Nifti1Image(array, affine(0)).to_bytes())
    if row is not None:
        content[296:312] = np.full(4, row, "<f4").tobytes()
    if origin is not None:
        content[308:312] = np.array(origin, "<f4").tobytes()
    return bytes(content)


def with_value(value: float) -> np.ndarray:
    image = volume().astype(np.float32)
    image[-1, -1, -1] = value
    return image


NOISE = np.random.default_rng(2).integers(-1000, 1000, (40, 30, 30)).astype(np.int16)
BAD_IMAGES = {  # file name, content, what the message says
    "not-nifti-name": ("scan.png", b"x", "is not a NIfTI file; its name must end in"),
    "empty": ("scan.nii.gz", b"", "is not a readable NIfTI file"),
    "text": ("scan.nii", b"no header at all" * 40, "is not a readable NIfTI file"),
    "text-in-gzip": ("scan.nii.gz", gzipped(b"no header at all" * 40), "is not a readable NIfTI file"),
    "truncated-gzip": ("scan.nii.gz", gzip.compress(nifti(NOISE))[:20_000], "is truncated or damaged"),
    "truncated-plain": ("scan.nii", nifti(NOISE)[:20_000], "is truncated: it is too short"),
    "truncated-header": ("scan.nii", nifti(NOISE)[:200], "is not a readable NIfTI file"),
    "two-axes": ("scan.nii.gz", gzipped(nifti(volume()[0])), "has shape .* three axes"),
    "four-axes": ("scan.nii.gz", gzipped(nifti(np.stack([volume()] * 2, axis=-1))), "has shape .* three axes"),
    "nan": ("scan.nii.gz", gzipped(nifti(with_value(np.nan))), "holds NaN or infinite voxels"),
    "infinite": ("scan.nii.gz", gzipped(nifti(with_value(-np.inf))), "holds NaN or infinite voxels"),
    "air": ("scan.nii.gz", gzipped(nifti(np.full(SHAPE, -1000, np.int16))), "holds only air"),
    "constant": ("scan.nii.gz", gzipped(nifti(np.full(SHAPE, 40, np.int16))), "holds the value 40 in every voxel"),
    "photo": (
        "scan.nii.gz",
        gzipped(nifti(np.abs(volume() % 256).astype(np.uint8))),
        "has values 0 to 255, so it is",
    ),
    "colors": ("scan.nii", nifti(np.zeros(SHAPE, [(c, "u1") for c in "RGB"])), "holds colors or complex numbers"),
    "thick": ("scan.nii", nifti(volume(), 1e4), r"has voxels of .* mm, which no CT has"),
    "far": ("scan.nii", nifti(volume(), origin=1e9), "farther from its origin than any scanner"),
    "no-hounsfield": ("scan.nii.gz", gzipped(nifti(volume() + np.int16(340))), "not in Hounsfield units"),
    "singular": ("scan.nii", nifti(volume(), 0), "NIfTI file|which no CT has"),
    "affine-nan": ("scan.nii", nifti(volume(), np.nan), "affine that is not finite"),
}


@pytest.mark.parametrize("bad", BAD_IMAGES)
def test_bad_image_is_named_in_one_sentence(tmp_path: Path, bad: str) -> None:
    name, content, message = BAD_IMAGES[bad]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load_case(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_header_that_claims_more_than_the_file_can_hold_takes_no_memory(tmp_path: Path) -> None:
    image = nib.Nifti1Image(volume(), np.diag([0.1, 0.1, 0.1, 1]))
    content = bytearray(image.to_bytes())
    content[42:48] = np.array([30_000] * 3, "<i2").tobytes()  # 54 TB, though only 3 m a side
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(InputError, match="is truncated: it is too short"):
        load_case(tmp_path / "scan.nii.gz")


def test_extension_that_claims_more_than_the_file_can_hold_takes_no_memory(tmp_path: Path) -> None:
    content = bytearray(nib.Nifti1Image(volume(), affine(0)).to_bytes())
    content[108:112] = np.array(368, "<f4").tobytes()  # voxels begin 16 bytes later
    content[348:352] = bytes([1, 0, 0, 0])
    content[352:352] = np.array([2**31 - 16, 6], "<i4").tobytes() + bytes(8)
    (tmp_path / "scan.nii").write_bytes(content)
    tracemalloc.start()
    np.testing.assert_array_equal(load_case(tmp_path / "scan.nii").image, volume())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_segmentation_of_the_second_nifti_version_is_of_it_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nib.Nifti2Image(volume(), affine(0)).to_filename(tmp_path / "two.nii.gz")
    save_segmentation(labels(), load_case(tmp_path / "two.nii.gz"), tmp_path / "out.nii.gz")
    assert isinstance(load(tmp_path / "out.nii.gz"), nib.Nifti2Image)
    np.testing.assert_array_equal(load_label(tmp_path / "out.nii.gz").label, labels())
    assert not caplog.records  # nibabel has nothing to remark


def test_label_and_image_of_different_shape(tmp_path: Path) -> None:
    write(tmp_path / "case_00000" / IMAGE, volume())
    write(tmp_path / "case_00000" / LABEL, labels()[1:])
    with pytest.raises(InputError, match=r"segmentation.nii.gz has shape \(19, 7, 5\).*\(20, 7, 5\)"):
        load_case(tmp_path / "case_00000")
    assert load_case(tmp_path / "case_00000", label=False).shape == SHAPE


def test_label_beyond_tumor(tmp_path: Path) -> None:
    write(tmp_path / "case_00000" / LABEL, labels() + np.uint8(1))
    with pytest.raises(InputError, match="holds the label 3; labels are 0, 1"):
        load_case(tmp_path / "case_00000")


@pytest.mark.parametrize("function", [load_case, load_label, find_cases])
def test_missing_path(tmp_path: Path, function: Callable[[Path], object]) -> None:
    with pytest.raises(InputError, match="absent does not exist"):
        function(tmp_path / "absent")


@pytest.mark.parametrize("function", [load_case, load_label, find_cases])
def test_folder_without_a_case(tmp_path: Path, function: Callable[[Path], object]) -> None:
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="holds no"):
        function(tmp_path)


def test_case_that_lacks_what_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "case_00000" / LABEL, labels())
    with pytest.raises(InputError, match=r"holds no imaging\.nii\.gz;"):
        load_case(tmp_path / "case_00000", label=False)


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
