"""The slice viewer: scroll through a CT with the labels of several models beside each other, in a notebook.

    SliceViewer(case, overlays={"truth": case.label, "MSAN-V2": prediction}, heat={"attention, level 1": weights})

The volumes go to the browser once; the scripts in `js/` cut and paint every slice there, so scrolling needs no
kernel. `plane`, `index`, `window`, `opacity`, `mode`, `classes` and `arrangement` can be read, set and observed here
while a person changes them there.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from kits_msan.data.cases import KIDNEY, TUMOR, WINDOW, Case
from kits_msan.errors import InputError, check_choice
from kits_msan.files import atomic_file
from kits_msan.viewer import still, volumes
from kits_msan.viewer.cells import close_earlier
from kits_msan.viewer.page import page
from kits_msan.viewer.scripts import LOADER, TRUTH, page_style, widget_script
from kits_msan.viewer.state import ARRANGEMENTS, CLASSES, MODES, SHARED, SharedState, typed
from kits_msan.viewer.volumes import PLANES

MAX_PANELS = 6
EXACT_VOXELS = 8_000_000  # what is larger is rounded by `save_html`, to a third of its size
COARSE_STEP = 8  # HU: to multiples of this
SEEN = (*CLASSES, *still.ERROR_COLORS)  # what the codes from 1 on stand for


class SliceViewer(SharedState):
    """One to six linked panels on one CT volume.

    case: needs an image, (D, H, W) in HU, not to be changed; its label, if any, is the truth of the errors mode.
    overlays: name to (D, H, W) labels 0, 1 (kidney), 2 (tumor), copied, a panel each; by default the case's own.
    heat: name to (D, H, W) finite numbers, such as attention weights, a panel each with its own range.
    plane: "axial", "coronal" or "sagittal".
    index: slice in that plane, from 0; by default the one with most tumor, or else most kidney, or the middle one.
    window: the HU shown as black and as white.
    opacity: 0 to 1, of filled labels, errors and heat; outlines are always solid.
    mode: labels as "fill" or "outline", or "errors": missed, invented and wrongly classed voxels.
    classes: which of "kidney" and "tumor" are drawn.
    arrangement: "panels" beside each other, or "planes": one of them in all three planes, with its surface.

    Those from `plane` on are traits as well, in step with the browser. Raises InputError, a ValueError, for
    whatever does not fit, before anything is sent. When its cell runs again, a viewer is closed; `close()` lets its
    volumes go.
    """

    _esm = LOADER  # as text: anywidget keeps every widget alive whose script is a path
    _css = page_style()
    _code = traitlets.Unicode(widget_script()).tag(sync=True)

    _scene = traitlets.Dict().tag(sync=True)
    _data = traitlets.Dict().tag(sync=True, to_json=lambda _, viewer: viewer._packed(hu_step=1))  # packed when sent

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
        arrangement: str = ARRANGEMENTS[0],
    ):
        self._case: Case | None = case
        self._image = volumes.checked_image(case)
        self._shape = shape = self._image.shape
        if overlays is None:
            overlays = {} if case.label is None else {TRUTH: case.label}
        heat = {} if heat is None else heat
        for what, given in (("overlays", overlays), ("heat", heat)):
            volumes.check_names(what, given)
        self._names = [*overlays, *heat] or ["CT"]
        if len(self._names) > MAX_PANELS or len(set(self._names)) < len(self._names):
            raise InputError(f"panels {self._names}: show {MAX_PANELS} at most, each with its own name.")
        self._labels = {name: volumes.checked_labels(name, labels, shape) for name, labels in overlays.items()}
        if case.label is not None and TRUTH not in self._labels:  # the errors mode needs it, in no panel of its own
            self._labels[TRUTH] = volumes.checked_labels(TRUTH, case.label, shape)
        self._has_truth = TRUTH in self._labels
        self._heat = {name: volumes.checked_heat(name, values, shape) for name, values in heat.items()}
        self._tumor = {name: volumes.voxels_per_slice(labels, TUMOR) for name, labels in self._labels.items()}

        indices = self._first_indices()
        check_choice("plane", plane, PLANES)
        axis = PLANES.index(plane)
        if index is not None:
            indices[axis] = typed("index", index)
        super().__init__(
            plane=plane,
            index=indices[axis],
            window=window,
            opacity=opacity,
            mode=mode,
            classes=classes,
            arrangement=arrangement,
            _indices=indices,
            _scene=self._described(case, hu_step=1),
        )
        close_earlier(self)

    def close(self) -> None:
        """Take the viewer out of the notebook and let its volumes go."""
        super().close()
        self._case, self._labels, self._heat = None, {}, {}
        self._image = np.empty((0, 0, 0), np.int16)

    def save_html(self, path: str | Path, hu_step: int | None = None) -> None:
        """Write one page that shows the same panels and scrolls, with no network and no Python.

        hu_step: round HU to multiples of this; by default 1 for up to 8 million voxels, 8 for more, which takes a
        third of the room. The page says so.
        """
        case = self._open_case()
        if hu_step is None:
            hu_step = 1 if self._image.size <= EXACT_VOXELS else COARSE_STEP
        if not isinstance(hu_step, SupportsIndex) or int(hu_step) < 1:
            raise InputError(f"hu_step is {hu_step!r}; it is a whole number of HU, 1 or more.")
        hu_step = int(hu_step)
        state = {name: getattr(self, name) for name in SHARED}
        state |= {"_scene": self._described(case, hu_step), "_data": self._packed(hu_step)}
        note = "CT values are exact." if hu_step == 1 else f"CT values are rounded to multiples of {hu_step} HU."
        text = page(case.name, state, still.image_tag(self._jpeg(), self._alt()), note)
        with atomic_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def __repr__(self) -> str:
        place = "closed" if self._case is None else f"{self._place()}, panels: {', '.join(self._names)}"
        return f"SliceViewer({self._scene['name']}, {place})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and a JPEG with its description for readers without a kernel."""
        if self._case is None:
            return {"text/plain": repr(self)}, {}
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture, alt = self._jpeg(), self._alt()
        data["text/html"] = still.image_tag(picture, alt)  # JupyterLab gives a bare JPEG no alt text
        data["image/jpeg"] = base64.b64encode(picture).decode("ascii")
        return data, {**metadata, "image/jpeg": {"alt": alt}}

    def _place(self) -> str:
        return f"{self.plane} slice {self.index + 1} of {self._count()}"

    def _caption(self) -> str:
        low, high = self.window
        return f"{self._place()}, {low:g} to {high:g} HU"

    def _first_indices(self) -> list[int]:
        """In each plane the slice with most tumor, else most kidney, of the truth or first overlay; or the middle."""
        middle = [size // 2 for size in self._image.shape]
        if not self._labels:
            return middle
        first = TRUTH if self._has_truth else next(iter(self._labels))
        per_slice = self._tumor[first]
        if not any(per_slice[PLANES[0]]):
            per_slice = volumes.voxels_per_slice(self._labels[first], KIDNEY)
        counts = [per_slice[plane] for plane in PLANES]
        return [int(np.argmax(n)) if any(n) else at for n, at in zip(counts, middle, strict=True)]

    def _open_case(self) -> Case:
        if self._case is None:
            raise InputError(f"{self!r}: its volumes are gone; make it again, by running its cell.")
        return self._case

    def _described(self, case: Case, hu_step: int) -> dict[str, Any]:
        """What the browser must know of the volumes that it gets."""
        panels: dict[str, dict[str, Any]]
        panels = {name: {"kind": "labels", "volume": at} for at, name in enumerate(self._labels)}
        for at, (name, (_, low, high)) in enumerate(self._heat.items()):
            panels[name] = {"kind": "heat", "volume": at, "low": low, "high": high}
        return {
            "name": case.name,
            "shape": self._image.shape,
            "spacing": [float(size) for size in case.spacing],
            "affine": np.asarray(case.affine, float)[:3].tolist(),
            "hu_step": hu_step,
            "panels": [{"name": name, **panels.get(name, {"kind": "plain"})} for name in self._names],
            "labels": [{"name": name, "tumor": tumor} for name, tumor in self._tumor.items()],
        }

    def _packed(self, hu_step: int) -> dict[str, list[Any]]:
        return {
            "image": volumes.pack_hounsfield(self._image, hu_step),
            "labels": [volumes.pack_labels(labels) for labels in self._labels.values()],
            "heat": [volumes.pack_heat(values) for values, _, _ in self._heat.values()],
        }

    def _alt(self) -> str:
        """The current view in words."""
        panels = ", ".join(self._panel_in_words(name) for name in self._names)
        return f"{self._open_case().name}, {self._caption()}. Panels: {panels}."

    def _panel_in_words(self, name: str) -> str:
        if name not in self._labels:
            return name
        codes, nothing = self._wrong(name), "no error"
        if codes is None:
            codes, nothing = self._drawn(name), "no label"
        return f"{name} ({' and '.join(SEEN[code - 1] for code in np.unique(codes) if code) or nothing})"

    def _jpeg(self) -> bytes:
        """The current view as a picture."""
        axis = PLANES.index(self.plane)
        pixel = [size for a, size in enumerate(self._open_case().spacing) if a != axis]
        hounsfield = self._cut(self._image)
        pictures = {}
        for name in self._names:
            if name in self._heat:
                heat = self._cut(self._heat[name][0])
                pictures[name] = still.heat_picture(hounsfield, heat, self.opacity, self.window)
            else:
                wrong = self._wrong(name)
                drawn = self._drawn(name if wrong is None else TRUTH)
                pictures[name] = still.label_picture(hounsfield, drawn, wrong, self.mode, self.opacity, self.window)
        scales = {name: (low, high) for name, (_, low, high) in self._heat.items()}
        legend = {}
        if any(name in self._labels for name in self._names):
            legend = {name: color for name, color in still.CLASS_COLORS.items() if name in self.classes}
            legend |= still.ERROR_COLORS if self.mode == "errors" else {}
        return still.jpeg(pictures, (pixel[0], pixel[1]), scales, legend, still.SIDES[self.plane], self._caption())

    def _drawn(self, name: str) -> NDArray[np.uint8]:
        """The current slice of a panel's labels, of the classes that are switched on; (rows, columns)."""
        if name not in self._labels:
            return np.zeros(self._cut(self._image).shape, np.uint8)
        return self._shown()[self._cut(self._labels[name])]

    def _wrong(self, name: str) -> NDArray[np.uint8] | None:
        """What the errors mode marks in a panel, as `still.errors`; None where it compares nothing."""
        if self.mode != "errors" or name == TRUTH or name not in self._labels:
            return None
        return still.errors(self._cut(self._labels[name]), self._cut(self._labels[TRUTH]), self._shown())

    def _shown(self) -> NDArray[np.uint8]:
        """For each label what is drawn: itself, or 0 if its class is switched off; (3,)."""
        return np.array([0, *(code if kind in self.classes else 0 for code, kind in enumerate(CLASSES, 1))], np.uint8)

    def _cut(self, volume: NDArray[Any]) -> NDArray[Any]:
        """The current slice of a (D, H, W) volume, (rows, columns)."""
        return np.moveaxis(volume, PLANES.index(self.plane), 0)[self.index]
