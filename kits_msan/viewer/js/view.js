// One view of a viewer: its shared state, its panels, and what can be done with them.
// The shared state lives in a model with `get`, `set`, `on`, `off` and `save_changes`: Jupyter's, or the page's own.

import { buildControls, describe, TEMPLATE } from "./controls.js";
import { clamp, element } from "./dom.js";
import { Drawing } from "./drawing.js";
import { onKey } from "./keys.js";
import { Panel } from "./panel.js";
import { listenToPointer } from "./pointer.js";
import { readOut, sayCross } from "./readout.js";
import { Surface } from "./surface.js";
import { linkView, tellLinked } from "./tools.js";
import { geometryOf, PLANES } from "./volume.js";

const WATCHED = ["plane", "_indices", "window", "opacity", "mode", "classes", "arrangement"];
const SLOW = 20, RECENT = 5; // ms of a drawing, if all recent ones took longer, from which it is drawn once a frame

export class View {
  constructor(model, el) {
    this.model = model;
    this.scene = { ...SCENE, ...model.get("_scene") };
    this.root = element("div", { className: "kits-viewer", innerHTML: TEMPLATE });
    this.part = {};
    for (const node of this.root.querySelectorAll("[data-part]")) this.part[node.dataset.part] = node;
    this.part.readout.textContent = "loading the volume\u2026";
    this.part.panels.setAttribute("aria-label", `${this.scene.name}: CT slices`);
    this.classNames = ["background", ...Object.keys(this.scene.classes)];
    this.chosen = 0; // which of the scene's panels the three planes show: the last that was clicked, or chosen by name
    const zooms = Object.fromEntries(PLANES.map((plane) => [plane, { scale: 1, x: 0, y: 0 }]));
    const first = { window: model.get("window"), opacity: model.get("opacity") };
    Object.assign(this, { zooms, first, tool: "scroll", ...model.get("_kept") }); // as a page's viewer was left
    this.costs = [0]; // of no drawing, so that the first keys are drawn each
    buildControls(this);
    this.listen();
    this.buildPanels();
    el.append(this.root);
  }

  get plane() { return this.model.get("plane"); }
  get indices() { return this.model.get("_indices"); }
  get index() { return this.indices[PLANES.indexOf(this.plane)]; }
  get geometry() { return geometryOf(this.plane, this.scene.shape, this.scene.spacing); }
  get panel() { return this.panels.find(({ plane }) => plane === this.plane); } // of the current plane, the first
  get hasPlanes() { return this.model.get("arrangement") === "planes"; }
  get hasFocus() { return this.root.contains(document.activeElement); }
  get wanted() { return this.hasPlanes ? this.chosen : "panels"; } // what `buildPanels` makes
  get crossShown() { return this.cross ?? this.hasPlanes; }

  // The label volume whose tumor the buttons jump to: the truth, or else the first overlay.
  get reference() { return this.scene.labels.find(({ name }) => name === this.scene.truth) ?? this.scene.labels[0]; }
  get tumor() { return this.reference?.tumor[this.plane] ?? []; } // its voxels in each slice of the current plane

  start(volumes) {
    this.volumes = volumes;
    this.drawing = new Drawing(this.scene, volumes);
    this.part.readout.textContent = "";
    this.draw();
    this.root.dataset.ready = "true";
  }

  fail(error) {
    this.part.readout.setAttribute("role", "alert");
    this.part.readout.textContent = `The viewer cannot show this volume: ${error.message ?? error}`;
  }

  listen() {
    const redraw = () => this.redraw(), key = (event) => onKey(this, event);
    for (const name of WATCHED) this.model.on(`change:${name}`, redraw);
    window.addEventListener("keydown", key, true); // before Jupyter, which listens at the document
    const unlink = linkView(this);
    const sized = new ResizeObserver(() => {
      for (const panel of this.panels) panel.width = 0;
      redraw();
    });
    sized.observe(this.part.panels);
    listenToPointer(this);
    this.forget = () => {
      for (const name of WATCHED) this.model.off(`change:${name}`, redraw);
      window.removeEventListener("keydown", key, true);
      unlink();
      sized.disconnect();
      this.stopPlaying?.();
    };
  }

  // Either a panel for each overlay and heat map, or one of them in three planes with the surface of its labels.
  buildPanels() {
    const { scene, part, hasPlanes, chosen } = this;
    this.built = this.wanted;
    this.panels = hasPlanes ? PLANES.map((plane) => new Panel(this, scene.panels[chosen], plane))
      : scene.panels.map((spec) => new Panel(this, spec));
    part.panels.replaceChildren(...this.panels.map(({ figure }) => figure));
    this.surface?.remove();
    this.surface = hasPlanes && scene.labels.length ? new Surface(this, scene.panels[chosen]) : null;
    if (this.surface) part.area.append(this.surface.figure);
    const count = this.panels.length, columns = { 1: 1, 2: 2, 4: 2 }[count] ?? 3;
    part.area.style.setProperty("--columns", columns);
    part.area.style.setProperty("--rows", Math.ceil(count / columns));
    this.root.classList.toggle("kv-many", count > 1);
    this.root.classList.toggle("kv-three", hasPlanes);
  }

  // Change the shared state; all views redraw. It is saved at once, since Jupyter sends Python only as much as it can
  // take, and lets an echo from Python overwrite whatever is not saved yet.
  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  goTo(index) {
    const indices = [...this.indices];
    indices[PLANES.indexOf(this.plane)] = clamp(index, 0, this.geometry.count - 1);
    this.set({ _indices: indices });
  }

  goToTumor(direction) {
    const { tumor, index } = this, count = tumor.length;
    for (let step = 1; step <= count; step++) {
      const next = (index + direction * step + count) % count; // past the end, go on from the start
      if (tumor[next]) return this.goTo(next);
    }
  }

  goToMostTumor() {
    const { tumor } = this;
    if (tumor.some(Boolean)) this.goTo(tumor.indexOf(Math.max(...tumor)));
  }

  toggleClass(name) {
    const shown = this.model.get("classes");
    this.set({ classes: Object.keys(this.scene.classes).filter((one) => shown.includes(one) !== (one === name)) });
  }

  setMode(mode) {
    if (mode === "errors" ? this.reference?.name === this.scene.truth : this.scene.labels.length) this.set({ mode });
  }

  nextWindow() {
    const at = this.scene.presets.findIndex(([, ...limits]) => `${limits}` === `${this.model.get("window")}`);
    this.set({ window: this.scene.presets[(at + 1) % this.scene.presets.length].slice(1) });
  }

  toggleArrangement() { this.set({ arrangement: this.hasPlanes ? "panels" : "planes" }); }

  choose(chosen) { this.chosen = chosen; this.redraw(); }

  // --- The crosshair: the place where the three planes meet ---

  showCross(shown) {
    this.cross = shown;
    this.redraw();
  }

  putCross({ geometry: { axes, rows, cols } }, [row, column]) {
    const indices = [...this.indices];
    indices[axes[1]] = clamp(Math.floor(row), 0, rows - 1);
    indices[axes[2]] = clamp(Math.floor(column), 0, cols - 1);
    this.cross = true;
    this.set({ _indices: indices });
    this.redraw();
  }

  moveCross(down, right) {
    const { geometry } = this, { axes } = geometry;
    this.putCross({ geometry }, [this.indices[axes[1]] + down, this.indices[axes[2]] + right]);
    sayCross(this);
  }

  measure({ plane, index, geometry }, from, to) {
    this.measured = { plane, index, geometry, from, to };
    this.redraw();
  }

  // What Escape does: stop playing or forget the distance. False if there is nothing of these.
  calm() {
    const busy = Boolean(this.stopPlaying || this.measured);
    this.stopPlaying?.();
    this.measured = null;
    if (busy) this.redraw();
    return busy;
  }

  zoomBy(factor) {
    this.panel.zoomBy(factor);
    this.redraw();
  }

  fit() {
    for (const zoom of Object.values(this.zooms)) Object.assign(zoom, { scale: 1, x: 0, y: 0 });
    this.redraw();
  }

  // As it was at first: whole slices, the first window, no crosshair, no distance.
  reset() {
    this.measured = null;
    this.cross = undefined;
    this.set(this.first);
    this.fit();
  }

  oneToOne() { this.zoomBy(this.panel.scaleOfOneToOne() / this.panel.zoom.scale); }

  // --- Drawing ---

  // Draw once for each key or turn of the wheel, even faster than the screen shows them. Where a drawing takes long,
  // draw once a frame instead, so that the picture does not lag behind the hand. The last state is always drawn.
  redraw() {
    if (!this.volumes || this.waiting) return;
    this.waiting = true;
    if (Math.min(...this.costs) < SLOW) queueMicrotask(() => this.draw()); // one slow drawing is a busy machine
    else requestAnimationFrame(() => this.draw());
  }

  draw() {
    const began = performance.now();
    this.waiting = false;
    if (!this.volumes) return; // removed meanwhile
    if (this.built !== this.wanted) this.buildPanels();
    const [window, mode, classes] = ["window", "mode", "classes"].map((name) => this.model.get(name));
    for (const panel of this.panels) panel.arrange(); // first, as outlines depend on a panel's size
    this.drawing.draw(this.panels, { window, mode, classes, indices: this.indices });
    this.surface?.draw();
    this.describe();
    readOut(this);
    tellLinked(this);
    this.root.dataset.shown = `${this.plane}:${this.index}`;
    this.costs = [...this.costs, performance.now() - began].slice(-RECENT); // ms
  }

  describe() { describe(this); }

  remove() {
    const { zooms, first, tool, cross, part: { smooth: { checked: smooth } } } = this;
    Object.assign(this.model.get("_kept") ?? {}, { zooms, first, tool, cross, smooth });
    this.forget();
    this.root.remove();
    this.volumes = this.drawing = this.surface = null; // even if someone still holds the elements
  }
}
