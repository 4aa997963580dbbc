"""`kits-msan evaluate`: segmentations to scores."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kits_msan.commands.options import Command, add_path, add_these
from kits_msan.commands.output import complain
from kits_msan.errors import InputError, first_of, note

if TYPE_CHECKING:
    import pandas as pd


def _options(command: argparse.ArgumentParser) -> None:
    add_path(command, "predictions", "PREDICTIONS", "folder that `predict` wrote")
    add_path(command, "truth", "TRUTH", "folder with the labels, under the same case names")
    add_path(command, "--out", "scores.csv", "a row a case", required=True)
    add_path(
        command, "--split", "FILE",
        'score the test part alone, of a JSON such as {"train": [names], "test": [names]} (default: all)',
    )  # fmt: skip
    command.add_argument(
        "--surface", action="store_true", help="also surface Dice and 95 %% Hausdorff distance (slow)"
    )
    add_these(command, "--cyst", "--overwrite")


def _run(args: argparse.Namespace) -> None:
    from kits_msan.files import atomic_file, refuse_file, write_csv
    from kits_msan.metrics import SCORES

    refuse_file(args.out, args.overwrite, ".csv", begins=",".join(["case", *SCORES]))
    _say_what_is_odd(args.predictions, args.truth)
    failed: dict[str, str] = {}
    with atomic_file(args.out) as temporary:  # a folder that cannot be written is met before the scoring
        scores = _scores(args, failed)
        if len(failed) == 1 and scores.empty:
            raise InputError(*failed.values())
        for reason in failed.values():
            complain(reason)
        if scores.empty:
            raise InputError(f"none of {len(failed)} segmentations can be scored, for the reasons above.")
        _show(scores)
        write_csv(temporary, scores)
    if failed:
        raise InputError(
            f"{len(failed)} of {len(failed) + len(scores)} segmentations cannot be scored, for the reasons above; "
            f"the scores of the others are in {args.out}."
        )


def _scores(args: argparse.Namespace, failed: dict[str, str]) -> "pd.DataFrame":
    """As `score_folders`, of all predictions, or of those of the test cases of --split."""
    from kits_msan.data.split import load_split
    from kits_msan.metrics import score_folders

    test = None if args.split is None else load_split(args.truth, args.split).require("test")
    scores = score_folders(args.predictions, args.truth, args.surface, args.cyst, failed, test)
    if test and scores.empty and not failed:
        raise InputError(f"{args.predictions} holds no test case of {args.split}, which names {first_of(test)}.")
    return scores


def _show(scores: "pd.DataFrame") -> None:
    import numpy as np

    from kits_msan.metrics import SCORES, bootstrap_interval

    with_one = scores["tumor_ml"] > 0
    for score in SCORES:
        values = 100 * (scores[score].where(with_one) if score == "tumor" else scores[score])
        low, high = bootstrap_interval(values)
        interval = "" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]"
        print(f"{score:10} {values.mean():6.2f}{interval}  n = {values.count()}")
    if not with_one.all():
        alarms = (scores["called_ml"] > 0) & ~with_one
        print(f"tumor is of the cases with one; called in {alarms.sum()} of the {(~with_one).sum()} others")


def _say_what_is_odd(predictions: Path, truth: Path) -> None:
    """Where two folders seem to be mistaken for each other."""
    from kits_msan.commands.earlier import has_mark

    if predictions.exists() and truth.exists() and predictions.samefile(truth):
        note(f"{truth} is given as predictions and as truth, so each label is compared with itself.")
    elif has_mark(truth):
        note(f"{truth} holds segmentations that `predict` wrote; predictions come first, then the truth.")


EVALUATE = Command(
    "evaluate",
    "score segmentations: the official KiTS19 Dice scores, with intervals over cases",
    _options,
    _run,
    keeps=False,
)
