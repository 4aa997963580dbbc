"""Bad files: one sentence that names the file, little memory."""

import gzip
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from volumes import SHAPE, affine, labels, load, volume, write

from kits_msan.cli import main
from kits_msan.data.cases import (
    IMAGE,
    LABEL,
    Case,
    find_cases,
    load_case,
    load_label,
    save_case,
    save_segmentation,
)
from kits_msan.data.prepare import prepare
from kits_msan.data.split import Split
from kits_msan.errors import InputError
from kits_msan.profiles import Profile

NAMES = [f"case_{number:05d}" for number in range(4)]


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


@pytest.mark.parametrize("function", [load_case, load_label, find_cases])
def test_a_name_that_no_file_can_have(function: Callable[[str], object]) -> None:
    with pytest.raises(InputError, match=r"^x{300} is too long for a file's name; name a NIfTI file"):
        function("x" * 300)


def test_a_folder_that_may_not_be_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "scans").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)  # root may look into all
    with pytest.raises(InputError, match=r"^\S*scans may not be read; change its permissions\.$"):
        find_cases(tmp_path / "scans")


def test_cyst_must_be_one_of_two(tmp_path: Path) -> None:
    write(tmp_path / "case_00000" / LABEL, labels() + np.uint8(1))
    with pytest.raises(InputError, match="unknown meaning of a cyst 'Kidney'; choose one of kidney, tumor"):
        load_label(tmp_path / "case_00000", cyst="Kidney")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"label": labels() + np.uint8(5)}, "hold 5, 6, 7; only 0, 1"),
        ({"label": labels()[1:]}, r"made has an image of \(20, 7, 5\) and a label of \(19, 7, 5\) voxels"),
        ({"image": np.full(volume().shape, np.nan)}, "hold NaN or infinite values; give every voxel in HU"),
    ],
)
def test_a_case_that_cannot_be_kept_leaves_no_half(tmp_path: Path, parts: dict[str, Any], says: str) -> None:
    case = Case("made", **{"image": volume(), "label": labels(), "spacing": (3, 1, 1), "affine": affine(0), **parts})
    with pytest.raises(InputError, match=says):
        save_case(case, tmp_path / "made")
    assert [*tmp_path.iterdir()] == []


def test_values_that_are_no_int16_are_kept_as_they_are_read(tmp_path: Path) -> None:
    image = volume().astype(np.float64)
    image[0, 0, :3] = 40_000, -40_000, -0.9
    save_case(Case("made", image, None, (3, 1, 1), affine(0)), tmp_path)  # type: ignore[arg-type]
    read = load_case(tmp_path).image
    assert read is not None
    assert read[0, 0, :3].tolist() == [32767, -32768, -1]


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


def test_links_to_nothing_and_hidden_files_stop_nothing(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / NAMES[0] / ".#notes").symlink_to("nowhere")  # an editor's lock
    (own / NAMES[0] / "notes.txt").symlink_to("nowhere")
    (own / NAMES[1] / IMAGE).unlink()
    (own / NAMES[1] / IMAGE).symlink_to("../.git/annex/objects/x")  # not fetched
    command = ["prepare", str(own), "--profile", "smoke", "--out", str(tmp_path / "store")]
    assert main(command) == 2  # and yet the store is whole
    shown = capsys.readouterr()
    assert f"3 cases in {tmp_path / 'store'}" in shown.out
    assert f"{NAMES[1]} is left out: {own / NAMES[1] / IMAGE} is a link to a file that is absent" in shown.err
    before = [file.stat().st_mtime_ns for file in sorted((tmp_path / "store").glob("case_*"))]
    (own / NAMES[0] / ".DS_Store").touch()
    main(command)
    assert [file.stat().st_mtime_ns for file in sorted((tmp_path / "store").glob("case_*"))] == before


def test_cases_that_are_files_are_told_what_they_lack(tmp_path: Path, data: Path, tiny: Profile) -> None:
    (tmp_path / "flat").mkdir()
    shutil.copy(data / NAMES[0] / IMAGE, tmp_path / "flat" / f"{NAMES[0]}.nii.gz")
    with pytest.raises(
        InputError, match=rf"{NAMES[0]}\.nii\.gz lacks its image or its label; .* in a folder {NAMES[0]}"
    ):
        prepare(tmp_path / "flat", tmp_path / "store", tiny, Split((NAMES[0],), ()), progress=False)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("found", 0, "found is no name of a NIfTI file; let it end in .nii.gz"),
        ("found.mha", 0, "is no name of a NIfTI file"),
        ("found.nii.gz", 300, r"hold 300; only 0, 1 \(kidney\) and 2 \(tumor\) are labels"),
        ("found.nii.gz", -1, "hold -1; only"),
        ("found.nii.gz", 0.6, "hold 0.6; only"),
    ],
)
def test_what_cannot_be_kept_as_labels_is_refused_before_anything_is_written(
    tmp_path: Path, make_case: Callable[..., Case], name: str, values: float, says: str
) -> None:
    case = make_case()
    with pytest.raises(InputError, match=says):
        save_segmentation(np.full(case.shape, values), case, tmp_path / name)
    assert [*tmp_path.iterdir()] == []
