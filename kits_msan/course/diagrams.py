"""The drawings of notebooks 2 and 3: the attention layer, its numbers and readings, and the Res2Net block."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

FEATURE = "#D5E8F5"
WEIGHT = "#F5D5E5"
PLAIN = "#E5E5E5"
CONVOLUTION = "#F5E6C8"
RESULT = "#D5F5E0"
PINK = "#CC79A7"
ORANGE = "#D55E00"
GRAY = "0.4"
Point = tuple[float, float]


def attention_layer(poolings: int) -> Figure:
    """MSAN-V1 with as many levels: the paths into each sum S, the weights W, and F and W to the product."""
    figure, axes = plt.subplots(figsize=(10, 1.15 * poolings + 1.2), layout="constrained")
    gap, bottom = 1.35, poolings
    encoder = [(0.25 * i, -gap * i) for i in range(poolings + 1)]
    for i in range(poolings):
        place, total, weight, product = encoder[i], (3.1, -gap * i), (4.4, -gap * i), (5.8, -gap * i)
        decoder = (7.6 - 0.25 * i, -gap * i)
        _arrow(axes, place, encoder[i + 1], text="max pool")
        _arrow(axes, place, total, PINK)
        _arrow(axes, total, weight, PINK, "σ")
        _arrow(axes, weight, product, PINK)
        _arrow(axes, place, product, GRAY, bend=-0.22)  # F itself, to be multiplied
        _arrow(axes, product, decoder, text="skip", room=34)
        if i > 0:
            _arrow(axes, encoder[i - 1], total, PINK, "pool, P", at=0.72)
        _arrow(axes, encoder[i + 1], total, PINK, "up, P", at=0.72)
        below = (7.6 - 0.25 * (i + 1), -gap * (i + 1)) if i + 1 < bottom else encoder[bottom]
        _arrow(axes, below, decoder, text="up" if i + 1 < bottom else "", room=18 if i + 1 < bottom else 36)
        _box(axes, total, f"$S_{i}$", WEIGHT)
        _box(axes, weight, f"$W_{i}$", WEIGHT)
        _box(axes, product, f"$F_{i} · W_{i}$", WEIGHT)
        _box(axes, decoder, "decoder", PLAIN)
    for i, place in enumerate(encoder):
        _box(axes, place, f"$F_{i}$", FEATURE)
    axes.set(xlim=(-0.5, 8.3), ylim=(-gap * bottom - 0.5, 0.85))
    axes.axis("off")
    return figure


def number_maps(maps: Mapping[str, NDArray[Any]]) -> Figure:
    """Small maps (H, W) side by side, with their numbers."""
    figure, panels = plt.subplots(1, len(maps), figsize=(11, 1.9), layout="constrained")
    for axes, (name, values) in zip(panels, maps.items(), strict=True):
        axes.imshow(values, cmap="RdBu_r", vmin=-4, vmax=4)
        for (i, j), value in np.ndenumerate(values):
            size = 7 if values.size > 4 else 9
            color = "white" if abs(value) >= 3 else "black"  # on dark red or dark blue
            axes.text(j, i, f"{value:.2g}", ha="center", va="center", fontsize=size, color=color)
        axes.set(title=name, xticks=[], yticks=[])
    return figure


def say_table(talks: Mapping[str, NDArray[np.bool_]]) -> Figure:
    """For each reading which map F_j (column) has a say in which weights W_i (row)."""
    figure, panels = plt.subplots(1, len(talks), figsize=(9, 2.8), layout="constrained")
    for axes, (reading, table) in zip(panels, talks.items(), strict=True):
        axes.pcolormesh(table, cmap="Blues", vmin=0, vmax=1.6, edgecolors="white", linewidth=2)
        axes.invert_yaxis()
        axes.set_title(reading)
        axes.set_xticks(np.arange(table.shape[1]) + 0.5, [f"$F_{j}$" for j in range(table.shape[1])])
        axes.set_yticks(np.arange(table.shape[0]) + 0.5, [f"$W_{i}$" for i in range(table.shape[0])])
        axes.set_xlabel("feature map (dark: has a say)")
    panels[0].set_ylabel("weights")
    return figure


def res2net_block() -> Figure:
    """The Res2Net block with four groups."""
    figure, axes = plt.subplots(figsize=(9, 3.4), layout="constrained")
    for k in range(1, 5):
        y = 2.5 - k
        _arrow(axes, (1.5, 0), (3, y))
        if k == 1:
            _arrow(axes, (3, y), (6.5, y))
        else:
            _arrow(axes, (3, y), (4.5, y))
            _arrow(axes, (4.5, y), (6.5, y))
            _box(axes, (4.5, y), f"$K_{k}$", CONVOLUTION)
        if k > 2:
            _arrow(axes, (6.5, y + 1), (4.5, y), ORANGE, "+")
        _arrow(axes, (6.5, y), (8, 0))
        _box(axes, (3, y), f"$x_{k}$", FEATURE)
        _box(axes, (6.5, y), f"$y_{k}$", RESULT)
    _arrow(axes, (0, 0), (1.5, 0))
    _arrow(axes, (8, 0), (9.3, 0))
    _arrow(axes, (0, -0.2), (9.3, -0.2), bend=0.32)
    for place, text, color in ((0, "in", "white"), (1.5, "1×1×1", PLAIN), (8, "1×1×1", PLAIN), (9.3, "+", "white")):
        _box(axes, (place, 0), text, color)
    axes.set(xlim=(-0.5, 9.8), ylim=(-2.7, 2))
    axes.axis("off")
    return figure


def _box(axes: Axes, place: Point, text: str, color: str) -> None:
    shape = {"boxstyle": "round", "fc": color, "ec": GRAY}
    axes.text(*place, text, bbox=shape, ha="center", va="center", fontsize=10, zorder=5)


def _arrow(
    axes: Axes,
    start: Point,
    end: Point,
    color: str = GRAY,
    text: str = "",
    bend: float = 0,
    at: float = 0.5,
    room: int = 18,
) -> None:
    """From one box to another; a word lies `at` a share of the way; bend: the curve; room: points before the end."""
    line = {"arrowstyle": "->", "color": color, "shrinkA": 16, "shrinkB": room, "connectionstyle": f"arc3,rad={bend}"}
    axes.annotate("", end, start, arrowprops=line)
    if text:
        x, y = (a + at * (b - a) for a, b in zip(start, end, strict=True))
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        axes.text(x, y, text, ha="center", va="center", fontsize=8, color="0.25", bbox=paper, zorder=4)
