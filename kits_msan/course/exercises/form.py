"""Hints on the form of an answer: text, a dict, too many values or too few, another shape, another order.

What such a hint says holds for the results of all trials, but for what `form_hint` says of one result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kits_msan.course.exercises.compare import NOT_NUMBERS, numbers, same, shown
from kits_msan.course.exercises.exercise import Exercise, Inputs

PLACES = {0: "first", 1: "second", -1: "last"}


@dataclass(frozen=True)
class Tried:
    """A student's function, what it was given, what it gave and what is right."""

    exercise: Exercise
    answer: Callable[..., Any]
    trials: Inputs
    results: list[Any]
    wanted: list[Any]

    def pairs(self) -> list[tuple[Any, Any]]:
        """Each result with what is right."""
        return list(zip(self.results, self.wanted, strict=True))

    def same(self, got: Any, want: Any) -> bool:
        """Whether two results are equal for this exercise."""
        return same(got, want, self.exercise.tolerance)

    def right(self) -> list[bool]:
        """Of each trial, whether the result is right."""
        return [self.same(got, want) for got, want in self.pairs()]

    def size(self, at: int) -> int:
        """How many numbers a trial and what is right for it hold, roughly."""
        return _size((self.trials[at], self.wanted[at]))

    def all_same(self, change: Callable[[Any, Any], Any]) -> bool:
        """Whether `change` of each result and of what is right makes the result right."""
        try:
            changed = [change(got, want) for got, want in self.pairs()]
        except (*NOT_NUMBERS, IndexError, KeyError, RuntimeError):  # it cannot be changed so
            return False
        return all(self.same(got, want) for got, want in zip(changed, self.wanted, strict=True))


def form_hint(tried: Tried) -> str | None:
    """What is wrong with the form of the smallest wrong result, which is also the one that is shown, or None."""
    at = min((i for i, ok in enumerate(tried.right()) if not ok), key=tried.size)
    got, want = tried.results[at], tried.wanted[at]
    if hint := _no_numbers(tried, got, want) or _too_much(tried, got, want):
        return hint
    if isinstance(want, list | tuple):
        return _of_values(tried, got, want)
    a, b = array_of(got), array_of(want)
    if a.ndim == 0 and np.isnan(a) and not isinstance(got, float):
        return f"your answer is {shown(got)}; numbers are wanted."
    if a.T.shape == b.shape and b.ndim > 1 and tried.all_same(lambda got, want: array_of(got).T):
        return "rows and columns of your answer are exchanged."
    if a.shape != b.shape:
        if tried.all_same(lambda got, want: array_of(got).reshape(np.shape(want))):
            return f"the numbers are right, but in the shape {a.shape} instead of {b.shape}."
        pairs = [(array_of(got), array_of(want)) for got, want in tried.pairs()]
        if a.size == b.size:
            a, b = next(((a, b) for a, b in pairs if a.size != b.size), (a, b))
        one = "one number" if b.ndim == 0 else f"an array of shape {b.shape}"
        return f"your answer {f'has the shape {a.shape}' if a.ndim else 'is one number'}; {one} is wanted."
    return "the values are right, but their order is not." if _reordered(tried) else None


def array_of(value: Any) -> NDArray[np.float64]:
    """Numbers as an array; nan for all else."""
    try:
        return numbers(value)
    except NOT_NUMBERS:
        return np.array(np.nan)


def _no_numbers(tried: Tried, got: Any, want: Any) -> str | None:
    """Text, a dict, a function or slices in place of numbers or words."""
    if isinstance(got, str) and isinstance(want, list | tuple):
        return f"your answer is one text; {len(want)} values are wanted, in a list or tuple."
    if isinstance(got, str) and not isinstance(want, str):
        return "your answer is a text; leave out the quotation marks, and str() and f-strings too."
    if isinstance(got, bool | np.bool_) and not isinstance(want, bool | str):
        wanted = f"{len(want)} are" if isinstance(want, list | tuple) else "a number is"
        return f"your answer is True or False; {wanted} wanted."
    if isinstance(got, Mapping | set | frozenset):
        return f"your answer is a {type(got).__name__}; give the values in a list or tuple, in their order."
    if callable(got) and not isinstance(got, torch.Tensor):
        return "your answer is itself a function; call it, with brackets."
    parts = got.ravel().tolist() if isinstance(got, np.ndarray) and got.dtype.kind in "OSU" else got
    if isinstance(got, complex | np.ndarray | np.generic) and np.iscomplexobj(got):
        return "your answer holds complex numbers, as from the root of a negative one; give real numbers."
    if not isinstance(parts, list | tuple):
        return None
    if kind := next((type(part).__name__ for part in parts if isinstance(part, Mapping | set | frozenset)), None):
        return f"your answer holds a {kind}; give its values in a list or tuple, in their order."
    if any(isinstance(part, slice) for part in parts):
        return "your answer holds slices; give numbers, such as (start, stop)."
    texts, words = _texts(parts), _texts(want if isinstance(want, list | tuple) else [])
    if texts and not words and len(texts) < len(parts):
        return f"your answer holds a text, {shown(texts[0])}; give numbers alone."
    if (texts or _texts(_within(parts))) and not words:
        return "your values are texts; leave out the quotation marks, and str() and f-strings too."
    if strange := [text for text in texts if text.strip().lower() not in words]:
        return f"{strange[0]!r} is not one of the words. {tried.exercise.hint}"
    return None


def _within(parts: Any) -> list[Any]:
    """The parts of the parts."""
    return [inner for part in parts if isinstance(part, list | tuple) for inner in part]


def _texts(parts: Any) -> list[str]:
    return [part for part in parts if isinstance(part, str)]


def _too_much(tried: Tried, got: Any, want: Any) -> str | None:
    """A right answer with more around it, or in pieces that only have to be put together."""
    if isinstance(want, list | tuple) and tried.same(tuple(getattr(got, "shape", ())), want):
        return "this is an array of the right shape; give the shape itself: .shape."
    if np.ndim(array_of(got)) == 0 and not isinstance(got, list | tuple):
        return None
    if tried.all_same(lambda got, want: got[0] if len(got) == 1 else np.nan):
        return "there is one pair of brackets too many."
    if isinstance(want, list | tuple):
        if tried.all_same(lambda got, want: list(got)[: len(want)]):
            return f"your first {len(want)} values are right; leave out the others."
        return None
    if np.ndim(want) == 0 and tried.all_same(lambda got, want: numbers(got).item()):
        return f"there are {numbers(got).ndim} pairs of brackets too many."
    many = isinstance(got, list | tuple) or np.size(got) != np.size(want)
    for place, name in PLACES.items():
        if many and tried.all_same(lambda got, want, place=place: list(got)[place]):  # type: ignore[misc]
            return f"of your values, the {name} alone is right; return only this one."
    if np.ndim(want) == 0 and tried.all_same(lambda got, want: numbers(got).sum()):
        return "these are the terms; add them up."
    if np.ndim(want) == 0 and tried.all_same(lambda got, want: numbers(got).mean()):
        return "these are the single values; take the mean of all of them."
    return None


def _of_values(tried: Tried, got: Any, want: Any) -> str | None:
    """The wrong number of values where several are wanted, or another order."""
    parts = tried.exercise.parts
    wanted = f"{len(want)} {'is' if len(want) == 1 else 'are'} wanted" + (
        f": {', '.join(parts)}." if len(parts) == len(want) else "."
    )
    if not isinstance(got, list | tuple) and np.ndim(array_of(got)) == 0:
        return f"your answer is one value; {wanted}"
    if tried.all_same(lambda got, want: list(numbers(got).T)):
        return "rows and columns of your answer are exchanged."
    if not _counts(got, want):
        got, want = next((pair for pair in tried.pairs() if _counts(*pair)), (got, want))
    given = list(got)
    loops = tried.exercise.inputs is not None
    if loops and 0 < len(given) < len(want) and tried.all_same(lambda got, want: [*got, *want[len(list(got)) :]]):
        few = f"what you give is right, but it is {len(given)} of {len(want)}"
        if len(given) > 1 and len(parts) == len(want):
            return f"{few}; missing: {', '.join([*parts][len(given) :])}."
        return f"{few}. Does `return` stand inside the loop, or does the loop end too early?"
    if len(given) > len(want) and tried.all_same(_put_together):
        return (
            f"the numbers are right, but they are {len(given)} values; {wanted} Did `+=`, extend or concatenate take "
            "them apart? append adds each whole."
        )
    if len(given) != len(want):
        return f"your answer has {len(given)} value{'' if len(given) == 1 else 's'}; {wanted}"
    if tried.all_same(lambda got, want: [np.reshape(g, np.shape(w)) for g, w in zip(got, want, strict=True)]):
        return _of_shapes(got, want)
    lengths = [{np.size(array_of(part)) for part in parts} for parts in (given, want)]
    if all(np.ndim(array_of(part)) for part in given) and all(len(size) == 1 for size in lengths):
        (of_given,), (of_wanted,) = lengths
        if of_given != of_wanted:
            wanted = "one is" if of_wanted == 1 else f"{of_wanted} are"
            return f"each of your {len(given)} values holds {of_given} numbers; {wanted} wanted."
    return "the values are right, but their order is not." if _reordered(tried) else None


def _counts(got: Any, want: Any) -> bool:
    """Whether a result holds more values than are wanted, or fewer."""
    try:
        return len(list(got)) != len(want)
    except TypeError:  # one value
        return False


def _put_together(got: Any, want: Any) -> Any:
    """All numbers of a result in the shapes that are wanted."""
    row = np.concatenate([numbers(part).ravel() for part in got])
    ends = np.cumsum([np.size(array_of(part)) for part in want])
    if row.size != ends[-1]:
        raise ValueError("more numbers, or fewer")
    cut = np.split(row, ends[:-1])
    return [part.reshape(np.shape(other)) for part, other in zip(cut, want, strict=True)]


def _of_shapes(got: Any, want: Any) -> str:
    """What to say of right values in other shapes."""
    shapes = [(tuple(np.shape(part)), np.shape(other)) for part, other in zip(got, want, strict=True)]
    if all(len(shape) > len(right) for shape, right in shapes):
        return f"the values are right, but each is in brackets of its own: give {shown(want)}."
    at, (shape, right) = next((i, both) for i, both in enumerate(shapes) if both[0] != both[1])
    text = f"the numbers are right, but value {at + 1} has the shape {shape} instead of {tuple(right)}."
    if isinstance(got, list) and shape == tuple(right)[1:]:
        text += " Did you add it to a list with `+=`? This takes a tensor apart; use append, or += [y]."
    return text


def _reordered(tried: Tried) -> bool:
    """Whether all results hold the right parts, in another order."""
    for got, want in tried.pairs():
        try:
            parts, left = list(got), list(want)
        except TypeError:
            return False
        for part in parts:
            at = next((i for i, other in enumerate(left) if tried.same(part, other)), None)
            if at is None:
                return False
            left.pop(at)
        if left:
            return False
    return True


def _size(value: Any) -> int:
    """How many numbers a value holds, roughly."""
    if isinstance(value, list | tuple):
        return sum(_size(part) for part in value)
    return int(np.size(value)) if isinstance(value, np.ndarray) else int(getattr(value, "nelement", lambda: 1)())
