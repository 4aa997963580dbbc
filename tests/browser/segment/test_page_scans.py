"""Scans in a page: read, refused, resampled and written as in Python."""

import gzip
import struct
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
from kits_msan.errors import InputNote

READ = """
const scan = await readScan(name, new File([bytes], name));
const { shape, spacing, affine, note } = scan;
if (!inside) return { shape, spacing, affine, note };
if (inside === "image") return scan.image;
const file = await writeLabels(Uint8Array.from(scan.image, (value) => (value > 50 ? 2 : value > 0 ? 1 : 0)), scan);
return new Uint8Array(await new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
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


def test_a_bright_padding_becomes_air(run: Run, tmp_path: Path) -> None:
    picture = image((9, 8, 7))
    picture[:2], picture[:, 6:], picture[-1, 1, 3] = 40, 40, 40
    nib.save(nib.Nifti1Image(picture, turned((1, 2, 0), (1, -1, 1))), tmp_path / "scan.nii.gz")
    with pytest.warns(InputNote, match="has the value 40 round its field of view"):
        check_same(run, tmp_path / "scan.nii.gz")
    given = {"name": "scan.nii.gz", "bytes": (tmp_path / "scan.nii.gz").read_bytes()}
    assert run(READ, inside="", **given)["note"].startswith("scan.nii.gz has the value 40 round its field of view;")


@pytest.mark.parametrize(
    "angles", [(0, 90, 45), (0, 45, 45), (45, 0, 0), (45, 90, -45), (90, 135, 45), (-45, 45, 90), (45, 45, 45)]
)
@pytest.mark.parametrize("size", [(3, 3, 3), (0.7, 0.7, 5)])
def test_axes_that_fit_alike(run: Run, tmp_path: Path, angles: tuple[int, ...], size: tuple[float, ...]) -> None:
    affine = np.diag([*size, 1.0])
    affine[:3, :3] = nib.eulerangles.euler2mat(*np.deg2rad(angles)) @ affine[:3, :3]
    nib.save(nib.Nifti1Image(image((6, 5, 4)), affine), tmp_path / "scan.nii")
    check_same(run, tmp_path / "scan.nii")


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


def test_line_ends_of_the_second_version_that_nobody_wrote(run: Run, tmp_path: Path) -> None:
    data = bytearray(nib.Nifti2Image(image(), turned((0, 1, 2), (1, 1, 1))).to_bytes())
    data[8:12] = bytes(4)
    (tmp_path / "scan.nii").write_bytes(data)
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


def test_a_pairs_magic_and_half_a_byte_in_one_file(run: Run, tmp_path: Path) -> None:
    for make, magic, at, kind in ((nib.Nifti1Image, b"ni1", 344, "<f"), (nib.Nifti2Image, b"ni2", 4, None)):
        nib.save(make(image(), turned((0, 1, 2), (1, 1, 1))), tmp_path / "scan.nii")
        data = bytearray((tmp_path / "scan.nii").read_bytes()) + bytes(20)
        data[at : at + 3] = magic
        if kind:
            struct.pack_into(kind, data, 108, 352.5)
        (tmp_path / "scan.nii").write_bytes(data)
        check_same(run, tmp_path / "scan.nii")


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


def test_a_map_lies_where_its_network_saw_it(run: Run) -> None:
    """Each voxel shows the cell of the networks' grid whose middle lies nearest to its own."""
    grid, shape = (3, 5, 5), (7, 8, 3)
    values = np.random.default_rng(0).random(grid, np.float32)
    own, cells = ([(np.arange(n) + 0.5) / n for n in sizes] for sizes in (shape, grid))
    nearest = [np.abs(a[:, None] - b).argmin(1) for a, b in zip(own, cells, strict=True)]
    shown = values[np.ix_(*nearest)]
    body = "scan = { shape }; small = { shape: grid }; return TASKS.heat({ values }).values;"
    seen = run(body, shape=list(shape), grid=list(grid), values=values.ravel()).reshape(shape)
    np.testing.assert_allclose(seen, 255 * (shown - values.min()) / np.ptp(values), atol=0.51)
