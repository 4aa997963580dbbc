"""A hand on one viewer in a page, and a small case whose every voxel is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page, expect

from kits_msan.data.cases import Case, kits_affine
from kits_msan.viewer.still import CODE_COLORS

CANVASES = (".kv-image", ".kv-colors")
OPACITY = "canvas => getComputedStyle(canvas).opacity"
SHAPE = (12, 10, 8)
SPACING = (5.0, 2.0, 1.0)


def known_case() -> Case:
    """HU 20 d + 15 h + 10 w, so that the first pixel of a slice tells its index; kidney in slices 2-8, tumor in 4-6.

    In axial slice 5 there are most tumor voxels: rows 4 and 5, columns 2 to 4.
    """
    d, h, w = np.indices(SHAPE)
    label = np.zeros(SHAPE, np.uint8)
    label[2:9, 3:8, 1:6] = 1
    label[4:7, 4, 2:4] = 2
    label[5, 4:6, 2:5] = 2
    return Case("case_known", (20 * d + 15 * h + 10 * w).astype(np.int16), label, SPACING, kits_affine(SPACING))


def predictions(case: Case) -> dict[str, NDArray[np.uint8]]:
    """The truth, and a prediction that misses a row, invents a column and confuses one tumor voxel in slice 5."""
    assert case.label is not None
    wrong = case.label.copy()
    wrong[5, 3, 1:6] = 0  # missed
    wrong[5, 4:8, 6] = 1  # invented
    wrong[5, 5, 4] = 1  # the wrong class
    return {"truth": case.label, "model": wrong}


def gray(hounsfield: NDArray[Any] | float, window: tuple[float, float] = (-200, 500)) -> NDArray[Any]:
    """What the CT alone must look like, (rows, columns) 0..255."""
    return 255 * (np.clip(np.asarray(hounsfield, float), *window) - window[0]) / (window[1] - window[0])


def painted(base: NDArray[Any], codes: NDArray[Any], alpha: float) -> NDArray[Any]:
    """What colored codes over (rows, columns) gray must look like, (rows, columns, 3)."""
    colors = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in CODE_COLORS])
    share = np.where(codes > 0, alpha, 0)[..., None]
    return base[..., None] * (1 - share) + colors[codes] * share


def wait_until(page: Page, expression: str) -> None:
    """Until it holds, 30 s at most. `wait_for_function` asks in the page, whose policy forbids to evaluate text."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it never holds: {expression}")


def touch(page: Page, *steps: Sequence[tuple[float, float]]) -> None:
    """Each step says where fingers lie; where a step has fewer, the last ones are lifted, and in the end all."""
    session = page.context.new_cdp_session(page)
    before: Sequence[tuple[float, float]] = ()
    for points in [*steps, ()]:
        kind = "touchStart" if len(points) > len(before) else "touchEnd" if len(points) < len(before) else "touchMove"
        changed = enumerate(points) if kind != "touchEnd" else list(enumerate(before))[len(points) :]
        fingers = [{"x": x, "y": y, "id": at} for at, (x, y) in changed]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
        before = points
    session.detach()


class Hand:
    """Drives the viewer at `root` with keys and mouse, and reads its pixels."""

    def __init__(self, page: Page, root: Locator | None = None):
        self.page = page
        self.root = root or page.locator(".kits-viewer").first
        expect(self.root).to_have_attribute("data-ready", "true", timeout=30_000)
        self.panels = self.root.locator(".kv-panels")

    def shows(self, plane: str, index: int) -> None:
        """Wait until exactly this slice is drawn."""
        expect(self.root).to_have_attribute("data-shown", f"{plane}:{index}")

    def press(self, *keys: str) -> None:
        self.panels.focus()
        for key in keys:
            self.page.keyboard.press(key)

    def center(self, panel: int = 0) -> tuple[float, float]:
        box = self.root.locator(".kv-frame").nth(panel).bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def point_at(self, row: int, column: int, panel: int = 0) -> None:
        """Hold the pointer over the middle of one voxel."""
        canvas = self.root.locator(".kv-image").nth(panel)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        columns, rows = canvas.evaluate("canvas => [canvas.width, canvas.height]")
        self.page.mouse.move(
            box["x"] + box["width"] * (column + 0.5) / columns, box["y"] + box["height"] * (row + 0.5) / rows
        )

    def click_at(self, row: int, column: int, panel: int = 0) -> None:
        """Click on the middle of one voxel."""
        self.point_at(row, column, panel)
        self.page.mouse.down()
        self.page.mouse.up()

    def pixels(self, panel: str) -> NDArray[np.float64]:
        """(rows, columns, 3) RGB of a panel, one pixel a voxel: the image, with the colors over it."""
        image, colors = (self._canvas(f'.kv-frame:has([data-panel="{panel}"]) {name}') for name in CANVASES)
        opacity = float(self.root.locator(f'.kv-frame:has([data-panel="{panel}"]) .kv-colors').evaluate(OPACITY))
        share = colors[..., 3:] / 255 * opacity
        return image[..., :3] * (1 - share) + colors[..., :3] * share

    def _canvas(self, selector: str) -> NDArray[np.float64]:
        rows, columns, values = self.root.locator(selector).evaluate(
            """canvas => [canvas.height, canvas.width,
                [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]]"""
        )
        return np.array(values, float).reshape(rows, columns, 4)


def assert_pixels(seen: NDArray[Any], wanted: NDArray[Any]) -> None:
    """Equal within rounding; `wanted` is RGB, or gray for all three."""
    if wanted.ndim == 2:
        wanted = np.repeat(wanted[..., None], 3, axis=2)
    np.testing.assert_allclose(seen, wanted, atol=1.01)


def first_pixels(hand: Hand, panels: Sequence[str]) -> list[float]:
    """The gray of each panel's first pixel, which tells its slice in `known_case`."""
    return [float(hand.pixels(panel)[0, 0, 0]) for panel in panels]
