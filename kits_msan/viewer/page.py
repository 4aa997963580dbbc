"""One page that shows a viewer without network, kernel or Python: the script with the volumes inside it."""

import base64
import html
import json
from collections.abc import Mapping
from typing import Any

from kits_msan.viewer.scripts import page_script, page_style

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; background: Canvas; }}
body {{ margin: 12px auto; max-width: 1300px; padding: 0 12px; font-family: system-ui, sans-serif; }}
h1 {{ font-size: 1.2em; }}
{css}
</style>
<main>
<h1>{title}</h1>
<div id="viewer"></div>
<noscript>{picture}</noscript>
<p><small>{note}</small></p>
</main>
<script type="application/json" id="state">{state}</script>
<script>
{script}
KitsViewer.showSlices(document.getElementById("viewer"), JSON.parse(document.getElementById("state").textContent));
</script>
</html>
"""


def page(title: str, state: Mapping[str, Any], picture: str, note: str) -> str:
    """The self-contained page: `state` is what the widget would send to a browser, bytes and all.

    picture: an HTML image for browsers that run no scripts; note: a line below the viewer.
    """
    text = json.dumps(state, default=lambda block: base64.b64encode(block).decode("ascii"))
    return PAGE.format(
        title=html.escape(title),
        css=page_style(),
        picture=picture,
        note=html.escape(note),
        state=text.replace("<", "\\u003c"),  # so that no name can end the script element
        script=page_script(),
    )
