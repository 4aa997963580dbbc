"""Tables by size, phase and part, the worst cases, and the whole report."""

import numpy as np
import pandas as pd
import pytest
from four_cases import four_cases, of_seeds

from kits_msan.ablation.report import report
from kits_msan.ablation.scoring import MEAN, STAPLE, Results
from kits_msan.ablation.strata import shown_strata, strata_table
from kits_msan.ablation.tables import (
    ablation_table,
    format_table,
    markdown,
    parts_table,
    worst_cases,
)
from kits_msan.networks.registry import MODELS, TITLES

scores = pytest.fixture(name="scores")(four_cases)


@pytest.fixture
def measured(scores: pd.DataFrame) -> pd.DataFrame:
    """With tumors of 10, 30, 50 and 39.9 mm, on scans of two phases; two seeds, of which one missed the smallest."""
    case = scores["case"].str[-1].astype(int)
    full = scores.assign(
        tumor_mm=case.map({0: 10.0, 1: 30.0, 2: 50.0, 3: 39.9}), tumor_recall=0.5, slice_mm=5.0,
        phase=np.where(case < 2, "arterial", "plain"),
    )  # fmt: skip
    both = of_seeds(full, 0.0, 0.0)
    both.loc[both["case"].eq("case_00000") & both["seed"].eq(1), "tumor"] = 0.0
    return both


def test_strata_by_size(measured: pd.DataFrame) -> None:
    table = strata_table(measured, "size", ["unet3d"])
    assert table["size"].astype(str).tolist() == ["under 20 mm", "20 to 40 mm", "40 to 70 mm"]
    assert table["n"].tolist() == [1, 2, 1]
    assert table["tumor"].tolist() == pytest.approx([20, 50, 60])  # (40 + 0) / 2, 50 (and one without), 60
    assert table["kidney"].tolist() == pytest.approx([80, 84, 84])
    assert table["missed"].tolist() == [0, 0, 0]  # found in one of two trainings
    measured.loc[measured["case"].eq("case_00000"), "tumor"] = 0.0
    assert strata_table(measured, "size", ["unet3d"])["missed"].tolist() == [1, 0, 0]


def test_strata_by_phase_and_only_where_there_are_several(measured: pd.DataFrame) -> None:
    table = strata_table(measured, "phase")
    assert table[["phase", "model"]].to_numpy().tolist() == [
        [phase, model] for phase in ("arterial", "plain") for model in ("unet3d", "msan_v2_ds", "ensemble")
    ]
    assert strata_table(measured, "slice_mm").empty  # all 5 mm
    assert strata_table(measured.drop(columns="phase"), "phase").empty
    assert strata_table(measured.drop(columns="tumor_mm"), "size").empty
    measured["slice_mm"] = measured["tumor_mm"].map({10.0: 1.0, 30.0: 3.0, 50.0: 5.0, 39.9: 4.9})
    table = strata_table(measured, "slice_mm", ["unet3d"])
    assert table["slice_mm"].astype(str).tolist() == ["under 3 mm", "3 to 5 mm", "5 mm and more"]
    assert table["n"].tolist() == [1, 2, 1]


def test_strata_of_fewer_than_five_cases_are_shown_without_an_interval() -> None:
    """Four small tumors and five large ones."""
    rows = [(f"c{i}", 0.8 + i / 100, i / 10, 10.0 if i < 4 else 50.0) for i in range(9)]
    scores = pd.DataFrame(rows, columns=["case", "kidney", "tumor", "tumor_mm"]).assign(
        model="unet3d", seed=0, tumor_recall=0.5
    )
    few, enough = shown_strata(scores, "size")["tumor"]
    assert few == "15.0"
    assert enough.startswith("60.0 [")


def test_worst_cases_come_first(measured: pd.DataFrame) -> None:
    worst = worst_cases(measured, "unet3d", n=2)
    assert worst.index.tolist() == ["case_00000", "case_00001"]
    assert worst["composite"].tolist() == pytest.approx([60, 66])
    assert worst["phase"].tolist() == ["arterial", "arterial"]
    assert worst["tumor_recall"].tolist() == pytest.approx([50, 50])


@pytest.fixture
def parts() -> pd.DataFrame:
    """Two cases: the clean-up gains 4 points of kidney, one component loses 40, the vote gains 10 on a network."""
    rows = []
    for case, base in (("a", 0.8), ("b", 0.7)):
        for model, gain in [*((name, 0.0) for name in MODELS), ("ensemble", 0.1), (MEAN, 0.11), (STAPLE, 0.08)]:
            for cleanup, change in {"two components": 0.0, "one component": -0.4, "none": -0.04}.items():
                if model not in (MEAN, STAPLE) or change == 0:
                    dice = base + gain + change
                    rows.append(
                        {"seed": 0, "case": case, "model": model, "cleanup": cleanup, "kidney": dice, "tumor": 0.5}
                    )
    return pd.DataFrame(rows)


def test_what_each_part_adds(parts: pd.DataFrame) -> None:
    table = parts_table(parts).set_index("change")
    assert table["kidney"].to_dict() == pytest.approx(
        {
            "the vote: without clean-up": -4,
            "the vote: one component kept, not two": -40,
            "single networks: without clean-up": -4,
            "single networks: one component kept, not two": -40,
            "the vote instead of a single network": 10,
            f"{MEAN} instead of the vote": 1,
            f"{STAPLE} instead of the vote": -2,
        }
    )
    assert (table["tumor"] == 0).all()
    assert table["kidney_low"].isna().all()  # both cases say the same: no interval
    parts.loc[(parts["case"] == "a") & (parts["cleanup"] == "none"), "kidney"] -= 0.02
    row = parts_table(parts).set_index("change").loc["the vote: without clean-up"]
    assert row[["kidney", "kidney_low", "kidney_high"]].tolist() == pytest.approx([-5, -6, -4])


def test_report_holds_every_section_that_the_data_allow(measured: pd.DataFrame, parts: pd.DataFrame) -> None:
    surface = {f"{target}_{what}": 1.0 for target in ("kidney", "tumor") for what in ("hd95", "surface_dice")}
    scores = measured.assign(**surface)
    peer = scores[scores["model"] == "msan_v1"].assign(model="dynunet")
    variant = scores[scores["model"] == "msan_v1"].assign(model="msan_v1_all")
    scores = pd.concat([scores, peer, variant], ignore_index=True)
    agreement = pd.DataFrame({"seed": 0, "case": ["a", "a"], "agreeing": [3, 5], "voxels": [10, 90], "wrong": [5, 5]})
    calibration = pd.DataFrame(
        {
            "seed": 0,
            "model": "unet3d",
            "target": "kidney",
            "bin": [1],
            "voxels": [4],
            "probability": [0.6],
            "present": [1],
        }
    )
    text = report(Results(scores, parts, agreement, calibration), "made up")
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert titles == [
        "From training to training", "Other readings and settings of the parts", "Surfaces", "By tumor diameter",
        "By contrast phase", "What each step adds", "Does disagreement predict error?", "Calibration",
        "The five worst cases of the ensemble",
    ]  # fmt: skip
    assert "made up; n = 4 test cases, of which 3 have a tumor" in text
    assert "Means with 95 % bootstrap intervals over cases and trainings, after clean-up" in text
    assert "after the threshold for tumors (`sure`" in text  # why none may agree with the vote
    assert "| 3D U-Net | 10.0 |" in text  # predicted 15 %, observed 25 %
    assert "- Ensemble: kidney worse than DynUNet (MONAI) (-10.0 [" in text
    assert text.count(TITLES["msan_v1_all"]) == 1  # in its own section, not among the networks
    assert "nan" not in text


def test_markdown_table() -> None:
    table = pd.DataFrame({"a": ["x"], "b": [1.25], "c": [3]})
    assert markdown(table) == "| a | b | c |\n| --- | --- | --- |\n| x | 1.2 | 3 |"


def test_every_model_has_a_title_for_the_tables(scores: pd.DataFrame) -> None:
    everything = pd.concat([scores[scores["model"] == "unet3d"].assign(model=name) for name in reversed(TITLES)])
    assert ablation_table(everything).index.tolist() == list(TITLES)
    assert format_table(ablation_table(everything)).index.tolist() == list(TITLES.values())
