// What a worker does, away from the page so that this never freezes: it reads scans, runs networks, votes and writes.
// OPS, the bytes of ops.wasm in base64, stands before this file; see scripts.py.

import { attentionMap, loadModel, probabilities } from "../networks/inference.js";
import { dice, volumes, voteScores } from "../networks/vote.js";
import { keepKidneys, keepSure } from "../networks/cleanup.js";
import { gridShape, isSameSpacing, labelsOnGrid, resampleImage } from "../scans/resampling.js";
import { readNifti, readScan, writeLabels } from "../scans/nifti.js";
import { bytesOf, readHounsfield, voxelsPerSlice } from "../../viewer/js/volume.js";

async function unpacked(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// One instance a network: its memory is given back with it.
async function modelOf(weights) {
  const { instance } = await WebAssembly.instantiate(bytesOf(OPS), { env: { abort() {} } });
  return loadModel(instance.exports, await unpacked(weights));
}

// In each plane the slice with most tumor, or else with most kidney; null where neither is. As `SliceViewer` begins.
function firstIndices(labels, shape) {
  const wanted = [2, 1].find((label) => labels.includes(label));
  if (!wanted) return null;
  return Object.values(voxelsPerSlice(labels, shape, wanted)).map((counts) => counts.indexOf(Math.max(...counts)));
}

let scan = null, truth = null, small = null, results = {}, sureFrom = 0; // what the worker at the desk holds

export const TASKS = {
  // A phantom with its truth, as `packed_case` in Python packs them, or a scan from a file. Returns what a viewer needs,
  // the slices to begin with, and a remark. The scan before stays until this one is read: it may be refused.
  async open({ name, scan: packed, numbers, label, file }) {
    const opened = packed ? await readNifti(name, new Blob([await readHounsfield([bytesOf(packed)], numbers, 1)]))
      : await readScan(name, file);
    truth = label ? Uint8Array.from((await readNifti(name, new Blob([bytesOf(label)]))).image) : null;
    scan = opened;
    small = null;
    results = {};
    const { image, shape, spacing, affine, note } = scan;
    const tumor = truth && voxelsPerSlice(truth, shape), indices = truth && firstIndices(truth, shape);
    return { image: image.slice(), truth: truth?.slice() ?? null, tumor, indices, shape, spacing, affine, note };
  },

  // The open scan at the networks' spacing: { image, shape }. sure: the score from which they are sure of a tumor.
  prepare({ spacing, sure }) {
    sureFrom = sure;
    const isSame = isSameSpacing(scan.spacing, spacing);
    const shape = isSame ? scan.shape : gridShape(scan.shape, scan.spacing, spacing);
    small = { image: isSame ? scan.image : resampleImage(scan.image, scan.shape, shape), shape };
    results = {};
    return { image: small.image.slice(), shape };
  },

  // The class probabilities of a network, (3, D, H, W).
  async network({ weights, image, shape }, progress) {
    const model = await modelOf(weights), began = performance.now();
    const values = probabilities(model, image, shape, progress);
    const memory = model.engine.ops.memory.buffer.byteLength;
    return { values, seconds: (performance.now() - began) / 1000, memory };
  },

  async attention({ weights, image, shape, level }, progress) {
    return attentionMap(await modelOf(weights), image, shape, level, progress);
  },

  keep({ name, values }) { results[name] = values; },

  // The labels of one network, or of several that vote, on the open scan's own grid, and what they are worth.
  labels({ names, clean }) {
    const scores = voteScores(names.map((name) => results[name]));
    const labels = labelsOnGrid(scores, small.shape, scan.shape, sureFrom);
    (clean ? keepKidneys : keepSure)(labels, scan.shape);
    const tumor = voxelsPerSlice(labels, scan.shape);
    const indices = firstIndices(labels, scan.shape);
    return { labels, tumor, indices, dice: truth && dice(labels, truth), ml: volumes(labels, scan.spacing) };
  },

  // A map at the networks' spacing, 0 to 1, on the scan's grid and in 256 steps, as viewers take it.
  heat({ values }) {
    const [d, h, w] = small.shape, [D, H, W] = scan.shape, out = new Uint8Array(D * H * W);
    let low = Infinity, high = -Infinity;
    for (const value of values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const under = (index, small, large) => Math.floor((index + 0.5) * small / large); // the cell at a voxel's middle
    for (let at = 0; at < out.length; at++) {
      const z = under(Math.floor(at / (H * W)), d, D), y = under(Math.floor(at / W) % H, h, H);
      const value = values[(z * h + y) * w + under(at % W, w, W)];
      out[at] = Math.round(255 * (value - low) / (high - low || 1));
    }
    return { values: out, low, high };
  },

  save({ labels }) { return writeLabels(labels, scan); },
};

// A message is { id, task, ... }; the answer { id, result } or { id, error }, with { id, share } on the way.
async function answer({ data: { id, task, ...given } }) {
  try {
    const result = await TASKS[task](given, (share) => postMessage({ id, share }));
    const large = [result, ...Object.values(result ?? {})].filter((value) => ArrayBuffer.isView(value));
    postMessage({ id, result }, large.map((value) => value.buffer));
  } catch (error) {
    const isMemory = error instanceof RangeError || error instanceof WebAssembly.RuntimeError;
    const remedy = "reload it and try again, or use `kits-msan predict`", { message } = error;
    postMessage({ id, error: isMemory ? `not enough memory in this page (${message}); ${remedy}.` : message });
  }
}
