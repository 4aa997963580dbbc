"""The networks that an ablation compares: where they lie, and what they say of their training."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from kits_msan.data.split import Split
from kits_msan.errors import InputError, first_of, note
from kits_msan.networks.checkpoints import MODEL, digest, load_about, load_model
from kits_msan.networks.registry import TITLES
from kits_msan.profiles import Profile
from kits_msan.training.runs import CONFIG, refuse_other_settings

EARLIER = ("started_from", "mean_with")  # what checkpoints note of weights that were there before


def folder_of(root: Path, seed: int, flat: bool) -> Path:
    """Where the networks of a seed lie; `flat`: in `root` itself if it has no folder for each seed."""
    folder = root / f"seed-{seed}"
    return root if flat and not folder.exists() else folder


def paths_of(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """The files of networks in a folder: <name>.safetensors, or <name>/model.safetensors."""
    flat = [folder / f"{name}.safetensors" for name in names]
    paths = flat if any(path.exists() for path in flat) else [folder / name / MODEL for name in names]
    return dict(zip(names, paths, strict=True))


def as_trained(
    folder: Path, names: Sequence[str], seeds: Sequence[int], split: Split
) -> tuple[Profile, Sequence[int], Split]:
    """The profile, seeds and training cases of networks that are there, as they tell; says what is odd about them."""
    first = folder_of(folder, seeds[0], True)
    files = paths_of(first, names)
    networks = [load_model(path, name) for name, path in files.items()]
    profiles = [network.profile for network in networks if network.profile]  # each has one that was loaded
    told = [load_about(path) for path in files.values()]
    if any(replace(one, name="") != replace(profiles[0], name="") for one in profiles):
        note(f"the networks in {folder} were trained with different profiles; the tables name that of {names[0]}.")
    cases = [str(case) for case in told[0].get("cases", [])]
    if both := sorted(set(split.test) & {str(case) for about in told for case in about.get("cases", [])}):
        note(
            f"the networks in {folder} were trained on cases named {first_of(both)}, as test cases are; if these are "
            "the same patients, the scores are too good."
        )
    if first == folder and len(seeds) == 1:
        seeds = [int(told[0].get("seed", seeds[0]))]
    return profiles[0], seeds, Split(tuple(cases), split.test)


def earlier_weights(folder: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """The networks of a folder that began with weights of before, and those that are a mean with others, by name."""
    told = {name: load_about(path) for name, path in paths_of(folder, names).items()}
    return {key: found for key in EARLIER if (found := [name for name, about in told.items() if about.get(key)])}


def refuse_other_runs(runs: Iterable[Path], profile: Profile, split: Split | None) -> None:
    """Raise InputError if one of these run folders began with another profile or other training cases.

    It is asked before the store that all of them read is touched.
    """
    cases = [] if profile.fresh or split is None else list(split.train)
    wanted = json.loads(json.dumps({"profile": asdict(profile), "cases": cases}))
    for run in runs:
        if (run / CONFIG).exists():
            refuse_other_settings(run, wanted, all_of_them=False)


def is_scored(folder: Path, names: Sequence[str], scored: Mapping[str, str]) -> bool:
    """Whether the networks in a folder are all there, and are those with these digests."""
    return all(path.exists() and scored.get(name) == digest(path) for name, path in paths_of(folder, names).items())


def scored_before(folder: Path, names: Sequence[str], scored: Mapping[str, str], seed: int) -> list[str]:
    """The networks of the digests `scored`, beside `names`, whose files are still these; says which are not."""
    others = [name for name in scored if name not in names]
    kept = [name for name in others if is_scored(folder, [name], scored)]
    if gone := [TITLES.get(name, name) for name in others if name not in kept]:
        note(
            f"the tables of seed {seed} lose {', '.join(gone)}, scored before, as {folder} no longer holds the same "
            "file; --peers and --variants score what is there."
        )
    return kept


def refuse_mixed(folder: Path, names: Sequence[str], given: bool) -> None:
    """Raise InputError if networks that are compared learned from different cases; of given ones, say so."""
    learned = {load_about(path).get("data") for path in paths_of(folder, names).values()} - {None}
    if len(learned) > 1:
        if not given:
            raise InputError(
                f"the networks in {folder} were trained on different data; name another folder or add --overwrite."
            )
        note(f"the networks in {folder} were trained on different data, so their differences may come from that.")
