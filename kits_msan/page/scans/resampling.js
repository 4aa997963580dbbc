// From a scan's own grid to the spacing that a network expects, and from there back; data/resampling.py of the package.
// Both grids cover the same box of space. A slice is computed at a time.

export function gridShape(shape, spacing, wanted) {
  return shape.map((n, axis) => Math.max(1, roundHalfEven(n * spacing[axis] / wanted[axis])));
}

export function isSameSpacing(spacing, wanted) {
  return !wanted || spacing.every((size, axis) => Math.abs(size - wanted[axis]) <= 1e-8 + 1e-3 * wanted[axis]);
}

export function roundHalfEven(value) {
  const down = Math.floor(value), rest = value - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

// For each new voxel along an axis the old ones that it averages: [first, weights]. A triangle as wide as a new voxel,
// or as an old one where the grid becomes finer.
function triangles(before, after) {
  const scale = before / after, reach = Math.max(scale, 1);
  return Array.from({ length: after }, (_, i) => {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(center - reach)), last = Math.min(before, Math.ceil(center + reach));
    const weights = [];
    for (let j = first; j < last; j++) weights.push(Math.max(1 - Math.abs(j + 0.5 - center) / reach, 0));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, Float32Array.from(weights, (weight) => weight / sum)];
  });
}

// One slice (H, W) on the grid (h, w), rows after columns.
function shrinkSlice(slice, [, W], [h, w], rows, columns) {
  const narrow = new Float32Array(slice.length / W * w), out = new Float32Array(h * w);
  for (let y = 0; y < slice.length / W; y++) {
    for (let x = 0; x < w; x++) {
      const [first, weights] = columns[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += slice[y * W + first + k] * weights[k];
      narrow[y * w + x] = sum;
    }
  }
  for (let y = 0; y < h; y++) {
    const [first, weights] = rows[y];
    for (let k = 0; k < weights.length; k++) {
      const from = (first + k) * w, weight = weights[k];
      for (let x = 0; x < w; x++) out[y * w + x] += narrow[from + x] * weight;
    }
  }
  return out;
}

// An image in HU on another grid, by linear interpolation with an area-like filter where it gets coarser.
export function resampleImage(image, shape, grid) {
  const [D, H, W] = shape, [d, h, w] = grid, out = new Int16Array(d * h * w);
  const [slices, rows, columns] = shape.map((n, axis) => triangles(n, grid[axis]));
  const held = new Map(); // old slices that later new ones may need too
  slices.forEach(([first, weights], z) => {
    const sum = new Float32Array(h * w);
    for (const old of held.keys()) if (old < first) held.delete(old);
    weights.forEach((weight, k) => {
      const old = first + k;
      if (!held.has(old)) {
        const slice = image.subarray(old * H * W, (old + 1) * H * W);
        held.set(old, shrinkSlice(slice, [H, W], [h, w], rows, columns));
      }
      const plane = held.get(old);
      for (let i = 0; i < sum.length; i++) sum[i] += plane[i] * weight;
    });
    for (let i = 0; i < sum.length; i++) out[z * h * w + i] = roundHalfEven(sum[i]);
  });
  return out;
}

// Where new voxels lie between two old ones: [lower, upper, share of the upper].
function between(before, after) {
  return Array.from({ length: after }, (_, i) => {
    const position = Math.min(Math.max((i + 0.5) * before / after - 0.5, 0), before - 1);
    const lower = Math.floor(position);
    return [lower, Math.min(lower + 1, before - 1), position - lower];
  });
}

// Labels (D, H, W) on `shape` from class scores (3, d, h, w) on `grid`: interpolated linearly, the highest class wins.
// Where the last wins with a score below `sure`, the label is 3.
export function labelsOnGrid(scores, grid, shape, sure = 0) {
  const [d, h, w] = grid, [D, H, W] = shape, n = d * h * w, labels = new Uint8Array(D * H * W);
  const [slices, rows, columns] = grid.map((count, axis) => between(count, shape[axis]));
  const low = Int32Array.from(columns, ([at]) => at), high = Int32Array.from(columns, ([, at]) => at);
  const share = Float32Array.from(columns, ([, , part]) => part);
  const row = [0, 1, 2].map(() => new Float32Array(w)), [a, b, c] = row;
  slices.forEach(([below, above, fz], z) => {
    rows.forEach(([top, bottom, fy], y) => {
      row.forEach((line, value) => {
        const from = value * n, near = from + (below * h + top) * w, nearNext = from + (below * h + bottom) * w;
        const far = from + (above * h + top) * w, farNext = from + (above * h + bottom) * w;
        for (let x = 0; x < w; x++) {
          const first = scores[near + x] * (1 - fz) + scores[far + x] * fz;
          const next = scores[nearNext + x] * (1 - fz) + scores[farNext + x] * fz;
          line[x] = first * (1 - fy) + next * fy;
        }
      });
      const out = (z * H + y) * W;
      for (let x = 0; x < W; x++) {
        const i = low[x], j = high[x], f = share[x], g = 1 - f;
        const first = a[i] * g + a[j] * f, second = b[i] * g + b[j] * f, third = c[i] * g + c[j] * f;
        const label = second > first ? (third > second ? 2 : 1) : third > first ? 2 : 0;
        labels[out + x] = label === 2 && third < sure ? 3 : label;
      }
    });
  });
  return labels;
}
