"""Grids of the profiles, and the seeds of the splits."""

import nibabel as nib
import numpy as np
import pytest
from coarse import pixels

from kits_msan.data.cases import TUMOR, kits_affine
from kits_msan.errors import InputError
from kits_msan.phantom.make import (
    LARGEST_SEED,
    MOST_CASES,
    SPLITS,
    case_seed,
    patient_of,
    phantom_case,
)
from kits_msan.profiles import PROFILES

SEEDS = range(12)


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
        ({"seed": 1.5}, "seed is 1.5"),
        ({"seed": 0, "profile": "huge"}, "unknown profile"),
        ({"seed": 0, "grid": (8, 8)}, "grid is"),
        ({"seed": 0, "grid": (8, 0, 8)}, "grid is"),
        ({"seed": 0, "grid": (0.5, 8, 8)}, "grid is"),
        ({"seed": 0, "grid": (2.7, 8, 8)}, "grid is"),
        ({"seed": 0, "grid": (1, 1, 1)}, "grid is"),
        ({"seed": 0, "spacing": (5.0, -1.0, 1.0)}, "spacing is"),
        ({"seed": 0, "spacing": (np.inf, 8.0, 8.0)}, "spacing is"),
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
