"""What ships: a network, or the mean of several trainings of it."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kits_msan.errors import InputError
from kits_msan.networks.average import average
from kits_msan.networks.checkpoints import (
    describe_model,
    digest,
    load_checkpoint,
    load_model,
    save_model,
)
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE


def written(path: Path, name: str, weights: int, width: int = 2, **more: object) -> Path:
    torch.manual_seed(weights)
    model = build_model(name, width=width, poolings=1)
    save_model(path, model, {**describe_model(name, model, SMOKE), **more})
    return path


def test_each_weight_is_the_mean_and_the_description_is_that_of_the_newer(tmp_path: Path) -> None:
    old = written(tmp_path / "old.safetensors", "msan_v1", 0, seed=1)
    new = written(tmp_path / "new.safetensors", "msan_v1", 1, seed=2)
    average([old, new], tmp_path / "mean.safetensors")
    first, second, mean = (load_model(path).state_dict() for path in (old, new, tmp_path / "mean.safetensors"))
    assert any(not torch.equal(first[name], second[name]) for name in first)
    for name, value in mean.items():
        torch.testing.assert_close(value, ((first[name] + second[name]) / 2).bfloat16().float())
    stored = load_checkpoint(tmp_path / "mean.safetensors")[0]
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    about = load_checkpoint(tmp_path / "mean.safetensors")[1]
    assert about == load_checkpoint(new)[1] | {"mean_with": digest(old)}


def test_one_network_stays_itself_in_half_the_bytes(tmp_path: Path) -> None:
    new = written(tmp_path / "new.safetensors", "msan_v1", 1, seed=2)
    average([new], tmp_path / "out.safetensors")
    whole, half = load_checkpoint(new), load_checkpoint(tmp_path / "out.safetensors")
    assert half[1] == whole[1]
    assert all(torch.equal(half[0][name].float(), value.bfloat16().float()) for name, value in whole[0].items())
    assert {tensor.dtype for tensor in half[0].values()} == {torch.float16}


@pytest.mark.parametrize(("name", "width"), [("unet3d", 2), ("msan_v1", 4)])
def test_two_different_networks_have_no_mean(tmp_path: Path, name: str, width: int) -> None:
    old = written(tmp_path / "old.safetensors", name, 0, width=width)
    new = written(tmp_path / "new.safetensors", "msan_v1", 0)
    with pytest.raises(InputError, match="different networks"):
        average([old, new], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()


@pytest.mark.slow
def test_its_command_says_in_a_sentence_what_is_missing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "kits_msan.networks.average", "none", "none", str(tmp_path / "mean")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip() == "average: none does not exist; name a checkpoint, such as RUN/model.safetensors."
    done = subprocess.run(words[:-2], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (1, "average: name the files, [OLD ...] NEW OUT.")
