"""What is painted and said: labels, errors, heat, windows, the readout, words for screen readers."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Launch, OpenPage
from browser.hand import Hand, assert_pixels, gray, known_case, painted, predictions, wait_until
from kits_msan.data.cases import Case, kits_affine
from kits_msan.viewer.still import HEAT_COLORS
from kits_msan.viewer.widget import SliceViewer

CASE = known_case()
assert CASE.image is not None
TRUTH, MODEL = predictions(CASE).values()
GRAY = gray(CASE.image[5])


@pytest.fixture
def hand(open_page: OpenPage) -> Hand:
    return open_page(SliceViewer(CASE, predictions(CASE)))


def test_fill_opacity_and_class_switches_change_the_right_pixels(hand: Hand) -> None:
    assert_pixels(hand.pixels("truth"), painted(GRAY, TRUTH[5], 0.5))
    assert_pixels(hand.pixels("model"), painted(GRAY, MODEL[5], 0.5))
    hand.root.get_by_role("slider", name="opacity").fill("0.8")
    assert_pixels(hand.pixels("truth"), painted(GRAY, TRUTH[5], 0.8))
    tumor = hand.root.get_by_role("checkbox", name="tumor")
    tumor.uncheck()
    assert_pixels(hand.pixels("truth"), painted(GRAY, np.where(TRUTH[5] == 2, 0, TRUTH[5]), 0.8))
    hand.press("1")
    assert_pixels(hand.pixels("truth"), GRAY)
    hand.press("2")
    expect(tumor).to_be_checked()
    assert_pixels(hand.pixels("model"), painted(GRAY, np.where(MODEL[5] == 1, 0, MODEL[5]), 0.8))


def test_outline_is_solid_and_one_voxel_wide(hand: Hand) -> None:
    hand.root.get_by_label("labels").select_option("outline")
    assert_pixels(hand.pixels("truth"), painted(GRAY, TRUTH[5], 1.0))  # no voxel has its own class on all four sides
    hand.press("PageUp", *["ArrowDown"] * 8)
    hand.shows("axial", 8)
    ring = TRUTH[8].copy()
    ring[4:7, 2:5] = 0
    assert CASE.image is not None
    assert_pixels(hand.pixels("truth"), painted(gray(CASE.image[8]), ring, 1.0))
    expect(hand.root.get_by_role("slider", name="opacity")).to_be_disabled()


def test_an_outline_has_no_gap_where_the_screen_has_fewer_pixels_than_voxels(open_page: OpenPage) -> None:
    label = np.zeros((1, 220, 220), np.uint8)
    label[0, 60:160, 60:160] = 1
    image = np.zeros(label.shape, np.int16)
    hand = open_page(
        SliceViewer(Case("fine", image, label, (1.0, 1.0, 1.0), kits_affine((1.0, 1.0, 1.0))), mode="outline")
    )
    hand.page.set_viewport_size({"width": 900, "height": 400})  # leaves the panel 150 pixels
    colored = """canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 110, 110, 1);
        return data.filter((value, at) => at % 4 === 3 && value > 0).length;
    }"""  # of the left half of the middle row
    overlay = hand.root.locator(".kv-colors")
    wait_until(hand.page, f"({colored})(document.querySelector('.kv-colors')) === 2")
    hand.press(*["+"] * 3)  # enlarged, it is one voxel wide
    wait_until(hand.page, f"({colored})(document.querySelector('.kv-colors')) === 1")
    assert overlay.evaluate("canvas => canvas.width") == 220


def test_errors_show_missed_invented_and_confused_voxels(hand: Hand) -> None:
    hand.press("e")
    wrong = TRUTH[5].copy()  # where nothing is wrong, its outline: here each voxel touches another class
    wrong[3, 1:6] = 3  # missed
    wrong[4:8, 6] = 4  # invented
    wrong[5, 4] = 5  # kidney in place of tumor
    assert_pixels(hand.pixels("model"), painted(GRAY, wrong, 0.5))
    assert_pixels(hand.pixels("truth"), painted(GRAY, TRUTH[5], 0.5))
    for name in ("missed", "invented", "wrong class"):
        expect(hand.root.get_by_text(name, exact=True)).to_be_visible()
    hand.press("1")  # without kidney, only errors with tumor are left, and are called as before
    only_tumor = np.where(TRUTH[5] == 2, 2, 0)
    only_tumor[5, 4] = 5
    assert_pixels(hand.pixels("model"), painted(GRAY, only_tumor, 0.5))
    hand.press("1", "2")
    only_kidney = np.where(wrong == 2, 0, wrong)
    assert_pixels(hand.pixels("model"), painted(GRAY, only_kidney, 0.5))
    hand.press("2")
    hand.press("f")
    expect(hand.root.get_by_text("missed", exact=True)).to_be_hidden()


def test_windows(hand: Hand) -> None:
    hand.press("1", "2", "w")
    assert CASE.image is not None
    assert_pixels(hand.pixels("truth"), gray(CASE.image[5], (-160, 240)))
    preset = hand.root.get_by_label("window")
    assert preset.locator("option").first.text_content() == "paper, -200 to 500 HU"
    preset.select_option(label="bone, -450 to 1050 HU")
    assert_pixels(hand.pixels("truth"), gray(CASE.image[5], (-450, 1050)))
    hand.root.get_by_label("level").fill("200")
    hand.root.get_by_label("width").fill("100")
    assert_pixels(hand.pixels("truth"), gray(CASE.image[5], (150, 250)))
    expect(preset).to_have_value("")


def test_heat_has_its_own_range_and_the_readout_tells_it(open_page: OpenPage) -> None:
    heat = np.linspace(-1, 3, CASE.label.size if CASE.label is not None else 0).reshape(CASE.shape)
    hand = open_page(SliceViewer(CASE, {"truth": TRUTH}, {"attention": heat}, opacity=1, index=5))
    steps = np.rint((heat[5] + 1) / 4 * 255).astype(int)
    colors = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in HEAT_COLORS])
    assert_pixels(hand.pixels("attention"), colors[steps])
    assert hand.root.locator(".kv-scale span").all_text_contents() == ["-1", "", "3"]
    hand.point_at(4, 2, panel=1)
    expect(hand.root.locator(".kv-value")).to_have_text(["tumor", "0.8"])


def test_readout_under_the_pointer(hand: Hand) -> None:
    hand.point_at(5, 4)
    expect(hand.root.locator(".kv-value")).to_have_text(["tumor", "kidney"])
    readout = hand.root.locator(".kv-readout")
    expect(readout).to_contain_text("voxel (5, 5, 4)")
    expect(readout).to_contain_text("L 4.0, P 10.0, I 25.0 mm")
    expect(readout).to_contain_text("215 HU")
    hand.press("ArrowDown")  # under a pointer at rest, the next slice is read
    expect(readout).to_contain_text("235 HU")
    hand.press("c")
    hand.point_at(2, 7)
    expect(readout).to_contain_text("voxel (2, 4, 7)")
    hand.press("s")
    hand.point_at(11, 9)
    expect(readout).to_contain_text("voxel (11, 9, 2)")


def test_names_values_and_focus(hand: Hand) -> None:
    panels = hand.root.get_by_role("slider", name="case_known: CT slices")
    for name, value in (("valuemin", "1"), ("valuemax", "12"), ("valuenow", "6")):
        expect(panels).to_have_attribute(f"aria-{name}", value)
    expect(panels).to_have_attribute("aria-valuetext", "axial slice 6 of 12, tumor in truth, model")
    hand.press("Home")
    expect(panels).to_have_attribute("aria-valuetext", "axial slice 1 of 12, no tumor")
    assert panels.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"

    reached = []
    hand.page.locator("h1").click()
    for _ in range(35):
        hand.page.keyboard.press("Tab")
        reached.append(
            hand.page.evaluate(
                """() => {
                    const node = document.activeElement;
                    const visible = getComputedStyle(node).outlineStyle !== "none";
                    const name = node.dataset.part ?? node.dataset.plane;
                    return visible ? name ?? (node.name || node.textContent || node.localName) : "unseen";
                }"""
            )
        )
    above = ["axial", "coronal", "sagittal", "3 planes", "slice", "play", "next tumor", "most tumor"]
    above += ["mode", "opacity", "kidney", "tumor", "full screen", "save PNG"]
    below = ["preset", "level", "width", "scroll", "window", "pan", "measure", "\u2212", "+", "fit", "1:1"]
    below += ["smooth", "crossed", "link", "keys"]
    assert reached[: len(above) + 1 + len(below)] == [*above, "panels", *below]


def test_the_saved_picture_tells_what_it_shows(open_page: OpenPage) -> None:
    heat = np.linspace(-1, 3, TRUTH.size).reshape(TRUTH.shape)
    long = "a network with a name that is longer than its panel is wide " * 2
    hand = open_page(SliceViewer(CASE, {"truth": TRUTH, long: MODEL}, {"attention": heat}, mode="errors", index=5))
    hand.page.evaluate(
        """() => {
            const { prototype } = CanvasRenderingContext2D, fillText = prototype.fillText;
            window.written = [];
            window.saved = [];
            prototype.fillText = function (text, x, y) {
                written.push([text, x + this.measureText(text).width]);
                fillText.call(this, text, x, y);
            };
            HTMLCanvasElement.prototype.toBlob = function () { saved.push(this.toDataURL()); };
        }"""
    )
    hand.root.get_by_role("button", name="save PNG").click()
    words, ends = zip(*hand.page.evaluate("written.splice(0)"), strict=True)
    assert list(words[:3]) == ["case_known", "axial slice 6 of 12, -200 to 500 HU", "truth"]
    for word in ("R", "L", "A", "P", "2 mm"):
        assert words.count(word) == 3, word
    assert words[-7:] == ("-1", "3", *("kidney", "tumor", "missed", "invented", "wrong class"))
    [cut] = (at for at, word in enumerate(words) if word.startswith("a network"))
    assert words[cut].endswith("\u2026")
    assert ends[cut] < hand.root.evaluate("node => node.querySelectorAll('figure')[2].offsetLeft")
    hand.press("2", "f", "d", "l", "d")
    hand.root.get_by_role("button", name="save PNG").click()
    words, _ = zip(*hand.page.evaluate("written.splice(0)"), strict=True)
    assert words[1].endswith("HU, distance 1.0 mm")
    assert words[-2:] == ("3", "kidney")
    for key in ("Escape", "x", "p"):  # without the distance, without the crosshair, in three planes
        hand.press(key)
        hand.root.get_by_role("button", name="save PNG").click()
    words, _ = zip(*hand.page.evaluate("written"), strict=True)
    assert {"truth, -200 to 500 HU", "coronal slice 5 of 10", "surface of truth, from the front"} <= set(words)
    assert len(set(hand.page.evaluate("saved"))) == 5


def test_plain_ct_has_no_label_controls(open_page: OpenPage) -> None:
    hand = open_page(SliceViewer(CASE.with_label(None)))
    assert CASE.image is not None
    hand.shows("axial", 6)
    assert_pixels(hand.pixels("CT"), gray(CASE.image[6]))
    hand.press("n", "m", "e", "ArrowDown")
    hand.shows("axial", 7)
    for name in ("next tumor", "most tumor"):
        expect(hand.root.get_by_role("button", name=name)).to_be_hidden()
    expect(hand.panels).to_have_attribute("aria-valuetext", "axial slice 8 of 12")


def test_large_page_is_rounded_and_says_so(page: Page, tmp_path: Path) -> None:
    SliceViewer(CASE).save_html(tmp_path / "coarse.html", hu_step=8)
    page.goto((tmp_path / "coarse.html").as_uri())
    hand = Hand(page)
    hand.point_at(5, 4)
    expect(hand.root.locator(".kv-readout")).to_contain_text("about 216 HU")
    expect(page.get_by_text("rounded to multiples of 8 HU")).to_be_visible()


def test_extreme_hounsfield_values_arrive_unchanged(open_page: OpenPage) -> None:
    image = np.array([[[-32768, 32767], [0, -1]], [[32767, -32768], [3071, -1024]]], np.int16)
    hand = open_page(SliceViewer(Case("case_extreme", image, None, (1.0, 1.0, 1.0), np.eye(4)), index=0))
    for (row, column), value in {(0, 0): -32768, (0, 1): 32767, (1, 0): 0, (1, 1): -1}.items():
        hand.point_at(row, column)
        expect(hand.root.locator(".kv-readout")).to_contain_text(f" {value} HU")


def test_no_network_and_no_webgl(launch: Launch, tmp_path: Path) -> None:
    """In a Chromium with 3-D switched off; nothing but the file itself is asked for."""
    SliceViewer(CASE, {"a <b> & </script>": TRUTH}).save_html(tmp_path / "viewer.html")
    browser = launch("--disable-3d-apis")
    page = browser.new_page(offline=True)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / "viewer.html").as_uri())
    hand = Hand(page)
    assert page.evaluate("document.createElement('canvas').getContext('webgl')") is None
    hand.press("Home", "ArrowDown", "ArrowDown", "ArrowDown")
    hand.shows("axial", 3)
    expect(hand.root.locator("figcaption b")).to_have_text("a <b> & </script>")
    browser.close()
    assert requests == [(tmp_path / "viewer.html").as_uri()]
