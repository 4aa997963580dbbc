"""Scores of four cases by every model, with known means and differences, for the tests of the tables."""

import numpy as np
import pandas as pd

from kits_msan.networks.registry import MODELS

NAN = float("nan")
# Dice of four cases: v1 is better on every case, v2 worse in tumor, v2_ds the same on average
KIDNEY = {"unet3d": [0.80, 0.82, 0.84, 0.86], "msan_v1": [0.90, 0.93, 0.93, 0.96]}
TUMOR = {
    "unet3d": [0.40, 0.50, 0.60, NAN],
    "msan_v1": [0.50, 0.62, 0.68, NAN],
    "msan_v2": [0.30, 0.38, 0.52, 0.0],
    "msan_v2_ds": [0.30, 0.50, 0.70, NAN],
}


def four_cases() -> pd.DataFrame:
    """In an order that is not the table's, as if read from a shuffled file."""
    rows = []
    for model in ("ensemble", *reversed(MODELS)):
        for case in range(4):
            kidney = KIDNEY.get(model, KIDNEY["unet3d"])[case]
            tumor = TUMOR.get(model, TUMOR["unet3d"])[case]
            rows.append(
                {
                    "seed": 0, "case": f"case_{case:05d}", "model": model, "kidney": kidney, "tumor": tumor,
                    "composite": np.nanmean([kidney, tumor]), "tumor_ml": 10.0 * (3 - case),
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def of_seeds(scores: pd.DataFrame, *shifts: float) -> pd.DataFrame:
    """A training for each shift, which is added to the Dice of every case."""
    return pd.concat(
        [scores.assign(seed=seed, kidney=scores["kidney"] + shift) for seed, shift in enumerate(shifts)],
        ignore_index=True,
    )
