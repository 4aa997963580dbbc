"""Patients without a tumor: a stratum of their own, and how much is called tumor in them."""

import re

import numpy as np
import pandas as pd
import pytest

from kits_msan.ablation.report import _without_tumor
from kits_msan.ablation.scoring import Results
from kits_msan.ablation.strata import strata_table
from kits_msan.ablation.tables import ablation_table, format_table, verdicts
from kits_msan.metrics import share_interval


@pytest.fixture
def scores() -> pd.DataFrame:
    """Two patients with a tumor, one of them missed; two without, in one of whom 6 ml are called tumor."""
    table = pd.DataFrame(
        [
            ("a", 0.9, 0.5, 30.0, 14.1, 12.0),
            ("b", 0.9, 0.0, 10.0, 0.5, 0.0),
            ("c", 0.9, 0.0, 0.0, 0.0, 6.0),
            ("d", 0.9, float("nan"), 0.0, 0.0, 0.0),
        ],
        columns=["case", "kidney", "tumor", "tumor_mm", "tumor_ml", "called_ml"],
    )
    return table.assign(seed=0, model="unet3d", tumor_recall=0.5, composite=table[["kidney", "tumor"]].mean(axis=1))


def test_they_are_a_stratum_and_nothing_is_missed_in_them(scores: pd.DataFrame) -> None:
    table = strata_table(scores, "size").set_index("size")
    assert table.index.astype(str).tolist() == ["no tumor", "under 20 mm", "20 to 40 mm"]
    assert table["n"].tolist() == [2, 1, 1]
    assert table["missed"].tolist() == [0, 1, 0]


def test_what_is_called_tumor_in_them(scores: pd.DataFrame) -> None:
    [row] = _without_tumor(scores).to_numpy().tolist()
    assert row == ["3D U-Net", 2, "3.0", "6.0", "50.0"]


def test_no_table_where_every_case_has_a_tumor_or_the_volume_is_not_known(scores: pd.DataFrame) -> None:
    assert _without_tumor(scores[scores["tumor_ml"] > 0]).empty
    assert _without_tumor(scores.drop(columns="called_ml")).empty


def test_what_only_one_of_two_models_invents_counts(scores: pd.DataFrame) -> None:
    """The vote finds the tumors better, and invents one in ten of twelve patients without; the 3D U-Net in two."""
    with_one = pd.DataFrame({"case": [f"t{i}" for i in range(12)], "tumor_ml": 9.0, "tumor_mm": 26.0})
    without = pd.DataFrame({"case": [f"f{i}" for i in range(12)], "tumor_ml": 0.0, "tumor_mm": 0.0})
    rows = []
    for model, dice, alarms in (("unet3d", 0.5, 2), ("ensemble", 0.7, 10)):
        called = [float(i < alarms) for i in range(12)]
        tumor = [0.0 if ml else float("nan") for ml in called]  # as `dice_scores` counts it
        varied = with_one.assign(tumor=[dice, 0.5] * 6)
        rows += [varied.assign(model=model, called_ml=9.0)]
        rows += [without.assign(model=model, tumor=tumor, called_ml=called)]
    table = pd.concat(rows, ignore_index=True).assign(seed=0, kidney=0.9, tumor_surface_dice=0.0)
    table["composite"] = table[["kidney", "tumor"]].mean(axis=1)
    parts = table[["seed", "case", "model", "tumor"]]
    results = Results(table, parts, pd.DataFrame(), pd.DataFrame())
    assert results.parts["tumor"].notna().sum() == 24
    found = ablation_table(results.scores)
    assert found["tumor"].tolist() == pytest.approx([50, 60])  # of those with a tumor, whatever is invented in others
    assert found["false_alarm"].tolist() == pytest.approx([100 * 2 / 12, 100 * 10 / 12])
    assert found.at["ensemble", "tumor_gain"] == pytest.approx(10)
    assert found.at["ensemble", "false_alarm_gain"] == pytest.approx(100 * 8 / 12)
    assert found.at["ensemble", "composite_gain"] == pytest.approx((12 * 5 - 8 * 45) / 24)
    [sentence] = verdicts(found)
    assert re.search(
        r"tumor better than the 3D U-Net \(\+10.0 \[.*\]\); false alarms more than the 3D U-Net's \(\+67 \[", sentence
    )
    assert "mean worse than the 3D U-Net (-12.5 [" in sentence  # kidney is alike
    assert format_table(found)["false alarms"].str.startswith(("17 [", "83 [")).all()


@pytest.mark.parametrize(
    ("found", "of", "interval"),
    [(1, 29, (0.1, 17.8)), (11, 11, (71.5, 100)), (0, 7, (0, 41.0)), (2, 4, (6.8, 93.2))],  # as in printed tables
)
def test_interval_of_false_alarms_is_exact(
    scores: pd.DataFrame, found: int, of: int, interval: tuple[float, float]
) -> None:
    """A bootstrap of a share is too narrow, and of 0 in 7 or 11 in 11 it has no width."""
    low, high = share_interval([1.0] * found + [float("nan")] + [0.0] * (of - found))
    assert (100 * low, 100 * high) == pytest.approx(interval, abs=0.05)
    alarms = pd.DataFrame(
        {"case": [str(case) for case in range(of)], "false_alarm": [1.0] * found + [0.0] * (of - found)}
    )
    [row] = ablation_table(alarms.assign(model="unet3d", seed=0), ["false_alarm"]).to_dict("records")
    assert (row["false_alarm_low"], row["false_alarm_high"]) == pytest.approx(interval, abs=0.05)


def test_trainings_on_the_same_cases_are_no_more_cases() -> None:
    """Three trainings that agree know of four cases, not of twelve; where all are equal, nothing is known."""
    alarms = pd.DataFrame({"case": list("abcd"), "model": "unet3d", "false_alarm": [1.0, 0.0, 0.0, 0.0]})
    three = pd.concat([alarms.assign(seed=seed) for seed in range(3)])
    [row] = ablation_table(three, ["false_alarm"]).to_dict("records")
    assert row["false_alarm_high"] == 75
    [row] = ablation_table(three.assign(false_alarm=0.0), ["false_alarm"]).to_dict("records")
    assert np.isnan(row["false_alarm_low"])
    assert np.isnan(share_interval([float("nan")])).all()
