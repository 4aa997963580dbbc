// From volumes to pixels. A panel has two canvases, each with one pixel for each voxel of the slice: the gray image,
// and over it the labels, errors or heat in solid colors. The browser stretches both and mixes them by `opacity`.

import { cut, geometryOf } from "./volume.js";
import { rgb } from "./dom.js";

const OUTSIDE = 0, MISSED = 3, INVENTED = 4, WRONG_CLASS = 5;
const pixel = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; // bytes in memory: R, G, B, A

// For every possible HU value, the gray pixel; looked up with `hu & 0xffff`.
function grayTable([low, high]) {
  const table = new Uint32Array(65536);
  for (let hu = -32768; hu < 32768; hu++) {
    const gray = Math.round(255 * Math.min(1, Math.max(0, (hu - low) / (high - low))));
    table[hu & 0xffff] = pixel([gray, gray, gray]);
  }
  return table;
}

// Keep a code only where a voxel above, below or beside it differs. How many voxels are looked at, up or down and to
// either side, is `reach`: more than one where the screen shows fewer pixels than voxels, and a thinner line has gaps.
function keepOutline(codes, rows, cols, out, [high, wide]) {
  for (let row = 0, p = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, p++) {
      const code = codes[p];
      out[p] = 0;
      if (code === 0) continue;
      const left = Math.min(wide, col), right = Math.min(wide, cols - 1 - col);
      const up = Math.min(high, row), down = Math.min(high, rows - 1 - row);
      for (let k = -left; k <= right; k++) if (codes[p + k] !== code) out[p] = code;
      for (let k = -up; k <= down; k++) if (codes[p + k * cols] !== code) out[p] = code;
    }
  }
}

// Write over the outline of the truth in `out` what is wrong with a prediction, if one of the classes shown takes part.
// All classes count, as to hide one must not change what an error is called.
function markErrors(codes, truth, shown, out) {
  for (let p = 0; p < codes.length; p++) {
    if (codes[p] === truth[p] || !(shown[codes[p]] || shown[truth[p]])) continue;
    out[p] = codes[p] === 0 ? MISSED : truth[p] === 0 ? INVENTED : WRONG_CLASS;
  }
}

// The slice of one plane: its image, and room for the codes and colors of the panel that is being drawn.
class Slice {
  constructor(plane, { shape, spacing }) {
    this.geometry = geometryOf(plane, shape, spacing);
    const { rows, cols } = this.geometry, bytes = () => new Uint8Array(rows * cols);
    this.hu = new Int16Array(rows * cols);
    [this.codes, this.truth, this.marked] = [bytes(), bytes(), bytes()];
    [this.image, this.colors] = [new ImageData(cols, rows), new ImageData(cols, rows)];
    this.imagePixels = new Uint32Array(this.image.data.buffer);
    this.colorPixels = new Uint32Array(this.colors.data.buffer);
  }
}

// Draws the panels of one view, each only when something in it has changed.
export class Drawing {
  constructor(scene, volumes) {
    this.scene = scene;
    this.volumes = volumes;
    this.slices = {};
    const classes = Object.values(scene.classes), errors = Object.values(scene.errors);
    this.labelColors = Uint32Array.of(OUTSIDE, ...[...classes, ...errors].map((color) => pixel(rgb(color))));
    this.heatColors = Uint32Array.from(scene.heat_colors, (color) => pixel(rgb(color)));
    this.truth = scene.labels.findIndex((labels) => labels.name === scene.truth);
  }

  // state: window, mode, classes and `indices`, one for each plane.
  draw(panels, state) {
    if (`${state.window}` !== this.window) {
      this.window = `${state.window}`;
      this.grays = grayTable(state.window);
    }
    for (const panel of panels) this.drawPanel(panel, state);
  }

  drawPanel(panel, state) {
    const { plane, spec, image, colors, canvas, overlay, drawn } = panel;
    const slice = (this.slices[plane] ??= new Slice(plane, this.scene));
    const index = state.indices[slice.geometry.axes[0]];
    const { rows, cols } = slice.geometry;
    const place = `${plane} ${index}`;
    const reach = panel.voxelsPerPixel().map((count) => Math.max(1, Math.ceil(count - 0.01)));
    const look = `${place} ${state.mode} ${state.classes} ${spec.kind} ${spec.volume} ${reach}`;
    if (canvas.width !== cols || canvas.height !== rows) {
      for (const each of [canvas, overlay]) Object.assign(each, { width: cols, height: rows });
      drawn.image = drawn.colors = null;
    }
    if (drawn.image !== `${place} ${this.window}`) {
      drawn.image = `${place} ${this.window}`;
      this.paintImage(slice, index, drawn.image);
      image.putImageData(slice.image, 0, 0);
    }
    if (spec.kind !== "plain" && drawn.colors !== look) {
      drawn.colors = look;
      const codes = this.codesOf(spec, slice, index, state, reach);
      const table = spec.kind === "heat" ? this.heatColors : this.labelColors;
      for (let p = 0; p < codes.length; p++) slice.colorPixels[p] = table[codes[p]];
      colors.putImageData(slice.colors, 0, 0);
    }
  }

  paintImage(slice, index, what) {
    if (slice.painted === what) return; // for another panel of this plane
    slice.painted = what;
    cut(this.volumes.image, slice.geometry, index, slice.hu);
    const { hu, imagePixels } = slice;
    for (let p = 0; p < hu.length; p++) imagePixels[p] = this.grays[hu[p] & 0xffff];
  }

  // What a panel shows of a slice: heat from 0 to 255, or classes, or errors.
  codesOf(spec, slice, index, { mode, classes }, reach) {
    const { geometry, codes, truth, marked } = slice;
    if (spec.kind === "heat") {
      cut(this.volumes.heat[spec.volume], geometry, index, codes);
      return codes;
    }
    const { labels } = this.volumes, compares = mode === "errors" && spec.volume !== this.truth;
    const shown = ["background", ...Object.keys(this.scene.classes)].map((name, i) => (classes.includes(name) ? i : 0));
    cut(labels[compares ? this.truth : spec.volume], geometry, index, codes);
    if (shown.some((code, label) => code !== label)) for (let p = 0; p < codes.length; p++) codes[p] = shown[codes[p]];
    if (mode !== "outline" && !compares) return codes;
    keepOutline(codes, geometry.rows, geometry.cols, marked, reach);
    if (compares) {
      cut(labels[spec.volume], geometry, index, codes);
      cut(labels[this.truth], geometry, index, truth);
      markErrors(codes, truth, shown, marked);
    }
    return marked;
  }
}
