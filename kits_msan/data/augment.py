"""Random changes to a slab, so that few cases teach more; our choice throughout, the paper names none.

Each change has a name, and a profile lists those that it wants. What each does for a short training is measured one
by one by benchmarks/augmentation.py; docs/phantom.md shows the table.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from kits_msan.errors import InputError

ROTATION = np.deg2rad(12)  # at most, in the axial plane
ZOOM = 0.2  # sizes from 1/1.2 to 1.2
SHIFT = 0.06  # of the image's width
GAIN = 0.2  # on pixels of 0..1, as the next three
OFFSET = 0.06
GAMMA = 0.25
NOISE = 0.04
BLUR = 1.0  # pixels, the largest standard deviation
KNOTS, BEND = 6, 0.1  # of the random curve of "curve": places between 0 and 1, standard deviation of each

Change = Callable[[Tensor, np.random.Generator], Tensor]


def _contrast(image: Tensor, rng: np.random.Generator) -> Tensor:
    gain, offset = 1 + rng.uniform(-GAIN, GAIN), rng.uniform(-OFFSET, OFFSET)
    return ((image - 0.5) * gain + 0.5 + offset).clamp(0, 1)


def _gamma(image: Tensor, rng: np.random.Generator) -> Tensor:
    return image ** float(np.exp(rng.uniform(-GAMMA, GAMMA)))


def _noise(image: Tensor, rng: np.random.Generator) -> Tensor:
    noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    return (image + noise * rng.uniform(0, NOISE)).clamp(0, 1)


def _blur(image: Tensor, rng: np.random.Generator) -> Tensor:
    width = rng.uniform(0, BLUR)
    return torch.from_numpy(ndimage.gaussian_filter(image.numpy(), (0, width, width)))


def _curve(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Domain randomization: gray values through a random curve, which may even fall, so that tissues swap places."""
    at = np.linspace(0, 1, KNOTS)
    values = np.clip(at + rng.normal(0, BEND, KNOTS), 0, 1)
    return torch.from_numpy(np.interp(image.numpy(), at, values).astype(np.float32))


MOVES = ("flip", "rotation", "scale", "shift")  # of image and label
INTENSITIES: dict[str, Change] = {  # of the image alone, in the order in which they are made
    "contrast": _contrast, "gamma": _gamma, "noise": _noise, "blur": _blur, "curve": _curve,
}  # fmt: skip
GROUPS = {
    "intensity": ("contrast", "gamma", "noise"),
    "all": ("rotation", "scale", "shift", "contrast", "gamma", "noise"),
}


def parse_kind(kind: str) -> tuple[str, ...]:
    """The changes that a text asks for: names and GROUPS, joined by commas; an empty one asks for none.

    Raises InputError for a name that does not exist.
    """
    wanted: list[str] = []
    for name in kind.split(",") if kind else []:
        if name not in (*MOVES, *INTENSITIES, *GROUPS):
            raise InputError(
                f"unknown augmentation {name!r}; choose of {', '.join((*MOVES, *INTENSITIES, *GROUPS))}, several "
                "joined by commas, or none with an empty text."
            )
        wanted += GROUPS.get(name, (name,))
    return tuple(wanted)


def augment(image: Tensor, label: Tensor, rng: np.random.Generator, kind: str = "all") -> tuple[Tensor, Tensor]:
    """A changed copy of a slab: image (D, H, W) float in 0..1, label (D, H, W) uint8; all slices change alike.

    kind: see `parse_kind`, which raises InputError for an unknown one.
    """
    wanted = parse_kind(kind)
    if any(name in MOVES for name in wanted):
        grid = _random_grid(image.shape[1:], rng, wanted)
        image = F.grid_sample(image[None], grid, mode="bilinear", align_corners=False)[0]
        label = F.grid_sample(label[None].float(), grid, mode="nearest", align_corners=False)[0].to(torch.uint8)
    for name, change in INTENSITIES.items():
        if name in wanted:
            image = change(image, rng)
    return image, label


def _random_grid(size: torch.Size, rng: np.random.Generator, wanted: tuple[str, ...]) -> Tensor:
    """Where each pixel comes from under those of MOVES that are wanted, at random: (1, H, W, 2).

    A flip exchanges left and right: the liver changes sides, but a kidney is labelled alike on both.
    """
    angle = rng.uniform(-ROTATION, ROTATION) if "rotation" in wanted else 0.0
    zoom = (1 + ZOOM) ** rng.uniform(-1, 1) if "scale" in wanted else 1.0
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    shift = rng.uniform(-SHIFT, SHIFT, 2) * 2 if "shift" in wanted else (0.0, 0.0)  # grid_sample counts a width as 2
    side = -1 if "flip" in wanted and rng.random() < 0.5 else 1
    ratio = size[0] / size[1]  # so that a rotation stays one where rows and columns differ in number
    theta = torch.tensor(
        [[side * cos, -sin * ratio, shift[0]], [side * sin / ratio, cos, shift[1]]], dtype=torch.float32
    )
    return F.affine_grid(theta[None], [1, 1, *size], align_corners=False)
