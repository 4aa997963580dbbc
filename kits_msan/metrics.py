"""Scores of a segmentation: the official KiTS19 Dice pair, surface measures, and intervals over cases."""

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kits_msan.data.cases import KIDNEY, TUMOR, case_name, find_cases, load_label
from kits_msan.errors import InputError, first_of, note, without_warnings
from kits_msan.formats.grids import checked_spacing
from kits_msan.formats.nifti import checked_labels
from kits_msan.formats.volumes import Cyst

if TYPE_CHECKING:
    import pandas as pd

TARGETS = ("kidney", "tumor")  # that have a Dice of their own; kidney includes the tumor
SCORES = (*TARGETS, "composite")
RESAMPLES = 5000  # of the bootstrap
EQUAL = 1e-9  # values no farther apart differ by rounding alone
SUFFIX = re.compile(r"_0000$|\.seg$")  # what nnU-Net and 3D Slicer put behind a case's name
TOLERANCE = 2.0  # millimetres within which two surfaces count as the same; our choice


def dice_scores(prediction: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """The official KiTS19 scores of one case, 0 to 1: {"kidney", "tumor", "composite"}.

    prediction, truth: (D, H, W) labels. Kidney is the Dice of `label > 0`, tumor included; tumor that of
    `label > 1`; composite their mean. A class that neither holds is nan, and left out of the composite; one that
    only one of them holds is 0. (The official script means to guard against the first and does not.)
    Raises InputError for arrays of different shape, and for values other than 0, 1 and 2.
    """
    found, true = _labels(prediction, truth)
    kidney, tumor = dice(found >= KIDNEY, true >= KIDNEY), dice(found >= TUMOR, true >= TUMOR)
    known = [score for score in (kidney, tumor) if not np.isnan(score)]
    return {"kidney": kidney, "tumor": tumor, "composite": float(np.mean(known)) if known else float("nan")}


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """2 |A and B| / (|A| + |B|) of two masks of one shape; nan if both are empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / total) if total else float("nan")


def surface_scores(prediction: ArrayLike, truth: ArrayLike, spacing: Sequence[float]) -> dict[str, float]:
    """How far surfaces lie apart, for kidney (tumor included) and tumor; MONAI's measures.

    spacing: millimetres. Gives `<class>_hd95`, the 95th percentile of the distances in millimetres, and
    `<class>_surface_dice`, the share of both surfaces within 2 mm of the other, 0 to 1. Where only one of the two
    holds the class there is no distance (nan), and the share is 0; where neither does, both are nan.
    Raises InputError for arrays of different shape, or of other than three axes, for values other than 0, 1 and 2,
    and for no spacing.
    """
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice  # takes seconds to import

    found, true = _labels(prediction, truth)
    if found.ndim != 3:
        raise InputError(
            f"surfaces are of the labels of one scan, (D, H, W), not of an array of shape {found.shape}."
        )
    sizes = list(checked_spacing("the spacing", spacing))
    scores: dict[str, float] = {}
    for name, lowest in (("kidney", KIDNEY), ("tumor", TUMOR)):
        a, b = (torch.from_numpy(labels >= lowest)[None, None] for labels in (found, true))  # (1, 1, D, H, W)
        distance = float("nan")
        share = 0.0 if a.any() or b.any() else float("nan")
        if a.any() and b.any():
            with without_warnings():  # MONAI's
                distance = float(compute_hausdorff_distance(a, b, percentile=95, spacing=sizes))
                share = float(compute_surface_dice(a, b, class_thresholds=[TOLERANCE], spacing=sizes))
        scores |= {f"{name}_hd95": distance, f"{name}_surface_dice": share}
    return scores


def score_folders(
    predictions: str | Path,
    truth: str | Path,
    surface: bool = False,
    cyst: Cyst | None = None,
    failed: dict[str, str] | None = None,
    names: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """Compare every segmentation under `predictions` with the one of the same case name under `truth`.

    A scan's name may end in _0000, as nnU-Net names it, or a segmentation's in .seg. Two files are just compared.
    Columns: case, kidney, tumor, composite, the true tumor_ml and called_ml; with `surface` those of
    `surface_scores` too.
    cyst: what the label 3 of KiTS21 and KiTS23 counts as. Truths without prediction are left out, and that is said.
    failed: gets the predictions that cannot be scored, by name, and why; without it the first raises InputError.
    names: of the truths that are compared, if not all are.
    Raises InputError for a prediction without truth, broken or on another grid, and for two of one name.
    """
    import pandas as pd  # takes half a second, which those who want a Dice alone should not wait for

    true_paths = {case_name(path): path for path in find_cases(truth)}
    paths = {case_name(path): path for path in find_cases(predictions)}
    if Path(predictions).is_file() and Path(truth).is_file():  # two that were named, whatever their names
        true_paths = dict(zip(paths, true_paths.values(), strict=True))
    wanted = list(true_paths) if names is None else names
    found: dict[str, Path] = {}  # by the truth's name
    rows = []
    for name, path in paths.items():
        true_name = name if name in true_paths else SUFFIX.sub("", name)
        if names is not None and true_name not in names:
            continue
        try:
            if true_name not in true_paths:
                raise InputError(
                    f"{path} has no label of the name {name} in {truth}, which holds {first_of(sorted(true_paths))}; "
                    "give both the same name."
                )
            if found.setdefault(true_name, path) is not path:
                raise InputError(f"{found[true_name]} and {path} are both of {true_name}; move one of them away.")
            rows.append({"case": name, **_score(path, true_paths[true_name], surface, cyst)})
        except InputError as error:
            if failed is None:
                raise
            failed[name] = str(error)
    if rows and (absent := [name for name in wanted if name not in found]):
        note(
            f"{predictions} lacks {len(absent)} of the {len(wanted)} cases of {truth} that are to be scored: "
            f"{first_of(absent)}."
        )
    return pd.DataFrame(rows)


def _score(path: Path, true_path: Path, surface: bool, cyst: Cyst | None) -> dict[str, float]:
    true = load_label(true_path, cyst=cyst)
    found = load_label(path, like=true_path, cyst=cyst)
    assert found.label is not None
    assert true.label is not None
    measures = tumor_measures(found.label, true.label, true.spacing)
    scores = dice_scores(found.label, true.label) | {name: measures[name] for name in ("tumor_ml", "called_ml")}
    return scores | (surface_scores(found.label, true.label, true.spacing) if surface else {})


def tumor_measures(prediction: ArrayLike, truth: ArrayLike, spacing: Sequence[float]) -> dict[str, float]:
    """The true tumor's size, how much of it was found, and how much is called tumor.

    `tumor_ml`, its volume; `tumor_mm`, the diameter of the sphere of that volume, as in docs/kits19.md;
    `tumor_recall`, the share of it that the prediction calls tumor, 0 to 1, nan without a tumor;
    `called_ml`, the volume of all that it calls tumor.
    Raises InputError for arrays of different shape, for values other than 0, 1 and 2, and for no spacing.
    """
    found, true = _labels(prediction, truth)
    voxel = math.prod(checked_spacing("the spacing", spacing))  # mm3
    voxels = np.count_nonzero(true >= TUMOR)
    volume = voxels * voxel
    hit = np.count_nonzero((found >= TUMOR) & (true >= TUMOR))
    return {
        "tumor_ml": volume / 1000,
        "tumor_mm": float(np.cbrt(6 * volume / np.pi)),
        "tumor_recall": hit / voxels if voxels else float("nan"),
        "called_ml": np.count_nonzero(found >= TUMOR) * voxel / 1000,
    }


def bootstrap_interval(values: ArrayLike, seed: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean over cases, or over cases and trainings; nan is left out.

    values: (cases,), or (trainings, cases) where every training was scored on the same cases. In the first form it
    says how far the mean may lie off because these cases were drawn and not others, not how it varies from one
    training to the next. In the second, trainings and cases are both drawn anew, independently of each other (our
    choice, after Owen 2007, "The pigeonhole bootstrap"); with three trainings it is rough, and rather too narrow
    than too wide in what it says of them. A single value, or values that are all equal, give (nan, nan): they do not
    show how cases vary. For a share of cases there is `share_interval`.
    confidence: above 0 and below 1. Raises InputError for any other.
    """
    from scipy.stats import bootstrap

    if not 0 < confidence < 1:
        raise InputError(f"a confidence of {confidence} is not between 0 and 1; give a share, such as 0.95.")
    every = np.asarray(values, float)
    known = every[~np.isnan(every)]
    if len(known) < 2 or np.ptp(known) < EQUAL:
        return float("nan"), float("nan")
    if every.ndim == 2 and len(every) > 1:
        return _pigeonhole(every, seed, confidence)
    rng = np.random.default_rng(seed)
    result = bootstrap(
        (known,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="percentile", rng=rng
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def share_interval(values: ArrayLike) -> tuple[float, float]:
    """The exact 95 % interval (Clopper and Pearson 1934) of the share of cases whose value is 1.

    values: 0, 1 or nan, which is left out; (nan, nan) if nothing else is there. A bootstrap would be too narrow: of 0
    in 10 cases it says 0 to 0, and this 0 to 0.31.
    """
    from scipy.stats import binomtest

    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = binomtest(int(known.sum()), len(known)).proportion_ci(0.95)
    return float(low), float(high)


def _pigeonhole(values: NDArray, seed: int, confidence: float) -> tuple[float, float]:
    """The interval of the mean of (trainings, cases) when both are drawn with replacement."""
    if np.count_nonzero(~np.isnan(values).all(axis=0)) < 2:
        return float("nan"), float("nan")
    rows, columns = _times_drawn(seed, values.shape)
    total = np.einsum("br,bc,rc->b", rows, columns, np.nan_to_num(values), optimize=True)
    count = np.einsum("br,bc,rc->b", rows, columns, (~np.isnan(values)).astype(float), optimize=True)
    means = total[count > 0] / count[count > 0]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


@lru_cache(maxsize=8)  # the measures of a table have one shape, and to draw takes most of their time
def _times_drawn(seed: int, shape: tuple[int, ...]) -> list[NDArray]:
    """For each axis (RESAMPLES, n): how often each of its n entries is drawn."""
    rng = np.random.default_rng(seed)
    return [rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) for n in shape]


def _labels(prediction: ArrayLike, truth: ArrayLike) -> tuple[NDArray, NDArray]:
    found, true = checked_labels("the prediction holds", prediction), checked_labels("the truth holds", truth)
    if found.shape != true.shape:
        raise InputError(f"the prediction has shape {found.shape}, the truth {true.shape}; they must be the same.")
    return found, true
