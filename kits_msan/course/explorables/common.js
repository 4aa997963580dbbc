// What all explorables share: elements, sliders that say their value, a line that a screen reader reads, a gray picture.

function make(tag, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent?.append(element);
  return element;
}

function draw(tag, parent, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  parent.append(element);
  return element;
}

// A slider with its name and value; `change` is called whenever it moves. Arrow keys and Page Up and Down move it too.
function slider(parent, label, { min, max, step, value, unit = "" }, change) {
  const row = make("label", parent, { className: "kits-x-slider" });
  make("span", row, { textContent: label });
  const input = make("input", row, { type: "range", min, max, step, value });
  const shown = make("output", row);
  const show = () => {
    shown.textContent = `${input.value}${unit}`;
    input.setAttribute("aria-valuetext", `${label} ${input.value}${unit}`);
  };
  input.addEventListener("input", () => { show(); change(); });
  show();
  return { get value() { return Number(input.value); }, set(number) { input.value = number; show(); } };
}

function button(parent, label, press) {
  const element = make("button", parent, { type: "button", textContent: label });
  element.addEventListener("click", press);
  return element;
}

// The line with the result. It is read aloud once things have been still for a moment, not at each step of a slider.
function teller(parent) {
  const line = make("p", parent, { className: "kits-x-line" });
  const spoken = make("p", parent, { className: "kits-x-spoken" });
  spoken.setAttribute("aria-live", "polite");
  let timer = 0;
  return (text) => {
    line.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { spoken.textContent = text; }, 600);
  };
}

// The place of an explorable. Keys that the browser uses in its controls stay here: JupyterLab, which hears them after
// us, would go to another cell. It gets all others, and those with Ctrl, Alt, Meta or Shift.
function begin(el) {
  el.classList.add("kits-x");
  el.addEventListener("keydown", (event) => {
    const { target, key } = event, moves = /^(Arrow|Page|Home|End)/.test(key);
    const own = target.matches("select") ? moves || key.length === 1 || key === "Enter"
      : target.matches("input[type=range]") ? moves
        : target.matches("button, summary, input[type=checkbox]") && (key === " " || key === "Enter");
    if (own && !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey) event.stopPropagation();
  });
}

const twoColumns = (el) => {
  begin(el);
  return [make("div", el, { className: "kits-x-picture" }), make("div", el, { className: "kits-x-controls" })];
};

// Base64 of little-endian int16 to HU.
function hounsfield(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

// The canvas of a slice, in its true shape.
function sliceCanvas(parent, { shape: [height, width], mm }, label) {
  const canvas = make("canvas", parent, { width, height });
  canvas.style.aspectRatio = `${width * mm[1]} / ${height * mm[0]}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

// A slice under a window, one screen pixel for each of its pixels; the style stretches it to its true shape.
function paintGray(canvas, image, low, high) {
  const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
  image.forEach((hu, i) => {
    const gray = Math.max(0, Math.min(255, (255 * (hu - low)) / (high - low)));
    picture.data.set([gray, gray, gray, 255], 4 * i);
  });
  context.putImageData(picture, 0, 0);
}

const fixed = (value, digits = 2) => value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1").replace("-", "−");
