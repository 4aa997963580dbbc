// One pixel of the attention layer: its feature, what its two neighbors say, and what passes.
function attention(el) {
  const [picture, controls] = twoColumns(el);
  const svg = draw("svg", picture, { viewBox: "0 0 300 190", role: "img", "aria-label": "the sigmoid with the sum marked on it, and bars of the feature before and after" });
  const x = (s) => 20 + (s + 6) * 14, y = (w) => 150 - 120 * w;
  const curve = Array.from({ length: 61 }, (_, i) => i / 5 - 6).map((s) => `${x(s)},${y(1 / (1 + Math.exp(-s)))}`);
  draw("line", svg, { x1: 20, x2: 190, y1: 150, y2: 150, class: "kits-x-axis" });
  draw("line", svg, { x1: x(0), x2: x(0), y1: 24, y2: 156, class: "kits-x-axis" });
  draw("polyline", svg, { points: curve.join(" "), class: "kits-x-curve" });
  draw("text", svg, { x: 22, y: 16 }, "weight W = σ(S)");
  for (const s of [-6, 0, 6]) draw("text", svg, { x: x(s), y: 168, "text-anchor": "middle" }, String(s).replace("-", "−"));
  draw("text", svg, { x: 100, y: 184, "text-anchor": "middle" }, "sum S");
  const dot = draw("circle", svg, { r: 6, class: "kits-x-dot" });
  const bars = ["F", "F · W"].map((name, i) => {
    draw("text", svg, { x: 229 + 44 * i, y: 168, "text-anchor": "middle" }, name);
    return draw("rect", svg, { x: 214 + 44 * i, width: 30, class: i ? "kits-x-bar kits-x-second" : "kits-x-bar" });
  });

  const range = { min: 0, max: 4, step: 0.1 }, factor = { min: -2, max: 2, step: 0.1 };
  const own = slider(controls, "F, the feature", { ...range, value: 1 }, update);
  const finer = slider(controls, "finer neighbor, pooled", { ...range, value: 4 }, update);
  const pFiner = slider(controls, "P of the finer", { ...factor, value: 1 }, update);
  const coarser = slider(controls, "coarser neighbor, spread", { ...range, value: 2 }, update);
  const pCoarser = slider(controls, "P of the coarser", { ...factor, value: -1.5 }, update);
  const tell = teller(el);

  function update() {
    const sum = own.value + pFiner.value * finer.value + pCoarser.value * coarser.value;
    const weight = 1 / (1 + Math.exp(-sum)), skip = own.value * weight;
    dot.setAttribute("cx", x(Math.max(-6, Math.min(6, sum))));
    dot.setAttribute("cy", y(weight));
    [own.value, skip].forEach((value, i) => {
      bars[i].setAttribute("y", 150 - 30 * value);
      bars[i].setAttribute("height", 30 * value);
    });
    tell(`S = ${fixed(own.value)} + ${fixed(pFiner.value)} × ${fixed(finer.value)} + ${fixed(pCoarser.value)} × ` +
      `${fixed(coarser.value)} = ${fixed(sum)}. W = ${fixed(weight)}. Skip = ${fixed(own.value)} × ${fixed(weight)} = ` +
      `${fixed(skip)}: ${Math.round(100 * weight)} % of the feature passes.`);
  }
  update();
}
