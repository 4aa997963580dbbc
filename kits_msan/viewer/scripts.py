"""The viewer's JavaScript as one text: for Jupyter a module, for a page without a kernel a script.

The files in `js/` are plain modules. Neither Jupyter's widgets nor a page that opens from disk may import one file
from another, so they are joined here in the order in which they use each other, without their `import` lines.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kits_msan.data.cases import WINDOW
from kits_msan.viewer.still import CLASS_COLORS, ERROR_COLORS, HEAT_COLORS, SIDES

MODULES = (
    *("dom", "volume", "panel", "readout", "drawing", "tools"),
    *("keys", "controls", "pointer", "surface", "view", "entry"),
)
PRESETS = {"paper": WINDOW, "soft tissue": (-160.0, 240.0), "bone": (-450.0, 1050.0), "lung": (-1350.0, 150.0)}
TRUTH = "truth"

# A page keeps for good what it has imported, and anywidget imports the script of each widget anew. So that script is
# this short one; the viewer's code is a part of the widget's state, and a page imports it once.
LOADER = """
const codes = (globalThis.kitsViewerCodes ??= new Map());

function codeOf(text) {
  if (!codes.has(text)) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    codes.set(text, import(url).finally(() => URL.revokeObjectURL(url)));
  }
  return codes.get(text);
}

export default () => {
  let widget;
  return {
    async initialize(given) {
      widget = (await codeOf(given.model.get("_code"))).createWidget();
      return widget.initialize(given);
    },
    render: (given) => widget.render(given),
  };
};
"""


@cache
def widget_script() -> str:
    """The module that LOADER imports."""
    return f"{_joined()}\nexport {{ createWidget }};\n"


@cache
def page_script() -> str:
    """A script for pages without Jupyter: it defines `KitsViewer`, with `show` and `showSlices` of `js/entry.js`."""
    body = f"{_joined()}\nreturn {{ show, showSlices }};"
    return f"const KitsViewer = (() => {{\n{body}\n}})();\nconst {{ showSlices }} = KitsViewer;\n"


@cache
def page_style() -> str:
    """The style sheet of the viewer."""
    return Path(__file__).with_name("viewer.css").read_text(encoding="utf-8")


def joined(folder: Path, names: Iterable[str]) -> str:
    """Modules of a folder as one text, in this order, without their imports and exports."""
    text = "\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in names)
    text = re.sub(r"^import .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^export ", "", text, flags=re.MULTILINE)


def _joined() -> str:
    return _shared() + joined(Path(__file__).with_name("js"), MODULES)


def _shared() -> str:
    """The words and colors that Python and the browser share."""
    scene = {
        "truth": TRUTH,
        "presets": [[name, *limits] for name, limits in PRESETS.items()],
        "classes": CLASS_COLORS,
        "errors": ERROR_COLORS,
        "heat_colors": HEAT_COLORS,
        "sides": SIDES,
    }
    return f"const SCENE = {json.dumps(scene)};\n"
