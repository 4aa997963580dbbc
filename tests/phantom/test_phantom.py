"""The phantom: the same seed gives the same voxels, and what it shows is plausible. On the smoke grid, for speed."""

import numpy as np
import pytest
from coarse import COARSE, pixels
from numpy.typing import NDArray
from scipy import ndimage

from kits_msan.data.cases import KIDNEY, TUMOR, Case
from kits_msan.phantom.anatomy import abdomen
from kits_msan.phantom.make import (
    _parts,
    case_seed,
    patient_of,
    phantom_case,
)
from kits_msan.phantom.patients import Patient
from kits_msan.phantom.pelvis import arms
from kits_msan.phantom.scanner import cables
from kits_msan.phantom.shapes import Space
from kits_msan.phantom.tissues import TISSUES

SEEDS = range(12)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [phantom_case(seed, grid=COARSE[0], spacing=COARSE[1]) for seed in SEEDS]


@pytest.fixture(scope="module")
def patients() -> list[Patient]:
    return [patient_of(seed) for seed in range(600)]


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
    assert seen.issuperset(["liver", "spleen", "aorta", "lung", "cortical bone", "gas", "oral contrast", "skin"])
    assert seen.issubset(TISSUES)
    assert all(part.label is None for part in parts)  # only kidneys and lesions are labelled


def test_fat_parts_kidneys_and_lesions_from_organs_and_muscles(patients: list[Patient]) -> None:
    for patient in patients[:5]:
        tissues = [part.tissue for part in _parts(patient, np.random.default_rng(0))]
        fat = [at for at, tissue in enumerate(tissues) if tissue == "perirenal fat"]
        assert len(fat) == len(patient.kidneys) + len(patient.lesions)
        organs = [at for at, tissue in enumerate(tissues) if tissue in ("liver", "spleen", "pancreas", "disk")]
        assert max(organs) < min(fat) < max(fat) < tissues.index("renal cortex")


def test_organs_that_touch_leave_kidneys_and_tumors_as_they_are_and_take_the_fat_beside_them() -> None:
    fat = {True: 0, False: 0}
    for seed in range(6):
        labels = {}
        for touching in fat:
            case = phantom_case(seed, grid=COARSE[0], spacing=COARSE[1], touching=touching)
            assert case.image is not None
            assert case.label is not None
            beside = ndimage.binary_dilation(case.label > 0) & (case.label == 0)
            fat[touching] += int((case.image[beside] < -50).sum())
            labels[touching] = case.label
        np.testing.assert_array_equal(labels[True], labels[False])
    assert 0 < fat[True] < 0.8 * fat[False]


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
