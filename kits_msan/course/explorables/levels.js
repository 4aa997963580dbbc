// A CT slice under a window that two sliders move, and the line from HU to gray.
function levels(el, given) {
  const [picture, controls] = twoColumns(el);
  const image = hounsfield(given.image), canvas = sliceCanvas(picture, given, "an axial CT slice under the window");
  const level = slider(controls, "level", { min: -800, max: 800, step: 10, value: 150, unit: " HU" }, update);
  const width = slider(controls, "width", { min: 20, max: 2000, step: 10, value: 700, unit: " HU" }, update);
  const presets = make("div", controls, { className: "kits-x-buttons" });
  for (const [name, low, high] of SHARED.presets)
    button(presets, name, () => { level.set((low + high) / 2); width.set(high - low); update(); });
  const svg = draw("svg", controls, { viewBox: "0 0 300 110", role: "img", "aria-label": "gray against HU: a line that rises within the window" });
  const x = (hu) => 15 + ((hu + 1000) * 270) / 2000;
  draw("line", svg, { x1: 15, x2: 285, y1: 80, y2: 80, class: "kits-x-axis" });
  for (const [hu, name] of [[-1000, "air"], [-180, "fat"], [200, "organs"], [700, "bone"]])
    draw("text", svg, { x: x(hu), y: 104, "text-anchor": "middle" }, name);
  for (const hu of [-1000, -500, 0, 500, 1000]) draw("text", svg, { x: x(hu), y: 92, "text-anchor": "middle", class: "kits-x-small" }, String(hu).replace("-", "−"));
  const line = draw("polyline", svg, { class: "kits-x-curve" });
  const tell = teller(el);

  function update() {
    const low = level.value - width.value / 2, high = level.value + width.value / 2;
    paintGray(canvas, image, low, high);
    const inside = (hu) => Math.max(-1000, Math.min(1000, hu));
    const gray = (hu) => 80 - 64 * Math.max(0, Math.min(1, (hu - low) / (high - low)));
    line.setAttribute("points", [-1000, inside(low), inside(high), 1000].map((hu) => `${x(hu)},${gray(hu)}`).join(" "));
    tell(`Black at ${fixed(low, 0)} HU and below, white at ${fixed(high, 0)} HU and above. One gray of 256 is ` +
      `${fixed(width.value / 256, 1)} HU.`);
  }
  update();
}
