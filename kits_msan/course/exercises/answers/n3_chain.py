"""The exercises 3.1, the Res2Net chain, and 3.2, how far it sees: solutions and common mistakes."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _scales(rng: np.random.Generator) -> Inputs:
    return [(scale,) for scale in range(1, 17)]


def _groups(rng: np.random.Generator) -> Inputs:
    """Groups (N, C, D, H, W) and functions K_2, K_3, … that stand for the convolutions."""
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    trials: Inputs = []
    for count in (4, 3, 2, 5, 6, 8):
        groups = [torch.randn(1, 2, 1, 2, 2, generator=generator) for _ in range(count)]
        factors = rng.uniform(0.5, 2, size=count - 1).tolist()
        trials.append((groups, [lambda x, k=k: torch.tanh(k * x) + k for k in factors]))
    return trials


def _chain(
    first: Callable[..., Any] = lambda outputs, conv, x: conv(x),
    later: Callable[..., Any] = lambda outputs, groups, conv, k: conv(groups[k] + outputs[-1]),
    give: Callable[[list[Tensor]], Any] = lambda outputs: outputs,
) -> Callable[[list[Tensor], list[Any]], Any]:
    """Res2Net's chain; the arguments are what can go wrong at y_2, at the later ones, and with what is returned."""

    def chain(groups: list[Tensor], convs: list[Any]) -> Any:
        outputs = [groups[0], first(groups[:1], convs[0], groups[1])]
        for k in range(2, len(groups)):
            outputs.append(later(outputs, groups, convs[k - 1], k))
        return give(outputs)

    return chain


def _all_convolved(groups: list[Tensor], convs: list[Any]) -> list[Tensor]:
    outputs = [convs[0](groups[0])]
    for conv, group in zip([*convs[1:], convs[-1]], groups[1:], strict=True):
        outputs.append(conv(group + outputs[-1]))
    return outputs


EXERCISES = {
    "3.1": Exercise(
        solution=_chain(),
        why="the first group passes untouched, and each later one builds on the one before.",
        inputs=_groups,
        hint="Compare your list with the formulas for y_1, y_2 and y_3, one by one.",
        mistakes={
            "y_2 takes y_1 too here; the formula has K_2(x_2) alone, and only later groups add.": _chain(
                first=lambda outputs, conv, x: conv(x + outputs[-1])
            ),
            "the first group passes untouched; there is one convolution less than there are groups.": _all_convolved,
            "the groups were taken in the reverse order.": lambda groups, convs: _chain()(groups[::-1], convs),
            "the convolutions were taken in the reverse order.": lambda groups, convs: _chain()(groups, convs[::-1]),
            "you used the first convolution for all groups; each has its own.": (
                lambda groups, convs: _chain()(groups, [convs[0]] * len(convs))
            ),
            "you used the last convolution for all groups; each has its own.": (
                lambda groups, convs: _chain()(groups, [convs[-1]] * len(convs))
            ),
            "the convolutions are shifted by one: convs[0] is K_2, so x_3 goes through convs[1].": (
                lambda groups, convs: _chain()(groups, [convs[0], *convs[:-1]])
            ),
            "the list ends too early; there is one result for each group.": (
                lambda groups, convs: _chain()(groups, convs)[:-1] if len(groups) > 2 else _chain()(groups, convs)
            ),
            "the groups came back as they were; put them through the convolutions.": lambda groups, convs: list(
                groups
            ),
        },
        make=_chain,
        flaws={
            "y_2 is x_2 itself; it goes through the first convolution, K_2.": {"first": lambda outputs, conv, x: x},
            "the groups do not talk: from the third on, add the result of the group before to the input.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k])
            },
            "you added the previous result after the convolution; it goes through it with x_k.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k]) + outputs[-1]
            },
            "the convolution took the previous result alone, and x_k was added after it; add first.": {
                "later": lambda outputs, groups, conv, k: groups[k] + conv(outputs[-1])
            },
            "you convolved both and added; add x_k and y_{k-1} first, then convolve once.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k]) + conv(outputs[-1])
            },
            "you added the previous group's input x; the chain passes on its result y.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] + groups[k - 1])
            },
            "the group's own x_k is missing: K_k takes x_k + y_{k-1}.": {
                "later": lambda outputs, groups, conv, k: conv(outputs[-1])
            },
            "x_k and y_{k-1} are added, not multiplied.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] * outputs[-1])
            },
            "y_{k-1} is added, not subtracted.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] - outputs[-1])
            },
            "the mean of x_k and y_{k-1} was taken; add them.": {
                "later": lambda outputs, groups, conv, k: conv((groups[k] + outputs[-1]) / 2)
            },
            "all earlier results were added; K_k takes the last one only, x_k + y_{k-1}.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] + sum(outputs))
            },
            "all earlier results but the first were added; K_k takes the last one only.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] + sum(outputs[1:]))
            },
            "every group got the second result; it is the result of the group *before*, y_{k-1}.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] + outputs[1])
            },
            "every group got the first one; it is the result of the group *before*, y_{k-1}.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] + outputs[0])
            },
            "you took the result of two groups before; it is that of the group before.": {
                "later": lambda outputs, groups, conv, k: conv(groups[k] + outputs[-2])
            },
            "x_k was added once more after the convolution; y_k is K_k(x_k + y_{k-1}) alone.": {
                "later": lambda outputs, groups, conv, k: groups[k] + conv(groups[k] + outputs[-1])
            },
            "the convolution is missing from the third group on: K_k takes x_k + y_{k-1}.": {
                "later": lambda outputs, groups, conv, k: groups[k] + outputs[-1]
            },
            "you joined the groups already; return them as a list.": {
                "give": lambda outputs: torch.cat(outputs, dim=1)
            },
            "you added the groups up; return them as a list.": {"give": sum},
            "this is the last result only; return all as a list.": {"give": lambda outputs: outputs[-1]},
            "the first group is missing from your list; it passes untouched.": {"give": lambda outputs: outputs[1:]},
            "the list is in the reverse order.": {"give": lambda outputs: outputs[::-1]},
            "the results were added up along the list; give them as they are.": {
                "give": lambda outputs: list(accumulate(outputs))
            },
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
            "kernels overlap: the first sees 3 pixels, and every further convolution adds 2 pixels, not 3.": (
                lambda scale: 3 * max(scale - 1, 1)
            ),
            "widths do not multiply: every further convolution adds 2 pixels.": lambda scale: 3**scale,
            "widths do not multiply: every further convolution adds 2 pixels, and there are scale - 1 of them.": (
                lambda scale: 3 ** max(scale - 1, 1)
            ),
            "each convolution sees one pixel farther on *either* side, so the width grows by 2.": (
                lambda scale: scale + 1
            ),
            "each convolution adds a pixel on *either* side, so the width grows by 2 from one to the next.": (
                lambda scale: max(scale + 1, 3)
            ),
            "each convolution adds 2 pixels to the width, and you added 1.": lambda scale: scale + 2,
            "2 pixels are missing: scale 2 sees 3 already, and each further group adds 2.": lambda scale: (
                2 * scale - 3
            ),
            "that is the number of groups; ask how many pixels the last of them sees.": lambda scale: scale,
            "that is the number of convolutions; ask how many pixels they see.": lambda scale: scale - 1,
            "that is the number of convolutions, with one for the plain block; ask how many pixels they see.": (
                lambda scale: max(scale - 1, 1)
            ),
            "that is one convolution; the last group comes after scale - 1 of them.": lambda scale: 3,
            "the middle pixel is missing: the width is 2 for each convolution, and 1.": lambda scale: 2 * (scale - 1),
            "the middle pixel is missing: the width is 2 for each convolution, and 1. The plain block has one.": (
                lambda scale: 2 * max(scale - 1, 1)
            ),
            "the first group has no convolution; there are scale - 1, and the width is 1 more than 2 for each.": (
                lambda scale: 2 * scale
            ),
            "you squared or doubled: a width grows by 2 from one convolution to the next.": lambda scale: scale**2,
            "a width grows by 2 from one convolution to the next, it does not double.": lambda scale: 2**scale,
            "scale 1 is right, and for larger ones the width grows by 2 for each convolution after the first.": (
                lambda scale: max(2 * scale - 3, 3)
            ),
            "that is a number of voxels of a cube; the width is along one side.": (
                lambda scale: max(2 * scale - 1, 3) ** 3
            ),
        },
    ),
}
