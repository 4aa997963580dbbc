// The bytes of a file in portions, unpacked where gzip packed them. No more of it lies in memory than was asked for.

const MAGIC = [0x1f, 0x8b, 8], HEADER = 10; // bytes
const OWN_ZEROS = 10; // bytes in which a member can end: checksum and length are zero where it holds nothing

// Whether a member of a gzip file seems to start there: magic, flags of a name or extra bytes, effort, system. Within
// packed bytes it looks like that once in 10^12 bytes.
function isMember(bytes, at) {
  return MAGIC.every((byte, i) => bytes[at + i] === byte) && [0, 4, 8, 12].includes(bytes[at + 3])
    && [0, 2, 4].includes(bytes[at + 8]) && (bytes[at + 9] <= 13 || bytes[at + 9] === 255);
}

// The members of a gzip file, one after the other. Most files have one; those that were packed by several processors,
// or in blocks, have thousands. Browsers unpack one at a time.
async function membersOf(blob) {
  const starts = [0], reader = blob.stream().getReader();
  let kept = new Uint8Array(0), offset = 0; // the last bytes of the portion before, and where they lie
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const bytes = new Uint8Array(kept.length + value.length);
    bytes.set(kept);
    bytes.set(value, kept.length);
    const last = bytes.length - HEADER;
    for (let at = bytes.indexOf(MAGIC[0]); at >= 0 && at <= last; at = bytes.indexOf(MAGIC[0], at + 1)) {
      if (offset + at > 0 && isMember(bytes, at)) starts.push(offset + at);
    }
    kept = bytes.slice(Math.max(0, last + 1));
    offset += bytes.length - kept.length;
  }
  return starts.map((start, i) => blob.slice(start, starts[i + 1]));
}

const inflated = (blob) => blob.stream().pipeThrough(new DecompressionStream("gzip"));

// A member without the zeros that follow it, as tapes and disk blocks leave them; null if it is damaged. Python passes
// over them, browsers do not. How many of them are the member's own is tried.
async function withoutZeros(blob) {
  let end = blob.size, isZero = true;
  while (isZero && end > 0) {
    const bytes = new Uint8Array(await blob.slice(Math.max(0, end - 2 ** 16), end).arrayBuffer());
    const last = bytes.findLastIndex((byte) => byte !== 0);
    isZero = last < 0;
    end -= bytes.length - 1 - last;
  }
  for (const stop = Math.min(end + OWN_ZEROS, blob.size - 1); end <= stop; end++) {
    try {
      await inflated(blob.slice(0, end)).pipeTo(new WritableStream());
      return blob.slice(0, end);
    } catch {} // cut too early, or there are zeros left
  }
  return null;
}

async function isGzip(blob) {
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  return first === MAGIC[0] && second === MAGIC[1];
}

// Bytes of a file in the portions that are asked for.
class Feed {
  constructor(parts, packed) {
    this.parts = [...parts];
    this.packed = packed;
    this.reader = null;
    this.rest = new Uint8Array(0);
  }

  // Begin a part, of which `known` bytes have been given before.
  start(part, known = 0) {
    this.part = part;
    this.known = known;
    this.given = known;
    this.reader = (this.packed ? inflated(part) : part.stream()).getReader();
  }

  // What comes next, of any length; undefined at the end.
  async next() {
    while (this.reader || this.parts.length) {
      if (!this.reader) this.start(this.parts.shift());
      try {
        const { done, value = [] } = await this.reader.read(), from = Math.min(this.known, value.length);
        if (done) this.reader = null;
        this.known -= from;
        this.given += value.length - from;
        if (from < value.length) return value.subarray(from);
      } catch (error) {
        const shorter = this.packed && await withoutZeros(this.part);
        if (!shorter) throw error;
        this.start(shorter, this.given);
      }
    }
    return undefined;
  }

  // The next `count` bytes; fewer where the file ends.
  async read(count) {
    const out = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      if (!this.rest.length) {
        const value = await this.next();
        if (!value) break;
        this.rest = value;
      }
      const part = this.rest.subarray(0, count - filled);
      out.set(part, filled);
      filled += part.length;
      this.rest = this.rest.subarray(part.length);
    }
    return out.subarray(0, filled);
  }

  async skip(count) {
    while (count > 0) {
      const { length } = await this.read(Math.min(count, 2 ** 20));
      if (!length) return;
      count -= length;
    }
  }

  // Read what is left, so that gzip compares its checksum and length.
  async toEnd() { while (await this.next()); }

  async cancel() {
    this.parts = [];
    await this.reader?.cancel().catch(() => {}); // a fault further on; whoever reads so far meets it
  }
}

// A file to read from its beginning, as often as needed: { packed, size, open() }.
export async function sourceOf(blob) {
  const packed = await isGzip(blob), parts = packed ? await membersOf(blob) : [blob];
  return { packed, size: blob.size, open: () => new Feed(parts, packed) };
}

// The length of a file when it is unpacked; reading stops at `enough`.
export async function unpackedLength(source, enough) {
  const feed = source.open();
  let total = 0;
  while (total < enough) {
    const value = await feed.next();
    if (!value) break;
    total += value.length;
  }
  await feed.cancel();
  return total;
}
