"""What each augmentation does for a short training, one by one, on validation phantoms; test cases stay out of it.

    python benchmarks/augmentation.py --data data/phantoms-laptop-0 --out runs/augmentation --seeds 2

Trains a 3D U-Net of the laptop profile with each augmentation alone and with each group of them, two trainings at a
time, and writes scores.csv and table.md under --out. Started again, it goes on. With --real, a folder with
imaging.nii.gz and segmentation.nii.gz (1 = kidney), the kidney Dice there is told beside.
"""

import argparse
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import pandas as pd

from kits_msan.ablation.tables import markdown, with_interval
from kits_msan.data.augment import GROUPS, INTENSITIES, MOVES
from kits_msan.data.cases import Case, load_case
from kits_msan.data.prepare import prepare
from kits_msan.data.store import split_of
from kits_msan.files import atomic_file, write_csv
from kits_msan.metrics import TARGETS, bootstrap_interval, dice_scores
from kits_msan.phantom.make import PHANTOM_VERSION, case_seed, phantom_case
from kits_msan.profiles import Profile, get_profile
from kits_msan.training.side_by_side import KEEP_MEMORY

KINDS = ("", *INTENSITIES, *MOVES, *GROUPS)
NETWORK, REAL = "unet3d", "real"


def train_and_score(
    kind: str, seed: int, store: Path, out: Path, profile: Profile, cases: int, real: Path | None
) -> list[dict[str, object]]:
    """One training, in a process of its own, and its scores: a row a case."""
    import torch

    from kits_msan.inference import predict
    from kits_msan.training.loop import train

    torch.set_num_threads(1)
    profile = replace(profile, augment=kind)
    network = train(NETWORK, store, profile, out / f"{kind or 'none'}-{seed}", seed=seed, progress=False)

    def score(name: str, case: Case) -> dict[str, object]:
        return {"augment": kind, "seed": seed, "case": name} | dice_scores(predict(network, case), case.label)

    phantoms = (phantom_case(case_seed(0, "validation", index), profile) for index in range(cases))
    rows = [score(case.name, case) for case in phantoms]
    return rows + ([score(REAL, load_case(real))] if real else [])


def table(scores: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """A row for each augmentation: Dice in percent, and the paired difference to a training without any."""
    phantoms = scores[scores["case"] != REAL]
    rows = []
    for kind in kinds:
        row: dict[str, object] = {"augmentation": kind or "none"}
        for measure in TARGETS:
            values = 100 * phantoms.pivot(index=["augment", "seed"], columns="case", values=measure)
            row[measure] = f"{values.loc[kind].to_numpy().mean():.1f}"
            gain = (values.loc[kind] - values.loc[""]).to_numpy()
            row[f"{measure}, change"] = with_interval(gain.mean(), *bootstrap_interval(gain), "+.1f") if kind else ""
        real = 100 * scores.loc[(scores["case"] == REAL) & (scores["augment"] == kind), "kidney"]
        if len(real):
            row["real slab"] = ", ".join(f"{value:.0f}" for value in real)
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Train, score and tabulate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of phantoms; its training part is used")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--steps", type=int, help="instead of the profile's")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cases", type=int, default=24, help="validation phantoms")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--only", nargs="+", default=KINDS[1:], choices=KINDS[1:], help="these instead of all")
    args = parser.parse_args()
    kinds = ("", *args.only)
    profile = get_profile(args.profile)
    profile = replace(profile, steps=args.steps or profile.steps)
    prepare(args.data, args.out / "store", profile, split_of(args.data), strict=True)
    os.environ |= {"OMP_NUM_THREADS": "1", **KEEP_MEMORY}  # of the processes to come
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        jobs = [
            pool.submit(train_and_score, kind, seed, args.out / "store", args.out, profile, args.cases, args.real)
            for seed in range(args.seeds)
            for kind in kinds
        ]
        for job in as_completed(jobs):
            rows += job.result()
            print(f"{len(rows)} scores: {rows[-1]['augment'] or 'none'}, seed {rows[-1]['seed']}", flush=True)
    scores = pd.DataFrame(rows).sort_values(["seed", "augment", "case"])
    write_csv(args.out / "scores.csv", scores)
    about = (
        f"3D U-Net, profile {profile.name} with {profile.steps} steps, {args.seeds} training seeds from 0 on, "
        f"phantoms version {PHANTOM_VERSION}, {args.cases} of split validation. Dice in percent; changes are paired "
        "by case and seed, with 95 % bootstrap intervals over both."
    )
    text = f"{markdown(table(scores, kinds))}\n\n{about}\n"
    with atomic_file(args.out / "table.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
