// What the block at the bottom sees of a patient: squares over a CT slice, in their true size.
function field(el, given) {
  const [picture, controls] = twoColumns(el);
  const [rows, columns] = given.shape, [high, wide] = given.mm;
  paintGray(sliceCanvas(picture, given, "an axial CT slice"), hounsfield(given.image), -200, 500);
  const svg = draw("svg", picture, { viewBox: `0 0 ${columns * wide} ${rows * high}`, class: "kits-x-over", "aria-hidden": "true" });
  const names = ["one pixel at the bottom", "the bottom branch", "the Res2Net block"];
  const squares = names.map((_, i) => draw("rect", svg, { class: `kits-x-field kits-x-field-${i}`, "vector-effect": "non-scaling-stroke" }));

  const scale = slider(controls, "scale s", { min: 1, max: 8, step: 1, value: 4 }, update);
  const poolings = slider(controls, "poolings", { min: 1, max: 5, step: 1, value: 3 }, update);
  const pixel = slider(controls, "pixel of the picture", { min: 0.5, max: 8, step: 0.5, value: 4, unit: " mm" }, update);
  const key = make("ul", controls, { className: "kits-x-key" });
  const lines = names.map((_, i) => make("li", key, { className: `kits-x-key-${i}` }));
  const tell = teller(el);

  function update() {
    let sees = 1, step = 1; // pixels of the picture that a pixel of the map sees, and how far two of them lie apart
    for (let level = 0; level < poolings.value; level++) {
      sees += 4 * step + step; // two 3x3x3 convolutions, then a pooling of two
      step *= 2;
    }
    const width = Math.max(2 * scale.value - 1, 3);
    const mm = [sees, sees + 4 * step, sees + (width - 1) * step].map((pixels) => pixels * pixel.value);
    mm.forEach((size, i) => {
      const [row, column] = given.center;
      for (const [name, value] of Object.entries({ x: column * wide - size / 2, y: row * high - size / 2, width: size, height: size }))
        squares[i].setAttribute(name, value);
      const beyond = size > Math.min(columns * wide, rows * high) ? ", larger than the picture" : "";
      lines[i].textContent = `${names[i]} sees ${Math.round(size)} mm${beyond}`;
    });
    tell(`Scale ${scale.value}: ${width} bottom pixels, which lie ${fixed(step * pixel.value, 0)} mm apart. One sees ` +
      `${Math.round(mm[0])} mm; the block ${Math.round(mm[0])} + ${width - 1} × ${fixed(step * pixel.value, 0)} = ${Math.round(mm[2])} mm; ` +
      `the branch beside it ${Math.round(mm[1])} mm.`);
  }
  update();
}
