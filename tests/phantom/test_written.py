"""Phantoms on disk: the folder of KiTS19, its manifest, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kits_msan.data.cases import Case, find_cases, load_case
from kits_msan.errors import InputError
from kits_msan.phantom.make import (
    PHANTOM_VERSION,
    case_seed,
    patient_of,
    phantom_case,
    write_phantoms,
)
from kits_msan.profiles import SMOKE


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "set", 2, 1, seed=5, profile="smoke")


# On disk


def test_written_folder_looks_like_kits19(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == [
        "case_00000", "case_00001", "case_00002", "manifest.json", "split.json",
    ]  # fmt: skip
    assert json.loads((written / "split.json").read_text(encoding="utf-8")) == {
        "train": ["case_00000", "case_00001"],
        "test": ["case_00002"],
    }
    assert [path.name for path in find_cases(written)] == ["case_00000", "case_00001", "case_00002"]


def test_written_cases_are_those_of_their_seeds(written: Path) -> None:
    for name, split, index in (("case_00001", "train", 1), ("case_00002", "test", 0)):
        read, made = load_case(written / name), phantom_case(case_seed(5, split, index), "smoke")
        assert read.name == name
        assert np.array_equal(read.image, made.image)  # type: ignore[arg-type]
        assert np.array_equal(read.label, made.label)  # type: ignore[arg-type]
        assert np.allclose(read.spacing, made.spacing)


def test_manifest_says_how_each_case_was_made(written: Path) -> None:
    manifest = json.loads((written / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["phantom_version"] == PHANTOM_VERSION
    assert (manifest["profile"], manifest["seed"]) == ("smoke", 5)
    assert [row["name"] for row in manifest["cases"]] == ["case_00000", "case_00001", "case_00002"]
    last = manifest["cases"][-1]
    assert last["seed"] == case_seed(5, "test", 0)
    assert last["drawn"] == json.loads(json.dumps(patient_of(last["seed"]).summary()))
    assert last["drawn"]["phase"] in ("plain", "arterial", "portal", "late")


def test_existing_results_are_refused_or_replaced_whole(tmp_path: Path) -> None:
    tiny = replace(SMOKE, grid=(4, 16, 16))
    write_phantoms(tmp_path / "set", 1, 1, profile=tiny)
    with pytest.raises(InputError, match="already holds results"):
        write_phantoms(tmp_path / "set", 1, 1, profile=tiny)
    write_phantoms(tmp_path / "set", 1, 0, profile=tiny, overwrite=True)
    assert [path.name for path in find_cases(tmp_path / "set")] == ["case_00000"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_notes_that_came_into_being_meanwhile_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    notes = tmp_path / "set" / "notes.txt"

    def made(*args: Any) -> Case:
        notes.parent.mkdir()
        notes.write_text("mine", encoding="utf-8")
        return phantom_case(*args)

    monkeypatch.setattr("kits_msan.phantom.make.phantom_case", made)
    with pytest.raises(InputError, match="folder of phantoms, which is never" if overwrite else "already holds"):
        write_phantoms(tmp_path / "set", 1, 0, profile=replace(SMOKE, grid=(4, 16, 16)), overwrite=overwrite)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [notes]
