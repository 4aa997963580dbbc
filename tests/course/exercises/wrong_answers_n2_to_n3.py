"""Wrong answers to notebooks 2 and 3 that no list of mistakes foresaw, each with words that its hint must hold."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from kits_msan.course.exercises.checks import EXERCISES


def chain_of_halves(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results.append(conv(group + results[-1]) / 2)
    return results


def poke_changed(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    still = layer(poked).clone()
    poked[0, 0, 1, size // 2, size // 2] = 1
    return (layer(poked) != still).flatten(0, -2)  # (3 * size, size)


def chain_generator(groups: Any, convs: Any) -> Iterator[Any]:
    y: Any = 0
    yield groups[0]
    for x, conv in zip(groups[1:], convs, strict=True):
        y = conv(x + y)
        yield y


def poke_change(layer: Any, size: int) -> Any:
    """The change (D, H, W) of the output, from -1 to 2, if the middle voxel becomes 1."""
    x = torch.zeros(1, 1, 3, size, size)
    y = x.clone()
    y[0, 0, 1, size // 2, size // 2] = 1
    return (layer(y) - layer(x))[0, 0]


def poke_on_gpu(layer: Any, size: int) -> Any:
    raise AssertionError("Torch not compiled with CUDA enabled")  # as .cuda() does without one


def poke_width(found: Any) -> int:
    columns = found.nonzero()[:, -1]
    return int(columns.max() - columns.min()) + 1


def poke_kernel(layer: Any, size: int) -> Any:
    return layer.weight.shape[-1]


def _soft(f: Any, n: Any, c: Any) -> Any:
    return f + n.reshape(f.shape[0], 2, f.shape[1], 2).max(axis=(1, 3)) + c


Wrong = tuple[Callable[..., Any] | Any, str]


def chain_in_groups(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for conv, x in zip(convs[1:], groups[2:], strict=True):
        x += results[-1]
        results.append(conv(x))
    return results


WRONG: dict[str, list[Wrong]] = {
    "2.1": [
        ((2, 128, 4, 128, 127), "Not right: W"),
        ((2, 128, 4, 170, 170), "Not right: H and W"),
        ("(2, 128, 4, 128, 128)", "one text"),
        ((2, 128, 4, 128), "4 values; 5 are wanted"),
        (2 * 128 * 4 * 128 * 128, "one value"),
        ({"N": 2}, "dict"),
        (("2", "128", "4", "128", "128"), "your values are texts"),
        ([(2, 128, 4, 128, 128)], "one pair of brackets too many"),
        (np.zeros((2, 128, 4, 128, 128), np.bool_), "give the shape itself"),
    ],
    "2.2": [
        (
            lambda *given: np.asarray(EXERCISES["2.2"].solution(*given))[None, None],
            "in the shape (1, 1, 1, 2) instead of (1, 2). For feature = [[-0.4364, -1.17]]",
        ),
        (lambda feature, finer, coarser: feature + finer + coarser, "ValueError"),
        (lambda feature, finer, coarser: coarser / (1 + np.exp(-_soft(feature, finer, coarser))), "exchanged"),
        (
            lambda feature, finer, coarser: (feature / (1 + np.exp(-_soft(feature, finer, coarser)))).mean(),
            "one number",
        ),
    ],
    "2.4": [
        (lambda heat, label: (0, 0), "your function gives (0, 0) whatever it is given. Perhaps"),
        (lambda heat, label: heat[label > 0].mean(), "one value"),
        (lambda heat, label: (heat[label > 0].mean(), heat[label == 0].std()), "Not right: the mean outside"),
    ],
    "3.1": [
        (chain_in_groups, "write x = x + y"),
        (lambda groups, convs: groups[0], "1 value; 2 are wanted"),
        (chain_generator, "the values are right, but torch.cat wants a list"),
        (chain_of_halves, "The first 2 of your values are right each time; look at number 3"),
        (lambda groups, convs: [y.detach() for y in chain_generator(groups, convs)], "their gradients are not"),
        (lambda groups, convs: [groups[0], convs[0](groups[1]), convs[1](groups[2] + convs[0](groups[1]))], "Error"),
    ],
    "3.4": [
        (
            lambda layer, size: int(poke_changed(layer, size).all(dim=0).nonzero().max()) + 1,
            "not only if all do",
        ),
        (lambda layer, size: poke_width(torch.from_numpy(poke_change(layer, size).numpy())), "x.detach().numpy()"),
        (poke_on_gpu, "All here is on the CPU"),
        (poke_kernel, "AttributeError"),
        (
            lambda layer, size: layer(torch.zeros(1, 1, 3, size, size))[..., size / 2],
            "An index must be a whole number",
        ),
    ],
}
