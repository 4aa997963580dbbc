"""The report on an ablation, in Markdown: every table with its data, split, seeds and n, and what holds, in words."""

import pandas as pd

from kits_msan.ablation.scoring import Results
from kits_msan.ablation.strata import STRATA, shown_strata
from kits_msan.ablation.tables import (
    SURFACE,
    ablation_table,
    cells,
    compare,
    format_table,
    known_measures,
    markdown,
    paired_differences,
    parts_table,
    verdicts,
    with_interval,
    worst_cases,
)
from kits_msan.ablation.trust import agreement_auroc, agreement_table, calibration_error
from kits_msan.ablation.variation import shown_seeds, shown_variants, without_variants
from kits_msan.metrics import TARGETS
from kits_msan.networks.peers import PEERS
from kits_msan.networks.registry import TITLES


def table_markdown(scores: pd.DataFrame, about: str) -> str:
    """The table and the verdicts as Markdown; `about` says data, split and seed."""
    table = ablation_table(scores)
    shown = format_table(table).reset_index(names="Dice, %")
    sentences = "\n".join(f"- {sentence}" for sentence in (*verdicts(table), *against_peers(scores)))
    return f"{markdown(shown)}\n\n{note(scores, about)}\n\n{sentences}\n"


def note(scores: pd.DataFrame, about: str) -> str:
    """What the figures are of, and what their intervals cover."""
    seeds = scores["seed"].nunique()
    over = (
        "cases and trainings, after clean-up"
        if seeds > 1
        else "cases, after clean-up; they do not cover how a second training would differ"
    )
    return (
        f"{about}; n = {scores['case'].nunique()} test cases{_with_tumor(scores)}. Means with 95 % bootstrap "
        f"intervals over {over}{_of_shares(scores, seeds)}. Where all cases are equal there is no interval. "
        "Differences are paired by case"
        + (" and seed" if seeds > 1 else "")
        + ", in percentage points; with so many "
        "comparisons, one in twenty would seem to differ by chance." + _fewer_trainings(scores)
    )


def _fewer_trainings(scores: pd.DataFrame) -> str:
    """Which models lack a training that others have, so that their figures are not of the seeds named above."""
    trained = {str(name): sorted(seeds) for name, seeds in scores.groupby("model")["seed"].unique().items()}
    fewer = [name for name in TITLES if 0 < len(trained.get(name, [])) < scores["seed"].nunique()]
    if not fewer:
        return ""
    said = ", ".join(f"{TITLES[name]} (seed {' and '.join(map(str, trained[name]))})" for name in fewer)
    return f" Of fewer trainings: {said}; in all tables their figures and intervals are of these alone."


def _of_shares(scores: pd.DataFrame, seeds: int) -> str:
    """What the intervals of false alarms are."""
    if not known_measures(scores, ["false_alarm"]):
        return ""
    if seeds > 1:
        return "; for false alarms, whose cases are 0 or 1, they are rather too narrow near 0 and 100"
    return "; those of false alarms are exact (Clopper-Pearson), but not those of their differences"


def _with_tumor(scores: pd.DataFrame) -> str:
    """How many cases have a tumor, where some have none, and what is said of the others."""
    free = scores[scores["tumor_ml"] == 0]["case"].nunique()
    if not free:
        return ""
    return (
        f", of which {scores['case'].nunique() - free} have a tumor (tumor: their Dice) and {free} have none (false "
        "alarms: the share of these in which anything is called tumor, in percent)"
    )


def against_peers(scores: pd.DataFrame) -> list[str]:
    """How the vote and the best of the paper's single networks compare with each peer there is, in sentences."""
    sentences = []
    for peer in (name for name in PEERS if name in set(scores["model"])):
        differences = paired_differences(scores, peer)
        ours = [name for name in ("msan_v2_ds", "ensemble") if name in differences.index]
        sentences += compare(differences.loc[ours], TITLES[peer])
    return sentences


def report(results: Results, about: str) -> str:
    """All that `kits-msan ablation` found out."""
    scores = without_variants(results.scores)
    sections = [
        table_markdown(scores, about),
        _section("From training to training", shown_seeds(scores), "Mean Dice over the test cases, each column "
                 "a training of every network; range is the largest minus the smallest."),
        _section("Other readings and settings of the parts", shown_variants(results.scores), "Differences in Dice "
                 "on the same cases and seeds, percentage points. Of a single training luck is not covered."),
        _section("Surfaces", _surface(scores), "Share of surfaces within 2 mm, and 95 % Hausdorff distance where "
                 "both the truth and the network have the class, so that a missed tumor lowers only the first."),
        _section("In patients without a tumor", _without_tumor(scores), "All that is called tumor in them is wrong."),
        *(_section(f"By {STRATA[by]}", shown_strata(scores, by), "") for by in STRATA),
        _section("What each step adds", _parts(results.parts), "Differences in Dice, percentage points."),
        _section("Does disagreement predict error?", _agreement(results.agreement), _auroc(results.agreement)),
        _section("Calibration", _calibration(without_variants(results.calibration)), "Expected calibration error in "
                 "percentage points, over voxels with a predicted probability of 1 % or more; the ensemble is the "
                 "mean of the five."),
        _section("The five worst cases of the ensemble", _worst(scores), ""),
    ]  # fmt: skip
    return "\n".join(section for section in sections if section)


def _section(title: str, table: pd.DataFrame, text: str) -> str:
    if table.empty:
        return ""
    return f"## {title}\n\n{markdown(table)}\n" + (f"\n{text}\n" if text else "")


def _surface(scores: pd.DataFrame) -> pd.DataFrame:
    table = ablation_table(scores, SURFACE)
    shown = pd.DataFrame({"": [TITLES[name] for name in table.index]})
    for measure in SURFACE:
        title = measure.replace("_hd95", " HD95, mm").replace("_surface_dice", " surface Dice, %")
        shown[title] = cells(table, measure)
    found = scores.groupby("model")["tumor_hd95"].apply(lambda values: values.notna().mean())
    return shown.assign(**{"tumor HD95 known in, %": [100 * float(found[name]) for name in table.index]})


def _without_tumor(scores: pd.DataFrame) -> pd.DataFrame:
    """How often and how much is called tumor where there is none; empty where every case has one."""
    if "called_ml" not in scores or not (scores["tumor_ml"] == 0).any():
        return pd.DataFrame()
    free = scores[scores["tumor_ml"] == 0]
    called = free.groupby("model")["called_ml"].agg(["mean", "max", lambda ml: 100 * (ml == 0).mean()])
    called = called.loc[[name for name in TITLES if name in called.index]]
    shown = pd.DataFrame({"": [TITLES[str(name)] for name in called.index], "n": free["case"].nunique()})
    titles = ("false tumor, ml", "at most, ml", "none called tumor, %")
    return shown.assign(**{t: [f"{v:.1f}" for v in called[c]] for t, c in zip(titles, called, strict=True)})


def _parts(parts: pd.DataFrame) -> pd.DataFrame:
    table = parts_table(parts)
    shown = table[["change"]].copy()
    for score in TARGETS:
        shown[score] = cells(table, score, "+.2f")
    return shown


def _agreement(agreement: pd.DataFrame) -> pd.DataFrame:
    table = agreement_table(agreement).reset_index()
    table.columns = ["networks that agree", "share of voxels, %", "of these wrong, %", "share of all errors, %"]
    return table.astype({"networks that agree": str})


def _auroc(agreement: pd.DataFrame) -> str:
    value = with_interval(*agreement_auroc(agreement), ".2f")
    return (
        "Voxels in which a network or the truth sees kidney or tumor, before clean-up, but after the threshold for "
        "tumors (`sure`, where the profile has one). Each network and the vote reach it or not for themselves, so "
        "the vote may call a voxel what no network calls it. A wrong voxel has fewer networks agreeing than a right "
        f"one with a chance of {value} (area under the ROC curve; 0.5 is a coin)."
    )


def _calibration(calibration: pd.DataFrame) -> pd.DataFrame:
    table = calibration_error(calibration)
    table.index = pd.Index([TITLES[str(name)] for name in table.index], name="")
    return table.reset_index()


def _worst(scores: pd.DataFrame) -> pd.DataFrame:
    return worst_cases(scores).rename(columns=lambda name: str(name).replace("_", " ")).reset_index()
