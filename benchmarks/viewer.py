"""Measure the slice viewer in headless Chromium in a real JupyterLab.

    .venv/bin/python benchmarks/viewer.py            some minutes

One panel and six panels on 512x512x128 voxels, one panel on 512x512x300. Of each: seconds until the first view,
milliseconds from a key to its pixels, how many of 40 fast keys are drawn, and what the browser's memory grows by.
Then one panel in turn with peers, of which those are measured that are installed: see peers/viewers.py.
"""

import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from common import arguments, record, row
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
PATHS = [str(ROOT), str(ROOT / "tests")]
sys.path[:0] = PATHS

from browser.hand import Hand  # noqa: E402
from browser.lab import CHROMIUM_ARGS, VIEWER, Lab, find_chromium, running_lab  # noqa: E402
from peers import viewers  # noqa: E402

RUNS = [("one panel", 128, 1), ("six panels", 128, 6), ("one panel, 300 slices", 300, 1)]

REPEATS = 3
WEBGL = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # in software; of the peers, ipyniivue needs it
METHOD = (
    "The viewer in JupyterLab in headless Chromium, 512 x 512 pixels a slice. Rows with a peer: the same 512 x 512 x "
    "128 voxels with labels, in the same run, {repeats} notebooks of each in turn; from key to pixels, the median of "
    "{keys} keys. matplotlib draws a new figure for each slice, ipympl changes one; both have an ipywidgets slider. "
    "There is no graphics card, so ipyniivue's WebGL is computed in software, in a browser of its own."
)
COLUMNS = {
    "volume": "512x512 a slice; a body with kidneys, spine and noise of 15 HU (which no compression can remove)",
    "first_view_s": "from starting the cell that makes and shows the viewer until its first slice is drawn",
    "key_to_pixels_ms": "30 keys, 100 ms apart: from the key event until the browser has finished the next frame "
    "after the drawing",
    "fast_keys_drawn_of_40": "40 keys, each sent as soon as the browser has taken the last: slices drawn",
    "held_key_frames_of_40": "40 keys at 30 a second, as a held key repeats: frames that show a new slice",
    "browser_growth_mb": "resident memory of Chromium's renderer processes, 3 s after the first view, less before",
    "saved_page_mb": "size of the page that save_html writes, HU rounded to 8",
    "notebook_mb": "size of the notebook, saved with its outputs and without widget state",
}

SETUP = """
import sys; sys.path[:0] = {paths}
import numpy as np
from kits_msan.data.cases import Case, kits_affine
from kits_msan.viewer.widget import SliceViewer

random = np.random.default_rng(0)
d, h, w = {slices}, 512, 512
z, y, x = np.ogrid[-1:1:d * 1j, -1:1:h * 1j, -1:1:w * 1j]
image = np.full((d, h, w), -1000, np.int16)
label = np.zeros((d, h, w), np.uint8)
image[np.broadcast_to((y / 0.7) ** 2 + (x / 0.9) ** 2 < 1, image.shape)] = -90
image[np.broadcast_to((y / 0.6) ** 2 + (x / 0.8) ** 2 < 1, image.shape)] = 50
image[np.broadcast_to(((y - 0.4) / 0.12) ** 2 + (x / 0.12) ** 2 < 1, image.shape)] = 400
for side in (-0.4, 0.4):
    kidney = (z / 0.5) ** 2 + ((y - 0.2) / 0.18) ** 2 + ((x - side) / 0.14) ** 2 < 1
    image[kidney], label[kidney] = 170, 1
tumor = ((z - 0.1) / 0.25) ** 2 + ((y - 0.1) / 0.12) ** 2 + ((x - 0.4) / 0.12) ** 2 < 1
image[tumor], label[tumor] = 90, 2
for part in image:
    part += random.normal(0, 15, part.shape).astype(np.int16)
case = Case("case_00000", image, label, (3.0, 0.78, 0.78), kits_affine((3.0, 0.78, 0.78)))
overlays = {{f"model {{number}}": np.roll(label, number, 2) for number in range({panels})}}
"""
SHOW = "viewer = SliceViewer(case, overlays)\nviewer"

FIRST_VIEW = f"""async () => {{
    const start = performance.now();
    const finished = jupyterapp.commands.execute("notebook:run-all-cells");
    await new Promise((done) => {{
        const look = () => document.querySelector("{VIEWER}") ? done() : requestAnimationFrame(look);
        look();
    }});
    const seconds = (performance.now() - start) / 1000;
    await finished;
    return seconds;
}}"""

# Before the page's own scripts: the viewer takes its keys before anyone else hears them.
NOTE_KEYS = "window.addEventListener('keydown', (event) => { window.pressed = event.timeStamp; }, true);"
WATCH = """root => {
    window.drawn = []; window.latencies = []; window.frames = [];
    let last = null;
    new MutationObserver(() => {
        drawn.push(root.dataset.shown);
        const from = window.pressed;
        requestAnimationFrame(() => { // a task posted in a frame runs when the frame has been painted
            const { port1, port2 } = new MessageChannel();
            port1.onmessage = () => latencies.push(performance.now() - from);
            port2.postMessage(0);
        });
    }).observe(root, { attributeFilter: ["data-shown"] });
    const frame = () => {
        if (root.dataset.shown !== last) frames.push(last = root.dataset.shown);
        requestAnimationFrame(frame);
    };
    frame();
}"""


def renderer_mb() -> float:
    """Resident memory of the renderer processes of this script's own Chromium."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                total += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return total / 2**20


def press(hand: Hand, page: Page, key: str, times: int, pause: float) -> float:
    """Press a key again and again and return the seconds taken, counted anew in the page."""
    page.wait_for_timeout(1000)
    page.evaluate("() => { drawn.length = latencies.length = frames.length = 0; }")
    start = time.perf_counter()
    for number in range(times):
        page.keyboard.press(key)
        if pause:
            time.sleep(max(0.0, start + (number + 1) * pause - time.perf_counter()))
    seconds = time.perf_counter() - start
    page.wait_for_timeout(500)
    return seconds


def measure(browser: Browser, lab: Lab, slices: int, panels: int) -> dict[str, Any]:
    page = browser.new_page(viewport={"width": 1400, "height": 1200})
    page.add_init_script(NOTE_KEYS)
    lab.open(page, "viewer.ipynb", [SHOW])
    error = lab.run(page, SETUP.format(paths=PATHS, slices=slices, panels=panels))
    assert not error, error
    before = renderer_mb()
    first_view = page.evaluate(FIRST_VIEW)
    hand = Hand(page)
    page.wait_for_timeout(3000)
    memory = renderer_mb() - before
    hand.root.evaluate(WATCH)

    hand.press("Home")
    seconds = press(hand, page, "ArrowDown", 40, 0)
    hand.shows("axial", min(40, slices - 1))
    drawn = page.evaluate("drawn.length")
    press(hand, page, "ArrowUp", 40, 1 / 30)
    hand.shows("axial", 0)
    frames = page.evaluate("frames.length")
    press(hand, page, "ArrowDown", 30, 0.1)
    latencies = sorted(page.evaluate("latencies"))

    payload = lab.run(
        page, "d = viewer.get_state('_data')['_data']; print(sum(map(len, sum([d['image'], *d['labels']], []))))"
    )
    python = lab.run(
        page, "import time; t = time.time(); SliceViewer(case, overlays).close(); print(time.time() - t)"
    )
    lab.run(page, "viewer.save_html('page.html')")
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")
    lab.shut_down(page)
    page.close()
    return {
        "voxels": f"512x512x{slices}",
        "panels": panels,
        "first_view_s": round(first_view, 2),
        "of_which_python_s": round(float(python), 2),
        "sent_mb": round(int(payload) / 1e6, 1),
        "key_to_pixels_ms": {"median": round(statistics.median(latencies), 1), "worst": round(latencies[-1], 1)},
        "fast_keys_drawn_of_40": drawn,
        "fast_keys_per_s": round(40 / seconds),
        "held_key_frames_of_40": frames,
        "browser_growth_mb": round(memory),
        "saved_page_mb": round((lab.notebooks / "page.html").stat().st_size / 1e6, 1),
        "notebook_mb": round((lab.notebooks / "viewer.ipynb").stat().st_size / 1e6, 3),
    }


def main() -> None:
    args = arguments(__doc__).parse_args()
    chromium = find_chromium()
    if chromium is None:
        sys.exit("no Chromium: looked for /usr/bin/chromium, and for chromium and google-chrome on the PATH")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder)) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        for name, slices, panels in RUNS[:1] if args.quick else RUNS:
            found[name] = measure(browser, lab, 16 if args.quick else slices, panels)
        packages = ["jupyterlab", *(viewers.TOOLS[name].package for name in viewers.installed())]
        versions = {name: version(name) for name in packages} | {"chromium": browser.version}
        few = [arg for arg in CHROMIUM_ARGS if arg != "--disable-gpu"] + WEBGL
        webgl = playwright.chromium.launch(executable_path=chromium, args=few)
        setup = SETUP.format(paths=PATHS, slices=16 if args.quick else 128, panels=1)
        tools = viewers.measure_all(browser, webgl, lab, setup, 1 if args.quick else REPEATS)
        webgl.close()
        browser.close()
    ours, *peers = tools.values()
    rows = []
    for peer, runs in zip(list(tools)[1:], peers, strict=True):
        for what, key, unit in (("first view", "first_view_s", "s"), ("key to pixels", "key_to_pixels_ms", "ms")):
            figures = ([run[key] for run in side] for side in (ours, runs))
            rows.append(row(f"Viewer: {what}", next(figures), peer, next(figures), unit=unit))
    for name, run in found.items():
        rows.append(row(f"Viewer, {name}: first view", [run["first_view_s"]]))
        rows.append(row(f"Viewer, {name}: key to pixels", [run["key_to_pixels_ms"]["median"]], unit="ms"))
    method = METHOD.format(repeats=REPEATS, keys=viewers.KEYS)
    record("viewer", rows, args, method, columns=COLUMNS, browser=versions, results=found, peers=tools)


if __name__ == "__main__":
    main()
