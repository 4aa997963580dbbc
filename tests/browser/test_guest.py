"""A good guest in JupyterLab and in Notebook 7: keys, and the memory of kernel and page."""

import json
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from playwright.sync_api import Browser, Page, expect

from browser.hand import Hand
from browser.lab import Lab
from browser.test_jupyterlab import CELLS, expect_python

CONTROLS = {
    "panels": ".kv-panels",
    "a button": "button[data-plane=axial]",
    "the slice slider": "[data-part=slice]",
    "the opacity slider": "[data-part=opacity]",
    "a checkbox": "input[name=tumor]",
    "a select": "[data-part=mode]",
    "a number": "[data-part=level]",
    "keys": "summary",
}
STATE = """() => {
    const { content } = jupyterapp.shell.currentWidget;
    return content.widgets.map(({ model }) => `${model.type} ${model.sharedModel.source}`);
}"""
TOUCH = """() => {
    const { model } = jupyterapp.shell.currentWidget.content;
    model.setMetadata("touched", (model.getMetadata("touched") ?? 0) + 1);
}"""
LINK = """
from ipywidgets import IntSlider, jslink
slider = IntSlider(max=100)
link = jslink((viewer, 'index'), (slider, 'value'))
"""
COUNT = "() => jupyterapp.shell.currentWidget.content.widgets[0].model.executionCount"


@pytest.fixture(scope="module", params=["lab/tree", "notebooks"])
def page(browser: Browser, lab: Lab, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A notebook with one viewer, executed, in JupyterLab and then in Notebook 7."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    paths = [str(pytestconfig.rootpath), str(pytestconfig.rootpath / "tests")]
    name = f"guest_{request.param[:3]}.ipynb"
    lab.open(page, name, [CELLS[0].replace("{paths}", repr(paths))], request.param)
    lab.run_all(page)
    yield page
    lab.shut_down(page)
    page.close()


@pytest.mark.parametrize("control", CONTROLS)
def test_jupyter_gets_no_key_that_the_viewer_uses_and_all_others(page: Page, control: str) -> None:
    hand = Hand(page)
    before = page.evaluate(STATE)
    node = hand.root.locator(CONTROLS[control])
    node.focus()
    for key in ("a", "b", "m", "x", "d", "c", "1", "0", "ArrowDown"):
        node.focus()
        page.keyboard.press(key)
    page.wait_for_timeout(200)
    assert page.evaluate(STATE) == before  # no cell was added, deleted, or made Markdown
    expect(hand.root).to_be_visible()
    page.evaluate(TOUCH)
    node.focus()
    page.keyboard.press("Control+s")
    page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty", timeout=10_000)


@pytest.mark.parametrize("control", ["panels", "a button", "a select"])
def test_shift_and_enter_run_the_cell(page: Page, control: str) -> None:
    hand = Hand(page)
    count = page.evaluate(COUNT)
    hand.root.locator(CONTROLS[control]).focus()
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(f"({COUNT})() > {count}", timeout=20_000)


def test_a_cell_that_runs_again_lets_the_volumes_of_its_viewer_go(page: Page, lab: Lab) -> None:
    for _ in range(3):
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    Hand(page)
    alive = "import gc; print(sum(v._image.size > 0 for v in gc.get_objects() if isinstance(v, SliceViewer)))"
    assert lab.run(page, alive) == "1"
    assert page.locator(".kits-viewer").count() == 1


def test_closed_viewers_leave_nothing_in_the_page(page: Page, lab: Lab) -> None:
    """JupyterLab keeps the models of closed widgets; their volumes must be gone all the same."""
    session = page.context.new_cdp_session(page)
    make = "extra = SliceViewer(Case('large', image, None, case.spacing, case.affine)); display(extra)"
    setup = "import numpy as np; from kits_msan.data.cases import Case; from IPython.display import display\n"
    setup += "image = np.random.default_rng(0).integers(-1000, 1000, (16, 256, 256)).astype(np.int16)"
    lab.run(page, setup)
    sizes = []
    for _ in range(6):
        lab.run(page, make)  # two megabytes each
        page.wait_for_timeout(1000)
        lab.run(page, "extra.close()")
        page.wait_for_timeout(500)
        session.send("HeapProfiler.collectGarbage")
        sizes.append(session.send("Runtime.getHeapUsage")["backingStorageSize"] / 2**20)
    assert sizes[-1] - sizes[1] < 2, sizes  # four more viewers


def test_jslink_moves_a_slider_and_the_viewer_without_python(page: Page, lab: Lab) -> None:
    lab.run(page, LINK)
    hand = Hand(page)
    hand.press("a", "Home", "ArrowDown", "ArrowDown")
    expect_python(page, lab, "slider.value", "2")
    lab.run(page, "slider.value = 7")
    hand.shows("axial", 7)
    lab.run(page, "slider.value = 50")
    hand.shows("axial", 11)


def test_with_the_settings_of_make_lab_a_saved_viewer_lives_without_its_kernel(
    browser: Browser, lab: Lab, pytestconfig: pytest.Config
) -> None:
    root = pytestconfig.rootpath
    assert "notebooks/settings" in (root / "Makefile").read_text(encoding="utf-8")
    settings = json.loads((root / "notebooks" / "settings" / "overrides.json").read_text(encoding="utf-8"))
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    for name, values in settings.items():
        url = f"{lab.url}/lab/api/settings/{name}?token={lab.token}"
        assert page.request.put(url, data=json.dumps({"raw": json.dumps(values)})).ok
    lab.open(page, "kept.ipynb", [CELLS[0].replace("{paths}", repr([str(root), str(root / "tests")]))])
    lab.run_all(page)
    Hand(page).press("Home")
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
    lab.shut_down(page)
    lab.show(page, "kept.ipynb")
    hand = Hand(page)
    hand.press("Home", "ArrowDown")
    hand.shows("axial", 1)
    lab.shut_down(page)
    page.close()
    assert_picture(lab.notebooks / "kept.ipynb")


def assert_picture(path: Path) -> None:
    """nbconvert of an executed notebook, saved without the state of its widgets, shows the picture."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets")
    body, _ = HTMLExporter().from_notebook_node(notebook)
    assert 'alt="case_known, axial slice' in body
