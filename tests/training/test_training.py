import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kits_msan.training.loop
import kits_msan.training.runs
from kits_msan.data.cases import IMAGE
from kits_msan.data.slabs import Batch, SlabSampler
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import LAST, MODEL, load_checkpoint
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import MODELS
from kits_msan.profiles import SMOKE, Profile
from kits_msan.training.logs import METRICS, read_metrics
from kits_msan.training.loop import learning_rate, train
from kits_msan.training.losses import DiceLoss
from kits_msan.training.runs import CONFIG, CURVE, EVENTS, LOCK, RunFolder


def same(first: Network, second: Network) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def logged(run: Path) -> list[dict[str, float]]:
    """The metrics of a run, without the seconds."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in read_metrics(run / METRICS)]


class Stopped(Exception):  # noqa: N818
    pass


def train_until(step: int, *arguments: Any, saved: int | None = None, **options: Any) -> None:
    """Train, but stop before this step, having saved after every earlier one (or only with `saved` of them done)."""
    batch, save = SlabSampler.batch, RunFolder.save_last

    def stopping_batch(self: SlabSampler, now: int, *share: int) -> Batch:
        if now == step:
            raise Stopped
        return batch(self, now, *share)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SlabSampler, "batch", stopping_batch)
        patch.setattr(RunFolder, "save_last", lambda *a: save(*a) if saved in (None, a[3]) else None)
        with pytest.raises(Stopped):
            train(*arguments, save_seconds=-1, progress=False, **options)


@pytest.mark.parametrize(
    ("precision", "name"), [("32", "msan_v2_ds"), pytest.param("bf16", "unet3d", marks=pytest.mark.slow)]
)
def test_same_seed_same_weights_to_the_bit(
    tmp_path: Path, store: Path, tiny: Profile, precision: str, name: str
) -> None:
    profile = replace(tiny, augment="all", steps=3)

    def run(folder: str, seed: int) -> Network:
        return train(
            name,
            store,
            profile,
            tmp_path / folder,
            seed=seed,
            machine=Machine(precision=precision),
            progress=False,
        )

    first = run("first", 0)
    assert same(first, run("second", 0))
    assert not same(first, run("other", 1))
    assert not first.training
    assert first.profile == profile
    assert all(p.dtype == torch.float32 and p.device.type == "cpu" for p in first.parameters())


@pytest.mark.parametrize("step", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_stopped_and_resumed_equals_never_stopped_to_the_bit(
    tmp_path: Path, store: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    profile = replace(tiny, augment="all")
    whole = train("msan_v1_ds", store, profile, tmp_path / "whole", progress=False)
    train_until(step, "msan_v1_ds", store, profile, tmp_path / "run")
    assert load_checkpoint(tmp_path / "run" / LAST)[1]["step"] == step
    assert not (tmp_path / "run" / MODEL).exists()
    seen: list[int] = []
    plain = SlabSampler.batch

    def noting_batch(self: SlabSampler, now: int, *share: int) -> Batch:
        seen.append(now)
        return plain(self, now, *share)

    monkeypatch.setattr(SlabSampler, "batch", noting_batch)
    assert same(train("msan_v1_ds", store, profile, tmp_path / "run", progress=False), whole)
    assert seen == list(range(step, profile.steps))  # it went on instead of starting over
    assert logged(tmp_path / "run") == logged(tmp_path / "whole")


def test_what_a_stopped_run_logged_past_its_checkpoint_is_not_logged_twice(
    tmp_path: Path, store: Path, tiny: Profile
) -> None:
    train_until(5, "unet3d", store, tiny, tmp_path / "run", saved=2)
    train("unet3d", store, tiny, tmp_path / "run", progress=False)
    rows = read_metrics(tmp_path / "run" / METRICS)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)


def test_run_folder_of_a_finished_training(data: Path, tmp_path: Path, tiny: Profile) -> None:
    run = tmp_path / "run"
    train("msan_v2", str(data), tiny, str(run), seed=5, progress=False)
    assert {path.name for path in run.iterdir()} - {LOCK} == {CONFIG, METRICS, EVENTS, CURVE, MODEL, "store"}
    config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    assert (config["model"], config["seed"]) == ("msan_v2", 5)
    assert config["cases"] == ["case_00000", "case_00001", "case_00002"]  # the training part alone
    assert config["profile"]["name"] == "smoke"
    assert set(config["versions"]) == {"kits_msan", "torch", "python", "device", "precision"}
    assert sorted(path.stem for path in (run / "store").glob("*.json")) == config["cases"]
    rows = read_metrics(run / METRICS)
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["learning_rate"] for row in rows] == pytest.approx(
        [learning_rate(tiny, i) for i in range(6)], rel=1e-3
    )
    assert all(math.isfinite(row["loss"]) for row in rows)
    about = load_checkpoint(run / MODEL)[1]
    assert about["model"] == "msan_v2"
    assert about["seconds"] > 0


def test_schedule_reaches_the_optimizer(
    tmp_path: Path, store: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_step = train("unet3d", store, replace(tiny, steps=1, learning_rate=1e-3), tmp_path / "one", progress=False)
    rates = {0: 1e-3, 1: 0.0, 2: 0.0}  # no rate, no change
    monkeypatch.setattr(kits_msan.training.loop, "learning_rate", lambda _, step: rates[step])
    three_steps = train("unet3d", store, replace(tiny, steps=3), tmp_path / "three", progress=False)
    assert same(three_steps, one_step)


@pytest.mark.parametrize(
    "name", [name if name == "unet3d" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]
)
def test_every_network_learns(tmp_path: Path, store: Path, tiny: Profile, name: str) -> None:
    profile = replace(tiny, steps=40, tumor_share=1.0)
    train(name, store, profile, tmp_path / name, machine=Machine(precision="32"), progress=False)
    losses = [row["loss"] for row in read_metrics(tmp_path / name / METRICS)]
    assert np.mean(losses[-5:]) < 0.6 * losses[0]


@pytest.mark.slow
def test_overwriting_a_stopped_run_starts_over(tmp_path: Path, store: Path, tiny: Profile) -> None:
    train_until(3, "unet3d", store, tiny, tmp_path / "run", seed=1)
    fresh = train("unet3d", store, tiny, tmp_path / "fresh", progress=False)
    over = train("unet3d", store, tiny, tmp_path / "run", overwrite=True, progress=False)
    assert same(over, fresh)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "unet"}, "unknown model 'unet'"),
        ({"machine": Machine("tpu")}, "unknown device 'tpu'"),
        ({"machine": Machine(precision="16")}, "unknown precision '16'; choose one of auto, 32, bf16"),
        ({"data": Path("absent")}, "absent does not exist"),
        ({"machine": Machine("cpu", "bf16"), "profile": replace(SMOKE, slab=2)}, "computes wrongly in bf16"),
        ({"profile": replace(SMOKE, slab=1, grid=(16, 4, 4))}, "are pooled to a single voxel"),
        ({"profile": "desktop"}, "unknown profile 'desktop'"),
        ({"seed": -1}, "the seed is -1; choose one of 0 or more"),
    ],
)
def test_bad_arguments_leave_nothing_behind(
    data: Path, tmp_path: Path, tiny: Profile, arguments: dict, message: str
) -> None:
    given = {"name": "unet3d", "data": data, "profile": tiny, "run": tmp_path / "run"} | arguments
    with pytest.raises(InputError, match=message):
        train(**given, progress=False)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "dise"}, "unknown loss 'dise'; choose one of dice, dice-ce"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'; choose one of adamw, muon"),
        ({"schedule": "cosine"}, "unknown schedule 'cosine'; choose one of steps, one-cycle"),
        ({"augment": "flp"}, "unknown augmentation 'flp'"),
        ({"augment": None}, "a profile's augment cannot be None; it is a text"),
        ({"tumor_share": -0.1}, "a profile's tumor_share cannot be -0.1; it is a number, 0 to 1"),
        ({"steps": 0}, r"a profile's steps cannot be 0; it is a whole number, 1 to 1e\+09"),
        ({"steps": np.int64(3)}, "a profile's steps cannot be"),
        ({"grid": (16, 48.0, 48)}, "a profile's grid cannot be .* three whole numbers above 0"),
        ({"grid": (16, 50, 50)}, r"have \(4, 50, 50\) .* needs multiples of \(1, 4, 4\)"),
    ],
)
def test_a_profile_with_which_no_network_can_be_trained_is_refused(
    data: Path, tmp_path: Path, change: dict, message: str
) -> None:
    """Its network could not be loaded, or a step would fail once the run folder is begun and the store made."""
    with pytest.raises(InputError, match=message):
        train("unet3d", data, replace(SMOKE, **change), tmp_path / "run", progress=False)
    assert not any(tmp_path.iterdir())


def test_data_that_cannot_be_read_leave_a_new_run_folder_as_it_was(data: Path, tmp_path: Path, tiny: Profile) -> None:
    """An empty folder kept the settings of the call that was refused, and the corrected one was refused for them."""
    own, run = Path(shutil.copytree(data, tmp_path / "data")), tmp_path / "run"
    (own / "case_00001" / IMAGE).write_bytes(b"no scan")
    run.mkdir()
    for folder in (run, tmp_path / "new" / "run"):
        with pytest.raises(InputError, match="case_00001"):
            train("unet3d", own, tiny, folder, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "run"]
    assert not any(run.iterdir())


@pytest.mark.parametrize(
    ("where", "message"),
    [("loss", r"the loss is nan at step 2, on slabs of case_0000\d, case_0000\d;"),
     ("gradient", r"weights have become NaN or infinite, so .*last\.safetensors is not written; a step since")],
)  # fmt: skip
def test_what_is_not_finite_stops_and_is_not_saved(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch, where: str, message: str
) -> None:
    class Breaks(DiceLoss):
        calls = 0

        def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            Breaks.calls += 1
            if Breaks.calls == 3 and where == "gradient":
                logits.register_hook(lambda gradient: gradient * math.nan)
            return super().forward(logits, target) * (math.nan if Breaks.calls == 3 and where == "loss" else 1)

    monkeypatch.setattr(kits_msan.training.loop, "build_loss", lambda *_: Breaks())
    with pytest.raises(FloatingPointError, match=message):
        train("unet3d", data, tiny, tmp_path / "run", save_seconds=-1, progress=False)
    assert not (tmp_path / "run" / MODEL).exists()
    tensors, about = load_checkpoint(tmp_path / "run" / LAST)  # the last good step can be gone on from
    assert about["step"] == 2
    assert all(tensor.isfinite().all() for tensor in tensors.values())
