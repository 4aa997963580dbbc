"""The viewer in a running JupyterLab: both directions, its keys and themes, and a notebook without a kernel."""

import json

import nbformat
import pytest
from playwright.sync_api import Page, expect

from browser.hand import Hand
from browser.lab import VIEWER, Lab

CELLS = [
    "import sys; sys.path[:0] = {paths}\n"
    "from browser.hand import known_case, predictions\n"
    "from kits_msan.viewer.widget import SliceViewer\n"
    "case = known_case()\n"
    "viewer = SliceViewer(case, predictions(case))\n"
    "viewer",
    "seen = []\nviewer.observe(lambda change: seen.append(change.new), 'index')",
    "viewer",
]


@pytest.fixture(scope="module")
def page(lab_page: Page, lab: Lab, pytestconfig: pytest.Config) -> Page:
    """A notebook that shows one viewer twice, executed."""
    lab_page.set_viewport_size({"width": 1300, "height": 1500})
    paths = [str(pytestconfig.rootpath), str(pytestconfig.rootpath / "tests")]
    lab.open(lab_page, "viewer.ipynb", [cell.replace("{paths}", repr(paths)) for cell in CELLS])
    lab.run_all(lab_page)
    return lab_page


@pytest.fixture
def hand(page: Page, lab: Lab) -> Hand:
    lab.run(page, "viewer.plane, viewer.index = 'axial', 5")
    hand = Hand(page)
    hand.shows("axial", 5)
    return hand


def test_python_and_browser_stay_in_step(page: Page, lab: Lab, hand: Hand) -> None:
    second = Hand(page, page.locator(VIEWER).nth(1))
    hand.press("ArrowDown", "ArrowDown")
    second.shows("axial", 7)
    expect_python(page, lab, "viewer.index", "7")
    hand.press("c", "ArrowUp")
    expect_python(page, lab, "(viewer.plane, viewer.index)", "('coronal', 3)")
    lab.run(page, "viewer.index = 9")
    hand.shows("coronal", 9)
    second.shows("coronal", 9)
    lab.run(page, "viewer.plane = 'axial'")
    hand.shows("axial", 7)  # as it was left
    assert lab.run(page, "print(viewer.index, seen[-1])") == "7 7"

    lab.run(page, "viewer.window, viewer.opacity, viewer.mode = (-160, 240), 0.9, 'errors'")
    expect(hand.root.get_by_label("window")).to_have_value("-160,240")
    expect(hand.root.get_by_role("slider", name="opacity")).to_have_value("0.9")
    expect(hand.root.get_by_text("missed", exact=True)).to_be_visible()
    second.press("w", "f", "2")
    second.root.get_by_role("slider", name="opacity").fill("0.25")
    wanted = "((-450.0, 1050.0), 0.25, 'fill', ['kidney'])"
    expect_python(page, lab, "(viewer.window, viewer.opacity, viewer.mode, viewer.classes)", wanted)
    assert "ValueError" in lab.run(page, "try:\n viewer.index = 12\nexcept ValueError as e:\n print('ValueError', e)")


def test_fast_keys_end_on_the_exact_slice_and_jupyter_gets_none(page: Page, lab: Lab, hand: Hand) -> None:
    hand.press("Home")
    cells = page.locator(".jp-Notebook-cell").count()
    selected = page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex")
    hand.press(*["ArrowDown"] * 30, *["ArrowUp"] * 3, *"abdxm", *["ArrowDown"] * 2)
    hand.shows("axial", 7)
    expect_python(page, lab, "viewer.index", "7")
    assert page.locator(".jp-Notebook-cell").count() == cells  # a and b would add cells, x deletes one
    assert page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex") == selected


def test_an_echo_from_python_never_moves_the_hand_back(page: Page, lab: Lab, hand: Hand) -> None:
    """At any rhythm of the keys: an echo may come between a key and the next."""
    hand.press("Home")
    for key, last in (("ArrowDown", 11), ("ArrowUp", 0)):
        for pause in range(20, 75, 5):
            page.keyboard.press(key)
            page.wait_for_timeout(pause)
        expect_python(page, lab, "viewer.index", str(last))
        hand.shows("axial", last)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_can_be_read_in_both_themes(page: Page, hand: Hand, theme: str) -> None:
    page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    for selector in ("figcaption b", ".kv-readout", "output", "label", "select", "button[data-plane=coronal]"):
        contrast = hand.root.locator(selector).first.evaluate(CONTRAST)
        assert contrast > 4.5, selector  # WCAG 2.2, AA


def test_without_a_kernel_the_notebook_shows_a_described_picture(page: Page, lab: Lab) -> None:
    """As the course stores its notebooks: outputs kept, the reference to the live widget taken out."""
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    path = lab.notebooks / "viewer.ipynb"
    page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
    assert path.stat().st_size < 0.3 * 2**20
    notebook = nbformat.read(path, as_version=4)
    data = notebook.cells[0].outputs[0].data
    assert data.pop("application/vnd.jupyter.widget-view+json")
    assert data["text/plain"] == "SliceViewer(case_known, axial slice 6 of 12, panels: truth, model)"
    notebook.cells = notebook.cells[:1]
    lab.shut_down(page)
    nbformat.write(notebook, lab.notebooks / "still.ipynb")
    for app in ("lab/tree", "notebooks"):
        lab.show(page, "still.ipynb", app)
        picture = page.get_by_role("img", name="case_known, axial slice 6 of 12")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.naturalWidth") == 2 * 128 + 4


def test_viewers_fill_a_row_and_leave_a_word_where_they_are_closed(
    lab_page: Page, lab: Lab, pytestconfig: pytest.Config
) -> None:
    """In a row they have no width of their own. Then the cell that made them runs again, and not the one below."""
    paths = [str(pytestconfig.rootpath), str(pytestconfig.rootpath / "tests")]
    make = CELLS[0].replace("{paths}", repr(paths)).removesuffix("viewer")
    show = "from ipywidgets import HBox\ndisplay(viewer)\nHBox([viewer, viewer])"
    lab.open(lab_page, "row.ipynb", [make, show])
    lab.run_all(lab_page)
    expect(lab_page.locator(VIEWER)).to_have_count(3)
    wide, *row = (box["width"] for one in lab_page.locator(VIEWER).all() if (box := one.bounding_box()))
    assert row[0] == row[1] > 0.4 * wide
    lab_page.evaluate("jupyterapp.shell.currentWidget.content.activeCellIndex = 0")
    lab_page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    words = lab_page.get_by_text("This viewer is closed. Run the cell that makes it, then this one.")
    expect(words).to_have_count(3)
    expect(words.first).to_be_visible()
    lab_page.evaluate("jupyterapp.commands.execute('notebook:run-cell-and-select-next')")
    lab_page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")
    expect(lab_page.locator(VIEWER)).to_have_count(3)
    expect(words).to_have_count(0)
    lab.shut_down(lab_page)


CONTRAST = """node => {
    const read = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = color.slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let behind = node;
    while ((read(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
    const [a, b] = [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor].map(read).map(light);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


def expect_python(page: Page, lab: Lab, expression: str, wanted: str) -> None:
    """The kernel hears of the last change a moment after the hand rests."""
    seen = ""
    for _ in range(40):
        seen = lab.run(page, f"print({expression})")
        if seen == wanted:
            return
        page.wait_for_timeout(50)
    assert seen == wanted, json.dumps({"expression": expression})
