// The form above and the table below the viewer.

import { element } from "../../viewer/js/dom.js";

export const VOTE = "vote";

const TEMPLATE = `
  <p class="ks-warning"><strong>Teaching material, not a medical device.</strong> A scan never leaves this page:
    nothing is sent, and everything is computed here.</p>
  <fieldset data-part="source"><legend>Scan</legend>
    <label>phantom <select data-part="scan"></select></label>
    <label class="ks-drop">or a CT of your own, as NIfTI; choose it or drop it here
      <input type="file" data-part="file" accept=".nii,.gz"></label>
  </fieldset>
  <fieldset data-part="networks"><legend>Networks</legend></fieldset>
  <div class="ks-bar">
    <button type="button" data-part="start">Segment</button>
    <button type="button" data-part="stop" hidden>Stop</button>
    <progress data-part="bar" max="1" value="0" aria-label="progress" hidden></progress>
  </div>
  <p data-part="status" role="status"></p>
  <p data-part="note" hidden></p>
  <div data-part="viewer"></div>
  <div data-part="results" hidden>
    <div class="ks-table"><table><caption></caption><thead><tr></tr></thead><tbody></tbody></table></div>
    <div class="ks-bar">
      <label><input type="checkbox" data-part="clean" checked> clean-up: keep the two largest pieces,
        without tumor that hardly touches kidney</label>
      <label data-part="heats">attention weights <select data-part="heat"></select></label>
      <button type="button" data-part="save">Download the segmentation</button>
    </div>
  </div>`;

// Put the form into `root`; returns its parts by name.
export function buildControls(root, { scans, networks }, chosen) {
  root.classList.add("kits-segment");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "Segment a scan in this page");
  root.innerHTML = TEMPLATE;
  const part = {};
  for (const node of root.querySelectorAll("[data-part]")) part[node.dataset.part] = node;
  part.scan.append(element("option", { value: "", textContent: "your own file", hidden: true })); // chosen by a file alone
  for (const { name, title } of scans) part.scan.append(element("option", { value: name, textContent: title }));
  for (const { name, title, megabytes } of networks) {
    const box = element("input", { type: "checkbox", value: name, checked: chosen.includes(name) });
    part.networks.append(element("label", {}, box, ` ${title} (${megabytes.toFixed(1)} MB)`));
  }
  part.heat.append(element("option", { value: "", textContent: "not shown" }));
  return part;
}

// The form names the scan that is open, also after another one was refused.
export function nameScan(part, scan) {
  const { phantom = "", file } = scan?.source ?? {}, held = new DataTransfer();
  part.scan.value = phantom;
  part.scan.options[0].textContent = scan ? "your own file" : "none is open";
  if (file) held.items.add(file);
  part.file.files = held.files;
}

// Files may be dropped anywhere: beside the form a browser would leave the page for them, and all results with it.
export function listenToDrops(root, onFiles) {
  const hear = (kind, action) => document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    root.classList.toggle("ks-over", kind === "dragover");
    action?.(event.dataTransfer.files);
  });
  hear("dragover");
  hear("dragleave");
  hear("drop", onFiles);
}

// A choice for each network with attention, and each of its levels.
export function offerHeat(part, networks) {
  const kept = part.heat.value;
  part.heat.replaceChildren(element("option", { value: "", textContent: "not shown" }));
  for (const { name, title, levels } of networks.filter((network) => network.hasAttention)) {
    for (let level = 0; level < levels; level++) {
      const text = `${title}, level ${level}${level ? "" : " (finest)"}`;
      part.heat.append(element("option", { value: `${name} ${level}`, textContent: text }));
    }
  }
  part.heat.value = kept;
  if (part.heat.selectedIndex < 0) part.heat.value = "";
  part.heats.hidden = part.heat.options.length < 2;
}

const number = (value, digits) => (Number.isNaN(value) ? "–" : value.toFixed(digits));

// A row for each network and the vote: whether it is shown, Dice or milliliters, seconds.
export function fillTable(part, rows, hasTruth, onShow) {
  const [table, head, body] = ["table", "thead tr", "tbody"].map((selector) => part.results.querySelector(selector));
  table.caption.textContent = hasTruth ? "Dice with the truth; kidney includes the tumor, as in KiTS19; – where neither has any"
    : "Volumes; without a truth there is no Dice";
  const measured = hasTruth ? ["kidney", "tumor"] : ["kidney without tumor, ml", "tumor, ml"];
  const titles = ["", ...measured, "seconds", "memory, MB", "shown"];
  head.replaceChildren(...titles.map((textContent) => element("th", { textContent, scope: "col" })));
  body.replaceChildren(...rows.map(({ name, title, dice, ml, seconds, memory, shown }) => {
    const worth = dice ? [number(dice.kidney, 3), number(dice.tumor, 3)] : [number(ml.kidney, 0), number(ml.tumor, 1)];
    const cells = [...worth, seconds === undefined ? "" : number(seconds, 1), memory ? number(memory / 2 ** 20, 0) : ""];
    const box = element("input", { type: "checkbox", checked: shown, onchange: () => onShow(name, box.checked) });
    box.setAttribute("aria-label", `show ${title}`);
    const row = element("tr", {}, element("th", { textContent: title, scope: "row" }));
    row.append(...cells.map((textContent) => element("td", { textContent })), element("td", {}, box));
    return row;
  }));
}
