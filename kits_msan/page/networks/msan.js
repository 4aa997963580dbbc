// The networks of the paper in the page; networks/msan.py line by line, for one slab at a time.
// Read `UNet3D.forward` first; `MSAN.forward` is the same walk with the additions marked `// V1` and `// V2`.
// Deep supervision acts in training alone, so its networks have nothing of their own here.

import { addTo, conv1, ConvBlock, convTranspose, maxPool, MultiScaleAttention, Res2NetBlock } from "./layers.js";

// 3D U-Net: a map of one channel, (1, D, H, W), CT scaled to 0..1 -> logits (3, D, H, W).
export class UNet3D {
  constructor(engine, config) {
    const { poolings } = config, levels = [...Array(poolings).keys()];
    this.engine = engine;
    this.pool = config.pool;
    this.multiple = this.pool.map((size) => size ** poolings);
    this.encoder = levels.map((level) => new ConvBlock(engine, `encoder.${level}`));
    this.bottom = new ConvBlock(engine, "bottom");
    this.up = levels.map((level) => convTranspose(engine, `up.${level}`, this.pool));
    this.decoder = levels.map((level) => new ConvBlock(engine, `decoder.${level}`));
    this.head = conv1(engine, "head");
  }

  forward(x) {
    const features = []; // F_0 (finest) to F_{n-1}: what the skip connections carry
    for (const block of this.encoder) {
      x = block.forward(x); // (C/2, D, H, W) -> (C, D, H, W)
      features.push(x);
      x = maxPool(this.engine, x, this.pool); // (C, D, H, W) -> (C, D, H/2, W/2)
    }
    x = this.bottom.forward(x); // (C, D, h, w) -> (2C, D, h, w)
    return this.decode(x, features);
  }

  decode(x, skips) {
    for (let level = skips.length - 1; level >= 0; level--) {
      x = this.up[level](x); // (2C, D, H/2, W/2) -> (C, D, H, W)
      x = this.cat(skips.pop(), x); // -> (2C, D, H, W)
      x = this.decoder[level].forward(x); // -> (C, D, H, W)
    }
    return this.head(x); // (width, D, H, W) -> (3, D, H, W)
  }

  cat(skip, x) {
    const out = this.engine.map(skip.C + x.C, x.D, x.H, x.W);
    this.engine.copy(skip, out);
    this.engine.copy(x, out, skip.C);
    return out;
  }
}

// The multi-scale attention network: the U-Net above with enhanced skip connections.
export class MSAN extends UNet3D {
  constructor(engine, config) {
    super(engine, config);
    this.attention = new MultiScaleAttention(engine, config.poolings + 1);
    this.res2net = engine.weights["res2net.reduce.0.weight"] ? new Res2NetBlock(engine, config.scale) : null;
  }

  forward(x) {
    const features = this.encode(x);
    const bottom = features.at(-1), skips = this.attention.forward(features); // V1: shapes as features[:-1]
    return this.decode(bottom, skips);
  }

  // The weights W_i of every level for an input (1, D, H, W): each (C_i, D, H_i, W_i), 0 to 1.
  attentionWeights(x) { return this.attention.weights(this.encode(x)); }

  // F_0 to F_n with the bottom.
  encode(x) {
    const features = [];
    for (const block of this.encoder) {
      x = block.forward(x); // (C/2, D, H, W) -> (C, D, H, W)
      features.push(x);
      x = maxPool(this.engine, x, this.pool); // (C, D, H, W) -> (C, D, H/2, W/2)
    }
    const bottom = this.bottom.forward(x); // (C, D, h, w) -> (2C, D, h, w)
    if (this.res2net) addTo(this.engine, bottom, this.res2net.forward(x)); // V2: a second branch from the same maps
    return [...features, bottom];
  }
}

export function buildModel(engine, { model, config }) {
  return model === "unet3d" ? new UNet3D(engine, config) : new MSAN(engine, config);
}
