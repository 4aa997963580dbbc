from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from kits_msan.ablation.scoring import score_cases
from kits_msan.ablation.trust import (
    agreement_auroc,
    agreement_counts,
    agreement_table,
    calibration_counts,
    calibration_error,
    calibration_frame,
    calibration_table,
    disagreement_auroc,
    staple,
)
from kits_msan.data.cases import Case, save_case
from kits_msan.data.resampling import resample_case
from kits_msan.networks.registry import build_model
from kits_msan.profiles import Profile

NAN = float("nan")
MakeCase = Callable[..., Case]


def row(*values: int) -> np.ndarray:
    return np.array(values, np.uint8).reshape(1, 1, -1)


def test_staple_believes_the_networks_that_agree_with_the_others() -> None:
    """Two that are always right, and three that are wrong in the same place once but at random elsewhere."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.array([0, 1, 2, 1], np.uint8), 50).reshape(2, 10, 10)
    unreliable = []
    for _ in range(3):
        wrong = rng.random(truth.shape) < 0.4
        unreliable.append(np.where(wrong, rng.integers(0, 3, truth.shape), truth).astype(np.uint8))
    labels = np.stack([truth, truth, *unreliable])
    voted = np.stack([(labels == value).sum(0) for value in range(3)]).argmax(0)
    assert (staple(labels) == truth).mean() > (voted == truth).mean()
    assert (staple(labels) == truth).all()


def test_staple_of_one_opinion_is_that_opinion() -> None:
    labels = np.zeros((5, 4, 6, 6), np.uint8)
    labels[:, 1:3, 2:5, 2:4] = 1
    labels[:, 2, 3, 3] = 2
    np.testing.assert_array_equal(staple(labels), labels[0])
    assert not staple(np.zeros((5, 4, 6, 6), np.uint8)).any()


def test_agreement_is_counted_by_hand() -> None:
    # voxels:              seen by none | all right | 4 right | 3 of 5 wrong | missed by all | split 2-2-1
    truth = row(0, 1, 1, 0, 2, 2)
    labels = np.stack([row(0, 1, 1, 1, 0, 2), row(0, 1, 1, 1, 0, 2), row(0, 1, 1, 1, 0, 1), row(0, 1, 1, 0, 0, 1),
                       row(0, 1, 0, 0, 0, 0)])  # fmt: skip
    voted = row(0, 1, 1, 1, 0, 2)
    counts = agreement_counts(labels, voted, truth)
    assert counts.to_dict("list") == {"agreeing": [2, 3, 4, 5], "voxels": [1, 1, 1, 2], "wrong": [0, 1, 0, 1]}


@pytest.mark.parametrize(
    ("voxels", "wrong", "expected"),
    [
        ([10, 10], [10, 0], 1.0),  # those with fewer agreeing are wrong, the others right
        ([10, 10], [0, 10], 0.0),
        ([10, 10], [5, 5], 0.5),
        ([4, 4], [3, 1], 0.75),  # of 4 x 4 pairs: 3 x 3 right way round, 3 + 3 ties, 1 wrong way
        ([10, 10], [0, 0], NAN),
        ([10, 10], [10, 10], NAN),
    ],
)
def test_area_under_the_curve_by_hand(voxels: list[int], wrong: list[int], expected: float) -> None:
    counts = pd.DataFrame({"agreeing": [3, 5], "voxels": voxels, "wrong": wrong})
    assert disagreement_auroc(counts) == pytest.approx(expected, nan_ok=True)
    assert disagreement_auroc(counts[::-1]) == pytest.approx(expected, nan_ok=True)


def test_area_under_the_curve_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    agreeing, wrong = rng.integers(2, 6, 60), rng.random(60) < 0.4
    counts = pd.DataFrame({"agreeing": agreeing, "voxels": 1, "wrong": wrong.astype(int)})
    pairs = [(a < b) + 0.5 * (a == b) for a in agreeing[wrong] for b in agreeing[~wrong]]
    assert disagreement_auroc(counts) == pytest.approx(np.mean(pairs))


def test_agreement_of_cases_is_added_up_and_averaged() -> None:
    agreement = pd.DataFrame(
        {
            "seed": 0, "case": ["a", "a", "b", "b"], "agreeing": [3, 5, 3, 5],
            "voxels": [10, 90, 10, 90], "wrong": [10, 0, 4, 9],
        }
    )  # fmt: skip
    table = agreement_table(agreement)
    assert table["voxels"].tolist() == pytest.approx([10, 90])
    assert table["wrong"].tolist() == pytest.approx([70, 5])
    assert table["errors"].tolist() == pytest.approx([100 * 14 / 23, 100 * 9 / 23])
    mean, low, high = agreement_auroc(agreement)
    b = (4 * 81 + 0.5 * (4 * 6 + 9 * 81)) / (13 * 87)
    assert mean == pytest.approx((1 + b) / 2)
    assert (low, high) == pytest.approx((b, 1))


def test_calibration_by_hand() -> None:
    kidney_or_tumor = torch.tensor([0.005, 0.15, 0.15, 0.95, 1.0])
    tumor = torch.tensor([0.0, 0.05, 0.15, 0.95, 0.5])
    probabilities = torch.stack([1 - kidney_or_tumor, kidney_or_tumor - tumor, tumor])[:, None, None]
    counts = calibration_counts(probabilities, row(1, 0, 1, 2, 1))
    assert counts.shape == (2, 10, 3)
    kidney = counts[0]
    np.testing.assert_allclose(kidney[1], [2, 0.3, 1], rtol=1e-6)  # bin 0.1 to 0.2: two voxels, one of them kidney
    np.testing.assert_allclose(kidney[9], [2, 1.95, 2], rtol=1e-6)  # probability 1 belongs to the last bin
    assert kidney[:, 0].sum() == 4  # the voxel under 1 % is left out, though kidney
    np.testing.assert_allclose(
        counts[1][[0, 1, 5, 9]], [[1, 0.05, 0], [1, 0.15, 0], [1, 0.5, 0], [1, 0.95, 1]], rtol=1e-6
    )

    frame = calibration_frame({"unet3d": counts, "msan_v1": counts})
    assert frame.columns.tolist() == ["model", "target", "bin", "voxels", "probability", "present"]
    assert len(frame) == 2 * 2 * 10
    table = calibration_table(frame)
    assert table[table["target"] == "kidney"]["predicted"].tolist() == pytest.approx([15, 97.5] * 2)
    assert table[table["target"] == "kidney"]["observed"].tolist() == pytest.approx([50, 100] * 2)
    error = calibration_error(frame)
    assert error.loc["unet3d", "kidney"] == pytest.approx((35 * 2 + 2.5 * 2) / 4)
    assert error.loc["msan_v1", "tumor"] == pytest.approx((5 + 15 + 50 + 5) / 4)
    twice = calibration_error(pd.concat([frame.assign(seed=0), frame.assign(seed=1)]))
    pd.testing.assert_frame_equal(twice, error)


def test_calibration_is_counted_at_the_networks_spacing(make_case: MakeCase, tmp_path: Path, tiny: Profile) -> None:
    case = make_case(shape=(12, 72, 68), spacing=(10.0, 4.0, 4.0))  # twice as fine
    save_case(case, tmp_path / "case")
    model = build_model("unet3d", width=4, poolings=2)
    model.profile = tiny
    for name in ("head.weight", "head.bias"):
        torch.nn.init.zeros_(model.get_parameter(name))  # every voxel of every class with 1/3
    found = score_cases({"unet3d": model}, [tmp_path / "case"], device="cpu", progress=False).calibration
    label = resample_case(case, tiny.spacing).label
    assert label is not None
    assert label.shape == (12, 36, 34)
    own = found[(found["model"] == "unet3d") & (found["voxels"] > 0)].set_index("target")
    assert own["voxels"].to_dict() == {"kidney": label.size, "tumor": label.size}
    assert own["present"].to_dict() == {"kidney": (label > 0).sum(), "tumor": (label > 1).sum()}


def test_staple_knows_what_one_network_alone_leaves_out() -> None:
    labels = np.zeros((5, 2, 6, 6), np.uint8)
    labels[:, :, :2], labels[:4, :, 4:] = 1, 1
    assert (staple(labels)[:, 4:] == 1).all()
