"""What is left of a viewer in a notebook that was saved and is opened without its kernel."""

import json
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from playwright.sync_api import Browser, expect

from browser.hand import Hand
from browser.jupyter.test_jupyterlab import CELLS
from browser.lab import VIEWER, Lab


def test_with_the_settings_of_make_lab_a_saved_viewer_lives_without_its_kernel(
    browser: Browser, lab: Lab, pytestconfig: pytest.Config
) -> None:
    """Saved by JupyterLab and opened in Notebook 7, and the other way around."""
    root = pytestconfig.rootpath
    assert "notebooks/settings" in (root / "Makefile").read_text(encoding="utf-8")
    settings = json.loads((root / "notebooks" / "settings" / "overrides.json").read_text(encoding="utf-8"))
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    for name, values in settings.items():
        url = f"{lab.url}/lab/api/settings/{name}?token={lab.token}"
        assert page.request.put(url, data=json.dumps({"raw": json.dumps(values)})).ok
    lab.open(page, "kept.ipynb", [CELLS[0].replace("{paths}", repr([str(root), str(root / "tests")]))])
    for other in ("notebooks", "lab/tree"):
        page.evaluate("jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
        expect(page.locator(VIEWER)).to_have_count(0)
        lab.run_all(page)
        Hand(page).press("Home")
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
        lab.shut_down(page)
        assert_picture(lab.notebooks / "kept.ipynb")
        lab.show(page, "kept.ipynb", other)
        hand = Hand(page)
        hand.press("Home", "ArrowDown")
        hand.shows("axial", 1)
    lab.shut_down(page)
    page.close()


def assert_picture(path: Path) -> None:
    """nbconvert of an executed notebook, saved without the state of its widgets, shows the picture."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets")
    body, _ = HTMLExporter().from_notebook_node(notebook)
    assert 'alt="case_known, axial slice' in body
