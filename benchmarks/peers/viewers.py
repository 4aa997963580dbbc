"""The slice viewer beside other ways to scroll through a CT in JupyterLab, where they are installed.

Each shows the volume of `viewer.py` with its labels, one panel, in turn. All are watched in the same way: whatever
paints (a canvas, a picture, or WebGL), then the end of the next frame. ipyniivue draws with WebGL, so it has a
browser that computes this in software; there the others would be slower.
"""

import statistics
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from browser.lab import Lab
from playwright.sync_api import Browser, Page

KEYS, PAUSE_MS, LONGEST_MS = 20, 100, 600_000  # WebGL in software takes minutes to show a large volume


@dataclass(frozen=True)
class Tool:
    """How a tool shows the volume of `SETUP`, and which key, pressed where, goes to the next slice."""

    package: str  # that must be installed
    setup: str  # run before the clock starts
    cell: str  # run while it ticks
    focus: str  # CSS selector
    key: str
    webgl: bool = False  # whether it needs a browser with WebGL


SLIDER = "slider = ipywidgets.IntSlider(len(case.image) // 2, 0, len(case.image) - 1)\n"
DRAW = (
    "axes.imshow(case.image[{0}], cmap='gray', vmin=-200, vmax=500)",
    "axes.imshow(labels[{0}], alpha=0.5, vmax=2)",
)
PLOT = "import ipywidgets\nimport matplotlib.pyplot as plt\nlabels = np.ma.masked_equal(case.label, 0)\n"
NIIVUE = """
import ipyniivue, nibabel
for name, values in {"image": case.image, "label": case.label}.items():
    nibabel.save(nibabel.Nifti1Image(values, case.affine), f"{name}.nii")
"""
HANDLE = ".noUi-handle"
TOOLS = {
    "the slice viewer": Tool("anywidget", "", "SliceViewer(case)", ".kv-panels", "ArrowDown"),
    "ipyniivue": Tool(
        "ipyniivue",
        NIIVUE,
        "viewer = ipyniivue.NiiVue(slice_type=ipyniivue.SliceType.AXIAL)\n"
        "viewer.load_volumes([{'path': 'image.nii', 'cal_min': -200, 'cal_max': 500},\n"
        "                     {'path': 'label.nii', 'colormap': 'warm', 'opacity': 0.5}])\nviewer",
        ".jp-OutputArea-output canvas",
        "u",
        webgl=True,
    ),
    "ipympl": Tool(
        "ipympl",
        f"%matplotlib widget\n{PLOT}",
        f"{SLIDER}figure, axes = plt.subplots(figsize=(5, 5))\n"
        f"images = [{', '.join(line.format('slider.value') for line in DRAW)}]\n"
        "def move(change):\n"
        "    for image, volume in zip(images, (case.image, labels)):\n"
        "        image.set_data(volume[change.new])\n"
        "    figure.canvas.draw_idle()\n"
        "slider.observe(move, 'value')\nipywidgets.VBox([slider, figure.canvas])",
        HANDLE,
        "ArrowRight",
    ),
    "matplotlib": Tool(
        "matplotlib",
        f"%matplotlib inline\n{PLOT}",
        f"{SLIDER}def show(index):\n    figure, axes = plt.subplots(figsize=(5, 5))\n    "
        + "\n    ".join(line.format("index") for line in DRAW)
        + "\n    plt.show()\nipywidgets.interactive(show, index=slider)",
        HANDLE,
        "ArrowRight",
    ),
}

# Before the page's own scripts. `seen` is when a picture first was on the screen: 5 % of what is painted is gray.
WATCH = """
window.latencies = []; window.seen = null; window.pressed = null;
addEventListener("keydown", (event) => { window.pressed = event.timeStamp; }, true);
const small = new OffscreenCanvas(16, 16).getContext("2d");
const shows = (source) => {
    small.drawImage(source, 0, 0, 16, 16);
    const { data } = small.getImageData(0, 0, 16, 16);
    return data.filter((value, at) => at % 4 === 0 && value > 40 && value < 220).length > 16 * 16 / 20;
};
let looking = false;
const afterFrame = (done) => requestAnimationFrame(() => { // a task posted in a frame runs when it has been painted
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now());
    port2.postMessage(0);
});
const painted = (source) => {
    if (window.pressed !== null) {
        const from = window.pressed;
        window.pressed = null;
        afterFrame((now) => latencies.push(now - from));
    }
    if (window.seen !== null || looking) return;
    looking = true; // once for all that is painted at a time
    queueMicrotask(() => {
        looking = false;
        if (!source.width || !shows(source)) return;
        window.seen = 0;
        afterFrame((now) => { window.seen = now; });
    });
};
for (const [kind, names] of [[CanvasRenderingContext2D, ["putImageData", "drawImage"]],
                             [WebGL2RenderingContext, ["drawArrays", "drawElements"]]]) {
    for (const name of names) {
        const original = kind.prototype[name];
        kind.prototype[name] = function (...given) {
            original.apply(this, given);
            painted(this.canvas);
        };
    }
}
document.addEventListener("load", ({ target }) => target.matches?.("img") && painted(target), true);
"""
FIRST_VIEW = f"""async () => {{
    window.seen = null;
    const start = performance.now();
    jupyterapp.commands.execute("notebook:run-all-cells");
    while (!window.seen) {{
        if (performance.now() - start > {LONGEST_MS}) throw new Error("nothing is seen");
        await new Promise((done) => setTimeout(done, 20));
    }}
    return (window.seen - start) / 1000;
}}"""


def installed() -> list[str]:
    """The names of those of TOOLS that can be measured here."""
    return [name for name, tool in TOOLS.items() if find_spec(tool.package)]


def measure(browser: Browser, lab: Lab, name: str, setup: str) -> dict[str, float]:
    """Seconds to the first view, and the median of the milliseconds from a key to its pixels."""
    tool = TOOLS[name]
    page = browser.new_page(viewport={"width": 1400, "height": 1200})
    page.add_init_script(WATCH)
    lab.open(page, f"{name.replace(' ', '_')}.ipynb", [tool.cell])
    printed = lab.run(page, setup + tool.setup)
    assert not printed, printed
    first_view = page.evaluate(FIRST_VIEW)
    page.locator(tool.focus).first.focus()
    latencies = [_press(page, tool.key) for _ in range(KEYS)]
    lab.shut_down(page)
    page.close()
    return {"first_view_s": round(first_view, 2), "key_to_pixels_ms": round(statistics.median(latencies), 1)}


def measure_all(
    browser: Browser, webgl: Browser, lab: Lab, setup: str, repeats: int
) -> dict[str, list[dict[str, float]]]:
    """Of each tool that is installed, one result for each repeat; in turn."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in installed()}
    for _ in range(repeats):
        for name, runs in found.items():
            runs.append(measure(webgl if TOOLS[name].webgl else browser, lab, name, setup))
    return found


def _press(page: Page, key: str) -> Any:
    """Milliseconds from this key to its pixels; the next key waits for them."""
    page.wait_for_timeout(PAUSE_MS)
    page.evaluate("() => { latencies.length = 0; }")
    page.keyboard.press(key)
    page.wait_for_function("latencies.length > 0", timeout=LONGEST_MS)
    return page.evaluate("latencies[0]")
