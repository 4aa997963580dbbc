"""The networks in the pages: a page of their own, the place below a notebook's viewers, and their code to read."""

from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename

from kits_msan.course.paths import ROOT
from kits_msan.course.site.text import Page, read_page, slug

IN_NOTEBOOKS = {  # what is unfolded below a notebook's last viewer, and the networks that are chosen in it
    "02_attention_layer": ("Run the network in this page, and see its attention weights", "msan_v1"),
    "04_training": ("Run a trained network in this page", "msan_v2_ds"),
    "05_ensemble_and_ablation": ("Run the five networks and their vote in this page", ""),
}
CODE = {
    "The networks": ("kits_msan/networks/msan.py", "kits_msan/page/networks/msan.js"),
    "Their building blocks": ("kits_msan/networks/layers.py", "kits_msan/page/networks/layers.js"),
    "From a scan to probabilities": ("kits_msan/inference.py", "kits_msan/page/networks/inference.js"),
    "The arithmetic": ("kits_msan/page/networks/convolutions.ts", "kits_msan/page/networks/ops.ts"),
}
SCRIPTS = """
<script src="segment.js"></script>
<script>KitsSegment.connect(KitsSegment);</script>"""
BODY = """<h1>Segment a scan in this page</h1>
<p>The course's five networks run here, in your browser: no Python, no server, no network connection. Choose a phantom
or a CT of your own, choose networks, and press the button. Then scroll through the result, switch the clean-up on and
off, and look at the attention weights. <a href="network.html">How a network runs in a page</a> shows the code.</p>
<div data-segment=""></div>
<h2 id="what-to-look-at">What to look at</h2>
<ul>
<li>The phantoms are test cases: no network has seen them in training. Which one is hardest? Where do the networks
disagree?</li>
<li>Show the <em>errors</em> in the viewer (key <code>e</code>): what was missed, and what was invented?</li>
<li>Switch the clean-up off. Which islands come back?</li>
<li>A real CT is not a phantom, a synthetic patient. Expect worse results, above all without contrast agent.</li>
</ul>
<h2 id="what-it-needs">What it needs</h2>
<p>A browser that is at most a few years old; the page was tried in Chromium and in Firefox. The networks are those
of the course (<code>data/checkpoints/</code>), with weights of 16 bits. On the phantoms of this page their vote
differs from that of the Python package in 5 voxels at most; a test checks this. After a run, the table above gives
the memory of each network. A large CT needs memory too: with five networks and 200 x 512 x 512 voxels, Chromium took
1.0 GB. The open scan stays in memory until the next one is read. Files of more than 268 million voxels (1,024 slices
of 512 x 512) are refused.</p>
"""


def segment_page() -> Page:
    """The page "Segment a scan in this page"."""
    return read_page("segment.html", BODY)


def code_page() -> Page:
    """The networks in Python and, line by line, in JavaScript."""
    parts = [
        "<h1>How a network runs in a page</h1><p>Beside each Python file stands one in JavaScript that does the "
        "same, in the same order. A page computes no gradients, and takes one slab at a time. The arithmetic "
        "itself comes last.</p>"
    ]
    for heading, paths in CODE.items():
        parts.append(f'<h2 id="{slug(heading)}">{heading}</h2>')
        for path in paths:
            text = (ROOT / path).read_text(encoding="utf-8")
            code = highlight(text, get_lexer_for_filename(path), HtmlFormatter())
            parts.append(f"<details><summary><code>{path}</code></summary>{code}</details>")
    return read_page("network.html", "\n".join(parts))


def code_links() -> dict[Path, str]:
    """The files that `code_page` shows, with its name, for links in texts."""
    return {ROOT / path: "network.html" for paths in CODE.values() for path in paths}


def put_below(notebook: str, last_viewer: dict[str, Any]) -> None:
    """Fold the networks away below the last viewer of a notebook that has them; its output is changed in place."""
    if notebook in IN_NOTEBOOKS and last_viewer:
        title, networks = IN_NOTEBOOKS[notebook]
        last_viewer["text/html"] += (
            f'<details data-segment="{networks}"><summary>{title}</summary><div></div></details>'
        )


def scripts_of(page: Page) -> str:
    """The script elements that a page needs for it, if any."""
    return SCRIPTS if "data-segment" in page.body else ""
