// Stands in for Jupyter in a page without a kernel: a model with the same five methods, whose volumes come from the
// page itself, as base64. `widget` is what viewer.js exports.
const bytes = (item) => Array.isArray(item) ? item.map(bytes) : Uint8Array.from(atob(item), (c) => c.charCodeAt(0));

function showSlices(el, state) {
  for (const name in state._data) state._data[name] = bytes(state._data[name]);
  const listeners = new Map();
  const model = {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of listeners.get(`change:${name}`) ?? []) listener();
    },
    on: (event, listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
    off: (event, listener) => listeners.set(event, listeners.get(event).filter((other) => other !== listener)),
    save_changes() {},
  };
  widget().render({ model, el });
}
