"""The static course in Chromium, opened from disk with the network off: viewers, search, themes."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import NAME, Launch
from browser.hand import Hand, first_pixels, gray, wait_until
from browser.jupyter.test_jupyterlab import CONTRAST


def test_a_viewer_scrolls_without_a_kernel(page: Page, pages: Path) -> None:
    page.goto((pages / f"{NAME}.html").as_uri())
    hand = Hand(page)
    hand.shows("axial", 5)
    assert first_pixels(hand, ["truth", "model"]) == pytest.approx([gray(100.0)] * 2, abs=1)
    hand.press("ArrowDown", "ArrowDown")
    hand.shows("axial", 7)
    assert first_pixels(hand, ["truth", "model"]) == pytest.approx([gray(140.0)] * 2, abs=1)
    assert page.locator("[data-viewer] > img").count() == 0  # the still picture made room


def test_a_network_below_a_viewer_is_unfolded(page: Page, pages: Path) -> None:
    """Folded away it costs nothing; unfolded it opens a phantom, and has the notebook's network chosen."""
    page.goto((pages / f"{NAME}.html").as_uri())
    Hand(page)
    fold = page.locator("details[data-segment]")
    expect(fold.locator("div")).to_be_empty()
    page.get_by_text("Run the network in this page").click()
    expect(fold.locator("> div")).to_have_attribute("data-state", "idle", timeout=30_000)
    expect(fold.locator("[data-part=status]")).to_contain_text("voxels of")
    chosen = fold.locator("[data-part=networks] input:checked").evaluate_all("nodes => nodes.map(n => n.value)")
    assert chosen == ["msan_v1"]
    hand = Hand(page, fold.locator(".kits-viewer"))
    hand.press("Home")
    hand.shows("axial", 0)


def test_pages_without_javascript_say_so(browser: Browser, pages: Path) -> None:
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    for name in ("segment", NAME):
        page.goto((pages / f"{name}.html").as_uri())
        said = page.locator("noscript p")  # in which Playwright seeks no text
        expect(said).to_be_visible()
        expect(said).to_contain_text("JavaScript is switched off")
    context.close()


def test_the_slides_of_the_class_leave_the_browsers_keys_alone(page: Page) -> None:
    page.goto((Path(__file__).parents[2] / "docs" / "class" / "slides.html").as_uri())
    key = "(options) => document.body.dispatchEvent(new KeyboardEvent('keydown', options))"
    for more, passed in (({}, False), ({"altKey": True}, True), ({"metaKey": True}, True)):
        assert page.evaluate(key, {"key": "ArrowLeft", "bubbles": True, "cancelable": True, **more}) is passed


def test_search_finds_and_leads_there(page: Page, pages: Path) -> None:
    page.goto((pages / "index.html").as_uri())
    page.keyboard.press("/")
    found = page.locator("#found a")
    page.keyboard.type("crosses ZEBRA")
    expect(found).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url("**/01_known.html#a-zebra-crosses")
    expect(page.get_by_role("heading", name="A zebra crosses")).to_be_in_viewport()
    page.get_by_role("searchbox").fill("zebra kidney")  # words of one section, in heading and text
    expect(found.first).to_contain_text("A zebra crosses")
    page.get_by_role("searchbox").fill("xqzw")
    expect(page.locator("#found")).to_have_text("nothing found")
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(page: Page, pages: Path, theme: str) -> None:
    page.goto((pages / f"{NAME}.html").as_uri())
    Hand(page)
    if page.locator("html").get_attribute("data-theme") != theme:
        page.get_by_role("button", name=theme, exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    selectors = (
        "main h1",
        "main p",
        "aside a",
        "header a",
        ".highlight .kn",
        ".highlight .n",
        "figcaption b",
    )
    for selector in selectors:
        assert page.locator(selector).first.evaluate(CONTRAST) > 4.5, selector  # WCAG 2.2, AA


def test_a_theme_that_was_chosen_stays(page: Page, pages: Path) -> None:
    page.emulate_media(color_scheme="light")
    page.goto((pages / "index.html").as_uri())
    page.get_by_role("button", name="dark", exact=True).click()
    page.goto((pages / f"{NAME}.html").as_uri())
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_solutions_are_folded_and_formulas_drawn(page: Page, pages: Path) -> None:
    page.goto((pages / f"{NAME}.html").as_uri())
    answer = page.get_by_text("answer = 42")
    expect(answer).to_be_hidden()
    page.get_by_text("Solution", exact=True).click()
    expect(answer).to_be_visible()
    box = page.locator("main math").first.bounding_box()
    assert box is not None
    assert box["width"] > 5
    assert box["height"] > 5


def test_the_page_fits_a_phone(page: Page, pages: Path) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto((pages / f"{NAME}.html").as_uri())
    Hand(page)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    menu = page.locator("header details")
    page.get_by_text("more", exact=True).click()
    assert page.evaluate(fits)
    menu.locator("a").first.click(trial=True)  # nothing lies over it
    page.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    page.get_by_role("searchbox").fill("zebra")
    box = page.locator("#found").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert page.evaluate(fits)


def test_all_of_the_menu_is_reached_on_a_low_screen(page: Page, pages: Path) -> None:
    page.set_viewport_size({"width": 1366, "height": 400})
    page.goto((pages / "index.html").as_uri())
    page.get_by_text("more", exact=True).click()
    page.get_by_role("link", name="The package").click(trial=True)
    page.mouse.click(1300, 350)  # somewhere else
    expect(page.locator("header details")).not_to_have_attribute("open", "")


def test_a_wide_table_scrolls_in_a_frame_that_the_keyboard_reaches(page: Page, pages: Path) -> None:
    page.set_viewport_size({"width": 900, "height": 800})
    page.goto((pages / f"{NAME}.html").as_uri())
    frames = page.locator("main .table")
    expect(frames).to_have_count(2)
    wide = page.get_by_role("region", name="a wide table: scroll sideways")
    expect(wide).to_have_count(1)  # the narrow one needs no frame to scroll in
    wide.focus()
    page.keyboard.press("ArrowRight")
    wait_until(page, "document.activeElement.scrollLeft > 0")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_links_lead_to_the_page_before_and_the_next(page: Page, pages: Path) -> None:
    page.goto((pages / "index.html").as_uri())
    around = page.get_by_role("navigation", name="previous and next page")
    expect(around.locator("a")).to_have_count(1)  # nothing lies before the first page
    expect(around.get_by_role("checkbox")).to_have_count(0)
    around.locator("a[rel=next]").click()
    page.wait_for_url(f"**/{NAME}.html")
    expect(around.locator("a")).to_have_count(1)  # nor after the last
    around.locator("a[rel=prev]").click()
    page.wait_for_url("**/index.html")
    page.goto((pages / "readme.html").as_uri())
    expect(around).to_have_count(0)


def test_a_page_that_was_read_keeps_its_mark(page: Page, pages: Path) -> None:
    page.goto((pages / f"{NAME}.html").as_uri())
    mark, link = page.get_by_label("I have read this page"), page.locator(f'header nav > a[href="{NAME}.html"]')
    expect(mark).not_to_be_checked()
    mark.check()
    expect(link).to_have_attribute("aria-description", "you have read this")
    page.goto((pages / "index.html").as_uri())
    for place in (link, page.locator("main h2 > a").first):
        expect(place).to_have_class("read")
    page.goto((pages / f"{NAME}.html").as_uri())
    expect(mark).to_be_checked()
    mark.uncheck()
    expect(link).not_to_have_class("read")


def test_letters_follow_the_font_size_of_the_browser(page: Page, pages: Path, launch: Launch) -> None:
    sizes = """() => ["body", "aside", "main pre", ".kits-viewer", ".kits-viewer button"]
        .map((place) => parseFloat(getComputedStyle(document.querySelector(place)).fontSize))"""
    url, larger = (pages / f"{NAME}.html").as_uri(), launch("--blink-settings=defaultFontSize=24")
    page.goto(url)
    Hand(page)
    wide = larger.new_page(viewport={"width": 1366, "height": 768})
    wide.goto(url)
    Hand(wide)
    assert wide.evaluate(sizes) == pytest.approx([1.5 * size for size in page.evaluate(sizes)])
    expect(wide.get_by_role("searchbox")).to_be_visible()
    assert wide.evaluate("document.documentElement.scrollWidth <= innerWidth")
    larger.close()
