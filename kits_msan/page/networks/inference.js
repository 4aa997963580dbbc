// A volume through one network, slab by slab; inference.py of the package.

import { buildModel } from "./msan.js";
import { Engine, readTensors } from "./engine.js";
import { CLASS_COUNT } from "./vote.js";

const LONGER = 2; // slabs than in training
const LOW = -200, HIGH = 500; // HU; paper, section 2.1

// The network of a checkpoint. ops: what ops.wasm exports; bytes: of a safetensors file.
export function loadModel(ops, bytes) {
  const { tensors, about } = readTensors(bytes), engine = new Engine(ops, tensors);
  return Object.assign(buildModel(engine, about), { about });
}

// Slices [from, to) of HU as a map: clipped, scaled to 0..1, and padded with air to the size of a slab.
function windowed(model, image, [, H, W], from, to, [slab, height, width]) {
  const x = new Float32Array(slab * height * width);
  for (let z = from; z < to; z++) {
    for (let y = 0; y < H; y++) {
      const row = (z * H + y) * W, out = ((z - from) * height + y) * width;
      for (let i = 0; i < W; i++) x[out + i] = (Math.min(Math.max(image[row + i], LOW), HIGH) - LOW) / (HIGH - LOW);
    }
  }
  return model.engine.load(x, [slab, height, width]);
}

// Logits (3, V) become probabilities, in place.
export function softmax(logits) {
  const n = logits.length / CLASS_COUNT;
  for (let i = 0; i < n; i++) {
    const most = Math.max(logits[i], logits[n + i], logits[2 * n + i]);
    const a = Math.exp(logits[i] - most), b = Math.exp(logits[n + i] - most), c = Math.exp(logits[2 * n + i] - most);
    logits[i] = a / (a + b + c);
    logits[n + i] = b / (a + b + c);
    logits[2 * n + i] = c / (a + b + c);
  }
  return logits;
}

// Where slabs start, how long they are, and their padded rows and columns. They overlap by half.
export function planSlabs([D, H, W], trained, multiple) {
  let slab = Math.min(LONGER * trained, Math.max(trained, D));
  slab = up(slab, multiple[0]);
  const last = Math.max(D - slab, 0), starts = [];
  for (let start = 0; start < last; start += Math.max(slab >> 1, 1)) starts.push(start);
  return { starts: [...starts, last], size: [slab, up(H, multiple[1]), up(W, multiple[2])] };
}

const up = (n, multiple) => Math.ceil(n / multiple) * multiple;

// What `compute` makes of each slab, (channels, slab, height, width), as one volume (channels, D, H, W). Slices in a
// slab's middle, which have neighbors on both sides, count more.
function overSlabs(model, image, shape, channels, compute, progress) {
  const [D, H, W] = shape, { starts, size } = planSlabs(shape, model.about.profile.slab, model.multiple);
  const [slab, height, width] = size, out = new Float32Array(channels * D * H * W), weights = new Float32Array(D);
  starts.forEach((start, done) => {
    model.engine.clear();
    const slices = Math.min(slab, D - start), part = compute(windowed(model, image, shape, start, start + slices, size));
    for (let z = 0; z < slices; z++) {
      const weight = Math.min(z + 1, slab - z); // 1, 2, 3, 4, 4, 3, 2, 1 for eight slices
      weights[start + z] += weight;
      for (let c = 0; c < channels; c++) {
        for (let y = 0; y < H; y++) {
          const from = ((c * slab + z) * height + y) * width, to = ((c * D + start + z) * H + y) * W;
          for (let i = 0; i < W; i++) out[to + i] += part[from + i] * weight;
        }
      }
    }
    progress?.((done + 1) / starts.length);
  });
  const plane = H * W;
  for (let i = 0; i < out.length; i++) out[i] /= weights[Math.floor(i / plane) % D];
  return out;
}

// The class probabilities (3, D, H, W) of a network for an image in HU at its spacing.
export function probabilities(model, image, shape, progress) {
  const compute = (x) => softmax(model.engine.read(model.forward(x)));
  return overSlabs(model, image, shape, CLASS_COUNT, compute, progress);
}

// The attention weights of one level, averaged over its channels, on the image's grid: (D, H, W), 0 to 1.
export function attentionMap(model, image, shape, level, progress) {
  const compute = (x) => {
    const weights = model.attentionWeights(x)[level], values = model.engine.read(weights);
    const factor = [x.D / weights.D, x.H / weights.H, x.W / weights.W], out = new Float32Array(x.D * x.H * x.W);
    const n = values.length / weights.C;
    for (let at = 0; at < out.length; at++) {
      const z = Math.floor(at / (x.H * x.W) / factor[0]), y = Math.floor((Math.floor(at / x.W) % x.H) / factor[1]);
      const from = (z * weights.H + y) * weights.W + Math.floor((at % x.W) / factor[2]);
      for (let c = 0; c < weights.C; c++) out[at] += values[c * n + from] / weights.C;
    }
    return out;
  };
  return overSlabs(model, image, shape, 1, compute, progress);
}
