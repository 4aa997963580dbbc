// The surface of the labels, turned by mouse and keys: the kidneys like milky glass, the tumor solid within.
// No mesh and no 3-D hardware: the labels become a smooth field on a grid of equal steps, and for each pixel a ray
// walks through it until it meets the surface (ray casting, as in volume rendering).

import { clamp, element, passFocus, rgb } from "./dom.js";
import { say } from "./readout.js";

const CELLS = 110, FINEST = 1.5, MARGIN = 3; // grid cells along the longest side; mm; cells around the organ
const FINE = 360, QUICK = 150; // pixels of the picture, at rest and while it turns
const GLASS = 0.45, HALF = 128; // how much the kidney hides the tumor; the field's value on the surface
const TURNS = { ArrowLeft: [-15, 0], ArrowRight: [15, 0], ArrowUp: [0, 15], ArrowDown: [0, -15] }; // degrees
const FACES = ["front", "left", "back", "right"]; // of the patient, seen after turns of 90 degrees

// The smallest box [low, high) of voxels that holds all labels; null if there are none.
function boxOf(labels, [, h, w]) {
  const low = [Infinity, Infinity, Infinity], high = [0, 0, 0];
  for (let v = 0; v < labels.length; v++) {
    if (labels[v] === 0) continue;
    const at = [Math.floor(v / (h * w)), Math.floor(v / w) % h, v % w];
    for (let a = 0; a < 3; a++) {
      if (at[a] < low[a]) low[a] = at[a];
      if (at[a] >= high[a]) high[a] = at[a] + 1;
    }
  }
  return high[0] ? { low, high } : null;
}

// Blur along one axis with weights 1 2 1, in place.
function blur(field, size, axis) {
  const stride = [size[1] * size[2], size[2], 1][axis], last = stride * (size[axis] - 1);
  for (let start = 0; start < field.length; start++) {
    if (Math.floor(start / stride) % size[axis]) continue; // a line starts where its number on this axis is 0
    let before = field[start];
    for (let at = start; at <= start + last; at += stride) {
      const here = field[at], after = at < start + last ? field[at + stride] : here;
      field[at] = (before + 2 * here + after) >> 2;
      before = here;
    }
  }
}

// The labels as two smooth fields, 0 to 255, on a grid of equal steps: everything, and the tumor alone.
function fieldsOf(labels, { shape, spacing }) {
  const box = boxOf(labels, shape);
  if (!box) return null;
  const extent = spacing.map((mm, a) => (box.high[a] - box.low[a]) * mm);
  const step = Math.max(FINEST, Math.max(...extent) / CELLS);
  const size = extent.map((mm) => Math.ceil(mm / step) + 2 * MARGIN);
  const organ = new Uint8Array(size[0] * size[1] * size[2]), tumor = new Uint8Array(organ.length);
  const [, h, w] = shape, lines = size.map((count, a) => Array.from({ length: count }, (_, k) => {
    const at = box.low[a] + ((k - MARGIN + 0.5) * step) / spacing[a] - 0.5; // in voxels
    return [Math.floor(at), at - Math.floor(at)];
  }));
  const get = (z, y, x) => (z < 0 || z >= shape[0] || y < 0 || y >= h || x < 0 || x >= w ? 0 : labels[(z * h + y) * w + x]);
  let p = 0;
  for (const [z, fz] of lines[0]) for (const [y, fy] of lines[1]) for (const [x, fx] of lines[2]) {
    let all = 0, sick = 0;
    for (let corner = 0; corner < 8; corner++) {
      const [dz, dy, dx] = [corner >> 2, (corner >> 1) & 1, corner & 1], label = get(z + dz, y + dy, x + dx);
      if (!label) continue;
      const share = (dz ? fz : 1 - fz) * (dy ? fy : 1 - fy) * (dx ? fx : 1 - fx);
      all += share;
      if (label === 2) sick += share;
    }
    organ[p] = 255 * all;
    tumor[p++] = 255 * sick;
  }
  for (const field of [organ, tumor]) for (const axis of [0, 1, 2, 0, 1, 2]) blur(field, size, axis);
  return { organ, tumor, size };
}

// The value of a field between its cells.
function sample(field, [, ny, nx], z, y, x) {
  const z0 = z | 0, y0 = y | 0, x0 = x | 0, fz = z - z0, fy = y - y0, fx = x - x0, p = (z0 * ny + y0) * nx + x0, q = p + ny * nx;
  const near = (field[p] * (1 - fx) + field[p + 1] * fx) * (1 - fy) + (field[p + nx] * (1 - fx) + field[p + nx + 1] * fx) * fy;
  const far = (field[q] * (1 - fx) + field[q + 1] * fx) * (1 - fy) + (field[q + nx] * (1 - fx) + field[q + nx + 1] * fx) * fy;
  return near * (1 - fz) + far * fz;
}

// Walk from `from` in steps of one cell along `way` until the field is met; return the distance, or Infinity.
function march(field, size, from, way, near, far) {
  const [, ny, nx] = size;
  for (let t = near; t < far; t += 1) {
    const z = from[0] + t * way[0], y = from[1] + t * way[1], x = from[2] + t * way[2];
    if (field[((z + 0.5 | 0) * ny + (y + 0.5 | 0)) * nx + (x + 0.5 | 0)] < HALF) continue;
    let low = Math.max(near, t - 1.5), high = t;
    for (let half = 0; half < 5; half++) {
      const middle = (low + high) / 2;
      const value = sample(field, size, from[0] + middle * way[0], from[1] + middle * way[1], from[2] + middle * way[2]);
      if (value < HALF) low = middle;
      else high = middle;
    }
    return high;
  }
  return Infinity;
}

// The light of the surface at a distance along a ray: from the eye's upper left, with a small highlight.
function shade(field, size, from, way, t, light) {
  const [z, y, x] = [0, 1, 2].map((a) => clamp(from[a] + t * way[a], 1, size[a] - 3));
  const slope = [sample(field, size, z - 1, y, x) - sample(field, size, z + 1, y, x),
    sample(field, size, z, y - 1, x) - sample(field, size, z, y + 1, x),
    sample(field, size, z, y, x - 1) - sample(field, size, z, y, x + 1)];
  const dot = (slope[0] * light[0] + slope[1] * light[1] + slope[2] * light[2]) / (Math.hypot(...slope) || 1);
  return [0.3 + 0.7 * Math.max(0, dot), 0.35 * Math.max(0, dot) ** 24];
}

// The picture of the fields from one side, `pixels` of side * side; colors are those of kidney and tumor.
function cast({ organ, tumor, size }, yaw, pitch, side, pixels, colors) {
  const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const right = [0, sy, cy], down = [cp, -sp * cy, sp * sy], way = [sp, cp * cy, -cp * sy]; // along D, H, W
  const light = [0, 1, 2].map((a) => (-way[a] - 0.5 * right[a] - 0.7 * down[a]) / Math.hypot(1, 0.5, 0.7));
  const reach = Math.hypot(...size) / 2, widest = Math.max(size[0], Math.hypot(size[1], size[2])) / 2, from = [0, 0, 0];
  for (let row = 0, p = 0; row < side; row++) {
    for (let col = 0; col < side; col++, p++) {
      const u = ((col + 0.5) / side * 2 - 1) * widest, v = ((row + 0.5) / side * 2 - 1) * widest;
      let near = -reach, far = reach;
      for (let a = 0; a < 3; a++) { // only the part of the ray that lies within the grid
        from[a] = size[a] / 2 + u * right[a] + v * down[a];
        const inverse = 1 / (way[a] || 1e-9), t1 = (1 - from[a]) * inverse, t2 = (size[a] - 3 - from[a]) * inverse;
        near = Math.max(near, Math.min(t1, t2));
        far = Math.min(far, Math.max(t1, t2));
      }
      const hit = near < far ? march(organ, size, from, way, near, far) : Infinity;
      if (hit === Infinity) { pixels[p] = 0xff000000; continue; }
      const sick = march(tumor, size, from, way, near, far);
      const [bright, glint] = shade(organ, size, from, way, hit, light);
      let color = colors[0].map((part) => part * bright);
      if (sick < Infinity) {
        const [inner] = shade(tumor, size, from, way, sick, light), cover = sick < hit + 1.5 ? 0 : GLASS;
        color = color.map((part, i) => part * cover + colors[1][i] * inner * (1 - cover));
      }
      const [r, g, b] = color.map((part) => Math.min(255, part + 255 * glint));
      pixels[p] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
  }
}

export class Surface {
  constructor(view, spec) {
    this.view = view;
    const { labels } = view.scene;
    this.volume = spec.kind === "labels" ? spec.volume : labels.indexOf(view.reference);
    this.name = labels[this.volume].name;
    [this.yaw, this.pitch] = [0, 0]; // degrees
    this.canvas = element("canvas", { className: "kv-surface", tabIndex: 0, width: FINE, height: FINE });
    this.canvas.setAttribute("role", "img");
    this.side = element("span", { className: "kv-value" });
    const caption = element("figcaption", {}, element("b", { textContent: `surface of ${this.name}` }), this.side);
    this.figure = element("figure", { className: "kv-solid" }, caption, this.canvas);
    this.canvas.onpointerdown = (event) => this.onPress(event);
    this.canvas.onpointermove = (event) => this.onMove(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = (event) => this.onRelease(event);
  }

  remove() {
    passFocus(this.canvas, this.view.part.panels);
    this.figure.remove();
  }

  onPress(event) {
    if (this.drag || (event.pointerType === "touch" && !this.view.hasFocus)) return;
    this.canvas.focus({ preventScroll: true });
    this.drag = { x: event.clientX, y: event.clientY, finger: event.pointerId };
    this.canvas.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    const { drag } = this, { pointerId, clientX, clientY } = event;
    if (drag?.finger !== pointerId) return;
    if (!(event.buttons & 1)) return this.onRelease(event); // another button is down still, or the release never came
    this.drag = { x: clientX, y: clientY, finger: pointerId };
    this.turn((drag.x - clientX) / 2, (clientY - drag.y) / 2);
  }

  onRelease({ type, pointerId, pointerType }) {
    const isTap = !this.drag && type === "pointerup" && pointerType === "touch"; // the first one wakes the viewer
    if (isTap) this.canvas.focus({ preventScroll: true });
    if (this.drag?.finger !== pointerId) return;
    this.drag = null;
    this.draw();
  }

  // A key on the surface turns it; true if it was one of these.
  takes({ target, key }) {
    if (target !== this.canvas || !(key in TURNS || key === "Home")) return false;
    if (key === "Home") [this.yaw, this.pitch] = [0, 0];
    this.turn(...(TURNS[key] ?? [0, 0]));
    say(this.view, this.seenFrom());
    return true;
  }

  turn(right, up) {
    this.yaw = (this.yaw + right + 360) % 360;
    this.pitch = clamp(this.pitch + up, -90, 90);
    this.draw();
  }

  seenFrom() {
    const height = Math.round(Math.abs(this.pitch));
    const tilt = height ? `, ${height}\u00b0 from ${this.pitch > 0 ? "above" : "below"}` : "";
    const side = FACES[Math.round(this.yaw / 90) % 4], off = Math.round(((this.yaw + 45) % 90) - 45);
    return `seen from the ${side}${off ? ` and ${Math.abs(off)}\u00b0 aside` : ""}${tilt}`;
  }

  draw() {
    const { yaw, pitch } = this, { volumes, scene } = this.view;
    const side = this.drag ? QUICK : FINE, look = `${yaw} ${pitch} ${side}`;
    if (look === this.look) return;
    this.look = look;
    if (!this.words) { // the first time
      this.fields = fieldsOf(volumes.labels[this.volume], scene);
      this.words = this.describe(volumes.labels[this.volume], scene.spacing);
    }
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d"), image = context.createImageData(side, side);
    const colors = Object.values(scene.classes).map(rgb), turned = [yaw, pitch].map((angle) => (angle * Math.PI) / 180);
    if (this.fields) cast(this.fields, ...turned, side, new Uint32Array(image.data.buffer), colors);
    context.putImageData(image, 0, 0);
    this.side.textContent = this.seenFrom().slice("seen ".length);
    this.canvas.setAttribute("aria-label", `surface of ${this.name}: ${this.words}; ${this.seenFrom()}; arrow keys turn it`);
  }

  // The volumes of kidney and tumor in words.
  describe(labels, spacing) {
    const counts = [0, 0, 0], voxel = (spacing[0] * spacing[1] * spacing[2]) / 1000; // ml
    for (let v = 0; v < labels.length; v++) counts[labels[v]]++;
    const ml = (count) => `${Number((count * voxel).toPrecision(3))} ml`;
    return counts[1] + counts[2] ? `kidney ${ml(counts[1])}, tumor ${ml(counts[2])}` : "nothing is labeled";
  }
}
