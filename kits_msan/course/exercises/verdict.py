"""The sentence that an answer to an exercise earns: right, or wrong, why, and on which input."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from kits_msan.course.exercises.compare import coarse, frozen, named, same, shown
from kits_msan.course.exercises.exercise import Exercise, Inputs, Mistakes
from kits_msan.course.exercises.form import Tried, array_of
from kits_msan.course.exercises.hints import constant_hint, hint_for, sure_hint
from kits_msan.course.exercises.limits import LONGEST
from kits_msan.course.exercises.numeric import ROUNDED
from kits_msan.course.exercises.stops import advice, told, unanswered
from kits_msan.course.exercises.trials import StoppedError, changed, names_of, results_of, takes

USED: dict[int, tuple[Any, Any]] = {}  # iterators, which give their values once, with these
STRANGE = (Exception,)  # what looking at an answer of a kind that nobody thought of may raise
UNANSWERED = "Not answered yet: replace each ... in the cell above, run that cell, then this one again."


def verdict(exercise: Exercise, answer: Any) -> str:
    """The sentence for an answer: "Right: why", "Wrong: why, and a hint" or "Not answered yet: what to do".

    Whatever a student's function raises becomes such a sentence.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"), torch.random.fork_rng(devices=[]):
            warnings.simplefilter("ignore")
            if _is_blank(answer):
                return UNANSWERED
            if exercise.inputs is None:
                return _verdict_on_value(exercise, answer)
            return _verdict_on_function(exercise, answer, exercise.inputs(np.random.default_rng(0)))
    except STRANGE as error:
        return f"Wrong: the check cannot look at your answer ({told(error)}). Give plain numbers, lists or arrays."


def takes_others(function: Any, names: list[str]) -> str | None:
    """What to say of a function that cannot be called with these arguments, or None."""
    if takes(function, len(names)):
        return None
    return (
        f"Wrong: your function stopped with TypeError: the check gives it {len(names)} "
        f"argument{'' if len(names) == 1 else 's'}, {', '.join(names)}, and it takes others."
    )


def _verdict_on_value(exercise: Exercise, answer: Any) -> str:
    if callable(answer):
        return "Wrong: the check wants a value, and this is a function; call it and pass on what it returns."
    answer, wanted = _values(answer), exercise.solution()
    if same(answer, wanted, exercise.tolerance):
        return f"Right: {exercise.why}"
    if answer is None:
        return "Wrong: this is None, so nothing was stored; a function that prints does not return."
    for hint, mistake in exercise.mistakes.items():
        if same(answer, mistake(), exercise.tolerance):
            return f"Wrong: {hint}"
    tried = Tried(exercise, lambda: answer, [()], [answer], [wanted])
    return f"Wrong: {sure_hint(tried) or hint_for(tried)} It is not {shown(answer)}."


def _values(answer: Any) -> Any:
    """The values of an answer, also where they can be looked through only once, and were at an earlier check."""
    if not isinstance(answer, Iterator):
        return frozen(answer)
    if id(answer) not in USED:
        USED[id(answer)] = answer, frozen(answer)  # with the iterator, so that its id stays its own
    return USED[id(answer)][1]


def _verdict_on_function(exercise: Exercise, answer: Any, trials: Inputs) -> str:
    if not callable(answer):
        return "Wrong: the check wants your function itself: its name, without brackets."
    wanted, _ = results_of(exercise.solution, trials)  # first, since an answer can change settings, as of torch
    if others := takes_others(answer, exercise.arguments):
        return others
    try:
        results, printed = results_of(answer, trials, LONGEST)
    except StoppedError as stop:
        return _on_stop(exercise, answer, stop, trials, wanted)
    if any(_is_blank(result) for result in results):
        return UNANSWERED
    if any(result is None for result in results):
        return _on_nothing(exercise, trials, results, printed, wanted)
    failed = [i for i in range(len(trials)) if not same(results[i], wanted[i], exercise.tolerance)]
    was_rounded = not failed and coarse(results, wanted)
    if was_rounded:
        failed = [i for i in range(len(trials)) if not same(results[i], wanted[i], exercise.tolerance, half=False)]
    if not failed:
        still = _still_wrong(exercise, answer, trials)
        return f"Wrong: {still}" if still else f"Right: {exercise.why}"
    tried = Tried(exercise, answer, trials, results, wanted)
    shortest = min(failed, key=tried.size)
    example = _example(exercise, trials[shortest], results[shortest], wanted[shortest])
    hint = (
        (ROUNDED if was_rounded else None)
        or _order(exercise, answer)
        or _known(tried)
        or sure_hint(tried)
        or _made(exercise, exercise.double, results, trials)
        or hint_for(tried)
    )
    return f"Wrong: {hint} {example}"


def _still_wrong(exercise: Exercise, answer: Callable[..., Any], trials: Inputs) -> str | None:
    """What an exercise says of a function that is right in all trials, if it is wrong nevertheless."""
    touched = [exercise.arguments[i] for i in sorted(changed(answer, trials))]
    if name := next((name for name in touched if name not in exercise.in_place), None):
        hint = exercise.keeps.get(name, f"Begin with a copy: {name} = {name}.copy().")
        return f"the result is right, but your function changes `{name}` itself, which the notebook needs. {hint}"
    for hint, use in exercise.used.items():
        try:
            results_of(lambda *arguments, use=use: use(answer(*arguments)), trials[:1], LONGEST)
        except StoppedError:
            return hint
    if exercise.then is None:
        return None
    try:
        [hint], _ = results_of(exercise.then, [(answer,)], LONGEST)
    except StoppedError:  # it may not be made for what is tried there
        return None
    return str(hint) if hint else None


def _known(tried: Tried) -> str | None:
    """The hint of a known mistake, which is only a guess where the answer is always the same."""
    constant, made = constant_hint(tried), _made(tried.exercise, tried.exercise.single, tried.results, tried.trials)
    if constant and made:
        return f"{constant.partition(';')[0].rstrip('.')}. Perhaps {made}"
    return constant or made


def _made(exercise: Exercise, mistakes: Mistakes, results: list[Any], trials: Inputs) -> str | None:
    """The hint of the first mistake that gives these results."""
    return next((hint for hint, mistake in mistakes.items() if _equals(exercise, results, mistake, trials)), None)


def _equals(exercise: Exercise, results: list[Any], function: Callable[..., Any], trials: Inputs) -> bool:
    """Whether a function gives these results; it is called no further than to the first that differs."""
    for result, arguments in zip(results, trials, strict=True):
        try:
            [other], _ = results_of(function, [arguments])
        except StoppedError:
            return False
        if not same(result, other, exercise.tolerance):
            return False
    return True


def _order(exercise: Exercise, answer: Callable[..., Any]) -> str | None:
    """What to say where a function takes the right arguments in another order."""
    names, given = exercise.names, names_of(answer)
    if given != names and sorted(given) == sorted(names):
        return f"the arguments of your function are in another order; the check gives {', '.join(names)}."
    return None


def _on_stop(
    exercise: Exercise, answer: Callable[..., Any], stop: StoppedError, trials: Inputs, wanted: list[Any]
) -> str:
    if unanswered(stop.error):
        return UNANSWERED
    what = told(stop.error)
    remedy = advice(exercise, stop.error)
    if order := _order(exercise, answer):
        remedy = order[0].upper() + order[1:]
    count = len(stop.results)
    wrong = not all(same(*pair, exercise.tolerance) for pair in zip(stop.results, wanted[:count], strict=True))
    alike = {hint: mistake for hint, mistake in exercise.single.items() if _stops(mistake, stop.arguments)}
    if wrong and (made := _made(exercise, alike, stop.results, trials[:count])):
        return f"Wrong: {made} (On other inputs your function stops, with {what.rstrip('.')}.)"
    before = f" (It was right for {count} other input{'' if count == 1 else 's'}.)" if count and not wrong else ""
    given = named(exercise.solution, stop.arguments)
    if isinstance(stop.error, KeyboardInterrupt):
        return f"Wrong: your function did not end by itself. Look for a loop without an end. The input was {given}."
    return f"Wrong: your function stopped with {what.rstrip('.')}. {remedy} The input was {given}.{before}"


def _stops(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
    try:
        results_of(function, [arguments])
    except StoppedError:
        return True
    return False


def _on_nothing(exercise: Exercise, trials: Inputs, results: list[Any], printed: str, wanted: list[Any]) -> str:
    if printed.strip():
        return "Wrong: your function prints and returns nothing; end it with return and the result."
    if all(result is None for result in results):
        append = " (append gives nothing too: write r.append(y), not r = r.append(y).)"
        return (
            "Wrong: your function returns nothing; end it with return and the result."
            f"{append if isinstance(wanted[0], list) else ''}"
        )
    first = trials[next(i for i, result in enumerate(results) if result is None)]
    given = named(exercise.solution, first)
    return f"Wrong: your function returns nothing for {given}; every path through it must end with return."


def _example(exercise: Exercise, arguments: tuple[Any, ...], got: Any, want: Any) -> str:
    given, yours, right = named(exercise.solution, arguments), shown(got), shown(want)
    if exercise.inner:
        return f"The input was {given}."
    if yours == right and (place := _difference(got, want)):
        at, got, want = place
        if not at:  # more digits tell them apart
            return f"For {given} yours gives {got:.10g}, but {want:.10g} is right."
        text = "which is the right shape, but the numbers differ"
        return f"For {given} yours gives {yours}, {text}: at {at} yours has {got:.6g}, and {want:.6g} is right."
    return f"For {given} yours gives {yours}, but {right} is right."


def _difference(got: Any, want: Any) -> tuple[str, float, float] | None:
    """Where two results of one form differ most, such as "[1][0, 2]", and the number there in each."""
    if isinstance(want, list | tuple):
        if not isinstance(got, list | tuple | np.ndarray | torch.Tensor) or len(got) != len(want):
            return None
        inner = [(i, _difference(g, w)) for i, (g, w) in enumerate(zip(got, want, strict=True))]
        found = [(f"[{i}]{place[0]}", *place[1:]) for i, place in inner if place]
        return max(found, key=lambda place: abs(place[1] - place[2]), default=None)
    a, b = array_of(got), array_of(want)
    if a.shape != b.shape:
        return None
    off = np.abs(a - b)
    at = np.unravel_index(int(np.argmax(np.where(np.isnan(off), np.inf, off))), b.shape)
    return f"[{', '.join(map(str, at))}]" if b.ndim else "", float(a[at]), float(b[at])


def _is_blank(answer: Any) -> bool:
    if isinstance(answer, list | tuple):
        return any(_is_blank(part) for part in answer)
    return answer is Ellipsis
