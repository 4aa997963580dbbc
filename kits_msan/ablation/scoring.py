"""Test cases through the networks: every score that the ablation needs, from one pass over each case."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from kits_msan.ablation.trust import agreement_counts, calibration_counts, calibration_frame, staple
from kits_msan.cleanup import keep_sure, remove_islands
from kits_msan.data.cases import Case, load_case
from kits_msan.data.resampling import resample_case
from kits_msan.errors import InputError, one_line
from kits_msan.formats.volumes import Cyst
from kits_msan.inference import common_profile, segment
from kits_msan.metrics import dice_scores, surface_scores, tumor_measures
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import MODELS
from kits_msan.vote import vote_scores

CLEANUPS = {"two components": 2, "one component": 1, "none": 0}  # `keep_kidneys`, with one island kept, nothing
DEFAULT_CLEANUP = "two components"
MEAN, STAPLE = "mean probability", "STAPLE"  # other ways to fuse the five


@dataclass
class Results:
    """The tables of an ablation; each has a column `seed`, of the training.

    scores: a row for each case and model, after clean-up: case, model, kidney, tumor, composite (Dice, 0 to 1),
    the columns of `surface_scores` and `tumor_measures`, slice_mm, and phase where the data's manifest says it.
    parts: Dice of each case and model with every clean-up of CLEANUPS, and of other fusions of the five.
    agreement: `agreement_counts` of each case. calibration: `calibration_frame` of all cases together.

    Tumor scores are of the cases with a tumor, nan in others. `false_alarm` is for these: 1 where anything is called
    tumor, 0 where nothing is, nan in cases with one. So a difference of two models leaves out no case that either
    of them has wrong. composite is KiTS19's, of every case. Our choice.
    """

    scores: pd.DataFrame
    parts: pd.DataFrame
    agreement: pd.DataFrame
    calibration: pd.DataFrame

    def __post_init__(self) -> None:
        free = self.scores["tumor_ml"] == 0
        cases = set(self.scores.loc[free, "case"])
        masked = {name: self.scores[name].mask(free) for name in ("tumor", "tumor_surface_dice")}
        if "called_ml" in self.scores:
            masked["false_alarm"] = (self.scores["called_ml"] > 0).astype(float).where(free)
        self.scores = self.scores.assign(**masked)
        self.parts = self.parts.assign(tumor=self.parts["tumor"].mask(self.parts["case"].isin(cases)))


def join(results: Sequence[Results]) -> Results:
    """One below the other."""
    return Results(
        *(pd.concat([getattr(each, f.name) for each in results], ignore_index=True) for f in fields(Results))
    )


def score_cases(
    models: Mapping[str, Network],
    paths: Sequence[Path],
    seed: int = 0,
    strata: Mapping[str, Mapping[str, object]] | None = None,
    *,
    device: str = "auto",
    cyst: Cyst | None = None,
    progress: bool = True,
) -> Results:
    """Everything that the ablation tells of networks trained with one seed; the vote is that of the paper's five.

    strata: more columns of `scores` for cases by name, such as the contrast phase. cyst: as in `load_case`.
    Raises InputError for a case without label and for networks trained at different spacings.
    """
    each = []
    for path in tqdm(paths, f"scoring seed {seed}", disable=not progress, leave=False):
        each.append(_score_case(models, path, dict((strata or {}).get(path.name, {})), device, cyst))
    whole = join(each)
    keys = ["model", "target", "bin"]
    whole.calibration = whole.calibration.drop(columns="case").groupby(keys, sort=False, as_index=False).sum()
    for f in fields(Results):
        getattr(whole, f.name).insert(0, "seed", seed)
    return whole


def _score_case(
    models: Mapping[str, Network], path: Path, more: dict[str, object], device: str, cyst: Cyst | None
) -> Results:
    case, truth = labeled(path, cyst)
    case = replace(case, name=one_line(case.name))  # as the tables will have it
    raw, counts = _segment(models, case, device)
    plain = {name: labels.copy() for name, labels in raw.items()}
    for labels in plain.values():
        keep_sure(labels)
    five = np.stack([plain[name] for name in models if name in MODELS])  # (M, D, H, W)
    scores, parts = [], []
    for name in (*models, "ensemble"):
        for cleanup, components in CLEANUPS.items():
            labels = _cleaned(raw[name], components) if components else plain[name]
            dices = dice_scores(labels, truth)
            parts.append({"case": case.name, "model": name, "cleanup": cleanup, **dices})
            if cleanup == DEFAULT_CLEANUP:
                row = (
                    dices | surface_scores(labels, truth, case.spacing) | tumor_measures(labels, truth, case.spacing)
                )
                scores.append({"case": case.name, "model": name, **row, "slice_mm": case.spacing[0], **more})
    for name, fused in ((MEAN, raw[MEAN]), (STAPLE, staple(five))):
        dices = dice_scores(_cleaned(fused), truth)
        parts.append({"case": case.name, "model": name, "cleanup": DEFAULT_CLEANUP, **dices})
    agreement = agreement_counts(five, plain["ensemble"], truth)
    agreement.insert(0, "case", case.name)
    calibration = calibration_frame(counts)
    calibration.insert(0, "case", case.name)
    return Results(pd.DataFrame(scores), pd.DataFrame(parts), agreement, calibration)


def _cleaned(labels: NDArray[np.uint8], components: int = 2) -> NDArray[np.uint8]:
    """`keep_kidneys` of labels where tumor may be UNSURE."""
    out = labels.copy()
    remove_islands(out, components)
    return out


def _segment(
    models: Mapping[str, Network], case: Case, device: str
) -> tuple[dict[str, NDArray[np.uint8]], dict[str, NDArray[np.float64]]]:
    """Labels before clean-up, of each network, the vote of the five and their mean; and how probable each thought it.

    Calibration is counted at the networks' spacing, where their probabilities are.
    """
    spacing = common_profile(list(models.values())).spacing
    truth = resample_case(replace(case, image=None), spacing).label
    assert truth is not None
    voters = [index for index, name in enumerate(models) if name in MODELS]
    counts: dict[str, NDArray[np.float64]] = {}

    def combine(part: Tensor, first: int) -> list[Tensor]:
        mean = part[voters].mean(0)
        for name, values in zip((*models, "ensemble"), (*part, mean), strict=True):
            known = truth[first : first + part.shape[2]]
            counts[name] = counts.get(name, 0) + calibration_counts(values, known)
        return [*part, vote_scores(part[voters]), mean]

    found = segment(list(models.values()), case, combine, device=device)
    return dict(zip((*models, "ensemble", MEAN), found, strict=True)), counts


def labeled(path: Path, cyst: Cyst | None = None) -> tuple[Case, NDArray[np.uint8]]:
    """A test case and its labels (D, H, W). Raises InputError as `load_case` does, and without labels."""
    case = load_case(path, cyst=cyst)
    if case.label is None:
        raise InputError(f"{path} has no label to compare with.")
    return case, case.label
