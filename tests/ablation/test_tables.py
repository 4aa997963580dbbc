import numpy as np
import pandas as pd
import pytest

from kits_msan.ablation.report import report, table_markdown
from kits_msan.ablation.scoring import MEAN, STAPLE, Results
from kits_msan.ablation.tables import (
    ablation_table,
    format_table,
    markdown,
    paired_differences,
    parts_table,
    strata_table,
    verdicts,
    worst_cases,
)
from kits_msan.metrics import bootstrap_interval
from kits_msan.networks.registry import MODELS, TITLES

NAN = float("nan")
# Dice of four cases: v1 is better on every case, v2 worse in tumor, v2_ds the same on average
KIDNEY = {"unet3d": [0.80, 0.82, 0.84, 0.86], "msan_v1": [0.90, 0.93, 0.93, 0.96]}
TUMOR = {
    "unet3d": [0.40, 0.50, 0.60, NAN],
    "msan_v1": [0.50, 0.62, 0.68, NAN],
    "msan_v2": [0.30, 0.38, 0.52, 0.0],
    "msan_v2_ds": [0.30, 0.50, 0.70, NAN],
}


@pytest.fixture
def scores() -> pd.DataFrame:
    """In an order that is not the table's, as if read from a shuffled file."""
    rows = []
    for model in ("ensemble", *reversed(MODELS)):
        for case in range(4):
            kidney = KIDNEY.get(model, KIDNEY["unet3d"])[case]
            tumor = TUMOR.get(model, TUMOR["unet3d"])[case]
            rows.append(
                {
                    "case": f"case_{case:05d}", "model": model, "kidney": kidney, "tumor": tumor,
                    "composite": np.nanmean([kidney, tumor]), "tumor_ml": 10.0 * case,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


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
    # the fourth case of v2 has an invented tumor, none in the U-Net's: not a pair
    assert table.at["msan_v2", "tumor_gain"] == pytest.approx((-10 - 12 - 8) / 3)
    assert table.at["msan_v2_ds", "tumor_gain"] == pytest.approx(0)
    assert np.isnan(table.at["unet3d", "tumor_gain"])


def test_paper_stands_beside_it(scores: pd.DataFrame) -> None:
    table = ablation_table(scores)
    paper = table[["kidney_paper", "tumor_paper", "composite_paper"]]
    expected = {
        "unet3d": [89.70, 46.90, 68.30],
        "msan_v1": [92.47, 56.00, 74.23],
        "msan_v1_ds": [NAN, NAN, NAN],
        "msan_v2": [93.85, 58.22, 76.03],
        "msan_v2_ds": [93.01, 61.41, 77.21],
        "ensemble": [94.38, 64.89, 79.63],
    }
    for name, values in expected.items():
        assert paper.loc[name].tolist() == pytest.approx(values, nan_ok=True)


def test_verdicts_follow_the_intervals(scores: pd.DataFrame) -> None:
    v1, v1_ds, v2, v2_ds, ensemble = verdicts(ablation_table(scores))
    assert v1.startswith("MSAN-V1: kidney better than the 3D U-Net (+10.0 [+9.")
    assert "tumor better than the 3D U-Net (+10.0 [+8.0, +12.0])" in v1
    same = "not told apart from the 3D U-Net (+0.0 [+0.0, +0.0])"
    assert v1_ds == f"MSAN-V1 + DS: kidney {same}; tumor {same}."
    assert "tumor worse than the 3D U-Net (-10.0 [-12.0, -8.0])" in v2
    assert "tumor not told apart from the 3D U-Net (+0.0 [-10.0, +10.0])" in v2_ds
    assert ensemble.startswith("Ensemble: kidney not told apart")


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
    assert note.startswith("four made-up cases; n = 4 test cases.")
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


def of_seeds(scores: pd.DataFrame, *shifts: float) -> pd.DataFrame:
    """A training for each shift, which is added to the Dice of every case."""
    return pd.concat(
        [scores.assign(seed=seed, kidney=scores["kidney"] + shift) for seed, shift in enumerate(shifts)],
        ignore_index=True,
    )


def test_table_of_one_seed_is_that_of_no_seed(scores: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(ablation_table(scores.assign(seed=3)), ablation_table(scores))


def test_seeds_widen_the_intervals_of_means_but_not_of_paired_differences(scores: pd.DataFrame) -> None:
    one, three = ablation_table(scores), ablation_table(of_seeds(scores, -0.05, 0.0, 0.05))
    assert three["kidney"].tolist() == pytest.approx(one["kidney"].tolist())
    assert three.at["unet3d", "kidney_low"] < one.at["unet3d", "kidney_low"] - 1
    assert three.at["unet3d", "kidney_high"] > one.at["unet3d", "kidney_high"] + 1
    # the shift is common to all networks of a seed, so it cancels
    assert three.at["msan_v1", "kidney_gain"] == pytest.approx(10)
    assert three.at["msan_v1", "kidney_gain_low"] == pytest.approx(one.at["msan_v1", "kidney_gain_low"], abs=0.3)


def test_differences_to_any_model(scores: pd.DataFrame) -> None:
    differences = paired_differences(scores, "msan_v1")
    assert differences.index.tolist() == ["unet3d", "msan_v1_ds", "msan_v2", "msan_v2_ds", "ensemble"]
    assert differences.at["unet3d", "kidney"] == pytest.approx(-10)
    assert (differences.at["unet3d", "kidney_low"], differences.at["unet3d", "kidney_high"]) == pytest.approx(
        bootstrap_interval([-10, -11, -9, -10])
    )


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
    assert (table["kidney_low"] <= table["kidney"] + 1e-9).all()


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
    assert (
        "made up; n = 4 test cases. Means with 95 % bootstrap intervals over cases and trainings, after clean-up."
        in text
    )
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
