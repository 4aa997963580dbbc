// One panel: two canvases in a frame, with the patient's sides, a crosshair, a scale bar and a measured line.
// A place on the picture is [row, column] in voxels, where [0.5, 0.5] is the middle of the first one. A place in the
// frame is [y, x] from 0 to 1. Between them stands the zoom of the panel's plane: { scale, x, y }.

import { clamp, element } from "./dom.js";
import { geometryOf } from "./volume.js";

const BAR_LENGTHS = [200, 100, 50, 20, 10, 5, 2, 1]; // mm
const LONGEST_BAR = 0.3, LARGEST_SCALE = 24; // of the frame's width; of the picture that fits the frame

export class Panel {
  // spec: what is shown, an entry of the scene's panels. plane: its own; without one it follows the view's.
  constructor(view, spec, plane = null) {
    Object.assign(this, { view, spec, ownPlane: plane, drawn: {} });
    this.canvas = element("canvas", { className: "kv-image" });
    this.canvas.dataset.panel = plane ?? spec.name;
    this.overlay = element("canvas", { className: "kv-colors" });
    this.overlay.classList.toggle("kv-heat", spec.kind === "heat");
    this.image = this.canvas.getContext("2d", { alpha: false });
    this.colors = this.overlay.getContext("2d");
    this.stage = element("div", { className: "kv-stage" }, this.canvas, this.overlay);
    this.cross = element("i", { className: "kv-cross", hidden: true });
    this.lines = ["row", "column"].map((way) => element("i", { className: `kv-line kv-${way}`, hidden: true }));
    this.marks = [..."lrtb"].map((side) => element("span", { className: `kv-mark kv-${side}` }));
    this.bar = element("span", { className: "kv-bar-length" });
    const holder = element("div", { innerHTML: '<svg class="kv-ruler"><line/><line/></svg>' }); // black under white
    this.ruler = holder.firstChild;
    this.value = element("span", { className: "kv-value" });
    this.title = element("b");
    this.frame = element("div", { className: "kv-frame" }, this.stage, this.ruler, ...this.lines, this.cross,
      ...this.marks, this.bar);
    this.figure = element("figure", {}, element("figcaption", {}, this.title, this.value), this.frame);
    if (spec.kind === "heat" && !plane) this.figure.append(this.colorBar());
  }

  get plane() { return this.ownPlane ?? this.view.plane; }
  get geometry() { return geometryOf(this.plane, this.view.scene.shape, this.view.scene.spacing); }
  get index() { return this.view.indices[this.geometry.axes[0]]; }
  get zoom() { return this.view.zooms[this.plane]; }

  colorBar() {
    const bar = element("span", { className: "kv-ramp" });
    const colors = this.view.scene.heat_colors.filter((_, i) => i % 15 === 0);
    bar.style.background = `linear-gradient(to right, ${colors})`;
    this.ends = [element("span"), element("span")];
    return element("div", { className: "kv-scale" }, this.ends[0], bar, this.ends[1]);
  }

  // From a pointer event to a place in the frame.
  pointAt({ clientX, clientY }) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    return [(clientY - top) / height, (clientX - left) / width];
  }

  // From a pointer event to a place on the picture; null outside of the frame.
  placeAt(event) {
    const [y, x] = this.pointAt(event);
    if (!(x >= 0 && x < 1 && y >= 0 && y < 1)) return null;
    const { rows, cols } = this.geometry, { scale, x: left, y: top } = this.zoom;
    const place = [((y - top) / scale) * rows, ((x - left) / scale) * cols];
    return place[0] >= 0 && place[0] < rows && place[1] >= 0 && place[1] < cols ? place : null;
  }

  // From a place on the picture to one in the frame.
  inFrame([row, column]) {
    const { rows, cols } = this.geometry, { scale, x, y } = this.zoom;
    return [y + (scale * row) / rows, x + (scale * column) / cols];
  }

  // Enlarge by a factor around a point of the frame; the picture keeps the frame filled.
  zoomBy(factor, [y, x] = [0.5, 0.5]) {
    const zoom = this.zoom, smallest = Math.min(1, this.scaleOfOneToOne());
    const scale = clamp(zoom.scale * factor, smallest, LARGEST_SCALE), grown = scale / zoom.scale;
    Object.assign(zoom, { scale, x: x - (x - zoom.x) * grown, y: y - (y - zoom.y) * grown });
    this.moveBy(0, 0);
  }

  // Move the picture by shares of the frame.
  moveBy(down, right) {
    const { zoom } = this, inside = (at) => (zoom.scale < 1 ? (1 - zoom.scale) / 2 : clamp(at, 1 - zoom.scale, 0));
    Object.assign(zoom, { x: inside(zoom.x + right), y: inside(zoom.y + down) });
  }

  // The scale at which a voxel is one pixel wide.
  scaleOfOneToOne() { return this.geometry.cols / (this.frame.clientWidth || this.geometry.cols); }

  // How many voxels one pixel of the screen covers, down and across. The frame's width is kept until it may have
  // changed: to ask for it at each drawing would lay out the page each time.
  voxelsPerPixel() {
    this.width ||= this.frame.clientWidth;
    const { rows, cols, pixel } = this.geometry;
    const across = cols / (this.width * this.zoom.scale * devicePixelRatio);
    return this.width ? [(across * pixel[1]) / pixel[0], across] : [1, 1]; // in true shape, mm by mm
  }

  // Bring all that lies over the picture to its place.
  arrange() {
    const { geometry, plane, view, zoom } = this, { rows, cols, pixel } = geometry;
    const aspect = (cols * pixel[1]) / (rows * pixel[0]);
    if (aspect !== this.aspect) this.width = 0;
    this.frame.style.setProperty("--aspect", this.aspect = aspect);
    this.stage.style.transform = zoom.scale === 1 ? "" : `translate(${zoom.x * 100}%, ${zoom.y * 100}%) scale(${zoom.scale})`;
    this.title.textContent = this.ownPlane ?? this.spec.name;
    this.figure.classList.toggle("kv-active", this.ownPlane !== null && plane === view.plane);
    this.marks.forEach((mark, side) => { mark.textContent = view.scene.sides[plane][side]; });
    const solid = this.spec.kind === "labels" && view.model.get("mode") === "outline";
    this.overlay.style.opacity = solid ? 1 : view.model.get("opacity");
    this.ends?.forEach((end, i) => { end.textContent = Number([this.spec.low, this.spec.high][i].toPrecision(3)); });
    this.arrangeLines();
    this.arrangeBar();
  }

  arrangeLines() {
    const { geometry, view } = this, [, rowAxis, colAxis] = geometry.axes;
    const shown = view.crossShown;
    const [y, x] = this.inFrame([view.indices[rowAxis] + 0.5, view.indices[colAxis] + 0.5]);
    for (const [line, side, at] of [[this.lines[0], "top", y], [this.lines[1], "left", x]]) {
      line.hidden = !shown || at < 0 || at > 1;
      line.style[side] = `${at * 100}%`;
    }
    const { measured } = view;
    const here = measured && measured.plane === this.plane && measured.index === this.index;
    this.measures = Boolean(here);
    this.ruler.toggleAttribute("hidden", !here);
    if (!here) return;
    const [[y1, x1], [y2, x2]] = [measured.from, measured.to].map((place) => this.inFrame(place));
    for (const line of this.ruler.children) {
      for (const [name, at] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, `${at * 100}%`);
    }
  }

  arrangeBar() {
    const { cols, pixel } = this.geometry;
    const width = this.zoom.scale / (cols * pixel[1]); // of 1 mm, as a share of the frame
    const length = BAR_LENGTHS.find((mm) => mm * width <= LONGEST_BAR) ?? 1;
    this.bar.style.width = `${length * width * 100}%`;
    this.bar.textContent = length < 10 ? `${length} mm` : `${length / 10} cm`;
  }
}

// The distance of two places on a slice, mm.
export function distance({ pixel }, from, to) {
  return Math.hypot((to[0] - from[0]) * pixel[0], (to[1] - from[1]) * pixel[1]);
}
