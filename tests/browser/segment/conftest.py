"""A page that segments, for Chromium and for Firefox."""

from pathlib import Path

import pytest
import torch

from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.page.build import write_segment
from kits_msan.page.scripts import segment_style
from kits_msan.profiles import SMOKE
from kits_msan.viewer.scripts import page_script, page_style

HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title><meta name="color-scheme"
content="light dark"><meta name="viewport" content="width=device-width"><link rel="stylesheet" href="page.css">
<main data-segment=""></main><script src="viewer.js"></script>
<script src="segment.js"></script><script>KitsSegment.connect(KitsSegment);</script>"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with five networks of the smoke profile, whose weights are random."""
    out = tmp_path_factory.mktemp("page")
    for number, name in enumerate(MODELS):
        torch.manual_seed(number)
        model = build_model(name, width=SMOKE.width, poolings=SMOKE.poolings)
        model.head.bias.data[:] = torch.tensor([0.3, 0.1, 0.0])  # type: ignore[union-attr, operator]
        model.load_state_dict({key: value.half().float() for key, value in model.state_dict().items()})
        save_model(out / f"{name}.safetensors", model, describe_model(name, model, SMOKE))
    write_segment(out, out)
    (out / "viewer.js").write_text(page_script(), encoding="utf-8")
    ground = "body { background: Canvas; color: CanvasText }"
    (out / "page.css").write_text(ground + page_style() + segment_style(), encoding="utf-8")
    (out / "index.html").write_text(HTML, encoding="utf-8")
    return out
