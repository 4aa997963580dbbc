// Dice and the Hausdorff distance of two discs, one of which is dragged. The grid is 80 x 80 pixels of 1 mm. What is
// wrong has the colors of the viewer's errors, and what is right that of its kidney.
function overlap(el) {
  const size = 80, zoom = 4;
  const [picture, controls] = twoColumns(el);
  const canvas = make("canvas", picture, { width: size * zoom, height: size * zoom, tabIndex: 0, className: "kits-x-drag" });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Truth and answer, two discs. Arrow keys move the answer.");
  const { missed, invented } = SHARED.errors, both = SHARED.classes.kidney;
  const legend = make("ul", picture, { className: "kits-x-legend" });
  for (const [name, color] of Object.entries({ "in both": both, missed, invented })) {
    const entry = make("li", legend);
    make("i", entry).style.background = color;
    entry.append(name);
  }
  const radius = { min: 2, max: 24, step: 1, unit: " mm" };
  const truth = slider(controls, "radius of the truth", { ...radius, value: 12 }, update);
  const answer = slider(controls, "radius of the answer", { ...radius, value: 12 }, update);
  const right = slider(controls, "answer to the right", { min: -36, max: 36, step: 1, value: 6, unit: " mm" }, update);
  const down = slider(controls, "answer down", { min: -36, max: 36, step: 1, value: 0, unit: " mm" }, update);
  const row = make("label", controls, { className: "kits-x-check" });
  const island = make("input", row, { type: "checkbox" });
  row.append(" a false island of 2 × 2 pixels, far away");
  island.addEventListener("change", update);
  const tell = teller(el);

  const disc = (x, y, r) => Uint8Array.from({ length: size * size }, (_, i) => Math.hypot((i % size) - x, Math.floor(i / size) - y) <= r);
  const border = (mask) => [...mask.keys()].filter((i) => mask[i] &&
    [i - 1, i + 1, i - size, i + size].some((n) => !mask[n])).map((i) => [i % size, Math.floor(i / size)]);
  const nearest = (from, to) => from.map(([x, y]) => Math.sqrt(Math.min(...to.map(([u, v]) => (x - u) ** 2 + (y - v) ** 2))));

  function update() {
    const mine = disc(40 + right.value, 40 + down.value, answer.value), theirs = disc(40, 40, truth.value);
    if (island.checked) for (const i of [4 * size + 4, 4 * size + 5, 5 * size + 4, 5 * size + 5]) mine[i] = 1;
    let shared = 0, a = 0, t = 0;
    const context = canvas.getContext("2d");
    context.fillStyle = "#222";
    context.fillRect(0, 0, canvas.width, canvas.height);
    mine.forEach((inside, i) => {
      a += inside; t += theirs[i]; shared += inside & theirs[i];
      if (!inside && !theirs[i]) return;
      context.fillStyle = inside && theirs[i] ? both : inside ? invented : missed;
      context.fillRect((i % size) * zoom, Math.floor(i / size) * zoom, zoom, zoom);
    });
    const dice = (2 * shared) / (a + t), mineBorder = border(mine), theirBorder = border(theirs);
    const all = [...nearest(mineBorder, theirBorder), ...nearest(theirBorder, mineBorder)].sort((p, q) => p - q);
    const far = all.at(-1), far95 = all[Math.ceil(0.95 * all.length) - 1];
    tell(`Dice = 2 × ${shared} / (${a} + ${t}) = ${fixed(dice)}. Hausdorff distance ${fixed(far, 1)} mm; 95 % of the ` +
      `border points lie within ${fixed(far95, 1)} mm.`);
  }
  const move = (dx, dy) => { right.set(right.value + dx); down.set(down.value + dy); update(); };
  canvas.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would go to another cell
    move(...way);
  });
  const asleep = ({ pointerType }) => pointerType === "touch" && document.activeElement !== canvas; // a tap wakes it
  canvas.addEventListener("pointerdown", (event) => {
    if (!asleep(event)) canvas.setPointerCapture(event.pointerId);
    drag(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) drag(event); });
  canvas.addEventListener("pointerup", (event) => { if (asleep(event)) canvas.focus({ preventScroll: true }); });
  function drag(event) {
    if (asleep(event) || !event.isPrimary) return;
    const box = canvas.getBoundingClientRect();
    right.set(Math.round(((event.clientX - box.left) / box.width) * size) - 40);
    down.set(Math.round(((event.clientY - box.top) / box.height) * size) - 40);
    update();
  }
  update();
}
