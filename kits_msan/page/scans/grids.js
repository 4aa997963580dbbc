// Where voxels lie: affines, three rows of four, from indices to RAS+ millimeters; formats/grids.py of the package.

import { Broken } from "./header.js";
import { roundHalfEven } from "./resampling.js";

const SMALL = 100, WIDE = 1000, UNITS = { 1: "meter", 3: "micron" }; // mm: less and more than a body; codes of other units
const EDGES = [0.01, 100], LONGEST = 4000, FARTHEST = 1e6, SAME_PLACE = 0.2, SKEW = 1; // mm; the last two: of a voxel, degrees

const column = (affine, axis) => affine.map((row) => row[axis]);
const length = (vector) => Math.hypot(...vector);
export const edgesOf = (affine) => [0, 1, 2].map((axis) => length(column(affine, axis)));

function determinant([[a, b, c], [d, e, f], [g, h, i]]) {
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

function inverse(matrix) {
  const det = determinant(matrix);
  const minor = (r, c) => {
    const [r1, r2] = [0, 1, 2].filter((k) => k !== r), [c1, c2] = [0, 1, 2].filter((k) => k !== c);
    return (matrix[r1][c1] * matrix[r2][c2] - matrix[r1][c2] * matrix[r2][c1]) * ((r + c) % 2 ? -1 : 1);
  };
  return [0, 1, 2].map((r) => [0, 1, 2].map((c) => minor(c, r) / det));
}

const unitColumns = (affine) => {
  const edges = edgesOf(affine);
  return affine.map((row) => row.slice(0, 3).map((value, axis) => value / (edges[axis] || 1)));
};

export function isGrid(affine) {
  const edges = edgesOf(affine);
  return affine.flat().every(Number.isFinite) && Math.min(...edges) >= EDGES[0] && Math.max(...edges) <= EDGES[1]
    && Math.abs(determinant(unitColumns(affine))) > 1e-3;
}

// How far the corners of a volume lie apart under two affines: [millimeters, voxels of the second].
function apart(first, second, shape) {
  const back = inverse(second);
  let far = 0, voxels = 0;
  for (let corner = 0; corner < 8; corner++) {
    const index = [0, 1, 2].map((axis) => (corner >> axis & 1 ? shape[axis] - 1 : 0));
    const step = first.map((row, r) => row.reduce((sum, v, c) => sum + (v - second[r][c]) * (c < 3 ? index[c] : 1), 0));
    far = Math.max(far, length(step));
    for (const row of back) voxels = Math.max(voxels, Math.abs(row.reduce((sum, v, c) => sum + v * step[c], 0)));
  }
  return [far, voxels];
}

// The affine that counts, and a remark where the header says two things or nothing.
export function affineOf(name, header) {
  const read = (form) => {
    try {
      return header.get(`${form}Code`) > 0 ? header[form] : null;
    } catch (error) {
      if (error instanceof Broken) return null;
      throw error;
    }
  };
  const sform = read("sform"), qform = read("qform");
  const hasS = Boolean(sform && isGrid(sform)), hasQ = Boolean(qform && isGrid(qform));
  if (header.get("sformCode") > 0 && !hasS && hasQ) {
    header.set("sformCode", 0);
    return { affine: qform, note: `${name} has an s-form that cannot be used; its q-form says where it lies.` };
  }
  if (hasS && hasQ) {
    const [far, voxels] = apart(qform, sform, header.shape);
    const words = `${name} has two orientations, up to ${far.toFixed(1)} mm apart; its s-form is taken, not its q-form.`;
    return { affine: sform, note: voxels > SAME_PLACE ? words : "" };
  }
  if (header.get("sformCode") > 0) return { affine: header.sform, note: "" };
  if (header.get("qformCode") > 0) return { affine: header.qform, note: "" };
  const words = `${name} does not say how the patient lay (both orientation codes are 0); its axes are taken as LAS.`;
  return { affine: header.plain, note: words };
}

// A sentence for voxels of impossible size or place; empty if all is well.
export function oddGeometry(affine, shape) {
  const edges = edgesOf(affine), sides = edges.map((edge, axis) => edge * shape[axis]);
  const anew = "export it anew with its geometry.";
  if (!affine.flat().every(Number.isFinite)) return `has an affine that is not finite; ${anew}`;
  if (!(EDGES[0] <= Math.min(...edges) && Math.max(...edges) <= EDGES[1])) {
    return `has voxels of ${edges.map(sixDigits).join(" x ")} mm, which no CT has; ${anew}`;
  }
  if (Math.max(...sides) > LONGEST) return `spans ${spanned(sides)} mm, which no CT does; ${anew}`;
  if (!isGrid(affine)) return `has an affine whose axes lie in one plane; ${anew}`;
  if (Math.max(...affine.flat().map(Math.abs)) > FARTHEST) {
    return `lies farther from its origin than any scanner; ${anew}`;
  }
  return "";
}

// What in a CT's grid is possible but hardly true: lost geometry, another unit, the size of a body. Sentences, or "".
export function oddGrid(name, header, affine) {
  const unit = UNITS[header.get("units") % 8], sides = edgesOf(affine).map((edge, axis) => edge * header.shape[axis]);
  const words = unit ? [`${name} says that its lengths are in ${unit}s; they are taken as millimeters.`] : [];
  const size = spanned(sides), skew = skewOf(affine), lost = affine.every((row, r) => row.every((value, c) => Math.abs(value) === (r === c ? 1 : 0)));
  if (lost) {
    const axes = ["RL", "AP", "SI"].map((ends, axis) => ends[affine[axis][axis] > 0 ? 0 : 1]).join("");
    words.push(`${name} lies at 0 with voxels of just 1 mm, axes ${axes}, as where the geometry was lost on the way; `
      + "if so, export it anew.");
  }
  if (skew > SKEW) {
    words.push(`${name} has axes ${roundHalfEven(skew)} degrees off a right angle, as after a tilted gantry; they are `
      + "taken as at right angles, so its labels may be worse and volumes in ml too large.");
  }
  if ([...sides].sort((a, b) => a - b)[1] > WIDE) {
    words.push(`${name} spans ${size} mm; no body is so wide, so its voxel sizes may be wrong.`);
  } else if (Math.max(...sides) < SMALL && !lost) {
    words.push(`${name} spans only ${size} mm; if that is more of a body than it seems, its voxel sizes are wrong.`);
  }
  return words.join(" ");
}

const spanned = (sides) => sides.map(roundHalfEven).join(" x ");

// How far, in degrees, two of the axes are off a right angle at most.
function skewOf(affine) {
  const axes = [0, 1, 2].map((axis) => column(unitColumns(affine), axis));
  const along = [[0, 1], [0, 2], [1, 2]].map(([a, b]) => Math.abs(axes[a].reduce((sum, v, k) => sum + v * axes[b][k], 0)));
  return Math.asin(Math.min(1, Math.max(...along))) * 180 / Math.PI;
}

// A number as Python's `g` writes it.
function sixDigits(value) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const [digits, power] = value.toExponential(5).split("e").map(Number);
  if (power >= -4 && power < 6) return String(Number(value.toPrecision(6)));
  return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

// For each file axis [axis of (D, H, W), 1 or -1]; D goes down from superior, H back from anterior, W to the left.
export function toKitsOrder(affine) {
  let rotation = unitColumns(affine);
  if (!(Math.abs(determinant(rotation)) > 1e-12)) throw new Broken("its affine is singular");
  for (let k = 0; k < 60; k++) { // toward the closest rotation: the mean of a matrix and its inverse's transpose
    const other = inverse(rotation);
    rotation = rotation.map((row, r) => row.map((value, c) => (value + other[c][r]) / 2));
  }
  rotation = rotation.map((row) => row.map((value) => Math.round(value * 1e6) / 1e6)); // of axes that fit alike, the first
  const strength = [0, 1, 2].map((axis) => Math.max(...column(rotation, axis).map((value) => value * value)));
  const order = [0, 1, 2].sort((a, b) => strength[b] - strength[a] || a - b), free = new Set([0, 1, 2]), found = [];
  for (const axis of order) {
    const along = column(rotation, axis);
    const world = [...free].reduce((best, k) => (Math.abs(along[k]) > Math.abs(along[best]) ? k : best));
    free.delete(world);
    found[axis] = [2 - world, along[world] < 0 ? 1 : -1];
  }
  return found;
}

// The affine from (slice, row, column) indices.
export function affineInKitsOrder(affine, order, shape) {
  return affine.map((row) => {
    const out = [0, 0, 0, row[3]];
    order.forEach(([axis, flip], a) => {
      out[axis] = row[a] * flip;
      if (flip < 0) out[3] += row[a] * (shape[a] - 1);
    });
    return out;
  });
}
