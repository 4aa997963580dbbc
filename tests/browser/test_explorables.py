"""The drawings to move, in a page without a kernel: each answers to the keyboard, and says in words what it shows."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browser.hand import touch
from browser.test_access import broken
from kits_msan.course.explorables import widgets
from kits_msan.data.cases import Case, kits_affine
from kits_msan.viewer.scripts import PRESETS
from kits_msan.viewer.still import CLASS_COLORS, ERROR_COLORS

MM = (5.0, 4.0, 4.0)
CASE = Case("case", np.zeros((1, 96, 96), np.int16), np.zeros((1, 96, 96), np.uint8), MM, kits_affine(MM))


@pytest.fixture
def show(page: Page, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Shows an explorable in a page of its own, as the site does; returns the page."""

    def shown(explorable: widgets.Explorable) -> Page:
        data, _ = explorable._repr_mimebundle_()
        path = tmp_path / "page.html"
        path.write_text(
            f"<style>{widgets.page_style()}</style>{data['text/html']}<script>{widgets.page_script()}\n"
            "const place = document.querySelector('[data-explorable]'); place.replaceChildren();\n"
            "explore(place.dataset.explorable, place, JSON.parse(place.dataset.given));</script>",
            encoding="utf-8",
        )
        page.goto(path.as_uri())
        return page

    return shown


def line(page: Page):  # type: ignore[no-untyped-def]
    return expect(page.locator(".kits-x-line"))


def press(page: Page, label: str, *keys: str) -> None:
    page.get_by_label(label).focus()
    for key in keys:
        page.keyboard.press(key)


def test_attention(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.attention())
    line(page).to_contain_text("W = 0.88. Skip = 1.00 × 0.88 = 0.88: 88 %")
    press(page, "finer neighbor, pooled", "Home")
    line(page).to_contain_text("= −2.00. W = 0.12")
    expect(page.locator(".kits-x-spoken")).to_contain_text("W = 0.12")  # said once it is still


def test_field_is_what_gradients_measured(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.field(CASE, 0))  # the laptop's network: 4 mm, three poolings; see notebook 3
    for scale, mm in {1: 208, 2: 208, 4: 336, 8: 592}.items():
        press(page, "scale s", "Home", *["ArrowRight"] * (scale - 1))
        line(page).to_contain_text(f"One sees 144 mm; the block 144 + {max(2 * scale - 1, 3) - 1} × 32 = {mm} mm")
        line(page).to_contain_text("the branch beside it 272 mm")


def test_overlap(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.overlap())
    press(page, "Truth and answer", *["ArrowLeft"] * 6)
    line(page).to_contain_text("(441 + 441) = 1.00. Hausdorff distance 0.0 mm")
    page.get_by_label("a false island").check()
    line(page).to_contain_text("(445 + 441) = 1.00. Hausdorff distance 3")  # Dice hardly falls, the distance leaps


def test_the_discs_have_the_colors_of_the_legend_and_of_the_viewer(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.overlap())
    colors = {"in both": CLASS_COLORS["kidney"], **{name: ERROR_COLORS[name] for name in ("missed", "invented")}}
    expect(page.locator(".kits-x-legend li")).to_have_text(list(colors))
    shown = page.locator(".kits-x-legend i").evaluate_all(
        "nodes => nodes.map((node) => getComputedStyle(node).backgroundColor)"
    )
    pixel = "(canvas, x) => [...canvas.getContext('2d').getImageData(4 * x, 160, 1, 1).data].slice(0, 3)"
    places = dict(zip(colors, (43, 29, 57), strict=True))  # columns in the middle row, in mm
    for (name, color), in_legend in zip(colors.items(), shown, strict=True):
        rgb = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        assert in_legend == f"rgb({', '.join(map(str, rgb))})"
        assert page.locator("canvas").evaluate(pixel, places[name]) == rgb, name


@pytest.mark.parametrize(("name", "marks"), [("overlap", ".kits-x-legend i"), ("field", ".kits-x-key li")])
def test_in_high_contrast_the_legends_keep_their_colors(show, name: str, marks: str) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.overlap() if name == "overlap" else widgets.field(CASE, 0))
    page.emulate_media(forced_colors="active")
    looks = (
        "nodes => nodes.map((node) => [getComputedStyle(node)].map((s) => s.backgroundColor + s.borderLeftColor)[0])"
    )
    assert len(set(page.locator(marks).evaluate_all(looks))) == 3


def test_the_first_tap_of_a_finger_wakes_the_discs(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.overlap())
    canvas = page.get_by_label("Truth and answer")
    assert canvas.evaluate("node => getComputedStyle(node).touchAction") == "auto"  # a swipe scrolls the page
    box = canvas.bounding_box()
    place = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)]
    for distance in ("6.0", "0.0"):
        touch(page, place)
        line(page).to_contain_text(f"Hausdorff distance {distance} mm")
    assert canvas.evaluate("node => getComputedStyle(node).touchAction") == "none"


def test_window(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.window(CASE, 0))
    line(page).to_contain_text("Black at −200 HU and below, white at 500")
    for name, (low, high) in PRESETS.items():  # those of the viewer
        page.get_by_role("button", name=name).click()
        line(page).to_contain_text(f"Black at {low:.0f} HU and below, white at {high:.0f}".replace("-", "−"))


def test_vote(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.vote())
    line(page).to_contain_text("kidney and tumor tie with 2 votes each. Among these tumor")
    assert broken(page, "target-size", "empty-table-header") == []
    page.get_by_label("MSAN-V2 + DS votes for").select_option("kidney")
    line(page).to_contain_text("kidney has most votes, 3, and wins. The largest sum alone would have said tumor.")


def set_all(page: Page, values: list[float]) -> list[str]:
    """What the line says as all sliders of the page move to each of these values."""
    said = """(node, values) => values.map((value) => {
        for (const input of node.querySelectorAll("input")) {
            input.value = value;
            input.dispatchEvent(new Event("input", { bubbles: true }));
        }
        return node.querySelector(".kits-x-line").textContent;
    })"""
    return list(page.locator("[data-explorable]").evaluate(said, values))


def test_equal_sums_go_to_the_first_class(show) -> None:  # type: ignore[no-untyped-def]
    """As in `vote`; sums of doubles would differ by a rounding, one way or the other."""
    lines = set_all(show(widgets.vote()), [0.5 + 0.02 * step for step in range(25)])
    wanted = "kidney and tumor tie with 2 votes each. Among these kidney wins: of equal sums, the first class counts."
    assert set(lines) == {wanted}


def test_zero_lies_where_the_interval_that_is_shown_says(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.bootstrap([-4.1, -2.0, 0.3, 1.2, 2.4, 3.6, 5.5, 9.8], "points"))
    seen = []
    for _ in range(8):
        page.get_by_role("button", name="draw 100 times").click()
        seen += set_all(page, list(range(50, 100)))
    for text in seen:
        low, high = map(float, text.replace("−", "-").partition("[")[2].partition("]")[0].split(", "))
        assert ("zero lies inside" in text) == (low <= 0 <= high), text
    assert not [text for text in seen if "[0.0," in text]
    assert [text for text in seen if "[0.0" in text]


def test_bootstrap(show) -> None:  # type: ignore[no-untyped-def]
    page = show(widgets.bootstrap([1.0, 2.0, 3.0, 4.0], "points"))
    line(page).to_contain_text("The mean of all 4 cases is 2.5.")
    for _ in range(5):
        page.get_by_role("button", name="draw 100 times").click()
    line(page).to_contain_text("500 draws.")
    line(page).to_contain_text("zero lies outside")
    page.get_by_role("button", name="start over").click()
    line(page).to_contain_text("Nothing is drawn yet.")
    assert page.locator("svg text").all_text_contents() == ["0", "1", "2", "3", "4", "points"]
    page.set_viewport_size({"width": 380, "height": 800})
    page.reload()
    assert page.locator("svg").evaluate("svg => svg.getScreenCTM().a") > 0.8  # or its letters would be too small
