"""What damage an input gets: to its bytes, to values in its text or NIfTI header, or to its JSON, which stays JSON.

Most changed bytes of a JSON file only show that its reader notices; a value of another type, or one that is absent,
gets past that. The header of a safetensors file is JSON, too, and holds a text that is JSON again.
"""

import copy
import gzip
import json
import random
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

NUMBERS = [b"0", b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'""', b"9" * 30, b"65536", b"0.5", b"true"]
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 0.5, 2**31, 2**63, 10**30, 1e308, float("nan"), float("inf"), [], {}, [[]], [None],
    "", "0", "x" * 300, "../x", "a/b", "\0", "\n", "\ud800", "é", "nan", "case_00000", "cpu",
]  # fmt: skip
FIELDS = (  # of a NIfTI-1 header: offset, type and count of numbers
    (40, "i2", 8), (68, "i2", 3), (76, "f4", 8), (108, "f4", 3), (123, "u1", 1), (252, "i2", 2), (256, "f4", 18),
    (344, "u1", 8), (352, "i4", 2),
)  # fmt: skip
ODD: dict[str, list[float]] = {
    "f": [0, -1, 1, 1e-30, 1e30, -1e30, float("nan"), float("inf"), 352, 351.5, 1e9, 2**31],
    "i": [0, 1, -1, 2, 3, 4, 7, 8, 16, 64, 128, 256, 512, 1024, 1536, 1792, 2304, 3001, 32767, -32768],
    "u": [0, 1, 2, 10, 43, 49, 50, 110, 255],
}
PREFIX = 16  # bytes before the JSON: a byte that says which file, and the length in a safetensors file


def mutated(rng: random.Random, whole: bytes, seeds: Sequence[bytes]) -> bytes:
    """An input, changed in one to four places: its JSON or NIfTI header, or bytes, values or stretches of it."""
    if rng.random() < 0.7:
        if nifti := changed_nifti(rng, whole):
            return nifti
        changed = whole
        for _ in range(rng.choice([1, 1, 2, 3])):
            changed = changed_json(rng, changed) or changed
        if changed != whole:
            return changed
    data = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        if len(data) < 2:
            break
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            at = min(at, rng.randrange(min(len(data), 600)))  # headers lie at the beginning
        kind = rng.randrange(6)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at : at + rng.choice([1, 2, 8, len(data)])]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            other = rng.choice(seeds)
            start = rng.randrange(len(other))
            data[at : at + 16] = other[start : start + 16]
        elif texts := list(re.finditer(rb'-?\d+(\.\d+)?|"[^"]{0,40}"|null', bytes(data[:20_000]))):
            text = rng.choice(texts)
            data[text.start() : text.end()] = rng.choice(NUMBERS)
    return bytes(data)


def changed_nifti(rng: random.Random, data: bytes) -> bytes | None:
    """The input with numbers of its NIfTI header made odd, packed or not; None if it has no such header."""
    if data[344:347] not in (b"n+1", b"ni1"):
        return None
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        offset, kind, count = rng.choice(FIELDS)
        number = np.array(rng.choice(ODD[kind[0]])).astype(f"<{kind}").tobytes()
        at = offset + rng.randrange(count) * len(number)
        changed[at : at + len(number)] = number
    return gzip.compress(changed, 1) if rng.random() < 0.3 else bytes(changed)


def changed_json(rng: random.Random, data: bytes) -> bytes | None:
    """The input with one value of its JSON object changed, removed or moved; None if it begins with no object."""
    start = data.find(b"{", 0, PREFIX)
    if start < 0:
        return None
    try:
        value, end = json.JSONDecoder().raw_decode(data[start:].decode("latin-1"))
    except (ValueError, RecursionError):
        return None
    _change(rng, value)
    text = json.dumps(value).encode()
    before = data[:start]
    if int.from_bytes(before[-8:], "little") == end:  # a safetensors file says how long its header is
        before = before[:-8] + len(text).to_bytes(8, "little")
    return before + text + data[start + end :]


def _change(rng: random.Random, value: dict[str, Any]) -> None:
    """Change one place in a JSON object; all places are as likely, at whatever depth."""
    places = list(_places(value))
    if not places:
        value["x"] = rng.choice(VALUES)
        return
    inner = [(where, key) for where, key in places if isinstance(where[key], str) and where[key].startswith("{")]
    where, key = rng.choice(inner if inner and rng.random() < 0.7 else places)
    old = where[key]
    if (where, key) in inner and rng.random() < 0.9:
        where[key] = (changed_json(rng, old.encode()) or b"{}").decode()
    elif rng.random() < 0.2:
        del where[key]
    elif rng.random() < 0.3:
        there, other = rng.choice(places)
        where[key] = copy.deepcopy(there[other])
    else:
        where[key] = rng.choice([*VALUES, [old], str(old), {"x": old}])


def _places(value: Any) -> Any:
    """Each (container, key or index) within a JSON value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
