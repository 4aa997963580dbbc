"""Training in several processes, and stopping on Ctrl-C and SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import kits_msan.training.loop
from kits_msan.cli import main
from kits_msan.data.slabs import Batch, SlabSampler
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import LAST, MODEL, load_checkpoint
from kits_msan.profiles import Profile
from kits_msan.training.logs import METRICS, VALIDATION, read_metrics
from kits_msan.training.loop import train
from kits_msan.training.processes import (
    StopSignals,
    TrainingStopped,
    _processes,
    build_fabric,
    first_then_others,
    process_number,
)
from kits_msan.training.runs import BEST

SCRIPT = """
import os
import time
from pathlib import Path
import torch
from kits_msan.devices import Machine
from kits_msan.profiles import profile_from
from kits_msan.training.loop import train
torch.set_num_threads(1)
if os.environ["RANK"] == "1":  # the second looks at the folder slowly; the first must not write to it meanwhile
    is_file = Path.is_file
    Path.is_file = lambda path: time.sleep(2 * (path.name == "two")) or is_file(path)
train({name!r}, Path({data!r}), profile_from({profile!r}), Path({run!r}), machine=Machine("cpu", "32"), validate=1)
"""


@pytest.mark.slow
def test_two_processes_with_two_slabs_equal_one_with_four(tmp_path: Path, data: Path, tiny: Profile) -> None:
    profile = replace(tiny, batch=4, steps=3)
    train("msan_v2_ds", data, profile, tmp_path / "one", machine=Machine("cpu", "32"), validate=1, progress=False)
    script = tmp_path / "script.py"
    values = {"name": "msan_v2_ds", "data": str(data), "profile": profile.__dict__, "run": str(tmp_path / "two")}
    script.write_text(SCRIPT.format(**values), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    result = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, encoding="utf-8"
    )
    assert result.returncode == 0, result.stderr
    for file in (MODEL, BEST):
        one, two = (load_checkpoint(tmp_path / run / file) for run in ("one", "two"))
        assert one[1]["data"] == two[1]["data"]
        for key, tensor in one[0].items():
            torch.testing.assert_close(two[0][key], tensor, rtol=1e-4, atol=1e-5, msg=key)
    for file in (METRICS, VALIDATION):
        one_rows, two_rows = (read_metrics(tmp_path / run / file) for run in ("one", "two"))
        for one_row, two_row in zip(one_rows, two_rows, strict=True):
            assert two_row | {"seconds": 0} == pytest.approx(one_row | {"seconds": 0}, rel=1e-4, abs=1e-5)


def test_batch_that_cannot_be_shared_is_refused(data: Path, tmp_path: Path, tiny: Profile) -> None:
    with pytest.raises(
        InputError, match=r"a batch of 2 slabs cannot be shared evenly by 3 .* devices that divides 2"
    ):
        train("unet3d", data, tiny, tmp_path / "run", machine=Machine("cpu", devices=3), progress=False)
    assert not any(tmp_path.iterdir())


def test_more_gpus_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    with pytest.raises(InputError, match="4 devices are asked for, but this machine has 2 of kind cuda"):
        build_fabric(Machine(devices=4))


HANGUP = getattr(signal, "SIGHUP", signal.SIGTERM)
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2", "RANK": "3"}
SLURM = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "msan", "SLURM_PROCID": "0"}


@pytest.mark.parametrize(("environment", "launcher"), [(TORCHRUN, "torchrun"), (SLURM, "SLURM")])
def test_launchers_say_how_many_processes_there_are(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], launcher: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _processes(1) == _processes(4) == (4, 2)
    with pytest.raises(InputError, match=f"{launcher} started 4 processes on this machine, not 3"):
        _processes(3)
    with pytest.raises(InputError, match="a batch of 12 slabs cannot be shared evenly by 8 processes"):
        build_fabric(Machine("cpu"), batch=12)


@pytest.mark.parametrize(
    ("environment", "number"),
    [({}, 0), (TORCHRUN, 3), (TORCHRUN | {"RANK": "0", "LOCAL_RANK": "0"}, 0), (SLURM | {"SLURM_PROCID": "5"}, 5),
     ({"LOCAL_RANK": "1"}, 1), ({"RANK": "3", "LOCAL_RANK": "0"}, 0), ({"SLURM_PROCID": "1", "LOCAL_RANK": "0"}, 0)],
)  # fmt: skip
def test_processes_are_numbered_as_they_will_train(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], number: int
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert process_number() == number


def test_what_the_first_process_cannot_do_is_raised_in_all() -> None:
    told: list[Any] = []

    def fabric(rank: int) -> Any:
        def broadcast(value: Any) -> Any:
            if rank == 0:
                told.append(value)
            return told[-1]

        return SimpleNamespace(world_size=2, global_rank=rank, broadcast=broadcast)

    assert [first_then_others(fabric(rank), lambda: 5) for rank in (0, 1)] == [5, 5]
    done: list[int] = []
    for rank in (0, 1):
        first_then_others(fabric(rank), partial(done.append, rank))  # what returns nothing is done once, too
    assert done == [0, 1]

    def fail() -> None:
        raise InputError("no such case")

    for rank, work in ((0, fail), (1, lambda: pytest.fail("it must not begin"))):
        with pytest.raises(InputError, match="no such case") as caught:
            first_then_others(fabric(rank), work)
        assert getattr(caught.value, "said_by_first") is (rank > 0)  # noqa: B009


def interrupt_at(step: int, number: int, patch: pytest.MonkeyPatch) -> None:
    """Let the signal come while the batch of `step` is drawn."""
    plain = SlabSampler.batch

    def batch(self: SlabSampler, now: int, *share: int) -> Batch:
        if now == step:
            signal.raise_signal(number)
        return plain(self, now, *share)

    patch.setattr(SlabSampler, "batch", batch)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (HANGUP, 128 + HANGUP)])
def test_signal_stops_after_the_step_with_a_checkpoint(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    before = signal.signal(number, signal.default_int_handler)  # also where the tests run under `nohup`
    try:
        with monkeypatch.context() as patch:
            interrupt_at(3, number, patch)
            with pytest.raises(TrainingStopped, match="stopped after step 4 of 6") as stop:
                train("unet3d", data, tiny, tmp_path / "run", progress=False)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert stop.value.code == code
    assert load_checkpoint(tmp_path / "run" / LAST)[1]["step"] == 4
    stopped = train("unet3d", data, tiny, tmp_path / "run", progress=False)
    whole = train("unet3d", data, tiny, tmp_path / "whole", progress=False)
    pairs = zip(stopped.state_dict().values(), whole.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_nohup_stays_in_force() -> None:
    before = signal.signal(HANGUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(HANGUP)
        assert stop.number == 0
    finally:
        signal.signal(HANGUP, before)


def test_command_says_in_a_sentence_that_the_loss_is_not_finite(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        kits_msan.training.loop, "build_loss", lambda *_: lambda logits, _: logits.sum() * float("nan")
    )
    code = main(f"train unet3d --data {data} --profile smoke --out {tmp_path / 'run'}".split())
    assert code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("kits-msan: the loss is nan at step 0, on slabs of case_0000")


def test_second_interrupt_acts_at_once_unless_it_is_the_first_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with StopSignals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # as torchrun does
        signal.raise_signal(signal.SIGTERM)
        assert stop.number == signal.SIGINT
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 10)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
