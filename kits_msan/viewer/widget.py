"""The slice viewer: scroll through a CT with the labels of several models beside each other, in a notebook.

    SliceViewer(case, overlays={"truth": case.label, "MSAN-V2": prediction}, heat={"attention, level 1": weights})

The volumes go to the browser once; `viewer.js` cuts and paints every slice there, so scrolling needs no kernel.
`plane`, `index`, `window`, `opacity`, `mode` and `classes` can be read, set and observed here while a person
changes them there.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import anywidget
import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from kits_msan.data.cases import WINDOW, Case
from kits_msan.errors import InputError
from kits_msan.files import atomic_file
from kits_msan.viewer import still, volumes
from kits_msan.viewer.volumes import PLANES

MODES = ("fill", "outline", "errors")
CLASSES = tuple(still.CLASS_COLORS)
PRESETS = {"paper": WINDOW, "soft tissue": (-160.0, 240.0), "bone": (-450.0, 1050.0), "lung": (-1350.0, 150.0)}
TRUTH = "truth"
SHARED = ("plane", "_indices", "window", "opacity", "mode", "classes")  # what both Python and the browser change
MAX_PANELS = 6
EXACT_VOXELS, COARSE_STEP = 8_000_000, 8  # `save_html` rounds larger volumes to 8 HU, to a third of their size


class SliceViewer(anywidget.AnyWidget):
    """One to six linked panels on one CT volume.

    case: needs an image, (D, H, W) in HU; its label, if it has one, is the truth of the errors mode.
    overlays: name to (D, H, W) labels 0, 1 (kidney), 2 (tumor), a panel each; by default the case's own label.
    heat: name to (D, H, W) finite numbers, such as attention weights, a panel each with its own range.
    plane: "axial", "coronal" or "sagittal".
    index: slice in that plane, from 0; by default the one with most tumor, or the middle one.
    window: the HU shown as black and as white.
    opacity: 0 to 1, of filled labels, errors and heat; outlines are always solid.
    mode: labels as "fill" or "outline", or "errors": missed, invented and wrongly classed voxels.
    classes: which of "kidney" and "tumor" are drawn.

    Those from `plane` on are traits as well, in step with the browser. Raises InputError, a ValueError, for
    whatever does not fit, before anything is sent.
    """

    _esm = Path(__file__).with_name("viewer.js")
    _css = Path(__file__).with_name("viewer.css")

    plane = traitlets.Unicode(PLANES[0]).tag(sync=True)
    index = traitlets.CInt(0)  # only `_indices` travels: so a plane never gets the index of another
    window = traitlets.Tuple(default_value=WINDOW).tag(sync=True)
    opacity = traitlets.CFloat(0.5).tag(sync=True)
    mode = traitlets.Unicode(MODES[0]).tag(sync=True)
    classes = traitlets.List(traitlets.Unicode(), list(CLASSES)).tag(sync=True)
    _indices = traitlets.List(traitlets.Int(), [0, 0, 0]).tag(sync=True)  # one for each plane
    _scene = traitlets.Dict().tag(sync=True)
    _data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        case: Case,
        overlays: Mapping[str, ArrayLike] | None = None,
        heat: Mapping[str, ArrayLike] | None = None,
        *,
        plane: str = PLANES[0],
        index: SupportsIndex | None = None,
        window: Sequence[float] = WINDOW,
        opacity: float = 0.5,
        mode: str = MODES[0],
        classes: Sequence[str] = CLASSES,
    ):
        self._case = case
        self._image = volumes.checked_image(case)
        shape = self._image.shape
        if overlays is None:
            overlays = {} if case.label is None else {TRUTH: case.label}
        heat = heat or {}
        self._names = [*overlays, *heat] or ["CT"]
        if len(self._names) > MAX_PANELS or len(set(self._names)) < len(self._names):
            raise InputError(f"panels {self._names}: show {MAX_PANELS} at most, each with its own name.")
        self._labels = {name: volumes.checked_labels(name, labels, shape) for name, labels in overlays.items()}
        if case.label is not None and TRUTH not in self._labels:  # the errors mode needs it, in no panel of its own
            self._labels[TRUTH] = volumes.checked_labels(TRUTH, case.label, shape)
        self._heat = {name: volumes.checked_heat(name, values, shape) for name, values in heat.items()}
        self._tumor = {name: volumes.tumor_per_slice(labels) for name, labels in self._labels.items()}

        indices = self._first_indices()
        axis = PLANES.index(_one_of("plane", plane, PLANES))
        if index is not None:
            indices[axis] = int(index)
        super().__init__(
            plane=plane,
            index=indices[axis],
            window=tuple(window),
            opacity=opacity,
            mode=mode,
            classes=list(classes),
            _indices=indices,
            _scene=self._described(hu_step=1),
            _data=self._packed(hu_step=1),
        )

    def save_html(self, path: str | Path, hu_step: int | None = None) -> None:
        """Write one page that shows the same panels and scrolls, with no network and no Python.

        hu_step: round HU to multiples of this; by default 1 for up to 8 million voxels, 8 for more, which takes a
        third of the room. The page says so.
        """
        if hu_step is None:
            hu_step = 1 if self._image.size <= EXACT_VOXELS else COARSE_STEP
        if hu_step < 1:
            raise InputError(f"hu_step is {hu_step}; it is a whole number of HU, 1 or more.")
        state = {name: getattr(self, name) for name in SHARED}
        state |= {"_scene": self._described(hu_step), "_data": self._packed(hu_step)}
        note = "CT values are exact." if hu_step == 1 else f"CT values are rounded to multiples of {hu_step} HU."
        text = still.page(self._case.name, state, still.image_tag(self._jpeg(), self._alt()), note)
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def __repr__(self) -> str:
        return f"SliceViewer({self._case.name}, {self._place()}, panels: {', '.join(self._names)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and a JPEG with its description for readers without a kernel."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture, alt = self._jpeg(), self._alt()
        data["text/html"] = still.image_tag(picture, alt)  # JupyterLab gives a bare JPEG no alt text
        data["image/jpeg"] = base64.b64encode(picture).decode("ascii")
        return data, {**metadata, "image/jpeg": {"alt": alt}}

    @traitlets.validate("plane", "mode", "classes", "window", "opacity", "index")
    def _check(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "plane":
            _one_of(name, value, PLANES)
        elif name == "mode":
            _one_of(name, value, MODES)
            if value == "errors" and TRUTH not in self._labels:
                raise InputError(f"the errors mode compares with an overlay named {TRUTH!r} or the case's own label.")
        elif name == "classes":
            for item in value:
                _one_of("class", item, CLASSES)
        elif name == "window":
            limits = np.array(value, float)
            if limits.shape != (2,) or not np.isfinite(limits).all() or limits[0] >= limits[1]:
                raise InputError(f"window is {value}; it is two numbers of HU, the first below the second.")
            return tuple(limits.tolist())
        elif name == "opacity" and not 0 <= value <= 1:
            raise InputError(f"opacity is {value}; it lies between 0 and 1.")
        elif name == "index" and not 0 <= value < self._count():
            raise InputError(f"index is {value}; the {self.plane} slices are 0 to {self._count() - 1}.")
        return value

    @traitlets.observe("plane", "_indices")
    def _follow_browser(self, _: Any) -> None:
        self.index = self._indices[PLANES.index(self.plane)]

    @traitlets.observe("index")
    def _tell_browser(self, _: Any) -> None:
        indices = list(self._indices)
        indices[PLANES.index(self.plane)] = self.index
        self._indices = indices

    def _count(self) -> int:
        return self._image.shape[PLANES.index(self.plane)]

    def _place(self) -> str:
        return f"{self.plane} slice {self.index + 1} of {self._count()}"

    def _first_indices(self) -> list[int]:
        """In each plane the slice with most tumor in the truth or else the first overlay; or the middle one."""
        tumor = self._tumor.get(TRUTH) or next(iter(self._tumor.values()), {})
        counts = [tumor.get(plane, []) for plane in PLANES]
        sizes = self._image.shape
        return [int(np.argmax(n)) if any(n) else size // 2 for n, size in zip(counts, sizes, strict=True)]

    def _described(self, hu_step: int) -> dict[str, Any]:
        """What viewer.js must know of the volumes that it gets."""
        panels: dict[str, dict[str, Any]]
        panels = {name: {"kind": "labels", "volume": at} for at, name in enumerate(self._labels)}
        for at, (name, (_, low, high)) in enumerate(self._heat.items()):
            panels[name] = {"kind": "heat", "volume": at, "low": low, "high": high}
        return {
            "name": self._case.name,
            "shape": self._image.shape,
            "spacing": [float(size) for size in self._case.spacing],
            "affine": np.asarray(self._case.affine, float)[:3].tolist(),
            "hu_step": hu_step,
            "panels": [{"name": name, **panels.get(name, {"kind": "plain"})} for name in self._names],
            "labels": [{"name": name, "tumor": tumor} for name, tumor in self._tumor.items()],
            "truth": TRUTH,
            "presets": [[name, *limits] for name, limits in PRESETS.items()],
            "classes": still.CLASS_COLORS,
            "errors": still.ERROR_COLORS,
            "heat_colors": still.HEAT_COLORS,
        }

    def _packed(self, hu_step: int) -> dict[str, list[Any]]:
        return {
            "image": volumes.pack_hounsfield(self._image, hu_step),
            "labels": [volumes.pack_labels(labels) for labels in self._labels.values()],
            "heat": [volumes.pack_heat(values) for values, _, _ in self._heat.values()],
        }

    def _alt(self) -> str:
        """The current view in words."""
        here = {name: self._cut(labels) for name, labels in self._labels.items()}
        seen = {name: [CLASSES[code - 1] for code in np.unique(labels) if code] for name, labels in here.items()}
        panels = [
            f"{name} ({' and '.join(seen[name]) or 'no label'})" if name in seen else name for name in self._names
        ]
        low, high = self.window
        return f"{self._case.name}, {self._place()}, {low:g} to {high:g} HU. Panels: {', '.join(panels)}."

    def _jpeg(self) -> bytes:
        """The current view as a picture."""
        axis = PLANES.index(self.plane)
        pixel = [size for a, size in enumerate(self._case.spacing) if a != axis]
        hounsfield = self._cut(self._image)
        shown = np.array([0, *(code * (name in self.classes) for code, name in enumerate(CLASSES, 1))], np.uint8)
        codes = {name: shown[self._cut(labels)] for name, labels in self._labels.items()}
        pictures = {}
        for name in self._names:
            if name in self._heat:
                heat = self._cut(self._heat[name][0])
                pictures[name] = still.heat_picture(hounsfield, heat, self.opacity, self.window)
            else:
                drawn = codes.get(name, np.zeros(hounsfield.shape, np.uint8))
                truth = codes[TRUTH] if self.mode == "errors" and name != TRUTH and name in codes else None
                pictures[name] = still.label_picture(hounsfield, drawn, truth, self.mode, self.opacity, self.window)
        return still.jpeg(pictures, (pixel[0], pixel[1]))

    def _cut(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The current slice of a (D, H, W) volume, (rows, columns)."""
        return np.moveaxis(volume, PLANES.index(self.plane), 0)[self.index]


def _one_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise InputError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")
    return value
