"""The experiment of the paper: train or load the five networks, let them vote, score them, compare.

`run_ablation` leaves its tables as small files, see `results`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from kits_msan.ablation.report import table_markdown
from kits_msan.ablation.results import (
    case_strata,
    describe_data,
    digest,
    earlier,
    load_results,
    without_seed,
    write,
    write_results,
)
from kits_msan.ablation.scoring import Results, join, score_cases, score_fully
from kits_msan.ablation.tables import ablation_table, format_table, verdicts
from kits_msan.data.kits19 import Split, load_split
from kits_msan.data.store import is_store, prepare
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import load_model
from kits_msan.networks.layers import Network
from kits_msan.networks.msan import MODELS
from kits_msan.profiles import Profile
from kits_msan.training.loop import MODEL, train
from kits_msan.training.side_by_side import Job, side_by_side

__all__ = [  # what a notebook asks of the experiment, under one name
    "ablation_table", "describe_data", "format_table", "load_all", "load_results", "run_ablation", "score_cases",
    "table_markdown", "train_all", "verdicts", "write_results",
]  # fmt: skip


def train_all(
    data: Path,
    profile: Profile,
    out: Path,
    *,
    names: Sequence[str] = tuple(MODELS),
    store: Path | None = None,
    split: Split | None = None,
    seed: int = 0,
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Network]:
    """Train networks (by default the five) on the training cases of `data`, each in a folder of its name under `out`.

    store: where the cases are kept at the profile's spacing; by default `out`/store.
    What is finished is loaded, what was stopped is resumed. Raises as `train` does.
    """
    return {
        name: train(
            name, data, profile, out / name,
            store=store or out / "store", split=split, seed=seed, device=device, overwrite=overwrite,
            progress=progress,
        )
        for name in names
    }  # fmt: skip


def load_all(folder: Path, names: Sequence[str] = tuple(MODELS)) -> dict[str, Network]:
    """The trained networks under `folder`: <name>/model.safetensors, or <name>.safetensors.

    Raises InputError naming the first one that is missing or of another network.
    """
    return {name: load_model(path, name) for name, path in _paths(folder, names).items()}


def run_ablation(
    data: Path,
    profile: Profile,
    out: Path,
    *,
    names: Sequence[str] = tuple(MODELS),
    seeds: Sequence[int] = (0,),
    checkpoints: Path | None = None,
    devices: int = 1,
    split: Split | None = None,
    device: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> Results:
    """Train networks (or load them from `checkpoints`), score them on the test cases of `data`, write the results.

    names: the five of MODELS, and any of PEERS and VARIANTS beside them.
    seeds: each trains all networks anew, in `out`/seed-<seed>/<name>; all of the first come before any of the second,
    and a seed is scored as soon as its networks are there. checkpoints: a folder of that layout, or of one seed's.
    devices: how many networks are trained at once, see `side_by_side`.

    What is finished is not done again: networks are loaded, and a seed's scores kept if its networks are the same
    files. See `write` for the files under `out`. Raises InputError as `train` and `load_all` do, for an `out` with
    scores of something else, and, after all else is done, for trainings side by side that failed.
    """
    data, out = Path(data), Path(out)
    if is_store(data):
        raise InputError(f"{data} is a store, but test cases are scored as scanned; name the folder of cases.")
    split = split or load_split(data)
    paths = [data / name for name in split.require("test")]
    about = {
        "data": describe_data(data, split), "train": list(split.train), "test": list(split.test),
        "profile": asdict(profile), "networks": {},
    }  # fmt: skip
    results, done = earlier(out, about, overwrite)
    strata = case_strata(data)
    failures: list[str] = []
    with _networks(data, profile, out, names, seeds, checkpoints, devices, split, device, overwrite, progress) as get:
        for seed in seeds:
            try:
                folder, models = get(seed)
            except _TrainingFailed as error:
                failures.append(str(error))
                continue
            digests = {name: digest(path) for name, path in _paths(folder, names).items()}
            if not digests.items() <= done.get(str(seed), {}).items():
                kept = [without_seed(results, seed)] if results else []
                results = join([*kept, score_fully(models, paths, seed, strata, device=device, progress=progress)])
                done[str(seed)] = digests
            assert results is not None
            write(results, out, about | {"networks": done})
    if failures:
        raise InputError(" ".join(failures))
    assert results is not None
    return results


class _TrainingFailed(Exception):  # noqa: N818
    pass


@contextmanager
def _networks(
    data: Path, profile: Profile, out: Path, names: Sequence[str], seeds: Sequence[int], checkpoints: Path | None,
    devices: int, split: Split, device: str, overwrite: bool, progress: bool,
) -> Iterator[Any]:  # fmt: skip
    """Yields a function from a seed to the folder of its networks and the networks, once they are trained."""

    def folder_of(seed: int) -> Path:
        root = Path(checkpoints or out)
        return root if checkpoints and not (root / f"seed-{seed}").exists() else root / f"seed-{seed}"

    def trained(seed: int, fresh: bool = overwrite) -> tuple[Path, dict[str, Network]]:
        folder, store = folder_of(seed), out / "store"
        options: dict[str, Any] = {"split": split, "seed": seed, "device": device, "progress": progress}
        return folder, train_all(data, profile, folder, names=names, store=store, overwrite=fresh, **options)

    if checkpoints is not None:
        if len(seeds) > 1 and len({folder_of(seed) for seed in seeds}) < len(seeds):
            raise InputError(f"{checkpoints} does not hold the networks of {len(seeds)} seeds in seed-0 and so on.")
        yield lambda seed: (folder_of(seed), load_all(folder_of(seed), names))
        return
    if devices == 1:
        yield trained
        return

    import torch

    jobs = {
        (seed, name): Job(name, seed, folder_of(seed) / name, out / "logs" / f"seed-{seed}-{name}.log")
        for seed in seeds
        for name in reversed(names)  # peers before our own: SegResNet takes longest and would end alone
        if overwrite or not (folder_of(seed) / name / MODEL).exists()
    }
    store = out / "prepared"
    if jobs:
        prepare(data, store, profile, split, strict=True, progress=progress)
    torch.set_num_threads(1)  # of the scoring, beside the trainings
    with (
        side_by_side(list(jobs.values()), store, profile, devices, device, overwrite) as futures,
        tqdm(total=len(jobs), desc=f"training, {devices} at a time", disable=not progress) as bar,
    ):
        for future in futures:
            future.add_done_callback(lambda _: bar.update())
        waiting = dict(zip(jobs, futures, strict=True))

        def get(seed: int) -> tuple[Path, dict[str, Network]]:
            errors = [waiting[key].exception() for key in jobs if key[0] == seed]
            if any(errors):
                raise _TrainingFailed(" ".join(str(error) for error in errors if error))
            return trained(seed, fresh=False)

        yield get


def _paths(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    flat = [folder / f"{name}.safetensors" for name in names]
    paths = flat if any(path.exists() for path in flat) else [folder / name / MODEL for name in names]
    return dict(zip(names, paths, strict=True))
