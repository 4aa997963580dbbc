"""The training loop.

One loop for every profile and machine. Lightning Fabric moves it to a GPU, mixes precision and joins processes.
A batch depends on seed and step alone, so a run that was stopped and is started again goes on as if nothing had
happened: weights, optimizer, log and step are all there is to remember.
"""

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from kits_msan.data.prepare import open_cases
from kits_msan.data.slabs import Batch, SlabSampler
from kits_msan.data.split import Split, refuse_test_cases
from kits_msan.data.store import fingerprint, is_store, split_of
from kits_msan.devices import THIS_MACHINE, Machine
from kits_msan.errors import InputError
from kits_msan.files import removed_on_bad_input
from kits_msan.networks.checkpoints import MODEL, describe_model, load_model, start_from
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import TITLES, build_model
from kits_msan.profiles import Profile, checked_profile
from kits_msan.threads import adapted
from kits_msan.training.ahead import drawn_ahead, helpers
from kits_msan.training.fresh import FreshPhantoms, refuse_too_many_steps
from kits_msan.training.losses import build_loss
from kits_msan.training.optimizers import OPTIMIZERS
from kits_msan.training.processes import (
    StopSignals,
    TrainingStopped,
    build_fabric,
    by_first,
    first_then_others,
    said_by_first,
)
from kits_msan.training.runs import STORE, RunFolder
from kits_msan.training.settings import check_settings, is_thin
from kits_msan.training.validation import hold_out, is_scored, validation_scores


def learning_rate(profile: Profile, step: int) -> float:
    """The learning rate of a step, 0 to profile.steps - 1.

    "steps": divided by 10 after each quarter (paper, section 3.1: every 100,000 of 400,000).
    "one-cycle": a warm-up over the first tenth, then down to zero along a cosine; our choice for short runs.
    """
    if profile.schedule == "steps":
        return profile.learning_rate * 0.1 ** (4 * step // profile.steps)
    warm_up = max(profile.steps // 10, 1)
    if step < warm_up:
        return profile.learning_rate * (step + 1) / warm_up
    return profile.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(profile.steps - warm_up, 1)))


def train(
    name: str,
    data: str | Path | None,
    profile: str | Profile,
    run: str | Path,
    *,
    split: Split | None = None,
    seed: int = 0,
    machine: Machine = THIS_MACHINE,
    validate: int = 0,
    start: str | Path | None = None,
    save_seconds: float = 60,
    overwrite: bool = False,
    progress: bool = True,
) -> Network:
    """Train a network that `build_model` knows on the training cases of `data`; returns it in eval mode on the CPU.

    data: a store, see `prepare`, which several networks can share; or a folder of cases, of which a store is made in
    `run`/store; None where the profile makes its phantoms while it trains, see `FreshPhantoms`. Processes make them:
    a script must train below `if __name__ == "__main__":`.
    split: which cases are for training; by default the one of `data`, see `split_of`.
    machine: where to train; its devices share each batch, in a process each, so with more than one, this script is
    started once for each.
    validate: so many training cases, the last, are held out; `run`/best.safetensors is the network that did best on
    them. Without, there is no best: the short runs, whose learning rate ends at zero, are best at their end.

    start: a checkpoint whose weights, as far as they fit, are the ones to begin with.

    What the run folder holds is told in docs/training.md. A run that was stopped is resumed, a finished one is
    loaded. On one thread, or a number set by OMP_NUM_THREADS: same seed, same CPU, same weights, to the bit, however
    often it was stopped. Else the number of threads follows what the machine has to spare, see `adapted`.
    Raises InputError, before anything is written, for an unknown model, device or precision, for a profile with
    which none can be trained, for a batch that the devices cannot share, and for a `run` with other settings in it
    or in use; FloatingPointError when the loss, or weights to be saved, are no longer finite; TrainingStopped, a
    KeyboardInterrupt, after a signal (see `StopSignals`) and a checkpoint.
    """
    data, run, profile = None if data is None else Path(data), Path(run), checked_profile(profile)
    torch.manual_seed(seed)
    network = build_model(name, width=profile.width, poolings=profile.poolings)
    fabric = build_fabric(machine, profile.batch, is_thin(profile, network))
    share, drawing = profile.batch // fabric.world_size, helpers(fabric)
    names, held_out = _training_cases(data, profile, split, validate)
    check_settings(profile, network, seed, share)
    config = {**describe_model(name, network, profile), "seed": seed, "cases": names, "validation": held_out}
    if start is not None:
        config["started_from"] = start_from(network, start)
    fabric.launch()
    first_process = fabric.is_global_zero
    folder = RunFolder(run, config, profile.steps, save_seconds)
    folder.about["versions"] |= {"device": fabric.device.type, "precision": fabric.strategy.precision.precision}
    store = run / STORE

    def is_done() -> bool:
        if overwrite or not folder.is_finished():
            return False
        if data is not None and (is_store(data) or store.is_dir()):  # else it would have to be made again
            folder.refuse_other_data(fingerprint(open_cases(data, [*names, *held_out], profile, store)))
        return True

    if first_then_others(fabric, is_done):
        return load_model(run / MODEL, name)
    fabric.barrier()  # all have looked at the folder before the first process writes to it

    with folder, StopSignals() as stop, ExitStack() as stack:
        fresh = stack.enter_context(FreshPhantoms(profile, seed, max(drawing, 1))) if data is None else None
        by_first(fabric, lambda: folder.claim(overwrite))
        with folder.left_on_bad_input(), removed_on_bad_input(store):
            cases = [] if data is None else first_then_others(
                fabric, lambda: open_cases(data, [*names, *held_out], profile, store, progress and first_process)
            )  # fmt: skip
            folder.about["data"] = fresh.fingerprint() if fresh else fingerprint(cases)
        if overwrite:
            by_first(fabric, folder.clear)
        network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        optimizer = OPTIMIZERS[profile.optimizer](
            [p for p in network.parameters() if p.requires_grad], profile.learning_rate,
            weight_decay=profile.weight_decay, fused=fabric.device.type in ("cpu", "cuda"),
        )  # fmt: skip
        model, optimizer = fabric.setup(network, optimizer)
        first = first_then_others(fabric, lambda: folder.resume(network, optimizer))
        loss_of = fabric.to_device(
            build_loss(profile.loss, network.supervision_weight, profile.together, profile.smooth)
        )
        sampler = SlabSampler(fresh.at(first) if fresh else cases[: len(names)], profile, seed)

        def draw(step: int) -> Callable[[], Batch]:
            nonlocal sampler
            if fresh and step % profile.fresh == 0:
                sampler = SlabSampler(fresh.at(step), profile, seed)
            return partial(sampler.batch, step, fabric.global_rank * share, share)  # this process's share

        steps: Iterable[int] = range(first, profile.steps)
        if fabric.device.type == "cpu" and fabric.world_size == 1:
            steps = adapted(steps)
        batches = stack.enter_context(closing(drawn_ahead(steps, draw, drawing)))

        model.train()
        for step, batch in tqdm(
            batches, TITLES.get(name, name), profile.steps, initial=first, disable=not (progress and first_process)
        ):
            rate = learning_rate(profile, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            image, label = fabric.to_device((batch.image, batch.label))  # (N, 1, D, H, W), (N, D, H, W)
            loss = loss_of(model(image), label)
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            _check_finite(loss, step, batch)
            if first_process:
                folder.note(step + 1, rate, float(loss.detach()))
            if held_out and is_scored(step + 1, profile.steps):
                scores = validation_scores(fabric, network, cases[len(names) :], profile)
                if first_process:
                    folder.note_scores(step + 1, scores, network)
            stopped = stop.agreed(fabric)
            if first_process and (stopped or folder.is_due()):
                folder.save_last(network, optimizer, step + 1)
            if stopped:
                fabric.barrier()
                raise said_by_first(
                    fabric, TrainingStopped(f"stopped after step {step + 1} of {profile.steps}", stopped)
                )

        by_first(fabric, lambda: folder.finish(network))
    return load_model(run / MODEL, name)


def _training_cases(
    data: Path | None, profile: Profile, split: Split | None, validate: int
) -> tuple[list[str], list[str]]:
    """The names of the cases to train and to validate on; none where phantoms are made while the training runs."""
    if data is None and not profile.fresh:
        raise InputError(f"profile {profile.name} needs a folder of cases; name it with --data.")
    if data is not None and profile.fresh:
        raise InputError(f"profile {profile.name} makes its phantoms while it trains; leave out --data.")
    if data is None:
        if validate:
            raise InputError(f"profile {profile.name} makes its phantoms while it trains; none can be held out.")
        refuse_too_many_steps(profile)
        return [], []
    split = split or split_of(data)
    refuse_test_cases(split.require("train"), split)
    return hold_out(split.train, validate)


def _check_finite(loss: Tensor, step: int, batch: Batch) -> None:
    if not torch.isfinite(loss):
        names = ", ".join(batch.names)
        raise FloatingPointError(
            f"the loss is {loss.item()} at step {step}, on slabs of {names}; look at these cases "
            "and those of the step before, lower the learning rate or train with 32-bit floats."
        )
