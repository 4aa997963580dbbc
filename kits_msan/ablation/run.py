"""The experiment of the paper: train or load the five networks, let them vote, score them, compare.

`run_ablation` leaves its tables as small files, see `results`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from tqdm.auto import tqdm

from kits_msan.ablation.results import (
    case_strata,
    describe_data,
    results_so_far,
    without_seed,
    write,
)
from kits_msan.ablation.scoring import Results, join, labeled, score_cases
from kits_msan.ablation.trained import (
    as_trained,
    earlier_weights,
    folder_of,
    is_scored,
    paths_of,
    refuse_mixed,
    refuse_other_runs,
    scored_before,
)
from kits_msan.data.cases import IMAGE, LABEL
from kits_msan.data.prepare import prepare
from kits_msan.data.split import Split, load_split
from kits_msan.data.store import is_store, split_of
from kits_msan.devices import THIS_MACHINE, Machine, pick_device
from kits_msan.errors import InputError
from kits_msan.files import refuse_results, removed_on_bad_input
from kits_msan.formats.volumes import Cyst
from kits_msan.locks import only_user
from kits_msan.networks.checkpoints import MODEL, digest, load_model
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import MODELS
from kits_msan.profiles import Profile
from kits_msan.training.loop import train
from kits_msan.training.side_by_side import Job, side_by_side


def train_all(
    data: Path | None,
    profile: Profile,
    out: Path,
    *,
    names: Sequence[str] = tuple(MODELS),
    split: Split | None = None,
    seed: int = 0,
    machine: Machine = THIS_MACHINE,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Network]:
    """Train networks (by default the five) on the training cases of `data`, each in a folder of its name under `out`.

    data: a folder of cases, of which `out`/store is made for all networks, or a store; None where the profile makes
    its phantoms while it trains.
    machine: with several devices, each trains a network of its own, see `side_by_side`.
    What is finished is loaded, what was stopped is resumed. Raises as `train` does, and InputError for an `out` in
    use and for trainings side by side that failed.
    """
    split = split or (split_of(data) if data is not None else None)
    with _alone(out, "training"):
        jobs = _jobs(names, {seed: out}, out / "logs", overwrite)
        if not overwrite:
            refuse_other_runs([out / name for name in names], profile, split)
        if jobs or (out / "store").is_dir():
            data = _shared_store(data, out / "store", profile, split, machine, progress)
        if machine.devices > 1:
            with _in_background(jobs, data, profile, machine, overwrite, progress) as waiting:
                errors = [str(error) for future in waiting.get(seed, []) if (error := future.exception())]
            if errors:
                raise InputError(" ".join(errors))
            machine, overwrite = replace(machine, devices=1), False  # all are there, to be loaded
        return {
            name: train(
                name, data, profile, out / name,
                split=split, seed=seed, machine=machine, overwrite=overwrite, progress=progress,
            )
            for name in names
        }  # fmt: skip


def load_all(folder: Path, names: Sequence[str] = tuple(MODELS)) -> dict[str, Network]:
    """The trained networks under `folder`: <name>/model.safetensors, or <name>.safetensors.

    Raises InputError naming the first one that is missing or of another network.
    """
    return {name: load_model(path, name) for name, path in paths_of(folder, names).items()}


def run_ablation(
    data: Path,
    profile: Profile,
    out: Path,
    *,
    names: Sequence[str] = tuple(MODELS),
    seeds: Sequence[int] = (0,),
    checkpoints: Path | None = None,
    split: Split | None = None,
    cyst: Cyst | None = None,
    machine: Machine = THIS_MACHINE,
    overwrite: bool = False,
    progress: bool = True,
) -> Results:
    """Train networks (or load them from `checkpoints`), score them on the test cases of `data`, write the results.

    data: for a profile that makes its phantoms while it trains, only the test cases are taken of it.
    names: the five of MODELS, and any of PEERS and VARIANTS beside them.
    seeds: each trains all networks anew, in `out`/seed-<seed>/<name>; all of the first come before any of the second,
    and a seed is scored as soon as its networks are there. checkpoints: a folder of that layout, or of one seed's.
    cyst: what the label 3 of KiTS21 and KiTS23 counts as. machine: its devices train a network each, see
    `side_by_side`.

    What is finished is not done again: networks are loaded, and a seed's scores kept if its networks are the same
    files. With other names than before, those of before stay in the tables of their seeds. See `write` for the files
    under `out`. Raises InputError as `train` and `load_all` do, for an `out` with scores of something else or in use,
    for a test case that cannot be scored, before anything is trained or scored, and, after all else is done, for
    trainings side by side that failed.
    """
    data, out = Path(data), Path(out)
    if is_store(data):
        raise InputError(f"{data} is a store, but test cases are scored as scanned; name the folder of cases.")
    split = split or load_split(data)
    paths = [data / name for name in split.require("test")]
    if checkpoints:
        profile, seeds, split = as_trained(Path(checkpoints), names, seeds, split)
    folders = {seed: folder_of(Path(checkpoints or out), seed, bool(checkpoints)) for seed in seeds}
    if len(set(folders.values())) < len(folders):
        raise InputError(f"{checkpoints} does not hold the networks of {len(seeds)} seeds in seed-0 and so on.")
    about = {
        "data": describe_data(data, split, bool(profile.fresh)),
        "train": [] if profile.fresh else list(split.train), "test": list(split.test),
        "profile": asdict(profile), "test_data": {path.name: _content(path) for path in paths},
        "meaning_of_cysts": cyst, "networks": {},
    }  # fmt: skip
    strata, store = case_strata(data), None if profile.fresh else data
    failures: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(_alone(out, "ablation"))
        results, done, earlier = results_so_far(out, about, overwrite)
        jobs = [] if checkpoints else _jobs(names, folders, out / "logs", overwrite)
        if not (checkpoints or overwrite):
            refuse_other_runs([folder / name for folder in folders.values() for name in names], profile, split)
        if jobs or not all(is_scored(folder, names, done.get(str(seed), {})) for seed, folder in folders.items()):
            for path in tqdm(paths, "reading the test cases", disable=not progress, leave=False):
                labeled(path, cyst)  # one that cannot be scored is not to be met after hours of training and scoring
        if jobs or (not checkpoints and (out / "store").is_dir()):  # which shows if the training cases are the same
            store = _shared_store(store, out / "store", profile, split, machine, progress, cyst)
        waiting: dict[int, list[Future[None]]] = {}
        if checkpoints is None and machine.devices > 1:
            waiting = stack.enter_context(_in_background(jobs, store, profile, machine, overwrite, progress))
        for seed, folder in folders.items():
            if errors := [str(error) for future in waiting.get(seed, []) if (error := future.exception())]:
                failures += errors
                continue
            if checkpoints is None:
                models = train_all(
                    store, profile, folder, names=names, split=split, seed=seed,
                    machine=replace(machine, devices=1), overwrite=overwrite and machine.devices == 1,
                    progress=progress,
                )  # fmt: skip
            else:
                models = load_all(folder, names)
            known = done.get(str(seed), {})  # of perhaps more networks than these
            if not (as_before := is_scored(folder, names, known)):
                models |= load_all(folder, scored_before(folder, names, known, seed))
            refuse_mixed(folder, list(models), bool(checkpoints))
            if not as_before:
                kept = [without_seed(results, seed)] if results else []
                scored = score_cases(models, paths, seed, strata, device=machine.device, cyst=cyst, progress=progress)
                results = join([*kept, scored])
                done[str(seed)] = {name: digest(path) for name, path in paths_of(folder, list(models)).items()}
                earlier.pop(str(seed), None)
            if str(seed) not in earlier:
                earlier[str(seed)] = earlier_weights(folder, list(models))
            assert results is not None
            write(results, out, about | {"networks": done, "earlier": earlier})
    if failures:
        raise InputError(" ".join(failures))
    assert results is not None
    return results


def _content(case: Path) -> str:
    """A short hash of the image and the label of a test case."""
    return "-".join(digest(case / name)[:8] for name in (IMAGE, LABEL) if (case / name).exists())


@contextmanager
def _alone(out: Path, what: str) -> Iterator[None]:
    """Within the block no other `what` changes the store and the runs in `out`. Raises InputError if one does."""
    refuse_results(out, overwrite=True)  # a file, or a link to nothing
    with only_user(out, what):
        yield


def _jobs(names: Sequence[str], folders: Mapping[int, Path], logs: Path, overwrite: bool) -> list[Job]:
    """The trainings that are not finished, seed after seed."""
    return [
        Job(name, seed, folder / name, logs / f"seed-{seed}-{name}.log")
        for seed, folder in folders.items()
        for name in reversed(names)  # peers before our own: SegResNet takes longest and would end alone
        if overwrite or not (folder / name / MODEL).exists()
    ]


def _shared_store(
    data: Path | None, out: Path, profile: Profile, split: Split | None, machine: Machine, progress: bool,
    cyst: Cyst | None = None,
) -> Path | None:  # fmt: skip
    """What all trainings read: a store made of `data` at `out`, or `data` itself where it is one."""
    pick_device(machine.device)  # one that is not there is not to be met after hours of preparing
    if data is None or is_store(data) or profile.fresh:  # `train` refuses a folder for a profile that makes phantoms
        return data
    with removed_on_bad_input(out):
        prepare(data, out, profile, split or split_of(data), strict=True, progress=progress, cyst=cyst)
    return out


@contextmanager
def _in_background(
    jobs: Sequence[Job], data: Path | None, profile: Profile, machine: Machine, overwrite: bool, progress: bool
) -> Iterator[dict[int, list[Future[None]]]]:
    """Train side by side, with a bar; yields the futures of each seed's trainings."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of the scoring, beside the trainings
    with (
        ExitStack() as stack,
        side_by_side(jobs, data, profile, machine, overwrite) as futures,
        tqdm(total=len(jobs), desc=f"training, {machine.devices} at a time", disable=not progress) as bar,
    ):
        stack.callback(torch.set_num_threads, threads)
        waiting: dict[int, list[Future[None]]] = {}
        for job, future in zip(jobs, futures, strict=True):
            future.add_done_callback(lambda _: bar.update())
            waiting.setdefault(job.seed, []).append(future)
        yield waiting
