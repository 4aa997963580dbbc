// Small helpers for numbers, colors and elements of the page.

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export const rgb = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)); // from "#rrggbb"

export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Hand the focus on from what goes away or is switched off, or the next keys would reach the page, which is Jupyter's.
export function passFocus(from, to) {
  if (from.contains(document.activeElement)) to.focus({ preventScroll: true });
}

// Hand a file to the browser, which saves it.
export function download(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// A button in a row of the viewer; `title` tells the mouse what the short text means.
export function button(text, title, onclick) {
  return element("button", { type: "button", textContent: text, title, onclick });
}
