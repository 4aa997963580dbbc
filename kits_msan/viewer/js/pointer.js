// Mouse, pen and finger on the panels. A drag does what the chosen tool says; a click or a tap sets the crosshair.
// A viewer without the focus leaves the wheel and the finger to the page.

import { clamp } from "./dom.js";
import { readOut, say, sayCross, measuredText } from "./readout.js";

const CLICK = 4; // pixels within which a press is a click and no drag
const NOTCH = 110, LINE = 40; // pixels of one notch of a wheel, and of one line or small step

export function listenToPointer(view) {
  const area = view.part.panels;
  const fingers = new Map();
  area.addEventListener("wheel", (event) => onWheel(view, event), { passive: false });
  area.onpointerdown = (event) => onPress(view, event, fingers);
  area.onpointermove = (event) => onMove(view, event, fingers);
  area.onpointerup = (event) => onRelease(view, event, fingers);
  area.onpointercancel = (event) => letGo(view, event, fingers);
  area.onpointerleave = () => { view.pointer = null; readOut(view); };
  area.ondblclick = () => view.tool === "pan" && view.fit();
}

const panelAt = (view, event) => view.panels.find(({ frame }) => frame.contains(event.target));

// A notch of a mouse wheel is one slice; a touchpad's many small steps add up to one. At either end the page scrolls.
function onWheel(view, event) {
  if (!view.volumes || !view.hasFocus) return;
  const panel = panelAt(view, event);
  if (event.ctrlKey) { // a pinch on a touchpad comes as this, too
    if (!panel) return;
    event.preventDefault();
    panel.zoomBy(Math.exp(-event.deltaY / 400), panel.pointAt(event));
    return view.redraw();
  }
  const distance = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : LINE);
  if (panel?.ownPlane && panel.plane !== view.plane) view.set({ plane: panel.plane });
  const end = distance > 0 ? view.geometry.count - 1 : 0;
  if (view.index === end || !distance) return;
  event.preventDefault();
  view.stopPlaying?.();
  let steps = Math.sign(distance) * Math.max(1, Math.round(Math.abs(distance) / NOTCH));
  if (Math.abs(distance) < 50) {
    view.wheel = (view.wheel ?? 0) + distance;
    steps = Math.trunc(view.wheel / LINE);
    view.wheel -= steps * LINE;
  }
  if (steps) view.goTo(view.index + steps);
}

function onPress(view, event, fingers) {
  const panel = panelAt(view, event);
  const asleep = event.pointerType === "touch" && !view.hasFocus; // the first tap only wakes the viewer
  if (!panel || event.button !== 0 || !view.volumes) return;
  view.stopPlaying?.();
  if (!view.hasPlanes) view.chosen = view.panels.indexOf(panel);
  if (!asleep) {
    view.part.panels.focus({ preventScroll: true });
    view.part.panels.setPointerCapture(event.pointerId);
    event.preventDefault();
  }
  fingers.set(event.pointerId, event);
  view.pinch = fingers.size === 2 && !asleep ? spanOf(fingers) : null;
  if (panel.ownPlane && panel.plane !== view.plane && !asleep) view.set({ plane: panel.plane });
  view.drag = {
    panel, asleep, moved: fingers.size > 1, x: event.clientX, y: event.clientY, lastX: event.clientX,
    lastY: event.clientY, plane: view.plane, index: view.index, window: view.model.get("window"),
    from: panel.placeAt(event), tool: event.shiftKey ? "pan" : view.tool,
  };
}

// The distance of two fingers and the point between them.
function spanOf(fingers) {
  const [a, b] = [...fingers.values()];
  const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
  return { size: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), ...middle };
}

// A drag that ends without a release.
function letGo(view, { pointerId }, fingers) {
  fingers.delete(pointerId);
  view.drag = null;
}

function onMove(view, event, fingers) {
  if (fingers.has(event.pointerId)) {
    if (event.buttons & 1) fingers.set(event.pointerId, event);
    else letGo(view, event, fingers); // another button is down still, or the release never came
  }
  const { drag } = view;
  if (drag && fingers.size === 2 && view.pinch) return onPinch(view, spanOf(fingers));
  if (drag && !drag.asleep && fingers.size < 2) onDrag(view, event, drag);
  const panel = view.panels.find((one) => one.placeAt(event));
  view.pointer = panel ? { panel, place: panel.placeAt(event) } : null;
  readOut(view);
}

function onPinch(view, span) {
  const { panel } = view.drag, [y, x] = panel.pointAt(span), [y0, x0] = panel.pointAt(view.pinch);
  panel.zoomBy(span.size / view.pinch.size, [y, x]);
  panel.moveBy(y - y0, x - x0);
  view.pinch = span;
  view.redraw();
}

function onDrag(view, event, drag) {
  const { panel } = drag, { height, width } = panel.frame.getBoundingClientRect(); // in a scaled page, too
  const down = event.clientY - drag.y, right = event.clientX - drag.x;
  drag.moved ||= Math.hypot(down, right) > CLICK;
  if (!drag.moved) return;
  if (drag.tool === "scroll") { // the height of a panel is the whole stack
    const index = clamp(drag.index + Math.round((down / height) * view.geometry.count), 0, view.geometry.count - 1);
    if (index !== view.index) view.goTo(index);
  } else if (drag.tool === "window") { // up is brighter, right is wider
    const [low, high] = drag.window, wide = Math.max(1, Math.round((high - low) * Math.exp(right / 250)));
    const level = (low + high) / 2 + Math.round(down * Math.max(1, (high - low) / 400));
    view.set({ window: [level - wide / 2, level + wide / 2] });
  } else if (drag.tool === "pan") {
    panel.moveBy((event.clientY - drag.lastY) / height, (event.clientX - drag.lastX) / width);
    view.redraw();
  } else if (drag.from && panel.placeAt(event) && view.plane === drag.plane && view.index === drag.index) {
    view.measure(panel, drag.from, panel.placeAt(event));
  }
  [drag.lastX, drag.lastY] = [event.clientX, event.clientY];
}

function onRelease(view, event, fingers) {
  const { drag } = view;
  fingers.delete(event.pointerId);
  view.drag = null; // of a pinch, too: the finger that is still down does nothing
  if (!drag || drag.moved || !drag.from) {
    if (drag?.tool === "measure" && view.measured) say(view, measuredText(view));
    return;
  }
  if (drag.asleep) view.part.panels.focus({ preventScroll: true });
  view.putCross(drag.panel, drag.from);
  sayCross(view);
}
