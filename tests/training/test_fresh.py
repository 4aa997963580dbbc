"""Phantoms that are made while a training runs, and weights to begin with."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kits_msan.data.store import StoredCase
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import describe_model, save_model, start_from
from kits_msan.networks.registry import build_model
from kits_msan.phantom.make import case_seed, patient_of, phantom_case
from kits_msan.profiles import SHIPPED, SMOKE
from kits_msan.training import fresh
from kits_msan.training.fresh import FreshPhantoms, patient_seed, refuse_too_many_steps
from kits_msan.training.loop import train

FRESH = replace(SMOKE, train_cases=2, fresh=2, steps=5, grid=(8, 32, 32), augment="")
SIZE = {"width": SMOKE.width, "poolings": SMOKE.poolings}


@pytest.fixture(scope="module")
def steps() -> Iterator[list[list[StoredCase]]]:
    with FreshPhantoms(FRESH, seed=3) as phantoms:
        yield [phantoms.at(step) for step in range(5)]


def test_the_oldest_goes_after_the_profiles_steps(steps: list[list[StoredCase]]) -> None:
    names = [[case.name for case in cases] for cases in steps]
    made = [f"phantom_{patient_seed(3, index):06d}" for index in range(4)]
    assert names == [made[0:2], made[0:2], made[1:3], made[1:3], made[2:4]]


def test_they_are_the_phantoms_of_their_seeds(steps: list[list[StoredCase]]) -> None:
    case = phantom_case(patient_seed(3, 2), FRESH, touching=True)
    assert np.array_equal(steps[4][0].image, case.image)  # type: ignore[arg-type]
    assert np.array_equal(steps[4][0].label, case.label)  # type: ignore[arg-type]


def test_of_four_patients_one_comes_as_it_is_one_is_hard_and_two_show_a_tumor() -> None:
    seeds = [patient_seed(3, index) for index in range(400)]
    assert len(set(seeds)) == 400  # none comes twice
    assert seeds[::4] == [case_seed(3, "train", 3 * index) for index in range(0, 400, 4)]
    patients = [patient_of(seed) for seed in seeds]
    plain = [np.mean([patient.phase == "plain" for patient in patients[turn::4]]) for turn in range(4)]
    assert max(plain[2:]) < plain[0] < 0.5 < plain[1]  # a third of all; of the hard 1 - (2 / 3) ** 3, which is 0.7
    shown = [
        np.mean([p.phase != "plain" and p.largest_tumor is not None for p in patients[turn::4]]) for turn in range(4)
    ]
    assert shown[1] < shown[0] < 0.6 < min(shown[2:])  # 0.4 of all; 1 - 0.6 ** 3 is 0.8


def test_other_patients_are_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = FreshPhantoms(FRESH, seed=3).fingerprint()
    assert before == FreshPhantoms(FRESH, seed=3).fingerprint() != FreshPhantoms(FRESH, seed=4).fingerprint()
    monkeypatch.setattr(fresh, "WISHES", (None, *fresh.WISHES[1:3], None))
    assert FreshPhantoms(FRESH, seed=3).fingerprint() != before


def test_where_no_process_starts_a_remedy_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a script that is read by each process, and trains without asking whether it is the main one."""
    monkeypatch.setattr(fresh, "_live_as_long_as_the_training", sys.intern)  # fails
    with pytest.raises(InputError, match=r'no process can be started .* `if __name__ == "__main__":`'):
        train("unet3d", None, FRESH, tmp_path / "run", progress=False)
    assert not any(tmp_path.iterdir())


def test_a_process_that_was_killed_is_told() -> None:
    with FreshPhantoms(FRESH, seed=3) as phantoms:
        for process in phantoms._pool._processes.values():
            process.kill()
        with pytest.raises(InputError, match="a process that makes phantoms was ended"):
            phantoms.at(0)


@pytest.mark.slow
def test_stopped_and_resumed_equals_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kits_msan.training import processes
    from kits_msan.training.processes import TrainingStopped

    whole = train("unet3d", None, FRESH, tmp_path / "whole", machine=Machine("cpu"), progress=False)
    asked = iter([0, 0, 15])
    with monkeypatch.context() as patch:
        patch.setattr(processes.StopSignals, "agreed", lambda self, fabric: next(asked))
        with pytest.raises(TrainingStopped):
            train("unet3d", None, FRESH, tmp_path / "stopped", machine=Machine("cpu"), progress=False)
    again = train("unet3d", None, FRESH, tmp_path / "stopped", machine=Machine("cpu"), progress=False)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.parametrize(
    ("profile", "data", "validate", "message"),
    [
        (SMOKE, None, 0, "needs a folder of cases"),
        (FRESH, Path("cases"), 0, "makes its phantoms"),
        (FRESH, None, 1, "none can be held out"),
    ],
)
def test_data_where_there_should_be_none_is_refused(
    tmp_path: Path, profile: object, data: Path | None, validate: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train("unet3d", data, profile, tmp_path / "run", validate=validate, progress=False)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


# Weights to begin with


def test_more_steps_than_there_are_new_patients_are_refused_at_once(tmp_path: Path) -> None:
    most = 5 * (100_000 // 3 - 24 - 4)
    refuse_too_many_steps(replace(SHIPPED, steps=most))
    assert patient_seed(0, most // 5 + 24 + 4 - 1)  # the last one that is asked for
    with pytest.raises(InputError, match=r"new patients for at most 166,525 steps, not 166,526; .* --start-from"):
        train("unet3d", None, replace(SHIPPED, steps=most + 1), tmp_path / "run", machine=Machine("cpu"))
    assert not (tmp_path / "run").exists()


def test_what_fits_is_taken_and_the_rest_stays(tmp_path: Path) -> None:
    old, new = build_model("unet3d", **SIZE), build_model("msan_v2_ds", **SIZE)
    before = {name: value.clone() for name, value in new.state_dict().items()}
    save_model(tmp_path / "old.safetensors", old, describe_model("unet3d", old, SMOKE))
    taken = start_from(new, tmp_path / "old.safetensors")
    assert taken["model"] == "unet3d"
    assert taken["weights"] == sum(value.numel() for value in old.state_dict().values()) < taken["of"]
    for name, value in new.state_dict().items():
        assert torch.equal(value, old.state_dict().get(name, before[name])), name


def test_a_network_with_more_scales_takes_the_bottom_as_one_of_them(tmp_path: Path) -> None:
    old, new = build_model("msan_v1", width=3, poolings=2), build_model("msan_v1", width=3, poolings=3)
    save_model(tmp_path / "old.safetensors", old, describe_model("msan_v1", old, SMOKE))
    bottom = new.bottom.state_dict()["first.0.weight"].clone()  # type: ignore[union-attr]
    start_from(new, tmp_path / "old.safetensors")
    given, taken = old.state_dict(), new.state_dict()
    for name, source in (("encoder.2.", "bottom."), ("encoder.1.", "encoder.1."), ("decoder.1.", "decoder.1.")):
        assert torch.equal(taken[name + "first.0.weight"], given[source + "first.0.weight"]), name
    assert torch.equal(taken["bottom.first.0.weight"], bottom)


def test_a_network_of_another_width_is_refused(tmp_path: Path) -> None:
    old = build_model("unet3d", width=3, poolings=1)
    save_model(tmp_path / "old.safetensors", old, describe_model("unet3d", old, SMOKE))
    with pytest.raises(InputError, match="hardly fits"):
        start_from(build_model("unet3d", width=8, poolings=3), tmp_path / "old.safetensors")
