// The rows of controls above and below the panels: what they are, what they do, and what they show.

import { button, element, passFocus } from "./dom.js";
import { HELP } from "./keys.js";
import { joinLinked, savePicture, sliceOf, toggleFullScreen, togglePlaying } from "./tools.js";
import { PLANES } from "./volume.js";

const TOOLS = {
  scroll: "drag up or down through the slices", window: "drag for level (up, down) and width (left, right)",
  pan: "drag the picture", measure: "drag a line to measure it in mm",
};

export const TEMPLATE = `
  <div class="kv-bar">
    <span class="kv-group" role="group" aria-label="plane" data-part="planes">
      ${PLANES.map((plane) => `<button type="button" data-plane="${plane}">${plane}</button>`).join("")}
    </span>
    <label class="kv-grow">slice <input data-part="slice" type="range" min="0" step="1"></label>
    <output data-part="position" aria-live="off"></output>
    <span class="kv-group" role="group" aria-label="go to" data-part="jumps"></span>
  </div>
  <div class="kv-bar">
    <label data-part="choices">of <select data-part="chosen"></select></label>
    <label data-part="modes">labels <select data-part="mode">
      <option>fill</option><option>outline</option><option>errors</option></select></label>
    <label data-part="opacities">opacity <input data-part="opacity" type="range" min="0" max="1" step="0.05"></label>
    <span class="kv-group kv-legend" role="group" aria-label="legend" data-part="legend"></span>
    <span class="kv-group" role="group" aria-label="picture" data-part="files"></span>
  </div>
  <div class="kv-view" data-part="area">
    <div class="kv-panels" data-part="panels" role="slider" tabindex="0" aria-orientation="vertical"></div>
  </div>
  <div class="kv-paper" data-part="paper"></div>
  <div class="kv-readout" data-part="readout"></div>
  <div class="kv-unseen" data-part="live" aria-live="polite"></div>
  <div class="kv-bar">
    <label>window <select data-part="preset"></select></label>
    <label>level <input data-part="level" type="number" step="10"></label>
    <label>width <input data-part="width" type="number" step="10" min="0"></label>
    <span class="kv-group" role="group" aria-label="drag to" data-part="tools">drag to</span>
    <span class="kv-group" role="group" aria-label="zoom" data-part="zooms"></span>
    <label><input data-part="smooth" type="checkbox" checked>smooth</label>
    <label><input data-part="crossed" type="checkbox">crosshair</label>
    <label title="move together with the page's other viewers that have this ticked">
      <input data-part="link" type="checkbox">link</label>
  </div>
  <details><summary>keys</summary><dl data-part="help"></dl></details>`;

export function buildControls(view) {
  const { part, scene, root } = view;
  part.threePlanes = button("3 planes", "three linked planes and the surface", () => view.toggleArrangement());
  part.planes.append(part.threePlanes);
  part.play = button("play", "play through the slices", () => togglePlaying(view));
  part.next = button("next tumor", "next slice with tumor", () => view.goToTumor(1));
  part.most = button("most tumor", "slice with most tumor", () => view.goToMostTumor());
  part.jumps.append(part.play, part.next, part.most);
  for (const [tool, title] of Object.entries(TOOLS)) {
    const node = button(tool, title, () => { view.tool = tool; view.describe(); });
    node.dataset.tool = tool;
    part.tools.append(node);
  }
  part.zooms.append(button("\u2212", "smaller", () => view.zoomBy(0.8)), button("+", "larger", () => view.zoomBy(1.25)),
    button("fit", "whole slice", () => view.fit()), button("1:1", "a voxel is one pixel wide", () => view.oneToOne()));
  for (const node of part.zooms.children) node.setAttribute("aria-label", `${node.title} (${node.textContent})`);
  part.full = button("full screen", "full screen", () => toggleFullScreen(view));
  part.full.hidden = !root.requestFullscreen; // as on a phone of Apple's
  part.files.append(part.full, button("save PNG", "save the panels as a picture", () => savePicture(view)));

  for (const [name, low, high] of scene.presets) {
    part.preset.append(element("option", { value: `${low},${high}`, textContent: `${name}, ${low} to ${high} HU` }));
  }
  part.preset.append(element("option", { value: "", textContent: "free" }));
  for (const { name } of scene.panels) part.chosen.append(element("option", { textContent: name }));
  for (const [name, color] of Object.entries(scene.classes)) {
    const box = element("input", { type: "checkbox", name, onchange: () => view.toggleClass(name) });
    part.legend.append(element("label", {}, box, swatch(color), name));
  }
  for (const [name, color] of Object.entries(scene.errors)) {
    part.legend.append(element("span", { className: "kv-error" }, swatch(color), name));
  }
  for (const [keys, what] of HELP) {
    part.help.append(element("div", {}, element("dt", { textContent: keys }), element("dd", { textContent: what })));
  }
  part.legend.hidden = part.modes.hidden = !scene.panels.some((panel) => panel.kind === "labels");
  part.opacities.hidden = scene.panels[0].kind === "plain";
  part.next.hidden = part.most.hidden = scene.labels.length === 0;
  part.mode.options[2].disabled = !scene.labels.some(({ name }) => name === scene.truth);

  for (const node of root.querySelectorAll("[data-plane]")) node.onclick = () => view.set({ plane: node.dataset.plane });
  part.slice.oninput = () => view.goTo(Number(part.slice.value));
  part.preset.onchange = () => part.preset.value && view.set({ window: part.preset.value.split(",").map(Number) });
  part.mode.onchange = () => view.setMode(part.mode.value);
  part.chosen.onchange = () => view.choose(part.chosen.selectedIndex);
  part.opacity.oninput = () => view.set({ opacity: Number(part.opacity.value) });
  part.smooth.checked = view.model.get("_kept")?.smooth ?? true;
  part.smooth.onchange = () => root.classList.toggle("kv-sharp", !part.smooth.checked);
  part.smooth.onchange();
  part.crossed.onchange = () => view.showCross(part.crossed.checked);
  part.link.onchange = () => joinLinked(view);
  part.level.oninput = part.width.oninput = () => {
    const level = part.level.valueAsNumber, width = part.width.valueAsNumber;
    if (Number.isFinite(level) && width > 0) view.set({ window: [level - width / 2, level + width / 2] });
  };
  part.level.onblur = part.width.onblur = () => view.describe(); // what was no window gives way to the one that is shown
}

function swatch(color) {
  const node = element("i", { className: "kv-swatch" });
  node.style.background = color;
  return node;
}

// Bring controls, legend and the words for screen readers up to date.
export function describe(view) {
  const { part, scene, model, index, plane, root } = view, { count } = view.geometry;
  const withTumor = scene.labels.filter((labels) => labels.tumor[plane][index]).map((labels) => labels.name);
  const tumor = withTumor.length ? `tumor in ${withTumor.join(", ")}` : scene.labels.length ? "no tumor" : "";
  const text = [sliceOf(view), tumor].filter(Boolean).join(", ");
  for (const [node, first] of [[part.panels, 1], [part.slice, 0]]) {
    node.setAttribute("aria-valuemin", first);
    node.setAttribute("aria-valuemax", count - 1 + first);
    node.setAttribute("aria-valuenow", index + first);
    node.setAttribute("aria-valuetext", text);
  }
  part.slice.max = count - 1;
  part.slice.value = index;
  part.position.textContent = `${index + 1} of ${count} (index ${index})`;
  const mode = model.get("mode"), [low, high] = model.get("window"), classes = model.get("classes");
  const slices = view.hasPlanes ? [view.panels[0].spec.name, ...view.panels.map(sliceOf)] : [sliceOf(view)];
  part.paper.textContent = [...slices, `window ${low} to ${high} HU`].join(", ");
  const put = (input, value) => { if (input !== document.activeElement) input.value = value; };
  put(part.level, (low + high) / 2);
  put(part.width, high - low);
  part.preset.value = `${low},${high}`;
  if (part.preset.selectedIndex < 0) part.preset.value = "";
  part.mode.value = mode;
  part.chosen.selectedIndex = view.chosen;
  part.choices.hidden = !view.hasPlanes || scene.panels.length < 2;
  part.opacity.value = model.get("opacity");
  const isSolid = mode === "outline" && !scene.panels.some((panel) => panel.kind === "heat");
  if (isSolid) passFocus(part.opacity, part.panels);
  part.opacity.disabled = isSolid;
  part.crossed.checked = view.crossShown;
  for (const box of part.legend.querySelectorAll("input")) box.checked = classes.includes(box.name);
  for (const entry of part.legend.querySelectorAll(".kv-error")) entry.hidden = mode !== "errors";
  const press = (node, pressed) => node.setAttribute("aria-pressed", pressed);
  for (const node of root.querySelectorAll("[data-plane]")) press(node, node.dataset.plane === plane);
  root.dataset.tool = view.tool;
  for (const node of root.querySelectorAll("button[data-tool]")) press(node, node.dataset.tool === view.tool);
  press(part.threePlanes, view.hasPlanes);
  press(part.play, Boolean(view.stopPlaying));
  part.next.disabled = part.most.disabled = !view.tumor.some(Boolean);
}
