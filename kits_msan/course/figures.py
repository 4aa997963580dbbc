"""The pictures of the notebooks. Each function draws and returns a figure; `show` puts it in the page."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from kits_msan.data.cases import CLASSES, WINDOW, Case
from kits_msan.metrics import TARGETS
from kits_msan.networks.registry import TITLES
from kits_msan.viewer.still import CLASS_COLORS
from kits_msan.viewer.volumes import PLANES

COLORS = ("#000000", *CLASS_COLORS.values())  # of background, kidney and tumor, as in the viewer
# Of curves in one picture: told apart by marker and line as well, for those who do not tell the colors apart.
STYLES = (
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#000000", "marker": "^", "linestyle": ":"},
)


def show(figure: Figure, alt: str) -> None:
    """Put a figure in the notebook with a text for those who do not see it, and close it."""
    from IPython.display import display

    plt.close(figure)
    display(figure, metadata={"image/png": {"alt": alt}})


def draw_slice(
    axes: Axes,
    case: Case,
    index: int,
    plane: str = "axial",
    label: NDArray | None = None,
    limits: Sequence[float] = WINDOW,
) -> None:
    """One slice in gray under the HU window `limits`, with true proportions; `label` (D, H, W) is laid over it."""
    assert case.image is not None
    axis = PLANES.index(plane)
    height, width = (size for i, size in enumerate(case.spacing) if i != axis)
    axes.imshow(case.image.take(index, axis), cmap="gray", vmin=limits[0], vmax=limits[1], aspect=height / width)
    if label is not None:
        mask = label.take(index, axis)
        for value in (1, 2):
            colored = np.zeros((*mask.shape, 4))
            colored[mask == value] = (*to_rgb(COLORS[value]), 0.55)
            axes.imshow(colored, aspect=height / width, interpolation="nearest")
    axes.set(xticks=[], yticks=[], title=f"{plane} {index + 1} of {case.image.shape[axis]}")


def planes(case: Case, fine: Case | None = None) -> Figure:
    """Axial, coronal and sagittal slice of a case through the middle of its tumor, with its labels.

    fine: the same patient on a finer grid, of which the axial slice is drawn instead.
    """
    figure, all_axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
    shown = (fine or case, case, case)
    for axes, one, (axis, plane) in zip(all_axes, shown, enumerate(PLANES), strict=True):
        middle = [n // 2 for n in one.shape] if one.label is None else center_of(one.label, 2)
        draw_slice(axes, one, middle[axis], plane, one.label)
    legend(figure)
    return figure


def rows_of_slices(panels: Mapping[str, NDArray | None], case: Case, slices: Sequence[int]) -> Figure:
    """A row for each label volume of `panels` (None is the bare CT), a column for each axial slice."""
    figure, grid = plt.subplots(
        len(panels), len(slices), figsize=(2.3 * len(slices), 2.3 * len(panels)), layout="constrained", squeeze=False
    )
    for row, (title, label) in zip(grid, panels.items(), strict=True):
        for axes, index in zip(row, slices, strict=True):
            draw_slice(axes, case, index, label=label)
        row[0].set_ylabel(title)
    legend(figure)
    return figure


def curves(metrics: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss against the step, a panel for each network of `metrics` (columns step, loss)."""
    figure, panels = plt.subplots(
        1, len(metrics), figsize=(2.2 * len(metrics) + 0.6, 2.6), sharey=True, layout="constrained", squeeze=False
    )
    smooth = {
        name: table["loss"].rolling(max(len(table) // 20, 1), min_periods=1).mean() for name, table in metrics.items()
    }
    first = next(iter(metrics))
    for axes, (name, table) in zip(panels[0], metrics.items(), strict=True):
        axes.plot(metrics[first]["step"], smooth[first], color="0.7", linewidth=3)
        axes.plot(table["step"], smooth[name], color="#0072B2", linewidth=1.2)
        axes.set(xlabel="step", title=TITLES[name])
    panels[0, 0].set_ylabel("training loss, smoothed")
    return figure


def two_curves(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Losses of a few runs, a value a step, with one axis."""
    figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
    for name, values in losses.items():
        axes.plot(values, label=name, linewidth=1.2)
    axes.set(xlabel="step", ylabel="loss")
    axes.legend()
    return figure


def ablation(table: pd.DataFrame) -> Figure:
    """Our means with intervals (`ablation.ablation_table`) beside the paper's figures, for kidney and tumor."""
    figure, both = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
    rows = np.arange(len(table))[::-1]
    for axes, score in zip(both, TARGETS, strict=True):
        mean, low, high = (table[f"{score}{end}"] for end in ("", "_low", "_high"))
        axes.errorbar(mean, rows, xerr=[mean - low, high - mean], fmt="o", color="#0072B2", capsize=3, label="ours")
        axes.plot(table[f"{score}_paper"], rows, "D", color="#D55E00", mfc="none", label="paper, on real KiTS19")
        axes.set(yticks=rows, yticklabels=[TITLES[name] for name in table.index], xlabel=f"{score} Dice, %")
        axes.grid(axis="x", alpha=0.3)
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def legend(figure: Figure) -> None:
    """The colors of kidney and tumor, below the panels."""
    handles = [Patch(color=COLORS[value], label=CLASSES[value]) for value in (1, 2)]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)


def center_of(label: NDArray, value: int) -> list[int]:
    """The voxel in the middle of the largest slice of a class; the volume's middle where there is none."""
    counts = (label == value).sum(axis=(1, 2))
    if not counts.any():
        return [n // 2 for n in label.shape]
    axial = int(counts.argmax())
    where = np.argwhere(label[axial] == value)
    row, column = where[len(where) // 2]
    return [axial, int(row), int(column)]
