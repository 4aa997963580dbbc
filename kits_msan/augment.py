"""Random changes to a slab, so that few cases teach more; our choice throughout, the paper names none."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kits_msan.errors import InputError

KINDS = ("intensity", "all")
ROTATION = np.deg2rad(12)  # at most, in the axial plane
ZOOM = 0.2  # sizes from 1/1.2 to 1.2
SHIFT = 0.06  # of the image's width
GAIN, OFFSET, GAMMA, NOISE = 0.2, 0.06, 0.25, 0.04  # on pixels of 0..1


def augment(image: Tensor, label: Tensor, rng: np.random.Generator, kind: str = "all") -> tuple[Tensor, Tensor]:
    """A changed copy of a slab: image (D, H, W) float in 0..1, label (D, H, W) uint8; all slices change alike.

    kind: "intensity" changes the image's brightness, contrast and noise alone; "all" moves it too.
    Raises InputError for another kind.
    """
    if kind not in KINDS:
        raise InputError(
            f"unknown augmentation {kind!r}; choose one of {', '.join(KINDS)}, or none with an empty text."
        )
    if kind == "intensity":
        return _change_intensity(image, rng), label
    grid = _random_grid(image.shape[1:], rng)
    image = F.grid_sample(image[None], grid, mode="bilinear", align_corners=False)[0]
    label = F.grid_sample(label[None].float(), grid, mode="nearest", align_corners=False)[0].to(torch.uint8)
    return _change_intensity(image, rng), label


def _random_grid(size: torch.Size, rng: np.random.Generator) -> Tensor:
    """Where each pixel comes from under a random rotation, zoom and shift in plane: (1, H, W, 2)."""
    angle = rng.uniform(-ROTATION, ROTATION)
    zoom = (1 + ZOOM) ** rng.uniform(-1, 1)
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    shift = rng.uniform(-SHIFT, SHIFT, 2) * 2  # grid_sample counts a width as 2
    ratio = size[0] / size[1]  # so that a rotation stays one where rows and columns differ in number
    theta = torch.tensor([[cos, -sin * ratio, shift[0]], [sin / ratio, cos, shift[1]]], dtype=torch.float32)
    return F.affine_grid(theta[None], [1, 1, *size], align_corners=False)


def _change_intensity(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast, brightness, gamma and noise, as scanners and contrast phases differ."""
    gain, offset = 1 + rng.uniform(-GAIN, GAIN), rng.uniform(-OFFSET, OFFSET)
    image = ((image - 0.5) * gain + 0.5 + offset).clamp(0, 1)
    image = image ** float(np.exp(rng.uniform(-GAMMA, GAMMA)))
    noise = torch.from_numpy(rng.standard_normal(image.shape, dtype=np.float32))
    return (image + noise * rng.uniform(0, NOISE)).clamp(0, 1)
