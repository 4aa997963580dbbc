// The arithmetic of the networks, for WebAssembly with SIMD. `make wasm` turns this file (AssemblyScript) into ops.wasm.
//
// The convolutions stand in convolutions.ts.
// A map of C channels lies as (C, D + 2, H + 2, P) float32: a border of zeros around each channel, so that a
// convolution needs no question about edges. P, the pitch, is the floats of a row; it leaves room for the vectors
// of 4 numbers that reach beyond the last column. All pointers are bytes. Sizes D, H, W are those of the inside.

import { at, mac } from "./convolutions";
export { conv1, conv3, up } from "./convolutions";

@inline function total(v: v128): f64 {
  return <f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1)
    + <f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3);
}

// The sum of (x - mean), or of its square, over a channel's inside: rows in float32, their total in double precision.
function summed(x: usize, mean: f32, squared: bool, D: i32, H: i32, W: i32, P: i32): f64 {
  const mean4 = f32x4.splat(mean);
  let sum: f64 = 0;
  for (let z = 1; z <= D; z++) {
    for (let y = 1; y <= H; y++) {
      const row = at(x, (z * (H + 2) + y) * P);
      let sum4 = f32x4.splat(0), i = 1;
      for (; i <= W - 3; i += 4) {
        const d = f32x4.sub(v128.load(at(row, i)), mean4);
        sum4 = f32x4.add(sum4, squared ? f32x4.mul(d, d) : d);
      }
      sum += total(sum4);
      for (; i <= W; i++) {
        const d = load<f32>(at(row, i)) - mean;
        sum += <f64>(squared ? d * d : d);
      }
    }
  }
  return sum;
}

// Instance normalization of what a convolution wrote, in place, and ReLU if asked. The border becomes zero.
export function norm(
  x: usize, weight: usize, bias: usize, C: i32, D: i32, H: i32, W: i32, P: i32, relu: bool,
): void {
  const plane = (H + 2) * P, channel = (D + 2) * plane, count = <f64>(D * H * W);
  for (let c = 0; c < C; c++) {
    const base = at(x, c * channel);
    const mean = <f32>(summed(base, 0, false, D, H, W, P) / count);
    const variance = summed(base, mean, true, D, H, W, P) / count;
    const scale = <f32>(<f64>load<f32>(at(weight, c)) / Math.sqrt(variance + 1e-5)), shift = load<f32>(at(bias, c));
    const mean4 = f32x4.splat(mean), scale4 = f32x4.splat(scale), shift4 = f32x4.splat(shift);
    const low: f32 = relu ? 0 : -Infinity, low4 = f32x4.splat(low);
    memory.fill(base, 0, <usize>plane << 2);
    memory.fill(at(base, (D + 1) * plane), 0, <usize>plane << 2);
    for (let z = 1; z <= D; z++) {
      memory.fill(at(base, z * plane), 0, <usize>P << 2);
      memory.fill(at(base, z * plane + (H + 1) * P), 0, <usize>P << 2);
      for (let y = 1; y <= H; y++) {
        const row = at(base, z * plane + y * P);
        let i = 1;
        store<f32>(row, 0);
        for (; i <= W - 3; i += 4) {
          const value = mac(shift4, f32x4.sub(v128.load(at(row, i)), mean4), scale4);
          v128.store(at(row, i), f32x4.max(value, low4));
        }
        for (; i <= W; i++) store<f32>(at(row, i), max((load<f32>(at(row, i)) - mean) * scale + shift, low));
        for (; i < P; i++) store<f32>(at(row, i), 0);
      }
    }
  }
}

// Max pooling by (pd, ph, pw). D, H, W, Q: of the output, Q its pitch; P: pitch of the input.
export function pool(
  x: usize, out: usize, C: i32, D: i32, H: i32, W: i32, Q: i32, P: i32, pd: i32, ph: i32, pw: i32,
): void {
  const inPlane = (H * ph + 2) * P, inChannel = (D * pd + 2) * inPlane, plane = (H + 2) * Q, channel = (D + 2) * plane;
  memory.fill(out, 0, <usize>(C * channel) << 2);
  for (let c = 0; c < C; c++) {
    for (let z = 0; z < D; z++) {
      for (let y = 0; y < H; y++) {
        const from = at(x, c * inChannel + (z * pd + 1) * inPlane + (y * ph + 1) * P + 1);
        const to = at(out, c * channel + (z + 1) * plane + (y + 1) * Q + 1);
        for (let i = 0; i < W; i++) {
          let most: f32 = -Infinity;
          for (let kz = 0; kz < pd; kz++) {
            for (let ky = 0; ky < ph; ky++) {
              for (let kx = 0; kx < pw; kx++) {
                most = max(most, load<f32>(at(from, kz * inPlane + ky * P + i * pw + kx)));
              }
            }
          }
          store<f32>(at(to, i), most);
        }
      }
    }
  }
}

// Where an output's center lies among the inputs, 0 at the first one; PyTorch's `align_corners=False`.
@inline function place(index: i32, factor: i32): f32 { return max<f32>((<f32>index + 0.5) / <f32>factor - 0.5, 0); }

// out += x interpolated linearly to a grid (fd, fh, fw) times as fine. D, H, W, P: of the input; Q: of the output.
export function addLarger(
  x: usize, out: usize, C: i32, D: i32, H: i32, W: i32, P: i32, Q: i32, fd: i32, fh: i32, fw: i32,
): void {
  const inPlane = (H + 2) * P, inChannel = (D + 2) * inPlane, plane = (H * fh + 2) * Q, channel = (D * fd + 2) * plane;
  for (let c = 0; c < C; c++) {
    for (let z = 0; z < D * fd; z++) {
      const pz = place(z, fd), z0 = <i32>pz, fz = pz - <f32>z0, dz = z0 < D - 1 ? inPlane : 0;
      for (let y = 0; y < H * fh; y++) {
        const py = place(y, fh), y0 = <i32>py, fy = py - <f32>y0, dy = y0 < H - 1 ? P : 0;
        const a = at(x, c * inChannel + (z0 + 1) * inPlane + (y0 + 1) * P + 1), b = at(a, dy), d = at(a, dz), e = at(d, dy);
        const to = at(out, c * channel + (z + 1) * plane + (y + 1) * Q + 1);
        for (let i = 0; i < W * fw; i++) {
          const px = place(i, fw), x0 = <i32>px, fx = px - <f32>x0, x1 = min(x0 + 1, W - 1);
          const ax = load<f32>(at(a, x0)) * (1 - fx) + load<f32>(at(a, x1)) * fx;
          const bx = load<f32>(at(b, x0)) * (1 - fx) + load<f32>(at(b, x1)) * fx;
          const dx = load<f32>(at(d, x0)) * (1 - fx) + load<f32>(at(d, x1)) * fx;
          const ex = load<f32>(at(e, x0)) * (1 - fx) + load<f32>(at(e, x1)) * fx;
          const near = ax * (1 - fy) + bx * fy, far = dx * (1 - fy) + ex * fy;
          store<f32>(at(to, i), load<f32>(at(to, i)) + near * (1 - fz) + far * fz);
        }
      }
    }
  }
}

// out += x over n floats, and ReLU if asked.
export function add(out: usize, x: usize, n: i32, relu: bool): void {
  for (let i = 0; i < n; i++) {
    const sum = load<f32>(at(out, i)) + load<f32>(at(x, i));
    store<f32>(at(out, i), relu ? max<f32>(sum, 0) : sum);
  }
}

// x = sigmoid(x) over n floats.
export function sigmoid(x: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<f32>(at(x, i), <f32>1 / (<f32>1 + Mathf.exp(-load<f32>(at(x, i)))));
}

// out *= x over n floats.
export function multiply(out: usize, x: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<f32>(at(out, i), load<f32>(at(out, i)) * load<f32>(at(x, i)));
}
