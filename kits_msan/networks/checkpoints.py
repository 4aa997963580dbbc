"""Checkpoints: safetensors files, whose loading never runs code from the file.

Tensors lie beside a small JSON text (the file's metadata): which network, of what size, trained how.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kits_msan.devices import pick_device
from kits_msan.errors import InputError
from kits_msan.files import atomic_file
from kits_msan.networks.layers import Network
from kits_msan.networks.registry import build_model, known_models
from kits_msan.profiles import Profile, profile_from

FORMAT = "kits_msan 1"
LAST, MODEL = "last.safetensors", "model.safetensors"  # in a run folder: to go on from, and the trained network


def save_checkpoint(path: str | Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able description, atomically.

    Raises OSError, as for a full disk, and FloatingPointError for NaN or infinite numbers; what was there stays.
    """
    if not are_finite(tensors):
        raise FloatingPointError(
            f"weights have become NaN or infinite, so {path} is not written; a step since the last checkpoint went "
            "wrong: lower the learning rate or train with 32-bit floats."
        )
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_file(path) as temporary:
        try:
            save_file(whole, temporary, metadata={"format": FORMAT, "about": json.dumps(about)})
        except SafetensorError as error:  # which says it in words alone: "I/O error: No space left on device"
            reason = str(error).rpartition("I/O error: ")[2]
            found = re.search(r"os error (\d+)", reason)
            number = int(found[1]) if found else None
            raise OSError(number, os.strerror(number) if number else reason, str(path)) from error


def are_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether none of them holds NaN or an infinite number."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def load_checkpoint(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the description of a file by `save_checkpoint`. Raises InputError for any other file."""
    with _opened(Path(path)) as (file, about):
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118


def load_about(path: str | Path) -> dict[str, Any]:
    """The description alone; no tensor is read. Raises InputError as `load_checkpoint`."""
    with _opened(Path(path)) as (_, about):
        return about


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The open file, and its description; what is wrong with it becomes an InputError, in the block too."""
    if path.is_dir():
        inside = ", ".join(sorted(file.name for file in path.glob("*.safetensors"))[:6]) or "no checkpoint"
        raise InputError(f"{path} is a folder and holds {inside}; name a checkpoint, such as RUN/model.safetensors.")
    if not path.is_file():
        raise InputError(f"{path} does not exist; name a checkpoint, such as RUN/model.safetensors.")
    try:
        path.open("rb").close()  # the system's word, if it may not be read
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(f"{path} was not written by kits_msan; name a checkpoint of `kits-msan train`.")
            about = json.loads(metadata["about"])
            if not isinstance(about, dict):
                raise InputError(f"{path} is not a readable checkpoint; its description is damaged.")
            yield file, about
    except PermissionError as error:
        raise InputError(f"{path} may not be read; change its permissions.") from error
    except (SafetensorError, ValueError, KeyError, OSError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a readable checkpoint; it is truncated or of another kind.") from error


def checkpoint_file(path: str | Path) -> Path:
    """The checkpoint that `path` means: itself, or in the folder of a run its network, else what it stopped at."""
    path = Path(path)
    there = [path / name for name in (MODEL, LAST) if (path / name).exists()]
    return there[0] if there else path


def checkpoint_files(path: str | Path) -> list[Path]:
    """The networks that `path` means: one as `checkpoint_file`, or all in a folder of several, in the order of names.

    Such a folder holds <name>.safetensors, as data/checkpoints does, or the finished runs <name>/model.safetensors.
    """
    path = checkpoint_file(path)
    several = sorted(path.glob("*.safetensors")) or sorted(path.glob(f"*/{MODEL}"))
    return [file for file in several if not file.name.startswith(".")] or [path]


def describe_model(name: str, model: Network, profile: Profile) -> dict[str, Any]:
    """What `load_model` needs to build the network again."""
    return {"model": name, "config": model.config, "profile": asdict(profile)}


def save_model(path: str | Path, model: Network, about: Mapping[str, Any]) -> None:
    """Write a network's weights; `about` holds `describe_model` and whatever else is worth knowing."""
    save_checkpoint(path, model.state_dict(), about)


def start_from(model: Network, path: str | Path) -> dict[str, Any]:
    """Give a network the weights of a checkpoint that fit it, by name and shape; the others stay as they are.

    The bottom of a checkpoint with fewer poolings becomes the encoder's block at that scale.
    path: the file, or the folder of a finished run. Returns where they are from and how many numbers fit, JSON-able.
    Raises InputError where less than half do, and as `load_model`.
    """
    path = checkpoint_file(path)
    tensors, about = _load_trained(path)
    own = model.state_dict()
    if (poolings := _poolings(tensors)) < _poolings(own):
        tensors = {name.replace("bottom.", f"encoder.{poolings}."): value for name, value in tensors.items()}
    fit = {name: value for name, value in tensors.items() if name in own and own[name].shape == value.shape}
    total, there, shared = (sum(value.numel() for value in some.values()) for some in (own, tensors, fit))
    if 2 * shared < there:
        raise InputError(
            f"{path} hardly fits this network; name a checkpoint of the same width, and of as many poolings or fewer."
        )
    model.load_state_dict({**own, **fit})
    return {"model": about.get("model"), "sha256": digest(path), "weights": shared, "of": total}


def _poolings(tensors: Mapping[str, Tensor]) -> int:
    """Of the network with these weights."""
    return sum(name.startswith("up.") and name.endswith(".weight") for name in tensors)


def digest(path: Path) -> str:
    """A short checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def load_model(path: str | Path, name: str | None = None, device: str | torch.device = "cpu") -> Network:
    """The trained network of a checkpoint, in eval mode, with its `name` and `profile` set.

    path: the file, or the folder of a finished run, whose model.safetensors is taken.
    name: the one of MODELS, VARIANTS or PEERS that it must be, if that matters.
    device: see `pick_device`; it may have a number.
    torch's random numbers stay as they are.
    Raises InputError if the file is no checkpoint, or one of another network, and for a device that is not there.
    """
    where = pick_device(device, numbered=True)
    path = checkpoint_file(path)
    tensors, about = _load_trained(path)
    if name is not None and about.get("model") != name:
        raise InputError(f"{path} is a checkpoint of {about.get('model')}, not of {name}.")
    if isinstance(about.get("model"), str) and about["model"] not in known_models():
        raise InputError(
            f"{path} is a checkpoint of {about['model']}, a network that is not known here; if it is your own, add "
            "it to kits_msan.MODELS before you load it, else train it again."
        )
    try:
        with torch.device("meta"):  # which takes no memory for sizes that a damaged file claims
            wanted = build_model(about["model"], **about["config"]).state_dict()
        if _shapes(wanted) != _shapes(tensors):
            raise ValueError("other tensors")
        with torch.random.fork_rng(devices=[]):  # the fresh weights that go are no draws of the caller's
            model = build_model(about["model"], **about["config"])
        model.load_state_dict(tensors)
        model.name, model.profile = about["model"], profile_from(about["profile"])
    except (KeyError, TypeError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} does not fit the networks of this version; train it again.") from error
    return model.eval().to(where)


def _load_trained(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """As `load_checkpoint`. Raises InputError for what a stopped training goes on from, and for NaN among weights."""
    tensors, about = load_checkpoint(path)
    if "step" in about and any(key.startswith("optimizer.") for key in tensors):
        profile = about.get("profile")
        steps = profile.get("steps") if isinstance(profile, dict) else "all"
        raise InputError(
            f"{path} is what a stopped training goes on from, after {about['step']} of {steps} "
            f"steps, not a trained network; finish the run with the command that began it, then name its {MODEL}."
        )
    if not are_finite(tensors):  # it would find nothing, silently
        raise InputError(f"{path} holds weights that are NaN or infinite, so it finds nothing; train it again.")
    return tensors, about


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
