"""The run folder: its lock, its log, what a full disk and a kill leave of it, and the best network."""

import importlib
import struct
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from tensorboardX.proto.event_pb2 import Event

import kits_msan.networks.checkpoints
import kits_msan.training.loop
import kits_msan.training.runs
from kits_msan.data.prepare import build_store
from kits_msan.data.store import fingerprint
from kits_msan.errors import InputError, InputNote
from kits_msan.networks.checkpoints import LAST, MODEL, load_checkpoint
from kits_msan.profiles import Profile
from kits_msan.training.logs import CURVE, EVENTS, METRICS, VALIDATION, MetricsLog, read_metrics
from kits_msan.training.loop import train
from kits_msan.training.runs import BEST, CONFIG, LOCK, RunFolder

FULL = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)[0]


def same(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def events(run: Path) -> list[Event]:
    """All events of a run, file by file: TFRecords are a length, its checksum, the bytes and their checksum."""
    found = []
    for path in sorted((run / EVENTS).iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            found.append(Event.FromString(content[place + 12 : place + 12 + length]))
            place += 16 + length
    return found


def test_two_trainings_never_share_a_folder(tmp_path: Path, tiny: Profile) -> None:
    settings = {"model": "unet3d", "profile": asdict(tiny), "seed": 0}  # by the first two a run knows its own
    first, second = (RunFolder(tmp_path / "run", settings, 5) for _ in range(2))
    with first:
        first.claim()
        with pytest.raises(InputError, match="run is in use by another training; wait for it or name another folder"):
            second.claim()
        with pytest.raises(InputError, match="in use by another training"):
            second.claim(overwrite=True)
        assert (tmp_path / "run" / CONFIG).exists()
    with second:
        second.claim()


@pytest.mark.parametrize("left", [[], [LOCK], [LOCK, ".tmp-0123456789abcdef.json", ".tmpWkVMBv"]])
def test_what_a_run_left_that_was_killed_is_taken_up(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / name).touch()
    for _ in range(2):  # what lies beside no settings of its own stays the first time
        with RunFolder(tmp_path, {"seed": 0}, 5) as folder:
            folder.claim()
    assert {path.name for path in tmp_path.iterdir()} - {LOCK} == {CONFIG}


def test_changed_cases_are_noticed_on_resuming(data: Path, tmp_path: Path, store: Path, tiny: Profile) -> None:
    cases = build_store([data / "case_00000", data / "case_00001"], store, tiny)
    assert fingerprint(cases) == fingerprint(list(cases))
    assert fingerprint(cases) != fingerprint(cases[:1])
    assert fingerprint(cases) != fingerprint([cases[0], replace(cases[1], crc32=(1, 2))])
    network = kits_msan.training.loop.build_model("unet3d", width=4, poolings=2)
    optimizer = torch.optim.AdamW(network.parameters())
    folder = RunFolder(tmp_path, {}, 5)
    folder.about["data"] = fingerprint(cases)
    folder.save_last(network, optimizer, 3)
    assert folder.resume(network, optimizer) == 3
    folder.about["data"] = fingerprint(cases[:1])
    with pytest.raises(InputError, match=r"began with other training data; .* --overwrite"):
        folder.resume(network, optimizer)


def test_other_precision_on_resuming_is_said(tmp_path: Path) -> None:
    network = kits_msan.training.loop.build_model("unet3d", width=4, poolings=2)
    optimizer = torch.optim.AdamW(network.parameters())
    folder = RunFolder(tmp_path, {}, 5)
    folder.about |= {"data": "phantoms", "versions": {"device": "cpu", "precision": "32-true"}}
    folder.save_last(network, optimizer, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder.resume(network, optimizer) == 3
    folder.about["versions"]["precision"] = "bf16-mixed"
    with pytest.warns(InputNote, match=r"began with precision 32-true and goes on with bf16-mixed"):
        assert folder.resume(network, optimizer) == 3


def fail_between(first: int, last: int, calls: list[str]) -> Callable[..., None]:
    """safetensors' save_file, with a disk that is full from the `first` call to the `last`."""
    save = kits_msan.networks.checkpoints.save_file

    def save_file(tensors: Any, path: Path, metadata: Any) -> None:
        calls.append(path.name)
        if first <= len(calls) <= last:
            path.write_bytes(b"half")
            raise FULL
        save(tensors, path, metadata)

    return save_file


@pytest.mark.slow
def test_full_disk_costs_one_warning_and_neither_the_run_nor_a_good_checkpoint(
    tmp_path: Path, store: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    train("unet3d", store, tiny, tmp_path / "whole", validate=1, progress=False)
    calls: list[str] = []
    seen: list[int] = []
    note = RunFolder.note

    def noting(self: RunFolder, step: int, *rest: float) -> None:
        note(self, step, *rest)
        seen.append(load_checkpoint(self.path / LAST)[1]["step"] if (self.path / LAST).exists() else 0)

    monkeypatch.setattr(RunFolder, "note", noting)
    monkeypatch.setattr(kits_msan.networks.checkpoints, "save_file", fail_between(3, 7, calls))
    with pytest.warns(UserWarning, match="run: No space left on device") as caught:
        train("unet3d", store, tiny, tmp_path / "run", validate=1, save_seconds=-1, progress=False)
    assert len([w for w in caught if "No space" in str(w.message)]) == 1
    assert 1 in seen[2:]  # the last good one stayed
    assert same(tmp_path / "run" / MODEL, tmp_path / "whole" / MODEL)
    assert same(tmp_path / "run" / BEST, tmp_path / "whole" / BEST)  # written when there was space again
    assert not list((tmp_path / "run").glob(".tmp-*"))


@pytest.mark.filterwarnings("ignore:.*No space left on device; training goes on")
@pytest.mark.parametrize(("saves", "said"), [(0, "no checkpoint was written"), (1, "goes on from the last checkp")])
def test_full_disk_at_the_end_is_said_and_the_run_ends_when_there_is_space(
    tmp_path: Path, store: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch, saves: int, said: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(kits_msan.networks.checkpoints, "save_file", fail_between(1 + saves, 99, []))
        with pytest.raises(OSError, match=f"No space left on device.*{said}") as error:
            train("unet3d", store, tiny, tmp_path / "run", save_seconds=-1 if saves else 60, progress=False)
    assert error.value.filename == str(tmp_path / "run" / MODEL)
    train("unet3d", store, tiny, tmp_path / "run", progress=False)
    assert (tmp_path / "run" / MODEL).exists()


def test_a_training_that_is_refused_takes_nothing_from_the_one_that_runs(
    tmp_path: Path, data: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that start together, the second looked at the folder before the first had made it."""
    claim, run = RunFolder.claim, tmp_path / "run"

    def late(self: RunFolder, overwrite: bool = False) -> None:
        with RunFolder(run, self.config, 1) as first:
            claim(first)
            (run / "store").mkdir()
            claim(self, overwrite)

    monkeypatch.setattr(RunFolder, "claim", late)
    with pytest.raises(InputError, match="in use by another training"):
        train("unet3d", data, tiny, run, progress=False)
    assert {path.name for path in run.iterdir()} - {LOCK} == {CONFIG, "store"}


def test_log_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, store: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for name in ("write", "write_events", "draw"):
        monkeypatch.setattr(MetricsLog, name, fail)
    with pytest.warns(UserWarning, match="No space left on device; training goes on"):
        train("unet3d", store, tiny, tmp_path / "run", progress=False)
    assert (tmp_path / "run" / MODEL).exists()


def test_log_survives_a_restart_with_the_losses_since_its_last_row(tmp_path: Path) -> None:
    whole, first, second = (MetricsLog(tmp_path, 400) for _ in range(3))  # a row every two steps
    assert [whole.add(step, 0.1, float(step)) for step in range(1, 5)] == [False, True, False, True]
    for step in range(1, 4):
        first.add(step, 0.1, float(step))
    second.restore(first.state)
    second.add(4, 0.1, 4.0)
    assert [row[:3] for row in second.rows] == [row[:3] for row in whole.rows]
    assert [row[:3] for row in whole.rows] == [["2", "1.000e-01", "1.50000"], ["4", "1.000e-01", "3.50000"]]
    second.write()
    assert [row["loss"] for row in read_metrics(tmp_path / METRICS)] == [1.5, 3.5]
    assert second.seconds >= first.seconds - 0.01


def test_tensorboard_shows_what_the_table_holds(tmp_path: Path, store: Path, tiny: Profile) -> None:
    run = tmp_path / "run"
    train("unet3d", store, tiny, run, validate=1, progress=False)
    shown: dict[str, dict[int, float]] = {}
    for event in events(run):
        for value in event.summary.value:
            shown.setdefault(value.tag, {})[event.step] = value.simple_value
    rows, scores = read_metrics(run / METRICS), read_metrics(run / VALIDATION)
    assert shown["loss"] == pytest.approx({row["step"]: row["loss"] for row in rows})
    assert shown["learning_rate"] == pytest.approx({row["step"]: row["learning_rate"] for row in rows}, rel=1e-3)
    assert shown["validation/tumor"] == pytest.approx({row["step"]: row["tumor"] for row in scores})
    assert (run / CURVE).read_bytes().startswith(b"\x89PNG")


def test_each_start_of_a_run_tells_tensorboard_from_where_it_counts(tmp_path: Path) -> None:
    for step in (5, 3):  # the second start goes on from an older checkpoint
        log = MetricsLog(tmp_path, 10)
        log.write_events(step, {"loss": 0.5})
        log.close()
    starts = [event.step for event in events(tmp_path) if event.session_log.status == 1]
    assert sorted(starts) == [3, 5]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_twice_equals_never_killed_to_the_bit(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    kills: Any = importlib.import_module("kills")
    kills.train_here(data, tmp_path / "whole", 12)
    met = kills.run_killed(data, tmp_path / "run", 12, iter([(True, 0.1), (True, 0.2)]), 2)
    assert len(met) == 2
    assert kills.is_same(tmp_path / "whole", tmp_path / "run")
