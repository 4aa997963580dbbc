import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from untrained import untrained

from kits_msan.ablation.results import case_strata, describe_data, load_results
from kits_msan.ablation.run import load_all, run_ablation, train_all
from kits_msan.ablation.scoring import score_cases
from kits_msan.cleanup import keep_kidneys
from kits_msan.data.cases import load_case
from kits_msan.data.split import Split, load_split
from kits_msan.data.store import split_of
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.metrics import dice_scores, surface_scores
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import SMOKE, Profile
from kits_msan.training import fresh

models = pytest.fixture(name="models")(untrained)


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
    scores = score_cases(networks, paths, progress=False).scores
    assert scores["case"].tolist() == ["case_00000"] * 6 + ["case_00003"] * 6
    assert scores["model"].tolist() == [*MODELS, "ensemble"] * 2
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


def test_full_scores_of_the_vote_of_five_beside_others(data: Path, models: Path) -> None:
    networks = load_all(models / "flat")
    peer = build_model("dynunet", width=4, poolings=2).eval()
    peer.profile = networks["unet3d"].profile
    path = data / "case_00003"
    results = score_cases(
        {**networks, "dynunet": peer}, [path], seed=4, strata={path.name: {"phase": "late"}}, progress=False
    )
    scores = results.scores
    assert scores["model"].tolist() == [*MODELS, "dynunet", "ensemble"]
    assert (scores["seed"] == 4).all()
    assert (scores["phase"] == "late").all()
    assert (scores["slice_mm"] == 10).all()
    case = load_case(path)
    assert case.label is not None
    raw = predict(list(networks.values()), case, clean=False)  # the peer has no vote
    voted = scores[scores["model"] == "ensemble"].iloc[0]
    expected = dice_scores(keep_kidneys(raw), case.label) | surface_scores(
        keep_kidneys(raw), case.label, case.spacing
    )
    assert voted[list(expected)].tolist() == pytest.approx(list(expected.values()), nan_ok=True)

    parts = results.parts.set_index(["model", "cleanup"])["kidney"]
    assert len(parts) == 7 * 3 + 2
    by_hand = {"none": raw, "two components": keep_kidneys(raw), "one component": keep_kidneys(raw, 1)}
    for cleanup, labels in by_hand.items():
        assert parts["ensemble", cleanup] == pytest.approx(dice_scores(labels, case.label)["kidney"])
    each = [predict(network, case, clean=False) for network in networks.values()]
    near = np.any(each, axis=0) | (case.label > 0)
    assert results.agreement["voxels"].sum() == near.sum()
    assert results.agreement["wrong"].sum() == (raw != case.label)[near].sum()
    assert set(results.calibration["model"]) == {*MODELS, "dynunet", "ensemble"}
    assert (results.calibration["seed"] == 4).all()


def test_networks_of_different_spacings_are_not_compared(data: Path, models: Path) -> None:
    networks = load_all(models / "flat")
    networks["msan_v1"].profile = replace(SMOKE, spacing=(5.0, 5.0, 5.0))
    with pytest.raises(InputError, match="different spacings"):
        score_cases(networks, [data / "case_00003"], progress=False)


@pytest.mark.slow
def test_whole_ablation_trains_scores_and_writes(data: Path, tmp_path: Path, tiny: Profile) -> None:
    profile = replace(tiny, steps=2)
    results = run_ablation(data, profile, tmp_path, progress=False)
    assert results.scores["case"].unique().tolist() == ["case_00003"]  # the test part of the split
    assert all((tmp_path / "seed-0" / name / "model.safetensors").exists() for name in MODELS)
    assert split_of(tmp_path / "store") == load_split(data)
    assert not list(tmp_path.glob("seed-0/*/store"))  # the five share one
    read, about = load_results(tmp_path)
    for name in ("scores", "parts", "agreement", "calibration"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(results, name), atol=1e-5, check_dtype=False)
    assert (
        about == f"cases of {data.name}, 3 for training and 1 for test, profile smoke with 2 steps, training seed 0"
    )
    assert f"{about}; n = 1" in (tmp_path / "table.md").read_text(encoding="utf-8")

    again = tmp_path / "again"
    loaded = run_ablation(data, profile, again, checkpoints=tmp_path, progress=False)
    pd.testing.assert_frame_equal(loaded.scores, results.scores)
    names = ["about.json", "agreement.csv", "calibration.csv", "parts.csv", "scores.csv", "table.md"]
    assert sorted(path.name for path in again.iterdir()) == names


def test_networks_that_learn_from_new_phantoms_are_scored_on_the_test_cases(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of `data` only the test part counts, and the report does not say that its training part was used."""
    monkeypatch.setattr(fresh, "ProcessPoolExecutor", lambda *_: ThreadPoolExecutor(1))
    profile = replace(tiny, steps=2, train_cases=1, fresh=1, grid=(8, 32, 32))
    results = run_ablation(data, profile, tmp_path, progress=False)
    assert results.scores["case"].unique().tolist() == ["case_00003"]
    assert not (tmp_path / "store").exists()
    config = json.loads((tmp_path / "seed-0" / "unet3d" / "config.json").read_text(encoding="utf-8"))
    assert config["cases"] == []
    about = json.loads((tmp_path / "about.json").read_text(encoding="utf-8"))
    assert (about["train"], about["test"]) == ([], ["case_00003"])
    assert about["data"] == f"cases of {data.name}, new phantoms for training and 1 for test"
    with pytest.raises(InputError, match="another list of training cases"):
        run_ablation(data, replace(profile, fresh=0), tmp_path, progress=False)


@pytest.mark.parametrize(
    ("machine", "fresh", "message"),
    [
        (Machine("tpu"), 0, "unknown device 'tpu'"),
        (Machine("tpu", devices=2), 0, "unknown device 'tpu'"),
        (Machine("cpu"), 2, "makes its phantoms while it trains; leave out --data"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_a_case_is_prepared(
    data: Path, tmp_path: Path, tiny: Profile, machine: Machine, fresh: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train_all(data, replace(tiny, fresh=fresh), tmp_path / "out", machine=machine, progress=False)
    assert not (tmp_path / "out").exists()


def test_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no results of `kits-msan ablation`"):
        load_results(tmp_path)


def test_strata_come_from_the_manifest(tmp_path: Path, data: Path) -> None:
    rows = [
        {"name": "case_00000", "drawn": {"phase": "plain", "time": 0}, "scanner": {"slice_mm": 3.0}},
        {"name": "case_00001"},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"phantom_version": 4, "cases": rows}), encoding="utf-8")
    assert case_strata(tmp_path) == {"case_00000": {"phase": "plain", "slice_mm": 3.0}, "case_00001": {}}
    assert case_strata(data) == {}


@pytest.mark.slow
def test_networks_trained_side_by_side_equal_those_trained_one_by_one(data: Path, tmp_path: Path) -> None:
    """Their weights to the bit, and so their scores; by an ablation that was begun alone, and by `train_all`."""
    profile, names, pair = replace(SMOKE, steps=1), ["unet3d", "msan_v1"], Machine("cpu", devices=2)
    alone = run_ablation(data, profile, tmp_path / "alone", names=names, machine=Machine("cpu"), progress=False)
    run_ablation(data, profile, tmp_path / "pair", names=names[:1], machine=Machine("cpu"), progress=False)
    both = run_ablation(data, profile, tmp_path / "pair", names=names, machine=pair, progress=False)
    assert [log.name for log in (tmp_path / "pair" / "logs").iterdir()] == ["seed-0-msan_v1.log"]
    pd.testing.assert_frame_equal(both.scores, alone.scores)
    trained = train_all(data, profile, tmp_path / "all", names=names[1:], machine=pair, progress=False)
    assert [log.name for log in (tmp_path / "all" / "logs").iterdir()] == ["seed-0-msan_v1.log"]
    wanted, found = (load_all(tmp_path / run / "seed-0", names) for run in ("alone", "pair"))
    for name, network in [*found.items(), *trained.items()]:
        for key, value in wanted[name].state_dict().items():
            assert torch.equal(network.state_dict()[key], value)


def test_data_are_described_as_phantoms_where_they_are(tmp_path: Path, data: Path) -> None:
    from kits_msan.phantom.make import PHANTOM_VERSION, write_phantoms

    write_phantoms(tmp_path / "made", 1, 1, seed=4, profile="smoke")
    assert describe_data(tmp_path / "made") == (
        f"phantoms version {PHANTOM_VERSION}, seed 4, 1 for training and 1 for test"
    )
    assert describe_data(data) == f"cases of {data.name}, 3 for training and 1 for test"


def test_split_without_test_cases_is_refused(data: Path, tmp_path: Path, tiny: Profile) -> None:
    with pytest.raises(InputError, match="leaves no test case"):
        run_ablation(data, tiny, tmp_path / "out", split=Split(("case_00000",), ()), progress=False)
    assert not (tmp_path / "out").exists()
