// NIfTI files to (D, H, W) arrays in KiTS19's axis order, and labels back onto the file's own grid.
// A file is read as a stream, some planes at a time; no memory is set aside for voxels that it does not hold.

import { affineInKitsOrder, affineOf, edgesOf, oddGeometry, oddGrid, toKitsOrder } from "./grids.js";
import { Broken, Header } from "./header.js";
import { checkHounsfield, clearPadding } from "./hounsfield.js";
import { roundHalfEven } from "./resampling.js";
import { sourceOf, unpackedLength } from "./stream.js";

const USUAL_DEFLATE = 8, MOST_DEFLATE = 1032; // times that gzip shrinks a CT at most, and anything
const MOST_VOXELS = 2 ** 28; // 512 x 512 x 1,024: what a page has memory for

// Raised with one sentence for whoever chose the file.
export class InputError extends Error {}

// Before memory is set aside: a header can claim what it likes.
async function checkLength(name, source, header) {
  if (!header.shape.every((n) => n >= 0)) throw new Broken("its header claims a negative length");
  const claimed = header.start + header.shape.reduce((a, b) => a * b, header.kind[1]);
  let held = source.size;
  if (source.packed && held < claimed && claimed <= MOST_DEFLATE * held) {
    held = claimed <= USUAL_DEFLATE * held ? claimed : await unpackedLength(source, claimed);
  }
  if (claimed > held) {
    throw new InputError(`${name} is truncated: it is too short for the ${inWords(header.shape)} voxels of its header; `
      + "remove it and fetch it again.");
  }
}

const inWords = (shape) => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;

function checkVoxels(name, { shape, kind }) {
  const words = inWords(shape);
  if (shape.length < 3 || shape.slice(3).some((n) => n !== 1)) {
    throw new InputError(`${name} has shape ${words}, but a CT volume has three axes; extract one volume first.`);
  }
  if (Math.min(...shape) < 1) {
    throw new InputError(`${name} has shape ${words}, which holds no voxels; export it anew.`);
  }
  if (!kind[0]) {
    throw new InputError(`${name} holds colors or complex numbers; export it with one number a voxel, in HU.`);
  }
  if (shape.reduce((a, b) => a * b) > MOST_VOXELS) {
    throw new InputError(`${name} has shape ${words}, more than a page has memory for; use \`kits-msan predict\`.`);
  }
}

// Planes of stored numbers into `out`, which is in (D, H, W) order.
function place(name, bytes, first, header, strides, origin, out) {
  const [I, J] = header.shape, [kind, size] = header.kind, [slope, inter] = header.scaling;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), read = view[`get${kind}`].bind(view);
  for (let at = 0, k = first; at < bytes.length; k++) {
    for (let j = 0; j < J; j++) {
      let to = origin + k * strides[2] + j * strides[1];
      for (let i = 0; i < I; i++, at += size, to += strides[0]) {
        const value = Number(read(at, header.little)) * slope + inter;
        if (!Number.isFinite(value)) {
          throw new InputError(`${name} holds NaN or infinite voxels; export it again with every voxel in HU.`);
        }
        out[to] = Math.max(-32768, Math.min(32767, Number.isInteger(value) ? value : roundHalfEven(value)));
      }
    }
  }
}

// { image: Int16Array (D, H, W), shape, spacing, affine, header, note }. Raises InputError for what cannot be used.
export async function readNifti(name, blob) {
  let opened = false;
  if (!/\.nii(\.gz)?$/i.test(name)) {
    throw new InputError(`${name} is not a NIfTI file; its name must end in .nii or .nii.gz, so convert it `
      + "(`kits-msan predict` reads .mha, .nrrd, .hdr with .img, and a folder of DICOM slices as they are).");
  }
  try {
    const source = await sourceOf(blob), feed = source.open();
    const header = new Header(await feed.read(540)), { affine, note } = affineOf(name, header);
    await checkLength(name, source, header);
    checkVoxels(name, header);
    const shape = header.shape.slice(0, 3), odd = oddGeometry(affine, shape);
    if (odd) throw new InputError(`${name} ${odd}`);
    const order = toKitsOrder(affine), own = affineInKitsOrder(affine, order, shape);
    opened = true;

    const sizes = [];
    order.forEach(([axis], a) => { sizes[axis] = shape[a]; });
    const steps = [sizes[1] * sizes[2], sizes[2], 1], strides = order.map(([axis, flip]) => flip * steps[axis]);
    const origin = order.reduce((sum, [axis, flip], a) => sum + (flip < 0 ? (shape[a] - 1) * steps[axis] : 0), 0);
    const image = new Int16Array(sizes[0] * sizes[1] * sizes[2]), plane = shape[0] * shape[1] * header.kind[1];
    const count = Math.max(1, Math.floor(2 ** 22 / plane)), again = source.open();
    await feed.cancel();
    await again.skip(header.start);
    for (let k = 0; k < shape[2]; k += count) {
      const wanted = Math.min(count, shape[2] - k) * plane, bytes = await again.read(wanted);
      if (bytes.length < wanted) throw new Broken("it ends early");
      place(name, bytes, k, header, strides, origin, image);
    }
    await again.toEnd();
    return { image, shape: sizes, spacing: edgesOf(own), affine: own, header, strides, origin, note, fileAffine: affine };
  } catch (error) {
    const isMemory = opened && error instanceof RangeError; // the file is sound, but the page is full
    if (error instanceof InputError || isMemory) throw error;
    const reason = error.message.split(/[.!?;]/)[0];
    if (opened) throw new InputError(`${name} is truncated or damaged (${reason}); remove it and fetch it again.`);
    throw new InputError(`${name} is not a readable NIfTI file (${reason}); fetch or export it anew.`);
  }
}

// A CT in HU. Raises InputError as `readNifti` does, and for what is not in Hounsfield units.
export async function readScan(name, blob) {
  const scan = await readNifti(name, blob), odd = checkHounsfield(scan.image);
  if (odd) throw new InputError(`${name} ${odd}`);
  const padding = clearPadding(scan.image, scan.shape);
  const filled = padding === null ? "" : `${name} has the value ${padding} round its field of view; it is taken for air there.`;
  return { ...scan, note: [scan.note, filled, oddGrid(name, scan.header, scan.fileAffine)].filter(Boolean).join(" ") };
}

// Labels (D, H, W) as a gzipped NIfTI file on the grid of the scan: its axis order, affine and units.
export async function writeLabels(labels, { header, strides, origin }) {
  const own = header.forLabels(), [I, J, K] = own.shape, start = own.fields.start;
  const out = new Uint8Array(start + labels.length);
  out.set(own.bytes);
  let at = start;
  for (let k = 0; k < K; k++) {
    for (let j = 0; j < J; j++) {
      const from = origin + k * strides[2] + j * strides[1];
      for (let i = 0; i < I; i++) out[at++] = labels[from + i * strides[0]];
    }
  }
  return new Response(new Blob([out]).stream().pipeThrough(new CompressionStream("gzip"))).blob();
}
