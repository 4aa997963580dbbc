"""The folder of one training: settings, a checkpoint to go on from, the log, the result; and a lock around it.

One process writes; those that train along with it only read, in `is_finished` and `resume`. A disk that is full costs
a warning, not the run.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout
from torch import Tensor

from kits_msan.errors import WINDOWS, InputError
from kits_msan.files import read_json, refuse_foreign, refuse_results, remove_left_over, write_json
from kits_msan.locks import shared_lock
from kits_msan.networks.checkpoints import LAST, MODEL, are_finite, load_checkpoint, save_checkpoint, save_model
from kits_msan.networks.layers import Network
from kits_msan.profiles import with_new_settings
from kits_msan.training.logs import CURVE, EVENTS, METRICS, VALIDATION, MetricsLog
from kits_msan.training.optimizers import restore
from kits_msan.training.settings import difference, say_other_numbers, versions

CONFIG, BEST = "config.json", "best.safetensors"
LOCK, STORE = ".lock", "store"
OWN = (MODEL, BEST, LAST, METRICS, VALIDATION, CURVE, CONFIG)  # files of a run, beside its EVENTS and its STORE


class RunFolder:
    """The run folder at `path`, for a training with the settings `config`, which are JSON-able.

    Use it in a `with` block, at whose end the lock is given back. The lock is the operating system's: it vanishes
    with a process that is killed.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], steps: int, save_seconds: float = 60) -> None:
        self.path = path
        self.config: dict[str, Any] = json.loads(json.dumps(config))
        self.save_seconds = save_seconds  # between checkpoints
        self.log = MetricsLog(path, steps)
        self.about: dict[str, Any] = {**self.config, "versions": versions()}  # beside the weights in a checkpoint
        self.saved = time.perf_counter()
        self.unsaved_best: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._lock = shared_lock(path / LOCK)
        self._warned = False
        self._new: list[Path] | None = None  # the folders that `claim` made, if no run had been in it

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()
        self._lock.release()

    def is_finished(self) -> bool:
        """Whether the network of these very settings is there. Raises InputError for a run with other settings."""
        self._refuse_others()
        return (self.path / MODEL).exists()

    def claim(self, overwrite: bool = False) -> None:
        """Take the folder: an empty one, or one that the same run left; with `overwrite`, any other.

        Raises InputError for a folder with other settings or other files, and for one that a training is using.
        """
        if overwrite:
            self._refuse_foreign()
        else:
            self._refuse_others()
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise InputError(
                f"{self.path} is in use by another training; wait for it or name another folder."
            ) from error
        if (self.path / CONFIG).exists():
            remove_left_over(self.path)
        else:
            self._write_config()
            self._new = new

    @contextmanager
    def left_on_bad_input(self) -> Iterator[None]:
        """If the block raises InputError, the folder is left as `claim` found it; files of others stay."""
        try:
            yield
        except InputError:
            if self._new is not None:
                with suppress(OSError):
                    if WINDOWS:  # which removes no file that is open
                        self._lock.release()
                    for file in (CONFIG, LOCK):
                        (self.path / file).unlink(missing_ok=True)
                    for folder in self._new:
                        folder.rmdir()
            raise

    def clear(self) -> None:
        """Remove what another run left, once this one has all that it needs."""
        for file in (self.path / EVENTS).glob("events.out.tfevents.*"):
            file.unlink()
        for name in OWN:
            if name != CONFIG:
                (self.path / name).unlink(missing_ok=True)
        self._write_config()

    def refuse_other_data(self, data: str) -> None:
        """Raise InputError if the finished network learned from other cases than those of this fingerprint."""
        known = load_checkpoint(self.path / MODEL)[1].get("data")
        if known not in (None, data):
            raise InputError(
                f"{self.path} holds a finished run that began with other training data; name another folder or add "
                "--overwrite."
            )

    def resume(self, network: Network, optimizer: torch.optim.Optimizer) -> int:
        """Load what `save_last` wrote, if it did; returns how many steps are done.

        Raises InputError if the training cases are no longer those that the run began with, or if it is damaged.
        """
        self.log.started = self.saved = time.perf_counter()
        if not (self.path / LAST).exists():
            return 0
        try:
            tensors, about = load_checkpoint(self.path / LAST)
            if not are_finite(tensors):
                raise ValueError("NaN or infinite")
            if about["data"] == self.about["data"]:
                say_other_numbers(self.path, about["versions"], self.about["versions"])
                restore(network, optimizer, tensors)
                self.log.restore(about["log"])
                return range(self.log.steps + 1).index(about["step"])  # ValueError: no step of this run
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path / LAST} is damaged; remove it, and the same command begins this training anew."
            ) from error
        raise InputError(
            f"{self.path} began with other training data; bring it back, name another folder or add --overwrite."
        )

    def note(self, step: int, rate: float, loss: float) -> None:
        """Log the loss of a step, the `step`th."""
        if self.log.add(step, rate, loss):
            self._try(self.log.write)
            self._try(self.log.write_events, step, {"loss": float(self.log.rows[-1][2]), "learning_rate": rate})

    def note_scores(self, step: int, scores: Mapping[str, float], network: Network) -> None:
        """Log validation scores after the `step`th step, and keep the network if they are the best."""
        is_best = self.log.add_scores(step, scores)
        self._try(self.log.write)
        self._try(self.log.write_events, step, {f"validation/{name}": value for name, value in scores.items()})
        if is_best:
            tensors = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
            self.unsaved_best = tensors, {**self.about, "step": step, "scores": {"validation": dict(scores)}}
            self._save_best()

    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.perf_counter() - self.saved > self.save_seconds

    def save_last(self, network: Network, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Write the checkpoint from which a run goes on, after the `step`th step."""
        tensors = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
        self._save_best()
        self._try(save_checkpoint, self.path / LAST, tensors, {**self.about, "step": step, "log": self.log.state})
        self._try(self.log.draw)
        self.saved = time.perf_counter()

    def finish(self, network: Network) -> None:
        """Write the trained network, and remove the checkpoint that is no longer needed. Raises OSError."""
        self._save_best()
        self._try(self.log.write)
        self._try(self.log.draw)
        last = self.log.scores[-1:] or [{}]
        scores = {"loss": float(self.log.rows[-1][2]), "validation": last[0]}
        try:
            save_model(
                self.path / MODEL, network, {**self.about, "scores": scores, "seconds": round(self.log.seconds, 1)}
            )
        except OSError as error:
            kept = (self.path / LAST).exists()
            hint = "the same command goes on from the last checkpoint" if kept else "no checkpoint was written before"
            raise OSError(error.errno, f"{error.strerror or error}; {hint}", str(self.path / MODEL)) from error
        (self.path / LAST).unlink(missing_ok=True)

    def _save_best(self) -> None:
        if self.unsaved_best and self._try(save_checkpoint, self.path / BEST, *self.unsaved_best):
            self.unsaved_best = None

    def _try(self, write: Callable[..., None], *arguments: Any) -> bool:
        """Write something that the run can do without for now: what fails is warned of once and tried again later."""
        try:
            write(*arguments)
        except OSError as error:
            if not self._warned:
                warnings.warn(
                    f"{self.path}: {error.strerror or error}; training goes on and will try to save again later.",
                    stacklevel=3,
                )
            self._warned = True
            return False
        return True

    def _write_config(self) -> None:
        write_json(self.path / CONFIG, {**self.config, "versions": self.about["versions"]})

    def _refuse_foreign(self) -> None:
        """Raise InputError where a file or folder by a name of ours is another's: many write a config.json."""
        if any((self.path / name).exists() for name in (*OWN, EVENTS, STORE)):
            try:
                own = {"model", "profile"} <= set(read_json(self.path / CONFIG, ""))
            except InputError:
                own = (self.path / CONFIG).exists()  # damaged
            refuse_foreign(self.path, own, "run of this program")

    def _refuse_others(self) -> None:
        if (self.path / CONFIG).exists():
            refuse_other_settings(self.path, self.config)
        elif self.path.is_file() or any(self.path.glob("[!.]*")):  # what a run left that was killed early is hidden
            refuse_results(self.path, overwrite=False)


def refuse_other_settings(run: Path, wanted: Mapping[str, Any], all_of_them: bool = True) -> None:
    """Raise InputError if a run began with other settings than these, or has more of them while these are all."""
    remedy = "name another folder or add --overwrite"
    old = with_new_settings(read_json(run / CONFIG, remedy))
    keys = {*wanted, *(old if all_of_them else ())} - {"versions"}
    for key in sorted(keys, key=lambda key: (key not in ("model", "profile"), key)):  # these say most
        if old.get(key) != wanted.get(key):
            raise InputError(f"{run} holds a run with another {difference(key, old, wanted)}; {remedy}.")
