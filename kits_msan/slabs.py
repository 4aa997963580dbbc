"""The training store, and the slabs that are drawn from it.

A slab is a few whole slices. The store keeps each case at the profile's spacing as a memory-mapped array with the
slices first, so that a slab is one contiguous read, and lists the slices that show kidney and tumor.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from kits_msan.augment import augment
from kits_msan.cases import KIDNEY, TUMOR, case_name, load_case, window
from kits_msan.errors import InputError
from kits_msan.files import atomic_file, write_json
from kits_msan.profiles import Profile
from kits_msan.resampling import resample_case

STORE_VERSION = 1
AIR = -1000  # HU, where a slab reaches beyond its case


@dataclass(frozen=True)
class StoredCase:
    """One case of the store: image (D, H, W) int16 HU and label (D, H, W) uint8, memory-mapped, and its slices."""

    name: str
    image: NDArray[np.int16]
    label: NDArray[np.uint8]
    slices: dict[int, NDArray[np.int64]]  # class -> indices of the slices that show it


class Batch(NamedTuple):
    """Slabs as a network takes them: image (N, 1, D, H, W) float32 in 0..1, label (N, D, H, W) uint8."""

    image: Tensor
    label: Tensor
    names: list[str]


def build_store(paths: Sequence[Path], out: Path, profile: Profile, progress: bool = False) -> list[StoredCase]:
    """Bring the cases at `paths` to the profile's spacing and keep them under `out`; what is there is used again.

    A case is made anew when its files or the spacing changed. Raises InputError for a case without image or label.
    """
    stored = []
    for path in tqdm(paths, desc="preparing cases", disable=not progress, leave=False):
        name = case_name(path)
        record = {"version": STORE_VERSION, "spacing": profile.spacing, "source": _fingerprint(path)}
        index = out / f"{name}.json"
        if not index.exists() or json.loads(index.read_text())["record"] != json.loads(json.dumps(record)):
            _store_case(path, out, profile, record)
        stored.append(_open_case(out, name))
    return stored


def _store_case(path: Path, out: Path, profile: Profile, record: dict[str, Any]) -> None:
    case = resample_case(load_case(path), profile.spacing)
    if case.image is None or case.label is None:
        raise InputError(f"{path} lacks its image or its label; training needs both.")
    name = case_name(path)
    (out / f"{name}.json").unlink(missing_ok=True)  # the index is written last: without it the case does not count
    for kind, array in (("image", case.image), ("label", case.label)):
        with atomic_file(out / f"{name}.{kind}.npy") as temporary:
            np.save(temporary, array)
    slices = {
        str(value): np.flatnonzero((case.label == value).any(axis=(1, 2))).tolist() for value in (KIDNEY, TUMOR)
    }
    write_json(out / f"{name}.json", {"record": record, "slices": slices})


def _open_case(out: Path, name: str) -> StoredCase:
    slices = json.loads((out / f"{name}.json").read_text())["slices"]
    image, label = (np.load(out / f"{name}.{kind}.npy", mmap_mode="r") for kind in ("image", "label"))
    return StoredCase(name, image, label, {int(value): np.array(where, int) for value, where in slices.items()})


def _fingerprint(path: Path) -> list[list[Any]]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


class SlabSampler:
    """Draws batches of slabs. A batch depends on seed and step alone, so a run that resumes draws the same ones."""

    def __init__(self, cases: Sequence[StoredCase], profile: Profile, seed: int) -> None:
        if not cases:
            raise InputError("there is no training case to draw slabs from.")
        self.cases = list(cases)
        self.profile = profile
        self.seed = seed
        self.showing = {value: [case for case in self.cases if case.slices[value].size] for value in (KIDNEY, TUMOR)}

    def batch(self, step: int, first: int = 0, count: int | None = None) -> Batch:
        """Slabs `first` to `first + count` of the batch of `step` (all of it by default)."""
        count = self.profile.batch if count is None else count
        slabs = [self.slab(np.random.default_rng((self.seed, step, first + i))) for i in range(count)]
        images, labels, names = zip(*slabs, strict=True)
        return Batch(torch.stack(images)[:, None], torch.stack(labels), list(names))

    def slab(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, str]:
        """One slab, (D, H, W) image in 0..1 and (D, H, W) label, and the name of its case."""
        case, start = self._place(rng)
        image, label = _cut(case.image, start, self.profile, AIR), _cut(case.label, start, self.profile, 0)
        row, column = (
            rng.integers(n - wanted + 1) for n, wanted in zip(image.shape[1:], self.profile.grid[1:], strict=True)
        )
        place = np.s_[:, row : row + self.profile.grid[1], column : column + self.profile.grid[2]]
        image, label = image[place], label[place]
        pixels, classes = torch.from_numpy(window(image)), torch.from_numpy(label)
        if self.profile.augment:
            pixels, classes = augment(pixels, classes, rng)
        return pixels, classes, case.name

    def _place(self, rng: np.random.Generator) -> tuple[StoredCase, int]:
        """A case and the slab's first slice: around a slice with tumor, with kidney, or anywhere."""
        draw = rng.random()
        wanted = None
        if draw < self.profile.tumor_share:
            wanted = TUMOR
        elif draw < self.profile.tumor_share + self.profile.kidney_share:
            wanted = KIDNEY
        pool = self.showing[wanted] if wanted is not None else []
        cases = pool or self.cases
        case = cases[rng.integers(len(cases))]
        depth, slab = len(case.image), self.profile.slab
        if not pool:
            return case, int(rng.integers(max(depth - slab, 0) + 1))
        middle = rng.choice(case.slices[wanted])  # type: ignore[index]
        return case, int(np.clip(middle - rng.integers(slab), 0, max(depth - slab, 0)))


def _cut(array: NDArray, start: int, profile: Profile, fill: int) -> NDArray:
    """A case's slices from `start` on, padded where the case is smaller than the profile's slab."""
    cut = np.array(array[start : start + profile.slab])
    missing = [max(wanted - n, 0) for n, wanted in zip(cut.shape, (profile.slab, *profile.grid[1:]), strict=True)]
    padding = ((0, missing[0]), *((n // 2, n - n // 2) for n in missing[1:]))
    return np.pad(cut, padding, constant_values=fill) if any(missing) else cut
