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

    def same(self, got: Any, want: Any) -> bool:
        """Whether two results are equal for this exercise."""
        return same(got, want, self.exercise.tolerance)

    def right(self) -> list[bool]:
        """Of each trial, whether the result is right."""
        return [self.same(got, want) for got, want in zip(self.results, self.wanted, strict=True)]

    def all_same(self, change: Callable[[Any, Any], Any]) -> bool:
        """Whether `change` of each result and of what is right makes the result right."""
        try:
            pairs = [(change(got, want), want) for got, want in zip(self.results, self.wanted, strict=True)]
        except (*NOT_NUMBERS, IndexError, KeyError, RuntimeError):  # it cannot be changed so
            return False
        return all(self.same(got, want) for got, want in pairs)


def form_hint(tried: Tried) -> str | None:
    """What is wrong with the form of the first wrong result, or None."""
    got, want = next((g, w) for g, w, ok in zip(tried.results, tried.wanted, tried.right(), strict=True) if not ok)
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
        if a.size == b.size and tried.same(a.reshape(b.shape), b):
            return f"the numbers are right, but in the shape {a.shape} instead of {b.shape}."
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
    parts = got.ravel().tolist() if isinstance(got, np.ndarray) else got
    if not isinstance(parts, list | tuple):
        return None
    if any(isinstance(part, slice) for part in parts):
        return "your answer holds slices; give numbers, such as (start, stop)."
    texts, words = _texts(parts), _texts(want if isinstance(want, list | tuple) else [])
    if texts and not words:
        return "your values are texts; leave out the quotation marks, and str() and f-strings too."
    if strange := [text for text in texts if text.strip().lower() not in words]:
        return f"{strange[0]!r} is not one of the words. {tried.exercise.hint}"
    return None


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
    given = list(got)
    loops = tried.exercise.inputs is not None
    if loops and 0 < len(given) < len(want) and tried.all_same(lambda got, want: [*got, *want[len(list(got)) :]]):
        return f"what you give is right, but it is {len(given)} of {len(want)}. Does `return` stand inside the loop?"
    if len(given) != len(want):
        return f"your answer has {len(given)} value{'' if len(given) == 1 else 's'}; {wanted}"
    if tried.all_same(lambda got, want: [np.reshape(g, np.shape(w)) for g, w in zip(got, want, strict=True)]):
        return f"the values are right, but each is in brackets of its own: give {shown(want)}."
    lengths = [{np.size(array_of(part)) for part in parts} for parts in (given, want)]
    if all(np.ndim(array_of(part)) for part in given) and all(len(size) == 1 for size in lengths):
        (of_given,), (of_wanted,) = lengths
        if of_given != of_wanted:
            return f"each of your {len(given)} values holds {of_given} numbers; {of_wanted} are wanted."
    return "the values are right, but their order is not." if _reordered(tried) else None


def _reordered(tried: Tried) -> bool:
    """Whether all results hold the right parts, in another order."""
    for got, want in zip(tried.results, tried.wanted, strict=True):
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
