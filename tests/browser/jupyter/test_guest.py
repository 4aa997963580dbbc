"""A good guest in JupyterLab and in Notebook 7: its memory, its links, its size on a laptop."""

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import CDPSession, Page, expect

from browser.hand import Hand
from browser.jupyter.test_jupyterlab import expect_python
from browser.lab import VIEWER, Lab

LARGE = """
import numpy as np
from kits_msan.data.cases import Case
image = np.random.default_rng(0).integers(-1000, 1000, (16, 256, 256)).astype(np.int16)
large = Case('large', image, None, case.spacing, case.affine)
given = {'case': large}
"""
SIX = "given = {'case': case, 'overlays': dict.fromkeys(map(str, range(6)), case.label), 'mode': 'errors'}"
LINK = """
from ipywidgets import IntSlider, jslink
slider = IntSlider(max=100)
link = jslink((viewer, 'index'), (slider, 'value'))
"""


def test_a_cell_that_runs_again_lets_the_volumes_of_its_viewer_go(guest: Page, lab: Lab) -> None:
    for _ in range(3):
        guest.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    Hand(guest)
    alive = "import gc; print(sum(v._image.size > 0 for v in gc.get_objects() if isinstance(v, SliceViewer)))"
    assert lab.run(guest, alive) == "2"
    assert guest.locator(".kits-viewer").count() == 2


def test_closed_viewers_leave_nothing_in_the_page(guest: Page, lab: Lab) -> None:
    """JupyterLab keeps the models of closed widgets; their volumes must be gone all the same."""
    session = guest.context.new_cdp_session(guest)
    lab.run(guest, LARGE + "del given\nfrom IPython.display import display")
    sizes = []
    for _ in range(6):
        before = held(session)
        lab.run(guest, "extra = SliceViewer(large); display(extra)")  # two megabytes
        assert any(held(session) > before + 1 for _ in patience(guest)), "it did not come to the page"
        lab.run(guest, "extra.close()")
        any(held(session) < before + 1 for _ in patience(guest))
        sizes.append(held(session))
    assert sizes[-1] - sizes[1] < 2, sizes  # four more viewers


def held(session: CDPSession) -> float:
    """Megabytes of volumes that the page cannot let go of."""
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["backingStorageSize"]) / 2**20


def patience(page: Page) -> Iterator[None]:
    """Some looks, for two seconds in all."""
    for _ in range(20):
        yield
        page.wait_for_timeout(100)


def test_a_large_cell_that_runs_again_leaves_nothing_in_the_page(guest: Page, lab: Lab) -> None:
    """As a student does it, who changes a line and runs the cell again and again; what is shown is let go as well."""
    session = guest.context.new_cdp_session(guest)
    lab.run(guest, LARGE)
    sizes = []
    for _ in range(6):
        lab.run_all(guest)  # a viewer of two megabytes
        Hand(guest, guest.locator(VIEWER).nth(1)).shows("axial", 8)
        sizes.append(held(session))
    lab.run(guest, "del given")
    lab.run_all(guest)
    assert sizes[0] > 2, sizes
    assert sizes[-1] - sizes[1] < 2, sizes  # four more viewers


def test_the_code_of_the_viewers_is_imported_once(guest: Page, lab: Lab) -> None:
    """A page never lets go of what it has imported: 0.1 MB with each run of a cell."""
    session = guest.context.new_cdp_session(guest)
    scripts: list[dict[str, Any]] = []
    session.on("Debugger.scriptParsed", lambda script: scripts.append(script))
    for _ in range(3):
        guest.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
    Hand(guest)
    session.send("Debugger.enable")  # tells of all scripts that there are
    guest.wait_for_timeout(1000)
    session.detach()
    assert len({one["url"] for one in scripts if one["url"].startswith("blob:") and one["length"] > 50_000}) == 1


def test_planes_and_panels_in_two_cells_move_together(guest: Page) -> None:
    """The three planes of one cell beside the comparison in another: both have their box `link` ticked."""
    expect(guest.locator(VIEWER)).to_have_count(2)
    panels, planes = (Hand(guest, guest.locator(VIEWER).nth(at)) for at in (0, 1))
    if panels.root.locator(".kv-surface").count():
        panels.press("p")
    for hand in (panels, planes):
        hand.root.get_by_label("link").check()
    panels.press("a", "Home", "ArrowDown")
    planes.shows("axial", 1)
    planes.press("c", "End")
    panels.shows("coronal", 9)
    panels.press("a")
    panels.click_at(6, 3)
    planes.press("c")
    panels.shows("coronal", 6)
    planes.press("s")
    panels.shows("sagittal", 3)
    for hand in (panels, planes):
        hand.root.get_by_label("link").uncheck()
    panels.press("a")


def test_six_panels_fit_a_laptop(guest: Page, lab: Lab) -> None:
    """Of what Jupyter's bars leave of 1366x768, when the viewer is scrolled to the top."""
    lab.run(guest, SIX)
    lab.run_all(guest)
    guest.set_viewport_size({"width": 1366, "height": 768})
    hand = Hand(guest, guest.locator(VIEWER).nth(1))
    hand.press("Home")
    expect(hand.root.locator(".kv-frame")).to_have_count(6)
    hand.root.evaluate("node => node.scrollIntoView({ block: 'start' })")
    seen = guest.locator(".jp-WindowedPanel-outer").first.bounding_box()
    top, last = hand.root.bounding_box(), hand.root.locator(".kv-frame").last.bounding_box()
    lab.run(guest, "del given")
    lab.run_all(guest)
    guest.set_viewport_size({"width": 1300, "height": 1000})
    assert seen is not None
    assert top is not None
    assert last is not None
    assert last["y"] + last["height"] - top["y"] < min(768, seen["y"] + seen["height"]) - seen["y"]


def test_jslink_moves_a_slider_and_the_viewer_without_python(guest: Page, lab: Lab) -> None:
    lab.run(guest, LINK)
    hand = Hand(guest)
    hand.press("a", "Home", "ArrowDown", "ArrowDown")
    expect_python(guest, lab, "slider.value", "2")
    lab.run(guest, "slider.value = 7")
    hand.shows("axial", 7)
    lab.run(guest, "slider.value = 50")
    hand.shows("axial", 11)
