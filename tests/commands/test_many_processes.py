"""Commands that srun or torchrun started many times: what goes wrong in any of them is said, with its exit code."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import kits_msan.training.loop
from kits_msan.cli import main
from kits_msan.commands.stopping import as_typed
from kits_msan.errors import InputError, note
from kits_msan.training.processes import TrainingStopped, said_by_first

SLURM = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "msan", "SLURM_PROCID": "1"}


@pytest.mark.parametrize("environment", [{"RANK": "3"}, {"SLURM_PROCID": "1"}, SLURM])
@pytest.mark.parametrize("command", ["predict absent --checkpoint absent", "prepare absent", "train unet3d"])
def test_no_process_fails_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    environment: dict[str, str], command: str,
) -> None:  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    data = ["--data", str(tmp_path / "absent")] if command.startswith("train") else []
    assert main([*command.split(), *data, "--out", str(tmp_path / "out")]) == 2
    who = "process 1: " if data and len(environment) > 1 else ""
    assert capsys.readouterr().err.startswith(f"kits-msan: {who}")


@pytest.mark.parametrize(
    ("error", "says", "code"),
    [(OSError(5, "Input/output error", "case.npy"), "kits-msan: process 1: case.npy: Input/output error", 2),
     (said_by_first(SimpleNamespace(global_rank=1), InputError("shared")), "", 0),
     (said_by_first(SimpleNamespace(global_rank=1), TrainingStopped("stopped", 15)), "", 0),
     (TrainingStopped("stopped at once", 2), "kits-msan: process 1: stopped at once; to go on:", 130)],
)  # fmt: skip
def test_only_what_the_first_process_says_too_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path,
    error: BaseException, says: str, code: int,
) -> None:  # fmt: skip
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(kits_msan.training.loop, "train", fail)
    assert main(f"train unet3d --data {store} --profile smoke --out {tmp_path / 'run'}".split()) == code
    err = capsys.readouterr().err
    assert err.startswith(says) if says else err == ""


GLOO = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:3507: "


@pytest.mark.parametrize(
    ("said", "is_ended"),
    [(GLOO + "Connection reset by peer. This is typically caused by a remote worker hanging or bugs. GLHF!", True),
     (GLOO + "Connection closed by peer [127.0.0.1]:3507", True),
     ("NCCL error 2.27\nncclRemoteError: a network error or a remote process exiting prematurely.", True),
     (GLOO + "Timed out waiting 1800000ms for recv operation to complete", False),
     ("size mismatch", False)],
)  # fmt: skip
def test_the_end_of_another_process_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path,
    said: str, is_ended: bool,
) -> None:  # fmt: skip
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(kits_msan.training.loop, "train", fail)
    words = f"train unet3d --data {store} --profile smoke --out {tmp_path / 'run'}".split()
    if not is_ended:
        with pytest.raises(RuntimeError, match=re.escape(said[-20:])):
            main(words)
        return
    assert main(words) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("kits-msan: another process of this training ended")
    assert line.endswith(f"to go on:  kits-msan {as_typed(words)}")


@pytest.mark.parametrize("number", [0, 1])
def test_choices_for_a_shared_training_are_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Path, tmp_path: Path, number: int
) -> None:
    monkeypatch.setenv("LOCAL_RANK", str(number))
    monkeypatch.setattr(kits_msan.training.loop, "train", lambda *_, **__: note("chosen"))
    assert main(f"train unet3d --data {store} --profile smoke --out {tmp_path / 'run'}".split()) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["kits-msan: chosen"][number:]
    assert len(captured.out.splitlines()) == 1 - number
