"""Folders of DICOM as scanners and archives leave them: the right series is read and said, or all are listed."""

import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import STEP, change, voxels, write_series
from turned import Make

from kits_msan.data.cases import IMAGE, case_name, find_cases, load_case, save_case
from kits_msan.errors import InputError, InputNote

TRUE = voxels()[::-1]


def test_files_without_preamble_are_read(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    for file in (tmp_path / "scan").iterdir():
        file.write_bytes(file.read_bytes()[132:])
        file.rename(file.with_suffix(""))
    np.testing.assert_array_equal(load_case(find_cases(tmp_path)[0]).image, TRUE)


def test_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    first = sorted((tmp_path / "scan").iterdir())[0]
    for name, kind in (("DIRFILE", "1.2.840.10008.1.3.10"), ("report.dcm", "1.2.840.10008.5.1.4.1.1.88.11")):
        shutil.copy(first, tmp_path / "scan" / name)
        data = pydicom.dcmread(tmp_path / "scan" / name)
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.UID(kind)
        del data.Rows, data.Columns, data.PixelData
        data.save_as(tmp_path / "scan" / name)
    (tmp_path / "scan/index.html").write_text("<html>" * 99, encoding="utf-8")
    np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)


def test_patient_and_study_folders_are_read(tmp_path: Path) -> None:
    write_series(tmp_path / "patient/study/series", voxels())
    (tmp_path / "patient/DICOMDIR").write_bytes(bytes(128) + b"DICM")
    [path] = find_cases(tmp_path)
    assert case_name(path) == "patient"
    np.testing.assert_array_equal(load_case(path).image, TRUE)


def test_series_of_one_study_in_folders_are_one_case(tmp_path: Path) -> None:
    write_series(tmp_path / "study/axial", voxels())
    write_series(tmp_path / "study/scout", voxels()[:2], series="2")
    assert find_cases(tmp_path / "study") == [tmp_path / "study"]
    with pytest.warns(InputNote, match=r"series 1\.2\.3\.1 .*6 slices.* is taken; .*also holds series 1\.2\.3\.2"):
        np.testing.assert_array_equal(load_case(tmp_path / "study").image, TRUE)


@pytest.mark.parametrize("top", [6, 1], ids=["a stack", "a scout"])
def test_series_on_two_levels_are_refused_and_none_is_passed_over(tmp_path: Path, top: int) -> None:
    write_series(tmp_path / "cohort", voxels()[:top])
    write_series(tmp_path / "cohort/b", voxels() - 50, series="2")
    with pytest.raises(InputError, match=r"cohort holds DICOM images, and so does .*cohort/b, below it; name"):
        load_case(find_cases(tmp_path / "cohort")[0])
    assert load_case(tmp_path / "cohort/b").shape == TRUE.shape
    change(tmp_path / "cohort/b", Modality="SEG")  # a segmentation beside its scan is no other scan
    if top > 1:
        np.testing.assert_array_equal(load_case(tmp_path / "cohort").image, TRUE)


def test_several_series_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    write_series(tmp_path / "scan/a", voxels())
    write_series(tmp_path / "scan/b", voxels() - 50, series="2")
    change(tmp_path / "scan/a", SeriesNumber=3, SeriesDescription="Abdomen. portal")
    change(tmp_path / "scan/b", SeriesNumber=4, SeriesDescription="thin")
    wanted = (
        r'series 3 "Abdomen portal" \(CT, 6 slices, 3 mm apart\); series 4 "thin" \(CT, 6 slices, 3 mm apart\)\.$'
    )
    with pytest.raises(InputError, match=wanted):
        load_case(tmp_path / "scan")
    np.testing.assert_array_equal(load_case(tmp_path / "scan", series="4").image, TRUE - 50)
    np.testing.assert_array_equal(load_case(tmp_path / "scan", series="1.2.3.1").image, TRUE)
    with pytest.raises(InputError, match="none with number 9"):
        load_case(tmp_path / "scan", series="9")


@pytest.mark.parametrize("flagged", [True, False])
def test_a_localizer_among_the_slices_is_left_out_and_named(tmp_path: Path, flagged: bool) -> None:
    write_series(tmp_path / "scan", voxels())
    write_series(tmp_path / "more", voxels()[:1], np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]]))
    [file] = (tmp_path / "more").iterdir()
    change(
        file, SOPInstanceUID="1.2.3.99", **({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]} if flagged else {})
    )
    shutil.move(file, tmp_path / "scan/scout.dcm")
    with pytest.warns(InputNote, match=r"scout\.dcm left out"):
        np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)


def test_copies_are_taken_once_and_other_pixels_at_one_place_are_not(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    files = sorted((tmp_path / "scan").iterdir())
    shutil.copy(files[0], tmp_path / "scan/copy of it.dcm")
    with pytest.warns(InputNote, match="holds 1 slices twice"):
        np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)
    change(tmp_path / "scan/copy of it.dcm", PixelData=bytes(2 * voxels()[0].size))
    with pytest.raises(InputError, match=r"two slices at one position \(.*dcm and .*dcm\)"):
        load_case(tmp_path / "scan")


@pytest.mark.parametrize("content", [b"", bytes(5000)], ids=["empty", "zeros"])
def test_a_lost_slice_is_named_even_at_the_end_of_the_stack(tmp_path: Path, content: bytes) -> None:
    write_series(tmp_path / "scan", voxels())
    for file in sorted((tmp_path / "scan").iterdir()):
        whole = file.read_bytes()
        file.write_bytes(content)
        with pytest.raises(InputError, match=rf"{file.name} cannot be read as a DICOM image"):
            load_case(tmp_path / "scan")
        file.write_bytes(whole)


def test_names_that_are_no_utf8_and_links_are_read(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    (tmp_path / "store").mkdir()
    for number, file in enumerate(sorted((tmp_path / "scan").iterdir())):
        file.rename(tmp_path / f"store/{number}")
        (tmp_path / "scan" / os.fsdecode(b"na\xefve %d" % number)).symlink_to(tmp_path / f"store/{number}")
    np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)
    (tmp_path / "store/0").unlink()
    with pytest.raises(InputError, match="0 cannot be read as a DICOM image"):
        load_case(tmp_path / "scan")


def test_series_that_cannot_be_read_is_told_of_when_it_is_loaded(tmp_path: Path) -> None:
    for name in "ab":
        write_series(tmp_path / name, voxels(), series=name)
        for file in (tmp_path / name).iterdir():
            file.write_bytes(file.read_bytes()[:300])
    assert find_cases(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(InputError, match="holds no DICOM image that can be read"):
        load_case(tmp_path / "a")


def test_a_slice_that_is_not_rescaled_as_the_others_is_named(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    file = sorted((tmp_path / "scan").iterdir())[2]
    change(file, RescaleIntercept=None)
    with pytest.raises(InputError, match=rf"{file.name} lacks the rescale slope or intercept that other slices have"):
        load_case(tmp_path / "scan")


def test_a_slice_that_is_short_of_a_pixel_is_named(tmp_path: Path) -> None:
    """GDCM reads it, and makes the pixel up."""
    write_series(tmp_path / "scan", voxels())
    file = sorted((tmp_path / "scan").iterdir())[2]
    change(file, PixelData=pydicom.dcmread(file).PixelData[:-2])
    with pytest.raises(InputError, match=rf"{file.name} cannot be read as a DICOM image; export the series anew"):
        load_case(tmp_path / "scan")


def test_cases_beside_dicom_files_are_no_series(tmp_path: Path, make_case: Make) -> None:
    write_series(tmp_path / "scan", voxels())
    save_case(make_case(), tmp_path / "scan/case_00000")
    with pytest.raises(InputError, match=r"holds DICOM files beside the cases case_00000; move the DICOM files into"):
        find_cases(tmp_path / "scan")
    shutil.copy(tmp_path / "scan/case_00000" / IMAGE, tmp_path / "scan/converted.nii.gz")
    shutil.rmtree(tmp_path / "scan/case_00000")
    with pytest.warns(InputNote, match=r"is read as a DICOM series; converted\.nii\.gz beside it passed over"):
        assert find_cases(tmp_path / "scan") == [tmp_path / "scan"]


def test_missing_slice_is_placed(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", np.delete(voxels(), 3, 0), positions=[0, STEP, 2 * STEP, 4 * STEP, 5 * STEP])
    with pytest.raises(InputError, match=r"3\.00 to 6\.00 mm apart, the most between .*dcm and .*dcm"):
        load_case(tmp_path / "scan")


def test_stored_values_without_rescale_are_judged_by_what_they_are(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", np.clip(voxels() * 4, -900, None))
    change(tmp_path / "scan", RescaleSlope=None, RescaleIntercept=None)
    with pytest.raises(InputError, match="not in Hounsfield units"):
        load_case(tmp_path / "scan")


def test_a_slope_for_each_slice_is_its_own(tmp_path: Path) -> None:
    even = 2 * voxels() + 300  # -300 and up, so that twice and half of what is stored are whole numbers
    write_series(tmp_path / "scan", even)
    for file in (tmp_path / "scan").iterdir():
        data = pydicom.dcmread(file)
        index = int(data.InstanceNumber)
        data.RescaleSlope = (1, 2, 0.5)[index % 3]
        data.PixelData = ((even[index] + 1024) / data.RescaleSlope).astype("<u2").tobytes()
        data.save_as(file)
    with pytest.warns(InputNote, match="its slices are rescaled to HU in 3 ways; each by its own slope"):
        np.testing.assert_array_equal(load_case(tmp_path / "scan").image, even[::-1])


def test_slices_a_little_off_their_places_are_read(tmp_path: Path) -> None:
    jitter = np.random.default_rng(0).uniform(-0.1, 0.1, len(voxels()))  # mm
    write_series(tmp_path / "scan", voxels(), positions=[STEP * i + off for i, off in enumerate(jitter)])
    case = load_case(tmp_path / "scan")
    np.testing.assert_array_equal(case.image, TRUE)
    assert case.spacing[0] == pytest.approx(STEP, abs=0.05)


def test_a_single_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    write_series(tmp_path / "scan", voxels())
    with pytest.raises(InputError, match="single DICOM file; name the folder"):
        find_cases(sorted((tmp_path / "scan").iterdir())[0])
