// The two ways in: Jupyter's, through anywidget, and that of a page without a kernel.
// SCENE, the words and colors that Python and the browser share, stands before this file; see scripts.py.

import { element } from "./dom.js";
import { View } from "./view.js";
import { PLANES, bytesOf, readAll, voxelsPerSlice } from "./volume.js";

const CLOSED = "This viewer is closed. Run the cell that makes it, then this one.";
const OPTIONS = ["plane", "window", "opacity", "mode", "classes", "arrangement"];

// In the place of a viewer that is closed where it is still shown, as in another cell than the one that has run again.
// JupyterLab hides the element around it, if that is a cell's output.
function leaveWord(el) {
  const around = el.parentElement, place = around?.matches(".jp-OutputArea-output") ? around.parentElement : around;
  place?.append(element("p", { textContent: CLOSED }));
}

// `index` is the number of the slice in the current plane, for `jslink` and Python; `_indices` holds all three.
function keepInStep(model) {
  const at = () => PLANES.indexOf(model.get("plane"));
  const toIndex = () => {
    const index = model.get("_indices")[at()];
    if (index !== model.get("index")) model.set("index", index);
  };
  const toIndices = () => {
    const indices = [...model.get("_indices")], last = model.get("_scene").shape[at()] - 1;
    const index = Math.min(last, Math.max(0, Math.round(model.get("index"))));
    if (indices[at()] !== index) {
      indices[at()] = index;
      model.set("_indices", indices); // saved by whoever has set the index
    }
    toIndex();
  };
  model.on("change:plane", toIndex);
  model.on("change:_indices", toIndex);
  model.on("change:index", toIndices);
}

// Called once for each widget (see LOADER in scripts.py), then `render` for each place where it is shown. The volumes are unpacked
// when the widget is first shown, and let go when it is shown no more, as when its cell is run again.
export function createWidget() {
  let volumes = null, views = 0;
  return {
    initialize({ model }) {
      keepInStep(model);
      return () => { // JupyterLab never lets go of a model that was closed, so at least what is large in it goes:
        for (const none of [{}, null]) { // twice, as a model remembers its last state; silent, or the script runs again
          model.set({ _data: none, _esm: none, _css: none, _code: none }, { silent: true });
        }
      };
    },
    render({ model, el }) {
      const view = new View(model, el), leave = () => leaveWord(el);
      model.on("destroy", leave);
      volumes ??= model.get("_volumes") ? Promise.resolve(model.get("_volumes")) : readAll(model);
      volumes.then((ready) => view.start(ready)).catch((error) => view.fail(error));
      views++;
      return () => {
        view.remove();
        model.off("destroy", leave);
        if (--views === 0) volumes = null;
      };
    },
  };
}

// A model with the five methods of Jupyter's that a viewer uses.
function standIn(state) {
  const listeners = new Map();
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const listener of [...(listeners.get(`change:${name}`) ?? [])]) listener();
    },
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
    off: (event, listener) => listeners.set(event, listeners.get(event).filter((other) => other !== listener)),
    save_changes() {},
  };
}

function place(el, state) {
  const model = standIn(state), widget = createWidget();
  widget.initialize({ model });
  return { model, remove: widget.render({ model, el }) };
}

const allBytesOf = (item) => Array.isArray(item) ? item.map(allBytesOf) : bytesOf(item);

// Show in `el` a viewer whose state Python has stored; its volumes are packed, and written as text.
export function showSlices(el, state) {
  const data = Object.fromEntries(Object.entries(state._data).map(([name, item]) => [name, allBytesOf(item)]));
  return place(el, { arrangement: "panels", ...state, _data: data });
}

// Show in `el` volumes that the page itself has made:
//   show(el, { name, shape: [D, H, W], spacing: [mm, mm, mm], image: Int16Array in HU,
//              labels: { truth: Uint8Array of 0, 1, 2 }, tumor: { truth: as `voxelsPerSlice` },
//              heat: { votes: { values: Uint8Array, low, high } } },
//        { plane, window, opacity, mode, classes, arrangement, indices: [d, h, w] })
// `tumor` may be left out; who counts it elsewhere spares a large scan the wait. A panel for each of `labels` and `heat`;
// the one named "truth" is what errors are counted against.
// Returns { get(), how it is shown now, as such options; set(changes), remove() }. `kept` among the options is for the
// next viewer of the same grid: zoom, tool, crosshair and what "r" goes back to; remove() fills it.
export function show(el, data, { indices, kept = {}, ...options } = {}) {
  const { shape, spacing, labels = {}, tumor = {}, heat = {} } = data;
  const volumes = { image: data.image, labels: Object.values(labels), heat: Object.values(heat).map(({ values }) => values) };
  const affine = data.affine ?? [[0, 0, -spacing[2], 0], [0, -spacing[1], 0, 0], [-spacing[0], 0, 0, 0]];
  const panels = [
    ...Object.keys(labels).map((name, volume) => ({ name, kind: "labels", volume })),
    ...Object.entries(heat).map(([name, { low, high }], volume) => ({ name, kind: "heat", volume, low, high })),
  ];
  const scene = {
    name: data.name, shape, spacing, affine, hu_step: 1,
    panels: panels.length ? panels : [{ name: "CT", kind: "plain" }],
    labels: Object.entries(labels).map(([name, values]) => ({ name, tumor: tumor[name] ?? voxelsPerSlice(values, shape) })),
  };
  const state = {
    plane: "axial", _indices: indices ?? shape.map((count) => count >> 1), window: SCENE.presets[0].slice(1), opacity: 0.5,
    mode: "fill", classes: Object.keys(SCENE.classes), arrangement: "panels", ...options, _scene: scene,
    _volumes: volumes, _kept: kept,
  };
  state.index = state._indices[PLANES.indexOf(state.plane)];
  const { model, remove } = place(el, state);
  return {
    get: () => ({
      ...Object.fromEntries(OPTIONS.map((name) => [name, model.get(name)])), indices: [...model.get("_indices")], kept,
    }),
    set(changes) {
      for (const [name, value] of Object.entries(changes)) model.set(name === "indices" ? "_indices" : name, value);
    },
    remove,
  };
}
