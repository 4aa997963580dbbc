"""Real faults of real data sets, a test for each kind: read right, or refused in one sentence."""

import gzip
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations
from turned import Make, turned, write_pair

from kits_msan.data.cases import IMAGE, LABEL, Case, case_name, find_cases, load_case, load_label, save_case
from kits_msan.errors import InputError, InputNote
from kits_msan.metrics import score_folders

# ---- one grid ----


@pytest.mark.parametrize("kind", ["eye", "shift", "half a voxel", "spacing", "rotation", "origin far away"])
def test_label_with_another_affine_is_refused_with_both_names_and_the_distance(
    tmp_path: Path, make_case: Make, kind: str
) -> None:
    other = turned(make_case())[2]
    other = {
        "eye": np.eye(4),
        "shift": other + np.array([[0, 0, 0, 0]] * 2 + [[0, 0, 0, 100.0], [0, 0, 0, 0]]),
        "half a voxel": other + np.array([[0, 0, 0, 4.0]] + [[0, 0, 0, 0]] * 3),
        "spacing": np.diag([-1.0, -1.0, 1.0, 1.0]),
        "rotation": turned(make_case(), 5)[2],
        "origin far away": other + np.array([[0, 0, 0, 5000.0]] + [[0, 0, 0, 0]] * 3),
    }[kind]
    write_pair(tmp_path / "case_00000", make_case(), other)
    with pytest.raises(InputError, match=r"segmentation\.nii\.gz .*imaging\.nii\.gz: .* mm apart") as error:
        load_case(tmp_path / "case_00000")
    assert "segmentation.nii.gz" in str(error.value)


def test_difference_far_below_a_voxel_is_none(tmp_path: Path, make_case: Make) -> None:
    other = turned(make_case())[2]
    other[:3, 3] += 0.5  # mm, of voxels of 8
    case = load_case(write_pair(tmp_path / "case_00000", make_case(), other))
    np.testing.assert_array_equal(case.label, make_case().label)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SAR", "IPL", "PIR"])
def test_label_stored_along_other_axes_is_turned_to_the_images_grid(
    tmp_path: Path, make_case: Make, axes: str
) -> None:
    folder = write_pair(tmp_path / "case_00000", make_case())
    label = nib.load(folder / LABEL)
    here = orientations.io_orientation(label.affine)  # type: ignore[attr-defined]
    there = orientations.axcodes2ornt(axes)
    label.as_reoriented(orientations.ornt_transform(here, there)).to_filename(folder / LABEL)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(load_case(folder).label, make_case().label)


@pytest.mark.parametrize("degrees", [44.999999, 45, 45.000001])
def test_rounding_near_45_degrees_turns_neither_image_nor_label(
    tmp_path: Path, make_case: Make, degrees: float
) -> None:
    case = make_case()
    folder = write_pair(tmp_path / "case_00000", case, turned(case, degrees - 1e-5)[2], degrees + 1e-5)
    read = load_case(folder)
    assert read.image is not None
    assert read.label is not None
    kidneys = read.image[read.label == 1]
    assert 170 < kidneys.mean() < 190  # of 180 HU, as they were painted


def test_prediction_is_scored_on_the_truths_grid(tmp_path: Path, make_case: Make) -> None:
    write_pair(tmp_path / "truth/case_00000", make_case(), degrees=45)
    shutil.copytree(tmp_path / "truth", tmp_path / "found")
    scores = score_folders(tmp_path / "found", tmp_path / "truth")
    assert scores["kidney"].tolist() == [1.0]


# ---- gzip ----


def test_a_flipped_bit_anywhere_in_gzip_is_noticed_or_changes_nothing(tmp_path: Path, make_case: Make) -> None:
    save_case(make_case(shape=(4, 16, 16)), tmp_path / "case_00000")
    path = tmp_path / "case_00000" / IMAGE
    whole, image = path.read_bytes(), load_case(tmp_path / "case_00000").image
    rng = np.random.default_rng(0)
    places = [*range(12), *rng.integers(12, len(whole) - 8, 60), *range(len(whole) - 8, len(whole))]
    refused = 0
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(load_case(tmp_path / "case_00000", label=False).image, image)
        except InputError:
            refused += 1
    assert refused >= 68  # all but the time, name and system in gzip's header


@pytest.mark.parametrize("cut", [1, 4, 7, 8, 9, 100])
def test_truncated_trailer_is_refused(tmp_path: Path, make_case: Make, cut: int) -> None:
    save_case(make_case(), tmp_path / "case_00000")
    path = tmp_path / "case_00000" / LABEL
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"segmentation\.nii\.gz is .*(truncated|damaged|ended before)"):
        load_case(tmp_path / "case_00000")


def test_stored_blocks_with_a_lost_stretch_fail_their_checksum(tmp_path: Path, make_case: Make) -> None:
    save_case(make_case(), tmp_path / "case_00000")
    path = tmp_path / "case_00000" / IMAGE
    packed = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), 0))
    packed[5000:6000] = bytes(1000)
    path.write_bytes(packed)
    with pytest.raises(InputError, match="CRC check failed"):
        load_case(tmp_path / "case_00000")


def test_bytes_after_gzip_are_refused_and_a_second_member_is_read(tmp_path: Path, make_case: Make) -> None:
    save_case(make_case(), tmp_path / "case_00000")
    path = tmp_path / "case_00000" / IMAGE
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw[:700]) + gzip.compress(raw[700:]))
    np.testing.assert_array_equal(load_case(tmp_path / "case_00000").image, make_case().image)
    path.write_bytes(gzip.compress(raw) + b"left over")
    with pytest.raises(InputError, match="is truncated or damaged"):
        load_case(tmp_path / "case_00000")


@pytest.mark.parametrize("name", ["plain.nii.gz", "packed.nii", "scan.NII.GZ", "scan.Nii"])
def test_content_and_not_the_name_says_whether_it_is_gzip(tmp_path: Path, make_case: Make, name: str) -> None:
    image, _, affine = turned(make_case())
    content = nib.Nifti1Image(image, affine).to_bytes()
    (tmp_path / name).write_bytes(content if name.startswith("plain") else gzip.compress(content))
    assert find_cases(tmp_path) == [tmp_path / name]
    np.testing.assert_array_equal(load_case(tmp_path / name).image, make_case().image)
    assert case_name(tmp_path / name) == name.partition(".")[0]


# ---- orientation that the header leaves open ----


def scan_with(path: Path, case: Case, **fields: float) -> Path:
    image, _, affine = turned(case)
    nifti = nib.Nifti1Image(image, affine)
    nifti.set_qform(affine, 1)
    nifti.set_sform(affine, 1)
    for name, value in fields.items():
        nifti.header[name] = value
    content = bytearray(nifti.to_bytes())
    for name, at in (("qform_code", 252), ("sform_code", 254)):
        if name in fields:  # as nibabel would not write it
            content[at : at + 2] = int(fields[name]).to_bytes(2, "little")
    path.write_bytes(content)
    return path


def test_both_orientation_codes_zero_is_said(tmp_path: Path, make_case: Make) -> None:
    path = scan_with(tmp_path / "scan.nii", make_case(), qform_code=0, sform_code=0)
    with pytest.warns(InputNote, match=r"scan\.nii does not say how the patient lay .* taken as LAS"):
        load_case(path)


def test_empty_s_form_gives_way_to_a_good_q_form(tmp_path: Path, make_case: Make) -> None:
    path = scan_with(tmp_path / "scan.nii", make_case())
    content = bytearray(path.read_bytes())
    content[280:328] = bytes(48)
    path.write_bytes(content)
    with pytest.warns(InputNote, match="its q-form says where it lies"):
        case = load_case(path)
    np.testing.assert_array_equal(case.image, make_case().image)


def test_two_orientations_that_differ_are_said(tmp_path: Path, make_case: Make) -> None:
    path = scan_with(tmp_path / "scan.nii", make_case(), qoffset_x=200)
    content = bytearray(path.read_bytes())
    content[268:272] = np.array(200, "<f4").tobytes()
    path.write_bytes(content)
    with pytest.warns(InputNote, match=r"two orientations, up to 100\.0 mm apart; its s-form is taken"):
        load_case(path)


# ---- labels ----


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.4, "holds 0.4, which is no label"),
        (1.5, "holds 1.5, which is no label"),
        (-1, "holds the label -1"),
        (3, "holds the label 3; .* --cyst kidney"),
        (4, "holds the label 4;"),
        (255, "holds the label 255"),
        (300, "holds the label 300"),
        (np.nan, "holds NaN or infinite labels"),
    ],
)
def test_value_that_is_no_label_is_named(tmp_path: Path, make_case: Make, value: float, message: str) -> None:
    _, label, affine = turned(make_case())
    label = label.astype(np.float32)
    label[3, 3, 3] = value
    nib.Nifti1Image(label, affine).to_filename(tmp_path / "label.nii.gz")
    with pytest.raises(InputError, match=message):
        load_label(tmp_path / "label.nii.gz")


@pytest.mark.parametrize(("cyst", "value"), [("kidney", 1), ("tumor", 2)])
def test_cyst_counts_as_what_is_asked_for(tmp_path: Path, make_case: Make, cyst: str, value: int) -> None:
    _, label, affine = turned(make_case())
    label = label.copy()
    label[label == 2] = 3
    nib.Nifti1Image(label, affine).to_filename(tmp_path / "label.nii.gz")
    read = load_label(tmp_path / "label.nii.gz", cyst=cyst).label  # type: ignore[arg-type]
    true = make_case().label
    assert true is not None
    np.testing.assert_array_equal(read, np.where(true == 2, value, true))
