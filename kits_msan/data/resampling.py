"""From a scan's own grid to the spacing that a network expects, and from there back.

Both grids cover the same box of space, so a voxel's center moves by half the difference of the voxel sizes.
Everything is done a few slices at a time: beyond input and output, memory does not grow with the scan.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from kits_msan.data.cases import Case

CHUNK, FEW = 16, 4  # slices at a time: of a scan; of the scores of its classes, which are larger


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
        image = np.empty(shape, np.int16)
        for place, values in _resampled(case.image, lambda slices: slices[None], shape):
            image[place] = torch.round(values[0]).numpy()
    if case.label is not None:
        label = np.empty(shape, np.uint8)
        for place, shares in _resampled(
            case.label, lambda slices: slices == np.arange(3)[:, None, None, None], shape
        ):
            label[place] = shares.argmax(0).numpy()
    new_spacing = np.array(case.spacing) * factors
    return replace(
        case, image=image, label=label, affine=affine, header=None,
        spacing=(float(new_spacing[0]), float(new_spacing[1]), float(new_spacing[2])),
    )  # fmt: skip


def grid_shape(shape: Sequence[int], spacing: Sequence[float], wanted: Sequence[float]) -> tuple[int, int, int]:
    """The (D, H, W) that covers the same box at another spacing; at least one voxel a side."""
    d, h, w = (max(1, round(n * old / new)) for n, old, new in zip(shape, spacing, wanted, strict=True))
    return d, h, w


class LabelsOnGrid:
    """Labels (D, H, W) uint8 from class scores on a coarser or finer grid that covers the same box.

    The scores come a few slices at a time, are interpolated linearly and forgotten; the highest class is the label.
    sure: where the last class wins with a score below this, the label is one higher.
    """

    def __init__(self, depth: int, shape: tuple[int, int, int], sure: float = 0) -> None:
        self.labels = np.empty(shape, np.uint8)
        self.depth = depth  # of the scores' grid
        self.sure = sure
        self.held: Tensor | None = None
        self.first = 0  # slice of the scores' grid that `held` starts with
        self.written = 0  # slices of labels that are done

    def add(self, scores: Tensor) -> None:
        """The next slices of class scores, (C, n, h, w)."""
        if (self.depth, *scores.shape[2:]) == self.labels.shape:
            self._write(scores)
            return
        self.held = scores if self.held is None else torch.cat([self.held, scores], dim=1)
        arrived = self.first + self.held.shape[1]
        while self.written < len(self.labels):
            slices = np.arange(self.written, min(self.written + FEW, len(self.labels)))
            position = np.clip((slices + 0.5) * self.depth / len(self.labels) - 0.5, 0, self.depth - 1)
            below = np.minimum(position.astype(int), max(self.depth - 2, 0))
            above = np.minimum(below + 1, self.depth - 1)
            ready = int((above < arrived).sum())  # slices whose neighbors on both sides are here
            if not ready:
                break
            share = torch.from_numpy(position - below).float()[:ready, None, None]  # (n, 1, 1)
            low, high = (self.held[:, torch.from_numpy(at[:ready] - self.first)] for at in (below, above))
            planes = low * (1 - share) + high * share  # (C, n, h, w)
            self._write(F.interpolate(planes, self.labels.shape[1:], mode="bilinear", align_corners=False))
            self.held, self.first = self.held[:, below[ready - 1] - self.first :], int(below[ready - 1])

    def _write(self, scores: Tensor) -> None:
        stop = self.written + scores.shape[1]
        best, labels = scores[0], torch.zeros(scores.shape[1:], dtype=torch.uint8)
        for value in range(1, len(scores)):  # as argmax, which took three quarters of a whole prediction
            labels.masked_fill_(scores[value] > best, value)
            best = torch.maximum(best, scores[value])
        if self.sure:
            labels += (labels == len(scores) - 1) & (scores[-1] < self.sure)
        self.labels[self.written : stop] = labels.numpy()
        self.written = stop


def _resampled(
    volume: NDArray, channels: Callable[[NDArray], NDArray], shape: tuple[int, int, int]
) -> Iterator[tuple[slice, Tensor]]:
    """What `channels` makes of slices (n, H, W), which is (C, n, H, W), on the grid `shape`: (C, n, h, w) float32.

    A few slices at a time, each with its place in the new volume. The values are those of torch's antialiased linear
    interpolation, in-plane first and then along slices.
    """
    depth = len(volume)
    scale = depth / shape[0]
    reach = max(scale, 1)  # of the triangle that weighs the old slices
    count = max(2, min(CHUNK, int(2 * CHUNK / scale)))
    for start in range(0, shape[0], count):
        stop = min(start + count, shape[0])
        center = (np.arange(start, stop) + 0.5) * scale
        first, last = max(0, int(center[0] - reach)), min(depth, int(np.ceil(center[-1] + reach)))
        weights = np.clip(1 - np.abs(np.arange(first, last) + 0.5 - center[:, None]) / reach, 0, None)
        weights /= weights.sum(1, keepdims=True)  # (n, old slices)
        old = torch.from_numpy(channels(volume[first:last]).astype(np.float32))
        with torch.autocast("cpu", enabled=False):  # a caller's is for networks
            planes = _in_plane(old, shape[1], shape[2])
            mixed = torch.einsum("no,cohw->cnhw", torch.from_numpy(weights).float(), planes)
        yield slice(start, stop), mixed


def _in_plane(slices: Tensor, height: int, width: int) -> Tensor:
    """(C, n, H, W) -> (C, n, height, width)."""
    if width == 1 < height:  # PyTorch 2.13 gives all rows of one column the same value, but gets one row right
        return _in_plane(slices.transpose(2, 3), 1, height).transpose(2, 3)
    return F.interpolate(slices, (height, width), mode="bilinear", align_corners=False, antialias=True)
