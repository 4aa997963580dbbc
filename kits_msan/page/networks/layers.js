// The building blocks, as networks/layers.py has them: the double convolution, the paper's attention, the Res2Net block.
// Each is made with an engine, which holds the weights, and with the name that its weights have in the checkpoint.

// 3x3x3 or 1x1x1 convolution, instance normalization, ReLU: (C_in, D, H, W) -> (C_out, D, H, W).
// `out`: the map to fill, where there is one already.
export function conv(engine, name, relu = true) {
  const { ops, weights } = engine;
  const weight = weights[`${name}.0.weight`], scale = weights[`${name}.1.weight`], shift = weights[`${name}.1.bias`];
  const [channelsOut, channelsIn, size] = weight.shape;
  return (x, out = engine.map(channelsOut, x.D, x.H, x.W)) => {
    const { D, H, W, P } = x;
    if (size === 3) {
      const scratch = engine.scratch(16 * (channelsIn + channelsOut + 3) * P);
      ops.conv3(x.at, weight.at, out.at, scratch, channelsIn, channelsOut, D, H, W, P);
    } else ops.conv1(x.at, weight.at, 0, out.at, channelsIn, channelsOut, D + 2, (H + 2) * P);
    ops.norm(out.at, scale.at, shift.at, channelsOut, D, H, W, P, relu);
    return out;
  };
}

// A 1x1x1 convolution alone, with its bias if it has one.
export function conv1(engine, name) {
  const { at, shape: [channelsOut, channelsIn] } = engine.weights[`${name}.weight`];
  const bias = engine.weights[`${name}.bias`]?.at ?? 0;
  return (x) => {
    const out = engine.map(channelsOut, x.D, x.H, x.W);
    engine.ops.conv1(x.at, at, bias, out.at, channelsIn, channelsOut, x.D + 2, (x.H + 2) * x.P);
    return out;
  };
}

export function maxPool(engine, x, [pd, ph, pw]) {
  const out = engine.map(x.C, x.D / pd, x.H / ph, x.W / pw);
  engine.ops.pool(x.at, out.at, x.C, out.D, out.H, out.W, out.P, x.P, pd, ph, pw);
  return out;
}

// The transposed convolution of the decoder: (2C, D, H / ph, W / pw) -> (C, D, H, W).
export function convTranspose(engine, name, [pd, ph, pw]) {
  const { at, shape: [channelsIn, channelsOut] } = engine.weights[`${name}.weight`];
  const bias = engine.weights[`${name}.bias`].at;
  return (x) => {
    const out = engine.map(channelsOut, x.D * pd, x.H * ph, x.W * pw);
    const scratch = engine.scratch((channelsOut * pd * ph * pw + 3) * (x.H + 2) * x.P);
    engine.ops.up(x.at, at, bias, out.at, scratch, channelsIn, channelsOut, x.D, x.H, x.W, x.P, out.P, pd, ph, pw);
    return out;
  };
}

// Two 3x3x3 convolutions: (C_in, D, H, W) -> (C_out, D, H, W).
export class ConvBlock {
  constructor(engine, name) {
    this.engine = engine;
    this.first = conv(engine, `${name}.first`);
    this.second = conv(engine, `${name}.second`);
    this.channels = engine.weights[`${name}.second.0.weight`].shape[0];
  }

  forward(x) {
    return this.engine.into(this.channels, x, (out) => {
      const middle = this.first(x); // (C_in, D, H, W) -> (C_out, D, H, W)
      this.second(middle, out);
    });
  }
}

// The paper's multi-scale attention layer: S_i = F_i + sum of P_ij(F_j on F_i's grid); W_i = sigmoid(S_i); F_i * W_i.
export class MultiScaleAttention {
  constructor(engine, levels) {
    this.engine = engine;
    this.sources = []; // those that the reading adds to each level: the checkpoint has a P_ij for each
    this.project = {};
    for (let i = 0; i < levels - 1; i++) {
      const names = [...Array(levels).keys()].filter((j) => engine.weights[`attention.project.${j}_to_${i}.weight`]);
      this.sources.push(names);
      for (const j of names) this.project[`${j}_to_${i}`] = conv1(engine, `attention.project.${j}_to_${i}`);
    }
  }

  // W_0 to W_{n-1}, each of F_i's shape, values 0 to 1.
  weights(features) {
    const { engine } = this;
    return this.sources.map((sources, i) => engine.into(features[i].C, features[i], (total) => {
      engine.copy(features[i], total); // (C_i, D, H_i, W_i)
      for (const j of sources) {
        const project = this.project[`${j}_to_${i}`]; // (C_j, D, H_j, W_j) -> (C_i, D, H_i, W_i):
        if (j < i) addTo(engine, total, project(maxPool(engine, features[j], ratio(features[j], features[i])))); // finer
        else addLarger(engine, total, project(features[j])); // coarser
      }
      engine.ops.sigmoid(total.at, total.C * total.n);
    }));
  }

  // The maps F_i themselves become F_i * W_i.
  forward(features) {
    const { engine } = this, { top } = engine, weights = this.weights(features);
    weights.forEach((weight, i) => engine.ops.multiply(features[i].at, weight.at, weight.C * weight.n));
    engine.top = top; // their room is given back
    return features.slice(0, weights.length);
  }
}

// The 3D Res2Net block: y_1 = x_1, y_2 = K_2(x_2), y_k = K_k(x_k + y_{k-1}); with scale 1 y_1 = K_1(x_1).
export class Res2NetBlock {
  constructor(engine, scale) {
    this.engine = engine;
    this.scale = scale;
    this.reduce = conv(engine, "res2net.reduce");
    this.convs = Array.from({ length: Math.max(scale - 1, 1) }, (_, k) => conv(engine, `res2net.convs.${k}`));
    this.expand = conv(engine, "res2net.expand", false);
    this.shortcut = engine.weights["res2net.shortcut.0.weight"] ? conv(engine, "res2net.shortcut", false) : (x) => x;
    this.channels = engine.weights["res2net.expand.0.weight"].shape[0];
  }

  forward(x) {
    const { engine, scale } = this;
    return engine.into(this.channels, x, (y) => {
      const reduced = this.reduce(x); // (C_in, D, H, W) -> (C_out, D, H, W)
      const size = this.channels / scale, outputs = engine.map(this.channels, x.D, x.H, x.W);
      const group = (k) => engine.part(reduced, k * size, size), output = (k) => engine.part(outputs, k * size, size);
      let k = 0;
      if (scale > 1) engine.copy(group(k++), outputs); // y_1 = x_1
      for (const conv of this.convs) {
        if (k > 1) addTo(engine, group(k), output(k - 1));
        conv(group(k), output(k));
        k++;
      }
      this.expand(outputs, y); // the outputs lie side by side: concatenated
      engine.ops.add(y.at, this.shortcut(x).at, y.C * y.n, true);
    });
  }
}

export function addTo(engine, out, x) { engine.ops.add(out.at, x.at, out.C * out.n, false); }

// out += x, interpolated to out's finer grid.
function addLarger(engine, out, x) {
  const [fd, fh, fw] = ratio(out, x);
  engine.ops.addLarger(x.at, out.at, x.C, x.D, x.H, x.W, x.P, out.P, fd, fh, fw);
}

const ratio = (fine, coarse) => [fine.D / coarse.D, fine.H / coarse.H, fine.W / coarse.W];
