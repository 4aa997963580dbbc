"""An ablation that is gone on with: what is kept, what is scored anew, what is not mixed."""

import os
import re
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
from untrained import untrained

from kits_msan.ablation import scoring
from kits_msan.ablation.results import ABOUT, load_results, results_so_far
from kits_msan.ablation.run import run_ablation, train_all
from kits_msan.data.cases import LABEL
from kits_msan.errors import InputError, InputNote
from kits_msan.files import read_json, write_json
from kits_msan.networks.checkpoints import describe_model, load_model, save_model
from kits_msan.networks.registry import MODELS, TITLES, build_model
from kits_msan.profiles import SMOKE, Profile, profile_from

models = pytest.fixture(name="models")(untrained)

pytestmark = pytest.mark.slow
LAPTOP = Path(__file__).parents[2] / "data" / "laptop"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cases that are scored, in order."""
    seen: list[str] = []
    score = scoring._score_case

    def counting(models: dict, path: Path, *rest: object) -> scoring.Results:
        seen.append(f"{path.name} by {len(models)}")
        return score(models, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("kits_msan.ablation.scoring._score_case", counting)
    return seen


def test_finished_seeds_are_kept_and_only_new_ones_scored(
    data: Path, tmp_path: Path, tiny: Profile, counted: list[str]
) -> None:
    options = {"profile": replace(tiny, steps=1), "out": tmp_path, "progress": False}
    first = run_ablation(data, seeds=[0], **options)  # type: ignore[arg-type]
    both = run_ablation(data, seeds=[0, 1], **options)  # type: ignore[arg-type]
    assert counted == ["case_00003 by 5"] * 2
    assert both.scores["seed"].tolist() == [0] * 6 + [1] * 6
    pd.testing.assert_frame_equal(both.scores[:6], first.scores, atol=1e-5, check_dtype=False)
    rows = both.calibration.set_index("seed")
    assert not rows.loc[0].reset_index(drop=True).equals(rows.loc[1].reset_index(drop=True))
    more = run_ablation(data, seeds=[0], names=[*MODELS, "segresnet"], **options)  # type: ignore[arg-type]
    assert counted[2:] == ["case_00003 by 6"]
    assert more.scores["seed"].tolist() == [1] * 6 + [0] * 7
    same = run_ablation(data, seeds=[0, 1], **options)  # type: ignore[arg-type]
    assert len(counted) == 3
    assert set(same.scores["model"]) == {*MODELS, "ensemble", "segresnet"}  # fewer were asked for, none is lost
    assert "training seeds 0, 1" in load_results(tmp_path)[1]


def test_networks_trained_anew_are_scored_anew(data: Path, tmp_path: Path, models: Path, counted: list[str]) -> None:
    def run() -> pd.DataFrame:
        return run_ablation(data, SMOKE, tmp_path / "out", checkpoints=models / "flat", progress=False).scores

    before = run()
    pd.testing.assert_frame_equal(run(), before, atol=1e-5, check_dtype=False)
    assert len(counted) == 1
    other = build_model("unet3d", width=4, poolings=2)
    file = models / "flat" / "unet3d.safetensors"
    profile = load_model(file).profile
    assert profile
    save_model(file, other, describe_model("unet3d", other, profile))
    after = run()
    assert len(counted) == 2
    assert len(after) == len(before) == 6


def test_networks_of_before_stay_beside_others_or_it_is_said(
    data: Path, tmp_path: Path, tiny: Profile, models: Path, counted: list[str]
) -> None:
    def run(other: str) -> set[str]:
        out, names = tmp_path / "out", [*MODELS, other]
        scores = run_ablation(data, SMOKE, out, names=names, checkpoints=models / "flat", progress=False).scores
        assert set(load_results(out)[0].calibration["model"]) == set(scores["model"])
        return set(scores["model"]) - {*MODELS, "ensemble"}

    for name in ("msan_v2_scale1", "msan_v2_scale8", "msan_v1_all"):
        network = build_model(name, width=4, poolings=2)
        about = describe_model(name, network, tiny) | ({"mean_with": "34"} if name == "msan_v2_scale8" else {})
        save_model(models / "flat" / f"{name}.safetensors", network, about)
    assert run("msan_v2_scale1") == {"msan_v2_scale1"}
    assert run("msan_v2_scale8") == {"msan_v2_scale1", "msan_v2_scale8"}
    assert counted == ["case_00003 by 6", "case_00003 by 7"]
    (models / "flat" / "msan_v2_scale1.safetensors").unlink()
    with pytest.warns(
        InputNote, match=rf"tables of seed 0 lose {re.escape(TITLES['msan_v2_scale1'])}, scored before"
    ):
        assert run("msan_v1_all") == {"msan_v2_scale8", "msan_v1_all"}
    assert set(read_json(tmp_path / "out" / ABOUT, "")["networks"]["0"]) == {*MODELS, "msan_v2_scale8", "msan_v1_all"}
    assert load_results(tmp_path / "out")[1].endswith(f"a mean with other weights: {TITLES['msan_v2_scale8']}")


def test_results_of_something_else_are_not_mixed_in(data: Path, tmp_path: Path, models: Path) -> None:
    own = Path(shutil.copytree(data, tmp_path / "data"))

    def run(overwrite: bool = False) -> None:
        run_ablation(own, SMOKE, tmp_path / "out", checkpoints=models / "flat", overwrite=overwrite, progress=False)

    run()
    shutil.copy(own / "case_00000" / LABEL, own / "case_00003" / LABEL)  # the label of a test case is corrected
    with pytest.raises(InputError, match=r"out holds an ablation with another test data; .* --overwrite"):
        run()
    for name in MODELS:
        network = load_model(models / "flat" / f"{name}.safetensors", name)
        about = describe_model(name, network, replace(SMOKE, steps=7)) | {"seed": 5, "cases": ["case_00003"]}
        before = {"started_from": {"sha256": "12"}} | ({"mean_with": "34"} if name == "msan_v2" else {})
        save_model(models / "flat" / f"{name}.safetensors", network, about | before | {"data": name})
    with pytest.raises(InputError, match="holds an ablation with another list of training cases"):
        run()
    with pytest.warns(InputNote) as notes:
        run(overwrite=True)
    said = " ".join(str(one.message) for one in notes)
    assert "were trained on cases named case_00003, as test cases are" in said
    assert "were trained on different data, so their differences may come from that" in said
    assert (
        "1 for training and 1 for test, profile smoke with 7 steps, training seed 5, going on from earlier weights, "
        "a mean with other weights: MSAN-V2" in load_results(tmp_path / "out")[1]
    )
    (tmp_path / "out" / "about.json").unlink()
    with pytest.raises(InputError, match="already holds results"):
        run()


def test_a_folder_by_another_name_holds_the_same_cases(
    data: Path, tmp_path: Path, models: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    (tmp_path / "link").symlink_to(data)
    for spelling in (Path("."), data, tmp_path / "link"):
        run_ablation(spelling, SMOKE, tmp_path / "out", checkpoints=models / "flat", progress=False)
        assert load_results(tmp_path / "out")[1].startswith(f"cases of {data.name}, ")
    shutil.copytree(data, tmp_path / "copy")
    run_ablation(tmp_path / "copy", SMOKE, tmp_path / "out", checkpoints=models / "flat", progress=False)
    assert len(counted) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a name is Unicode")
def test_names_that_are_no_utf8_are_kept_as_they_are_read(data: Path, tmp_path: Path, models: Path) -> None:
    own = Path(shutil.copytree(data, tmp_path / os.fsdecode(b"d\xfc")))
    name = os.fsdecode(b"M\xfcller")
    (own / "case_00003").rename(own / name)
    write_json(own / "split.json", {"train": ["case_00000"], "test": [name]})
    made = run_ablation(own, SMOKE, tmp_path / "out", checkpoints=models / "flat", progress=False)
    read, phrase = load_results(tmp_path / "out")
    for field in ("scores", "parts", "agreement"):
        assert set(getattr(made, field)["case"]) == set(getattr(read, field)["case"]) == {r"M\udcfcller"}
    assert phrase.startswith(r"cases of d\udcfc, ")


def test_networks_of_other_data_are_not_compared(data: Path, tmp_path: Path, tiny: Profile) -> None:
    """As where a run was stopped, and went on with other cases of the same names."""
    own, profile = Path(shutil.copytree(data, tmp_path / "data")), replace(tiny, steps=1)
    train_all(own, profile, tmp_path / "out/seed-0", names=["unet3d"], progress=False)
    shutil.copy(own / "case_00000" / LABEL, own / "case_00001" / LABEL)
    with pytest.raises(InputError, match=r"unet3d holds a finished run that began with other training data"):
        run_ablation(own, profile, tmp_path / "out", names=["unet3d", "msan_v1"], progress=False)
    shutil.rmtree(tmp_path / "out/seed-0/store")
    train_all(own, profile, tmp_path / "other", names=["msan_v1"], progress=False)
    shutil.move(tmp_path / "other/msan_v1", tmp_path / "out/seed-0/msan_v1")
    shutil.rmtree(tmp_path / "out/store")
    with pytest.raises(InputError, match=r"seed-0 were trained on different data; name another folder"):
        run_ablation(own, profile, tmp_path / "out", names=["unet3d", "msan_v1"], progress=False)


def test_checkpoints_of_one_seed_do_not_pass_for_several(data: Path, tmp_path: Path, models: Path) -> None:
    with pytest.raises(InputError, match="does not hold the networks of 2 seeds"):
        run_ablation(data, SMOKE, tmp_path / "out", checkpoints=models / "flat", seeds=[0, 1], progress=False)


def test_what_a_kill_left_of_the_first_results_is_written_anew(data: Path, tmp_path: Path, models: Path) -> None:
    def run() -> dict[str, bytes]:
        run_ablation(data, SMOKE, tmp_path / "out", checkpoints=models / "flat", progress=False)
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    whole = run()
    for left in (1, 4, 5):  # files, in the order in which they are written
        written = sorted(whole, key=lambda name: (tmp_path / "out" / name).stat().st_mtime_ns)
        for name in written[left:]:
            (tmp_path / "out" / name).unlink()
        assert run() == whole, written[:left]


def test_results_from_before_a_setting_was_made_are_gone_on_with() -> None:
    about = read_json(LAPTOP / ABOUT, "")
    about["profile"] = asdict(profile_from(about["profile"]))  # as an ablation of today would describe it
    results, networks, _ = results_so_far(LAPTOP, about, overwrite=False)
    assert results is not None
    assert networks == about["networks"]


@pytest.mark.parametrize("column", ["seed", "tumor_recall", "slice_mm"])
def test_scores_that_lost_a_column_are_named(tmp_path: Path, column: str) -> None:
    shutil.copytree(Path(__file__).parents[2] / "data" / "laptop", tmp_path / "out")
    scores = tmp_path / "out" / "scores.csv"
    pd.read_csv(scores).drop(columns=column).to_csv(scores, index=False)
    with pytest.raises(InputError, match=rf"scores\.csv lacks the column {column}; run the ablation again"):
        load_results(tmp_path / "out")
