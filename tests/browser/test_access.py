"""axe-core finds nothing serious on the pages and in the viewer. Touch, wheel, high contrast, paper, a laptop."""

from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.conftest import NAME, OpenPage
from browser.hand import Hand, known_case, predictions, touch
from kits_msan.viewer import SliceViewer

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SERIOUS = """async () => {
    const found = await axe.run({ resultTypes: ["violations"], preload: false });
    return found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 150)).join(" | ")}`);
}"""
LOOKS = [("light", 1200), ("dark", 380)]  # each theme and each width once: axe needs seconds for a page


BROKEN = """async (rules) => (await axe.run({ runOnly: rules, preload: false })).violations.map(({ id }) => id)"""


def serious(page: Page) -> list[str]:
    page.evaluate(AXE)
    return list(page.evaluate(SERIOUS))


def broken(page: Page, *rules: str) -> list[str]:
    """Those of these rules of axe-core that the page breaks, however grave."""
    page.evaluate(AXE)
    return list(page.evaluate(BROKEN, rules))


def test_the_page_of_a_viewer_has_all_in_its_main_part(open_page: OpenPage) -> None:
    hand = open_page(SliceViewer(known_case(), predictions(known_case())))
    assert broken(hand.page, "landmark-one-main", "region") == []


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_viewer_has_no_serious_finding(open_page: OpenPage, theme: str, width: int) -> None:
    hand = open_page(SliceViewer(known_case(), predictions(known_case()), mode="errors"))
    hand.page.set_viewport_size({"width": width, "height": 800})
    hand.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    hand.root.locator("summary").click()
    assert serious(hand.page) == []
    assert hand.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    hand.press("p")
    expect(hand.root.locator(".kv-surface")).to_be_visible()
    assert serious(hand.page) == []
    assert hand.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_pages_have_no_serious_finding(page: Page, pages: Path, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for name in ("index", NAME, "readme", "glossary", "segment", "network"):
        page.goto((pages / f"{name}.html").as_uri())
        if name in (NAME, "segment"):
            Hand(page)
        assert serious(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


def test_headings_of_a_narrow_page_are_not_under_the_header(page: Page, pages: Path) -> None:
    page.set_viewport_size({"width": 380, "height": 500})
    page.goto((pages / f"{NAME}.html").as_uri() + "#a-zebra-crosses")
    Hand(page)
    covered = """() => {
        const box = document.querySelector("h2").getBoundingClientRect();
        return document.elementFromPoint(box.left + 5, box.top + box.height / 2).closest("header") !== null;
    }"""
    assert not page.evaluate(covered)


def test_paper_is_white_and_no_code_is_cut_off(page: Page, pages: Path) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto((pages / f"{NAME}.html").as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("main p").first.evaluate("node => getComputedStyle(node).color") == "rgb(0, 0, 0)"
    for block in page.locator("main pre").all():
        assert block.evaluate("node => node.scrollWidth <= node.clientWidth")
    Hand(page)
    for control in page.locator("main button, main input, main select, .kv-hint").all():
        expect(control).to_be_hidden()
    expect(page.locator(".kv-swatch").first).to_be_visible()
    paper = page.get_by_text("axial slice 6 of 12, window -200 to 500 HU")
    expect(paper).to_be_visible()
    page.emulate_media(media="screen")
    expect(paper).to_be_hidden()
    page.locator(".kv-panels").press("p")
    expect(paper).to_have_count(0)
    expect(page.locator(".kv-paper")).to_have_text(
        "truth, axial slice 6 of 12, coronal slice 5 of 10, sagittal slice 3 of 8, window -200 to 500 HU"
    )


def test_in_high_contrast_the_legend_keeps_its_colors_and_pressed_buttons_differ(open_page: OpenPage) -> None:
    hand = open_page(SliceViewer(known_case(), predictions(known_case()), mode="errors"))
    hand.page.emulate_media(forced_colors="active")
    background = "nodes => nodes.map((node) => getComputedStyle(node).backgroundColor)"
    assert len(set(hand.root.locator(".kv-swatch").evaluate_all(background))) == 5
    assert len(set(hand.root.locator("[data-plane]").evaluate_all(background))) == 2  # one is pressed


def test_the_wheel_passes_on_without_focus_and_at_either_end(open_page: OpenPage) -> None:
    hand = open_page(SliceViewer(known_case(), predictions(known_case())))
    hand.page.set_viewport_size({"width": 1200, "height": 300})
    hand.page.add_style_tag(content="body { padding-bottom: 3000px }")
    hand.page.mouse.move(*hand.center())
    hand.page.mouse.wheel(0, 100)
    scrolls_beyond(hand.page, 0)
    hand.shows("axial", 5)
    hand.page.evaluate("scrollTo(0, 0)")
    hand.press("End")
    hand.page.mouse.move(*hand.center())
    scrolled = hand.page.evaluate("scrollY")
    hand.page.mouse.wheel(0, -100)
    hand.shows("axial", 10)
    assert hand.page.evaluate("scrollY") == scrolled
    hand.page.mouse.wheel(0, 100)
    hand.shows("axial", 11)
    hand.page.mouse.wheel(0, 100)
    scrolls_beyond(hand.page, scrolled)


def scrolls_beyond(page: Page, place: float) -> None:
    for _ in range(50):
        if page.evaluate("scrollY") > place:
            return
        page.wait_for_timeout(50)
    raise AssertionError("the page stands still")


def test_a_finger_pans_the_page_until_the_viewer_was_tapped(browser: Browser, tmp_path: Path) -> None:
    SliceViewer(known_case(), predictions(known_case())).save_html(tmp_path / "touch.html")
    context = browser.new_context(
        viewport={"width": 380, "height": 700}, has_touch=True, is_mobile=True, offline=True
    )
    page = context.new_page()
    page.goto((tmp_path / "touch.html").as_uri())
    hand = Hand(page)
    action = "node => getComputedStyle(node).touchAction"
    assert hand.panels.evaluate(action) == "auto"
    expect(hand.root.get_by_text("tap, then drag")).to_be_visible()
    targets = hand.root.locator(".kv-bar :is(button, select, label), summary").filter(visible=True)
    assert min(targets.evaluate_all("nodes => nodes.map((node) => node.getBoundingClientRect().height)")) >= 28
    hand.page.touchscreen.tap(*hand.center())
    assert hand.panels.evaluate(action) == "none"
    expect(hand.root.locator("[aria-live=polite]")).to_contain_text("voxel (5,")  # the tap reads its voxel

    x, y = hand.center()
    pinch = [[(x, y), (x, y + down)] for down in (30, 40, 50, 60)]
    touch(page, pinch[0][:1], *pinch, [(x, y)], [(x, y + 30)], [(x, y + 60)])
    hand.shows("axial", 5)  # the finger that is lifted last drags nothing
    assert "scale(2" in (hand.root.locator(".kv-stage").first.get_attribute("style") or "")
    touch(page, [(x, y)], [(x, y + 30)], [(x, y + 60)])
    expect(hand.root).not_to_have_attribute("data-shown", "axial:5")

    hand.press("p")
    surface = hand.root.locator(".kv-surface")
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    assert box is not None
    x, y = box["x"] + 20, box["y"] + 40
    touch(page, [(x, y)], [(x + 30, y)], [(x + 60, y)])
    expect(hand.root.locator(".kv-solid")).to_contain_text("aside")
    context.close()


def test_six_panels_fit_a_laptop(open_page: OpenPage) -> None:
    case = known_case()
    assert case.label is not None
    hand = open_page(SliceViewer(case, dict.fromkeys([f"model {n}" for n in range(6)], case.label), mode="errors"))
    hand.page.set_viewport_size({"width": 1366, "height": 768})
    last = hand.root.locator(".kv-frame").last.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] < 768


def test_a_screen_reader_hears_each_slice_once(open_page: OpenPage) -> None:
    """From the slider that has the focus, and not from the number beside it as well."""
    hand = open_page(SliceViewer(known_case()))
    expect(hand.root.get_by_text("6 of 12 (index 5)")).to_have_attribute("aria-live", "off")
    spoken = "nodes => nodes.map((node) => node.dataset.part)"
    assert hand.root.locator("[aria-live=polite]").evaluate_all(spoken) == ["live"]


def test_a_number_that_is_no_window_gives_way_to_the_one_that_is_shown(open_page: OpenPage) -> None:
    hand = open_page(SliceViewer(known_case(), window=(-160, 240)))
    level, width = (hand.root.get_by_label(name) for name in ("level", "width"))
    for field, text in ((level, ""), (width, "-5"), (width, "0")):
        field.fill(text)
        field.press("Tab")
        expect(level).to_have_value("40")
        expect(width).to_have_value("400")
    hand.press("w", "r")
    expect(width).to_have_value("400")  # "r" goes back to the window that Python gave


def test_on_a_phone_the_three_planes_and_the_surface_are_alike_and_named(open_page: OpenPage) -> None:
    case = known_case()
    assert case.label is not None
    hand = open_page(SliceViewer(case, {"vote of the five": case.label}, arrangement="planes"))
    hand.page.set_viewport_size({"width": 390, "height": 844})
    widths = hand.root.locator("figure").evaluate_all("nodes => nodes.map((node) => node.clientWidth)")
    assert max(widths) - min(widths) <= 1
    cut = hand.root.locator("figcaption b").evaluate_all("nodes => nodes.some((b) => b.scrollWidth > b.clientWidth)")
    assert not cut
