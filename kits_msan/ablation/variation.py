"""What varies: scores from one training to the next, and with other readings and settings of the parts.

`scores` is a table as `scoring.score_cases` makes it, with a row for each seed, case and model.
"""

import pandas as pd

from kits_msan.ablation.tables import cells, paired_differences
from kits_msan.metrics import TARGETS
from kits_msan.networks.registry import MODELS, TITLES, VARIANTS


def without_variants(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the networks proper: their variants are compared with them in a table of their own."""
    return table[~table["model"].isin(VARIANTS)]


def base_of(variant: str) -> str:
    """The one of MODELS that a variant differs from in a single setting."""
    return max((name for name in MODELS if variant.startswith(name)), key=len)


def variant_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Each of VARIANTS in the scores minus the network that it is a variant of, on the same cases and seeds.

    Columns: base, trainings (how many seeds both were trained with), kidney and tumor in points with `_low` and
    `_high`; index: the variant's name.
    """
    rows = {}
    for name in (name for name in VARIANTS if name in set(scores["model"])):
        base = base_of(name)
        own = scores[scores["model"].isin([name, base])]
        shared = set.intersection(*(set(part["seed"]) for _, part in own.groupby("model")))
        differences = paired_differences(own[own["seed"].isin(shared)], base, TARGETS)
        rows[name] = {"base": base, "trainings": len(shared)} | differences.loc[name].to_dict()
    return pd.DataFrame.from_dict(rows, orient="index")


def shown_variants(scores: pd.DataFrame) -> pd.DataFrame:
    """`variant_table` for people; empty where there are none."""
    table = variant_table(scores)
    if table.empty:
        return table
    shown = pd.DataFrame({"variant": [TITLES[str(name)] for name in table.index]})
    shown["minus"] = [TITLES[name] for name in table["base"]]
    shown["trainings"] = table["trainings"].to_numpy()
    return shown.assign(**{score: cells(table, score, "+.1f") for score in TARGETS})


def seed_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice over the test cases of every training: a row a model, percent.

    Columns: for kidney and tumor one for each seed, (score, seed), and (score, "range"), the largest minus the
    smallest of them.
    """
    means = 100 * scores.groupby(["model", "seed"])[list(TARGETS)].mean().unstack("seed")
    for score in TARGETS:
        known = means[score].max(axis=1, skipna=False) - means[score].min(axis=1, skipna=False)
        means[score, "range"] = known  # of all trainings, or of none
    order = [name for name in TITLES if name in means.index]
    return means.loc[order].sort_index(axis=1, level=0, sort_remaining=False)


def shown_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """`seed_table` for people; empty with a single training."""
    if scores["seed"].nunique() < 2:
        return pd.DataFrame()
    table = seed_table(scores)
    shown = pd.DataFrame({"": [TITLES[str(name)] for name in table.index]})
    for score, which in table.columns:
        title = f"{score}, range" if which == "range" else f"{score}, seed {which}"
        shown[title] = ["–" if pd.isna(value) else f"{value:.1f}" for value in table[score, which]]
    return shown
