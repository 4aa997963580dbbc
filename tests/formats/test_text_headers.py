"""What the headers of .mha and .nrrd say beside the grid, and whether the voxels after them are whole."""

import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from turned import Make, turned

from kits_msan.data.cases import Case, load_case, load_label
from kits_msan.errors import InputError, InputNote


def written(path: Path, case: Case, label: bool = False) -> Path:
    """The image of a case, or its label, packed."""
    image, mask, affine = turned(case)
    nib.Nifti1Image(mask if label else image, affine).to_filename(path.with_name("true.nii.gz"))
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path.with_name("true.nii.gz"))), str(path), True)
    return path


def changed(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd"])
def test_a_flipped_bit_in_packed_voxels_is_noticed(
    tmp_path: Path, make_case: Make, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = written(tmp_path / name, make_case(shape=(6, 24, 24))).read_bytes()
    load_case(tmp_path / name)
    capfd.readouterr()
    for back in (3, 60, 700):  # the checksum, the voxels' end, their middle
        damaged = bytearray(whole)
        damaged[-back] ^= 16
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(InputError, match=r"is (truncated or damaged|not a readable volume)"):
            load_case(tmp_path / name)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("scan.mha", b"NDims", b"DistanceUnits = um\nNDims", "lengths are in um; they are taken as millimeters"),
        (
            "scan.mha",
            b"NDims",
            b"ElementToIntensityFunctionSlope = 2\nNDims",
            "are to be rescaled .* taken as stored",
        ),
        ("scan.nrrd", b"left-posterior-superior", b"scanner-xyz", "does not say how the patient lay; .* as LPS"),
        ("scan.nrrd", b"left-posterior-superior", b"3D-right-handed", "does not say how the patient lay"),
    ],
)
def test_what_simpleitk_passes_over_is_said(
    tmp_path: Path, make_case: Make, name: str, old: bytes, new: bytes, says: str
) -> None:
    changed(written(tmp_path / name, make_case()), old, new)
    with pytest.warns(InputNote, match=says):
        load_case(tmp_path / name)


def test_units_and_scales_that_change_nothing_are_not_spoken_of(tmp_path: Path, make_case: Make) -> None:
    plain = b"DistanceUnits = mm\nElementToIntensityFunctionSlope = 1\nElementToIntensityFunctionOffset = 0\nNDims"
    changed(written(tmp_path / "scan.mha", make_case()), b"NDims", plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_case(tmp_path / "scan.mha")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("scan.mha", b"ElementSpacing", b"Comment"),
        ("scan.nrrd", b"space directions", b"# directions"),
        ("scan.nrrd", b"space directions", b"axis mins: 0 0 0\naxis maxs: 90 90 90\n# directions"),
    ],
)
def test_a_header_without_a_spacing_is_refused(
    tmp_path: Path, make_case: Make, name: str, old: bytes, new: bytes
) -> None:
    changed(written(tmp_path / name, make_case()), old, new)
    with pytest.raises(InputError, match=rf"{name} does not say how long its voxels are along each axis"):
        load_case(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("scan.mha", b"= LOCAL", b"= scan.raw"), ("scan.nrrd", b"encoding:", b"data file: scan.raw\nencoding:")],
)
def test_a_header_alone_is_told_which_file_it_lacks(
    tmp_path: Path, make_case: Make, name: str, old: bytes, new: bytes
) -> None:
    changed(written(tmp_path / name, make_case()), old, new)
    with pytest.raises(InputError, match=rf"{name} is a header alone, .* in another file \(scan\.raw\); save both"):
        load_case(tmp_path / name)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("kidney", "tumor"), False),
        (("Segment_1", "Segment_2"), False),
        (("tumor", "kidney"), True),
        (("left kidney", "right kidney"), True),
    ],
)
def test_names_of_labels_that_are_not_their_numbers_are_said(
    tmp_path: Path, make_case: Make, names: tuple[str, str], said: bool
) -> None:
    path = written(tmp_path / "label.nrrd", make_case(), label=True)
    lines = "".join(f"Segment{i}_Name:={name}\nSegment{i}_LabelValue:={i + 1}\n" for i, name in enumerate(names))
    changed(path, b"encoding:", lines.encode() + b"encoding:")
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(load_label(path).label, make_case().label)
    told = [str(one.message) for one in notes]
    expected = (
        f"{path} names its labels 1 {names[0]}, 2 {names[1]}; they are taken by number, as 1 kidney and 2 tumor."
    )
    assert told == [expected] * said
