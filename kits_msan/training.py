"""The training loop.

One loop for every profile and machine. Lightning Fabric moves it to a GPU, mixes precision and joins processes.
A batch depends on seed and step alone, so a run that was stopped and is started again goes on as if nothing had
happened: weights, optimizer and step are all there is to remember.
"""

import csv
import json
import logging
import math
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import kits_msan
from kits_msan.checkpoints import describe_model, load_checkpoint, load_model, save_checkpoint, save_model
from kits_msan.devices import pick_device, pick_precision
from kits_msan.errors import InputError
from kits_msan.files import atomic_file, refuse_results, removed_on_bad_input, write_json
from kits_msan.kits19 import Split, refuse_test_cases
from kits_msan.losses import build_loss
from kits_msan.networks import TITLES, UNet3D, build_model
from kits_msan.profiles import Profile
from kits_msan.slabs import SlabSampler
from kits_msan.store import open_cases, split_of

CONFIG, METRICS, LAST, MODEL = "config.json", "metrics.csv", "last.safetensors", "model.safetensors"
SAVE_SECONDS = 60  # between checkpoints


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
    data: Path,
    profile: Profile,
    run: Path,
    *,
    store: Path | None = None,
    split: Split | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    overwrite: bool = False,
    progress: bool = True,
) -> UNet3D:
    """Train one of MODELS on the training cases of `data`; returns the network in eval mode on the CPU.

    data: a folder of cases, or a store that `kits-msan prepare` made of one.
    store: where a folder's cases are kept at the profile's spacing, for several networks to share; else `run`/store.
    split: which cases are for training; by default the one of `data`, see `split_of`.

    The run folder gets config.json, metrics.csv, last.safetensors (to go on from) and, when done,
    model.safetensors. A run that was stopped is resumed, a finished one is loaded. Same seed, same CPU, same number
    of threads: same weights, to the bit.
    Raises InputError for an unknown model, device or precision and for a `run` with other settings in it,
    FloatingPointError when the loss is no longer finite.
    """
    torch_device = pick_device(device)
    torch_precision = pick_precision(precision, torch_device)
    split = split or split_of(data)
    names = split.require("train")
    refuse_test_cases(names, split)
    torch.manual_seed(seed)
    network = build_model(name, width=profile.width, poolings=profile.poolings)
    config = {**describe_model(name, network, profile), "seed": seed, "cases": names}
    store = store or run / "store"
    with removed_on_bad_input(run, store):
        _claim(run, json.loads(json.dumps(config)), overwrite)
        if (run / MODEL).exists():
            return load_model(run / MODEL, name)
        cases = open_cases(data, names, profile, store, progress)

    fabric = _fabric(torch_device, torch_precision)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, profile.learning_rate, weight_decay=profile.weight_decay)
    first, seconds = _resume(run / LAST, network, optimizer)  # AdamW without decay is Adam
    model, optimizer = fabric.setup(network.to(memory_format=torch.channels_last_3d), optimizer)  # type: ignore[call-overload]
    loss_of = fabric.to_device(build_loss(profile.loss))
    sampler = SlabSampler(cases, profile, seed)
    log = MetricsLog(run / METRICS, profile, first)
    started = saved = time.perf_counter()

    model.train()
    for step in tqdm(range(first, profile.steps), TITLES[name], profile.steps, initial=first, disable=not progress):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(profile, step)
        batch = sampler.batch(step)
        image, label = fabric.to_device((batch.image, batch.label))  # (N, 1, D, H, W), (N, D, H, W)
        loss = loss_of(model(image), label)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _check_finite(loss, step, batch.names)
        now = time.perf_counter()
        log.add(step, float(loss.detach()), seconds + now - started)
        if now - saved > SAVE_SECONDS:
            _save_last(run / LAST, network, optimizer, step + 1, seconds + now - started)
            saved = time.perf_counter()

    about = {**config, "seconds": round(seconds + time.perf_counter() - started, 1)}
    save_model(run / MODEL, network, about)
    (run / LAST).unlink(missing_ok=True)
    return load_model(run / MODEL, name)


class MetricsLog:
    """metrics.csv: about 200 rows of step, learning rate, mean loss since the last row, and seconds so far."""

    def __init__(self, path: Path, profile: Profile, step: int) -> None:
        self.path, self.profile = path, profile
        self.every = max(profile.steps // 200, 1)
        self.losses: list[float] = []
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]] if path.exists() and step else []
        columns = ["step", "learning_rate", "loss", "seconds"]
        kept = [row for row in rows if len(row) == len(columns) and int(row[0]) <= step]
        with atomic_file(path) as temporary, temporary.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *kept])  # what a stopped run wrote past its checkpoint comes again

    def add(self, step: int, loss: float, seconds: float) -> None:
        """Note the loss of a step."""
        self.losses.append(loss)
        if (step + 1) % self.every == 0 or step + 1 == self.profile.steps:
            mean = sum(self.losses) / len(self.losses)
            with self.path.open("a", newline="") as file:
                rate = learning_rate(self.profile, step)
                csv.writer(file).writerow([step + 1, f"{rate:.3e}", f"{mean:.5f}", f"{seconds:.1f}"])
            self.losses.clear()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.csv."""
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _claim(run: Path, config: dict[str, Any], overwrite: bool) -> None:
    """Take a folder for this run: an empty one, or one that the same run left; with `overwrite`, any other."""
    path = run / CONFIG
    if overwrite:
        for name in (MODEL, LAST, METRICS, CONFIG):
            (run / name).unlink(missing_ok=True)
    if path.exists():
        old = json.loads(path.read_text())
        differs = [key for key, value in config.items() if old.get(key) != value]
        if differs:
            raise InputError(f"{run} holds a run with another {differs[0]}; name another folder or add --overwrite.")
        return
    refuse_results(run, overwrite)
    versions = {"kits_msan": kits_msan.__version__, "torch": torch.__version__, "python": platform.python_version()}
    write_json(path, {**config, "versions": versions})


def _fabric(device: torch.device, precision: str) -> Any:
    from lightning_fabric import Fabric  # takes a second to import

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # importing it had set INFO
    return Fabric(accelerator=device.type, devices=1, precision="bf16-mixed" if precision == "bf16" else "32-true")


def _save_last(path: Path, network: UNet3D, optimizer: torch.optim.Optimizer, step: int, seconds: float) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    save_checkpoint(path, tensors, {"step": step, "seconds": seconds})


def _resume(path: Path, network: UNet3D, optimizer: torch.optim.Optimizer) -> tuple[int, float]:
    """Load what `_save_last` wrote, if it did; returns the next step and the seconds spent so far."""
    if not path.exists():
        return 0, 0.0
    tensors, about = load_checkpoint(path)
    network.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return about["step"], about["seconds"]


def _check_finite(loss: Tensor, step: int, names: Sequence[str]) -> None:
    if not torch.isfinite(loss):
        raise FloatingPointError(
            f"the loss is {loss.item()} at step {step}, on slabs of {', '.join(names)}; look at these cases, "
            "lower the learning rate or train with 32-bit floats."
        )
