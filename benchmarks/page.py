"""Measure the networks in a page, opened from disk in headless Chromium.

    .venv/bin/python benchmarks/page.py            some minutes

Each phantom of the page: one network after the other, then the vote of five, from the button to the labels on the
screen. Then a scan of 512 x 512 x 108 voxels of one's own. Of each: seconds, the longest time between two frames, and
the memory of the networks.
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import Row, arguments, record, row
from playwright.sync_api import Browser, Page, expect, sync_playwright

from kits_msan.course.paths import CHECKPOINTS
from kits_msan.data.cases import IMAGE, save_case
from kits_msan.networks.registry import MODELS, TITLES
from kits_msan.page.build import write_segment
from kits_msan.page.scripts import segment_style
from kits_msan.phantom import phantom_case
from kits_msan.viewer.scripts import page_script, page_style

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from browser.lab import CHROMIUM_ARGS, find_chromium  # noqa: E402

HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title><main data-segment=""></main>
<script src="viewer.js"></script><script src="segment.js"></script>
<script>
KitsSegment.connect(KitsSegment);
window.longest = 0;
let last = performance.now();
const frame = (now) => { longest = Math.max(longest, now - last); last = now; requestAnimationFrame(frame); };
requestAnimationFrame(frame);
</script>"""
LIMITS = {"one network": 3.0, "vote of five": 15.0, "longest frame": 0.1}  # seconds
METHOD = (
    "Shipped networks in a page from disk, in headless Chromium: from the button to the labels on the screen, over "
    "all phantoms of the page ({grid} voxels). The longest frame is the longest time between two frames on the way. "
    "The peer is the limit that the page was designed for."
)


def write_page(folder: Path) -> None:
    write_segment(folder, CHECKPOINTS)
    (folder / "viewer.js").write_text(page_script(), encoding="utf-8")
    style = f"<style>{page_style()}{segment_style()}</style>"
    (folder / "index.html").write_text(HTML.replace("<main", f"{style}<main"), encoding="utf-8")


def idle(page: Page) -> None:
    expect(page.locator("main")).to_have_attribute("data-state", "idle", timeout=600_000)


def segment(page: Page, names: list[str]) -> dict[str, float]:
    """Seconds from the button to the labels, the longest frame on the way, and MB of the networks' memory."""
    for name in MODELS:
        page.locator(f"input[value={name}]").set_checked(name in names)
    page.evaluate("longest = 0")
    page.get_by_role("button", name="Segment").click()
    idle(page)
    page.wait_for_timeout(300)
    said = page.locator("[data-part=status]").inner_text()
    [seconds] = re.findall(r": ([\d.]+) s\.$", said) or [f"nan: {said}"]
    memory = [text for text in page.locator("tbody td:nth-child(5)").all_inner_texts() if text]
    frame = page.evaluate("longest") / 1000
    return {"seconds": float(seconds), "frame": round(frame, 3), "memory_mb": sum(map(float, memory))}


def measure(browser: Browser, folder: Path, quick: bool) -> dict[str, Any]:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto((folder / "index.html").as_uri())
    idle(page)
    scans = [
        value
        for value in page.locator("[data-part=scan] option").evaluate_all("all => all.map(o => o.value)")
        if value
    ]
    found: dict[str, Any] = {"one network": [], "vote of five": []}
    voters = list(MODELS)[:1] if quick else list(MODELS)
    for scan in scans[:1] if quick else scans:
        page.locator("[data-part=scan]").select_option(scan)
        idle(page)
        found["one network"].append({"scan": scan, **segment(page, ["unet3d"])})
        page.locator("[data-part=scan]").select_option(scans[-1] if scan != scans[-1] else scans[0])
        idle(page)
        page.locator("[data-part=scan]").select_option(scan)  # nothing is kept of the run before
        idle(page)
        found["vote of five"].append({"scan": scan, **segment(page, voters)})
    page.close()
    return found


def measure_large(browser: Browser, folder: Path) -> dict[str, float]:
    """A scan of one's own, with all networks."""
    save_case(phantom_case(7, "paper", (108, 512, 512), (3.0, 0.78, 0.78)), folder / "large")
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto((folder / "index.html").as_uri())
    idle(page)
    page.evaluate("longest = 0")
    page.locator("input[type=file]").set_input_files(folder / "large" / IMAGE)
    idle(page)
    page.wait_for_timeout(300)
    opening = page.evaluate("longest") / 1000
    found = segment(page, list(MODELS))
    page.close()
    return {"opening_frame": round(opening, 3), **found}


def within(limit: str, title: str, seconds: list[float]) -> Row:
    return row(title, seconds, "a limit", [LIMITS[limit]] * len(seconds), goal=1.0)


def main() -> None:
    args = arguments(__doc__).parse_args()
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium: looked for /usr/bin/chromium, and for chromium and google-chrome on the PATH")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        write_page(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        found = measure(browser, folder, args.quick)
        large = {} if args.quick else measure_large(browser, folder)
        version = browser.version
        browser.close()
    rows = []
    for what in ("one network", "vote of five"):
        title = f"In a page, {what if what != 'one network' else TITLES['unet3d']}"
        rows.append(within(what, title, [run["seconds"] for run in found[what]]))
        rows.append(within("longest frame", f"{title}: longest frame", [run["frame"] for run in found[what]]))
        rows.append(row(f"{title}: memory", [max(run["memory_mb"] for run in found[what])], unit="MB"))
    if large:
        rows.append(row("In a page, 512 x 512 x 108 voxels, vote of five", [large["seconds"]]))
        frame = max(large["frame"], large["opening_frame"])
        rows.append(within("longest frame", "In a page, 512 x 512 x 108 voxels: longest frame", [frame]))
    record("page", rows, args, METHOD.format(grid="56 x 96 x 96"), chromium=version, results=found, large=large)


if __name__ == "__main__":
    main()
