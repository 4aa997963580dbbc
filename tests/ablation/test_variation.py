import pandas as pd
import pytest

from kits_msan.ablation.variation import (
    base_of,
    seed_table,
    shown_seeds,
    shown_variants,
    variant_table,
    without_variants,
)
from kits_msan.networks.registry import MODELS, TITLES, VARIANTS

# Dice of two cases with each seed
KIDNEY = {
    "unet3d": {0: [0.8, 0.9], 1: [0.7, 0.8]},
    "msan_v1": {0: [0.8, 0.8], 1: [0.9, 0.9]},
    "msan_v1_all": {0: [0.9, 0.8]},
    "msan_v1_ds": {0: [0.5, 0.5], 1: [0.5, 0.5]},
}


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"seed": seed, "case": f"case_{case:05d}", "model": model, "kidney": kidney, "tumor": kidney / 2}
            for model, seeds in KIDNEY.items()
            for seed, kidneys in seeds.items()
            for case, kidney in enumerate(kidneys)
        ]
    )


def test_every_variant_differs_from_the_network_whose_name_it_carries() -> None:
    assert {name: base_of(name) for name in VARIANTS} == {
        "msan_v1_finer": "msan_v1",
        "msan_v1_all": "msan_v1",
        "msan_v2_scale1": "msan_v2",
        "msan_v2_scale8": "msan_v2",
        "msan_v2_ds_weight0.2": "msan_v2_ds",
        "msan_v2_ds_weight1.0": "msan_v2_ds",
    }


def test_variants_are_compared_on_the_seeds_that_both_have(scores: pd.DataFrame) -> None:
    table = variant_table(scores)
    assert table.index.tolist() == ["msan_v1_all"]
    row = table.loc["msan_v1_all"]
    assert (row["base"], row["trainings"]) == ("msan_v1", 1)
    assert row["kidney"] == pytest.approx(5)  # +10 and 0 points with seed 0; against seed 1 it would be -5
    assert row["tumor"] == pytest.approx(2.5)
    assert row["kidney_low"] == pytest.approx(0)
    assert row["kidney_high"] == pytest.approx(10)
    assert shown_variants(scores).to_numpy().tolist() == [
        [TITLES["msan_v1_all"], "MSAN-V1", 1, "+5.0 [0.0, +10.0]", "+2.5 [0.0, +5.0]"]
    ]


def test_without_variants_the_table_is_empty_and_the_networks_stay(scores: pd.DataFrame) -> None:
    rest = without_variants(scores)
    assert set(rest["model"]) == set(KIDNEY) - {"msan_v1_all"} <= set(MODELS)
    assert shown_variants(rest).empty


def test_every_training_has_its_column_and_the_range_is_largest_minus_smallest(scores: pd.DataFrame) -> None:
    table = seed_table(without_variants(scores))
    assert table.index.tolist() == ["unet3d", "msan_v1", "msan_v1_ds"]
    assert table.loc["unet3d", "kidney"].tolist() == pytest.approx([85, 75, 10])
    assert table.loc["msan_v1", "kidney"].tolist() == pytest.approx([80, 90, 10])
    assert table.loc["msan_v1", "tumor"].tolist() == pytest.approx([40, 45, 5])
    shown = shown_seeds(without_variants(scores))
    assert shown.columns.tolist()[:4] == ["", "kidney, seed 0", "kidney, seed 1", "kidney, range"]
    assert shown.iloc[0].tolist() == ["3D U-Net", "85.0", "75.0", "10.0", "42.5", "37.5", "5.0"]


def test_one_training_has_no_range(scores: pd.DataFrame) -> None:
    assert shown_seeds(scores[scores["seed"] == 0]).empty
