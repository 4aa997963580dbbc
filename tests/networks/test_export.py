"""Networks as ONNX: onnxruntime finds what PyTorch finds, and the file says how to use it."""

import json
import logging
from collections.abc import Iterator
from logging.handlers import BufferingHandler
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from kits_msan.cli import main
from kits_msan.data.cases import window
from kits_msan.networks import export
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import build_model
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE


def network(name: str, x: torch.Tensor | None = None) -> Network:
    """A small network; its bias is such that in `x` no class is more likely than another."""
    torch.manual_seed(3)
    model = build_model(name, width=SMOKE.width, poolings=SMOKE.poolings).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    if x is not None:
        with torch.no_grad():
            model.head.bias -= model(x).mean(dim=(0, 2, 3, 4))  # type: ignore[union-attr]
    model.name, model.profile = name, SMOKE
    return model


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The exporter logs each of its steps, which pytest would keep."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def logits(path: Path, x: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [out] = session.run(["logits"], {"image": x.numpy()})
    return np.asarray(out)


def half_phantom() -> torch.Tensor:
    """As a network takes it, (1, 1, 8, 48, 48)."""
    made = phantom_case(5, SMOKE).image
    assert made is not None
    return torch.from_numpy(window(made))[None, None, :8]


def check_labels(model: Network, path: Path, x: torch.Tensor) -> None:
    """onnxruntime gives the labels of PyTorch on slabs of two sizes, neither the one at which the file was made."""
    for part in (x, torch.cat([x, x.flip(4), x.flip(3)])[..., 1:6, :32, 8:]):
        with torch.inference_mode():
            wanted = model(part).numpy()
        seen = logits(path, part)
        np.testing.assert_allclose(seen, wanted, atol=1e-3)
        assert len(np.unique(wanted.argmax(1))) == 3
        assert (seen.argmax(1) != wanted.argmax(1)).mean() < 1e-4  # two classes may be as good as equal in a voxel


@pytest.mark.slow
def test_the_command_writes_the_network_and_what_a_program_must_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the network with all parts; the heads of deep supervision stay out of the file."""
    model = network("msan_v2_ds", x := half_phantom())
    save_model(tmp_path / "model.safetensors", model, describe_model(model.name, model, SMOKE))
    out = tmp_path / "new" / "net.onnx"
    assert main(["export", str(tmp_path), "--onnx", str(out)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    check_labels(model, out, x)
    file = onnx.load(out)
    onnx.checker.check_model(file, full_check=True)
    said = {entry.key: json.loads(entry.value) for entry in file.metadata_props}
    assert said["model"] == "msan_v2_ds"
    assert said["classes"] == ["background", "kidney", "tumor"]
    assert said["window_hu"] == [-200, 500]
    assert said["spacing_mm"] == list(SMOKE.spacing or ())
    assert (said["slab"], said["multiple"]) == (SMOKE.slab, list(model.multiple))
    [image] = file.graph.input
    sizes = [size.dim_param or size.dim_value for size in image.type.tensor_type.shape.dim]
    assert sizes == ["N", 1, "D", "H", "W"]
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_what_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = network("unet3d")
    save_model(tmp_path / "model.safetensors", model, describe_model("unet3d", model, SMOKE))
    (tmp_path / "old.onnx").write_text("old")
    assert main(["export", str(tmp_path), "--onnx", str(tmp_path / "old.onnx")]) == 2
    assert "old.onnx exists; name another file or add --overwrite." in capsys.readouterr().err
    assert (tmp_path / "old.onnx").read_text() == "old"
    assert main(["export", str(tmp_path), "--onnx", str(tmp_path), "--overwrite"]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), "--onnx", str(tmp_path / "new.onnx")]) == 2
    assert "none does not exist" in capsys.readouterr().err
    assert not (tmp_path / "new.onnx").exists()


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network("unet3d")
    save_model(tmp_path / "model.safetensors", model, describe_model("unet3d", model, SMOKE))
    monkeypatch.setattr(export, "NEEDED", ("onnx_that_nobody_has",))
    assert main(["export", str(tmp_path), "--onnx", str(tmp_path / "new.onnx")]) == 2
    assert 'pip install "kits_msan[onnx]"' in capsys.readouterr().err
    assert not (tmp_path / "new.onnx").exists()


def test_it_is_quiet_about_what_no_network_needs(tmp_path: Path) -> None:
    logging.disable(logging.NOTSET)
    logger, said = logging.getLogger("torch.onnx"), BufferingHandler(1000)
    logger.addHandler(said)
    before = logger.level
    export.export_onnx(network("unet3d"), tmp_path / "n.onnx")
    logger.removeHandler(said)
    assert said.buffer == []
    assert logger.level == before
