"""For whom it works: scores by the size of the tumor, the contrast phase and the slice thickness.

`scores` is a table as in `tables`.
"""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pandas as pd

from kits_msan.ablation.tables import cells, means_of
from kits_msan.metrics import TARGETS
from kits_msan.networks.registry import TITLES

SIZES = (0, 20, 40, 70, np.inf)  # mm, diameter; 40 and 70 part the stages T1a, T1b and T2 of kidney cancer (TNM)
SLICES = (0, 3, 5, np.inf)  # mm: thin, as in most of KiTS19, thick
FEWEST = 5  # cases; a bootstrap of fewer says nothing
STRATA = {"size": "tumor diameter", "phase": "contrast phase", "slice_mm": "slice thickness"}


def strata_table(
    scores: pd.DataFrame, by: str, models: Iterable[str] = ("unet3d", "msan_v2_ds", "ensemble")
) -> pd.DataFrame:
    """Scores by `by`: "size" (diameter of the true tumor), "phase" or "slice_mm"; a row for each stratum and model.

    Columns: the stratum, model, n (cases), kidney and tumor with their intervals, `tumor_recall` (how much of the
    tumor was found) and `missed` (cases with a tumor that every training missed
    altogether). Empty where the scores do not know the stratum, or all cases lie in one.
    """
    labels = _strata(scores, by)
    rows = []
    if labels is not None and labels.nunique() > 1:
        for stratum, part in scores.groupby(labels, observed=True):
            for name in (name for name in models if name in set(scores["model"])):
                own = part[part["model"] == name]
                best = own[own["tumor_mm"] != 0].groupby("case")["tumor"].max()
                row = {by: stratum, "model": name, "n": own["case"].nunique(), "missed": int((best == 0).sum())}
                rows.append(row | means_of(part, name, [*TARGETS, "tumor_recall"]))
    return pd.DataFrame(rows)


def shown_strata(scores: pd.DataFrame, by: str) -> pd.DataFrame:
    """`strata_table` for people, without intervals of fewer than FEWEST cases."""
    table = strata_table(scores, by)
    if table.empty:
        return table
    table.loc[table["n"] < FEWEST, [name for name in table if str(name).endswith(("_low", "_high"))]] = np.nan
    shown = pd.DataFrame({STRATA[by]: table[by].astype(str), "n": table["n"]})
    shown["model"] = [TITLES[name] for name in table["model"]]
    shown["kidney"], shown["tumor"] = cells(table, "kidney"), cells(table, "tumor")
    shown["of the tumor found"] = cells(table, "tumor_recall")
    return shown.assign(missed=table["missed"])


def _strata(scores: pd.DataFrame, by: str) -> pd.Series | None:
    bounds = {"size": SIZES, "slice_mm": SLICES}.get(by)
    values = scores.get("tumor_mm" if by == "size" else by)
    if bounds is None or values is None:
        return values
    inner = [f"{low:g} to {high:g} mm" for low, high in pairwise(bounds[1:-1])]
    labels = [f"under {bounds[1]:g} mm", *inner, f"{bounds[-2]:g} mm and more"]
    found = pd.cut(values, bounds, right=False, labels=labels)
    if by == "size" and (values == 0).any():
        found = found.cat.set_categories(["no tumor", *labels]).mask(values == 0, "no tumor")
    return found
