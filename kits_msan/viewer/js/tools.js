// Playing, full screen, distances from the keyboard, the picture as a file, and viewers that move together.

import { download, element } from "./dom.js";
import { PLANES } from "./volume.js";
import { measuredText, say } from "./readout.js";

const PLAY_MS = 100; // between two slices
const ROW = 22, GAP = 6, NARROWEST = 420; // pixels of a saved picture, which has room for the legend

export function togglePlaying(view) {
  if (view.stopPlaying) return view.stopPlaying();
  const next = () => view.goTo(view.index + 1 < view.geometry.count ? view.index + 1 : 0);
  const timer = setInterval(next, PLAY_MS);
  view.stopPlaying = () => {
    clearInterval(timer);
    view.stopPlaying = null;
    view.describe();
  };
  view.describe();
}

export function toggleFullScreen(view) {
  const done = document.fullscreenElement ? document.exitFullscreen() : view.root.requestFullscreen?.();
  done?.catch(() => {
    view.part.readout.textContent = "this page allows no full screen";
    say(view, view.part.readout.textContent);
  });
}

// The first press sets one end at the crosshair, the second the other.
export function measureFromCross(view) {
  const { axes } = view.geometry, at = [view.indices[axes[1]] + 0.5, view.indices[axes[2]] + 0.5];
  view.showCross(true);
  const open = view.measured?.open && view.measured.plane === view.plane && view.measured.index === view.index;
  view.measure(view.panel, open ? view.measured.from : at, at);
  view.measured.open = !open;
  say(view, open ? measuredText(view) : "distance from here; move the crosshair and press d again");
}

// White text with a dark edge; what is wider than `width` ends in an ellipsis.
function write(context, text, x, y, width = Infinity) {
  for (const letters = [...text]; letters.length && context.measureText(text).width > width; ) {
    letters.pop();
    text = `${letters.join("")}\u2026`;
  }
  context.strokeStyle = "#000";
  context.lineWidth = 3;
  context.strokeText(text, x, y);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
}

// A panel with all that lies over it; `at` tells where an element of the page lies in the picture.
function drawPanel(context, panel, title, at) {
  const { x, y, width, height } = at(panel.frame), { view, zoom } = panel;
  write(context, title, at(panel.figure).x + 2, y - 6, at(panel.figure).width - 4);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  const place = [x + zoom.x * width, y + zoom.y * height, width * zoom.scale, height * zoom.scale];
  context.imageSmoothingEnabled = view.part.smooth.checked;
  context.drawImage(panel.canvas, ...place);
  context.imageSmoothingEnabled &&= panel.spec.kind === "heat";
  context.globalAlpha = Number(panel.overlay.style.opacity);
  if (panel.spec.kind !== "plain") context.drawImage(panel.overlay, ...place);
  context.fillStyle = "#fff";
  context.globalAlpha = 0.55;
  for (const line of panel.lines.filter(({ hidden }) => !hidden)) context.fillRect(...Object.values(at(line)));
  context.globalAlpha = 1;
  for (const [color, thickness] of panel.measures ? [["#000", 4], ["#fff", 1.5]] : []) {
    const ends = ["x1", "y1", "x2", "y2"].map((name) => parseFloat(panel.ruler.firstChild.getAttribute(name)) / 100);
    Object.assign(context, { strokeStyle: color, lineWidth: thickness });
    context.beginPath();
    context.moveTo(x + ends[0] * width, y + ends[1] * height);
    context.lineTo(x + ends[2] * width, y + ends[3] * height);
    context.stroke();
  }
  context.restore();
  for (const mark of panel.marks.filter((node) => at(node).width)) { // none in a flat panel
    write(context, mark.textContent, at(mark).x, at(mark).y + 0.77 * at(mark).height);
  }
  const bar = at(panel.bar);
  if (bar.width) {
    write(context, panel.bar.textContent, bar.x, bar.y + bar.height - 6);
    context.fillRect(bar.x, bar.y + bar.height - 2, bar.width, 2);
  }
  if (panel.ends) drawScale(context, panel, at);
}

function drawScale(context, { ends, view: { scene: { heat_colors: colors } } }, at) {
  for (const end of ends) write(context, end.textContent, at(end).x, at(end).y + 0.77 * at(end).height);
  const ramp = at(ends[0].nextSibling);
  colors.forEach((color, i) => {
    context.fillStyle = color;
    context.fillRect(ramp.x + (i / colors.length) * ramp.width, ramp.y, Math.ceil(ramp.width / colors.length), ramp.height);
  });
}

export const sliceOf = ({ plane, index, geometry }) => `${plane} slice ${index + 1} of ${geometry.count}`;

// The panels as they are seen now, on one canvas that tells what it shows: the case, the slice and the window above,
// the legend below.
export function pictureOf(view) {
  const { panels, part, scene, surface, hasPlanes } = view, ratio = Math.max(2, devicePixelRatio);
  const box = part.area.getBoundingClientRect();
  const right = Math.max(...Array.from(part.area.querySelectorAll("figure"), (node) => node.getBoundingClientRect().right));
  const size = [Math.max(right - box.left, NARROWEST), box.height + 3 * ROW];
  const canvas = element("canvas", { width: size[0] * ratio, height: size[1] * ratio }), context = canvas.getContext("2d");
  const at = (node) => {
    const { left, top, width, height } = node.getBoundingClientRect();
    return { x: left - box.left, y: top - box.top + 2 * ROW, width, height };
  };
  context.scale(ratio, ratio);
  context.fillRect(0, 0, ...size);
  context.font = "13px system-ui, sans-serif";
  const what = [hasPlanes ? panels[0].spec.name : sliceOf(view), `${view.model.get("window").join(" to ")} HU`];
  if (panels.some((panel) => panel.measures)) what.push(measuredText(view));
  write(context, scene.name, GAP, 15, size[0] - 2 * GAP);
  write(context, what.join(", "), GAP, 15 + ROW, size[0] - 2 * GAP);
  for (const panel of panels) drawPanel(context, panel, hasPlanes ? sliceOf(panel) : panel.spec.name, at);
  if (surface) {
    const { x, y, width, height } = at(surface.canvas);
    write(context, `surface of ${surface.name}, ${surface.side.textContent}`, x + 2, y - 6, width - 4);
    context.drawImage(surface.canvas, x, y, width, height);
  }
  let x = GAP;
  for (const entry of part.legend.hidden ? [] : part.legend.children) {
    if (entry.hidden || (!surface && entry.querySelector("input:not(:checked)"))) continue; // a surface has all classes
    context.fillStyle = entry.querySelector(".kv-swatch").style.background;
    context.fillRect(x, size[1] - 16, 12, 12);
    write(context, entry.textContent, x + 18, size[1] - 5);
    x += 32 + context.measureText(entry.textContent).width;
  }
  return canvas;
}

export function savePicture(view) {
  const name = `${view.scene.name}-${view.plane}-${view.index}.png`;
  pictureOf(view).toBlob((blob) => {
    download(blob, name);
    say(view, `saved ${name}`);
  });
}

// --- Viewers that move together: each tells the page where it is, and those whose box is ticked follow. ---

const MESSAGE = "kits-viewer-moved";

export function linkView(view) {
  const follow = ({ detail }) => {
    if (detail.from === view || !view.part.link.checked || !view.volumes) return;
    if (detail.asks) {
      view.told = null;
      return tellLinked(view);
    }
    const { shape } = view.scene;
    const indices = detail.places.map((place, axis) => Math.min(shape[axis] - 1, Math.floor(place * shape[axis])));
    for (const plane of PLANES) Object.assign(view.zooms[plane], detail.zooms[plane]);
    view.set({ plane: detail.plane, _indices: indices, window: detail.window });
    view.told = stateOf(view);
    view.redraw();
  };
  document.addEventListener(MESSAGE, follow);
  return () => document.removeEventListener(MESSAGE, follow);
}

// A viewer whose box has just been ticked asks the others where they are.
export function joinLinked(view) {
  view.told = stateOf(view);
  if (view.part.link.checked) document.dispatchEvent(new CustomEvent(MESSAGE, { detail: { from: view, asks: true } }));
}

const stateOf = ({ plane, indices, zooms, model }) => JSON.stringify([plane, indices, model.get("window"), zooms]);

// Called after each drawing: tell the others if something has changed since the last time.
export function tellLinked(view) {
  const now = stateOf(view), { plane, indices, zooms } = view;
  if (!view.part.link.checked || now === view.told) return;
  view.told = now;
  const places = indices.map((index, axis) => (index + 0.5) / view.scene.shape[axis]); // shares of each axis
  const detail = { from: view, places, plane, window: view.model.get("window"), zooms };
  document.dispatchEvent(new CustomEvent(MESSAGE, { detail }));
}
