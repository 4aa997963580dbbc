// The slice viewer: one CT volume on up to six linked panels, drawn on plain 2-D canvases.
//
// Python (viewer.py) sends three things: `_scene`, a small description; `_data`, the compressed volumes; and the
// state that both sides may change: `plane`, `_indices` (one slice number for each plane), `window`, `opacity`,
// `mode` and `classes`. The page never asks Python for pixels: it holds the volumes and cuts its own slices.
// Each canvas has one pixel for each voxel of the slice; the browser stretches it to its true shape in millimetres.

const PLANES = ["axial", "coronal", "sagittal"]; // plane k cuts across axis k of a (D, H, W) volume
const EDGES = { axial: "RLAP", coronal: "RLSI", sagittal: "APSI" }; // patient side at left, right, top, bottom
const STEPS = {
  ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity,
};
const HELP = [
  ["arrows, wheel, drag", "one slice"], ["Page Up, Page Down", "ten slices"], ["Home, End", "first, last slice"],
  ["a, c, s", "axial, coronal, sagittal"], ["n, N", "next, previous slice with tumor"], ["m", "most tumor"],
  ["f, o, e", "fill, outline, errors"], ["1, 2", "kidney, tumor on or off"], ["w", "next window"],
];

const TEMPLATE = `
  <div class="kv-bar">
    <span class="kv-group" role="group" aria-label="plane">
      ${PLANES.map((plane) => `<button type="button" data-plane="${plane}">${plane}</button>`).join("")}
    </span>
    <label class="kv-grow">slice <input data-part="slice" type="range" min="0" step="1"></label>
    <output data-part="position"></output>
    <span class="kv-group" role="group" aria-label="go to tumor" data-part="jumps">
      <button type="button" data-part="next">next tumor</button>
      <button type="button" data-part="most">most tumor</button>
    </span>
  </div>
  <div class="kv-bar">
    <label data-part="modes">labels <select data-part="mode">
      <option>fill</option><option>outline</option><option>errors</option></select></label>
    <label data-part="opacities">opacity <input data-part="opacity" type="range" min="0" max="1" step="0.05"></label>
    <span class="kv-group kv-legend" role="group" aria-label="legend" data-part="legend"></span>
  </div>
  <div class="kv-panels" data-part="panels" role="slider" tabindex="0" aria-orientation="vertical"
    data-lm-suppress-shortcuts="true"></div>
  <div class="kv-readout" data-part="readout"></div>
  <div class="kv-bar">
    <label>window <select data-part="preset"></select></label>
    <label>level <input data-part="level" type="number" step="10"></label>
    <label>width <input data-part="width" type="number" step="10" min="1"></label>
  </div>
  <details><summary>keys</summary><dl data-part="help"></dl></details>`;

// --- Volumes -------------------------------------------------------------------------------------------------------

async function inflate(bytes) {
  const { writable, readable } = new DecompressionStream("deflate");
  const writer = writable.getWriter();
  writer.write(bytes).then(() => writer.close()).catch(() => {}); // a fault shows where the other end is read
  return new Uint8Array(await new Response(readable).arrayBuffer());
}

// Labels and heat are one byte a voxel. A volume comes in blocks of whole slices, so that no copy is large.
async function readBytes(blocks, size) {
  const volume = new Uint8Array(size);
  let at = 0;
  for (const block of blocks) {
    const bytes = await inflate(block);
    volume.set(bytes, at);
    at += bytes.length;
  }
  return volume;
}

// Hounsfield units come as differences from the voxel before, which compress a third better. A difference is folded
// to a number without sign (0, -1, 1, -2 become 0, 1, 2, 3); a block holds all low bytes, then all high bytes.
async function readHounsfield(blocks, size, huStep) {
  const volume = new Int16Array(size);
  let at = 0;
  for (const block of blocks) {
    const bytes = await inflate(block);
    const count = bytes.length / 2;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const folded = bytes[i] | (bytes[count + i] << 8);
      value = ((value + ((folded >>> 1) ^ -(folded & 1))) << 16) >> 16; // stay within 16 bits, as Python did
      volume[at++] = value * huStep;
    }
  }
  return volume;
}

async function readAll(model) {
  const scene = model.get("_scene"), data = model.get("_data");
  const size = scene.shape[0] * scene.shape[1] * scene.shape[2];
  const volumes = { image: await readHounsfield(data.image, size, scene.hu_step), labels: [], heat: [] };
  for (const blocks of data.labels) volumes.labels.push(await readBytes(blocks, size));
  for (const blocks of data.heat) volumes.heat.push(await readBytes(blocks, size));
  return volumes;
}

// --- From a volume to pixels ---------------------------------------------------------------------------------------

// How to walk through the flat array of a (D, H, W) volume to cut slices of one plane. `pixel` is [height, width], mm.
function geometryOf(plane, [d, h, w], [sd, sh, sw]) {
  return {
    axial: { count: d, rows: h, cols: w, step: h * w, rowStep: w, colStep: 1, pixel: [sh, sw] },
    coronal: { count: h, rows: d, cols: w, step: w, rowStep: h * w, colStep: 1, pixel: [sd, sw] },
    sagittal: { count: w, rows: d, cols: h, step: 1, rowStep: h * w, colStep: w, pixel: [sd, sh] },
  }[plane];
}

function cut(volume, { rows, cols, step, rowStep, colStep }, index, slice) {
  for (let row = 0, p = 0; row < rows; row++) {
    let v = index * step + row * rowStep;
    if (colStep === 1) slice.set(volume.subarray(v, v + cols), row * cols); // a row lies in one piece
    else for (let col = 0; col < cols; col++, v += colStep) slice[p++] = volume[v];
  }
}

// For every possible HU value, the gray from 0 to 255; looked up with `hu & 0xffff`.
function grayTable([low, high]) {
  const table = new Uint8Array(65536);
  for (let hu = -32768; hu < 32768; hu++) {
    table[hu & 0xffff] = Math.round(255 * Math.min(1, Math.max(0, (hu - low) / (high - low))));
  }
  return table;
}

// For every code (a class, an error, a heat value) on every gray, the finished pixel; see `paint`.
function colorTable(colors, alphaOf) {
  const table = new Uint32Array(colors.length * 256);
  colors.forEach((color, code) => {
    const alpha = alphaOf(code);
    for (let gray = 0; gray < 256; gray++) {
      const [r, g, b] = color.map((part) => Math.round(gray + (part - gray) * alpha));
      table[(code << 8) | gray] = (255 << 24) | (b << 16) | (g << 8) | r; // bytes in memory: R, G, B, A
    }
  });
  return table;
}

function paint(gray, codes, table, pixels) {
  for (let p = 0; p < pixels.length; p++) pixels[p] = table[(codes[p] << 8) | gray[p]];
}

// Keep a code only where one of its four neighbors differs.
function keepOutline(codes, rows, cols, out) {
  for (let row = 0, p = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, p++) {
      const code = codes[p];
      const inside = code === 0 || ((col === 0 || codes[p - 1] === code) && (col === cols - 1 || codes[p + 1] === code)
        && (row === 0 || codes[p - cols] === code) && (row === rows - 1 || codes[p + cols] === code));
      out[p] = inside ? 0 : code;
    }
  }
}

// Replace a prediction by what is wrong with it: 3 missed, 4 invented, 5 the wrong class.
function keepErrors(codes, truth, out) {
  for (let p = 0; p < codes.length; p++) {
    out[p] = codes[p] === truth[p] ? 0 : codes[p] === 0 ? 3 : truth[p] === 0 ? 4 : 5;
  }
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// --- One view of the widget ----------------------------------------------------------------------------------------

class View {
  constructor(model, el) {
    this.model = model;
    this.scene = model.get("_scene");
    this.root = element("div", { className: "kits-viewer", innerHTML: TEMPLATE });
    this.part = {};
    for (const node of this.root.querySelectorAll("[data-part]")) this.part[node.dataset.part] = node;
    this.part.readout.textContent = "loading the volume\u2026";
    this.colors = ["#000000", ...Object.values(this.scene.classes), ...Object.values(this.scene.errors)].map(rgb);
    this.heatColors = this.scene.heat_colors.map(rgb);
    this.classNames = ["background", ...Object.keys(this.scene.classes)];
    this.buildPanels();
    this.buildControls();
    this.listen();
    el.append(this.root);
  }

  get plane() { return this.model.get("plane"); }
  get index() { return this.model.get("_indices")[PLANES.indexOf(this.plane)]; }
  get geometry() { return geometryOf(this.plane, this.scene.shape, this.scene.spacing); }
  get truth() { return this.scene.labels.findIndex((labels) => labels.name === this.scene.truth); }

  // The label volume whose tumor the buttons jump to: the truth, or else the first overlay.
  get reference() { return this.scene.labels[Math.max(0, this.truth)]; }

  start(volumes) {
    this.volumes = volumes;
    this.part.readout.textContent = "";
    this.draw();
    this.root.dataset.ready = "true";
  }

  fail(error) {
    this.part.readout.setAttribute("role", "alert");
    this.part.readout.textContent = `The viewer cannot show this volume: ${error.message ?? error}`;
  }

  // Change the shared state; all views redraw. It is saved at once, since Jupyter sends Python only as much as it can
  // take, and lets an echo from Python overwrite whatever is not saved yet.
  set(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
  }

  goTo(index) {
    const indices = [...this.model.get("_indices")];
    indices[PLANES.indexOf(this.plane)] = clamp(index, 0, this.geometry.count - 1);
    this.set({ _indices: indices });
  }

  goToTumor(direction) {
    const area = this.reference?.tumor[this.plane] ?? [];
    for (let step = 1; step <= area.length; step++) {
      const index = (this.index + direction * step + area.length) % area.length; // past the end, go on from the start
      if (area[index]) return this.goTo(index);
    }
  }

  goToMostTumor() {
    const area = this.reference?.tumor[this.plane] ?? [];
    const most = area.reduce((best, count, index) => (count > area[best] ? index : best), 0);
    if (area[most]) this.goTo(most);
  }

  toggleClass(name) {
    const shown = this.model.get("classes");
    const names = Object.keys(this.scene.classes);
    this.set({ classes: names.filter((other) => shown.includes(other) !== (other === name)) });
  }

  setMode(mode) {
    if (this.scene.labels.length && (mode !== "errors" || this.truth >= 0)) this.set({ mode });
  }

  nextWindow() {
    const at = this.scene.presets.findIndex(([, ...limits]) => `${limits}` === `${this.model.get("window")}`);
    this.set({ window: this.scene.presets[(at + 1) % this.scene.presets.length].slice(1) });
  }

  // --- Building ---

  buildPanels() {
    this.panels = this.scene.panels.map((spec) => {
      const canvas = element("canvas");
      canvas.dataset.panel = spec.name;
      const cross = element("i", { className: "kv-cross", hidden: true });
      const marks = [..."lrtb"].map((side) => element("span", { className: `kv-mark kv-${side}` }));
      const value = element("span", { className: "kv-value" });
      const caption = element("figcaption", {}, element("b", { textContent: spec.name }), value);
      const figure = element("figure", {}, caption, element("div", { className: "kv-frame" }, canvas, cross, ...marks));
      if (spec.kind === "heat") figure.append(this.colorBar(spec));
      this.part.panels.append(figure);
      return { spec, canvas, cross, marks, value, context: canvas.getContext("2d", { alpha: false }) };
    });
    const columns = { 1: 1, 2: 2, 4: 2 }[this.panels.length] ?? 3;
    this.part.panels.style.setProperty("--columns", columns);
    this.part.panels.style.setProperty("--widest", this.panels.length > columns ? "320px" : "480px");
    this.part.panels.setAttribute("aria-label", `${this.scene.name}: CT slices`);
  }

  colorBar({ low, high }) {
    const bar = element("span", { className: "kv-ramp" });
    bar.style.background = `linear-gradient(to right, ${this.scene.heat_colors.filter((_, i) => i % 15 === 0)})`;
    const number = (value) => element("span", { textContent: Number(value.toPrecision(3)) });
    return element("div", { className: "kv-scale" }, number(low), bar, number(high));
  }

  buildControls() {
    const { part, scene } = this;
    for (const [name, low, high] of scene.presets) {
      part.preset.append(element("option", { value: `${low},${high}`, textContent: `${name}, ${low} to ${high} HU` }));
    }
    part.preset.append(element("option", { value: "", textContent: "free" }));
    const swatch = (color) => {
      const node = element("i", { className: "kv-swatch" });
      node.style.background = color;
      return node;
    };
    for (const [name, color] of Object.entries(scene.classes)) {
      const box = element("input", { type: "checkbox", name, onchange: () => this.toggleClass(name) });
      part.legend.append(element("label", {}, box, swatch(color), name));
    }
    for (const [name, color] of Object.entries(scene.errors)) {
      part.legend.append(element("span", { className: "kv-error" }, swatch(color), name));
    }
    for (const [keys, what] of HELP) {
      part.help.append(element("div", {}, element("dt", { textContent: keys }), element("dd", { textContent: what })));
    }
    part.legend.hidden = part.modes.hidden = !scene.panels.some((panel) => panel.kind === "labels");
    part.opacities.hidden = scene.panels[0].kind === "plain";
    part.jumps.hidden = scene.labels.length === 0;
    part.mode.options[2].disabled = this.truth < 0;
  }

  listen() {
    const { part, model, root } = this;
    const redraw = () => this.redraw();
    const watched = ["plane", "_indices", "window", "opacity", "mode", "classes"].map((name) => `change:${name}`);
    for (const event of watched) model.on(event, redraw);
    this.forget = () => watched.forEach((event) => model.off(event, redraw));

    for (const button of root.querySelectorAll("[data-plane]")) {
      button.onclick = () => this.set({ plane: button.dataset.plane });
    }
    part.slice.oninput = () => this.goTo(Number(part.slice.value));
    part.next.onclick = () => this.goToTumor(1);
    part.most.onclick = () => this.goToMostTumor();
    part.preset.onchange = () => part.preset.value && this.set({ window: part.preset.value.split(",").map(Number) });
    part.mode.onchange = () => this.setMode(part.mode.value);
    part.opacity.oninput = () => this.set({ opacity: Number(part.opacity.value) });
    part.level.oninput = part.width.oninput = () => {
      const level = part.level.valueAsNumber, width = part.width.valueAsNumber;
      if (Number.isFinite(level) && width > 0) this.set({ window: [level - width / 2, level + width / 2] });
    };
    root.onkeydown = (event) => this.onKey(event);
    part.panels.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    part.panels.onpointerdown = (event) => this.onPress(event);
    part.panels.onpointermove = (event) => this.onPointer(event);
    part.panels.onpointerup = part.panels.onpointercancel = () => { this.drag = null; };
    part.panels.onpointerleave = () => { this.pointer = null; this.readOut(); };
  }

  // --- Hands ---

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // or a key that means nothing here would edit the notebook
    const hasOwnKeys = event.target.matches("select, input[type=number], [data-part=opacity]");
    if (hasOwnKeys || !this.volumes) return;
    const actions = {
      a: () => this.set({ plane: "axial" }), c: () => this.set({ plane: "coronal" }),
      s: () => this.set({ plane: "sagittal" }), n: () => this.goToTumor(1), N: () => this.goToTumor(-1),
      m: () => this.goToMostTumor(), f: () => this.setMode("fill"), o: () => this.setMode("outline"),
      e: () => this.setMode("errors"), w: () => this.nextWindow(), 1: () => this.toggleClass("kidney"),
      2: () => this.toggleClass("tumor"),
    };
    const step = STEPS[event.key];
    if (step !== undefined) this.goTo(this.index + step);
    else if (event.key in actions) actions[event.key]();
    else return;
    event.preventDefault();
  }

  // A notch of a mouse wheel is one slice; a touchpad's many small steps add up to one.
  onWheel(event) {
    if (event.ctrlKey || !this.volumes) return; // ctrl and wheel zoom the page
    event.preventDefault();
    const distance = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 40);
    let steps = Math.sign(distance) * Math.max(1, Math.round(Math.abs(distance) / 110));
    if (Math.abs(distance) < 50) {
      this.wheel = (this.wheel ?? 0) + distance;
      steps = Math.trunc(this.wheel / 40);
      this.wheel -= steps * 40;
    }
    if (steps) this.goTo(this.index + steps);
  }

  onPress(event) {
    this.part.panels.focus({ preventScroll: true });
    const frame = event.target.closest(".kv-frame");
    if (!frame || event.button !== 0) return;
    this.drag = { y: event.clientY, index: this.index, height: frame.clientHeight };
    this.part.panels.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  onPointer(event) {
    if (this.drag) { // the height of a panel is the whole stack
      const moved = (event.clientY - this.drag.y) / this.drag.height * this.geometry.count;
      const index = clamp(this.drag.index + Math.round(moved), 0, this.geometry.count - 1);
      if (index !== this.index) this.goTo(index);
    }
    this.pointer = null;
    for (const { canvas } of this.panels) {
      const box = canvas.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
      if (x >= 0 && x < 1 && y >= 0 && y < 1) this.pointer = { x, y };
    }
    this.readOut();
  }

  // --- Drawing ---

  // Draw once for each key or turn of the wheel, even faster than the screen shows them. Where a drawing takes long,
  // draw once a frame instead, so that the picture does not lag behind the hand. The last state is always drawn.
  redraw() {
    if (!this.volumes || this.waiting) return;
    this.waiting = true;
    if (this.cost < 20) queueMicrotask(() => this.draw());
    else requestAnimationFrame(() => this.draw());
  }

  draw() {
    const began = performance.now();
    this.waiting = false;
    const { geometry, index, plane, volumes } = this;
    if (plane !== this.drawnPlane) this.shape(geometry);
    this.drawnPlane = plane;
    this.mixColors();

    const { hu, gray } = this.buffers;
    cut(volumes.image, geometry, index, hu);
    for (let p = 0; p < hu.length; p++) gray[p] = this.grays[hu[p] & 0xffff];
    for (const { spec, context, image, pixels } of this.panels) {
      paint(gray, this.codesOf(spec), spec.kind === "heat" ? this.heatTable : this.labelTable, pixels);
      context.putImageData(image, 0, 0);
    }
    this.describe();
    this.readOut();
    this.root.dataset.shown = `${plane}:${index}`;
    this.cost = performance.now() - began; // ms
  }

  // What a panel shows of this slice: heat from 0 to 255, or classes, or errors.
  codesOf(spec) {
    const { geometry, index, volumes, buffers, model } = this;
    const mode = model.get("mode");
    if (spec.kind === "plain") return buffers.codes.fill(0);
    if (spec.kind === "heat") cut(volumes.heat[spec.volume], geometry, index, buffers.codes);
    else this.cutLabels(spec.volume, buffers.codes);
    if (spec.kind === "heat" || mode === "fill" || (mode === "errors" && spec.volume === this.truth)) {
      return buffers.codes;
    }
    if (mode === "outline") keepOutline(buffers.codes, geometry.rows, geometry.cols, buffers.marked);
    else {
      this.cutLabels(this.truth, buffers.truth);
      keepErrors(buffers.codes, buffers.truth, buffers.marked);
    }
    return buffers.marked;
  }

  // A slice of labels, with the classes that are switched off as background.
  cutLabels(volume, slice) {
    cut(this.volumes.labels[volume], this.geometry, this.index, slice);
    const shown = this.model.get("classes");
    const codes = this.classNames.map((name, code) => (shown.includes(name) ? code : 0));
    if (codes.some((code, label) => code !== label)) for (let p = 0; p < slice.length; p++) slice[p] = codes[slice[p]];
  }

  // Compute the tables of grays and colors anew if window, opacity or mode have changed.
  mixColors() {
    const [window, opacity, mode] = ["window", "opacity", "mode"].map((name) => this.model.get(name));
    const look = `${window} ${opacity} ${mode}`;
    if (look === this.drawnLook) return;
    this.drawnLook = look;
    this.grays = grayTable(window);
    this.labelTable = colorTable(this.colors, (code) => (code === 0 ? 0 : mode === "outline" ? 1 : opacity));
    this.heatTable = colorTable(this.heatColors, () => opacity);
  }

  // Give every canvas and buffer the size of this plane's slices.
  shape({ rows, cols, pixel }) {
    const size = rows * cols;
    const bytes = () => new Uint8Array(size);
    this.buffers = { hu: new Int16Array(size), gray: bytes(), codes: bytes(), truth: bytes(), marked: bytes() };
    this.part.panels.style.setProperty("--aspect", (cols * pixel[1]) / (rows * pixel[0]));
    for (const panel of this.panels) {
      Object.assign(panel.canvas, { width: cols, height: rows });
      panel.image = panel.context.createImageData(cols, rows);
      panel.pixels = new Uint32Array(panel.image.data.buffer);
      panel.marks.forEach((mark, side) => { mark.textContent = EDGES[this.plane][side]; });
    }
  }

  // Bring controls, legend and the words for screen readers up to date.
  describe() {
    const { part, scene, model, index, plane, root } = this;
    const { count } = this.geometry;
    const withTumor = scene.labels.filter((labels) => labels.tumor[plane][index]).map((labels) => labels.name);
    const tumor = withTumor.length ? `tumor in ${withTumor.join(", ")}` : scene.labels.length ? "no tumor" : "";
    const text = [`${plane} slice ${index + 1} of ${count}`, tumor].filter(Boolean).join(", ");
    for (const [node, first] of [[part.panels, 1], [part.slice, 0]]) {
      node.setAttribute("aria-valuemin", first);
      node.setAttribute("aria-valuemax", count - 1 + first);
      node.setAttribute("aria-valuenow", index + first);
      node.setAttribute("aria-valuetext", text);
    }
    part.slice.max = count - 1;
    part.slice.value = index;
    part.position.textContent = `${index + 1} of ${count} (index ${index})`;
    const mode = model.get("mode"), [low, high] = model.get("window"), classes = model.get("classes");
    const put = (input, value) => { if (input !== document.activeElement) input.value = value; };
    put(part.level, (low + high) / 2);
    put(part.width, high - low);
    part.preset.value = `${low},${high}`;
    if (part.preset.selectedIndex < 0) part.preset.value = "";
    part.mode.value = mode;
    part.opacity.value = model.get("opacity");
    part.opacity.disabled = mode === "outline" && !scene.panels.some((panel) => panel.kind === "heat");
    for (const box of part.legend.querySelectorAll("input")) box.checked = classes.includes(box.name);
    for (const entry of part.legend.querySelectorAll(".kv-error")) entry.hidden = mode !== "errors";
    for (const button of root.querySelectorAll("[data-plane]")) {
      button.setAttribute("aria-pressed", button.dataset.plane === plane);
    }
    const area = this.reference?.tumor[plane] ?? [];
    part.next.disabled = part.most.disabled = !area.some(Boolean);
  }

  // Say what lies under the pointer: voxel, position, HU, and each panel's own value.
  readOut() {
    if (!this.volumes) return;
    const { geometry, pointer, scene, volumes, part } = this;
    for (const { cross } of this.panels) cross.hidden = !pointer;
    if (!pointer) {
      for (const panel of this.panels) panel.value.textContent = "";
      part.readout.textContent = "point at a panel to read its voxels";
      return;
    }
    const row = Math.floor(pointer.y * geometry.rows), col = Math.floor(pointer.x * geometry.cols);
    const at = this.index * geometry.step + row * geometry.rowStep + col * geometry.colStep;
    const [, height, width] = scene.shape;
    const voxel = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width];
    const place = ["RL", "AP", "SI"].map((sides, axis) => { // the affine's axes point right, front and up
      const mm = scene.affine[axis].reduce((sum, factor, i) => sum + factor * (voxel[i] ?? 1), 0);
      return `${sides[mm < 0 ? 1 : 0]} ${Math.abs(mm).toFixed(1)}`;
    });
    const about = scene.hu_step > 1 ? "about " : "";
    part.readout.textContent = `voxel (${voxel.join(", ")})   ${place.join(", ")} mm   ${about}${volumes.image[at]} HU`;
    for (const { spec, value, cross } of this.panels) {
      cross.style.left = `${pointer.x * 100}%`;
      cross.style.top = `${pointer.y * 100}%`;
      if (spec.kind === "labels") value.textContent = this.classNames[volumes.labels[spec.volume][at]];
      if (spec.kind === "heat") {
        const step = (spec.high - spec.low) / 255; // known to this step, so no more digits than that
        const heat = spec.low + volumes.heat[spec.volume][at] * step;
        value.textContent = Number(heat.toFixed(clamp(Math.ceil(-Math.log10(step)), 0, 20)));
      }
    }
  }

  remove() {
    this.forget();
    this.root.remove();
  }
}

// anywidget calls this once for each widget, then `render` for each place where it is shown. The volumes are unpacked
// when the widget is first shown, and let go when it is shown no more, as when its cell is run again.
export default () => {
  let volumes = null, views = 0;
  return {
    render({ model, el }) {
      const view = new View(model, el);
      volumes ??= readAll(model);
      volumes.then((ready) => view.start(ready)).catch((error) => view.fail(error));
      views++;
      return () => {
        view.remove();
        if (--views === 0) volumes = null;
      };
    },
  };
};
