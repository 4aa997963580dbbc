// The header of a NIfTI file, of version 1 or 2 and either byte order; small faults are mended as nibabel mends them.

// Where each field lies: [offset, kind, count].
const FIRST = {
  size: 348, single: "n+1\0", pair: "ni1\0", start: 352, dim: [40, "Int16", 8], datatype: [70, "Int16"], bitpix: [72, "Int16"],
  pixdim: [76, "Float32", 8], offset: [108, "Float32"], slope: [112, "Float32"], inter: [116, "Float32"],
  units: [123, "Uint8"], calMax: [124, "Float32"], calMin: [128, "Float32"], qformCode: [252, "Int16"], sformCode: [254, "Int16"],
  quaternion: [256, "Float32", 3], qoffset: [268, "Float32", 3], srow: [280, "Float32", 12], magic: [344, 4],
};
const SECOND = {
  size: 540, single: "n+2\0", pair: "ni2\0", start: 544, dim: [16, "BigInt64", 8], datatype: [12, "Int16"], bitpix: [14, "Int16"],
  pixdim: [104, "Float64", 8], offset: [168, "BigInt64"], slope: [176, "Float64"], inter: [184, "Float64"],
  units: [500, "Int32"], calMax: [192, "Float64"], calMin: [200, "Float64"], qformCode: [344, "Int32"], sformCode: [348, "Int32"],
  quaternion: [352, "Float64", 3], qoffset: [376, "Float64", 3], srow: [400, "Float64", 12],
  magic: [4, 4], ends: [8, 12],
};
const BYTES = { Uint8: 1, Int16: 2, Int32: 4, Float32: 4, Float64: 8, BigInt64: 8 };
const LINE_ENDS = [13, 10, 26, 10]; // in a second version's header, to show whether a transfer changed them
const XFORM_CODES = 5; // the highest that the format knows

// How DataView reads a voxel of each datatype, and its bytes; null for what is no number.
const KINDS = {
  2: ["Uint8", 1], 4: ["Int16", 2], 8: ["Int32", 4], 16: ["Float32", 4], 64: ["Float64", 8], 256: ["Int8", 1],
  512: ["Uint16", 2], 768: ["Uint32", 4], 1024: ["BigInt64", 8], 1280: ["BigUint64", 8],
  32: [null, 8], 128: [null, 3], 1536: [null, 16], 1792: [null, 16], 2048: [null, 32], 2304: [null, 4],
};

// Raised with what was wrong, short enough to stand within a sentence.
export class Broken extends Error {}

export class Header {
  constructor(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < FIRST.size) throw new Broken("it is too short for a header");
    const isSecond = [true, false].some((little) => view.getInt32(0, little) === SECOND.size);
    this.fields = isSecond ? SECOND : FIRST;
    if (bytes.length < this.fields.size) throw new Broken("it is too short for a header");
    this.bytes = bytes.slice(0, this.fields.size);
    this.view = new DataView(this.bytes.buffer);
    this.little = true;
    if (!(this.get("dim", 0) >= 1 && this.get("dim", 0) <= 7)) this.little = false;
    if (!(this.get("dim", 0) >= 1 && this.get("dim", 0) <= 7)) throw new Broken("it has no number of axes");
    this.mend();
  }

  get(name, index = 0) {
    const [offset, kind] = this.fields[name];
    return Number(this.view[`get${kind}`](offset + index * BYTES[kind], this.little));
  }

  set(name, value, index = 0) {
    const [offset, kind] = this.fields[name];
    this.view[`set${kind}`](offset + index * BYTES[kind], kind === "BigInt64" ? BigInt(value) : value, this.little);
  }

  all(name) { return Array.from({ length: this.fields[name][2] }, (_, index) => this.get(name, index)); }

  mend() {
    const [at, length] = this.fields.magic, magic = String.fromCharCode(...this.bytes.subarray(at, at + length));
    this.view.setInt32(0, this.fields.size, this.little);
    const type = KINDS[this.get("datatype")];
    if (!type) throw new Broken(`data code ${this.get("datatype")} not recognized`);
    if (![this.fields.single, this.fields.pair].includes(magic)) { // some write a pair's into one file
      throw new Broken(`magic string ${JSON.stringify(magic)} is not valid`);
    }
    if (this.fields.ends) {
      const ends = this.bytes.subarray(...this.fields.ends);
      if (![[0, 0, 0, 0], LINE_ENDS].some((good) => good.every((byte, i) => byte === ends[i]))) {
        throw new Broken("EOL check not 0 or 13, 10, 26, 10");
      }
      ends.set(LINE_ENDS);
    }
    if (this.scaled && !Number.isFinite(this.get("inter"))) throw new Broken("valid slope but invalid intercept");
    if (!(this.start >= this.fields.start && this.start < Infinity)) {
      throw new Broken(`vox offset ${this.start} too low for single file`);
    }
    this.set("bitpix", type[1] * 8);
    for (let axis = 1; axis <= 3; axis++) {
      const size = Math.abs(this.get("pixdim", axis)); // NaN stays, and is refused
      this.set("pixdim", size === 0 ? 1 : size, axis);
    }
    if (Math.abs(this.get("pixdim")) !== 1) this.set("pixdim", 1);
    for (const name of ["qformCode", "sformCode"]) {
      if (this.get(name) < 0 || this.get(name) > XFORM_CODES) this.set(name, 0);
    }
  }

  get shape() { return this.all("dim").slice(1, this.get("dim", 0) + 1); }
  get kind() { return KINDS[this.get("datatype")]; }
  get start() { return Math.trunc(this.get("offset")); }

  get scaled() { return this.get("slope") !== 0 && Number.isFinite(this.get("slope")); }

  // [slope, intercept] that turn stored numbers into values.
  get scaling() { return this.scaled ? [this.get("slope"), this.get("inter")] : [1, 0]; }

  // The s-form as three rows of four.
  get sform() {
    const all = this.all("srow");
    return [all.slice(0, 4), all.slice(4, 8), all.slice(8, 12)];
  }

  // The q-form: a rotation as a quaternion without its first number, voxel sizes, and an offset.
  get qform() {
    const [b, c, d] = this.all("quaternion"), rest = 1 - b * b - c * c - d * d;
    const least = 3 * (this.fields === SECOND ? 2 ** -52 : 2 ** -23);
    if (rest < 0 && Math.abs(rest) >= least) throw new Broken("its quaternion is longer than 1");
    const a = Math.abs(rest) < least ? 0 : Math.sqrt(rest), s = 2 / (a * a + b * b + c * c + d * d);
    const pixdim = this.all("pixdim"), sizes = [pixdim[1], pixdim[2], pixdim[3] * pixdim[0]], offset = this.all("qoffset");
    return [
      [1 - s * (c * c + d * d), s * (b * c - d * a), s * (b * d + c * a)],
      [s * (b * c + d * a), 1 - s * (b * b + d * d), s * (c * d - b * a)],
      [s * (b * d - c * a), s * (c * d + b * a), 1 - s * (b * b + c * c)],
    ].map((row, axis) => [...row.map((value, column) => value * sizes[column]), offset[axis]]);
  }

  // What older files have: voxel sizes alone, the first axis to the left, the origin in the middle.
  get plain() {
    const sizes = this.all("pixdim").slice(1, 4).map((size, axis) => (axis ? size : -size));
    return [0, 1, 2].map((axis) => {
      const row = [0, 0, 0, -sizes[axis] * ((this.shape[axis] ?? 1) - 1) / 2];
      row[axis] = sizes[axis];
      return row;
    });
  }

  // A copy for labels on the same grid: one byte a voxel, three axes.
  forLabels() {
    const copy = new Header(this.bytes);
    copy.bytes.set([...this.fields.single].map((letter) => letter.charCodeAt(0)), this.fields.magic[0]);
    for (let axis = 4; axis < 8; axis++) {
      copy.set("dim", 1, axis);
      copy.set("pixdim", 1, axis);
    }
    for (const [name, value] of Object.entries({
      dim: 3, datatype: 2, bitpix: 8, slope: 1, inter: 0, calMax: 0, calMin: 0, offset: this.fields.start,
    })) copy.set(name, value);
    return copy;
  }
}
