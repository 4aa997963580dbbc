"""Phantoms that the command made, and untrained networks."""

import shutil
from pathlib import Path

import pytest
import torch

from commands.command_line import run
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import SMOKE


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training cases and one for test, made by the command."""
    out = tmp_path_factory.mktemp("cli") / "phantoms"
    result = run("phantom", out, "--cases", 3, "--test", 1, "--seed", 7, "--profile", "smoke")
    assert result.code == 0, result.err
    assert result.out == f"2 training and 1 test cases in {out}\n"
    return out


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five networks, untrained, in the layout of the shipped ones. They find something, wherever it is."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in MODELS:
        torch.manual_seed(0)
        model = build_model(name, width=4, poolings=2)
        torch.nn.init.zeros_(model.head.bias)  # type: ignore[union-attr, arg-type]
        save_model(folder / f"{name}.safetensors", model, describe_model(name, model, SMOKE))
    return folder


@pytest.fixture
def place(tmp_path: Path, data: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: cases and networks."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(data, "data")
    shutil.copytree(checkpoints, "networks")
    return tmp_path
