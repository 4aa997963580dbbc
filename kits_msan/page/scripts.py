"""The page's JavaScript as texts: what its workers run, and what the page itself runs.

The files are plain modules. A page that opens from disk may not import one file from another nor start a worker from
a file, so they are joined here in the order in which they use each other, as the viewer's are.
"""

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from kits_msan.viewer.scripts import joined

HERE = Path(__file__).parent
COMPUTE = (
    *("scans/header", "scans/resampling", "scans/grids", "scans/hounsfield", "scans/stream", "scans/nifti"),
    *("networks/engine", "networks/layers", "networks/msan", "networks/vote", "networks/inference"),
    *("networks/cleanup", "../viewer/js/volume", "segment/worker"),
)
PAGE = ("../viewer/js/dom", "segment/helpers", "segment/controls", "segment/showing", "segment/component")


@cache
def compute_script() -> str:
    """All that a worker computes with, as a script whose names are global; tests call these by name."""
    ops = base64.b64encode((HERE / "networks" / "ops.wasm").read_bytes()).decode("ascii")
    return f'const OPS = "{ops}";\n{joined(HERE, COMPUTE)}'


def segment_script(manifest: Mapping[str, Any]) -> str:
    """A script for pages: it defines `KitsSegment`, with `connect` of `segment/component.js`.

    manifest: the "networks" and "scans" that lie beside the page; see `build.py`.
    """
    worker = json.dumps(f'"use strict";\n{compute_script()}\nonmessage = answer;\n').replace("</", "<\\/")
    given = f"const WORKER = {worker};\nconst MANIFEST = {json.dumps(manifest)};"
    body = f"{given}\n{joined(HERE, PAGE)}\nreturn {{ connect, scans: {{}}, weights: {{}} }};"
    return f"const KitsSegment = (() => {{\n{body}\n}})();\n"


def segment_style() -> str:
    """The style sheet of the part of a page that segments."""
    return (HERE / "segment" / "segment.css").read_text(encoding="utf-8")
