"""Formats other than NIfTI and DICOM: read on the same points, or refused."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from turned import Make, turned, written

from kits_msan.data.cases import find_cases, load_case, save_segmentation
from kits_msan.errors import InputError, InputNote


@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd", "scan.hdr", "scan.MHA", ".mha", ".nrrd"])
def test_other_formats_are_read_on_the_same_points(tmp_path: Path, make_case: Make, name: str) -> None:
    path = tmp_path / "in" / name
    ending = name.lower().rpartition(".")[2].replace("hdr", "mha")
    written(path.with_name(f"scan.{ending}"), make_case(), degrees=10).rename(path)
    if name == "scan.hdr":
        image, _, affine = turned(make_case(), 10)
        nib.Nifti1Pair(image, affine).to_filename(path)
    assert find_cases(path if name.startswith(".") else tmp_path / "in") == [path]
    case, true = load_case(path), load_case(tmp_path / "true.nii.gz")
    assert case.name == name.partition(".")[0]
    np.testing.assert_array_equal(case.image, true.image)
    np.testing.assert_allclose(case.affine, true.affine, atol=1e-3)


@pytest.mark.parametrize("mirror", [1, -1], ids=["right-handed", "left-handed"])
@pytest.mark.parametrize("name", ["scan.mha", "scan.nrrd"])
def test_itk_opens_labels_of_a_file_whose_directions_are_rounded(
    tmp_path: Path, make_case: Make, name: str, mirror: int
) -> None:
    case = make_case()
    assert case.image is not None
    image = SimpleITK.GetImageFromArray(case.image)
    image.SetSpacing((8, 8, 10))
    turn = nib.eulerangles.euler2mat(0.07, 0.03, 0.1) @ np.diag([mirror, 1, 1])
    image.SetDirection(np.round(turn, 3).ravel().tolist())
    SimpleITK.WriteImage(image, str(tmp_path / name))
    read = load_case(tmp_path / name)
    save_segmentation(np.zeros(read.shape, np.uint8), read, tmp_path / "labels.nii.gz")
    labels = SimpleITK.ReadImage(str(tmp_path / "labels.nii.gz"))
    last = [n - 1 for n in image.GetSize()]
    wanted, seen = (one.TransformIndexToPhysicalPoint(last) for one in (image, labels))
    np.testing.assert_allclose(seen, wanted, atol=0.5)


def test_damaged_files_of_other_formats_are_refused(tmp_path: Path) -> None:
    header = "ObjectType = Image\nNDims = 999999999999999999999999999999\nBinaryData = True\nOffset = 0 0 0\n"
    matrix = "TransformMatrix = 1 0 0 0 1 0 0 0 1\nElementSize = 8 9 6\n"
    (tmp_path / "dies.mha").write_text(header + matrix, encoding="ascii")
    with pytest.raises(InputError, match=r"dies\.mha is not a readable volume"):  # a process that reads it crashes
        load_case(tmp_path / "dies.mha")
    for name in ("scan.mha", "scan.nrrd", "scan.hdr"):
        (tmp_path / name).write_bytes(b"no header" * 99)
        with pytest.raises(InputError, match=name):
            load_case(tmp_path / name)


@pytest.mark.parametrize("kind", [128, 32, 16])
def test_pair_of_colors_or_short_of_voxels_is_refused(tmp_path: Path, make_case: Make, kind: int) -> None:
    nib.Nifti1Pair(make_case().image, np.eye(4)).to_filename(tmp_path / "scan.hdr")
    content = bytearray((tmp_path / "scan.hdr").read_bytes())
    content[70:72] = kind.to_bytes(2, "little")
    content[112:116] = np.float32(2).tobytes()  # a slope
    (tmp_path / "scan.hdr").write_bytes(content)
    with pytest.raises(InputError, match=r"scan\.(hdr holds colors or complex numbers|img is truncated)"):
        load_case(tmp_path / "scan.hdr")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({252: bytes(4)}, r"scan\.hdr does not say how the patient lay .* taken as LAS"),
        ({268: np.float32(200).tobytes()}, r"scan\.hdr has two orientations, up to 100\.0 mm apart; its s-form"),
        ({280: bytes(48)}, r"scan\.hdr has an s-form that cannot be used; its q-form says where it lies"),
        ({123: b"\1"}, r"scan\.hdr says that its lengths are in meters; they are taken as millimeters"),
    ],
    ids=["no codes", "two orientations", "empty s-form", "meters"],
)
def test_what_a_pair_says_of_its_orientation_is_told_as_of_one_file(
    tmp_path: Path, make_case: Make, changes: dict[int, bytes], says: str
) -> None:
    image, _, affine = turned(make_case())
    pair = nib.Nifti1Pair(image, affine)
    pair.set_qform(affine, 1)
    pair.to_filename(tmp_path / "scan.hdr")
    content = bytearray((tmp_path / "scan.hdr").read_bytes())
    for at, new in changes.items():
        content[at : at + len(new)] = new
    (tmp_path / "scan.hdr").write_bytes(content)
    with pytest.warns(InputNote, match=says):
        case = load_case(tmp_path / "scan.hdr")
    if 252 not in changes:
        np.testing.assert_array_equal(case.image, make_case().image)


def test_pair_that_claims_more_than_memory_is_refused(tmp_path: Path, make_case: Make) -> None:
    nib.Nifti1Pair(make_case().image, np.diag([0.1, 0.1, 0.1, 1])).to_filename(tmp_path / "scan.hdr")
    content = bytearray((tmp_path / "scan.hdr").read_bytes())
    content[42:48] = np.array([30000] * 3, "<i2").tobytes()
    (tmp_path / "scan.hdr").write_bytes(content)
    with pytest.raises(InputError, match=r"scan\.img is truncated: it is too short for the \(30000, 30000, 30000\)"):
        load_case(tmp_path / "scan.hdr")


def test_python_files_in_the_current_folder_are_not_run(
    tmp_path: Path, make_case: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that tries a file first is started where the user is."""
    image, _, _ = turned(make_case(), 0)
    scan = SimpleITK.GetImageFromArray(image)
    scan.SetSpacing((0.8, 0.8, 3))
    SimpleITK.WriteImage(scan, str(tmp_path / "scan.mha"))
    (tmp_path / "SimpleITK.py").write_text("open('was run', 'w')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    load_case(tmp_path / "scan.mha")
    assert not Path("was run").exists()
