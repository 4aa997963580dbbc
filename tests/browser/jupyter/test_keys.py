"""Which keys reach Jupyter from a viewer: all but its own, from each of its controls."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from browser.hand import Hand

CONTROLS = {
    "panels": ".kv-panels",
    "a button": "button[data-plane=axial]",
    "the slice slider": "[data-part=slice]",
    "the opacity slider": "[data-part=opacity]",
    "a checkbox": "input[name=tumor]",
    "a select": "[data-part=mode]",
    "a number": "[data-part=level]",
    "keys": "summary",
    "the surface": ".kv-surface",
}
OURS = ["a", "b", "c", "d", "d", "e", "f", "i", "j", "k", "l", "m", "n", "o", "s", "w", "x", "1", "2", "0", "r"]
OURS += ["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End", "+", "-", "0"]
JUPYTERS = ["y", "z", "v", "t", "h", "q", "F1", "F2", "Shift+ArrowDown", "Shift+ArrowUp", "Shift+Enter"]
JUPYTERS += [f"Control+{key}" for key in ("Enter", "s", "z", "f", "a", "b", "c", "x", "v", "m", "ArrowDown")]
OWN = {  # of Jupyter's, what the browser itself does with a letter
    "a select": {"y", "z", "v", "t", "h", "q"},
    "a number": {"y", "z", "v", "t", "h", "q"},
}
STATE = """() => {
    const { content } = jupyterapp.shell.currentWidget;
    return content.widgets.map(({ model }) => `${model.type} ${model.sharedModel.source}`);
}"""
TOUCH = """() => {
    const { model } = jupyterapp.shell.currentWidget.content;
    model.setMetadata("touched", (model.getMetadata("touched") ?? 0) + 1);
}"""
KEEP = """node => { // the focus, which some keys move; outlines switch the opacity off: then to the panels
    window.kept?.abort();
    window.kept = new AbortController();
    const { signal } = window.kept;
    document.addEventListener("keyup", () => node.disabled || node.focus(), { capture: true, signal });
    node.focus();
}"""
CAPITAL = [
    (key.upper(), key.upper()) for key in "abcdefmxr"
]  # with CapsLock: what a key writes, and its Latin letter
CYRILLIC = list(zip("фисвуаьчк", "ABCDEFMXR", strict=True))
FRENCH = [("&", "1"), ("é", "2"), ("à", "0")]
COUNT = "() => jupyterapp.shell.currentWidget.content.widgets[0].model.executionCount"


@pytest.mark.parametrize("control", CONTROLS)
def test_jupyter_gets_no_key_that_the_viewer_uses_and_all_others(guest: Page, control: str) -> None:
    hand = Hand(guest)
    before = guest.evaluate(STATE)
    node = control_of(hand, control)
    for key in ("a", "b", "m", "x", "d", "c", "1", "0", "ArrowDown"):
        node.focus()
        guest.keyboard.press(key)
    guest.wait_for_timeout(200)
    assert guest.evaluate(STATE) == before  # no cell was added, deleted, or made Markdown
    expect(hand.root).to_be_visible()
    guest.evaluate(TOUCH)
    node.focus()
    guest.keyboard.press("Control+s")
    guest.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty", timeout=10_000)


@pytest.mark.parametrize(
    ("keys", "plane"),
    [(CAPITAL, "coronal"), (CYRILLIC, "coronal"), (FRENCH, "sagittal")],
    ids=["CapsLock", "Cyrillic", "French"],
)
def test_the_viewers_keys_are_its_own_on_any_keyboard(guest: Page, keys: list[tuple[str, str]], plane: str) -> None:
    """Jupyter's shortcuts go by the Latin letter or digit, and x cuts the cell."""
    hand = Hand(guest)
    hand.press("s")
    session, before = guest.context.new_cdp_session(guest), guest.evaluate(STATE)
    guest.evaluate("heard = []")
    for text, plain in keys:
        code = f"Key{plain}" if plain.isalpha() else f"Digit{plain}"
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if kind == "keyDown" else {}
            given = {"type": kind, "key": text, "code": code, "windowsVirtualKeyCode": ord(plain), **typed}
            session.send("Input.dispatchKeyEvent", given)
    session.detach()
    assert guest.evaluate("const all = heard; heard = null; all") == []
    assert guest.evaluate(STATE) == before
    expect(hand.root).to_have_attribute("data-shown", re.compile(f"^{plane}"))


def control_of(hand: Hand, control: str) -> Locator:
    """One of CONTROLS, in the arrangement that has it."""
    if (control == "the surface") != (hand.root.locator(".kv-surface").count() == 1):
        hand.press("p")
    node = hand.root.locator(CONTROLS[control])
    expect(node).to_be_visible()
    return node


def test_which_keys_jupyter_hears(guest: Page) -> None:
    """All but those that the viewer uses, and but letters in fields; none of the viewer's own.

    In Notebook 7, where the viewer's keys take the same way, three controls stand for all.
    """
    hand = Hand(guest)
    for control in CONTROLS if "/lab/" in guest.url else ("panels", "a number", "the surface"):
        node = control_of(hand, control)
        guest.evaluate("heard = []")
        wanted = [key for key in JUPYTERS if key not in OWN.get(control, set())]
        node.evaluate(KEEP)
        for key in OURS + JUPYTERS:
            guest.keyboard.press(key)
        heard = guest.evaluate("kept.abort(); const all = heard; heard = null; all")
        modifiers = {"Control+Control", "Shift+Shift"}
        assert [key for key in heard if key not in modifiers] == wanted, control


@pytest.mark.parametrize("control", CONTROLS)
def test_shift_and_enter_run_the_cell(guest: Page, control: str) -> None:
    hand = Hand(guest)
    node = control_of(hand, control)
    count = guest.evaluate(COUNT)
    hand.root.evaluate("node => { node.dataset.before = true; }")
    node.focus()
    guest.keyboard.press("Shift+Enter")
    guest.wait_for_function(f"({COUNT})() > {count}", timeout=20_000)
    expect(guest.locator("[data-before]")).to_have_count(0, timeout=20_000)


def test_a_control_that_goes_away_leaves_the_focus_in_the_viewer(guest: Page) -> None:
    """Or the next keys would delete cells."""
    hand = Hand(guest)
    before = guest.evaluate(STATE)
    hand.press("f")
    hand.root.locator(CONTROLS["the opacity slider"]).focus()
    guest.keyboard.press("o")
    expect(hand.panels).to_be_focused()
    control_of(hand, "the surface").focus()
    for key in "pddm":
        guest.keyboard.press(key)
    expect(hand.root.locator(".kv-surface")).to_have_count(0)
    expect(hand.panels).to_be_focused()
    assert guest.evaluate(STATE) == before
