"""The site of the committed notebooks: every page and script works, and it is not too large to hand out."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.hand import Hand
from browser.test_access import LOOKS, serious
from kits_msan.networks.registry import MODELS
from kits_msan.page.phantoms import choose_phantoms

MOST = 25e6  # bytes
VIEWERS = 7e6  # bytes of it for the volumes of the viewers, which the stored notebooks do not hold


def test_it_is_smaller_than_25_mb(course_site: Path) -> None:
    assert len(list(course_site.glob("network-*.js"))) == len(MODELS)
    assert sum(path.stat().st_size for path in course_site.rglob("*") if path.is_file()) < MOST - VIEWERS


def test_every_page_opens_without_a_fault(page: Page, course_site: Path) -> None:
    """Faults in the console and what is asked of a network fail the test, by the fixture `page`."""
    api = course_site / "api"
    pages = [*sorted(course_site.glob("*.html")), api / "index.html", api / "kits_msan" / "errors.html"]
    assert {"segment.html", "network.html", "02_attention_layer.html"} <= {path.name for path in pages}
    for path in pages:
        page.goto(path.as_uri())
        expect(page.locator("h1, h2").first).to_be_visible()


def test_every_network_and_phantom_can_be_read(page: Page, course_site: Path) -> None:
    page.goto((course_site / "segment.html").as_uri())
    expect(page.locator("[data-state]")).to_have_attribute("data-state", "idle", timeout=60_000)
    for path in [*course_site.glob("network-*.js"), *course_site.glob("phantom-*.js")]:
        page.add_script_tag(url=path.as_uri())
    held = page.evaluate("[Object.keys(KitsSegment.weights), Object.keys(KitsSegment.scans)]")
    assert set(held[0]) == set(MODELS)
    assert set(held[1]) == {f"phantom_{seed:06d}" for seed in choose_phantoms()}


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_pages_have_no_serious_finding(page: Page, course_site: Path, theme: str, width: int) -> None:
    """The whole pages, with their tables, formulas, questions and drawings; questions and drawings unfolded, too."""
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for name in ("02_attention_layer", "05_ensemble_and_ablation", "segment"):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto((course_site / f"{name}.html").as_uri())
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        if name == "segment":
            Hand(page)
        page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
        assert serious(page) == [], name
        for each in (320, *(each for _, each in LOOKS)):
            page.set_viewport_size({"width": each, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, each)


def test_the_second_notebook_leads_to_the_network_in_javascript(page: Page, course_site: Path) -> None:
    page.goto((course_site / "02_attention_layer.html").as_uri())
    page.get_by_role("link", name="msan.js").click()
    page.get_by_text("kits_msan/page/networks/msan.js").click()
    expect(page.get_by_text("constructor(engine, config)").first).to_be_visible()
