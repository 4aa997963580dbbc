"""What a viewer in Python and its views in the browser share, and keep in step.

`index` is the slice of the current plane. Since each plane keeps its own, all three travel as `_indices`, always in
one message with `plane` and `index`: so a plane never gets the index of another.
"""

import operator
from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets

from kits_msan.data.cases import WINDOW
from kits_msan.errors import InputError, check_choice
from kits_msan.viewer import still
from kits_msan.viewer.scripts import TRUTH
from kits_msan.viewer.volumes import PLANES

MODES = ("fill", "outline", "errors")
CLASSES = tuple(still.CLASS_COLORS)
ARRANGEMENTS = ("panels", "planes")
CHOICES = {"plane": PLANES, "mode": MODES, "arrangement": ARRANGEMENTS}
SHARED = (
    "plane",
    "index",
    "_indices",
    "window",
    "opacity",
    "mode",
    "classes",
    "arrangement",
)  # changed by both sides


def _window(value: Any) -> tuple[float, float]:
    low, high = np.asarray(value, float).tolist()
    if not -np.inf < low < high < np.inf:
        raise ValueError
    return low, high


def _share(value: Any) -> float:
    if not 0 <= float(value) <= 1:
        raise ValueError
    return float(value)


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        raise TypeError  # its letters are no names
    return list(value)


TYPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "index": (operator.index, "a whole number"),
    "window": (_window, "two numbers of HU, the first below the second"),
    "opacity": (_share, "a number between 0 and 1"),
    "classes": (_names, f"a list of {', '.join(CLASSES)}"),
}


def typed(name: str, value: Any) -> Any:
    """The value of a trait, by name, in the trait's type. Raises InputError for what cannot be one."""
    if name in CHOICES:
        check_choice(name, value, CHOICES[name])
    if name in TYPES:
        convert, meaning = TYPES[name]
        try:
            value = convert(value)
        except (TypeError, ValueError):
            raise InputError(f"{name} is {value!r}; it is {meaning}.") from None
    for item in value if name == "classes" else ():
        check_choice("class", item, CLASSES)
    return value


class SharedState(anywidget.AnyWidget):
    """The traits that both sides change, checked on this side. Raises InputError for a value that does not fit."""

    _shape: tuple[int, ...]  # of the volume, (D, H, W)
    _has_truth: bool  # whether there are labels to compare with

    plane = traitlets.Unicode(PLANES[0]).tag(sync=True)
    index = traitlets.CInt(0).tag(sync=True)
    window = traitlets.Tuple(default_value=WINDOW).tag(sync=True)
    opacity = traitlets.CFloat(0.5).tag(sync=True)
    mode = traitlets.Unicode(MODES[0]).tag(sync=True)
    classes = traitlets.List(traitlets.Unicode(), list(CLASSES)).tag(sync=True)
    arrangement = traitlets.Unicode(ARRANGEMENTS[0]).tag(sync=True)
    _indices = traitlets.List(traitlets.Int(), [0, 0, 0]).tag(sync=True)  # one for each plane

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse values of odd types in our words: traitlets has an error and words of its own for them."""
        super().__setattr__(name, typed(name, value))

    @traitlets.validate(*CHOICES, *TYPES)
    def _check(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, typed(proposal["trait"].name, proposal["value"])
        if name == "mode" and value == "errors" and not self._has_truth:
            raise InputError(f"the errors mode compares with an overlay named {TRUTH!r} or the case's own label.")
        if name == "index" and not 0 <= value < self._count():
            raise InputError(f"index is {value}; the {self.plane} slices are 0 to {self._count() - 1}.")
        return value

    def notify_change(self, change: Any) -> None:
        """Send what belongs together, such as `plane` and `index`, in one message."""
        with self.hold_sync():
            super().notify_change(change)

    @traitlets.observe("plane", "_indices")
    def _follow_browser(self, _: Any) -> None:
        self.index = self._indices[PLANES.index(self.plane)]

    @traitlets.observe("index")
    def _tell_browser(self, _: Any) -> None:
        indices = list(self._indices)
        indices[PLANES.index(self.plane)] = self.index
        self._indices = indices

    def _count(self) -> int:
        return self._shape[PLANES.index(self.plane)]
