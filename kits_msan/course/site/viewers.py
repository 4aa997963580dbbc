"""The viewers of the pages: their volumes as scripts, and the scan of several viewers once."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kits_msan.viewer.letters import letters, script_file


def viewer_state(widget: Mapping[str, Any]) -> dict[str, Any]:
    """What `showSlices` needs of a slice viewer's stored state, volumes as `letters`; empty for another widget.

    widget: as Jupyter stores it in a notebook.
    """
    state = dict(widget.get("state", {}))
    if "_scene" not in state:
        return {}
    for buffer in widget.get("buffers", []):  # Jupyter stores bytes apart, with the path to their place
        *path, last = buffer["path"]
        place: Any = state
        for step in path:
            place = place[step]
        if isinstance(place, list) and last == len(place):
            place.append(None)
        place[last] = letters(base64.b64decode(buffer["data"]))
    return {name: value for name, value in state.items() if name not in ("_esm", "_css", "_code", "layout")}


def write_viewers(folder: Path, states: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a script for each viewer, and one for each scan: several viewers show the same.

    states: of each viewer, by the name of its script, what `viewer_state` gives.
    """
    for name, state in states.items():
        labels_and_heat = dict(state.get("_data", {}))
        image = _script(labels_and_heat.pop("image", []))
        scan = f"scan-{hashlib.sha256(image.encode()).hexdigest()[:16]}"
        own = _script({**state, "_data": labels_and_heat, "scan": scan})
        (folder / f"{scan}.js").write_bytes(script_file(f"viewerScans[{_script(scan)}] = {image};\n"))
        (folder / f"{name}.js").write_bytes(script_file(f"viewerStates[{_script(name)}] = {own};\n"))


def _script(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
