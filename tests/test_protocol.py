"""The researcher's path on cases made up here: `evaluate` beside an independent count, and the paper's geometry."""

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from kits_msan.cli import main
from kits_msan.data.cases import LABEL, Case, load_case, save_case
from kits_msan.data.prepare import build_store
from kits_msan.data.slabs import SlabSampler
from kits_msan.profiles import PAPER

MakeCase = Callable[..., Case]


def shifted(label: np.ndarray) -> np.ndarray:
    return np.roll(label, (1, 2, -3), axis=(0, 1, 2))


def eroded(label: np.ndarray) -> np.ndarray:
    return np.where(ndimage.binary_erosion(label > 0), label, 0)


def without_tumor(label: np.ndarray) -> np.ndarray:
    return np.minimum(label, 1)


def dice_of_sets(found: np.ndarray, true: np.ndarray, lowest: int) -> float:
    """By the definition, on sets of voxels."""
    a, b = ({tuple(voxel) for voxel in np.argwhere(labels >= lowest)} for labels in (found, true))
    return 2 * len(a & b) / (len(a) + len(b))


def test_evaluate_equals_an_independent_count(make_case: MakeCase, tmp_path: Path) -> None:
    wanted = {}
    for number, change in enumerate([shifted, eroded, without_tumor]):
        case = make_case(f"case_{number:05d}", seed=number)
        assert case.label is not None
        found = change(case.label).astype(np.uint8)
        save_case(replace(case, image=None), tmp_path / "truth" / case.name)
        save_case(replace(case, image=None, label=found), tmp_path / "found" / case.name)
        kidney, tumor = (dice_of_sets(found, case.label, lowest) for lowest in (1, 2))
        wanted[case.name] = (kidney, tumor, (kidney + tumor) / 2)
    assert main(["evaluate", str(tmp_path / "found"), str(tmp_path / "truth"), "--out", str(tmp_path / "s.csv")]) == 0
    with (tmp_path / "s.csv").open() as file:
        rows = {
            row["case"]: [float(row[score]) for score in ("kidney", "tumor", "composite")]
            for row in csv.DictReader(file)
        }
    assert rows.keys() == wanted.keys()
    for name, scores in wanted.items():
        np.testing.assert_allclose(rows[name], scores, atol=6e-6)  # the table has five decimals


@pytest.mark.parametrize("shape", [(12, 512, 512), (12, 512, 796), (3, 512, 512)])
def test_papers_slabs_are_four_whole_slices_at_native_size(
    make_case: MakeCase, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    save_case(make_case("case_00000", shape=shape, spacing=(3.0, 0.78, 0.78)), tmp_path / "case_00000")
    cases = build_store([tmp_path / "case_00000"], tmp_path / "store", PAPER)
    assert cases[0].image.shape == shape
    batch = SlabSampler(cases, PAPER, seed=0).batch(0)
    assert batch.image.shape == (2, 1, 4, 512, 512)
    assert batch.label.shape == (2, 4, 512, 512)


@pytest.mark.parametrize("shape", [(29, 40, 40), (9, 32, 50)])
def test_smoke_networks_segment_few_slices_and_wide_ones(make_case: MakeCase, tmp_path: Path, shape: tuple) -> None:
    names = [f"case_{number:05d}" for number in range(2)]
    for name in names:
        save_case(make_case(name, shape=shape, spacing=(3.0, 0.78, 0.78)), tmp_path / "data" / name)
    (tmp_path / "data" / "split.json").write_text(
        json.dumps({"train": names[:1], "test": names[1:]}), encoding="utf-8"
    )
    run = [
        "train",
        "unet3d",
        "--profile",
        "smoke",
        "--steps",
        "1",
        "--device",
        "cpu",
        "--data",
        str(tmp_path / "data"),
    ]
    assert main([*run, "--out", str(tmp_path / "run")]) == 0
    predict = [
        "predict",
        str(tmp_path / "data" / names[1]),
        "--checkpoint",
        str(tmp_path / "run" / "model.safetensors"),
    ]
    assert main([*predict, "--out", str(tmp_path / "out")]) == 0
    found, scan = load_case(tmp_path / "out" / names[1], image=False), load_case(tmp_path / "data" / names[1])
    assert found.shape == scan.shape
    np.testing.assert_allclose(found.affine, scan.affine)
    assert (tmp_path / "out" / names[1] / LABEL).exists()
