"""The slabs that training draws from the store: a few whole slices, around tumor, around kidney or anywhere."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kits_msan.data.augment import augment
from kits_msan.data.cases import KIDNEY, TUMOR, window
from kits_msan.data.store import StoredCase
from kits_msan.errors import InputError
from kits_msan.formats.hounsfield import AIR_HU
from kits_msan.profiles import Profile


class Batch(NamedTuple):
    """Slabs as a network takes them: image (N, 1, D, H, W) float32 in 0..1, label (N, D, H, W) uint8."""

    image: Tensor
    label: Tensor
    names: list[str]


class SlabSampler:
    """Draws batches of slabs. A batch depends on seed and step alone, so a run that resumes draws the same ones."""

    def __init__(self, cases: Sequence[StoredCase], profile: Profile, seed: int) -> None:
        if not cases:
            raise InputError("there is no training case to draw slabs from.")
        for case in cases:
            if not isinstance(case, StoredCase):
                raise InputError(f"a {type(case).__name__} is no case of a store; give what open_store returns.")
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
        image, label = _cut(case.image, start, self.profile, AIR_HU), _cut(case.label, start, self.profile, 0)
        row, column = (
            rng.integers(n - wanted + 1) for n, wanted in zip(image.shape[1:], self.profile.grid[1:], strict=True)
        )
        place = np.s_[:, row : row + self.profile.grid[1], column : column + self.profile.grid[2]]
        image, label = image[place], label[place]
        pixels, classes = torch.from_numpy(window(image)), torch.from_numpy(label)
        if self.profile.augment:
            pixels, classes = augment(pixels, classes, rng, self.profile.augment)
        return pixels, classes, case.name

    def _place(self, rng: np.random.Generator) -> tuple[StoredCase, int]:
        """A case and the slab's first slice: around a slice with tumor, with kidney, or anywhere."""
        draw, tumor, kidney = rng.random(), self.profile.tumor_share, self.profile.kidney_share
        wanted = TUMOR if draw < tumor else KIDNEY if draw < tumor + kidney else None
        pool = self.showing[wanted] if wanted else []
        cases = pool or self.cases
        case = cases[rng.integers(len(cases))]
        last = max(len(case.image) - self.profile.slab, 0)
        if not wanted or not pool:
            return case, int(rng.integers(last + 1))
        middle = rng.choice(case.slices[wanted])
        return case, int(np.clip(middle - rng.integers(self.profile.slab), 0, last))


def _cut(array: NDArray, start: int, profile: Profile, fill: int) -> NDArray:
    """A case's slices from `start` on, padded where the case is smaller than the profile's slab."""
    cut = np.array(array[start : start + profile.slab])
    missing = [max(wanted - n, 0) for n, wanted in zip(cut.shape, (profile.slab, *profile.grid[1:]), strict=True)]
    padding = ((0, missing[0]), *((n // 2, n - n // 2) for n in missing[1:]))
    return np.pad(cut, padding, constant_values=fill) if any(missing) else cut
