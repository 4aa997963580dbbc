// The clean-up: only the largest connected components of kidney-and-tumor stay; `keep_kidneys` of the package.

// Remove islands from (D, H, W) labels, in place. Voxels that share a face are connected. Tumor counts up to half the
// kidney that it touches, so a component without any kidney goes; only where none has kidney does tumor stay alone.
export function keepKidneys(labels, [D, H, W], components = 2) {
  const island = new Int32Array(labels.length), sizes = [0], kidneys = [0]; // islands count from 1
  const stack = [];
  for (let seed = 0; seed < labels.length; seed++) {
    if (!labels[seed] || island[seed]) continue;
    const number = sizes.push(0) - 1;
    kidneys.push(0);
    const visit = (at) => {
      if (!labels[at] || island[at]) return;
      island[at] = number;
      stack.push(at);
    };
    visit(seed);
    while (stack.length) {
      const at = stack.pop(), w = at % W, h = Math.floor(at / W) % H, d = Math.floor(at / (W * H));
      sizes[number]++;
      if (labels[at] === 1) kidneys[number]++;
      if (w > 0) visit(at - 1);
      if (w < W - 1) visit(at + 1);
      if (h > 0) visit(at - W);
      if (h < H - 1) visit(at + W);
      if (d > 0) visit(at - W * H);
      if (d < D - 1) visit(at + W * H);
    }
  }
  const hasKidney = kidneys.some(Boolean);
  const worth = sizes.map((size, number) => (hasKidney ? Math.min(size, Math.floor(1.5 * kidneys[number])) : size));
  const largest = [...worth.keys()].slice(1).sort((a, b) => worth[b] - worth[a] || a - b).slice(0, components);
  const kept = new Set(largest.filter((number) => worth[number]));
  for (let at = 0; at < labels.length; at++) if (labels[at] && !kept.has(island[at])) labels[at] = 0;
  return labels;
}
