"""Wrong answers to notebooks 2 and 3 that no list of mistakes foresaw, each with words that its hint must hold."""

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import torch

from kits_msan.course.exercises.checks import EXERCISES


def chain_relu(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results.append(conv(group + results[-1]))
    return [groups[0], *(torch.relu(y) for y in results[1:])]


def chain_of_halves(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results.append(conv(group + results[-1]) / 2)
    return results


def chain_in_place(groups: Any, convs: Any) -> Any:
    results = [groups[0], convs[0](groups[1])]
    for group, conv in zip(groups[2:], convs[1:], strict=True):
        results[-1] += group
        results.append(conv(results[-1]))
    return results


def poke_against_corner(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    poked[0, 0, 1, size // 2, size // 2] = 1
    answer = layer(poked)[0, 0]
    columns = (answer != answer[0, 0, 0]).flatten(0, -2).any(dim=0).nonzero()
    return int(columns.max() - columns.min()) + 1


def poke_row_only(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    still = layer(poked).clone()
    poked[0, 0, 1, size // 2] = 1
    rows = (layer(poked) != still).any(dim=-1).flatten(0, -2).any(dim=0).nonzero()
    return int(rows.max() - rows.min()) + 1


def poke_no_comparison(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    poked[0, 0, 1, size // 2, size // 2] = 1
    columns = layer(poked)[0, 0].any(dim=0).any(dim=0).nonzero()
    return int(columns.max() - columns.min()) + 1


def poke_changed(layer: Any, size: int) -> Any:
    poked = torch.zeros(1, 1, 3, size, size)
    still = layer(poked).clone()
    poked[0, 0, 1, size // 2, size // 2] = 1
    return (layer(poked) != still).flatten(0, -2)  # (3 * size, size)


def poke_middle_row(layer: Any, size: int) -> Any:
    columns = poke_changed(layer, size)[size + size // 2].nonzero()
    return int(columns.max() - columns.min()) + 1


def chain_generator(groups: Any, convs: Any) -> Iterator[Any]:
    y: Any = 0
    yield groups[0]
    for x, conv in zip(groups[1:], convs, strict=True):
        y = conv(x + y)
        yield y


def chain_into_groups(groups: Any, convs: Any) -> Any:
    for k, conv in enumerate(convs, 1):
        groups[k] = conv(groups[k] + groups[k - 1]) if k > 1 else conv(groups[k])
    return groups


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
        ((1, 128, 4, 128, 128), "Not right: N"),
        ((8, 128, 4, 128, 128), "Not right: N"),
        ((2, 96, 4, 128, 128), "Not right: C"),
        ((2, 128, 2, 128, 128), "Not right: D"),
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
        (lambda feature, finer, coarser: feature * torch.sigmoid(torch.tensor(feature + coarser)).numpy(), "finer"),
        (
            lambda feature, finer, coarser: feature * (1 / (1 + np.exp(-_soft(feature, finer, coarser)))).round(),
            "hard",
        ),
        (lambda feature, finer, coarser: feature + finer + coarser, "ValueError"),
        (
            lambda feature, finer, coarser: feature / (1 + np.exp(-_soft(coarser, finer, feature) / 3)),
            "divided the sum",
        ),
        (lambda feature, finer, coarser: coarser / (1 + np.exp(-_soft(feature, finer, coarser))), "exchanged"),
        (
            lambda feature, finer, coarser: np.maximum(feature, 0) / (1 + np.exp(-_soft(feature, finer, coarser))),
            "negative numbers of F were cut off",
        ),
        (
            lambda feature, finer, coarser: (feature / (1 + np.exp(-_soft(feature, finer, coarser))))[None, None],
            "shape",
        ),
        (
            lambda feature, finer, coarser: (feature / (1 + np.exp(-_soft(feature, finer, coarser)))).mean(),
            "one number",
        ),
    ],
    "2.3": [
        (lambda channels: 3328, "whatever it is given"),
        (lambda channels: sum(a * b for a, b in combinations(channels, 2)), "every other"),
        (lambda channels: sum(channels), "added all channels up"),
        (lambda channels: [a * b for a, b in pairwise(channels)], "one number is wanted"),
        (lambda channels: np.prod(channels), "multiplied all channels"),
    ],
    "2.4": [
        (lambda heat, label: (0, 0), "your function gives (0, 0) whatever it is given. Perhaps"),
        (lambda heat, label: heat[label > 0].mean(), "one value"),
        (lambda heat, label: (heat[label > 0].mean(), heat[label == 0].std()), "Not right: the mean outside"),
        (lambda heat, label: (heat[label > 0].std(), heat[label == 0].mean()), "Not right: the mean inside"),
        (lambda heat, label: {"inside": heat[label > 0].mean()}, "dict"),
        (lambda heat, label: [[heat[label > 0].mean()], [heat[label == 0].mean()]], "in brackets of its own"),
        (lambda heat, label: heat[label == 1 and label == 2].mean(), "An `if` looks at one number"),
        (lambda heat, label: (heat[label > 0].mean(), heat[label > 0].mean()), "Not right: the mean outside"),
        (lambda heat, label: (heat[label > 0].mean(), 0.5), "Not right: the mean outside"),
        (lambda heat, label: tuple(heat[label == v].mean() for v in range(3)), "3 values; 2 are wanted"),
    ],
    "3.1": [
        (chain_in_groups, "write x = x + y"),
        (lambda groups, convs: [conv(x) for x, conv in zip(groups, convs, strict=False)], "needs no convolution"),
        (lambda groups, convs: [groups[0], *(conv(x) for x, conv in zip(groups[1:], convs, strict=True))], "talk"),
        (lambda groups, convs: groups[0], "1 value; 2 are wanted"),
        (chain_generator, "the values are right, but torch.cat wants a list"),
        (lambda groups, convs: torch.stack([*chain_generator(groups, convs)]), "but torch.cat wants a list"),
        (chain_into_groups, "put results into a new list"),
        (chain_relu, "ReLU came after"),
        (chain_of_halves, "The first 2 of your values are right each time; look at number 3"),
        (chain_in_place, "changed in place"),
        (lambda groups, convs: [y.detach() for y in chain_generator(groups, convs)], "their gradients are not"),
        (lambda convs, groups: groups, "in another order"),
        (lambda groups, convs: [groups[0], convs[0](groups[1]), convs[1](groups[2] + convs[0](groups[1]))], "Error"),
    ],
    "3.2": [
        (lambda scale: {1: 3, 2: 3, 4: 7, 8: 15}.get(scale, 0), "right for"),
        (lambda scale: 2 * scale - 3, "2 pixels are missing"),
        (lambda scale: (2 * scale - 1, 2 * scale - 1), "one number is wanted"),
        (lambda scale: max(2 * scale - 1, 3) ** 2, "pixels of a square"),
    ],
    "3.3": [
        (lambda channels, scale: channels * 27, "does not depend on `scale`"),
        (lambda channels, scale: (channels - 1) * 27 * (scale // channels) ** 2, "exchanged"),
        (lambda channels, scale: 3 * 27 * 16**2, "whatever it is given"),
        (lambda channels, scale: (scale - 1) * 54 * (channels // scale) ** 2, "always 2 times"),
    ],
    "3.4": [
        (lambda layer, size: size, "your width is as large as `size`"),
        (poke_row_only, "from top to bottom"),
        (poke_against_corner, "right for"),
        (poke_no_comparison, "compared with 0"),
        (
            lambda layer, size: int(poke_changed(layer, size).all(dim=0).nonzero().max()) + 1,
            "not only if all do",
        ),
        (lambda layer, size: int(poke_changed(layer, size).any(dim=0).sum()), "counted the columns that change"),
        (lambda layer, size: poke_width(poke_change(layer, size) > 0), "a change can be negative too"),
        (
            lambda layer, size: poke_width(poke_change(layer, size).amax((0, 1), keepdim=True) > 0),
            "a change can be negative too",
        ),
        (lambda layer, size: poke_width(poke_change(layer, size).sum((0, 1), keepdim=True)), "opposite signs cancel"),
        (lambda layer, size: poke_width(poke_change(layer, size).abs() > 0.5), "a change can be small"),
        (lambda layer, size: poke_width(torch.from_numpy(poke_change(layer, size).numpy())), "x.detach().numpy()"),
        (poke_on_gpu, "All here is on the CPU"),
        (poke_middle_row, "in other rows and slices"),
        (poke_kernel, "AttributeError"),
        (
            lambda layer, size: layer(torch.zeros(1, 1, 3, size, size))[..., size / 2],
            "An index must be a whole number",
        ),
        (lambda layer, size: size // 2, "does not depend on `layer`"),
        (lambda layer, size: 3, "whatever it is given"),
    ],
}
