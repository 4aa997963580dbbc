"""One Chromium and one JupyterLab for all browser tests."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from browser.hand import Hand
from browser.lab import CHROMIUM_ARGS, Lab, find_chromium, running_lab
from browser.segment.compute import Run, caller
from kits_msan.course.site import build, segment
from kits_msan.viewer.widget import SliceViewer

HERE = Path(__file__).parent
Launch = Callable[..., Browser]
OpenPage = Callable[[SliceViewer], Hand]
NAME = "01_known"
WIDE = "\n".join("|" + f" {cell} |" * 30 for cell in ("column", "---", "123456"))
SHOW = f"""import sys
sys.path.insert(0, {str(HERE.parent)!r})
from browser.hand import known_case, predictions
from kits_msan import SliceViewer
SliceViewer(known_case(), predictions(known_case()))"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that drives a browser belongs to the slow half; to count its lines would cost most on Playwright's."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.no_cover)


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


@pytest.fixture(scope="session")
def one_page(browser: Browser) -> Iterator[Page]:
    """A page without network. It costs half a second to make, so all tests have the same, emptied; see `page`."""
    context = browser.new_context(offline=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(one_page: Page) -> Iterator[Page]:
    """An empty page without network; an error of its script fails the test, and whatever it asks of a network."""
    page, faults = one_page, list[str]()
    page.set_viewport_size({"width": 1200, "height": 1100})
    page.emulate_media(media="null", color_scheme="null", forced_colors="null", reduced_motion="null")
    page.mouse.move(0, 0)

    def on_error(error: Error) -> None:
        faults.append(str(error))

    def on_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            faults.append(request.url[:80])

    page.on("request", on_request)
    page.on("pageerror", on_error)
    page.on("console", on_message)
    yield page
    if page.url != "about:blank":
        page.evaluate("localStorage.clear()")
        page.goto("about:blank")
    page.remove_listener("request", on_request)
    page.remove_listener("pageerror", on_error)
    page.remove_listener("console", on_message)
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


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course of one notebook, run by Jupyter; the folder of its pages."""
    folder = tmp_path_factory.mktemp("course")
    solution = new_code_cell("answer = 42", metadata={"tags": ["solution"]})
    text = (
        "# 1. Known: a case\n\n**The question.** What does $x^2$ mean?\n\n## A zebra crosses\n\nBehind it a kidney."
    )
    text += f"\n\n{WIDE}\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    cells = [new_markdown_cell(text), new_code_cell(SHOW), solution]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), folder / f"{NAME}.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "NOTEBOOKS", folder)
        patch.setattr(segment, "IN_NOTEBOOKS", {NAME: ("Run the network in this page", "msan_v1")})
        build.build_site(folder / "site")
    return folder / "site"
