"""What the headers of .mha and .nrrd say beside the grid, and whether the voxels after them are whole."""

import gzip
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from turned import Make, written

from kits_msan.data.cases import load_case, load_label
from kits_msan.errors import InputError, InputNote
from kits_msan.formats.text_headers import header_of


def changed(path: Path, *changes: tuple[bytes, bytes]) -> Path:
    """The file with what matches patterns in its header replaced, each once."""
    content = path.read_bytes()
    for old, new in changes:
        content, count = re.subn(old, new, content, count=1)
        assert count == 1, old
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd"])
def test_a_flipped_bit_in_packed_voxels_is_noticed(
    tmp_path: Path, make_case: Make, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = written(tmp_path / "in" / name, make_case(shape=(6, 24, 24)), packed=True).read_bytes()
    load_case(tmp_path / "in" / name)
    capfd.readouterr()
    for back in (3, 60, 700):  # the checksum, the voxels' end, their middle
        damaged = bytearray(whole)
        damaged[-back] ^= 16
        (tmp_path / "in" / name).write_bytes(damaged)
        with pytest.raises(InputError, match=r"is (truncated or damaged|not a readable volume)"):
            load_case(tmp_path / "in" / name)
    assert capfd.readouterr().err == ""


def test_nrrd_of_several_gzip_members_is_read(tmp_path: Path, make_case: Make) -> None:
    """As `cat` of files that were packed one by one."""
    scan = written(tmp_path / "scan.nrrd", make_case(shape=(6, 24, 24)), packed=True)
    _, start = header_of(scan)
    header, voxels = scan.read_bytes()[:start], gzip.decompress(scan.read_bytes()[start:])
    members = [gzip.compress(part) for part in (voxels[:700], voxels[700:702], voxels[702:])]
    scan.write_bytes(header + b"".join(members))
    np.testing.assert_array_equal(load_case(scan).image, make_case(shape=(6, 24, 24)).image)
    scan.write_bytes(header + b"".join(members)[:-2])
    with pytest.raises(InputError, match="is truncated or damaged"):
        load_case(scan)


LINES = [(rb"space: .*\n", b""), (rb"space origin: .*\n", b""), (rb"space directions: .*\n", b"spacings: 8 8 10\n")]


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("scan.mha", [(b"NDims", b"DistanceUnits = um\nNDims")], "lengths are in um; they are taken as millimeters"),
        ("scan.mha", [(b"NDims", b"ElementToIntensityFunctionSlope = 2\nNDims")], "rescaled .* taken as stored"),
        (
            "scan.mha",
            [(rb"TransformMatrix = .*\n", b"")],
            "does not say how the patient lay; its axes are taken as LPS",
        ),
        ("scan.nrrd", [(b"left-posterior-superior", b"scanner-xyz")], "does not say how the patient lay; .* as LPS"),
        ("scan.nrrd", [(b"left-posterior-superior", b"3D-right-handed")], "does not say how the patient lay"),
        (
            "scan.nrrd",
            [(rb"space: .*", b"space dimension: 3"), LINES[1]],
            "does not say how the patient lay; .* as LPS",
        ),
        ("scan.nrrd", LINES, "does not say how the patient lay; .* as LPS"),
        (
            "scan.nrrd",
            [(b"encoding:", b'space units: "cm" "cm" "cm"\nencoding:')],
            "lengths are in cm; they are taken",
        ),
    ],
)
def test_what_simpleitk_passes_over_is_said(
    tmp_path: Path, make_case: Make, name: str, changes: list[tuple[bytes, bytes]], says: str
) -> None:
    path = changed(written(tmp_path / "in" / name, make_case()), *changes)
    with pytest.warns(InputNote, match=says):
        load_case(path)


def test_units_and_scales_that_change_nothing_are_not_spoken_of(tmp_path: Path, make_case: Make) -> None:
    plain = b"DistanceUnits = mm\nElementToIntensityFunctionSlope = 1\nElementToIntensityFunctionOffset = 0\nNDims"
    changed(written(tmp_path / "in/scan.mha", make_case()), (b"NDims", plain))
    written(tmp_path / "in/scan.nrrd", make_case())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("scan.mha", "scan.nrrd"):
            load_case(tmp_path / "in" / name)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("scan.mha", b"ElementSpacing", b"Comment", "does not say how long its voxels are along each axis"),
        ("scan.nrrd", b"space directions", b"# directions", "does not say how long"),
        (
            "scan.nrrd",
            b"space directions",
            b"axis mins: 0 0 0\naxis maxs: 9 9 9\n# directions",
            "does not say how long",
        ),
        ("scan.nrrd", rb"(space directions: .*)\(\S+\)\n", rb"\1none\n", "does not say how long"),
        ("scan.nrrd", rb"(space directions: .*)\(\S+\)\n", rb"\1(nan,nan,nan)\n", "does not say how long"),
        ("scan.mha", b"= LOCAL", b"= scan.raw", r"is a header alone, .* in another file \(scan\.raw\); save both"),
        ("scan.nrrd", b"encoding:", b"data file: scan.raw\nencoding:", r"is a header alone, .* \(scan\.raw\)"),
    ],
)
def test_what_a_header_lacks_is_not_made_up(
    tmp_path: Path, make_case: Make, name: str, old: bytes, new: bytes, says: str
) -> None:
    path = changed(written(tmp_path / "in" / name, make_case()), (old, new))
    with pytest.raises(InputError, match=f"{name} {says}"):
        load_case(path)


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
    path = written(tmp_path / "in/label.nrrd", make_case(), label=True)
    lines = "".join(f"Segment{i}_Name:={name}\nSegment{i}_LabelValue:={i + 1}\n" for i, name in enumerate(names))
    changed(path, (b"encoding:", lines.encode() + b"encoding:"))
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(load_label(path).label, make_case().label)
    told = [str(one.message) for one in notes]
    expected = (
        f"{path} names its labels 1 {names[0]}, 2 {names[1]}; they are taken by number, as 1 kidney and 2 tumor."
    )
    assert told == [expected] * said
