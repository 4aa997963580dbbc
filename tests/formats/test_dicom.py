from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_files import FEET_FIRST, OBLIQUE, PIXEL, SHAPE, STEP, UPRIGHT, change, ras, voxels, write_series

from kits_msan.data.cases import LABEL, find_cases, load_case, load_label, save_segmentation
from kits_msan.errors import InputError, InputNote


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("axes", [UPRIGHT, OBLIQUE, FEET_FIRST], ids=["upright", "oblique", "feet-first"])
def test_series_is_read_and_its_segmentation_lies_where_the_patient_lay(
    tmp_path: Path, axes: np.ndarray, compressed: bool
) -> None:
    write_series(tmp_path / "scan", voxels(), axes, compressed=compressed)
    (tmp_path / "scan" / "notes.txt").write_text("no DICOM", encoding="utf-8")
    case = load_case(tmp_path / "scan")
    assert case.image is not None
    assert (case.name, case.shape, case.image.dtype) == ("scan", SHAPE, np.int16)
    np.testing.assert_allclose(case.spacing, (STEP, *PIXEL), rtol=1e-6)
    flip = (slice(None), slice(None), slice(None, None, -1)) if axes is FEET_FIRST else np.s_[::-1]
    np.testing.assert_array_equal(case.image, voxels()[flip])  # superior first, the patient's right first

    label = (voxels()[flip] % 3).astype(np.uint8)
    save_segmentation(label, case, tmp_path / LABEL)
    written = nib.load(tmp_path / LABEL)
    assert isinstance(written, nib.Nifti1Image)
    for index in [(0, 0, 0), (5, 0, 0), (0, 8, 0), (0, 0, 7), (3, 4, 5)]:
        place = np.linalg.inv(written.affine) @ [*ras(axes, index), 1]
        np.testing.assert_allclose(place, np.rint(place), atol=1e-3)
        i, j, k = np.rint(place[:3]).astype(int)
        assert written.dataobj[i, j, k] == voxels()[index] % 3
    np.testing.assert_array_equal(load_label(tmp_path / LABEL).label, label)


@pytest.mark.parametrize("digits", [2, 3, 6])
def test_itk_opens_labels_of_a_series_whose_directions_are_rounded(tmp_path: Path, digits: int) -> None:
    turn = np.array(nib.eulerangles.euler2mat(0.07, 0.03, 0.1))
    write_series(tmp_path / "scan", voxels(), turn)
    rounded = [round(float(x), digits) for x in turn[:, :2].T.ravel()]
    change(tmp_path / "scan", ImageOrientationPatient=rounded)
    case = load_case(tmp_path / "scan")
    save_segmentation(np.zeros(case.shape, np.uint8), case, tmp_path / LABEL)
    seen, wanted = where(tmp_path / LABEL, (7, 8, 5))
    np.testing.assert_allclose(seen, wanted, atol=1e-3)


def where(file: Path, index: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """RAS millimeters of a voxel (i, j, k) by an s-form's reader, and by ITK, which knows right angles only."""
    by_sform = nib.affines.apply_affine(nib.load(file).affine, index)  # type: ignore[attr-defined]
    by_itk = SimpleITK.ReadImage(str(file)).TransformIndexToPhysicalPoint(index)
    return by_sform, np.array(by_itk) * [-1, -1, 1]


@pytest.mark.parametrize("degrees", [-20, 3, 15])
def test_tilted_gantry_is_set_upright_and_readers_of_both_forms_agree(tmp_path: Path, degrees: float) -> None:
    slanted = np.column_stack([UPRIGHT[:, :2], [0, np.tan(np.deg2rad(degrees)), 1]])  # slices move as they go up
    volume = np.full((30, 40, 36), -1000, np.int16)
    volume[10:20, 10:30, 8:28] = 100
    write_series(tmp_path / "scan", volume, slanted)
    far = 29 * STEP * np.tan(np.deg2rad(abs(degrees)))
    with pytest.warns(
        InputNote, match=f"its slices lie up to {far:.1f} mm sideways of the first, as with a tilted gan"
    ):
        case = load_case(tmp_path / "scan")
    assert case.image is not None
    axes = case.affine[:3, :3] / case.spacing
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-5)  # at right angles
    inside = ras(slanted, (15, 20, 18))
    voxel = np.rint(np.linalg.inv(case.affine) @ [*inside, 1])[:3].astype(int)
    assert case.image[tuple(voxel)] == 100  # the same tissue at the same point
    middle = nib.affines.apply_affine(case.affine, np.argwhere(case.image > -400).mean(0))
    np.testing.assert_allclose(middle, ras(slanted, (14.5, 19.5, 17.5)), atol=0.1)  # type: ignore[arg-type]

    save_segmentation((case.image > -400).astype(np.uint8), case, tmp_path / LABEL)
    for index in [(0, 0, 0), (35, 10, 29), (17, 20, 4)]:
        np.testing.assert_allclose(*where(tmp_path / LABEL, index), atol=1e-2)


def test_an_odd_grid_is_said_as_of_a_file(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    with pytest.warns(InputNote, match="scan spans only 4 x 7 x 18 mm"):
        load_case(tmp_path / "scan")


def test_series_are_found_among_other_cases(tmp_path: Path) -> None:
    write_series(tmp_path / "b", voxels())
    write_series(tmp_path / "a", voxels())
    (tmp_path / "empty").mkdir()
    (tmp_path / "c.nii").touch()
    assert find_cases(tmp_path) == [tmp_path / name for name in ("a", "b", "c.nii")]
    assert find_cases(tmp_path / "a") == [tmp_path / "a"]


def two_series(folder: Path) -> None:
    write_series(folder, voxels())
    write_series(folder, voxels(), series="2")


def two_phases(folder: Path) -> None:
    write_series(folder, voxels(), positions=[0, 3, 6, 0, 3, 6])


def one_slice(folder: Path) -> None:
    write_series(folder, voxels()[:1])


def other_direction(folder: Path) -> None:
    write_series(folder / "a", voxels()[:3])
    write_series(folder / "b", voxels()[3:], OBLIQUE)


def other_size(folder: Path) -> None:
    write_series(folder / "a", voxels()[:3])
    write_series(folder / "b", voxels()[3:, :6])


def cut_file(folder: Path) -> None:
    write_series(folder, voxels())
    file = sorted(folder.iterdir())[-1]
    file.write_bytes(file.read_bytes()[:-60])


def only_preamble(folder: Path) -> None:
    folder.mkdir()
    (folder / "1.dcm").write_bytes(bytes(128) + b"DICM")


def not_in_hu(folder: Path) -> None:
    write_series(folder, (voxels() + 300) % 256)


@pytest.mark.parametrize(("padding", "read"), [(63536, -1024), (1024, 0)], ids=["no tissue", "tissue"])
def test_padding_becomes_air_unless_a_tissue_can_have_it(tmp_path: Path, padding: int, read: int) -> None:
    volume = voxels().astype(int)
    volume[:, 1] = padding - 1024  # as rescaled; not round the field of view, where any value becomes air
    write_series(tmp_path / "scan", volume)
    for file in (tmp_path / "scan").iterdir():
        data = pydicom.dcmread(file)
        data.add_new("PixelPaddingValue", "US", padding)
        data.save_as(file)
    case = load_case(tmp_path / "scan")
    assert case.image is not None
    assert set(case.image[:, 1].ravel()) == {read}
    np.testing.assert_array_equal(np.delete(case.image, 1, 1), np.delete(voxels()[::-1], 1, 1))


def air(folder: Path) -> None:
    write_series(folder, np.full(SHAPE, -1000))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (two_series, "holds 2 DICOM series; leave only the one to segment"),
        (two_phases, "two slices at one position"),
        (one_slice, "holds a single slice"),
        (other_direction, "slices of different directions"),
        (other_size, "slices of different sizes"),
        (cut_file, r"1-005\.dcm cannot be read as a DICOM image"),
        (only_preamble, "holds no DICOM image that can be read"),
        (not_in_hu, "has values 0 to 255, so it is not in Hounsfield units"),
        (air, "holds only air"),
    ],
)
def test_bad_series_is_refused_in_one_sentence(
    tmp_path: Path, make: Callable[[Path], None], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "scan")
    with pytest.raises(InputError, match=message) as error:
        load_case(tmp_path / "scan")
    assert str(error.value).startswith(str(tmp_path / "scan"))
    assert capfd.readouterr().err == ""  # nothing from the libraries beneath


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"Modality": "MR"}, "is of modality MR, not a CT"),
        ({"ImagePositionPatient": None}, "does not say where its slice lies"),
        ({"NumberOfFrames": 6}, "holds 6 frames; export the series as one file a slice"),
        (
            {"PhotometricInterpretation": "MONOCHROME1"},
            r"is stored inverted \(MONOCHROME1\); convert it with dcm2niix",
        ),
        (
            {"BitsStored": 12, "HighBit": 15},
            r"holds its values in the upper bits \(HighBit\); convert it with dcm2niix",
        ),
        ({"RescaleType": "MGML"}, "holds MGML, as a map of a material, not HU; name the CT itself"),
    ],
)
def test_what_a_header_says_is_refused_in_one_sentence(
    tmp_path: Path, tags: dict[str, object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write_series(tmp_path / "scan", voxels())
    change(tmp_path / "scan", **tags)
    with pytest.raises(InputError, match=message) as error:
        load_case(tmp_path / "scan")
    assert str(error.value).startswith(str(tmp_path / "scan"))
    assert capfd.readouterr().err == ""
