"""What five opinions are worth beyond their vote: other ways to fuse them, whether their disagreement and their
probabilities can be trusted.

Everything is counted case by case, so that tables can add the counts up. All of it our choice; the paper votes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from kits_msan.metrics import TARGETS, bootstrap_interval

BINS = 10  # of predicted probability
LEAST = 0.01  # probability from which a voxel counts: below lies nearly all of a scan, and nothing to be learned


def staple(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """STAPLE for several classes (Warfield, Zou and Wells 2004; SimpleITK's): (M, D, H, W) labels -> (D, H, W).

    Estimates how reliable each network is while it estimates the truth. It looks only at the box in which some
    network sees something, since its estimate of reliability would otherwise be one of background. Ties and empty
    input give background.
    """
    import SimpleITK as sitk  # noqa: N813

    out = np.zeros(labels.shape[1:], np.uint8)
    where = np.nonzero(labels.any(axis=0))
    if not where[0].size:
        return out
    box = tuple(slice(axis.min(), axis.max() + 1) for axis in where)
    images = [sitk.GetImageFromArray(np.ascontiguousarray(each[box])) for each in labels]
    out[box] = sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, 0))
    return out


def agreement_counts(labels: NDArray[np.uint8], voted: NDArray[np.uint8], truth: NDArray[np.uint8]) -> pd.DataFrame:
    """How many voxels the vote has wrong, by the number of networks that agree with it: (M, D, H, W), (D, H, W).

    Only voxels count in which a network or the truth sees kidney or tumor. Columns: agreeing, voxels, wrong.
    """
    near = labels.any(axis=0) | (truth > 0)
    agreeing = (labels[:, near] == voted[near]).sum(axis=0)
    wrong = voted[near] != truth[near]
    size = len(labels) + 1
    table = pd.DataFrame(
        {
            "agreeing": range(size),
            "voxels": np.bincount(agreeing, minlength=size),
            "wrong": np.bincount(agreeing[wrong], minlength=size),
        }
    )
    return table[table["voxels"] > 0].reset_index(drop=True)


def disagreement_auroc(counts: pd.DataFrame) -> float:
    """The chance that a wrong voxel has fewer networks agreeing than a right one; ties count half.

    counts: as `agreement_counts` gives them. 0.5 says that disagreement tells nothing of errors, 1 that it tells
    all; nan where all is right or all wrong.
    """
    counts = counts.groupby("agreeing", as_index=False)[["voxels", "wrong"]].sum()  # sorted by agreeing
    wrong = counts["wrong"].to_numpy(float)
    right = counts["voxels"].to_numpy(float) - wrong
    if not (wrong.sum() and right.sum()):
        return float("nan")
    fewer = np.cumsum(wrong) - wrong  # wrong ones in which fewer agree
    return float(((fewer + wrong / 2) * right).sum() / (wrong.sum() * right.sum()))


def agreement_table(agreement: pd.DataFrame) -> pd.DataFrame:
    """Error rates by the number of agreeing networks, all cases and seeds together.

    agreement: `agreement_counts` with columns seed and case. Columns: voxels (their share, %), wrong (%), errors
    (share of all the vote's errors, %); index: agreeing.
    """
    total = agreement.groupby("agreeing")[["voxels", "wrong"]].sum()
    return pd.DataFrame(
        {
            "voxels": 100 * total["voxels"] / total["voxels"].sum(),
            "wrong": 100 * total["wrong"] / total["voxels"],
            "errors": 100 * total["wrong"] / max(total["wrong"].sum(), 1),
        }
    )


def agreement_auroc(agreement: pd.DataFrame) -> tuple[float, float, float]:
    """`disagreement_auroc` of each case and seed: their mean, with its 95 % interval over cases and seeds."""
    each = agreement.groupby(["seed", "case"]).apply(disagreement_auroc, include_groups=False).unstack("case")
    mean = float(each.stack().mean())  # of those that are known
    return (mean, *bootstrap_interval(each.to_numpy()))


def calibration_counts(probabilities: Tensor, truth: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How often what is called likely is there: (3, D, H, W) probabilities against (D, H, W) labels -> (2, 10, 3).

    For kidney (tumor included) and tumor, for each of ten bins of predicted probability: voxels, their summed
    probability, and those in which it is there. Voxels below 1 % are left out. Choosing them by the prediction
    alone keeps the comparison fair; choosing them by the truth would not.
    """
    counts = []
    for likely, there in ((1 - probabilities[0], truth > 0), (probabilities[2], truth > 1)):
        chosen = likely.numpy() >= LEAST
        p, hit = likely.numpy()[chosen].astype(float), there[chosen]
        bins = np.minimum((p * BINS).astype(int), BINS - 1)
        counts.append(np.stack([np.bincount(bins, weights, BINS) for weights in (None, p, hit)], axis=1))
    return np.stack(counts)


def calibration_frame(counts: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    """`calibration_counts` of each model as a table: model, target, bin (0 to 9), voxels, probability, present."""
    rows = [
        (model, target, index, *bins)
        for model, both in counts.items()
        for target, table in zip(TARGETS, both, strict=True)
        for index, bins in enumerate(table)
    ]
    frame = pd.DataFrame(rows, columns=["model", "target", "bin", "voxels", "probability", "present"])
    return frame.astype({"voxels": int, "present": int})


def calibration_table(calibration: pd.DataFrame) -> pd.DataFrame:
    """The reliability curve: columns model, target, predicted (mean, %), observed (%), voxels.

    calibration: as `calibration_frame` gives it, of any number of seeds, which are added up. Bins without voxels are
    left out.
    """
    keys = ["model", "target", "bin"]
    total = calibration.groupby(keys, sort=False, as_index=False)[["voxels", "probability", "present"]].sum()
    total = total[total["voxels"] > 0]
    return pd.DataFrame(
        {
            "model": total["model"],
            "target": total["target"],
            "predicted": 100 * total["probability"] / total["voxels"],
            "observed": 100 * total["present"] / total["voxels"],
            "voxels": total["voxels"],
        }
    ).reset_index(drop=True)


def calibration_error(calibration: pd.DataFrame) -> pd.DataFrame:
    """The expected calibration error in percentage points: a row for each model, a column for kidney and tumor.

    The mean distance of predicted from observed over the bins, weighted by their voxels (Naeini et al. 2015).
    """
    table = calibration_table(calibration)
    table["off"] = (table["predicted"] - table["observed"]).abs() * table["voxels"]
    sums = table.groupby(["model", "target"], sort=False)[["off", "voxels"]].sum()
    return (sums["off"] / sums["voxels"]).unstack("target")
