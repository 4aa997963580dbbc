"""An ablation that is gone on with: what is kept, what is scored anew, what is not mixed."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from untrained import untrained

from kits_msan.ablation import scoring
from kits_msan.ablation.results import load_results
from kits_msan.ablation.run import run_ablation
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import SMOKE, Profile

models = pytest.fixture(name="models")(untrained)

pytestmark = pytest.mark.slow


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
    save_model(models / "flat" / "unet3d.safetensors", other, describe_model("unet3d", other, SMOKE))
    after = run()
    assert len(counted) == 2
    assert len(after) == len(before) == 6


def test_results_of_something_else_are_not_mixed_in(data: Path, tmp_path: Path, models: Path) -> None:
    def run(**options: object) -> None:
        run_ablation(data, checkpoints=models / "flat", out=tmp_path / "out", progress=False, **options)  # type: ignore[arg-type]

    run(profile=SMOKE)
    with pytest.raises(InputError, match=r"out holds an ablation with another profile; .* --overwrite"):
        run(profile=replace(SMOKE, steps=7))
    run(profile=replace(SMOKE, steps=7), overwrite=True)
    assert "with 7 steps" in load_results(tmp_path / "out")[1]
    (tmp_path / "out" / "about.json").unlink()
    with pytest.raises(InputError, match="already holds results"):
        run(profile=SMOKE)


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
