"""Zoom, window by dragging, distances, playing, the saved picture, three planes, the surface, linked viewers."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from browser.conftest import OpenPage
from browser.hand import Hand, known_case, predictions, wait_until
from kits_msan.viewer import SliceViewer
from kits_msan.viewer.scripts import page_script, page_style

CASE = known_case()
STAGE = "node => node.getBoundingClientRect().width / node.parentElement.getBoundingClientRect().width"


@pytest.fixture
def hand(open_page: OpenPage) -> Hand:
    return open_page(SliceViewer(CASE, predictions(CASE)))


def drag(hand: Hand, start: tuple[int, int], end: tuple[int, int], panel: int = 0) -> None:
    """From the middle of one voxel to that of another, rows and columns."""
    hand.point_at(*start, panel=panel)
    hand.page.mouse.down()
    hand.point_at(*end, panel=panel)
    hand.page.mouse.up()


def test_zoom_pan_and_fit_keep_the_voxel_under_the_pointer(hand: Hand) -> None:
    stage = hand.root.locator(".kv-stage").first
    hand.press("+", "+")
    assert stage.evaluate(STAGE) == pytest.approx(1.25**2, rel=1e-3)
    hand.press("0")
    assert stage.evaluate(STAGE) == pytest.approx(1)
    hand.point_at(2, 6)
    readout = hand.root.locator(".kv-readout")
    expect(readout).to_contain_text("voxel (5, 2, 6)")
    hand.page.keyboard.down("Control")
    hand.page.mouse.wheel(0, -300)
    hand.page.keyboard.up("Control")
    expect(readout).to_contain_text("voxel (5, 2, 6)")  # the picture grows around the pointer
    assert stage.evaluate(STAGE) > 2
    hand.root.get_by_role("button", name="pan", exact=True).click()
    drag(hand, (5, 4), (5, 2))
    hand.shows("axial", 5)
    hand.root.get_by_role("button", name="1:1").click()
    width = stage.evaluate("node => node.getBoundingClientRect().width")
    assert width == pytest.approx(8, abs=0.1)  # a voxel is one pixel wide


def test_an_enlarged_picture_moves_by_keys(hand: Hand) -> None:
    """Shift and an arrow look further that way; where the whole slice is seen, the key is not the viewer's."""
    stage = hand.root.locator(".kv-stage").first
    left = "node => node.getBoundingClientRect().left - node.parentElement.getBoundingClientRect().left"
    hand.press("Shift+ArrowRight")
    assert stage.evaluate(left) == 0
    hand.press("+", "+", "+")
    before, width = stage.evaluate(left), stage.evaluate("node => node.parentElement.clientWidth")
    hand.press("Shift+ArrowRight")
    assert stage.evaluate(left) == pytest.approx(before - 0.1 * width, abs=1)
    hand.press(*["Shift+ArrowLeft"] * 20)
    assert stage.evaluate(left) == pytest.approx(0, abs=1)  # not beyond its edge
    hand.shows("axial", 5)


def test_window_by_dragging(hand: Hand) -> None:
    hand.root.get_by_role("button", name="window", exact=True).click()
    drag(hand, (8, 1), (2, 1))
    level, width = (hand.root.get_by_label(name).input_value() for name in ("level", "width"))
    assert float(level) < 150  # up is brighter
    assert float(width) == 700
    hand.shows("axial", 5)


def test_a_distance_by_mouse_and_by_keys(hand: Hand) -> None:
    hand.root.get_by_role("button", name="measure", exact=True).click()
    drag(hand, (2, 1), (8, 5))
    readout = hand.root.locator(".kv-readout")
    expect(readout).to_contain_text(f"distance {np.hypot(6 * 2.0, 4 * 1.0):.1f} mm")  # rows of 2 mm, columns of 1 mm
    expect(hand.root.locator(".kv-ruler").first).to_be_visible()
    hand.press("ArrowDown")  # it belongs to its slice
    expect(hand.root.locator(".kv-ruler").first).to_be_hidden()
    hand.press("Escape", "d", "l", "l", "l", "k", "d")
    expect(hand.root.locator("[aria-live=polite]")).to_have_text(f"distance {np.hypot(2.0, 3.0):.1f} mm")


def test_the_crosshair_by_keys_and_by_click_is_read_and_said(hand: Hand) -> None:
    hand.click_at(4, 3)
    said = hand.root.locator("[aria-live=polite]")
    expect(said).to_contain_text("voxel (5, 4, 3)")
    expect(said).to_contain_text("190 HU, truth: tumor, model: tumor")
    hand.page.mouse.move(1, 1)
    hand.press("i", "j", "j")
    expect(hand.root.locator(".kv-readout")).to_contain_text("voxel (5, 3, 1)")
    expect(said).to_contain_text("truth: kidney")
    hand.press("c")
    hand.shows("coronal", 3)  # the planes meet in the crosshair
    hand.press("s")
    hand.shows("sagittal", 1)


def test_three_planes_move_together(hand: Hand) -> None:
    hand.press("p")
    expect(hand.root.locator("figcaption b")).to_have_text(["axial", "coronal", "sagittal", "surface of truth"])
    hand.click_at(7, 2)
    grays = [hand.pixels(plane)[0, 0, 0] for plane in ("axial", "coronal", "sagittal")]
    assert grays == pytest.approx([255 * (hu + 200) / 700 for hu in (20 * 5, 15 * 7, 10 * 2)], abs=1)
    assert hand.root.locator(".kv-line:not([hidden])").count() == 6
    hand.click_at(9, 4, panel=1)  # coronal: slice 9, column 4
    hand.shows("coronal", 7)
    hand.press("a")
    hand.shows("axial", 9)
    hand.press("p")
    expect(hand.root.locator("figcaption b")).to_have_text(["truth", "model"])


def test_the_panel_last_clicked_opens_in_three_planes(hand: Hand) -> None:
    hand.click_at(4, 3, panel=1)
    hand.press("p")
    expect(hand.root.locator(".kv-solid b")).to_have_text("surface of model")
    expect(hand.root.locator("[data-part=chosen]")).to_have_value("model")
    hand.press("p")
    expect(hand.root.locator("figcaption b")).to_have_text(["truth", "model"])


def test_the_surface_turns_by_keys_and_tells_its_side(hand: Hand) -> None:
    hand.press("p")
    surface = hand.root.get_by_role("img", name="surface of truth")
    name = surface.get_attribute("aria-label")
    assert name is not None
    assert CASE.label is not None
    kidney, tumor = (float(f"{(CASE.label == code).sum() * 0.01:.3g}") for code in (1, 2))  # a voxel is 10 cubic mm
    assert name.startswith(f"surface of truth: kidney {kidney:g} ml, tumor {tumor:g} ml; seen from")
    pixels = "node.getContext('2d').getImageData(0, 0, node.width, node.height).data"
    assert surface.evaluate(f"node => (window.front = {pixels}).filter((value) => value > 60).length") > 2000
    surface.focus()
    for _ in range(6):
        hand.page.keyboard.press("ArrowRight")
    expect(hand.root.locator("[aria-live=polite]")).to_have_text("seen from the left")
    hand.shows("axial", 5)
    assert surface.evaluate(f"node => {pixels}.some((value, at) => value !== front[at])")


def test_playing_goes_on_and_stops(hand: Hand) -> None:
    hand.press("Home", " ")
    expect(hand.root).to_have_attribute("data-shown", re.compile(r"^axial:([3-9]|1\d)$"), timeout=30_000)
    hand.press(" ")
    expect(hand.root.get_by_role("button", name="play")).to_have_attribute("aria-pressed", "false")


def test_the_picture_is_saved_with_the_labels_it_shows(hand: Hand, tmp_path: Path) -> None:
    hand.root.get_by_role("slider", name="opacity").fill("1")
    with hand.page.expect_download() as download:
        hand.root.get_by_role("button", name="save PNG").click()
    assert download.value.suggested_filename == "case_known-axial-5.png"
    download.value.save_as(tmp_path / "picture.png")
    seen = np.asarray(Image.open(tmp_path / "picture.png").convert("RGB"), int)
    for color in ([0x56, 0xB4, 0xE9], [0xE6, 0x9F, 0x00]):
        assert (np.abs(seen - color).max(axis=-1) < 3).sum() > 100


def test_picture_window_pan_and_full_screen_by_keyboard_alone(hand: Hand) -> None:
    hand.root.get_by_role("button", name="save PNG").focus()
    with hand.page.expect_download():
        hand.page.keyboard.press("Enter")
    hand.root.get_by_label("level").focus()
    hand.page.keyboard.press("ArrowUp")
    expect(hand.root.get_by_label("level")).to_have_value("160")
    hand.root.get_by_label("width").focus()
    hand.page.keyboard.press("ArrowDown")
    expect(hand.root.get_by_label("width")).to_have_value("690")
    hand.press("p")
    hand.page.set_viewport_size({"width": 1366, "height": 768})
    hand.press("u")
    wait_until(hand.page, "document.fullscreenElement?.matches('.kits-viewer')")
    surface = hand.root.locator(".kv-surface")
    wait_until(hand.page, "document.querySelector('.kv-surface').getBoundingClientRect().bottom < innerHeight")
    expect(surface).to_be_visible()
    hand.press("u")
    wait_until(hand.page, "!document.fullscreenElement")


def test_labels_are_not_smoothed_and_the_image_on_wish(hand: Hand) -> None:
    rendering = "node => getComputedStyle(node).imageRendering"
    image, colors = (hand.root.locator(name).first for name in (".kv-image", ".kv-colors"))
    assert [node.evaluate(rendering) for node in (image, colors)] == ["auto", "pixelated"]
    hand.root.get_by_label("smooth").uncheck()
    assert image.evaluate(rendering) == "pixelated"


def test_linked_viewers_move_together_without_a_kernel(page: Page, tmp_path: Path) -> None:
    """Two viewers made by the page itself, through `KitsViewer.show`."""
    script = """
      const image = Int16Array.from({ length: 4 * 6 * 8 }, (_, i) => i);
      const labels = { truth: new Uint8Array(192).fill(1) };
      for (const name of ["one", "two"]) {
        window[name] = KitsViewer.show(document.body.appendChild(document.createElement("section")),
          { name, shape: [4, 6, 8], spacing: [3, 1, 1], image, labels });
      }"""
    head = f"<!doctype html><title>two</title><style>{page_style()}</style>"
    (tmp_path / "two.html").write_text(f"{head}<body><script>{page_script()}{script}</script>", encoding="utf-8")
    page.goto((tmp_path / "two.html").as_uri())
    first, second = (Hand(page, page.locator(".kits-viewer").nth(at)) for at in (0, 1))
    first.press("Home")
    second.shows("axial", 2)
    for hand in (first, second):
        hand.root.get_by_label("link").check()
    first.press("ArrowDown")
    second.shows("axial", 1)
    second.press("s", "End")
    first.shows("sagittal", 7)
    page.evaluate("one.set({ plane: 'axial', opacity: 1 })")
    assert first.pixels("truth")[0, 0].tolist() == [0x56, 0xB4, 0xE9]
