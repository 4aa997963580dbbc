"""Hints for wrong answers that are none of an exercise's own mistakes: what can be seen from the results alone.

Each function below looks for one kind of mistake in all trials and returns a sentence that holds for all, or None.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kits_msan.course.exercises.compare import NOT_NUMBERS, frozen, named, numbers, same, shown
from kits_msan.course.exercises.exercise import Exercise, Inputs

MIXES = 12  # pairs of trials that are tried for an argument that is never used


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


def sure_hint(tried: Tried) -> str | None:
    """A hint from what can be told with certainty: what the answer does not use, or takes for something else."""
    return next((hint for look in (_kind, _constant, _exchanged, _rounded, _unused) if (hint := look(tried))), None)


def hint_for(tried: Tried) -> str:
    """The first hint that fits, or the exercise's own."""
    looks = (_parts, _relation, _nan, _sometimes)
    return next((hint for look in looks if (hint := look(tried))), tried.exercise.hint)


def _kind(tried: Tried) -> str | None:
    """Text, a function or a dict instead of numbers; too many or too few; another shape."""
    got, want = next((g, w) for g, w, ok in zip(tried.results, tried.wanted, tried.right(), strict=True) if not ok)
    if isinstance(got, str) and isinstance(want, list | tuple):
        return f"your answer is one text; {len(want)} values are wanted, in a list or tuple."
    if isinstance(got, str) and not isinstance(want, str):
        return "your answer is a text; leave out the quotation marks, and str() and f-strings too."
    if isinstance(got, dict | set | frozenset):
        return f"your answer is a {type(got).__name__}; give the values in a list or tuple, in their order."
    if callable(got):
        return "your answer is itself a function; call it, with brackets."
    if isinstance(got, list | tuple) and any(isinstance(part, slice) for part in got):
        return "your answer holds slices; give numbers, such as (start, stop)."
    parts = tried.exercise.parts
    if isinstance(want, list | tuple):
        wanted = f"{len(want)} are wanted" + (f": {', '.join(parts)}." if len(parts) == len(want) else ".")
        if not isinstance(got, list | tuple) and np.ndim(_array(got)) == 0:
            return f"your answer is one value; {wanted}"
        if len(list(got)) != len(want):
            return f"your answer has {len(list(got))} value{'' if len(list(got)) == 1 else 's'}; {wanted}"
        return "the values are right, but their order is not." if _reordered(tried) else None
    a, b = _array(got), _array(want)
    if np.ndim(a) == 0 and np.isnan(a) and not isinstance(got, float):
        return f"your answer is {shown(got)}; numbers are wanted."
    if (
        a.T.shape == b.shape
        and b.ndim > 1
        and all(tried.same(_array(g).T, w) for g, w in zip(tried.results, tried.wanted, strict=True))
    ):
        return "rows and columns of your answer are exchanged."
    if a.shape != b.shape:
        if a.size == b.size and tried.same(a.reshape(b.shape), b):
            return f"the numbers are right, but in the shape {a.shape} instead of {b.shape}."
        one = "one number" if b.ndim == 0 else f"an array of shape {b.shape}"
        return f"your answer {f'has the shape {a.shape}' if a.ndim else 'is one number'}; {one} is wanted."
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


def _exchanged(tried: Tried) -> str | None:
    """Two arguments that were taken for each other."""
    names = _names(tried)
    for first, second in combinations(range(len(names)), 2):
        order = list(range(len(names)))
        order[first], order[second] = second, first
        try:
            other = [_call(tried.exercise.solution, [trial[i] for i in order]) for trial in tried.trials]
        except Exception:  # these two cannot stand for each other
            continue
        if all(tried.same(got, want) for got, want in zip(tried.results, other, strict=True)):
            return f"you exchanged `{names[first]}` and `{names[second]}`."
    return None


def _unused(tried: Tried) -> str | None:
    """An argument that changes what is right, but never the student's answer."""
    for place, name in enumerate(_names(tried)):
        changes = []
        for a, b in list(combinations(range(len(tried.trials)), 2))[: MIXES * 4]:
            mixed = list(tried.trials[a])
            mixed[place] = tried.trials[b][place]
            try:
                if tried.same(_call(tried.exercise.solution, mixed), tried.wanted[a]):
                    continue
                changes.append(not tried.same(_call(tried.answer, mixed), tried.results[a]))
            except Exception:  # arguments of trials that do not go together
                continue
            if any(changes) or len(changes) == MIXES:
                break
        if len(tried.trials[0]) > 1 and changes and not any(changes):
            return f"your answer does not depend on `{name}`, and the right one does."
    return None


def _constant(tried: Tried) -> str | None:
    first = tried.results[0]
    if len(tried.trials) > 1 and all(tried.same(got, first) for got in tried.results):
        return f"your function gives {shown(first)} whatever it is given; calculate the answer from its arguments."
    return None


def _parts(tried: Tried) -> str | None:
    """Which parts of the result are right in all trials, and what the others want."""
    parts = tried.exercise.parts
    if any(len(want) != len(parts) for want in tried.wanted if isinstance(want, list | tuple)) or len(parts) < 2:
        return None
    columns = zip(
        *[zip(got, want, strict=True) for got, want in zip(tried.results, map(list, tried.wanted), strict=True)],
        strict=True,
    )
    right = [all(tried.same(got, want) for got, want in column) for column in columns]
    wrong = [name for name, ok in zip(parts, right, strict=True) if not ok]
    if not any(right):
        return None
    kept = " and ".join(name for name, ok in zip(parts, right, strict=True) if ok)
    return f"right: {kept}. Not right: {' and '.join(wrong)}. {parts[wrong[0]]}"


def _relation(tried: Tried) -> str | None:
    """A sign, a factor or an offset that is the same in all trials."""
    got, want = _flat(tried.results), _flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape or np.unique(want).size < 3:
        return None
    factor, offset = np.polyfit(want, got, 1) if np.isfinite(got).all() else (0.0, 0.0)
    if abs(factor) < 1e-9 or not np.allclose(got, factor * want + offset, rtol=1e-4, atol=1e-4 * np.ptp(want)):
        return None
    if abs(offset) < 1e-3 * np.ptp(want):  # a tenth of what is tolerated would be no help to know
        offset = 0.0
    factor, offset = float(f"{factor:.4g}"), float(f"{offset:.4g}")
    if factor == -1 and offset == 0:
        return "only the sign is wrong."
    if factor == 1:
        return f"your answer is always {abs(offset):g} too {'large' if offset > 0 else 'small'}."
    if offset == 0:
        return f"your answer is always {factor:g} times what is right."
    return (
        f"your answer is always {factor:g} times what is right, {'plus' if offset > 0 else 'minus'} {abs(offset):g}."
    )


def _rounded(tried: Tried) -> str | None:
    got, want = _flat(tried.results), _flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape:
        return None
    rounded = [np.trunc(want), np.floor(want), np.ceil(want), *(np.round(want, digits) for digits in range(4))]
    if any(np.allclose(got, way) for way in rounded):
        return "the answer was rounded, or calculated with whole numbers; give it as it is."
    return None


def _nan(tried: Tried) -> str | None:
    got, want = _flat(tried.results), _flat(tried.wanted)
    if got is not None and want is not None and np.isfinite(want).all() and not np.isfinite(got).all():
        return "your answer is sometimes not a number: something is divided by zero, or a mean is taken of nothing."
    return None


def _sometimes(tried: Tried) -> str | None:
    right = tried.right()
    if not any(right):
        return None
    good = tried.trials[right.index(True)]
    given = named(tried.exercise.solution, good)
    return f"your function is right for {sum(right)} of {len(right)} inputs, such as {given}. {tried.exercise.hint}"


def _names(tried: Tried) -> list[str]:
    import inspect

    return list(inspect.signature(tried.exercise.solution).parameters)


def _call(function: Callable[..., Any], arguments: Any) -> Any:
    return frozen(function(*copy.deepcopy(tuple(arguments))))


def _array(value: Any) -> NDArray[np.float64]:
    try:
        return numbers(value)
    except NOT_NUMBERS:
        return np.array(np.nan)


def _flat(values: list[Any]) -> NDArray[np.float64] | None:
    """All numbers of all trials in one row; None where something is not a number."""
    try:
        arrays = [
            numbers(part) for value in values for part in (value if isinstance(value, list | tuple) else [value])
        ]
    except NOT_NUMBERS:
        return None
    return np.concatenate([array.ravel() for array in arrays]) if arrays else None
