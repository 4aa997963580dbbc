"""From a scan's own grid to the spacing that a network expects, and from there back.

Both grids cover the same box of space, so a voxel's center moves by half the difference of the voxel sizes.
Everything is done a few slices at a time: beyond input and output, memory does not grow with the scan.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kits_msan.cases import Case

CHUNK = 16  # slices at a time


def resample_case(case: Case, spacing: Sequence[float] | None) -> Case:
    """The case at a spacing in millimetres (slices, rows, columns); None leaves it as it is.

    The image is interpolated linearly, with an area-like filter where it gets coarser, so that noise is averaged
    instead of picked; the label takes the class with the largest share.
    """
    if spacing is None or np.allclose(case.spacing, spacing, rtol=1e-3):
        return case
    shape = grid_shape(case.shape, case.spacing, spacing)
    factors = np.array(case.shape) / np.array(shape)  # old voxels a new one
    affine = case.affine.copy()
    affine[:3, 3] += case.affine[:3, :3] @ ((factors - 1) / 2)
    affine[:3, :3] *= factors
    image = label = None
    if case.image is not None:
        image = torch.round(_resample(case.image, shape)).to(torch.int16).numpy()
    if case.label is not None:
        shares = [_resample(case.label == value, shape) for value in range(3)]
        label = torch.stack(shares).argmax(0).to(torch.uint8).numpy()
    new_spacing = np.array(case.spacing) * factors
    return replace(
        case, image=image, label=label, affine=affine, header=None,
        spacing=(float(new_spacing[0]), float(new_spacing[1]), float(new_spacing[2])),
    )  # fmt: skip


def grid_shape(shape: Sequence[int], spacing: Sequence[float], wanted: Sequence[float]) -> tuple[int, int, int]:
    """The (D, H, W) that covers the same box at another spacing; at least one voxel a side."""
    d, h, w = (max(1, round(n * old / new)) for n, old, new in zip(shape, spacing, wanted, strict=True))
    return d, h, w


def labels_on_grid(scores: Tensor, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Interpolate class scores (C, d, h, w) to a grid (D, H, W) and take the highest: labels (D, H, W) uint8."""
    labels = np.empty(shape, np.uint8)
    for start in range(0, shape[0], CHUNK):
        stop = min(start + CHUNK, shape[0])
        planes = _slices_between(scores, np.arange(start, stop), shape[0])  # (C, n, h, w)
        planes = F.interpolate(planes, shape[1:], mode="bilinear", align_corners=False)  # -> (C, n, H, W)
        labels[start:stop] = planes.argmax(0).to(torch.uint8).numpy()
    return labels


def _slices_between(volume: Tensor, slices: NDArray, depth: int) -> Tensor:
    """Linear interpolation along slices: planes (C, n, h, w) of (C, d, h, w) at `slices` of a grid of `depth`."""
    d = volume.shape[1]
    position = np.clip((slices + 0.5) * d / depth - 0.5, 0, d - 1)
    below = np.minimum(position.astype(int), max(d - 2, 0))
    share = torch.from_numpy(position - below).float()[:, None, None]  # (n, 1, 1)
    above = np.minimum(below + 1, d - 1)
    return volume[:, below] * (1 - share) + volume[:, above] * share


def _resample(volume: NDArray, shape: tuple[int, int, int]) -> Tensor:
    """(D, H, W) of any type -> (d, h, w) float32: in-plane first, slice by slice, then along slices."""
    planes = torch.empty(volume.shape[0], *shape[1:])
    for start in range(0, volume.shape[0], CHUNK):
        chunk = torch.from_numpy(np.ascontiguousarray(volume[start : start + CHUNK], np.float32))
        resized = F.interpolate(chunk[None], shape[1:], mode="bilinear", align_corners=False, antialias=True)
        planes[start : start + CHUNK] = resized[0]
    columns = planes.flatten(1)[None, None]  # (1, 1, D, h*w): slices are the rows of one image
    resized = F.interpolate(
        columns, (shape[0], columns.shape[3]), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.reshape(shape)
