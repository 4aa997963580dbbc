// Draw the cases again: dots are cases, as large as they were often drawn; below, the means of all draws so far.
function bootstrap(el, given) {
  const values = given.values, count = values.length;
  begin(el);
  const width = matchMedia("(max-width: 500px)").matches ? 340 : 600; // or on a phone the letters would shrink
  const svg = draw("svg", el, { viewBox: `0 0 ${width} 244`, role: "img", "aria-label": "cases as dots, and a histogram of the means of the draws" });
  const low = Math.min(...values, 0), high = Math.max(...values, 0), pad = (high - low) * 0.05 + 0.1;
  const span = high - low + 2 * pad, x = (value) => 20 + ((value - low + pad) * (width - 40)) / span;
  draw("line", svg, { x1: x(0), x2: x(0), y1: 10, y2: 205, class: "kits-x-axis" });
  draw("line", svg, { x1: 20, x2: width - 20, y1: 200, y2: 200, class: "kits-x-axis" });
  const least = span / (width / 80), power = 10 ** Math.floor(Math.log10(least));
  const tick = power * [1, 2, 5, 10].find((n) => n * power >= least), digits = Math.max(0, -Math.floor(Math.log10(tick)));
  for (let n = Math.ceil((low - pad) / tick); n * tick <= high + pad; n++) {
    draw("line", svg, { x1: x(n * tick), x2: x(n * tick), y1: 200, y2: 205, class: "kits-x-axis" });
    draw("text", svg, { x: x(n * tick), y: 219, "text-anchor": "middle" }, fixed(n * tick, digits));
  }
  draw("text", svg, { x: width / 2, y: 238, "text-anchor": "middle" }, given.title);
  const dots = values.map((value, i) => draw("circle", svg, { cx: x(value), cy: 30 + (i % 6) * 9, class: "kits-x-case" }));
  const bars = draw("g", svg), marks = draw("g", svg);
  const buttons = make("div", el, { className: "kits-x-buttons" });
  button(buttons, "draw again", () => repeat(1));
  button(buttons, "draw 100 times", () => repeat(100));
  button(buttons, "start over", () => { means = []; drawn = values.map(() => 1); update(); });
  const level = slider(el, "interval", { min: 50, max: 99, step: 1, value: 95, unit: " %" }, update);
  const tell = teller(el);
  const average = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  let means = [], drawn = values.map(() => 1), state = 1;

  function random() { // mulberry32: small, and the same for everyone
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  function repeat(times) {
    for (let i = 0; i < times; i++) {
      drawn = values.map(() => 0);
      for (let draws = 0; draws < count; draws++) drawn[Math.floor(random() * count)] += 1;
      means.push(average(values.map((value, k) => value * drawn[k])));
    }
    update();
  }
  function quantile(sorted, share) { // linear between neighbors, as NumPy does
    const at = share * (sorted.length - 1), below = Math.floor(at);
    return sorted[below] + (at - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
  }
  function update() {
    dots.forEach((dot, i) => {
      dot.setAttribute("r", drawn[i] ? 3 + 2 * drawn[i] : 2);
      dot.classList.toggle("kits-x-left-out", !drawn[i]);
    });
    bars.replaceChildren();
    marks.replaceChildren();
    const step = span / 80, heap = new Map();
    for (const mean of means) heap.set(Math.floor(mean / step), (heap.get(Math.floor(mean / step)) ?? 0) + 1);
    const most = Math.max(1, ...heap.values()), tall = Math.min(90, most * 12) / most;
    for (const [bin, n] of heap)
      draw("rect", bars, { x: x(bin * step), width: x(step) - x(0), y: 200 - n * tall, height: n * tall, class: "kits-x-bar" });
    let text = `The mean of all ${count} cases is ${fixed(average(values), 1)}. Nothing is drawn yet.`;
    if (means.length) {
      const sorted = [...means].sort((a, b) => a - b), outside = (100 - level.value) / 200;
      const ends = [quantile(sorted, outside), quantile(sorted, 1 - outside)];
      const places = ends.some((end) => Math.abs(end) < 0.05) ? 2 : 1; // or 0.0 might lie on either side of zero
      const [lowest, highest] = ends.map((end) => Number(end.toFixed(places)));
      for (const end of ends) draw("line", marks, { x1: x(end), x2: x(end), y1: 96, y2: 205, class: "kits-x-mark" });
      text = `${means.length} draws. The last mean is ${fixed(means.at(-1), 1)}; cases left out of it: ` +
        `${drawn.filter((n) => !n).length}. ${level.value} % of the means lie in [${ends.map((end) => fixed(end, places)).join(", ")}]` +
        (means.length < 100 ? " (too few draws to trust)." : lowest > 0 || highest < 0 ? ": zero lies outside." : ": zero lies inside.");
    }
    tell(text);
  }
  update();
}
