// Whether a CT is in Hounsfield units, judged by how its values are distributed; formats/hounsfield.py of the package.
// Air lies near -1000, fat near -100, organs from 0 to 300. Round the field of view any value can stand as padding.

import { roundHalfEven } from "./resampling.js";

const AIR_HU = -1024, NOT_AIR = -200, NO_TISSUE = -1500; // HU: nothing above it, nothing to segment; what lies below is padding
const SAMPLE = 2 ** 20, FEW = 10_000, GAP = 50; // voxels that are looked at, of which shares say little; HU between a padding and the next value
const AIR = [-1100, -900], FAT = [-150, -30], BODY = [-300, 400], RAISED = [700, 1400], DENSE = 1000;
const TOO_HIGH = 20000; // HU; metal saturates far below

// The rest of a sentence that begins with the file's name; empty if all is well.
export function checkHounsfield(image) {
  let low = image[0], high = image[0];
  for (const value of image) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high < NOT_AIR) return `holds only air (no voxel above ${NOT_AIR} HU); name the CT of an abdomen.`;
  if (low === high) return `holds the value ${low} in every voxel; export the CT anew.`;
  const seen = oddity(sample(image));
  return seen && `has values ${low} to ${high}, so it is not in Hounsfield units, or not a CT: ${seen}; export the CT `
    + "with its rescale slope and intercept.";
}

// Puts air in the place of a bright padding; gives its value, or null where there is none.
export function clearPadding(image, [D, H, W]) {
  const ends = (n) => (n > 1 ? [0, n - 1] : [0]), times = new Map();
  for (const d of ends(D)) for (const h of ends(H)) for (const w of ends(W)) {
    const value = image[(d * H + h) * W + w];
    times.set(value, (times.get(value) ?? 0) + 1);
  }
  const corners = [...times.values()].reduce((sum, n) => sum + n), most = Math.max(...times.values());
  const padding = Math.min(...[...times.keys()].filter((value) => times.get(value) === most)); // the lower of two, as in Python
  if (most < Math.max(3, corners / 2) || padding <= NOT_AIR || image.every((value) => value >= padding)) return null;
  for (let row = 0; row < image.length; row += W) {
    let first = row, last = row + W - 1;
    while (first <= last && image[first] === padding) image[first++] = AIR_HU;
    while (last > first && image[last] === padding) image[last--] = AIR_HU;
  }
  return padding;
}

// Some of the values, sorted.
function sample(image) {
  const step = Math.max(1, Math.floor(image.length / SAMPLE)) | 1;
  return Int16Array.from({ length: Math.ceil(image.length / step) }, (_, i) => image[i * step]).sort();
}

// The values without padding: what is beyond any tissue, and one low value far from the rest.
function withoutPadding(values) {
  const tissue = values.subarray(values.findIndex((value) => value > NO_TISSUE));
  if (values.at(-1) <= NO_TISSUE) return values;
  const first = tissue.findIndex((value) => value > tissue[0]);
  const isPadding = first > 0 && tissue[first] - tissue[0] >= GAP && first > 0.01 * tissue.length;
  return isPadding ? tissue.subarray(first) : tissue;
}

const count = (values, low, high) => values.reduce((sum, value) => sum + (value >= low && value <= high), 0);
const share = (values, low, high) => count(values, low, high) / values.length;
const percent = (part) => `${roundHalfEven(100 * part)}%`;

// As NumPy: between two values in proportion. `values` are sorted.
function percentile(values, q) {
  const place = (values.length - 1) * q / 100, below = Math.floor(place), above = Math.min(below + 1, values.length - 1);
  return values[below] + (values[above] - values[below]) * (place - below);
}

// The values from `low` to `high`, each with how often it stands there, most frequent first.
function multiplicities(values, low, high) {
  const times = new Map();
  for (const value of values) if (value >= low && value <= high) times.set(value, (times.get(value) ?? 0) + 1);
  return [...times].sort((a, b) => b[1] - a[1]);
}

const total = (pairs) => pairs.reduce((all, [, times]) => all + times, 0);
// The share of values from `low` to `high`, without the most frequent one, which may be a padding.
const naturalShare = (values, low, high) => total(multiplicities(values, low, high).slice(1)) / values.length;

// Whether what is near -100 lies within 3 of one value, as air divided by ten does; fat is spread by noise.
function isNarrow(values) {
  const [[most]] = multiplicities(values, -115, -75);
  return count(values, most - 3, most + 3) > 0.5 * count(values, -115, -75);
}

// Whether what has no air near -1000 HU has it where a wrong sign, scale or number of bits puts it.
function airElsewhere(values, low, high) {
  const turned = naturalShare(values, -AIR[1], -AIR[0]), between = naturalShare(values, -700, -400);
  if (turned > 0.1 && share(values, -AIR[0], 2 ** 15) < 0.01) {
    return `${percent(turned)} are near 1000 and hardly any near -1000, where air would be`;
  }
  const few = values.filter((value) => value >= -700 && value <= -400); // but where air and tissue share voxels
  const middleOfFew = few.length ? percentile(few, 50) : 0;
  if (between > 0.1 && share(few, middleOfFew - 60, middleOfFew + 60) > 0.8) {
    return `${percent(between)} are from -700 to -400, where little lies, and none near -1000, where air would be`;
  }
  const middle = values.filter((value) => value > -60), shrunk = naturalShare(values, -115, -75);
  if (low > -200 && shrunk > 0.05 && isNarrow(values) && share(middle, -25, 60) > 0.85) {
    return `${percent(shrunk)} are near -100 and nearly all others round 0, as if divided by ten`;
  }
  if (low >= -128 && low <= -127 && high >= 126 && high <= 127) {
    return "they are just those of a signed byte, in which no CT fits";
  }
  return "";
}

// What no CT in HU shows, as part of a sentence; empty if it is one.
function oddity(all) {
  const spread = total(multiplicities(all, -(2 ** 15), NO_TISSUE).slice(2)) / all.length; // no padding
  if (spread > 0.05) return `${percent(spread)} are spread below ${NO_TISSUE}, where nothing but padding can be`;
  const values = withoutPadding(all), low = values[0], high = values.at(-1);
  const first = percentile(values, 0.5), last = percentile(values, 99.5);
  if (first >= -20 && last <= 20) return "nearly all of them are within 20 of zero, as after normalizing";
  const nearZero = share(values, 0, 0.1 * percentile(values, 99));
  const negative = values.subarray(0, count(values, -(2 ** 15), -1)); // of one value, it may be a padding
  if ((!negative.length || negative[0] === negative.at(-1)) && nearZero > 0.05) {
    return `none but a padding is below 0, and ${percent(nearZero)} are just above it, where air would be near -1000`;
  }
  const atLow = share(values, -128, -115);
  if (low >= -128 && high <= 127 && atLow > 0.2) {
    return `all fit into one byte, and ${percent(atLow)} are at its lower end, where air would be near -1000`;
  }
  const body = share(values, ...BODY), raised = share(values, ...RAISED);
  if (body < 0.005) return `hardly any are from ${BODY[0]} to ${BODY[1]}, where a body lies`;
  const air = naturalShare(values, ...AIR), seen = air < 0.01 && airElsewhere(values, low, high);
  if (seen) return seen;
  const around = Math.max(share(values, 300, 700), 2 * share(values, RAISED[1], 2 ** 15));
  if (raised > 0.03 && raised > around && air < 0.01) {
    const soft = count(values, -200, 250), fat = soft ? count(values, -200, -30) / soft : 0;
    if (fat < 0.1 || raised > soft / values.length) {
      const middle = percentile(values.filter((value) => value >= RAISED[0] && value <= RAISED[1]), 50);
      return `${percent(raised)} are near ${roundHalfEven(middle)}, where a body lies if 1024 was not taken off`;
    }
  }
  const dense = naturalShare(values, DENSE, 2 ** 15), above = share(values, TOO_HIGH, 2 ** 15);
  const between = share(values, 150, DENSE);
  if (air < 0.01 && (dense > Math.max(0.1, 2 * between) || naturalShare(values, 2 * DENSE, 2 ** 15) > 0.1)) {
    return `${percent(dense)} are above ${DENSE}, where only metal and dense bone lie`;
  }
  if (above > 0.01) return `${percent(above)} are above ${TOO_HIGH}, where nothing can be`;
  if (low >= 0) return "none but a padding is below 0, where fat and air would be";
  const zero = share(values.filter((value) => value > low), -20, 20); // the lowest may be the edge of a window
  if (zero > 0.3 && share(values, ...FAT) < 0.001 && air < 0.01) {
    return `${percent(zero)} are round 0, and none where fat and air would be`;
  }
  const scale = 0.1 * percentile(values, 90); // which metal in a small crop leaves as it is
  const near = share(values, -scale, scale), belowZero = share(values, -(2 ** 15), -scale);
  if (values.length > FEW && air < 0.01 && near > 0.2 && belowZero < 0.01) { // some are, after a cubic resampling
    return `${percent(near)} are round 0 and hardly any below, where fat and air would be`;
  }
  return "";
}
