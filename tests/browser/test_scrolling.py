"""Every way of scrolling lands on the exact slice, on every panel, in every plane. Pages saved with `save_html`."""

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.conftest import OpenPage
from browser.hand import Hand, first_pixels, gray, known_case, predictions
from kits_msan.data.cases import Case, kits_affine
from kits_msan.viewer.widget import SliceViewer

KEYS = [
    (["ArrowDown"], 6),
    (["ArrowRight", "ArrowRight"], 7),
    (["ArrowUp"], 4),
    (["ArrowLeft"] * 3, 2),
    (["PageDown"], 11),
    (["PageUp"], 0),
    (["Home"], 0),
    (["End"], 11),
    (["End", "ArrowDown"], 11),
    (["Home", "ArrowUp"], 0),
    (["Home", "n"], 4),
    (["n", "n"], 4),  # past the last slice with tumor it goes on from the first
    (["b"], 4),
    (["Home", "m"], 5),
]


@pytest.fixture
def hand(open_page: OpenPage) -> Hand:
    case = known_case()
    return open_page(SliceViewer(case, predictions(case)))


def test_keys_land_on_the_exact_slice(hand: Hand) -> None:
    for keys, index in KEYS:
        hand.press("m", *keys)  # slice 5 has most tumor
        hand.shows("axial", index)
        assert first_pixels(hand, ["truth", "model"]) == pytest.approx([gray(20.0 * index)] * 2, abs=1)


def test_wheel_moves_a_slice_a_notch_and_only_the_panels_take_it(hand: Hand) -> None:
    hand.panels.focus()
    hand.page.mouse.move(*hand.center())
    for notch in (100, 120, 100):
        hand.page.mouse.wheel(0, notch)
    hand.shows("axial", 8)
    hand.page.mouse.wheel(0, -100)
    hand.shows("axial", 7)
    for _ in range(4):
        hand.page.mouse.wheel(0, 20)  # a touchpad
    hand.shows("axial", 9)
    hand.page.set_viewport_size({"width": 1200, "height": 300})
    heading = hand.page.locator("h1").bounding_box()
    assert heading is not None
    hand.page.mouse.move(heading["x"] + 5, heading["y"] + 5)
    hand.page.mouse.wheel(0, 100)
    hand.page.wait_for_timeout(300)
    assert hand.page.evaluate("scrollY") > 0
    hand.shows("axial", 9)


def test_slider_drag_and_buttons(hand: Hand) -> None:
    slider = hand.root.get_by_role("slider", name="slice", exact=True)
    slider.fill("9")
    hand.shows("axial", 9)
    slider.press("ArrowDown")  # the same way as over the panels
    hand.shows("axial", 10)
    hand.root.get_by_role("button", name="most tumor").click()
    hand.shows("axial", 5)
    hand.root.get_by_role("button", name="next tumor").click()
    hand.shows("axial", 6)

    x, y = hand.center(1)
    height = hand.root.locator(".kv-image").first.evaluate("canvas => canvas.clientHeight")
    hand.page.mouse.move(x, y)
    hand.page.mouse.down()
    hand.page.mouse.move(x, y + 3 * height / 12, steps=5)  # the height of a panel is the whole stack of 12
    hand.shows("axial", 9)
    hand.page.mouse.move(x, y - height, steps=5)
    hand.shows("axial", 0)
    hand.page.mouse.up()
    hand.page.mouse.move(x, y)
    hand.shows("axial", 0)


def test_planes_keep_their_index_and_their_shape(hand: Hand) -> None:
    sizes = {"axial": (8 * 1, 10 * 2), "coronal": (8 * 1, 12 * 5), "sagittal": (10 * 2, 12 * 5)}  # mm
    first = {"axial": 20, "coronal": 15, "sagittal": 10}  # HU from one slice to the next
    edges = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}
    kept = {"axial": 2, "coronal": 7, "sagittal": 3}
    for plane, index in kept.items():
        hand.root.get_by_role("button", name=plane).click()
        hand.press("Home", *["ArrowDown"] * index)
        hand.shows(plane, index)
    for key, plane in (("a", "axial"), ("c", "coronal"), ("s", "sagittal")):
        hand.press(key)
        hand.shows(plane, kept[plane])
        expect(hand.root.get_by_role("button", name=plane)).to_have_attribute("aria-pressed", "true")
        assert first_pixels(hand, ["truth", "model"]) == pytest.approx([gray(first[plane] * kept[plane])] * 2, abs=1)
        box = hand.root.locator(".kv-image").first.bounding_box()
        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(sizes[plane][0] / sizes[plane][1], rel=0.01)
        assert "".join(hand.root.locator("figure").first.locator(".kv-mark").all_text_contents()) == edges[plane]


@pytest.mark.parametrize("shape", [(1, 60, 60), (4, 60, 60), (7, 60, 60), (12, 60, 60), (12, 60, 3), (60, 60, 60)])
def test_letters_and_scale_never_lie_over_each_other(open_page: OpenPage, shape: tuple[int, int, int]) -> None:
    case = Case("flat", np.zeros(shape, np.int16), None, (1.0, 1.0, 1.0), kits_affine((1.0, 1.0, 1.0)))
    hand = open_page(SliceViewer(case, arrangement="planes"))
    frames = hand.root.locator(".kv-frame").evaluate_all(
        """frames => frames.map((frame) => [frame, ...frame.querySelectorAll(".kv-mark, .kv-bar-length")]
            .map((node) => node.getBoundingClientRect()).filter(({ width }) => width)
            .map(({ left, top, right, bottom }) => [left, top, right, bottom]))"""
    )
    assert [len(marks) for marks in frames].count(1 + 5) >= 3 * (
        shape == (60, 60, 60)
    )  # the frame, 4 letters, the scale
    for (left, top, right, bottom), *marks in frames:
        for at, (x1, y1, x2, y2) in enumerate(marks):
            assert left <= x1
            assert top <= y1
            assert x2 <= right
            assert y2 <= bottom
            assert not [m for m in marks[at + 1 :] if x1 < m[2] and m[0] < x2 and y1 < m[3] and m[1] < y2]


def test_two_panels_never_differ_in_index(open_page: OpenPage) -> None:
    case = known_case()
    assert case.label is not None
    names = [f"model {number}" for number in range(6)]
    hand = open_page(SliceViewer(case, dict.fromkeys(names, case.label), classes=[], index=0))
    hand.root.evaluate(
        """root => {
            window.seen = [];
            const read = canvas => canvas.getContext("2d").getImageData(0, 0, 1, 1).data[0];
            new MutationObserver(() => window.seen.push([...root.querySelectorAll(".kv-image")].map(read)))
                .observe(root, { attributeFilter: ["data-shown"] });
        }"""
    )
    hand.press(*["ArrowDown"] * 11, *["PageUp", "End", "Home"], *["ArrowRight", "ArrowLeft"] * 5, "End")
    hand.shows("axial", 11)
    seen = hand.page.evaluate("seen")
    assert len(seen) >= 11
    assert all(len(set(grays)) == 1 for grays in seen)
    assert seen[-1] == pytest.approx([gray(20.0 * 11)] * 6, abs=1)


@pytest.fixture
def tall(open_page: OpenPage) -> Hand:
    """A viewer on 60 slices, at the first."""
    case = known_case()
    assert case.image is not None
    tall = Case("case_tall", np.repeat(case.image, 5, axis=0), None, case.spacing, case.affine)
    return open_page(SliceViewer(tall, index=0))


def test_forty_fast_keys_all_arrive_and_each_is_drawn(tall: Hand) -> None:
    tall.root.evaluate(
        """root => {
            window.drawn = 0;
            new MutationObserver((changes) => { window.drawn += changes.length; })
                .observe(root, { attributeFilter: ["data-shown"] });
        }"""
    )
    tall.press(*["ArrowDown"] * 40)
    tall.shows("axial", 40)
    assert tall.page.evaluate("drawn") == 40


def test_keys_add_up_where_drawing_is_too_slow_for_them(tall: Hand) -> None:
    """All forty come before the first can be drawn."""
    tall.panels.evaluate(
        """panels => {
            for (let n = 0; n < 40; n++) {
                panels.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
            }
        }"""
    )
    tall.shows("axial", 40)
