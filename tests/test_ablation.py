import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kits_msan.ablation import (
    ORDER,
    ablation_table,
    describe_data,
    format_table,
    load_all,
    run_ablation,
    score_cases,
    table_markdown,
    verdicts,
)
from kits_msan.cases import load_case
from kits_msan.checkpoints import describe_model, save_model
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.metrics import bootstrap_interval, dice_scores
from kits_msan.networks import MODELS, build_model
from kits_msan.profiles import Profile

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
    assert table.index.tolist() == list(ORDER) == [*MODELS, "ensemble"]
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


@pytest.fixture
def models(tiny: Profile, tmp_path: Path) -> Path:
    """A folder of the five networks, untrained."""
    for name in MODELS:
        model = build_model(name, width=4, poolings=2)
        save_model(tmp_path / "flat" / f"{name}.safetensors", model, describe_model(name, model, tiny))
        save_model(tmp_path / "runs" / name / "model.safetensors", model, describe_model(name, model, tiny))
    return tmp_path


@pytest.mark.parametrize("layout", ["flat", "runs"])
def test_five_networks_are_loaded_from_either_layout(models: Path, layout: str) -> None:
    assert list(load_all(models / layout)) == list(MODELS)


def test_missing_or_mistaken_network_is_refused(models: Path) -> None:
    (models / "flat" / "msan_v1_ds.safetensors").unlink()
    with pytest.raises(InputError, match=r"msan_v1_ds.safetensors does not exist"):
        load_all(models / "flat")
    (models / "runs" / "unet3d").rename(models / "runs" / "kept")
    (models / "runs" / "msan_v2").rename(models / "runs" / "unet3d")
    with pytest.raises(InputError, match="is a checkpoint of msan_v2, not of unet3d"):
        load_all(models / "runs")
    with pytest.raises(InputError, match="does not exist"):
        load_all(models / "absent")


def test_scores_have_a_row_for_each_case_and_model(data: Path, models: Path) -> None:
    networks = load_all(models / "flat")
    paths = [data / "case_00000", data / "case_00003"]
    scores = score_cases(networks, paths, progress=False)
    assert scores["case"].tolist() == ["case_00000"] * 6 + ["case_00003"] * 6
    assert scores["model"].tolist() == list(ORDER) * 2
    case = load_case(paths[1])
    assert case.label is not None
    assert scores["tumor_ml"].tolist()[6:] == pytest.approx([(case.label == 2).sum() * 10 * 8 * 8 / 1000] * 6)
    by_hand = dice_scores(predict(list(networks.values()), case), case.label)
    assert scores.iloc[-1][["kidney", "tumor", "composite"]].tolist() == pytest.approx(list(by_hand.values()))


def test_case_without_label_is_refused(data: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "case_00009").mkdir()
    (tmp_path / "case_00009" / "imaging.nii.gz").write_bytes((data / "case_00000" / "imaging.nii.gz").read_bytes())
    with pytest.raises(InputError, match="case_00009 has no label to compare with"):
        score_cases(load_all(models / "flat"), [tmp_path / "case_00009"], progress=False)


def test_whole_ablation_trains_scores_and_writes(data: Path, tmp_path: Path, tiny: Profile) -> None:
    profile = replace(tiny, steps=2)
    scores = run_ablation(data, profile, tmp_path, progress=False)
    assert scores["case"].unique().tolist() == ["case_00003"]  # the test part of the split
    assert all((tmp_path / name / "model.safetensors").exists() for name in MODELS)
    assert len(list((tmp_path / "store").glob("*.json"))) == 3  # shared by the five
    read = pd.read_csv(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(read, scores, atol=1e-5, check_dtype=False)
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert f"cases of {data.name}, 3 for training and 1 for test, profile smoke, training seed 0; n = 1" in text
    loaded = run_ablation(data, profile, tmp_path / "again", checkpoints=tmp_path, progress=False)
    pd.testing.assert_frame_equal(loaded, scores)
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == ["scores.csv", "table.md"]


def test_data_are_described_as_phantoms_where_they_are(tmp_path: Path, data: Path) -> None:
    from kits_msan.phantom import PHANTOM_VERSION, write_phantoms

    write_phantoms(tmp_path / "made", 1, 1, seed=4, profile="smoke")
    assert describe_data(tmp_path / "made") == (
        f"phantoms version {PHANTOM_VERSION}, seed 4, 1 for training and 1 for test"
    )
    assert describe_data(data) == f"cases of {data.name}, 3 for training and 1 for test"


def test_split_without_test_cases_is_refused(data: Path, tmp_path: Path, tiny: Profile) -> None:
    for name in ("case_00000", "case_00001"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for file in (data / name).iterdir():
            (tmp_path / "data" / name / file.name).write_bytes(file.read_bytes())
    (tmp_path / "data" / "split.json").write_text(json.dumps({"train": ["case_00000", "case_00001"], "test": []}))
    with pytest.raises(InputError, match="leaves no test case"):
        run_ablation(tmp_path / "data", tiny, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
