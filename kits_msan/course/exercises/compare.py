"""Whether two answers are equal, and how a value is shown in a few words."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

HALF = 5e-3  # how far off an answer in float16 may lie
BRAIN = 3e-2  # the same for bfloat16
EXACT = 1e-6  # how far off a number may lie that was not rounded
MOST, MANY = 0.6, 20  # the share of rounded numbers that must be seen to be rounded, and of how many; of fewer, all
SMALL = 1e-5  # an exercise with a smaller tolerance has small numbers, and half precision is measured by their size
NOT_NUMBERS = (TypeError, ValueError, OverflowError)
LONG = 60  # characters of a text that are shown
LONGEST = 1_000_000  # of a generator's values, so that an endless one ends


def frozen(value: Any) -> Any:
    """A copy of what a function returned, which later changes in place do not reach; generators become lists."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, str | bytes | set | frozenset | torch.nn.Module):
        return value
    if isinstance(value, Mapping):
        return {key: frozen(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(frozen(part) for part in value)
    if hasattr(value, "__array__") and not np.isscalar(value):  # a table of pandas
        return np.array(value)
    if isinstance(value, Iterable) and not np.isscalar(value):
        return [frozen(part) for part in islice(value, LONGEST)]
    return value


def same(got: Any, wanted: Any, tolerance: float, half: bool = True) -> bool:
    """Whether two answers are equal: numbers, arrays and tensors of one shape, text, sequences or dicts of these.

    half: half-precision numbers may differ by what their rounding costs.
    """
    if isinstance(wanted, str) or isinstance(got, str):
        return isinstance(got, str) and isinstance(wanted, str) and got.strip().lower() == wanted.strip().lower()
    if isinstance(wanted, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == wanted.keys()
            and all(same(got[key], wanted[key], tolerance, half) for key in wanted)
        )
    if isinstance(wanted, list | tuple):
        if isinstance(got, Mapping | set | frozenset):  # these have keys, or no order
            return False
        try:
            parts = list(got)
        except TypeError:
            return False
        if len(parts) != len(wanted):
            return False
        return all(same(g, w, tolerance, half) for g, w in zip(parts, wanted, strict=True))
    try:
        a, b = numbers(got), numbers(wanted)
    except NOT_NUMBERS:
        return False
    slack = _slack(got, a) if half else 0.0
    size = (
        1.0 if tolerance > SMALL else float(np.abs(b).max(initial=0.0)) + SMALL
    )  # a rate of 0.001 is no 0 in float16
    allowed = max(tolerance, slack * size)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=max(tolerance, slack), atol=allowed, equal_nan=True))


def numbers(value: Any) -> NDArray[np.float64]:
    """Numbers, arrays, tensors and nested lists of one length as an array.

    Raises ValueError, TypeError or OverflowError (a whole number beyond all floats) for anything else.
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().double().numpy()
    array = np.asarray(value)
    if array.dtype.kind == "O" and array.size and all(hasattr(part, "__float__") for part in array.flat):
        array = array.astype(np.float64)  # fractions, and numbers that are tensors
    if array.dtype.kind not in "biuf":
        raise ValueError("not numbers")
    return array.astype(np.float64)


def coarse(results: Any, wanted: Any) -> bool:
    """Whether the numbers that are not exact lie on steps that are coarser than float16's: someone rounded them.

    For float16 holds such numbers exactly, and so would forgive the rounding. What was calculated in float16 lies
    on all of its steps, so a quarter of it at most on every fourth. Two arrays of one form are compared, or lists of
    these; bfloat16 is left out.
    """
    pairs = list(_pairs(results, wanted))
    got, want = (np.concatenate([pair[i].ravel() for pair in pairs] or [np.zeros(0)]) for i in (0, 1))
    inexact = np.abs(got - want) > EXACT
    steps = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(got), 0.5))) - 8)  # four times those of float16
    on_them = (got % steps == 0)[inexact]
    return on_them.size > 0 and bool(on_them.mean() >= (MOST if on_them.size >= MANY else 1))


def _pairs(got: Any, want: Any) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """The arrays in two results of one form."""
    if isinstance(want, list | tuple):
        for part, other in zip(got, want, strict=True):
            yield from _pairs(part, other)
    elif not isinstance(want, str) and not _is_brain(got):
        yield numbers(got), numbers(want)


def _is_brain(value: Any) -> bool:
    return str(getattr(value, "dtype", "")) == "torch.bfloat16"


def _slack(value: Any, array: NDArray[np.float64]) -> float:
    """What the precision of an answer allows; also where a float16 number was made a Python number."""
    if _is_brain(value):
        return BRAIN
    if not array.size or np.array_equal(array, np.round(array)):
        return 0.0
    with np.errstate(all="ignore"):
        return HALF if np.array_equal(array, array.astype(np.float16), equal_nan=True) else 0.0


def shown(value: Any) -> str:
    """A value in a few words; the same on every machine."""
    if isinstance(value, list | tuple):
        parts = [shown(part) for part in value]
        text = ", ".join(parts)
        if len(text) > 120:
            text = f"{len(parts)} times {parts[0]}" if len(set(parts)) == 1 else f"{len(parts)} values"
        return f"[{text}]" if isinstance(value, list) else f"({text})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, int) and not -(10**15) < value < 10**15:
        return "a number of more than 15 digits"
    if isinstance(value, str) and len(value) > LONG:
        return f"{value[:LONG]!r} and more"
    if isinstance(value, str | bool | int) or value is None:
        return repr(value)
    if isinstance(value, slice):
        return f"slice({shown(value.start)}, {shown(value.stop)})"
    if isinstance(value, torch.nn.Module) or callable(value):
        name: str = getattr(value, "__name__", type(value).__name__)
        return "a function" if name == "<lambda>" else name
    try:
        array = numbers(value)
    except NOT_NUMBERS:
        if isinstance(value, np.ndarray):
            return f"an array of {value.dtype}"
        kind = type(value).__name__ or "thing"
        return f"a{'n' * (kind[0] in 'aeiouAEIO')} {kind}"
    if array.ndim == 0:
        return f"{array:.4g}"
    if array.size > 16 or array.ndim > 3:
        return f"an array of shape {array.shape}{_classes(value, array)}"
    return "[" + ", ".join(shown(part) for part in array) + "]"


def _classes(value: Any, array: NDArray[np.float64]) -> str:
    """Which classes a large label holds; it may be the reason that there is nothing to find."""
    found = np.unique(array)
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or found.size > 3:
        return ""
    *others, last = [f"{number:g}" for number in found]
    return f" with {', '.join(others)} and {last}" if others else f" with {last} only"


def named(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """The arguments of a call with their names, such as "share = 0.5"."""
    names = inspect.signature(function).parameters
    return ", ".join(f"{name} = {shown(value)}" for name, value in zip(names, arguments, strict=True))
