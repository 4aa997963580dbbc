"""Small drawings to move: one idea each, live in JupyterLab and in the static page, where no kernel runs.

Each is a plain JavaScript function in a file of its own here, on top of `common.js`. In a notebook it is a widget.
Its HTML, which a page without a kernel keeps, holds the same data; `explore` of `page_script` brings it to life.
"""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from kits_msan.data.cases import Case
from kits_msan.viewer.scripts import PRESETS
from kits_msan.viewer.still import CLASS_COLORS, ERROR_COLORS

FOLDER = Path(__file__).parent
NAMES = ("attention", "bootstrap", "field", "levels", "overlap", "vote")
LARGEST = 128  # pixels of a slice that is sent; a larger one is thinned out
STILL = "This drawing can be moved where the cell has run, and on the course's pages (make site)."


def page_script() -> str:
    """The script of a page: one function, `explore(name, element, given)`."""
    files = ("common", *NAMES)
    parts = [(FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in files]
    explore = f"return (name, el, given) => ({{ {', '.join(NAMES)} }})[name](el, given);"
    presets = [[name, *limits] for name, limits in PRESETS.items()]
    shared = json.dumps({"presets": presets, "classes": CLASS_COLORS, "errors": ERROR_COLORS})  # as the viewer's
    return "\n".join(["const explore = (() => {", f"const SHARED = {shared};", *parts, explore, "})();"])


def page_style() -> str:
    """The style of a page."""
    return (FOLDER / "explorables.css").read_text(encoding="utf-8")


class Explorable(anywidget.AnyWidget):
    """One of NAMES, with the data that it draws."""

    _esm = page_script() + (
        '\nexport default { render({ model, el }) { explore(model.get("_name"), el, model.get("_given")); } };\n'
    )
    _css = FOLDER / "explorables.css"
    _name = traitlets.Unicode().tag(sync=True)
    _given = traitlets.Dict().tag(sync=True)

    def __init__(self, name: str, given: dict[str, Any] | None = None) -> None:
        super().__init__(_name=name, _given=given or {})

    def __repr__(self) -> str:
        return f"Explorable({self._name})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live widget, and its data in HTML for a page without a kernel."""
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        given = html.escape(json.dumps(self._given))
        data["text/html"] = f'<div data-explorable="{self._name}" data-given="{given}"><p>{STILL}</p></div>'
        return data, metadata


def attention() -> Explorable:
    """One pixel of the attention layer: feature, neighbors and both P give weight and skip."""
    return Explorable("attention")


def field(case: Case, index: int) -> Explorable:
    """What the bottom of the network sees, over axial slice `index` of a case with a label."""
    assert case.label is not None
    inside = np.argwhere(case.label[index] > 0)
    middle = inside[len(inside) // 2] if len(inside) else np.array(case.label[index].shape) // 2
    given = _slice(case, index)
    given["center"] = [int(at) // given["thinned"] for at in middle]
    return Explorable("field", given)


def overlap() -> Explorable:
    """Dice and Hausdorff distance of two discs; one is dragged."""
    return Explorable("overlap")


def window(case: Case, index: int) -> Explorable:
    """Axial slice `index` under a window that sliders move."""
    return Explorable("levels", _slice(case, index))


def vote() -> Explorable:
    """Five networks and one voxel: majority, ties and summed probabilities."""
    return Explorable("vote")


def bootstrap(values: Sequence[float], title: str) -> Explorable:
    """Draws `values`, one a case, again and again; title: what they are, with its unit."""
    return Explorable("bootstrap", {"values": [float(value) for value in values], "title": title})


def _slice(case: Case, index: int) -> dict[str, Any]:
    """An axial slice as base64 of little-endian int16, its (rows, columns) and mm, and by how much it was thinned."""
    assert case.image is not None
    thinned = -(-max(case.image.shape[1:]) // LARGEST)
    pixels = np.ascontiguousarray(case.image[index, ::thinned, ::thinned], "<i2")
    return {
        "image": base64.b64encode(pixels.tobytes()).decode("ascii"),
        "shape": list(pixels.shape),
        "mm": [float(mm) * thinned for mm in case.spacing[1:]],
        "thinned": thinned,
    }
