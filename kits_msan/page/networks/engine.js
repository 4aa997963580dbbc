// The memory in which ops.wasm computes: weights at its bottom, maps above them.
// A map is { C, D, H, W, P, n, at }: see the head of ops.ts; n floats a channel, `at` its first byte.

const PAGE = 65536, SLACK = 64; // bytes; floats that vectors may reach beyond an array's end

const HALVES = new Float32Array(65536).map((_, half) => {
  const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}); // all there are

// A safetensors file as `planes` in Python leaves it: the length of a JSON head, the head, the low bytes of all 16-bit
// floats, their high bytes. Returns { tensors: name -> { shape, data }, about }.
export function readTensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset), start = 8 + Number(view.getBigUint64(0, true));
  const { __metadata__: { about }, ...entries } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  const tensors = {}, low = bytes.subarray(start), high = low.subarray(low.length / 2);
  for (const [name, { shape, data_offsets: [from, to] }] of Object.entries(entries)) { // in bytes, two a number
    const data = new Float32Array((to - from) / 2).map((_, i) => HALVES[low[from / 2 + i] | (high[from / 2 + i] << 8)]);
    tensors[name] = { shape, data };
  }
  return { tensors, about: JSON.parse(about) };
}

// Weights of a convolution in the order in which `mix` reads them: (co / 4, ci, taps, 4). The output channels are filled
// up to a multiple of 4 with zeros. value: of an output channel, an input channel and a tap.
function packed(co, ci, taps, value) {
  const out = new Float32Array(Math.ceil(co / 4) * 4 * ci * taps);
  for (let o = 0; o < co; o++) {
    for (let i = 0; i < ci; i++) {
      for (let k = 0; k < taps; k++) out[(((o >> 2) * ci + i) * taps + k) * 4 + (o & 3)] = value(o, i, k);
    }
  }
  return out;
}

// Weights of a 3x3x3 convolution, (co, ci, 27), as `conv3` multiplies with them: (16, co / 4, ci, 3, 4).
function transformed(co, ci, data) {
  const parts = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]; // of m0 to m3, see `conv3`
  const all = parts.flatMap((slices) => parts.map((rows) => packed(co, ci, 3, (o, i, kx) => {
    let sum = 0;
    for (let kz = 0; kz < 3; kz++) {
      for (let ky = 0; ky < 3; ky++) sum += slices[kz] * rows[ky] * data[(o * ci + i) * 27 + kz * 9 + ky * 3 + kx];
    }
    return sum;
  })));
  const out = new Float32Array(16 * all[0].length);
  all.forEach((part, t) => out.set(part, t * part.length));
  return out;
}

// The numbers of a tensor as the kernels read them.
function arranged(name, [co, ci, ...sizes], data) {
  if (sizes.length < 3) return data;
  const size = sizes.reduce((a, b) => a * b);
  if (name.startsWith("up.")) return packed(ci * size, co, 1, (o, i) => data[i * ci * size + o]); // (C_in, C_out, ...)
  return size === 27 ? transformed(co, ci, data) : packed(co, ci, 1, (o, i) => data[o * ci + i]);
}

export class Engine {
  // ops: what ops.wasm exports; tensors: as `readTensors` gives them.
  constructor(ops, tensors) {
    this.ops = ops;
    this.top = PAGE; // below lies what the compiler needs
    this.weights = {};
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      const values = arranged(name, shape, data);
      const at = this.allocate(values.length);
      this.floats(at, values.length).set(values);
      this.weights[name] = { at, shape };
    }
    this.start = this.top;
  }

  floats(at, count) { return new Float32Array(this.ops.memory.buffer, at, count); }

  allocate(count) {
    const at = this.top;
    this.top += Math.ceil((count + SLACK) / 4) * 16;
    const missing = this.top - this.ops.memory.buffer.byteLength;
    if (missing > 0) this.ops.memory.grow(Math.ceil(missing / PAGE));
    return at;
  }

  // Room for numbers that nobody needs once the next map is made.
  scratch(count) {
    const { top } = this, at = this.allocate(count);
    this.top = top;
    return at;
  }

  // Forget all maps; the weights stay.
  clear() { this.top = this.start; }

  // Room for a map. Its numbers are whatever lay there before. Channels up to the next multiple of 4 are spare.
  map(C, D, H, W) {
    const P = Math.ceil(W / 8) * 8 + 4, n = (D + 2) * (H + 2) * P;
    return { C, D, H, W, P, n, at: this.allocate((C + 3) * n) };
  }

  // Some channels of a map, in place.
  part(x, first, count) { return { ...x, C: count, at: x.at + first * x.n * 4 }; }

  // A map of `make()`, whose own scratch maps are given back: `make` gets the map that it is to fill.
  into(C, { D, H, W }, make) {
    const out = this.map(C, D, H, W), { top } = this;
    make(out);
    this.top = top;
    return out;
  }

  // Copy the channels of `x` into those of `out` from `first` on.
  copy(x, out, first = 0) { this.floats(out.at + first * out.n * 4, x.C * x.n).set(this.floats(x.at, x.C * x.n)); }

  // (D, H, W) numbers from 0 to 1 -> a map of one channel.
  load(image, [D, H, W]) {
    const x = this.map(1, D, H, W), floats = this.floats(x.at, x.n).fill(0);
    for (let z = 0; z < D; z++) {
      for (let y = 0; y < H; y++) {
        const row = (z * H + y) * W;
        floats.set(image.subarray(row, row + W), ((z + 1) * (H + 2) + y + 1) * x.P + 1);
      }
    }
    return x;
  }

  // A map without its border: (C, D, H, W) float32.
  read({ C, D, H, W, P, n, at }) {
    const floats = this.floats(at, C * n), out = new Float32Array(C * D * H * W);
    for (let c = 0; c < C; c++) {
      for (let z = 0; z < D; z++) {
        for (let y = 0; y < H; y++) {
          const from = c * n + ((z + 1) * (H + 2) + y + 1) * P + 1;
          out.set(floats.subarray(from, from + W), ((c * D + z) * H + y) * W);
        }
      }
    }
    return out;
  }
}
