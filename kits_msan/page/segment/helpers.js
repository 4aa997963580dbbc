// Workers that compute beside the page, and the scripts that are added when they are needed.
// WORKER, what a worker runs, stands before this file; see scripts.py.

const MOST_WORKERS = 4; // each holds one network and its maps

export class Helper {
  constructor() {
    this.address = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    this.worker = new Worker(this.address);
    this.waiting = new Map();
    this.count = 0;
    this.worker.onmessage = ({ data: { id, share, error, result } }) => {
      const { resolve, reject, progress } = this.waiting.get(id);
      if (share !== undefined) return progress?.(share);
      this.waiting.delete(id);
      return error === undefined ? resolve(result) : reject(new Error(error));
    };
    this.worker.onerror = ({ message }) => {
      for (const { reject } of this.waiting.values()) reject(new Error(message ?? "the worker stopped."));
    };
  }

  // transfer: buffers that are given away instead of copied; progress: is told the share that is done.
  run(task, given = {}, { transfer = [], progress } = {}) {
    const id = this.count++;
    this.worker.postMessage({ id, task, ...given }, transfer);
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, progress }));
  }

  stop() {
    this.worker.terminate();
    URL.revokeObjectURL(this.address); // which holds the script in memory
  }
}

// Do `work(item, helper)` for all items, on as many workers as there are cores. Returns { done, stop }.
export function spread(items, work) {
  const queue = [...items], count = Math.min(queue.length, navigator.hardwareConcurrency || 2, MOST_WORKERS);
  const helpers = Array.from({ length: count }, () => new Helper());
  const stop = () => helpers.forEach((helper) => helper.stop());
  const each = async (helper) => {
    while (queue.length) await work(queue.shift(), helper);
    helper.stop(); // gives its memory back
  };
  return { done: Promise.all(helpers.map(each)).finally(stop), stop };
}

const loading = {};

// The value that the script `file` puts into `store[name]`. Pages from disk may not fetch, but may add scripts.
export function loaded(store, name, file) {
  loading[file] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = file;
    script.onload = () => resolve();
    script.onerror = () => {
      delete loading[file];
      script.remove();
      reject(new Error(`${file} could not be read; it must lie beside this page.`));
    };
    document.head.append(script);
  });
  return loading[file].then(() => store[name]);
}
