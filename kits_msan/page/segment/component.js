// "Segment a scan in this page": from a scan and networks that somebody chooses to labels in a viewer.
// MANIFEST, the networks and phantoms that lie beside the page, and KitsViewer stand before this file.

import { download } from "../../viewer/js/dom.js";
import { Helper, loaded, spread } from "./helpers.js";
import { buildControls, fillTable, listenToDrops, nameScan, offerHeat, VOTE } from "./controls.js";
import { Showing } from "./showing.js";

const SHOWN = 5; // panels beside the truth, at most
const STOPPED = new Error("stopped; networks that were done are kept.");

class Segment {
  // store: where the scripts of weights and scans put what they hold.
  constructor(root, store, chosen) {
    this.store = store;
    this.root = root;
    this.desk = new Helper(); // holds the scan; networks run in workers of their own
    this.networks = Object.fromEntries(MANIFEST.networks.map((network) => [network.name, network]));
    this.part = buildControls(root, MANIFEST, chosen);
    this.showing = new Showing(this.part.viewer);
    this.found = new Map(); // name of a network -> { seconds, memory }
    this.shown = new Set([VOTE]);
    this.listen();
  }

  listen() {
    const { part, root } = this;
    part.scan.onchange = () => this.attempt(() => this.openChosen(), part.scan);
    part.file.onchange = () => part.file.files[0] && this.attempt(() => this.openFile(part.file.files[0]));
    part.start.onclick = () => this.attempt(() => this.start());
    part.stop.onclick = () => this.stopRun?.();
    part.clean.onchange = () => this.attempt(() => this.switchCleanup());
    part.heat.onchange = () => this.attempt(() => this.showHeat());
    part.save.onclick = () => this.attempt(() => this.save());
    listenToDrops(root, (files) => this.openDropped(files));
  }

  openDropped(files) {
    const { part } = this, ways = part.stop.hidden ? "wait" : "press Stop, or wait";
    if (this.isBusy) return this.say(`still busy with the scan before: ${ways}, and drop the file again.`, true);
    if (files.length !== 1) return this.say(`these are ${files.length} files; drop one.`, true);
    part.file.files = files; // as if it was chosen
    this.attempt(() => this.openFile(files[0]));
  }

  say(text, isFault = false) {
    this.part.status.classList.toggle("ks-fault", isFault);
    this.part.status.textContent = text;
  }

  // One thing at a time; a fault becomes a sentence. free: the one control that can be used meanwhile.
  async attempt(action, free) {
    if (this.isBusy) return;
    this.setBusy(true, free);
    try {
      await action();
    } catch (error) {
      this.say(error.message, error !== STOPPED);
    } finally {
      this.setBusy(false);
    }
  }

  setBusy(isBusy, free) {
    const { part, root } = this;
    this.isBusy = isBusy;
    if (isBusy) this.focused = document.activeElement;
    for (const node of [part.scan, part.file, part.networks, part.start, part.clean, part.heat, part.save])
      node.disabled = isBusy && node !== free;
    for (const box of part.results.querySelectorAll("tbody input")) box.disabled = isBusy;
    root.setAttribute("aria-busy", isBusy);
    root.dataset.state = isBusy ? "busy" : "idle";
    // what is disabled or hidden loses the focus, and who uses the keyboard his place
    if (!isBusy && document.activeElement === document.body) this.focused.focus({ preventScroll: true });
  }

  // The phantom that is chosen. Arrow keys may choose the next one while it opens; the last choice stays.
  async openChosen() {
    const { scan } = this.part, name = scan.value, { file, title } = MANIFEST.scans.find((one) => one.name === name);
    this.part.file.value = "";
    this.say("opening the phantom…");
    try {
      const packed = await loaded(this.store.scans, name, file);
      await this.open({ name: `${name}.nii.gz`, ...packed }, title, { phantom: name });
    } catch (error) {
      if (scan.value === name) {
        nameScan(this.part, this.scan);
        throw error;
      }
    }
    if (scan.value !== name) await this.openChosen();
  }

  async openFile(file) {
    this.say(`reading ${file.name}…`);
    await this.open({ name: file.name, file }, file.name, { file }).finally(() => nameScan(this.part, this.scan));
  }

  async open(given, title, source) {
    const { part } = this, scan = await this.desk.run("open", given); // refused, it changes nothing
    this.showing.forget();
    part.results.hidden = true;
    this.found.clear();
    this.heat = this.prepared = null;
    part.heat.value = "";
    this.scan = { ...scan, name: given.name.replace(/\.nii(\.gz)?$/i, ""), title, source };
    part.note.textContent = scan.note;
    part.note.hidden = !scan.note;
    const mm = scan.spacing.map((size) => Number(size.toFixed(2))).join(" x ");
    this.say(`${title}: ${scan.shape.join(" x ")} voxels of ${mm} mm.`);
    this.labels = {};
    this.draw();
  }

  get chosen() { return [...this.part.networks.querySelectorAll(":checked")].map((box) => box.value); }

  async prepare() {
    const [{ spacing, sure }] = MANIFEST.networks; // the same for all, see build.py
    this.prepared ??= await this.desk.run("prepare", { spacing, sure });
    return this.prepared;
  }

  async start() {
    const names = this.chosen, { part } = this, began = performance.now();
    if (!names.length) throw new Error("choose a network first.");
    if (!this.scan) throw new Error("open a scan first: choose a phantom, or a CT of your own.");
    const { image, shape } = await this.prepare();
    const todo = names.filter((name) => !this.found.has(name)), shares = Object.fromEntries(todo.map((name) => [name, 0]));
    const tell = () => { part.bar.value = Object.values(shares).reduce((a, b) => a + b, 0) / todo.length; };
    const run = spread(todo, async (name, helper) => {
      const { title, file } = this.networks[name], weights = await loaded(this.store.weights, name, file);
      const progress = (share) => {
        shares[name] = share;
        tell();
      };
      const { values, seconds, memory } = await helper.run("network", { weights, image, shape }, { progress });
      await this.desk.run("keep", { name, values }, { transfer: [values.buffer] });
      this.found.set(name, { seconds, memory });
      this.say(`${title} is done, ${todo.filter((one) => this.found.has(one)).length} of ${todo.length}.`);
    });
    part.bar.value = 0;
    part.bar.hidden = part.stop.hidden = false;
    if (this.focused === part.start) part.stop.focus();
    this.say(`${todo.length} of ${names.length} networks to run…`);
    let stopped;
    const stop = new Promise((_, reject) => { stopped = reject; });
    this.stopRun = () => {
      run.stop();
      stopped(STOPPED);
    };
    try {
      await Promise.race([run.done, stop]);
    } finally {
      part.bar.hidden = part.stop.hidden = true;
    }
    this.voters = names;
    for (const name of [...this.shown]) if (name !== VOTE && !names.includes(name)) this.shown.delete(name);
    for (const name of names) if (names.length === 1 || this.shown.size < Math.min(SHOWN, 3)) this.shown.add(name);
    if (names.length === 1) this.shown.delete(VOTE);
    else this.shown.add(VOTE);
    await this.refresh();
    this.say(`${names.length === 1 ? "1 network" : `The vote of ${names.length} networks`}: `
      + `${((performance.now() - began) / 1000).toFixed(1)} s.`);
  }

  async switchCleanup() {
    const way = this.part.clean.checked ? "with" : "without";
    this.say(`computing the labels ${way} clean-up…`);
    await this.refresh();
    this.say(`Labels ${way} clean-up.`);
  }

  // Labels of all networks and the vote, with or without clean-up, into table and viewer.
  async refresh() {
    const { part, voters: names } = this, clean = part.clean.checked, rows = [];
    let begin;
    this.labels = {};
    for (const name of [...names, ...(names.length > 1 ? [VOTE] : [])]) {
      const isVote = name === VOTE, title = isVote ? `Vote of ${names.length}` : this.networks[name].title;
      const given = { names: isVote ? names : [name], clean };
      const { labels, tumor, indices, ...worth } = await this.desk.run("labels", given);
      begin = indices; // at last those of the vote
      this.labels[name] = { title, labels, tumor };
      rows.push({ name, title, ...worth, ...this.found.get(name), shown: this.shown.has(name) });
    }
    fillTable(part, rows, Boolean(this.scan.truth), (name, isShown) => {
      if (isShown) this.shown.add(name);
      else this.shown.delete(name);
      this.draw();
    });
    offerHeat(part, names.map((name) => this.networks[name]));
    if (this.heat && !part.heat.value) this.heat = null;
    part.results.hidden = false;
    this.showing.goTo(begin);
    this.draw();
  }

  async showHeat() {
    const [name, level] = this.part.heat.value.split(" ");
    this.heat = null;
    if (name) {
      const { image, shape } = await this.prepare(), { title, file } = this.networks[name];
      const weights = await loaded(this.store.weights, name, file), helper = new Helper();
      this.say(`attention weights of ${title}…`);
      const given = { weights, image, shape, level: Number(level) };
      const map = await helper.run("attention", given).finally(() => helper.stop());
      this.heat = { title: `${title}, attention ${level}`, ...await this.desk.run("heat", { values: map }) };
      this.say(`Attention weights W of level ${level} of ${title}, averaged over its channels: `
        + `${this.heat.low.toFixed(2)} to ${this.heat.high.toFixed(2)}.`);
    } else this.say("Attention weights are not shown.");
    this.draw();
  }

  draw() {
    const results = Object.entries(this.labels).filter(([name]) => this.shown.has(name)).map(([, one]) => one);
    this.showing.draw(this.scan, results, this.heat);
  }

  // The vote, or the network's labels where there is one alone, as NIfTI on the scan's own grid.
  async save() {
    const { labels } = this.labels[VOTE] ?? this.labels[this.voters[0]], name = `${this.scan.name}_segmentation.nii.gz`;
    download(await this.desk.run("save", { labels }), name);
    this.say(`${name} is saved, on the grid of the scan.`);
  }
}

// Put the component into an element, and open its first scan. store: KitsSegment, where scripts put what they hold;
// chosen: the networks that are ticked; of none all.
function segment(root, store, chosen) {
  const component = new Segment(root, store, chosen.length ? chosen : MANIFEST.networks.map(({ name }) => name));
  component.part.scan.value = MANIFEST.scans[0].name;
  component.part.scan.onchange();
}

// All places of a page that ask for it: at once, or where it is folded away when it is unfolded.
export function connect(store) {
  for (const place of document.querySelectorAll("[data-segment]")) {
    const chosen = place.dataset.segment.split(" ").filter(Boolean);
    if (place.matches("details")) {
      place.addEventListener("toggle", () => segment(place.querySelector("div"), store, chosen), { once: true });
    } else segment(place, store, chosen);
  }
}
