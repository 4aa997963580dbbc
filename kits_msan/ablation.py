"""The experiment of the paper: train or load the five networks, let them vote, score them, compare.

`scores.csv` has a row for each case and model; everything else is computed from it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from kits_msan.cases import load_case
from kits_msan.checkpoints import load_model
from kits_msan.errors import InputError
from kits_msan.files import atomic_file
from kits_msan.inference import predict_each
from kits_msan.kits19 import Split, load_split
from kits_msan.metrics import SCORES, bootstrap_interval, dice_scores
from kits_msan.networks import MODELS, TITLES, UNet3D
from kits_msan.profiles import Profile
from kits_msan.store import is_store
from kits_msan.training import MODEL, train

ORDER = (*MODELS, "ensemble")
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


def train_all(
    data: Path,
    profile: Profile,
    out: Path,
    *,
    split: Split | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, UNet3D]:
    """Train the five networks on the training cases of `data`, each in a folder of its name under `out`.

    What is finished is loaded, what was stopped is resumed. Raises as `train` does.
    """
    return {
        name: train(
            name, data, profile, out / name,
            store=out / "store", split=split, seed=seed, device=device, overwrite=overwrite, progress=progress,
        )
        for name in MODELS
    }  # fmt: skip


def load_all(folder: Path) -> dict[str, UNet3D]:
    """The five trained networks under `folder`: <name>/model.safetensors, or <name>.safetensors.

    Raises InputError naming the first one that is missing or of another network.
    """
    flat = [(folder / name).with_suffix(".safetensors") for name in MODELS]
    paths = flat if any(path.exists() for path in flat) else [folder / name / MODEL for name in MODELS]
    return {name: load_model(path, name) for name, path in zip(MODELS, paths, strict=True)}


def score_cases(
    models: Mapping[str, UNet3D],
    paths: Sequence[Path],
    profile: Profile | None = None,
    *,
    device: str = "auto",
    clean: bool = True,
    progress: bool = True,
) -> pd.DataFrame:
    """Segment cases with each network and with their vote and compare with their labels.

    Columns: case, model, kidney, tumor, composite (Dice, 0 to 1), tumor_ml (volume of the true tumor).
    Raises InputError for a case without label.
    """
    rows = []
    for path in tqdm(paths, "scoring cases", disable=not progress, leave=False):
        case = load_case(path)
        if case.label is None:
            raise InputError(f"{path} has no label to compare with.")
        tumor_ml = float(np.count_nonzero(case.label == 2) * np.prod(case.spacing) / 1000)
        for name, labels in predict_each(models, case, profile, device, clean).items():
            rows.append({"case": case.name, "model": name, **dice_scores(labels, case.label), "tumor_ml": tumor_ml})
    return pd.DataFrame(rows)


def ablation_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over cases, one row a model in the paper's order, in percent.

    For each of kidney, tumor and composite: the mean, `_low` and `_high` (95 % bootstrap over cases), `_gain` over
    the 3D U-Net on the same cases with `_gain_low` and `_gain_high`, and `_paper`.
    """
    rows = {}
    for name in (name for name in ORDER if name in set(scores["model"])):
        row = {}
        for score in SCORES:
            values = scores.pivot(index="case", columns="model", values=score) * 100
            row[score] = values[name].mean()
            row[f"{score}_low"], row[f"{score}_high"] = bootstrap_interval(values[name])
            if "unet3d" in values and name != "unet3d":
                gain = values[name] - values["unet3d"]
                row[f"{score}_gain"] = gain.mean()
                row[f"{score}_gain_low"], row[f"{score}_gain_high"] = bootstrap_interval(gain)
            row[f"{score}_paper"] = PAPER[score].get(name, float("nan"))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table for people: "82.1 [78.0, 85.5]" beside the paper's figure."""
    shown = pd.DataFrame(index=[TITLES[name] for name in table.index])
    for score, title in zip(SCORES, ("kidney", "tumor", "mean"), strict=True):
        low, high = table[f"{score}_low"], table[f"{score}_high"]
        cells = zip(table[score], low, high, strict=True)
        shown[title] = [_with_interval(*cell, ".1f") for cell in cells]
        shown[f"{title}, paper"] = ["–" if np.isnan(value) else f"{value:.2f}" for value in table[f"{score}_paper"]]
    return shown


def verdicts(table: pd.DataFrame) -> list[str]:
    """A sentence for each variant: whether it beats the 3D U-Net on the same cases, with the paired difference."""
    sentences: list[str] = []
    if "unet3d" not in table.index:
        return sentences
    for name in table.index.drop("unet3d"):
        parts = []
        for score in ("kidney", "tumor"):
            gain, low, high = (table.at[name, f"{score}_gain{end}"] for end in ("", "_low", "_high"))
            word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
            parts.append(f"{score} {word} the 3D U-Net ({_with_interval(gain, low, high, '+.1f')})")
        sentences.append(f"{TITLES[name]}: {'; '.join(parts)}.")
    return sentences


def table_markdown(scores: pd.DataFrame, about: str) -> str:
    """The table and the verdicts as Markdown; `about` says data, split and seed."""
    table = ablation_table(scores)
    shown = format_table(table).reset_index(names="Dice, %")
    lines = [shown.columns, ["---"] * shown.shape[1], *shown.to_numpy()]
    text = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
    note = (
        f"{about}; n = {scores['case'].nunique()} test cases. Means with 95 % bootstrap intervals over cases, after "
        "clean-up; they do not cover how a second training would differ. Differences are paired by case, in "
        "percentage points."
    )
    return f"{text}\n\n{note}\n\n" + "\n".join(f"- {sentence}" for sentence in verdicts(table)) + "\n"


def run_ablation(
    data: Path,
    profile: Profile,
    out: Path,
    *,
    checkpoints: Path | None = None,
    split: Split | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Train the five (or load them from `checkpoints`), score them on the test cases of `data`, write the results.

    Returns the scores; see `write_results` for the files under `out`. Raises as `train_all` and `load_all` do.
    """
    data, out = Path(data), Path(out)
    if is_store(data):
        raise InputError(f"{data} is a store, but test cases are scored as scanned; name the folder of cases.")
    split = split or load_split(data)
    names = split.require("test")
    if checkpoints is None:
        models = train_all(
            data, profile, out, split=split, seed=seed, device=device, overwrite=overwrite, progress=progress
        )
    else:
        models = load_all(Path(checkpoints))
    scores = score_cases(models, [data / name for name in names], device=device, progress=progress)
    write_results(scores, out, f"{describe_data(data, split)}, profile {profile.name}, training seed {seed}")
    return scores


def _with_interval(mean: float, low: float, high: float, form: str) -> str:
    """ "82.1 [78.0, 85.5]"; a single case has no interval."""
    return f"{mean:{form}}" if np.isnan(low) else f"{mean:{form}} [{low:{form}}, {high:{form}}]"


def describe_data(data: Path, split: Split | None = None) -> str:
    """A phrase for tables: which data, with how many cases for training and for test."""
    split = split or load_split(data)
    manifest = data / "manifest.json"
    made = json.loads(manifest.read_text()) if manifest.exists() else {}
    kind = (
        f"phantoms version {made['phantom_version']}, seed {made['seed']}"
        if "phantom_version" in made
        else f"cases of {data.name}"
    )
    return f"{kind}, {len(split.train)} for training and {len(split.test)} for test"


def write_results(scores: pd.DataFrame, out: Path, about: str) -> None:
    """Write `scores.csv` and `table.md`."""
    with atomic_file(out / "scores.csv") as temporary:
        scores.to_csv(temporary, index=False, float_format="%.5f")
    with atomic_file(out / "table.md") as temporary:
        temporary.write_text(table_markdown(scores, about), encoding="utf-8")
