"""What a folder means where a checkpoint is asked for: a run's network, or all networks of a folder of several."""

from pathlib import Path

import pytest
import torch

from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import (
    LAST,
    MODEL,
    checkpoint_files,
    describe_model,
    load_model,
    save_checkpoint,
    save_model,
    start_from,
)
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE


def write(path: Path) -> None:
    model = build_model("msan_v2_ds", width=4, poolings=2)
    save_model(path, model, describe_model("msan_v2_ds", model, SMOKE))


def test_folder_of_a_run_is_its_network_and_a_stopped_one_is_none(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run / MODEL)
    for loaded in (load_model(run), load_model(run / MODEL)):
        fresh = build_model("msan_v2_ds", **loaded.config)
        assert start_from(fresh, run)["sha256"] == start_from(fresh, run / MODEL)["sha256"]
        assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), loaded.parameters(), strict=True))
    (run / MODEL).unlink()
    tensors = {"model.x": torch.zeros(1), "optimizer.0.step": torch.zeros(1)}
    save_checkpoint(run / LAST, tensors, {"step": 3, "profile": {"steps": 9}})
    for path in (run, run / LAST):
        for use in (load_model, lambda path: start_from(build_model("unet3d"), path)):
            with pytest.raises(InputError, match=r"last\.safetensors is what a stopped .* 3 of 9 steps, .*finish"):
                use(path)


def test_a_folder_of_several_means_all_of_them(tmp_path: Path) -> None:
    """In either layout; what other programs leave beside them does not count, and a run is still one network."""
    for name in ("b", "a"):
        write(tmp_path / "flat" / f"{name}.safetensors")
        write(tmp_path / "runs" / name / MODEL)
    (tmp_path / "flat" / "._a.safetensors").write_bytes(b"")
    (tmp_path / "runs" / "logs").mkdir()
    write(tmp_path / "runs" / "a" / "best.safetensors")
    assert checkpoint_files(tmp_path / "flat") == [tmp_path / "flat" / f"{name}.safetensors" for name in "ab"]
    assert checkpoint_files(tmp_path / "runs") == [tmp_path / "runs" / name / MODEL for name in "ab"]
    for one in (tmp_path / "runs" / "a", tmp_path / "runs" / "a" / MODEL):
        assert checkpoint_files(one) == [tmp_path / "runs" / "a" / MODEL]
    assert checkpoint_files(tmp_path / "absent") == [tmp_path / "absent"]  # `load_model` says what is wrong
