// The convolutions of the networks, for WebAssembly with SIMD; see the head of ops.ts for how maps lie.

@inline export function at(pointer: usize, index: i32): usize { return pointer + (<usize>index << 2); }
@inline export function mac(sum: v128, x: v128, w: v128): v128 { return f32x4.add(sum, f32x4.mul(x, w)); }

// Rows of n >= 8 numbers, mixed: out[o][j] = bias[o] + sum over i and k of w[o][i][k] * x[i][j + k]. 4 rows and 8
// columns at a time, so that each number that is loaded is used several times. w: (co / 4, ci, taps, 4), see `packed`
// in engine.js; the rows of `out` are filled up to a multiple of 4. bias: a pointer, or 0 for none.
// step, next: floats from one row of x, and of out, to the next.
function mix(
  x: usize, w: usize, bias: usize, out: usize, ci: i32, co: i32, taps: i32, n: i32, step: i32, next: i32,
): void {
  for (let o = 0; o < co; o += 4) {
    for (let block = 0; block < n; block += 8) {
      const column = min(block, n - 8);
      let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0; // columns 0 to 3 of the four rows
      if (bias) {
        a0 = v128.load32_splat(at(bias, o)); a1 = v128.load32_splat(at(bias, o + 1));
        a2 = v128.load32_splat(at(bias, o + 2)); a3 = v128.load32_splat(at(bias, o + 3));
      }
      let b0 = a0, b1 = a1, b2 = a2, b3 = a3; // columns 4 to 7
      let weight = at(w, o * ci * taps), row = at(x, column);
      for (let i = 0; i < ci; i++) {
        let from = row;
        for (const end = at(row, taps); from < end; from += 4) {
          const left = v128.load(from), right = v128.load(from, 16);
          let k = v128.load32_splat(weight);
          a0 = mac(a0, left, k); b0 = mac(b0, right, k);
          k = v128.load32_splat(weight, 4);
          a1 = mac(a1, left, k); b1 = mac(b1, right, k);
          k = v128.load32_splat(weight, 8);
          a2 = mac(a2, left, k); b2 = mac(b2, right, k);
          k = v128.load32_splat(weight, 12);
          a3 = mac(a3, left, k); b3 = mac(b3, right, k);
          weight += 16;
        }
        row = at(row, step);
      }
      let to = at(out, o * next + column);
      v128.store(to, a0); v128.store(to, b0, 16); to = at(to, next);
      v128.store(to, a1); v128.store(to, b1, 16); to = at(to, next);
      v128.store(to, a2); v128.store(to, b2, 16); to = at(to, next);
      v128.store(to, a3); v128.store(to, b3, 16);
    }
  }
}

// 1x1x1 convolution, borders too, plane by plane of `plane` floats. w: (co / 4, ci, 1, 4).
export function conv1(x: usize, w: usize, bias: usize, out: usize, ci: i32, co: i32, planes: i32, plane: i32): void {
  const n = planes * plane;
  for (let i = 0; i < n; i += plane) mix(at(x, i), w, bias, at(out, i), ci, co, 1, plane, n, n);
}

// Transposed convolution whose stride is its size (pd, ph, pw): each number becomes pd * ph * pw of them, side by side.
// w: (co * pd * ph * pw / 4, ci, 1, 4). D, H, W, P: of the input, P its pitch; Q: pitch of the output.
// scratch: room for (co * pd * ph * pw, up to a multiple of 4) * (H + 2) * P.
export function up(
  x: usize, w: usize, bias: usize, out: usize, scratch: usize, ci: i32, co: i32,
  D: i32, H: i32, W: i32, P: i32, Q: i32, pd: i32, ph: i32, pw: i32,
): void {
  const inPlane = (H + 2) * P, size = pd * ph * pw, plane = (H * ph + 2) * Q, channel = (D * pd + 2) * plane;
  memory.fill(out, 0, <usize>(co * channel) << 2);
  for (let z = 0; z < D; z++) {
    mix(at(x, (z + 1) * inPlane), w, 0, scratch, ci, co * size, 1, inPlane, (D + 2) * inPlane, inPlane);
    for (let o = 0; o < co * size; o++) {
      const c = o / size, kz = o % size / (ph * pw), ky = o / pw % ph, kx = o % pw, shift = load<f32>(at(bias, c));
      for (let y = 0; y < H; y++) {
        const from = at(scratch, o * inPlane + (y + 1) * P + 1);
        const to = at(out, c * channel + (z * pd + kz + 1) * plane + (y * ph + ky + 1) * Q + kx + 1);
        for (let i = 0; i < W; i++) store<f32>(at(to, i * pw), load<f32>(at(from, i)) + shift);
      }
    }
  }
}

// 3x3x3 convolution without bias, by Winograd's way for two outputs of three taps: of the rows d0 to d3,
//   d0 g0 + d1 g1 + d2 g2 = m0 + m1 + m2 and d1 g0 + d2 g1 + d3 g2 = m1 - m2 - m3, where
//   m0 = (d0 - d2) g0, m1 = (d1 + d2) (g0 + g1 + g2) / 2, m2 = (d2 - d1) (g0 - g1 + g2) / 2, m3 = (d1 - d3) g2:
// 4 products instead of 6. Here for slices and for rows, so 16 x 3 products instead of 4 x 27 for four outputs.
// Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks".
// w: (16, co / 4, ci, 3, 4), see `transformed` in engine.js.
// scratch: room for 16 * (ci + co, up to a multiple of 4) * P.
// Where D or H is odd, the last pair's second half lands in the border, which `norm` makes zero.
export function conv3(
  x: usize, w: usize, out: usize, scratch: usize, ci: i32, co: i32, D: i32, H: i32, W: i32, P: i32,
): void {
  const plane = (H + 2) * P, channel = (D + 2) * plane, inputs = ci * P, outputs = ((co + 3) & ~3) * P;
  const products = at(scratch, 16 * inputs), weights = ((co + 3) & ~3) * ci * 3;
  for (let z = 0; z < D; z += 2) {
    for (let y = 0; y < H; y += 2) {
      const from = at(x, z * plane + y * P);
      for (let i = 0; i < ci; i++) differences(at(from, i * channel), at(scratch, i * P), plane, P, inputs);
      for (let t = 0; t < 16; t++) {
        mix(at(scratch, t * inputs), at(w, t * weights), 0, at(products, t * outputs), ci, co, 3, P - 4, P, P);
      }
      const to = at(out, (z + 1) * plane + (y + 1) * P + 1);
      for (let o = 0; o < co; o++) sums(at(products, o * P), at(to, o * channel), plane, P, outputs);
    }
  }
}

// Of four rows in each of four slices the 16 rows that are multiplied: as d0 to d3 above, over slices, then over rows.
@inline function differences(x: usize, out: usize, plane: i32, P: i32, next: i32): void {
  for (let s = 0; s < 4; s++) {
    const first = at(x, (s == 0 ? 0 : s == 2 ? 2 : 1) * plane), second = at(x, (s < 2 ? 2 : s == 2 ? 1 : 3) * plane);
    const sign = f32x4.splat(s == 1 ? 1 : -1);
    for (let i = 0; i < P; i += 4) {
      const d0 = mac(v128.load(at(first, i)), v128.load(at(second, i)), sign);
      const d1 = mac(v128.load(at(first, P + i)), v128.load(at(second, P + i)), sign);
      const d2 = mac(v128.load(at(first, 2 * P + i)), v128.load(at(second, 2 * P + i)), sign);
      const d3 = mac(v128.load(at(first, 3 * P + i)), v128.load(at(second, 3 * P + i)), sign);
      const to = at(out, 4 * s * next + i);
      v128.store(to, f32x4.sub(d0, d2));
      v128.store(at(to, next), f32x4.add(d1, d2));
      v128.store(at(to, 2 * next), f32x4.sub(d2, d1));
      v128.store(at(to, 3 * next), f32x4.sub(d1, d3));
    }
  }
}

// From 16 rows of products to two rows in each of two slices: as m0 to m3 above.
@inline function sums(m: usize, out: usize, plane: i32, P: i32, next: i32): void {
  for (let s = 0; s < 2; s++) {
    const sign = f32x4.splat(s ? -1 : 1), first = s ? at(m, 4 * next) : m; // m0 + m1 + m2, then m1 - m2 - m3
    for (let i = 0; i < P - 4; i += 4) {
      const a = three(at(first, i), sign, next), b = three(at(first, next + i), sign, next);
      const c = three(at(first, 2 * next + i), sign, next), d = three(at(first, 3 * next + i), sign, next);
      const to = at(out, s * plane + i);
      v128.store(to, f32x4.add(f32x4.add(a, b), c));
      v128.store(at(to, P), f32x4.sub(f32x4.sub(b, c), d));
    }
  }
}

@inline function three(m: usize, sign: v128, next: i32): v128 {
  return mac(v128.load(m), f32x4.add(v128.load(at(m, 4 * next)), v128.load(at(m, 8 * next))), sign);
}
