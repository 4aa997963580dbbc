"""The files of an ablation: small tables from which all that it says can be computed again, and what they are of."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from kits_msan.ablation.report import report
from kits_msan.ablation.scoring import Results
from kits_msan.data.split import Split, load_split
from kits_msan.errors import InputError, one_line
from kits_msan.files import atomic_file, read_json, refuse_foreign, refuse_results, write_csv, write_json
from kits_msan.networks.registry import TITLES
from kits_msan.phantom.make import MANIFEST
from kits_msan.profiles import with_new_settings

ABOUT = "about.json"
SCORES = "scores.csv"
COLUMNS = ("seed", "case", "model", "kidney", "tumor", "composite", "tumor_mm", "tumor_recall", "slice_mm")  # in all
MAY_DIFFER = ("data", "networks", "earlier")  # between runs that go on; data: words, which a renamed folder changes
TABLE = "table.md"
TABLES = tuple(f"{field.name}.csv" for field in fields(Results))
FILES = (*TABLES, ABOUT, TABLE)
PHANTOMS_ANEW = "make the cases again with `kits-msan phantom`"


def write(results: Results, out: Path, about: Mapping[str, Any]) -> None:
    """Write scores.csv, parts.csv, agreement.csv, calibration.csv, about.json, and table.md, the report on them.

    The report is made from what the files hold, so that a reader of the files comes to the same rounded figures.
    """
    for field in fields(Results):
        write_csv(out / f"{field.name}.csv", getattr(results, field.name))
    write_json(out / ABOUT, about)
    with atomic_file(out / TABLE) as temporary:
        temporary.write_text(report(_read(out), _phrase(about)), encoding="utf-8")


def load_results(folder: str | Path) -> tuple[Results, str]:
    """The tables that `run_ablation` wrote, and a phrase that says of what they are.

    Raises InputError where there are none, or where one is damaged.
    """
    folder = Path(folder)
    try:
        about = read_json(folder / ABOUT, "run the ablation again")
        results, phrase = _read(folder), _phrase(about)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder} holds no results of `kits-msan ablation`; run it with --out {folder}.") from error
    if lacking := [name for name in COLUMNS if name not in results.scores]:
        raise InputError(
            f"{folder / SCORES} lacks the column {lacking[0]}; run the ablation again, with --overwrite or elsewhere."
        )
    return results, phrase


def describe_data(data: Path, split: Split | None = None, fresh: bool = False) -> str:
    """A phrase for tables: which data, with how many cases for training and for test; fresh: see `Profile`."""
    split = split or load_split(data)
    made = _manifest(data)
    kind = (
        f"phantoms version {made['phantom_version']}, seed {made.get('seed')}"
        if "phantom_version" in made
        else f"cases of {one_line(data.resolve().name)}"
    )
    trained_on = "new phantoms" if fresh else len(split.train)
    return f"{kind}, {trained_on} for training and {len(split.test)} for test"


def case_strata(data: Path) -> dict[str, dict[str, Any]]:
    """What the data's manifest says of each case that scores may depend on: contrast phase, slice thickness."""
    strata = {}
    try:
        for row in _manifest(data).get("cases", []):
            drawn = row.get("drawn", {}) | row.get("scanner", {})
            strata[row["name"]] = {key: drawn[key] for key in ("phase", "slice_mm") if key in drawn}
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{data / MANIFEST} lacks a part; {PHANTOMS_ANEW}.") from error
    return strata


def results_so_far(
    out: Path, about: dict[str, Any], overwrite: bool
) -> tuple[Results | None, dict[str, dict[str, str]], dict[str, dict[str, list[str]]]]:
    """Results of an earlier run of the same experiment, and of each seed of it the networks' digests and
    `earlier_weights`.
    """
    if overwrite:
        there = any((out / name).exists() for name in FILES)
        refuse_foreign(out, not there or _are_scores(out / SCORES), "ablation")
    if overwrite or not (out / SCORES).exists():
        return None, {}, {}
    if not (out / ABOUT).exists():
        if (out / TABLE).exists() or not _are_scores(out / SCORES):
            refuse_results(out, overwrite)
        return None, {}, {}  # killed while it wrote its first results
    results, _ = load_results(out)
    old = with_new_settings(read_json(out / ABOUT, "name another folder or add --overwrite"))
    for key, value in json.loads(json.dumps(about)).items():
        if key not in MAY_DIFFER and old.get(key) != value:
            what = {"train": "list of training cases", "test": "list of test cases"}.get(key, key.replace("_", " "))
            raise InputError(f"{out} holds an ablation with another {what}; name another folder or add --overwrite.")
    return results, old["networks"], old.get("earlier", {})


def without_seed(results: Results, seed: int) -> Results:
    """The results of all other seeds."""
    tables = (getattr(results, field.name) for field in fields(Results))
    return Results(*(table[table["seed"] != seed] for table in tables))


def _are_scores(file: Path) -> bool:
    """Whether a table, the first that `write` writes, is one of ours."""
    try:
        with file.open("rb") as stream:
            return stream.readline().startswith(b"seed,case,")
    except FileNotFoundError:
        return False


def _read(folder: Path) -> Results:
    """Names of cases are text, also such as 001 and NA, which pandas takes for a number and for nothing."""
    options: dict[str, Any] = {"dtype": {"case": str}, "keep_default_na": False, "na_values": [""]}
    return Results(*(pd.read_csv(folder / f"{field.name}.csv", **options) for field in fields(Results)))


def _manifest(data: Path) -> dict[str, Any]:
    """What is noted of phantoms; nothing where the file is somebody else's."""
    path = data / MANIFEST
    if not path.is_file() or b"phantom_version" not in path.read_bytes():
        return {}
    return read_json(path, PHANTOMS_ANEW)


def _phrase(about: Mapping[str, Any]) -> str:
    """Data, split sizes, profile and seeds, and which networks are not of this training alone."""
    profile, seeds = about["profile"], list(about["networks"])
    trained = f"training seed {seeds[0]}" if len(seeds) == 1 else f"training seeds {', '.join(seeds)}"
    return f"{about['data']}, profile {profile['name']} with {profile['steps']} steps, {trained}{_earlier(about)}"


def _earlier(about: Mapping[str, Any]) -> str:
    """Which networks had weights of before: with them, the profile's steps are not all that were made."""
    said = ""
    everyone = dict.fromkeys(name for networks in about["networks"].values() for name in networks)
    for key, words in (("started_from", "going on from earlier weights"), ("mean_with", "a mean with other weights")):
        found = {name for seed in about.get("earlier", {}).values() for name in seed.get(key, [])}
        if found:
            titles = ", ".join(TITLES.get(name, name) for name in everyone if name in found)
            said += f", {words}" + ("" if found == set(everyone) else f": {titles}")
    return said
