"""A drag ends with its button, measures on one slice, and follows the hand in a page that is scaled."""

import pytest
from playwright.sync_api import expect

from browser.conftest import OpenPage
from browser.hand import Hand, known_case, predictions
from kits_msan.viewer import SliceViewer

LEFT, RIGHT = 1, 2
STATE = "node => [node.dataset.shown, node.querySelector('.kv-surface').getAttribute('aria-label')]"


@pytest.fixture
def hand(open_page: OpenPage) -> Hand:
    case = known_case()
    return open_page(SliceViewer(case, predictions(case)))


@pytest.mark.parametrize("place", [".kv-frame", ".kv-surface"])
@pytest.mark.parametrize("end", ["while another button is down", "without a word"])
def test_a_drag_ends_with_its_button(hand: Hand, place: str, end: str) -> None:
    hand.press("p")
    box = hand.root.locator(place).first.bounding_box()
    assert box is not None
    session = hand.page.context.new_cdp_session(hand.page)
    states = [hand.root.evaluate(STATE)]

    def send(kind: str, down: int, buttons: int, button: str = "none") -> None:
        """One event of a mouse, so many pixels below the upper edge; `buttons` are those that are down then."""
        at = {"x": box["x"] + 40, "y": box["y"] + 10 + down}
        count = {"clickCount": 1} if button != "none" else {}
        session.send("Input.dispatchMouseEvent", {"type": kind, "button": button, "buttons": buttons, **at, **count})

    send("mouseMoved", 0, 0)
    send("mousePressed", 0, LEFT, "left")
    send("mouseMoved", 30, LEFT)
    hand.page.wait_for_timeout(50)
    states.append(hand.root.evaluate(STATE))
    if end == "without a word":
        send("mouseMoved", 60, 0)
    else:
        send("mousePressed", 30, LEFT | RIGHT, "right")
        send("mouseReleased", 30, RIGHT, "left")
        send("mouseMoved", 60, RIGHT)
    hand.page.wait_for_timeout(50)
    states.append(hand.root.evaluate(STATE))
    for button in ("left", "right"):
        send("mouseReleased", 60, 0, button)
    session.detach()
    assert states[0] != states[1] == states[2]


def test_a_distance_has_both_ends_on_one_slice(hand: Hand) -> None:
    """A wheel turn or another plane in the midst of a drag leaves what was drawn; back there, it goes on."""
    readout, ruler = hand.root.locator(".kv-readout"), hand.root.locator(".kv-ruler").first
    hand.root.get_by_role("button", name="measure", exact=True).click()
    hand.point_at(2, 1)
    hand.page.mouse.down()
    hand.point_at(4, 1)
    hand.page.mouse.wheel(0, 100)
    hand.shows("axial", 6)
    hand.point_at(8, 1)
    expect(readout).to_contain_text("distance 4.0 mm")
    expect(ruler).to_be_hidden()
    hand.press("ArrowUp", "c")
    hand.point_at(8, 1)
    expect(readout).to_contain_text("distance 4.0 mm")
    hand.press("a")
    hand.point_at(8, 1)
    expect(readout).to_contain_text("distance 12.0 mm")
    expect(ruler).to_be_visible()
    hand.page.mouse.up()


@pytest.mark.parametrize("scale", [0.5, 2])
def test_the_picture_follows_the_hand_in_a_scaled_page(hand: Hand, scale: float) -> None:
    """As slide shows scale theirs."""
    hand.page.set_viewport_size({"width": 2400, "height": 2200})
    hand.page.add_style_tag(content=f"body {{ transform: scale({scale}); transform-origin: 0 0; }}")
    hand.press(*"++++")
    hand.root.get_by_role("button", name="pan", exact=True).click()
    stage = hand.root.locator(".kv-stage").first
    before = stage.bounding_box()
    x, y = hand.center()
    hand.page.mouse.move(x, y)
    hand.page.mouse.down()
    hand.page.mouse.move(x + 20, y + 10)
    hand.page.mouse.up()
    after = stage.bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((20, 10), abs=0.5)
