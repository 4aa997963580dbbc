"""A page that segments, opened from disk with the network off: a phantom, a file of one's own, what is refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from kits_msan.data.cases import load_case, save_case
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.metrics import dice_scores
from kits_msan.networks.checkpoints import describe_model, load_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.page.build import write_segment
from kits_msan.page.phantoms import choose_phantoms
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE
from kits_msan.viewer.scripts import page_script

pytestmark = pytest.mark.browser

HTML = """<!doctype html><meta charset="utf-8"><main data-segment=""></main><script src="viewer.js"></script>
<script src="segment.js"></script><script>KitsSegment.connect(KitsSegment);</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with five networks of the smoke profile, whose weights are random."""
    out = tmp_path_factory.mktemp("page")
    for number, name in enumerate(MODELS):
        import torch

        torch.manual_seed(number)
        model = build_model(name, width=SMOKE.width, poolings=SMOKE.poolings)
        model.head.bias.data[:] = torch.tensor([0.3, 0.1, 0.0])  # type: ignore[union-attr, operator]
        model.load_state_dict({key: value.half().float() for key, value in model.state_dict().items()})
        save_model(out / f"{name}.safetensors", model, describe_model(name, model, SMOKE))
    write_segment(out, out)
    (out / "viewer.js").write_text(page_script(), encoding="utf-8")
    (out / "index.html").write_text(HTML, encoding="utf-8")
    return out


@pytest.fixture
def opened(page: Page, folder: Path) -> Iterator[Page]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "index.html").as_uri())
    idle(page)
    yield page
    assert not [url[:80] for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def idle(page: Page) -> None:
    expect(page.locator("main")).to_have_attribute("data-state", "idle", timeout=120_000)


def saved(page: Page, path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(path)
    idle(page)
    return path


@pytest.mark.slow
def test_the_vote_is_that_of_python(opened: Page, folder: Path, tmp_path: Path) -> None:
    seed = next(iter(choose_phantoms()))
    case, models = phantom_case(seed, SMOKE), [load_model(folder / f"{name}.safetensors") for name in MODELS]
    opened.get_by_role("button", name="Segment").click()
    idle(opened)
    for clean in (True, False):
        opened.get_by_label("clean-up").set_checked(clean)
        idle(opened)
        name = f"vote-{clean}"
        seen = load_case_label(saved(opened, tmp_path / f"{name}.nii.gz"))
        wanted = predict(models, case, clean=clean)
        assert (seen != wanted).sum() <= 5
        score = dice_scores(wanted, case.label)["kidney"]  # type: ignore[arg-type]
        cell = opened.get_by_role("row", name="Vote of 5").get_by_role("cell").first
        assert float(cell.inner_text()) == pytest.approx(score, abs=2e-3)
    opened.get_by_label("attention weights").select_option(index=1)
    idle(opened)
    expect(opened.locator(".kits-viewer")).to_contain_text("attention 0")


def load_case_label(path: Path) -> np.ndarray:
    from kits_msan.data.cases import load_label

    label = load_label(path).label
    assert label is not None
    return label


@pytest.mark.slow
def test_a_scan_of_ones_own_and_one_that_is_refused(opened: Page, folder: Path, tmp_path: Path) -> None:
    case = phantom_case(5, SMOKE, grid=(20, 40, 44), spacing=(6.0, 9.0, 8.5))
    save_case(case, tmp_path / "case")
    path = tmp_path / "case" / "imaging.nii.gz"
    opened.locator("fieldset").nth(1).get_by_label("3D U-Net").uncheck()
    opened.locator("input[type=file]").set_input_files(path)
    idle(opened)
    expect(opened.locator("[data-part=status]")).to_contain_text("20 x 40 x 44 voxels of 6 x 9 x 8.5 mm")
    opened.get_by_role("button", name="Segment").click()
    idle(opened)
    seen = load_case_label(saved(opened, tmp_path / "own.nii.gz"))
    models = [load_model(folder / f"{name}.safetensors") for name in MODELS if name != "unet3d"]
    wanted = predict(models, load_case(path))
    assert (seen != wanted).mean() < 1e-3  # HU that lie between two are rounded to either
    damaged = tmp_path / "scan.nii.gz"
    damaged.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError) as refused:
        load_case(damaged)
    opened.locator("input[type=file]").set_input_files(damaged)
    idle(opened)
    before, after = re.split(r"\([^)]+\)", str(refused.value).replace(str(damaged), damaged.name))
    said = re.compile(rf"^{re.escape(before)}\([^)]+\){re.escape(after)}$")  # the reason is the unpacker's own
    expect(opened.locator("[data-part=status]")).to_have_text(said)


def test_without_a_network_it_says_so(opened: Page) -> None:
    for box in opened.locator("fieldset").nth(1).get_by_role("checkbox").all():
        box.uncheck()
    opened.get_by_role("button", name="Segment").click()
    expect(opened.locator("[data-part=status]")).to_have_text("choose a network first.")
