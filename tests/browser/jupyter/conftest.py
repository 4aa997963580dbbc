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


@pytest.fixture(scope="package", params=["lab/tree", "notebooks"])
def guest(browser: Browser, lab: Lab, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A notebook with a viewer of two panels and one of three planes, executed, in JupyterLab and in Notebook 7."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.add_init_script(HEARD)
    paths = [str(pytestconfig.rootpath), str(pytestconfig.rootpath / "tests")]
    name = f"guest_{request.param[:3]}.ipynb"
    lab.open(page, name, [CELLS[0].replace("{paths}", repr(paths)), SECOND], request.param)
    lab.run_all(page)
    yield page
    lab.shut_down(page)
    page.close()
