// What lies under the pointer or the crosshair, in numbers and in words for screen readers.

import { clamp } from "./dom.js";
import { distance } from "./panel.js";

const SIDES = ["RL", "AP", "SI"]; // the affine's axes point right, front and up

// The text of one voxel (d, h, w): its number, its place in the patient and its HU.
function textOf(view, voxel) {
  const { scene, volumes } = view;
  const place = SIDES.map((sides, axis) => {
    const mm = scene.affine[axis].reduce((sum, factor, i) => sum + factor * (voxel[i] ?? 1), 0);
    return `${sides[mm < 0 ? 1 : 0]} ${Math.abs(mm).toFixed(1)}`;
  });
  const about = scene.hu_step > 1 ? "about " : "";
  const hounsfield = volumes.image[offsetOf(scene.shape, voxel)];
  return `voxel (${voxel.join(", ")})   ${place.join(", ")} mm   ${about}${hounsfield} HU`;
}

const offsetOf = ([, height, width], [d, h, w]) => (d * height + h) * width + w;

// A panel's own value at a voxel: the class or the heat.
function valueOf(view, { kind, volume, low, high }, at) {
  if (kind === "labels") return view.classNames[view.volumes.labels[volume][at]];
  if (kind !== "heat") return "";
  const step = (high - low) / 255; // known to this step, so no more digits than that
  return `${Number((low + view.volumes.heat[volume][at] * step).toFixed(clamp(Math.ceil(-Math.log10(step)), 0, 20)))}`;
}

// Show the voxel under the pointer, or else under the crosshair.
export function readOut(view) {
  if (!view.volumes) return;
  const { pointer, part, panels, scene } = view;
  let voxel = view.crossShown ? view.indices : null;
  if (pointer) {
    const { axes } = pointer.panel.geometry;
    voxel = [...view.indices];
    voxel[axes[1]] = Math.floor(pointer.place[0]);
    voxel[axes[2]] = Math.floor(pointer.place[1]);
  }
  for (const panel of panels) {
    const twin = pointer && panel.plane === pointer.panel.plane; // the same place in all panels of a plane
    panel.cross.hidden = !twin;
    panel.value.textContent = voxel && (twin || !pointer) ? valueOf(view, panel.spec, offsetOf(scene.shape, voxel)) : "";
    if (!twin) continue;
    const [y, x] = panel.inFrame(pointer.place);
    Object.assign(panel.cross.style, { left: `${x * 100}%`, top: `${y * 100}%` });
  }
  const measured = view.measured ? `${measuredText(view)}   ` : "";
  const hint = matchMedia("(pointer: coarse)").matches ? "tap, then drag; two fingers zoom"
    : "point at a panel, or move the crosshair with i, j, k, l";
  part.readout.classList.toggle("kv-hint", !voxel && !measured); // which paper leaves out
  part.readout.textContent = measured + (voxel ? textOf(view, voxel) : hint);
}

export function measuredText({ measured }) {
  return `distance ${distance(measured.geometry, measured.from, measured.to).toFixed(1)} mm`;
}

// Say a text to screen readers, after what they are saying now.
export function say(view, text) {
  view.part.live.textContent = text;
}

// Say what lies under the crosshair.
export function sayCross(view) {
  const values = view.panels.filter(({ ownPlane }) => !ownPlane || ownPlane === view.plane)
    .map(({ spec }) => [spec.name, valueOf(view, spec, offsetOf(view.scene.shape, view.indices))]);
  const words = values.filter(([, value]) => value).map(([name, value]) => `${name}: ${value}`);
  say(view, [textOf(view, view.indices), ...words].join(", "));
}
