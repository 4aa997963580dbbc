"""The scripts beside a page that segments."""

from pathlib import Path

import pytest

from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.page.build import write_segment
from kits_msan.profiles import SMOKE


def save(path: Path, name: str) -> None:
    model = build_model(name, width=2, poolings=1)
    save_model(path / f"{name}.safetensors", model, describe_model(name, model, SMOKE))


def test_a_network_that_has_changed_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kits_msan.page.build.choose_phantoms", dict)
    for name in MODELS:
        save(tmp_path, name)

    def written() -> dict[str, bytes]:
        write_segment(tmp_path, tmp_path)
        return {name: (tmp_path / f"network-{name}.js").read_bytes() for name in MODELS}

    before = written()
    save(tmp_path, "msan_v1")
    after = written()
    assert [name for name in MODELS if after[name] != before[name]] == ["msan_v1"]
