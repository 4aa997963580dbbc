"""Hints for wrong answers that are none of an exercise's own mistakes: what can be seen from the results alone.

Each function below looks for one kind of mistake in all trials and returns a sentence that holds for all, or None.
"""

from collections.abc import Callable, Iterable
from itertools import combinations
from typing import Any

import numpy as np
import torch

from kits_msan.course.exercises.compare import NOT_NUMBERS, named, numbers, shown
from kits_msan.course.exercises.form import Tried, array_of, form_hint
from kits_msan.course.exercises.limits import LONGEST
from kits_msan.course.exercises.numeric import flat, gaps, nearly, not_numbers, relation, rounded, with_argument
from kits_msan.course.exercises.trials import StoppedError, results_of

TEXT = (str, type(None))
LISTS = (list, tuple, np.ndarray, torch.Tensor)
STRANGE = (Exception,)  # what an answer may raise in a hint, if it has a form that nobody thought of; none in tests
MIXES = 12  # pairs of trials that are tried for an argument that is never used
Look = Callable[[Tried], str | None]


def sure_hint(tried: Tried) -> str | None:
    """A hint from what can be told with certainty: what the answer does not use, or takes for something else."""
    return _first((form_hint, _constant, _seen, _exchanged, rounded, _unused), tried)


def hint_for(tried: Tried) -> str:
    """The first hint that fits, or the exercise's own."""
    looks = (
        _parts, _by_chance, relation, with_argument, nearly, not_numbers, _shapes, gaps, _begins_well, _sometimes
    )  # fmt: skip
    return _first(looks, tried) or tried.exercise.hint


def _first(looks: Iterable[Look], tried: Tried) -> str | None:
    for look in looks:
        try:
            hint = look(tried)
        except STRANGE:  # it must not end in a traceback
            continue
        if hint:
            return hint
    return None


def _seen(tried: Tried) -> str | None:
    """What an exercise says of results that look alike in all trials."""
    for hint, holds in tried.exercise.seen.items():
        try:
            if all(holds(got, want) for got, want in tried.pairs()):
                return hint
        except Exception:  # a result of another kind
            continue
    return None


def _exchanged(tried: Tried) -> str | None:
    """Two arguments that were taken for each other."""
    names = tried.exercise.arguments
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
    for place, name in enumerate(tried.exercise.arguments):
        changes = []
        pairs = sorted(combinations(range(len(tried.trials)), 2), key=lambda pair: pair[1] - pair[0])
        for a, b in pairs[: MIXES * 4]:  # near ones first, so that each trial takes part
            mixed = list(tried.trials[a])
            mixed[place] = tried.trials[b][place]
            try:
                if tried.same(_call(tried.exercise.solution, mixed), tried.wanted[a]):
                    continue
                changes.append(not tried.same(_call(tried.answer, mixed), tried.results[a]))
            except StoppedError as stop:  # arguments of trials that do not go together
                if isinstance(stop.error, KeyboardInterrupt):
                    return None
                continue
            if any(changes) or len(changes) == MIXES:
                break
        if len(tried.trials[0]) > 1 and changes and not any(changes):
            return f"your answer does not depend on `{name}`, and the right one does."
    return None


def constant_hint(tried: Tried) -> str | None:
    """What to say of an answer in the right form that is always the same, whatever is right; first of all hints."""
    row = flat(tried.results)
    if row is None or not row.size or len(tried.trials) == 1 or _first((form_hint,), tried):
        return None
    one = tried.same(row, np.full_like(row, row[0])) and np.isfinite(row[0])
    return _constant(tried) or (f"every number of your answer is {row[0]:g}, whatever it is given." if one else None)


def _constant(tried: Tried) -> str | None:
    first = tried.results[0]
    if len(tried.trials) == 1 or not all(tried.same(got, first) for got in tried.results):
        return None
    if not np.isfinite(array_of(first)).any() and (hint := not_numbers(tried)):
        return hint
    return f"your function gives {shown(first)} whatever it is given; calculate the answer from its arguments."


def _parts(tried: Tried) -> str | None:
    """Which parts of the result are right in all trials, and what the others want."""
    parts, rows = tried.exercise.parts, _rows(tried)
    if len(parts) < 2 or not rows or any(len(row) != len(parts) for row in rows):
        return None
    columns = zip(*rows, strict=True)
    right = [all(tried.same(got, want) for got, want in column) for column in columns]
    wrong = [name for name, ok in zip(parts, right, strict=True) if not ok]
    if not any(right):
        return None
    kept = " and ".join(name for name, ok in zip(parts, right, strict=True) if ok)
    return f"right: {kept}. Not right: {' and '.join(wrong)}. {' '.join(parts[name] for name in wrong[:2])}"


def _by_chance(tried: Tried) -> str | None:
    """Results that are others when the function is called again."""
    try:
        again = [_call(tried.answer, trial) for trial in tried.trials]
    except Exception:  # it depends on what it was called with before
        return None
    pairs = list(zip(again, tried.results, strict=True))
    if all(tried.same(got, before) or not tried.same(before, before) for got, before in pairs):
        return None
    return f"your function gives another answer each time that it is called. {tried.exercise.hint}"


def _shapes(tried: Tried) -> str | None:
    """A value of a list that has another shape than is wanted."""
    for row in _rows(tried) or []:
        for at, (part, other) in enumerate(row):
            which = f"value {at + 1} of your answer"
            try:
                shape, right = numbers(part).shape, numbers(other).shape
            except NOT_NUMBERS:
                return f"{which} is {shown(part)}." if isinstance(part, TEXT) else None
            if shape != right:
                wanted = f"the shape {right}" if right else "one number"
                return f"{which} {f'has the shape {shape}' if shape else 'is one number'}; {wanted} is wanted."
    return None


def _begins_well(tried: Tried) -> str | None:
    """How many of the first values of a list are right each time."""
    if not all(isinstance(want, list) for want in tried.wanted):
        return None
    right = [[tried.same(*pair) for pair in row] for row in _rows(tried) or []]
    good = min((row.index(False) for row in right if not all(row)), default=0)
    if not good:
        return None
    first = "The first of your values is" if good == 1 else f"The first {good} of your values are"
    return f"{tried.exercise.hint} {first} right each time; look at number {good + 1}."


def _sometimes(tried: Tried) -> str | None:
    right = tried.right()
    if not any(right):
        return None
    good = tried.trials[right.index(True)]
    given = named(tried.exercise.solution, good)
    return f"your function is right for {sum(right)} of {len(right)} inputs, such as {given}. {tried.exercise.hint}"


def _rows(tried: Tried) -> list[list[tuple[Any, Any]]] | None:
    """The values of each result with the right ones; None where these are not lists of one length."""
    pairs = tried.pairs()
    for value in (value for pair in pairs for value in pair):
        if not isinstance(value, LISTS) or getattr(value, "ndim", 1) == 0:
            return None
    if any(len(got) != len(want) for got, want in pairs):
        return None
    return [list(zip(got, want, strict=True)) for got, want in pairs]


def _call(function: Callable[..., Any], arguments: Any) -> Any:
    """What a function gives; raises StoppedError, also if it does not end by itself."""
    [result], _ = results_of(function, [tuple(arguments)], LONGEST)
    return result
