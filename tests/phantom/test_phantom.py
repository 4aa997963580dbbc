"""The phantom: the same seed gives the same voxels, and what it shows is plausible. On the smoke grid, for speed."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from kits_msan.data.cases import KIDNEY, TUMOR, Case, find_cases, kits_affine, load_case
from kits_msan.errors import InputError
from kits_msan.phantom.anatomy import abdomen
from kits_msan.phantom.make import (
    LARGEST_SEED,
    MOST_CASES,
    PHANTOM_VERSION,
    SPLITS,
    _parts,
    case_seed,
    patient_of,
    phantom_case,
    write_phantoms,
)
from kits_msan.phantom.patients import Patient
from kits_msan.phantom.pelvis import arms
from kits_msan.phantom.scanner import cables
from kits_msan.phantom.shapes import Space, ellipsoid, smooth_noise, tube
from kits_msan.phantom.tissues import TISSUES
from kits_msan.profiles import PROFILES, SMOKE

SEEDS = range(12)
COARSE = (40, 48, 48), (10.0, 8.0, 8.0)  # the smoke grid, but taller, so that no kidney is cut off


def pixels(case: Case) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    assert case.image is not None
    assert case.label is not None
    return case.image, case.label


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [phantom_case(seed, grid=COARSE[0], spacing=COARSE[1]) for seed in SEEDS]


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return [patient_of(seed) for seed in range(600)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "set", 2, 1, seed=5, profile="smoke")


def volume_ml(case: Case, value: int) -> float:
    return float((pixels(case)[1] == value).sum() * np.prod(case.spacing) / 1000)


# The same seed, the same voxels


def test_same_seed_gives_the_same_bits_whatever_was_drawn_before() -> None:
    first = phantom_case(3, "smoke")
    np.random.default_rng().random(5)
    phantom_case(4, "smoke")
    second = phantom_case(3, "smoke")
    assert pixels(first)[0].tobytes() == pixels(second)[0].tobytes()
    assert pixels(first)[1].tobytes() == pixels(second)[1].tobytes()


def test_other_seeds_give_other_patients(cases: list[Case]) -> None:
    labels = {pixels(case)[1].tobytes() for case in cases}
    images = {pixels(case)[0].tobytes() for case in cases}
    assert len(labels) == len(images) == len(cases)


def test_same_seed_is_the_same_patient_on_a_finer_grid() -> None:
    """Half the voxel size, same extents: the label averaged back covers nearly the same space."""
    coarse = pixels(phantom_case(1, grid=(20, 48, 48), spacing=(10, 8, 8)))[1] > 0
    fine = pixels(phantom_case(1, grid=(40, 96, 96), spacing=(5, 4, 4)))[1] > 0
    pooled = fine.reshape(20, 2, 48, 2, 48, 2).mean((1, 3, 5)) > 0.5
    assert 2 * (coarse & pooled).sum() / (coarse.sum() + pooled.sum()) > 0.85


# What is on it


def test_every_case_has_kidney_and_a_tumor_that_touches_it_unless_the_patient_has_none(cases: list[Case]) -> None:
    for seed, case in zip(SEEDS, cases, strict=True):
        _, label = pixels(case)
        if patient_of(seed).largest_tumor is None:
            assert set(np.unique(label)) == {0, KIDNEY}, case.name
        else:
            assert set(np.unique(label)) == {0, KIDNEY, TUMOR}, case.name
            assert (ndimage.binary_dilation(label == TUMOR) & (label == KIDNEY)).any(), case.name


def test_a_third_to_a_half_of_the_patients_have_no_tumor_but_the_first_test_case_has_one(
    patients: list[Patient],
) -> None:
    assert 1 / 3 < np.mean([patient.largest_tumor is None for patient in patients]) < 1 / 2
    assert patient_of(case_seed(0, "test", 0)).largest_tumor is not None  # students see it first


def test_kidneys_lie_on_both_sides_and_weigh_what_kidneys_weigh(cases: list[Case]) -> None:
    for case in cases:
        columns = np.nonzero(pixels(case)[1])[2]
        assert columns.min() < 24 <= columns.max(), case.name
        assert 90 < volume_ml(case, KIDNEY) < 1300, case.name  # urine that is held up counts, and cysts
    assert 300 < np.median([volume_ml(case, KIDNEY) for case in cases]) < 520  # KiTS19: 407


def test_hounsfield_units_are_those_of_air_fat_organs_and_bone(cases: list[Case]) -> None:
    for case in cases:
        image, label = pixels(case)
        assert image.dtype == np.int16
        assert image.min() >= -1024
        corners = image[:, :3, :3]  # in front of the patient
        assert abs(corners.mean() + 1000) < 10, case.name
        assert 300 < image.max() <= 3071, case.name
        assert ((image > -150) & (image < -60)).mean() > 0.03, case.name  # fat
        assert 20 < image[label == KIDNEY].mean() < 260, case.name


def test_enhanced_kidneys_outshine_their_tumors_but_plain_ones_do_not(patients: list[Patient]) -> None:
    contrast = {patient.phase: [] for patient in patients}  # type: dict[str, list[float]]
    for patient in patients:
        if patient.largest_tumor is not None:
            assert isinstance(patient.largest_tumor.tissue, str)
            contrast[patient.phase].append(patient.hu["renal cortex"] - patient.hu[patient.largest_tumor.tissue])
    assert np.median(contrast["arterial"]) > 30
    assert np.median(contrast["portal"]) > 30
    assert abs(np.median(contrast["plain"])) < 10


def test_liver_lies_to_the_right_and_the_lungs_on_top(cases: list[Case]) -> None:
    """Soft tissue fills more of the upper right than of the upper left; lung only the upper part."""
    for case in cases:
        image, label = pixels(case)
        middle = np.nonzero(label)[0].mean().round().astype(int)
        soft = ((image > 20) & (image < 250))[middle - 5 : middle]
        assert soft[:, :, 8:22].sum() > soft[:, :, 26:40].sum(), case.name
        from_kidney = np.nonzero(label)[0].mean().round().astype(int)  # scans begin where they like
        gas = image[:, 14:34, 8:40] < -500
        if from_kidney > 12:  # the bowel has gas, too
            assert gas[: from_kidney - 10].mean() > 2 * gas[from_kidney : from_kidney + 4].mean(), case.name


def test_every_organ_is_there_and_in_the_table_of_tissues(patients: list[Patient]) -> None:
    parts = list(abdomen(np.random.default_rng(0), patients[0].fat_mm, [], True, metal_hip=True))
    seen = {part.tissue for part in parts if isinstance(part.tissue, str)}
    wanted = [
        "liver",
        "spleen",
        "aorta",
        "vena cava",
        "lung",
        "cortical bone",
        "disk",
        "gas",
        "oral contrast",
        "skin",
    ]
    assert seen.issuperset(wanted)
    assert seen.issubset(TISSUES)
    assert all(part.label is None for part in parts)  # only kidneys and lesions are labelled


def test_fat_parts_kidneys_and_lesions_from_organs_and_muscles(patients: list[Patient]) -> None:
    for patient in patients[:5]:
        tissues = [part.tissue for part in _parts(patient, np.random.default_rng(0))]
        fat = [at for at, tissue in enumerate(tissues) if tissue == "perirenal fat"]
        assert len(fat) == len(patient.kidneys) + len(patient.lesions)
        organs = [at for at, tissue in enumerate(tissues) if tissue in ("liver", "spleen", "pancreas", "disk")]
        assert max(organs) < min(fat) < max(fat) < tissues.index("renal cortex")


# How the drawn patients spread, beside KiTS19's 210


def test_tumor_sizes_and_numbers_spread_like_those_of_kits19(patients: list[Patient]) -> None:
    with_tumor = [(patient, patient.largest_tumor) for patient in patients if patient.largest_tumor]
    largest = [tumor.diameter_mm * patient.frame for patient, tumor in with_tumor]
    low, middle, high = np.percentile(largest, (5, 50, 95))
    assert 13 < low < 21  # KiTS19: 17
    assert 34 < middle < 44  # 39
    assert 80 < high < 120  # 105
    several = np.mean([sum(lesion.kind == "tumor" for lesion in patient.lesions) > 1 for patient, _ in with_tumor])
    assert 0.2 < several < 0.45
    assert 0.3 < np.mean([any(lesion.kind == "cyst" for lesion in patient.lesions) for patient in patients]) < 0.8
    assert 0.2 < np.mean([tumor.necrosis > 0 for _, tumor in with_tumor]) < 0.7


def test_all_phases_come_and_arterial_most_often(patients: list[Patient]) -> None:
    phases = [patient.phase for patient in patients]
    assert set(phases) == {"plain", "arterial", "portal", "late"}
    assert max(set(phases), key=phases.count) == "arterial"
    assert 0.28 * len(phases) < phases.count("plain") < 0.38 * len(phases)


def test_patients_are_as_different_as_patients_are(patients: list[Patient]) -> None:
    """Thin and obese, thick and thin slices, arms down, metal, stones, urine held up: the rare ones come rarely."""
    assert min(patient.fat_mm for patient in patients) < 8
    assert max(patient.fat_mm for patient in patients) > 40
    assert {patient.scanner.slice_mm for patient in patients} == {1.0, 2.0, 2.5, 3.0, 3.75, 5.0, 8.0}
    for rare in (
        [patient.arms_down for patient in patients],
        [patient.metal_hip for patient in patients],
        [patient.scanner.cables > 0 for patient in patients],
        [any(kidney.stones for kidney in patient.kidneys) for patient in patients],
        [any(kidney.pelvis > 1.8 for kidney in patient.kidneys) for patient in patients],
        [any(lesion.calcified for lesion in patient.lesions) for patient in patients],
    ):
        assert 0.01 < np.mean(rare) < 0.45


def test_arms_and_cables_lie_outside_the_body() -> None:
    wall = Space(*(np.zeros((1, 1, 3), np.float32) for _ in range(2)), *_body())
    for part in arms(np.random.default_rng(0), out=200):
        assert (part.shape.depth(wall) <= 0).ravel()[:2].all()  # in the middle of the body and under its skin
    assert len(list(cables(np.random.default_rng(0), 3, half_width=150, front=110))) == 3


def _body() -> tuple[NDArray[np.float32], ...]:
    """x, mm inside the wall, ripple and grain at the middle of the body, at its side and in an arm."""
    x = np.array([0, 140, 200], np.float32).reshape(1, 1, 3)
    return x, np.float32(143) - x, np.zeros_like(x), np.zeros_like(x)


# Grids


@pytest.mark.parametrize("name", ["smoke", "laptop"])
def test_profile_sets_grid_spacing_and_axes(name: str) -> None:
    case, profile = phantom_case(0, name), PROFILES[name]
    image, label = pixels(case)
    assert image.shape == label.shape == profile.grid
    assert label.dtype == np.uint8
    assert case.spacing == profile.spacing
    assert nib.aff2axcodes(case.affine) == ("I", "P", "L")
    assert np.array_equal(case.affine, kits_affine(case.spacing))
    assert case.name == "phantom_000000"


def test_paper_profile_draws_a_spacing_like_kits19() -> None:
    """Few and coarse rows here, to be quick; the spacing does not depend on the grid."""
    spacings = {phantom_case(seed, "paper", grid=(6, 32, 32)).spacing for seed in range(4)}
    assert len(spacings) > 1
    for thickness, row, column in spacings:
        assert 1 <= thickness <= 5
        assert row == column
        assert 0.6 <= row <= 0.98


@pytest.mark.parametrize(
    ("grid", "spacing"),
    [((4, 48, 48), (10, 8, 8)), ((1, 8, 8), (10, 8, 8)), ((16, 3, 64), (10, 8, 8)), ((5, 9, 9), (45, 45, 45))],
)
def test_tumors_are_on_every_grid(grid: tuple[int, ...], spacing: tuple[float, ...]) -> None:
    """Also where the body does not fit, and where a voxel is larger than the tumor."""
    for seed in (seed for seed in range(12) if patient_of(seed).largest_tumor):
        assert (pixels(phantom_case(seed, grid=grid, spacing=spacing))[1] == TUMOR).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"seed": 0, "profile": "huge"}, "unknown profile"),
        ({"seed": 0, "grid": (8, 8)}, "grid is"),
        ({"seed": 0, "grid": (8, 0, 8)}, "grid is"),
        ({"seed": 0, "spacing": (5.0, -1.0, 1.0)}, "spacing is"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        phantom_case(**arguments)


# Seeds of the splits


def test_no_two_cases_of_any_split_or_base_seed_share_a_seed() -> None:
    indices = (*range(40), MOST_CASES - 2, MOST_CASES - 1)
    bases = (*range(6), LARGEST_SEED - 1, LARGEST_SEED)
    seeds = [case_seed(base, split, i) for base in bases for split in SPLITS for i in indices]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 0


@pytest.mark.parametrize(
    ("seed", "split", "index", "message"),
    [
        (-1, "train", 0, "base seed"),
        (LARGEST_SEED + 1, "train", 0, "base seed"),
        (0, "dev", 0, "unknown split"),
        (0, "test", -1, "case index"),
        (0, "test", MOST_CASES, "case index"),
    ],
)
def test_bad_case_seeds_are_refused(seed: int, split: str, index: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        case_seed(seed, split, index)


# On disk


def test_written_folder_looks_like_kits19(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == [
        "case_00000", "case_00001", "case_00002", "manifest.json", "split.json",
    ]  # fmt: skip
    assert json.loads((written / "split.json").read_text(encoding="utf-8")) == {
        "train": ["case_00000", "case_00001"],
        "test": ["case_00002"],
    }
    assert [path.name for path in find_cases(written)] == ["case_00000", "case_00001", "case_00002"]


def test_written_cases_are_those_of_their_seeds(written: Path) -> None:
    for name, split, index in (("case_00001", "train", 1), ("case_00002", "test", 0)):
        read, made = load_case(written / name), phantom_case(case_seed(5, split, index), "smoke")
        assert read.name == name
        assert np.array_equal(read.image, made.image)  # type: ignore[arg-type]
        assert np.array_equal(read.label, made.label)  # type: ignore[arg-type]
        assert np.allclose(read.spacing, made.spacing)


def test_manifest_says_how_each_case_was_made(written: Path) -> None:
    manifest = json.loads((written / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["phantom_version"] == PHANTOM_VERSION
    assert (manifest["profile"], manifest["seed"]) == ("smoke", 5)
    assert [row["name"] for row in manifest["cases"]] == ["case_00000", "case_00001", "case_00002"]
    last = manifest["cases"][-1]
    assert last["seed"] == case_seed(5, "test", 0)
    assert last["drawn"] == json.loads(json.dumps(patient_of(last["seed"]).summary()))
    assert last["drawn"]["phase"] in ("plain", "arterial", "portal", "late")


def test_existing_results_are_refused_or_replaced_whole(tmp_path: Path) -> None:
    tiny = replace(SMOKE, grid=(4, 16, 16))
    write_phantoms(tmp_path / "set", 1, 1, profile=tiny)
    with pytest.raises(InputError, match="already holds results"):
        write_phantoms(tmp_path / "set", 1, 1, profile=tiny)
    write_phantoms(tmp_path / "set", 1, 0, profile=tiny, overwrite=True)
    assert [path.name for path in find_cases(tmp_path / "set")] == ["case_00000"]


@pytest.mark.parametrize(("train", "test"), [(0, 0), (-1, 3), (2, -1)])
def test_numbers_that_make_no_data_set_are_refused(tmp_path: Path, train: int, test: int) -> None:
    with pytest.raises(InputError, match="no data set"):
        write_phantoms(tmp_path / "set", train, test, profile="smoke")
    assert not (tmp_path / "set").exists()


# Shapes


def grid_space(size: int = 21) -> Space:
    """Points 1 mm apart around 0."""
    line = np.arange(size, dtype=np.float32) - size // 2
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    return Space(z, y, x, np.zeros_like(z), np.zeros_like(z), np.zeros_like(z))


def test_depth_of_a_ball_and_of_a_tube_is_the_distance_to_the_surface() -> None:
    space = grid_space()
    ball = ellipsoid((0, 1, 0), (6, 6, 6)).depth(space)
    assert np.allclose(ball, 6 - np.sqrt(space.z**2 + (space.y - 1) ** 2 + space.x**2), atol=1e-3)
    pipe = tube([(-9, 0, 0), (9, 0, 0)], 4).depth(space)[2:-2]  # its ends are round
    assert np.allclose(pipe, (4 - np.hypot(space.y, space.x))[2:-2], atol=1e-3)


def test_shapes_lie_inside_their_boxes() -> None:
    space = grid_space(41)
    turned = ((np.cos(0.6), 0, np.sin(0.6)), (0, 1, 0), (-np.sin(0.6), 0, np.cos(0.6)))
    for shape in (
        ellipsoid((1, 2, -3), (12, 4, 7), turned, bend=3),
        tube([(-8, 0, 0), (5, 5, -9)], 2, 5),
        (tube([(-8, 0, 0), (5, 5, -9)], 2) | ellipsoid((4, 4, 4), (3, 3, 3))).grown(2),
    ):
        inside = np.argwhere(shape.depth(space) > 0) - 20
        assert len(inside)
        assert (inside.min(0) >= shape.low).all()
        assert (inside.max(0) <= shape.high).all()


def test_smooth_noise_is_standard_and_does_not_depend_on_the_grid() -> None:
    coarse, fine = (np.arange(-200, 200, step, dtype=np.float32) for step in (8, 4))
    one = smooth_noise(np.random.default_rng(0), 20, (coarse, coarse, coarse))
    two = smooth_noise(np.random.default_rng(0), 20, (fine, fine, fine))
    assert np.allclose(one, two[::2, ::2, ::2], atol=1e-5)
    assert abs(one.mean()) < 0.1
    assert 0.8 < one.std() < 1.2
