"""Scans in a page: read, refused, resampled and written as in Python."""

import gzip
import io
import re
import struct
import zipfile
from itertools import pairwise, permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from browser.segment.compute import Run
from kits_msan.data.cases import Case, kits_affine, load_case, save_segmentation
from kits_msan.data.resampling import LabelsOnGrid, resample_case
from kits_msan.errors import InputError

READ = """
const scan = await readScan(name, new File([bytes], name));
const { shape, spacing, affine, note } = scan;
if (!inside) return { shape, spacing, affine, note };
if (inside === "image") return scan.image;
const file = await writeLabels(Uint8Array.from(scan.image, (value) => (value > 50 ? 2 : value > 0 ? 1 : 0)), scan);
return new Uint8Array(await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
"""
REFUSED = """
try {
  await readScan(name, new File([bytes], name));
} catch (error) { return [error.constructor.name, error.message]; }
return ["", ""];
"""


def image(shape: tuple[int, ...] = (5, 4, 3)) -> NDArray[np.int16]:
    return np.random.default_rng(0).integers(-1024, 1500, shape).astype(np.int16)


def turned(order: tuple[int, ...], signs: tuple[int, ...]) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3)[list(order)] * signs).T * (0.8, 0.9, 3.0)
    affine[:3, :3] = np.array(nib.eulerangles.euler2mat(0.1, 0.05, -0.1)) @ affine[:3, :3]
    affine[:3, 3] = 12.5, -40, 7
    return affine


def check_same(run: Run, path: Path) -> None:
    """The page reads what Python reads, and writes labels byte for byte as Python does."""
    case = load_case(path)
    assert case.image is not None
    given: dict[str, Any] = {"name": path.name, "bytes": path.read_bytes()}
    about = run(READ, inside="", **given)
    assert tuple(about["shape"]) == case.shape
    np.testing.assert_allclose(about["spacing"], case.spacing, rtol=1e-5)
    np.testing.assert_allclose(about["affine"], case.affine[:3], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(run(READ, inside="image", **given).reshape(case.shape), case.image)
    labels = np.where(case.image > 50, 2, np.where(case.image > 0, 1, 0)).astype(np.uint8)
    save_segmentation(labels, case, path.with_name("out.nii.gz"))
    wanted = gzip.decompress(path.with_name("out.nii.gz").read_bytes())
    assert run(READ, inside="labels", **given).tobytes() == wanted


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_axis_order(run: Run, tmp_path: Path, order: tuple[int, ...]) -> None:
    for number, signs in enumerate(product((1, -1), repeat=3)):
        picture = nib.Nifti1Image(image(), turned(order, signs))
        if number % 2:  # the q-form alone
            picture.set_sform(None, code=0)
            picture.set_qform(picture.affine, code=1)
        nib.save(picture, tmp_path / "scan.nii.gz")
        check_same(run, tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("kind", ["i1", "u2", "i4", "f4", "f8", "i8", ">i2", ">f4"])
def test_every_number_type(run: Run, tmp_path: Path, kind: str) -> None:
    values = np.clip(image(), -100, 100) if kind == "i1" else image()
    for make in (nib.Nifti1Image, nib.Nifti2Image):
        header = make.header_class(endianness=">" if kind.startswith(">") else "<")
        header.set_data_dtype(kind)
        data = (values.astype(float) + 1024) * 2 if kind == "u2" else values + (0.5 if "f" in kind else 0)
        picture = make(data.astype(kind), turned((0, 1, 2), (1, 1, 1)), header)
        picture.header.set_data_dtype(kind)
        if kind == "u2":
            picture.header.set_slope_inter(0.5, -1024)
        nib.save(picture, tmp_path / "scan.nii")
        check_same(run, tmp_path / "scan.nii")


def test_gzip_in_several_members(run: Run, tmp_path: Path) -> None:
    """As pigz, bgzip and `cat` write them: blocks of any length, one that is empty, names, extra bytes."""
    nib.save(nib.Nifti1Image(image((40, 30, 20)), turned((0, 1, 2), (1, 1, 1))), tmp_path / "whole.nii")
    whole = (tmp_path / "whole.nii").read_bytes()
    cuts = [0, 100, 353, 5000, 5000, 40_000, len(whole)]
    blocks = [gzip.compress(whole[a:b]) for a, b in pairwise(cuts)]
    blocks[1] = blocks[1][:3] + b"\x08" + blocks[1][4:10] + b"part\0" + blocks[1][10:]
    blocks[2] = blocks[2][:3] + b"\x04" + blocks[2][4:10] + b"\2\0xx" + blocks[2][10:]
    (tmp_path / "scan.nii.gz").write_bytes(b"".join(blocks))
    check_same(run, tmp_path / "scan.nii.gz")
    small = [gzip.compress(whole[at : at + 64]) for at in range(0, len(whole), 64)]
    (tmp_path / "scan.nii.gz").write_bytes(b"".join(small))
    check_same(run, tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("padding", [1, 7, 9, 512, 100_000])
def test_zeros_after_gzip_are_passed_over(run: Run, tmp_path: Path, padding: int) -> None:
    """As tapes and disk blocks leave them, after each member and after an empty one, whose own end is zeros."""
    nib.save(nib.Nifti1Image(image((40, 30, 20)), turned((0, 1, 2), (1, 1, 1))), tmp_path / "whole.nii")
    whole, zeros = (tmp_path / "whole.nii").read_bytes(), bytes(padding)
    members = [gzip.compress(part) for part in (whole[:30_000], whole[30_000:], b"")]
    for parts in ([gzip.compress(whole)], members, members[:2]):
        (tmp_path / "scan.nii.gz").write_bytes(b"".join(part + zeros for part in parts))
        check_same(run, tmp_path / "scan.nii.gz")


def zipped(whole: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan.nii", whole)
    return file.getvalue()


def damaged(whole: bytes) -> dict[str, bytes]:
    """Files that are refused, by what is wrong with them."""

    def changed(at: int, kind: str, *values: float) -> bytes:
        data = bytearray(whole)
        struct.pack_into(f"<{kind}", data, at, *values)
        return bytes(data)

    return {
        "empty": b"",
        "a PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 2,
        "a DICOM file": bytes(128) + b"DICM\2\0\0\0UL\4\0" + bytes(range(256)) * 2,
        "a zip": zipped(whole),
        "text": b"this is not a scan at all " * 40,
        "cut in the header": whole[:200],
        "cut in the voxels": whole[:-50],
        "cut gzip": gzip.compress(whole)[:-30],
        "cut gzip, filled with zeros": gzip.compress(whole)[:-30] + bytes(30),
        "not zeros after gzip": gzip.compress(whole) + bytes(20) + b"junk",
        "cut second member": gzip.compress(whole[:400]) + gzip.compress(whole[400:])[:-30],
        "18 GB": changed(42, "3h", 3000, 3000, 1000),
        "18 GB in gzip": gzip.compress(changed(42, "3h", 3000, 3000, 1000)),
        "no voxels": changed(42, "3h", 0, 4, 3),
        "four axes": changed(40, "5h", 4, 5, 2, 3, 2),
        "two axes": changed(40, "3h", 2, 5, 4),
        "colors": changed(70, "2h", 128, 24),
        "unknown type": changed(70, "h", 99),
        "magic": changed(344, "4s", b"xxxx"),  # type: ignore[arg-type]
        "affine not finite": changed(280, "f", float("nan")),
        "large voxels": changed(280, "4f", 900, 0, 0, 0),
        "no offset": changed(108, "f", 0),
        "flat": changed(296, "4f", 0.8, 0, 0, 0),
        "far away": changed(292, "f", 4e6),
    }


def test_what_is_refused_in_which_words(run: Run, tmp_path: Path) -> None:
    """The same files, and but for the reason in brackets, which the libraries give, the same sentences."""
    nib.save(nib.Nifti1Image(image(), np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
    files = damaged((tmp_path / "scan.nii").read_bytes())
    for name, values in {"air": image() * 0 - 1000, "same": image() * 0 + 7}.items():
        nib.save(nib.Nifti1Image(values, np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
        files[name] = (tmp_path / "scan.nii").read_bytes()
    hollow = image().astype(np.float32)
    for value in (np.nan, np.inf):
        hollow[2, 2, 2] = value
        nib.save(nib.Nifti1Image(hollow, np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
        files[f"{value} inside"] = (tmp_path / "scan.nii").read_bytes()
    rng = np.random.default_rng(0)
    air = rng.random((20, 30, 30)) < 0.4
    ct = np.where(air, rng.normal(-1000, 20, air.shape), rng.normal(30, 50, air.shape))
    for name, values in {  # what is not in HU, and what is
        "shifted by 1024": np.clip(rng.normal(1060, 60, (20, 30, 30)), 0, 4000),
        "one byte": np.where(rng.random((20, 30, 30)) < 0.4, -128, rng.integers(-60, 127, (20, 30, 30))),
        "normalized": rng.normal(0, 2, (20, 30, 30)),
        "no air, from 0": np.where(rng.random((20, 30, 30)) < 0.3, 0, rng.integers(200, 900, (20, 30, 30))),
        "bone alone": rng.integers(1500, 2500, (20, 30, 30)) - 1,
        "a CT": ct,
        "a padded CT": np.where(np.arange(30) < 6, -2000, ct),
        "ten times": 10 * ct,
        "negated": -ct,
        "a tenth": ct / 10,
        "absorption in 1/m": (ct / 1000 + 1) * 190,
        "an inverted window": 255 - (np.clip(ct, -160, 240) + 160) / 400 * 255,
        "with a padding that is too large": np.where(np.arange(30) < 6, 32767, ct),
        "a window as bytes, padded": np.where(np.arange(30) < 6, -1000, (np.clip(ct, -200, 500) + 200) / 700 * 255),
    }.items():
        nib.save(nib.Nifti1Image(values.astype(np.int16), np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
        files[name] = (tmp_path / "scan.nii").read_bytes()
    different = []
    for what, data in files.items():
        path = tmp_path / ("scan.nii.gz" if data[:2] == b"\x1f\x8b" else "scan.nii")
        path.write_bytes(data)
        try:
            load_case(path)
            wanted = ""
        except InputError as error:
            wanted = str(error).replace(str(path), path.name)
        kind, seen = run(REFUSED, name=path.name, bytes=data)
        reasons = r" \((?:[^()]|\([^)]*\))*\)(?=[;,] f)"  # may have brackets within
        if bool(kind) != bool(wanted) or re.sub(reasons, "", seen) != re.sub(reasons, "", wanted):
            different.append((what, wanted, seen))
    assert not different


@pytest.mark.parametrize("name", ["scan.mha", "picture.png", "slices.zip", "slice.dcm"])
def test_another_name_is_refused(run: Run, name: str) -> None:
    kind, seen = run(REFUSED, name=name, bytes=b"x")
    assert kind == "InputError"
    assert seen.startswith(f"{name} is not a NIfTI file; its name must end in .nii or .nii.gz, so convert it ")


@pytest.mark.parametrize(
    ("shape", "spacing", "wanted"),
    [
        ((9, 40, 44), (3.0, 0.8, 0.8), (5.0, 4.0, 4.0)),
        ((30, 20, 24), (1.0, 1.5, 1.5), (4.0, 3.0, 3.0)),
        ((4, 10, 12), (8.0, 5.0, 5.0), (5.0, 4.0, 4.0)),
        ((1, 3, 2), (2.0, 9.0, 9.0), (5.0, 4.0, 4.0)),
    ],
)
def test_resampling(run: Run, shape: Any, spacing: Any, wanted: Any) -> None:
    """One HU apart at most, where a value lies between two; labels in one voxel of ten thousand at most."""
    case = Case("one", image(shape), None, spacing, kits_affine(spacing))
    small = resample_case(case, wanted)
    assert small.image is not None
    grid = list(small.shape)
    assert run("return gridShape(shape, spacing, wanted);", shape=shape, spacing=spacing, wanted=wanted) == grid
    seen = run("return resampleImage(image, shape, grid);", image=case.image, shape=list(shape), grid=grid)
    apart = np.abs(seen.reshape(grid).astype(int) - small.image)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.01
    import torch

    scores = np.random.default_rng(1).random((3, *grid), np.float32)
    back = LabelsOnGrid(grid[0], tuple(shape))
    back.add(torch.from_numpy(scores))
    labels = run("return labelsOnGrid(scores, grid, shape);", scores=scores, grid=grid, shape=list(shape))
    assert (labels.reshape(shape) != back.labels).mean() <= 1e-4
    marked = run("return labelsOnGrid(scores, grid, shape, 0.7);", scores=scores, grid=grid, shape=list(shape))
    back = LabelsOnGrid(grid[0], tuple(shape), sure=0.7)
    back.add(torch.from_numpy(scores))
    assert (marked == 3).any()
    assert (marked.reshape(shape) != back.labels).mean() <= 1e-4
