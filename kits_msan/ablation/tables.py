"""What the scores say: means with intervals, differences to the U-Net, the worst cases, and what holds.

`scores` is always a table with a row for each seed, case and model, as `scoring.score_cases` makes it. Dice and other
shares come out in percent.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from kits_msan.ablation.scoring import DEFAULT_CLEANUP, MEAN, STAPLE
from kits_msan.metrics import SCORES, TARGETS, bootstrap_interval, share_interval
from kits_msan.networks.registry import MODELS, TITLES

PAPER = pd.DataFrame(  # table 1, Dice in percent; MSAN-V1 + DS has no row there
    {
        "unet3d": (89.70, 46.90, 68.30),
        "msan_v1": (92.47, 56.00, 74.23),
        "msan_v2": (93.85, 58.22, 76.03),
        "msan_v2_ds": (93.01, 61.41, 77.21),
        "ensemble": (94.38, 64.89, 79.63),
    },
    index=list(SCORES),
).T
MEASURES = (*SCORES, "false_alarm")
FINEST = 4  # digits of a difference at most; what is smaller still is the rounding of a computer
SURFACE = ("kidney_surface_dice", "kidney_hd95", "tumor_surface_dice", "tumor_hd95")


def ablation_table(scores: pd.DataFrame, measures: Sequence[str] = MEASURES) -> pd.DataFrame:
    """Means over cases and seeds, one row a model in the paper's order, in percent.

    For each measure that the scores have: the mean, `_low` and `_high` (95 %, see `bootstrap_interval`, and
    `share_interval` for false alarms of one training), `_gain` over
    the 3D U-Net on the same cases and seeds with `_gain_low` and `_gain_high`, and `_paper`.
    """
    measures = known_measures(scores, measures)
    means = pd.DataFrame({name: means_of(scores, name, measures) for name in _models(scores)}).T
    for measure in measures:
        means[f"{measure}_paper"] = [PAPER.get(measure, pd.Series()).get(name, np.nan) for name in means.index]
    if "unet3d" in means.index:
        gains = paired_differences(scores, measures=measures)
        means = means.join(gains.rename(columns=lambda column: re.sub("(_low|_high)?$", r"_gain\1", column, count=1)))
    return means


def paired_differences(
    scores: pd.DataFrame, reference: str = "unet3d", measures: Sequence[str] = MEASURES
) -> pd.DataFrame:
    """Every other model minus `reference` on the same cases and seeds, in points: mean, `_low`, `_high` of each."""
    measures = known_measures(scores, measures)
    return pd.DataFrame(
        {name: means_of(scores, name, measures, minus=reference) for name in _models(scores) if name != reference}
    ).T


def worst_cases(scores: pd.DataFrame, model: str = "ensemble", n: int = 5) -> pd.DataFrame:
    """The cases with the lowest composite score, the mean over seeds, the worst first; index: case.

    Columns: kidney, tumor, composite in percent, and what else the scores know of the case.
    """
    own = scores[scores["model"] == model]
    how = dict.fromkeys(SCORES, "mean") | {"tumor_mm": "first", "tumor_recall": "mean", "slice_mm": "first"}
    means = own.groupby("case").agg(how | ({"phase": "first"} if "phase" in own else {}))
    means[[*SCORES, "tumor_recall"]] *= 100
    return means.nsmallest(n, "composite")


def parts_table(parts: pd.DataFrame) -> pd.DataFrame:
    """What each step after the networks changes: paired differences in points, with intervals over cases and seeds.

    A row a change: the clean-up, for the vote and for the five networks one by one (their mean); the vote against
    one network, the mean probability and STAPLE. Columns: change, kidney and tumor with `_low`, `_high`.
    """
    vote, five = ["ensemble"], [name for name in MODELS if name in set(parts["model"])]
    cleaned = {name: (models, DEFAULT_CLEANUP) for name, models in {"vote": vote, "five": five}.items()}
    changes = [
        ("the vote: without clean-up", (vote, "none"), cleaned["vote"]),
        ("the vote: one component kept, not two", (vote, "one component"), cleaned["vote"]),
        ("single networks: without clean-up", (five, "none"), cleaned["five"]),
        ("single networks: one component kept, not two", (five, "one component"), cleaned["five"]),
        ("the vote instead of a single network", cleaned["vote"], cleaned["five"]),
        (f"{MEAN} instead of the vote", ([MEAN], DEFAULT_CLEANUP), cleaned["vote"]),
        (f"{STAPLE} instead of the vote", ([STAPLE], DEFAULT_CLEANUP), cleaned["vote"]),
    ]
    return pd.DataFrame([{"change": title} | _change(parts, new, old) for title, new, old in changes])


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: "82.1 [78.0, 85.5]" beside the paper's figure."""
    shown = pd.DataFrame(index=[TITLES[name] for name in table.index])
    for score, title in zip(SCORES, ("kidney", "tumor", "mean"), strict=True):
        shown[title] = cells(table, score)
        shown[f"{title}, paper"] = ["–" if np.isnan(value) else f"{value:.2f}" for value in table[f"{score}_paper"]]
    if "false_alarm" in table:
        shown["false alarms"] = cells(table, "false_alarm", ".0f")
    return shown


def verdicts(table: pd.DataFrame) -> list[str]:
    """A sentence for each other model: whether it beats the 3D U-Net on the same cases, with the paired difference.

    table: of `ablation_table`.
    """
    if "unet3d" not in table.index:
        return []
    names = {column: column.replace("_gain", "") for column in table.columns if "_gain" in column}
    return compare(table[list(names)].rename(columns=names).drop("unet3d"), "the 3D U-Net")


def compare(differences: pd.DataFrame, reference: str) -> list[str]:
    """A sentence for each row of `paired_differences` to what is called `reference`.

    "Better" and "worse" are said only where the interval leaves out zero, "not told apart" otherwise. Where some
    cases have no tumor, also of false alarms, and of the mean, which counts both.
    """
    sentences = []
    for name, row in differences.iterrows():
        parts = [_compared(score, row, reference) for score in TARGETS]
        if "false_alarm" in row:
            gain, low, high = (float(row[f"false_alarm{end}"]) for end in ("", "_low", "_high"))
            word = "more than" if low > 0 else "fewer than" if high < 0 else "not told apart from"
            parts.append(f"false alarms {word} {reference}'s ({with_interval(gain, low, high, '+.0f')})")
            parts.append(_compared("composite", row, reference).replace("composite", "mean"))
        sentences.append(f"{TITLES[str(name)]}: {'; '.join(parts)}.")
    return sentences


def _compared(score: str, row: pd.Series, reference: str) -> str:
    gain, low, high = (float(row[f"{score}{end}"]) for end in ("", "_low", "_high"))
    word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
    return f"{score} {word} {reference} ({with_interval(gain, low, high, '+.1f')})"


def with_interval(mean: float, low: float, high: float, form: str = ".1f") -> str:
    """ "82.1 [78.0, 85.5]"; one case, or equal ones, have no interval; what is not known is "–"."""
    if np.isnan(mean):
        return "–"
    return _number(mean, form) + ("" if np.isnan(low) else f" {bracket(low, high, form)}")


def bracket(low: float, high: float, form: str = "+.1f") -> str:
    """ "[-1.2, +0.04]": an end of a difference that would be rounded to zero gets more digits, so its side shows."""
    return f"[{_number(low, form)}, {_number(high, form)}]"


def _number(value: float, form: str) -> str:
    """A difference (a `form` with a sign) is never "+0.0" nor "-0.0", and "0.0" only where it is zero itself."""
    text = f"{value:{form}}"
    if not form.startswith("+") or float(text) != 0:
        return text
    finer = (f"{value:+.{digits}f}" for digits in range(1, FINEST + 1))
    return next((longer for longer in finer if float(longer) != 0), text[1:])


def cells(table: pd.DataFrame, measure: str, form: str = ".1f") -> list[str]:
    """A measure of each row with its interval."""
    columns = (table[f"{measure}{end}"] for end in ("", "_low", "_high"))
    return [with_interval(mean, low, high, form) for mean, low, high in zip(*columns, strict=True)]


def markdown(table: pd.DataFrame) -> str:
    """A data frame of text and numbers as a Markdown table."""
    lines = [table.columns, ["---"] * table.shape[1], *table.to_numpy()]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.1f}"
    return str(value)


def known_measures(scores: pd.DataFrame, measures: Sequence[str]) -> list[str]:
    """Those that the scores have of any case: of false alarms nothing is known where every case has a tumor."""
    return [name for name in measures if name != "false_alarm" or (name in scores and scores[name].notna().any())]


def _models(scores: pd.DataFrame) -> list[str]:
    there = set(scores["model"])
    return [name for name in TITLES if name in there]


def _matrix(scores: pd.DataFrame, model: str, measure: str) -> pd.DataFrame:
    """A measure of one model as (seeds, cases); shares in percent."""
    own = scores[scores["model"] == model]
    scale = 1 if measure.endswith("hd95") else 100
    return own.pivot(index="seed", columns="case", values=measure) * scale


def means_of(scores: pd.DataFrame, model: str, measures: Iterable[str], minus: str | None = None) -> dict[str, float]:
    """The mean of each measure over a model's cases and seeds, or of its differences to another, with intervals."""
    out: dict[str, float] = {}
    for measure in measures:
        values = _matrix(scores, model, measure)
        if minus is not None:
            values = values - _matrix(scores, minus, measure)
        out |= _summary(measure, values, share=measure == "false_alarm" and minus is None)
    return out


def _summary(measure: str, values: pd.DataFrame, share: bool = False) -> dict[str, float]:
    """share: of cases, in percent. Trainings that share the cases are no more cases: these are drawn anew."""
    array = values.to_numpy(float)
    if share and len(array) == 1:
        low, high = (100 * end for end in share_interval(array / 100))
    else:
        low, high = bootstrap_interval(array)
    mean = float(np.nanmean(array)) if not np.isnan(array).all() else float("nan")
    return {measure: mean, f"{measure}_low": low, f"{measure}_high": high}


def _change(parts: pd.DataFrame, new: tuple[Sequence[str], str], old: tuple[Sequence[str], str]) -> dict[str, float]:
    """New minus old, each a mean over models with one clean-up."""

    def mean(which: tuple[Sequence[str], str], score: str) -> pd.DataFrame:
        models, cleanup = which
        chosen = parts[parts["model"].isin(models) & (parts["cleanup"] == cleanup)]
        return 100 * chosen.groupby(["seed", "case"])[score].mean().unstack("case")

    out: dict[str, float] = {}
    for score in TARGETS:
        out |= _summary(score, mean(new, score) - mean(old, score))
    return out
