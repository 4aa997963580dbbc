"""The exercise 3.1, the Res2Net chain: its solution and common mistakes."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.course.exercises.gradients import untrained


def _groups(rng: np.random.Generator) -> Inputs:
    """Groups (N, C, D, H, W) and functions K_2, K_3, … that stand for the convolutions."""
    generator = torch.Generator().manual_seed(int(rng.integers(1000)))
    trials: Inputs = []
    for count in (4, 3, 2, 5, 6, 8):
        groups = [torch.randn(1, 2, 1, 2, 2, generator=generator) for _ in range(count)]
        factors = rng.uniform(0.5, 2, size=count - 1).tolist()
        trials.append((groups, [lambda x, k=k: torch.tanh(k * x) + k - 1 for k in factors]))
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


def _all_with_first(groups: list[Tensor], convs: list[Any]) -> list[Tensor]:
    outputs = [convs[0](groups[0])]
    for conv, group in zip(convs, groups[1:], strict=True):
        outputs.append(conv(group + outputs[-1]))
    return outputs


def _in_place(groups: list[Tensor], convs: list[Any]) -> list[Tensor]:
    outputs = [groups[0], convs[0](groups[1])]
    for conv, group in zip(convs[1:], groups[2:], strict=True):
        outputs[-1] += group
        outputs.append(conv(outputs[-1]))
    return outputs


EXERCISE = Exercise(
    solution=_chain(),
    why="the first group passes untouched, and each later one builds on the one before.",
    inputs=_groups,
    keeps={
        "groups": "`x = groups[k]` is no copy, so `x += y` changes the group too; write x = x + y, "
        "and put results into a new list."
    },
    used={
        "the values are right, but torch.cat wants a list of tensors: return a list, without `yield` and "
        "torch.stack.": torch.cat
    },
    then=untrained(_chain(), _groups),
    hint="Compare your list with the formulas for y_1, y_2 and y_3, one by one.",
    stops={
        "index out of range": "`convs` is one shorter than `groups`: convs[0] is K_2. And there may be 2 "
        "groups or 8: write a loop.",
        "to unpack": "There may be 2 groups or 8: write a loop over them.",
    },
    mistakes={
        "y_2 takes y_1 too here; the formula has K_2(x_2) alone, and only later groups add.": _chain(
            first=lambda outputs, conv, x: conv(x + outputs[-1])
        ),
        "the first group passes untouched; there is one convolution less than there are groups.": _all_convolved,
        "the first group passes untouched; K_2, the first convolution, takes the second.": lambda groups, convs: [
            convs[0](groups[0]),
            groups[1],
            *_chain()(groups, convs)[2:],
        ],
        "the first group passes untouched, and K_2 takes x_2 alone.": _all_with_first,
        "a group's x was added to its result once more; give y_k as it is.": lambda groups, convs: [
            y + x for y, x in zip(_chain()(groups, convs), groups, strict=True)
        ],
        "a ReLU came after the convolutions; the functions that you are given hold all there is.": (
            lambda groups, convs: [groups[0], *map(torch.relu, _chain()(groups, convs)[1:])]
        ),
        "all earlier groups were added; K_k takes x_k and the result y_{k-1} only.": lambda groups, convs: [
            groups[0],
            *(conv(sum(groups[1 : k + 2])) for k, conv in enumerate(convs)),
        ],
        "y_{k-1} was changed in place when x_k was added to it; write x_k + y_{k-1}, without +=.": _in_place,
        "x_k was doubled; K_k takes x_k + y_{k-1}, the result before.": lambda groups, convs: [
            groups[0],
            *(conv(2 * group) for conv, group in zip(convs, groups[1:], strict=True)),
        ],
        "groups and results were both turned around; begin with x_1.": (
            lambda groups, convs: _chain()(groups[::-1], convs)[::-1]
        ),
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
        "the groups came back as they were; put them through the convolutions.": lambda groups, convs: list(groups),
        "the first group needs no convolution: K_2, convs[0], takes the *second* group, and there are as "
        "many results as groups.": lambda groups, convs: [conv(x) for conv, x in zip(convs, groups, strict=False)],
        "the first group needs no convolution, and K_2 takes the second; you began a group too "
        "early.": lambda groups, convs: list(
            accumulate(
                zip(convs[1:], groups[1:], strict=False),
                lambda y, pair: pair[0](pair[1] + y),
                initial=convs[0](groups[0]),
            )
        ),
        "x_k was added once more after each convolution; y_k is K_k(x_k + y_{k-1}) alone.": _chain(
            first=lambda outputs, conv, x: x + conv(x),
            later=lambda outputs, groups, conv, k: groups[k] + conv(groups[k] + outputs[-1]),
        ),
        "each convolution was used twice; K_k takes x_k + y_{k-1} once.": _chain(
            first=lambda outputs, conv, x: conv(conv(x)),
            later=lambda outputs, groups, conv, k: conv(conv(groups[k] + outputs[-1])),
        ),
        "from the third group on, each convolution was used twice; K_k takes x_k + y_{k-1} once.": _chain(
            later=lambda outputs, groups, conv, k: conv(conv(groups[k] + outputs[-1]))
        ),
        "x_k and y_{k-1} were joined; add them.": _chain(
            later=lambda outputs, groups, conv, k: conv(torch.cat([groups[k], outputs[-1]], dim=1))
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
        "the result before was added once more after the convolution; y_k is K_k(x_k + y_{k-1}) alone.": {
            "later": lambda outputs, groups, conv, k: conv(groups[k] + outputs[-1]) + outputs[-1]
        },
        "the larger of x_k and y_{k-1} was taken; add them.": {
            "later": lambda outputs, groups, conv, k: conv(torch.maximum(groups[k], outputs[-1]))
        },
        "the convolution is missing from the third group on: K_k takes x_k + y_{k-1}.": {
            "later": lambda outputs, groups, conv, k: groups[k] + outputs[-1]
        },
        "you joined the groups already; return them as a list.": {"give": lambda outputs: torch.cat(outputs, dim=1)},
        "you added the groups up; return them as a list.": {"give": sum},
        "this is the last result only; return all as a list.": {"give": lambda outputs: outputs[-1]},
        "the first group is missing from your list; it passes untouched.": {"give": lambda outputs: outputs[1:]},
        "the list is in the reverse order.": {"give": lambda outputs: outputs[::-1]},
        "the results were added up along the list; give them as they are.": {
            "give": lambda outputs: list(accumulate(outputs))
        },
    },
)
