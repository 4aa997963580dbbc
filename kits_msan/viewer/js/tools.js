// Playing, full screen, distances from the keyboard, the picture as a file, and viewers that move together.

import { element } from "./dom.js";
import { PLANES } from "./volume.js";
import { measuredText, say } from "./readout.js";

const PLAY_MS = 100; // between two slices
const TITLE = 22, GAP = 6; // pixels of a saved picture

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
  const panel = view.panels.find(({ plane }) => plane === view.plane);
  view.showCross(true);
  const open = view.measured?.open && view.measured.plane === view.plane && view.measured.index === view.index;
  view.measure(panel, open ? view.measured.from : at, at);
  view.measured.open = !open;
  say(view, open ? measuredText(view) : "distance from here; move the crosshair and press d again");
}

// The panels as they are seen now, on one canvas: titles, zoom and labels included.
export function pictureOf(view) {
  const { panels } = view, box = view.part.panels.getBoundingClientRect(), ratio = Math.max(2, devicePixelRatio);
  const canvas = element("canvas", { width: box.width * ratio, height: (box.height + TITLE) * ratio });
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = "#000";
  context.fillRect(0, 0, box.width, box.height + TITLE);
  context.fillStyle = "#fff";
  context.font = "13px system-ui, sans-serif";
  const [low, high] = view.model.get("window");
  context.fillText(`${view.scene.name}, ${view.part.position.textContent}, ${low} to ${high} HU`, GAP, 15);
  for (const panel of panels) {
    const { left, top, width, height } = panel.frame.getBoundingClientRect();
    const x = left - box.left, y = top - box.top + TITLE, { zoom } = panel;
    context.fillText(panel.title.textContent, x + 2, y - 5);
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
    context.restore();
    const bar = panel.bar.getBoundingClientRect();
    context.fillRect(bar.left - box.left, bar.bottom - box.top + TITLE - 2, bar.width, 2);
    context.fillText(panel.bar.textContent, bar.left - box.left, bar.bottom - box.top + TITLE - 6);
  }
  return canvas;
}

export function savePicture(view) {
  pictureOf(view).toBlob((blob) => {
    const link = element("a", { href: URL.createObjectURL(blob), download: `${view.scene.name}-${view.plane}-${view.index}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say(view, `saved ${link.download}`);
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
    view.told = stateOf(view, { plane: detail.plane, indices, window: detail.window });
    view.set({ plane: detail.plane, _indices: indices, window: detail.window });
    view.redraw();
  };
  document.addEventListener(MESSAGE, follow);
  return () => document.removeEventListener(MESSAGE, follow);
}

// A viewer whose box has just been ticked asks the others where they are.
export function joinLinked(view) {
  view.told = stateOf(view, { plane: view.plane, indices: view.indices, window: view.model.get("window") });
  if (view.part.link.checked) document.dispatchEvent(new CustomEvent(MESSAGE, { detail: { from: view, asks: true } }));
}

const stateOf = (view, { plane, indices, window }) => JSON.stringify([plane, indices, window, view.zooms]);

// Called after each drawing: tell the others if something has changed since the last time.
export function tellLinked(view) {
  const state = { plane: view.plane, indices: view.indices, window: view.model.get("window") };
  const now = stateOf(view, state);
  if (!view.part.link.checked || now === view.told) return;
  view.told = now;
  const places = state.indices.map((index, axis) => (index + 0.5) / view.scene.shape[axis]); // shares of each axis
  const detail = { from: view, places, plane: state.plane, window: state.window, zooms: view.zooms };
  document.dispatchEvent(new CustomEvent(MESSAGE, { detail }));
}
