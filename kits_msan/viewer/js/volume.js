// Volumes: unpacked from what Python sends, and cut along one of three planes.
// A volume is a flat array of (D, H, W) voxels, as in Python: D axial slices, superior first.

export const PLANES = ["axial", "coronal", "sagittal"]; // plane k cuts across axis k

const FIRST_LETTER = 0x3000;

// The bytes of a text: base64, or 15 bits a letter, as `letters` in Python writes them.
export function bytesOf(text) {
  if (!(text.charCodeAt(0) >= FIRST_LETTER)) return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const spare = text.charCodeAt(0) - FIRST_LETTER, bytes = new Uint8Array((15 * (text.length - 1) - spare) / 8);
  let held = 0, bits = 0; // the last `bits` bits of `held` are not written yet
  for (let i = 1, at = 0; i < text.length; i++) {
    held = (held << 15) | (text.charCodeAt(i) - FIRST_LETTER);
    for (bits += 15; bits >= 8; at++) bytes[at] = held >> (bits -= 8);
  }
  return bytes;
}

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
export async function readHounsfield(blocks, size, huStep) {
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

// All volumes of a widget: { image: Int16Array, labels: [Uint8Array], heat: [Uint8Array] }.
export async function readAll(model) {
  const scene = model.get("_scene"), data = model.get("_data");
  const size = scene.shape[0] * scene.shape[1] * scene.shape[2];
  const volumes = { image: await readHounsfield(data.image, size, scene.hu_step), labels: [], heat: [] };
  for (const blocks of data.labels) volumes.labels.push(await readBytes(blocks, size));
  for (const blocks of data.heat) volumes.heat.push(await readBytes(blocks, size));
  return volumes;
}

// How to walk through the flat array of a (D, H, W) volume to cut slices of one plane. `pixel` is [height, width], mm.
// `axes` are the volume's axes along which the slice number, the row and the column grow.
export function geometryOf(plane, [d, h, w], [sd, sh, sw]) {
  return {
    axial: { count: d, rows: h, cols: w, step: h * w, rowStep: w, colStep: 1, pixel: [sh, sw], axes: [0, 1, 2] },
    coronal: { count: h, rows: d, cols: w, step: w, rowStep: h * w, colStep: 1, pixel: [sd, sw], axes: [1, 0, 2] },
    sagittal: { count: w, rows: d, cols: h, step: 1, rowStep: h * w, colStep: w, pixel: [sd, sh], axes: [2, 0, 1] },
  }[plane];
}

// Copy one slice of a volume into `slice`, an array of rows * cols.
export function cut(volume, { rows, cols, step, rowStep, colStep }, index, slice) {
  for (let row = 0, p = 0; row < rows; row++) {
    let v = index * step + row * rowStep;
    if (colStep === 1) slice.set(volume.subarray(v, v + cols), row * cols); // a row lies in one piece
    else for (let col = 0; col < cols; col++, v += colStep) slice[p++] = volume[v];
  }
}

// How many voxels of a label each slice of each plane holds, as `voxels_per_slice` in Python; by default of tumor.
export function voxelsPerSlice(labels, [d, h, w], label = 2) {
  const counts = { axial: new Array(d).fill(0), coronal: new Array(h).fill(0), sagittal: new Array(w).fill(0) };
  for (let at = labels.indexOf(label); at >= 0; at = labels.indexOf(label, at + 1)) {
    counts.axial[Math.floor(at / (h * w))]++;
    counts.coronal[Math.floor(at / w) % h]++;
    counts.sagittal[at % w]++;
  }
  return counts;
}
