"""Hints for wrong answers that are none of an exercise's own mistakes: what can be seen from the results alone.

Each function below looks for one kind of mistake in all trials and returns a sentence that holds for all, or None.
"""

import copy
import inspect
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kits_msan.course.exercises.compare import NOT_NUMBERS, frozen, named, numbers, shown
from kits_msan.course.exercises.form import Tried, array_of, form_hint

NEARLY = 0.02  # how far off an answer may be that is nearly right
MIXES = 12  # pairs of trials that are tried for an argument that is never used


def sure_hint(tried: Tried) -> str | None:
    """A hint from what can be told with certainty: what the answer does not use, or takes for something else."""
    return next(
        (hint for look in (form_hint, _constant, _seen, _exchanged, _rounded, _unused) if (hint := look(tried))), None
    )


def hint_for(tried: Tried) -> str:
    """The first hint that fits, or the exercise's own."""
    looks = (_parts, _by_chance, _relation, _with_argument, _nearly, _nan, _gaps, _begins_well, _sometimes)
    return next((hint for look in looks if (hint := look(tried))), tried.exercise.hint)


def _seen(tried: Tried) -> str | None:
    """What an exercise says of results that look alike in all trials."""
    pairs = list(zip(tried.results, tried.wanted, strict=True))
    for hint, holds in tried.exercise.seen.items():
        try:
            if all(holds(got, want) for got, want in pairs):
                return hint
        except Exception:  # a result of another kind
            continue
    return None


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
        near = sorted(
            combinations(range(len(tried.trials)), 2), key=lambda pair: pair[1] - pair[0]
        )  # each takes part
        for a, b in near[: MIXES * 4]:
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
    return f"right: {kept}. Not right: {' and '.join(wrong)}. {' '.join(parts[name] for name in wrong[:2])}"


def _by_chance(tried: Tried) -> str | None:
    """Results that are others when the function is called again."""
    try:
        again = [_call(tried.answer, trial) for trial in tried.trials]
    except Exception:  # it depends on what it was called with before
        return None
    if all(tried.same(got, before) for got, before in zip(again, tried.results, strict=True)):
        return None
    return f"your function gives another answer each time that it is called. {tried.exercise.hint}"


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
    if factor == 1 and offset == 0:
        return None
    if factor == 1:
        return f"your answer is always {abs(offset):g} too {'large' if offset > 0 else 'small'}."
    if offset == 0:
        return f"your answer is always {factor:g} times what is right."
    return (
        f"your answer is always {factor:g} times what is right, {'plus' if offset > 0 else 'minus'} {abs(offset):g}."
    )


def _with_argument(tried: Tried) -> str | None:
    """What is right, with one of the arguments added, subtracted, multiplied or divided at the end."""
    ways = {
        "plus": np.add, "minus": np.subtract, "times": np.multiply, "divided by": np.divide
    }  # fmt: skip
    for place, name in enumerate(_names(tried)):
        for word, way in ways.items():
            try:
                others = [
                    way(array_of(want), numbers(t[place])) for want, t in zip(tried.wanted, tried.trials, strict=True)
                ]
            except (*NOT_NUMBERS, RuntimeError):
                continue
            if all(np.isfinite(o).all() and tried.same(g, o) for g, o in zip(tried.results, others, strict=True)):
                return f"your answer is what is right, {word} `{name}`."
    return None


def _begins_well(tried: Tried) -> str | None:
    """How many of the first values of a list are right each time."""
    if not all(isinstance(want, list) for want in tried.wanted):
        return None
    rows = [
        [tried.same(*pair) for pair in zip(*both, strict=True)]
        for both in zip(tried.results, tried.wanted, strict=True)
    ]
    good = min((row.index(False) for row in rows if not all(row)), default=0)
    if not good:
        return None
    first = "The first of your values is" if good == 1 else f"The first {good} of your values are"
    return f"{tried.exercise.hint} {first} right each time; look at number {good + 1}."


def _rounded(tried: Tried) -> str | None:
    got, want = _flat(tried.results), _flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape:
        return None
    rounded = [np.trunc(want), np.floor(want), np.ceil(want), *(np.round(want, digits) for digits in range(7))]
    if any(np.allclose(got, way) and not np.allclose(way, want) for way in rounded):
        return "the answer was rounded, or calculated with whole numbers; give it as it is."
    return None


def _nearly(tried: Tried) -> str | None:
    got, want = _flat(tried.results), _flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape or not np.isfinite(got).all():
        return None
    off = np.abs(got - want)
    if (off > NEARLY * np.abs(want)).any():
        return None
    most = (off[want != 0] / np.abs(want[want != 0])).max()
    return f"nearly: yours is off by up to {most:.1%}. Was a number rounded, added or drawn by chance on the way?"


def _gaps(tried: Tried) -> str | None:
    """Some numbers of each result are right, and all others the same, such as 0."""
    got, want = _flat(tried.results), _flat(tried.wanted)
    if got is None or want is None or got.shape != want.shape or want.size == len(tried.wanted):
        return None
    wrong = ~np.isclose(got, want, rtol=1e-3, atol=1e-3)
    if wrong.all() or np.unique(got[wrong]).size != 1 or np.unique(want[wrong]).size < 2:
        return None
    return f"some numbers are right, and all others are {got[wrong][0]:g} in yours. {tried.exercise.hint}"


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
    return list(inspect.signature(tried.exercise.solution).parameters)


def _call(function: Callable[..., Any], arguments: Any) -> Any:
    return frozen(function(*copy.deepcopy(tuple(arguments))))


def _flat(values: list[Any]) -> NDArray[np.float64] | None:
    """All numbers of all trials in one row; None where something is not a number."""
    try:
        arrays = [
            numbers(part) for value in values for part in (value if isinstance(value, list | tuple) else [value])
        ]
    except NOT_NUMBERS:
        return None
    return np.concatenate([array.ravel() for array in arrays]) if arrays else None
