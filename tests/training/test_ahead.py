import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import kits_msan.training.loop
from kits_msan.data.slabs import Batch
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE, Profile
from kits_msan.training.ahead import drawn_ahead
from kits_msan.training.loop import train
from kits_msan.training.settings import check_settings

ONE = torch.zeros(1)


def later(step: int) -> Callable[[], Batch]:
    """Work that takes longer for early steps, so that threads end out of order."""

    def work() -> Batch:
        time.sleep(0.02 if step % 3 == 0 else 0)
        return Batch(ONE, ONE, [f"case {step}"])

    return work


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_each_step_gets_its_own_batch_in_order(threads: int) -> None:
    drawn = [(step, batch.names) for step, batch in drawn_ahead(range(5, 25), later, threads)]
    assert drawn == [(step, [f"case {step}"]) for step in range(5, 25)]


@pytest.mark.parametrize("threads", [0, 2])
def test_what_drawing_raises_comes_at_its_step(threads: int) -> None:
    def draw(step: int) -> Callable[[], Batch]:
        def refuse() -> Batch:
            raise InputError("case 3 is damaged.")

        return refuse if step == 3 else later(step)

    batches = drawn_ahead(range(10), draw, threads)
    assert [next(batches)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="case 3 is damaged"):
        next(batches)


def test_a_loop_that_is_left_early_leaves_no_thread() -> None:
    asked: list[int] = []

    def draw(step: int) -> Callable[[], Batch]:
        asked.append(step)
        return later(step)

    before = threading.active_count()
    batches = drawn_ahead(range(1000), draw, 2)
    next(batches)
    batches.close()
    assert threading.active_count() == before
    assert asked == list(range(5))  # no further ahead than it says


@pytest.mark.parametrize("fresh", [0, 2])
def test_threads_change_no_weight(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, fresh: int) -> None:
    profile = replace(SMOKE, fresh=fresh, steps=5, grid=(8, 32, 32)) if fresh else SMOKE
    weights = []
    for threads in (0, 2):
        monkeypatch.setattr(kits_msan.training.loop, "helpers", lambda _, threads=threads: threads)
        network = train(
            "unet3d",
            None if fresh else data,
            profile,
            tmp_path / str(threads),
            machine=Machine("cpu"),
            progress=False,
        )
        weights.append(network.state_dict())
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not np.isnan(float(weights[0]["head.weight"].sum()))


def test_a_share_that_cannot_be_taken_together_is_refused(tmp_path: Path, data: Path, tiny: Profile) -> None:
    with pytest.raises(
        InputError, match="takes 2 slabs together, but a process would get 3; change its batch or its"
    ):
        train("unet3d", data, replace(tiny, batch=3, together=2), tmp_path / "run", machine=Machine("cpu"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="takes 4 slabs together, but a process would get 2; choose fewer devices"):
        check_settings(replace(tiny, batch=4, together=4), build_model("unet3d", width=4, poolings=2), 0, 2)
