"""The exercises of notebook 3, Res2Net: solutions and common mistakes."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from kits_msan.course.exercises.exercise import Exercise

Inputs = list[tuple[Any, ...]]


def _scales() -> Inputs:
    return [(scale,) for scale in (1, 2, 3, 4, 8)]


def _groups() -> Inputs:
    """Four groups (N, C, D, H, W) and three functions K_2 to K_4 that stand for the convolutions."""
    generator = torch.Generator().manual_seed(0)
    groups = [torch.randn(1, 2, 2, 3, 3, generator=generator) for _ in range(4)]
    convs = [lambda x, k=k: torch.tanh(k * x) + k for k in (2.0, 0.5, 1.5)]
    return [(groups, convs), (groups[:3], convs[:2])]


def _sizes() -> Inputs:
    return [(64, 4), (64, 8), (12, 2)]


def _layers() -> Inputs:
    """Functions of maps (N, 1, D, H, W) with known width: 3, 5 and, with holes, 7."""
    layers: Inputs = []
    for kernel, dilation in ((3, 1), (5, 1), (3, 3)):
        conv = nn.Conv3d(1, 1, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False)
        nn.init.ones_(conv.weight)
        layers.append((conv.requires_grad_(False), 11))
    return layers


def _chain(step: Callable[..., Tensor]) -> Callable[[list[Tensor], list[Any]], list[Tensor]]:
    """Res2Net's chain, where `step` makes y_k from K_k, x_k, y_{k-1} and x_{k-1}, for k > 2."""

    def run(groups: list[Tensor], convs: list[Any]) -> list[Tensor]:
        outputs = [groups[0], convs[0](groups[1])]
        for conv, (before, group) in zip(convs[1:], pairwise(groups[1:]), strict=True):
            outputs.append(step(conv, group, outputs[-1], before))
        return outputs

    return run


def _first_added(groups: list[Tensor], convs: list[Any]) -> list[Tensor]:
    outputs = [groups[0]]
    for conv, group in zip(convs, groups[1:], strict=True):
        outputs.append(conv(group + outputs[-1]))
    return outputs


def _all_convolved(groups: list[Tensor], convs: list[Any]) -> list[Tensor]:
    outputs = [convs[0](groups[0])]
    for conv, group in zip([*convs[1:], convs[-1]], groups[1:], strict=True):
        outputs.append(conv(group + outputs[-1]))
    return outputs


def _reached(layer: Any, size: int) -> Tensor:
    """Which voxels (D, H, W) of the output a poke in the middle of the input changes."""
    still = torch.zeros(1, 1, 3, size, size)
    poked = still.clone()
    poked[0, 0, 1, size // 2, size // 2] = 1
    changed: Tensor = (layer(poked) != layer(still))[0, 0]
    return changed


def _width(layer: Any, size: int) -> int:
    columns = _reached(layer, size).any(dim=0).any(dim=0).nonzero()
    return int(columns.max() - columns.min()) + 1


_chain_solution = _chain(lambda conv, group, previous, before: conv(group + previous))

EXERCISES = {
    "3.1": Exercise(
        solution=_chain_solution,
        why="the first group passes untouched, and each later one builds on the one before.",
        inputs=_groups,
        hint="Return a list with one map for each group, in their order.",
        mistakes={
            "the groups do not talk: from the third on, add the result of the group before to the input.": (
                _chain(lambda conv, group, previous, before: conv(group))
            ),
            "you added the previous result after the convolution; it goes through the convolution with x_k.": (
                _chain(lambda conv, group, previous, before: conv(group) + previous)
            ),
            "you added the previous group's input x; the chain passes on its result y.": (
                _chain(lambda conv, group, previous, before: conv(group + before))
            ),
            "the group's own x_k is missing: K_k takes x_k + y_{k-1}.": (
                _chain(lambda conv, group, previous, before: conv(previous))
            ),
            "the second group gets x_2 alone: y_1 is not added to it.": _first_added,
            "the first group passes untouched; there is one convolution less than there are groups.": _all_convolved,
            "you joined the groups already; return them as a list.": (
                lambda groups, convs: torch.cat(_chain_solution(groups, convs), dim=1)
            ),
            "the first group is missing from your list; it passes untouched.": (
                lambda groups, convs: _chain_solution(groups, convs)[1:]
            ),
        },
    ),
    "3.2": Exercise(
        solution=lambda scale: max(2 * scale - 1, 3),
        why="each 3×3×3 convolution adds one pixel on either side; group s has seen s - 1 of them, scale 1 one.",
        inputs=_scales,
        hint="One convolution sees 3 pixels, and each further one adds 2; how many are in the chain?",
        mistakes={
            "nearly: a plain block, scale 1, has one convolution too, so its width is 3 and not 1.": (
                lambda scale: 2 * scale - 1
            ),
            "the last group has seen one convolution less than there are groups, since the first has none.": (
                lambda scale: 2 * scale + 1
            ),
            "widths do not multiply and kernels overlap: every further convolution adds 2 pixels, not 3.": (
                lambda scale: 3 * scale
            ),
            "widths do not multiply: every further convolution adds 2 pixels.": lambda scale: 3**scale,
            "each convolution sees one pixel farther on *either* side, so the width grows by 2.": (
                lambda scale: scale + 1
            ),
            "that is the number of groups; ask how many pixels the last of them sees.": lambda scale: scale,
        },
    ),
    "3.3": Exercise(
        solution=lambda channels, scale: (scale - 1) * 27 * (channels // scale) ** 2,
        why="the width of a group enters squared, so more groups see farther with fewer parameters.",
        inputs=_sizes,
        hint="How many convolutions are there, and how many channels does each take and give?",
        mistakes={
            "each convolution sees its own group only: channels / scale in and out.": (
                lambda channels, scale: (scale - 1) * 27 * channels**2
            ),
            "the first group has no convolution: there are scale - 1 of them.": (
                lambda channels, scale: scale * 27 * (channels // scale) ** 2
            ),
            "that is one of the convolutions; there are scale - 1.": (
                lambda channels, scale: 27 * (channels // scale) ** 2
            ),
            "a 3×3×3 kernel has 27 numbers, not 9.": lambda channels, scale: (
                (scale - 1) * 9 * (channels // scale) ** 2
            ),
            "a convolution has a kernel for each *pair* of channels: the group's width enters squared.": (
                lambda channels, scale: (scale - 1) * 27 * (channels // scale)
            ),
            "the kernels are missing: each pair of channels has 3×3×3 numbers.": (
                lambda channels, scale: (scale - 1) * (channels // scale) ** 2
            ),
            "these convolutions have no bias.": (
                lambda channels, scale: (scale - 1) * (27 * (channels // scale) ** 2 + channels // scale)
            ),
        },
    ),
    "3.4": Exercise(
        solution=_width,
        why="what a poke can change is as wide as what an output can see, for any layer and without gradients.",
        inputs=_layers,
        hint="Poke the middle voxel, compare with the answer to the unpoked map, and see how far the change reaches.",
        mistakes={
            "you counted changed voxels in all slices and rows; the width is along one row.": (
                lambda layer, size: int(_reached(layer, size).sum())
            ),
            "you counted the changed pixels of a slice; the width is along one row.": (
                lambda layer, size: int(_reached(layer, size)[1].sum())
            ),
            "you counted the columns that change; a kernel with holes reaches farther. Take last - first + 1.": (
                lambda layer, size: int(_reached(layer, size).any(dim=0).any(dim=0).sum())
            ),
            "last - first is one too small: from 4 to 6 there are 3 columns.": lambda layer, size: (
                _width(layer, size) - 1
            ),
            "that is the radius; the width counts both sides and the middle.": (
                lambda layer, size: _width(layer, size) // 2
            ),
            "everything seems to change: poke one voxel, and compare with the answer to the unpoked map.": (
                lambda layer, size: size
            ),
        },
    ),
}
