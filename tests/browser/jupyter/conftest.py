"""A notebook with two viewers, in JupyterLab and in Notebook 7."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from browser.jupyter.test_jupyterlab import CELLS
from browser.lab import Lab

HEARD = """window.heard = null; // what Jupyter would hear, which listens at the document
document.addEventListener("keydown", (event) => {
    if (!window.heard) return;
    window.heard.push([event.ctrlKey && "Control", event.shiftKey && "Shift", event.key].filter(Boolean).join("+"));
    event.stopImmediatePropagation();
    event.preventDefault();
}, true);"""
SECOND = "SliceViewer(**globals().get('given', {'case': case, 'arrangement': 'planes'}))"  # tests give other things


@pytest.fixture(scope="package")
def lab_page(browser: Browser) -> Iterator[Page]:
    """A page for JupyterLab, which is loaded once: each test that opens a notebook closes the one before."""
    page = browser.new_page()
    page.add_init_script(HEARD)
    yield page
    page.close()


@pytest.fixture(scope="package", params=["lab/tree", "notebooks"])
def guest(
    browser: Browser, lab: Lab, lab_page: Page, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A notebook with a viewer of two panels and one of three planes, executed, in JupyterLab and in Notebook 7."""
    in_lab = request.param == "lab/tree"
    page = lab_page if in_lab else browser.new_page()
    page.set_viewport_size({"width": 1300, "height": 1000})
    if not in_lab:
        page.add_init_script(HEARD)
    paths = [str(pytestconfig.rootpath), str(pytestconfig.rootpath / "tests")]
    name = f"guest_{request.param[:3]}.ipynb"
    lab.open(page, name, [CELLS[0].replace("{paths}", repr(paths)), SECOND], request.param)
    lab.run_all(page)
    yield page
    lab.shut_down(page)
    if not in_lab:
        page.close()
