"""The page's computing script in Chromium, whose functions tests call by name."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from kits_msan.page.scripts import compute_script

Run = Callable[..., Any]

BRIDGE = """
const into = (given) => {
  if (!given?.bytes) return given;
  const kinds = { uint8: Uint8Array, int16: Int16Array, float32: Float32Array };
  return new kinds[given.dtype](bytesOf(given.bytes).buffer);
};
const textOf = (array) => {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
};
const outOf = (result) => {
  const dtype = { Uint8Array: "uint8", Int16Array: "int16", Float32Array: "float32" }[result?.constructor.name];
  return dtype ? { dtype, bytes: textOf(result) } : result;
};
"""


def sent(value: Any) -> Any:
    """A NumPy array or bytes on the way to the page; anything else as it is."""
    if isinstance(value, bytes):
        value = np.frombuffer(value, np.uint8)
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "bytes": base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()}
    return value


def received(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"dtype", "bytes"}:
        return np.frombuffer(base64.b64decode(value["bytes"]), value["dtype"])
    return value


def caller(page: Page) -> Run:
    """`run(body, a=..., b=...)`: what the JavaScript `body` returns, with these names; arrays travel as arrays."""
    page.add_script_tag(content=compute_script() + BRIDGE)

    def call(body: str, **given: Any) -> Any:
        names = json.dumps(list(given))[1:-1].replace('"', "")
        inner = f"const [{names}] = given.map(into); return outOf(await (async () => {{ {body} }})());"
        script = f"async (given) => {{ {inner} }}"
        return received(page.evaluate(script, [sent(value) for value in given.values()]))

    return call


ROOT = Path(__file__).parents[3]
