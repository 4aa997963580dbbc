"""One Chromium and one JupyterLab for all browser tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from browser.hand import Hand
from browser.lab import CHROMIUM_ARGS, Lab, find_chromium, running_lab
from browser.segment.compute import Run, caller
from kits_msan.viewer.widget import SliceViewer

HERE = Path(__file__).parent
Launch = Callable[..., Browser]
OpenPage = Callable[[SliceViewer], Hand]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that drives a browser belongs to the slow half."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium; without one the tests are skipped, but in CI they fail."""
    found = find_chromium()
    if found is None:
        reason = "no Chromium: looked for /usr/bin/chromium, and for chromium and google-chrome on the PATH"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def launch(chromium: str) -> Iterator[Launch]:
    """Start a Chromium with further arguments; all are closed at the end."""
    with sync_playwright() as playwright:
        yield lambda *extra: playwright.chromium.launch(executable_path=chromium, args=[*CHROMIUM_ARGS, *extra])


@pytest.fixture(scope="session")
def browser(launch: Launch) -> Iterator[Browser]:
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without network, on which an error of the script fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 1100}, offline=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert not faults


@pytest.fixture
def open_page(page: Page, tmp_path: Path) -> OpenPage:
    """Save a viewer with `save_html`, open it from disk, and put a hand on it."""

    def open_viewer(viewer: SliceViewer) -> Hand:
        viewer.save_html(tmp_path / "viewer.html")
        viewer.close()
        page.goto((tmp_path / "viewer.html").as_uri())
        return Hand(page)

    return open_viewer


@pytest.fixture(scope="session")
def run(browser: Browser) -> Iterator[Run]:
    """Calls what computes in a page that segments; see `caller`."""
    context = browser.new_context(offline=True)
    yield caller(context.new_page())
    context.close()
