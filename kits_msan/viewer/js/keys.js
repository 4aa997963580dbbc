// The keyboard. One handler serves a whole viewer. It hears a key before Jupyter does, takes exactly the keys that
// the viewer uses, and leaves every other key, and every combination with Ctrl, Alt or Meta, to Jupyter. So it does with
// Shift, except for the arrows while the picture is enlarged.

import { measureFromCross, toggleFullScreen, togglePlaying } from "./tools.js";

const STEPS = {
  ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity,
};
const PANS = { ArrowDown: [-1, 0], ArrowUp: [1, 0], ArrowRight: [0, -1], ArrowLeft: [0, 1] }; // of the picture: down, right
const PAN = 0.1; // of the frame
const MOVES = { i: [-1, 0], k: [1, 0], j: [0, -1], l: [0, 1] }; // of the crosshair, rows and columns

export const HELP = [
  ["arrows, wheel, drag", "one slice"], ["Page Up, Page Down", "ten slices"], ["Home, End", "first, last slice"],
  ["a, c, s", "axial, coronal, sagittal"], ["p", "three planes and surface of the panel last clicked, or panels"],
  ["n, b", "next, previous slice with tumor"], ["m", "most tumor"], ["f, o, e", "fill, outline, errors"],
  ["1, 2", "kidney, tumor on or off"], ["w", "next window"], ["i, j, k, l, click", "move the crosshair"],
  ["x", "crosshair on or off"], ["+, -, 0", "larger, smaller, fit"], ["r", "all as it was at first"], ["Shift and drag", "move the picture"],
  ["Shift and arrows", "look further, where enlarged"],
  ["Ctrl and wheel, pinch", "zoom"], ["d", "start, then end of a distance"], ["space", "play or stop"],
  ["u", "full screen"], ["Escape", "stop, forget the distance"],
];

const ACTIONS = {
  a: (view) => view.set({ plane: "axial" }), c: (view) => view.set({ plane: "coronal" }),
  s: (view) => view.set({ plane: "sagittal" }), p: (view) => view.toggleArrangement(),
  n: (view) => view.goToTumor(1), b: (view) => view.goToTumor(-1), m: (view) => view.goToMostTumor(),
  f: (view) => view.setMode("fill"), o: (view) => view.setMode("outline"), e: (view) => view.setMode("errors"),
  1: (view) => view.toggleClass("kidney"), 2: (view) => view.toggleClass("tumor"), w: (view) => view.nextWindow(),
  x: (view) => view.showCross(!view.crossShown), "+": (view) => view.zoomBy(1.25), "=": (view) => view.zoomBy(1.25),
  "-": (view) => view.zoomBy(0.8), 0: (view) => view.fit(), d: measureFromCross, " ": togglePlaying,
  r: (view) => view.reset(),
  u: toggleFullScreen,
};

// What the browser itself does with keys in our controls; Jupyter must not see these.
const isOwnKey = (target, key) =>
  target.matches("select") ? key.length === 1 || key === "Enter" || key in STEPS
    : target.matches("input[type=number]") ? key.length === 1 || key in STEPS || /^(Backspace|Delete|Enter)$/.test(key)
      : target.matches("[data-part=opacity]") ? key in STEPS
        : target.matches("button, summary") ? key === " " || key === "Enter"
          : target.matches("input[type=checkbox]") && key === " ";

// What a key means here. Jupyter's shortcuts go by `keyCode`, the Latin letter or digit of a key; so must ours, or with
// CapsLock or a Cyrillic keyboard Jupyter would get the viewer's keys, and cut its cell.
function keyOf({ key, keyCode, shiftKey }) {
  const plain = String.fromCharCode(keyCode);
  return shiftKey || Object.hasOwn(ACTIONS, key) || !/[A-Z0-9]/.test(plain) ? key : plain.toLowerCase();
}

export function onKey(view, event) {
  if (!view.root.contains(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  const shifted = event.shiftKey && event.key.length > 1; // Shift and Enter runs the cell
  if (!shifted && isOwnKey(event.target, event.key)) return event.stopImmediatePropagation();
  if (!view.volumes) return;
  if (!(shifted ? pan(view, event) : view.surface?.takes(event) || act(view, keyOf(event)))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}

// Move an enlarged picture; false where there is nothing beyond the frame, or Shift and an arrow select text.
function pan(view, { key, target }) {
  const { panel } = view;
  if (!(key in PANS) || panel.zoom.scale <= 1 || target.matches("input, select")) return false;
  panel.moveBy(...PANS[key].map((way) => way * PAN));
  view.redraw();
  return true;
}

// Do what a key stands for; false for a key without meaning here.
function act(view, key) {
  if (key === "Escape") return view.calm();
  if (key !== " ") view.stopPlaying?.();
  if (Object.hasOwn(STEPS, key)) view.goTo(view.index + STEPS[key]);
  else if (Object.hasOwn(MOVES, key)) view.moveCross(...MOVES[key]);
  else if (Object.hasOwn(ACTIONS, key)) ACTIONS[key](view);
  else return false;
  return true;
}
