import numpy as np
import pandas as pd
import pytest
from four_cases import NAN, four_cases, of_seeds

from kits_msan.ablation.report import table_markdown
from kits_msan.ablation.tables import (
    ablation_table,
    format_table,
    verdicts,
    with_interval,
)
from kits_msan.metrics import bootstrap_interval
from kits_msan.networks.registry import MODELS

scores = pytest.fixture(name="scores")(four_cases)


def test_table_has_the_means_in_percent_and_in_the_papers_order(scores: pd.DataFrame) -> None:
    table = ablation_table(scores)
    assert table.index.tolist() == [*MODELS, "ensemble"]
    assert table.at["unet3d", "kidney"] == pytest.approx(83)
    assert table.at["msan_v1", "kidney"] == pytest.approx(93)
    assert table.at["unet3d", "tumor"] == pytest.approx(50)  # of three cases; the fourth has none
    assert table.at["msan_v2", "tumor"] == pytest.approx(30)
    assert table.at["unet3d", "composite"] == pytest.approx(100 * (0.60 + 0.66 + 0.72 + 0.86) / 4)
    low, high = bootstrap_interval([80, 82, 84, 86])
    assert (table.at["unet3d", "kidney_low"], table.at["unet3d", "kidney_high"]) == pytest.approx((low, high))
    assert 80 <= low < 83 < high <= 86


def test_gains_are_paired_by_case(scores: pd.DataFrame) -> None:
    table = ablation_table(scores)
    assert table.at["msan_v1", "kidney_gain"] == pytest.approx(10)
    assert (table.at["msan_v1", "kidney_gain_low"], table.at["msan_v1", "kidney_gain_high"]) == pytest.approx(
        bootstrap_interval([10, 11, 9, 10])
    )
    # the fourth case, which has none, is no pair: test_without_tumor.py
    assert table.at["msan_v2", "tumor_gain"] == pytest.approx((-10 - 12 - 8) / 3)
    assert table.at["msan_v2_ds", "tumor_gain"] == pytest.approx(0)
    assert np.isnan(table.at["unet3d", "tumor_gain"])


def test_paper_stands_beside_it(scores: pd.DataFrame) -> None:
    paper = ablation_table(scores)[["kidney_paper", "tumor_paper", "composite_paper"]]
    assert paper.loc["ensemble"].tolist() == [94.38, 64.89, 79.63]
    assert paper.loc["msan_v1_ds"].isna().all()  # it has no row there
    the_rest = paper.drop("msan_v1_ds")
    mean = the_rest[["kidney_paper", "tumor_paper"]].mean(axis=1)
    assert mean.tolist() == pytest.approx(the_rest["composite_paper"].tolist(), abs=0.006)  # as no slip would be


def test_verdicts_follow_the_intervals(scores: pd.DataFrame) -> None:
    v1, v1_ds, v2, v2_ds, ensemble = verdicts(ablation_table(scores))
    assert v1.startswith("MSAN-V1: kidney better than the 3D U-Net (+10.0 [+9.")
    assert "tumor better than the 3D U-Net (+10.0 [+8.0, +12.0])" in v1
    same = "not told apart from the 3D U-Net (0.0)"  # equal in all cases: no interval
    assert v1_ds == f"MSAN-V1 + DS: kidney {same}; tumor {same}."
    assert "tumor worse than the 3D U-Net (-10.0 [-12.0, -8.0])" in v2
    assert "tumor not told apart from the 3D U-Net (0.0 [-10.0, +10.0])" in v2_ds
    assert ensemble.startswith("Ensemble: kidney not told apart")


@pytest.mark.parametrize(
    ("values", "form", "text"),
    [
        ((-1.8, -4.7, -0.04), "+.1f", "-1.8 [-4.7, -0.04]"),
        ((0.12, 0.0041, 0.96), "+.1f", "+0.1 [+0.004, +1.0]"),
        ((-0.04, -3.2, 0.1), "+.1f", "-0.04 [-3.2, +0.1]"),
        ((-3.1, -7.0, -0.3), "+.0f", "-3 [-7, -0.3]"),
        ((0.25, -0.001, 0.5), "+.2f", "+0.25 [-0.001, +0.50]"),
        ((1.0, -1e-15, 2.0), "+.1f", "+1.0 [0.0, +2.0]"),  # what the rounding of the computer leaves of zero
        ((0.0, 0.0, 0.04), ".1f", "0.0 [0.0, 0.0]"),  # a score, which has no side
        ((2.0, NAN, NAN), "+.1f", "+2.0"),
        ((NAN, NAN, NAN), "+.1f", "–"),
    ],
)
def test_an_interval_shows_on_which_side_of_zero_it_ends(
    values: tuple[float, float, float], form: str, text: str
) -> None:
    assert with_interval(*values, form) == text


def test_table_for_people(scores: pd.DataFrame) -> None:
    shown = format_table(ablation_table(scores))
    assert shown.index.tolist() == ["3D U-Net", "MSAN-V1", "MSAN-V1 + DS", "MSAN-V2", "MSAN-V2 + DS", "Ensemble"]
    assert shown.columns.tolist() == ["kidney", "kidney, paper", "tumor", "tumor, paper", "mean", "mean, paper"]
    assert shown.at["3D U-Net", "kidney"].startswith("83.0 [8")
    assert shown.at["3D U-Net", "kidney, paper"] == "89.70"
    assert shown.at["MSAN-V1 + DS", "mean, paper"] == "–"


def test_markdown_is_a_table_a_note_and_the_verdicts(scores: pd.DataFrame) -> None:
    text = table_markdown(scores, "four made-up cases")
    table, note, sentences = text.strip().split("\n\n")
    lines = table.splitlines()
    assert lines[0] == "| Dice, % | kidney | kidney, paper | tumor | tumor, paper | mean | mean, paper |"
    assert set(lines[1]) == set("|- ")
    assert len(lines) == 2 + 6
    assert {line.count("|") for line in lines} == {8}
    assert lines[2].startswith("| 3D U-Net | 83.0 [")
    assert lines[7].startswith("| Ensemble | ")
    assert note.startswith(
        "four made-up cases; n = 4 test cases, of which 3 have a tumor (tumor: their Dice) and 1 have"
    )
    assert sentences.splitlines() == [f"- {sentence}" for sentence in verdicts(ablation_table(scores))]


def test_some_of_the_models_make_a_smaller_table(scores: pd.DataFrame) -> None:
    few = scores[scores["model"].isin(["msan_v2", "unet3d"])]
    assert ablation_table(few).index.tolist() == ["unet3d", "msan_v2"]
    assert len(verdicts(ablation_table(few))) == 1
    without = scores[scores["model"] != "unet3d"]  # nothing to compare with
    assert verdicts(ablation_table(without)) == []
    assert table_markdown(without, "made up").count("\n| ") == 6


def test_single_case_has_no_interval(scores: pd.DataFrame) -> None:
    table = ablation_table(scores[scores["case"] == "case_00000"])
    assert table.at["msan_v1", "kidney"] == pytest.approx(90)
    assert np.isnan(table.at["msan_v1", "kidney_low"])
    assert "not told apart" in verdicts(table)[0]


def test_seeds_widen_the_intervals_of_means_but_not_of_paired_differences(scores: pd.DataFrame) -> None:
    one, three = ablation_table(scores), ablation_table(of_seeds(scores, -0.05, 0.0, 0.05))
    assert three["kidney"].tolist() == pytest.approx(one["kidney"].tolist())
    assert three.at["unet3d", "kidney_low"] < one.at["unet3d", "kidney_low"] - 1
    assert three.at["unet3d", "kidney_high"] > one.at["unet3d", "kidney_high"] + 1
    # the shift is common to all networks of a seed, so it cancels
    assert three.at["msan_v1", "kidney_gain"] == pytest.approx(10)
    assert three.at["msan_v1", "kidney_gain_low"] == pytest.approx(one.at["msan_v1", "kidney_gain_low"], abs=0.3)


def test_what_has_fewer_trainings_than_the_rest_is_said(scores: pd.DataFrame) -> None:
    three = of_seeds(scores, 0.0, 0.01, 0.02)
    assert "fewer trainings" not in table_markdown(three, "made up")
    lacks = three["model"].eq("msan_v1") & (three["seed"] > 0) | three["model"].eq("ensemble") & (three["seed"] == 1)
    note = table_markdown(three[~lacks], "made up").split("\n\n")[1]
    assert "Of fewer trainings: MSAN-V1 (seed 0), Ensemble (seed 0 and 2); in all tables their figures" in note
