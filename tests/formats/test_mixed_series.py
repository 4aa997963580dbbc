"""Folders that hold less than a series, or more than one scan: read whole, or said, or refused."""

import gzip
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import STEP, change, voxels, write_series

from kits_msan.data.cases import find_cases, load_case
from kits_msan.errors import InputError, InputNote

TRUE = voxels()[::-1]


def slices(folder: Path, **tags: Sequence[object]) -> list[Path]:
    """A series' files from the lowest slice up, named IM0, IM1 and so on, with a tag's value for each."""
    write_series(folder, voxels())
    files = []
    for file in list(folder.iterdir()):
        data = pydicom.dcmread(file)
        for name, values in tags.items():
            setattr(data, name, values[data.InstanceNumber])
        files.append(folder / f"IM{data.InstanceNumber}")
        data.save_as(files[-1])
        file.unlink()
    return sorted(files)


@pytest.mark.parametrize("content", [b"", bytes(5000), b"<html>not found" * 99], ids=["empty", "zeros", "a page"])
@pytest.mark.parametrize("ending", ["", ".IMA"])
def test_a_lost_slice_is_known_by_its_name(tmp_path: Path, ending: str, content: bytes) -> None:
    files = [file.rename(file.with_suffix(ending)) for file in slices(tmp_path / "scan")]
    files[-1].write_bytes(content)
    with pytest.raises(InputError, match=rf"IM5{ending} cannot be read as a DICOM image; export the series anew"):
        load_case(tmp_path / "scan")
    files[-1].unlink()
    files[-1].symlink_to("nowhere")
    with pytest.raises(InputError, match=rf"IM5{ending} cannot be read as a DICOM image"):
        load_case(tmp_path / "scan")


def test_packed_slices_are_to_be_unpacked_but_not_copies_of_others(tmp_path: Path) -> None:
    files = [file.rename(file.with_suffix(".dcm")) for file in slices(tmp_path / "scan")]
    packed = files[0].with_name("IM0.dcm.gz")
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)
    files[0].unlink()
    with pytest.raises(InputError, match=r"IM0\.dcm\.gz cannot be read as a DICOM image; unpack this file"):
        load_case(tmp_path / "scan")


def test_other_files_beside_slices_are_passed_over_and_empty_ones_named(tmp_path: Path) -> None:
    slices(tmp_path / "scan")
    for name in ("IM0.jpg", "notes.txt"):
        (tmp_path / "scan" / name).write_bytes(b"no DICOM " * 99)
    (tmp_path / "scan/lost.txt").symlink_to("nowhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* spans only")
        load_case(tmp_path / "scan")
    (tmp_path / "scan/VERSION").touch()
    with pytest.warns(InputNote, match="scan: VERSION empty and passed over; if that was a slice"):
        np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)


def test_parts_of_one_series_in_two_folders_are_said_and_copies_are_not(tmp_path: Path) -> None:
    files = slices(tmp_path / "all/a")
    shutil.copytree(tmp_path / "all/a", tmp_path / "all/b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_cases(tmp_path / "all") == [tmp_path / "all/a", tmp_path / "all/b"]
    for number, file in enumerate(files):
        (file if number < 3 else tmp_path / "all/b" / file.name).unlink()
    with pytest.warns(InputNote, match="all: a and b hold different slices of one DICOM series, .* into one folder"):
        find_cases(tmp_path / "all")


@pytest.mark.parametrize("tag", ["PatientID", "StudyInstanceUID"])
def test_two_patients_under_one_series_are_refused(tmp_path: Path, tag: str) -> None:
    values: Sequence[object] = ["1.2"] * 3 + ["1.3"] * 3
    slices(tmp_path / "scan", **{tag: values})
    with pytest.raises(InputError, match="holds slices of two patients or studies in one series"):
        load_case(tmp_path / "scan")


@pytest.mark.parametrize("numbers", [[1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 3, 3], [1, 2, 3, 4, 5, 6]])
def test_acquisitions_in_blocks_are_one_scan(tmp_path: Path, numbers: list[object]) -> None:
    slices(tmp_path / "scan", AcquisitionNumber=numbers)
    np.testing.assert_array_equal(load_case(tmp_path / "scan").image, TRUE)


def test_acquisitions_in_turn_are_refused(tmp_path: Path) -> None:
    slices(tmp_path / "scan", AcquisitionNumber=[1, 2, 1, 2, 1, 2])
    with pytest.raises(InputError, match=r"the slices of several acquisitions in turn \(IM0, IM1\); leave only one"):
        load_case(tmp_path / "scan")


def test_series_of_one_number_are_told_apart_by_their_uid(tmp_path: Path) -> None:
    for series in "12":
        write_series(tmp_path / "scan", voxels(), series=series, positions=[STEP * i for i in range(len(voxels()))])
    change(tmp_path / "scan", SeriesNumber=3)
    with pytest.raises(InputError, match=r"slices, 3 mm apart, UID 1\.2\.3\.1\); .* UID 1\.2\.3\.2\)\.$"):
        load_case(tmp_path / "scan", series="3")
    np.testing.assert_array_equal(load_case(tmp_path / "scan", series="1.2.3.2").image, TRUE)
