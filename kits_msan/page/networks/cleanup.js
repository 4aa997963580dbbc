// The clean-up: only the two kidneys with their tumors stay; `keep_kidneys` of the package.

const KIDNEY = 1, TUMOR = 2, UNSURE = 3;
const CONTACT = 0.05; // of a tumor's surface that lies on kidney, at least
const COVER = 0.02; // or of all kidney's surface that lies on that tumor

// Remove islands from (D, H, W) labels, in place. Voxels that share a face are connected. Tumor of which hardly any
// face lies on kidney, and that covers hardly any of it, goes first. What is left counts up to half the kidney that it touches, so a component without
// any kidney goes; only where nothing is kidney does tumor stay alone. At last `keepSure`.
export function keepKidneys(labels, shape, components = 2) {
  const anyKidney = labels.includes(KIDNEY);
  const all = anyKidney ? kidneySurface(labels, shape) : 0;
  for (const tumor of anyKidney ? islands(labels, shape, (label) => label >= TUMOR) : []) {
    let surface = 0, contact = 0;
    for (const at of tumor) {
      const inner = neighbors(at, shape);
      surface += 6 - inner.length; // the scan's own border
      for (const beside of inner) {
        surface += labels[beside] < TUMOR;
        contact += labels[beside] === KIDNEY;
      }
    }
    if (contact < CONTACT * surface && contact < COVER * all) for (const at of tumor) labels[at] = 0;
  }
  const found = islands(labels, shape, (label) => label > 0);
  const worth = found.map((island) => {
    const kidney = island.filter((at) => labels[at] === KIDNEY).length;
    return anyKidney ? Math.min(island.length, Math.floor(1.5 * kidney)) : island.length;
  });
  const order = [...found.keys()].sort((a, b) => worth[b] - worth[a] || a - b);
  for (const [rank, number] of order.entries())
    if (rank >= components || !worth[number]) for (const at of found[number]) labels[at] = 0;
  return keepSure(labels, shape);
}

// How many faces of kidney do not lie on kidney.
function kidneySurface(labels, shape) {
  let surface = 0;
  for (let at = 0; at < labels.length; at++)
    if (labels[at] === KIDNEY) surface += 6 - neighbors(at, shape).filter((beside) => labels[beside] === KIDNEY).length;
  return surface;
}

// Of tumor, islands that are UNSURE everywhere become kidney, in place, and the others tumor; `keep_sure` of the package.
export function keepSure(labels, shape) {
  if (!labels.includes(UNSURE)) return labels;
  for (const tumor of islands(labels, shape, (label) => label >= TUMOR)) {
    const label = tumor.some((at) => labels[at] === TUMOR) ? TUMOR : KIDNEY;
    for (const at of tumor) labels[at] = label;
  }
  return labels;
}

// The connected components of the chosen voxels, each as the list of its voxels, in order of their first ones.
function islands(labels, shape, chosen) {
  const seen = new Uint8Array(labels.length), found = [];
  for (let seed = 0; seed < labels.length; seed++) {
    if (seen[seed] || !chosen(labels[seed])) continue;
    const island = [seed];
    seen[seed] = 1;
    for (const at of island) // which grows meanwhile
      for (const beside of neighbors(at, shape))
        if (!seen[beside] && chosen(labels[beside])) {
          seen[beside] = 1;
          island.push(beside);
        }
    found.push(island);
  }
  return found;
}

// The voxels that share a face with one.
function neighbors(at, [D, H, W]) {
  const w = at % W, h = Math.floor(at / W) % H, d = Math.floor(at / (W * H)), beside = [];
  if (w > 0) beside.push(at - 1);
  if (w < W - 1) beside.push(at + 1);
  if (h > 0) beside.push(at - W);
  if (h < H - 1) beside.push(at + W);
  if (d > 0) beside.push(at - W * H);
  if (d < D - 1) beside.push(at + W * H);
  return beside;
}
