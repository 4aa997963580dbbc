"""What an exercise is, and the sentence that an answer to it earns.

An exercise knows its solution and the common mistakes, each as a function like the one a student writes. A wrong
answer is compared with what every mistake would give, so that its hint names what went wrong.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

UNANSWERED = "Not answered yet: replace each ... in the cell above, run that cell, then this one again."


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook.

    solution: a function that gives the right answer.
    why: a sentence on what the right answer shows; printed after "Right: ".
    mistakes: hint to a function that makes the mistake; the first one whose results equal the student's is named.
    inputs: gives the arguments, one tuple a trial, on which the student's function is tried; they are made anew for
        every function, which may change them. None: the answer is a value, and `solution` takes what the check is
        given beside it.
    hint: what a wrong answer that is none of the mistakes is told.
    tolerance: largest difference, relative or absolute, between equal numbers.
    """

    solution: Callable[..., Any]
    why: str
    mistakes: Mapping[str, Callable[..., Any]]
    inputs: Callable[[], list[tuple[Any, ...]]] | None = None
    hint: str = "Look at the text above the exercise again."
    tolerance: float = 1e-4


def verdict(exercise: Exercise, answer: Any, *given: Any) -> str:
    """The sentence for an answer: "Right: why", "Wrong: why, and a hint" or "Not answered yet: what to do".

    Whatever a student's function raises becomes such a sentence.
    """
    if _is_blank(answer):
        return UNANSWERED
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if exercise.inputs is None:
            return _verdict_on_value(exercise, answer, given)
        return _verdict_on_function(exercise, answer, exercise.inputs)


def _verdict_on_value(exercise: Exercise, answer: Any, given: tuple[Any, ...]) -> str:
    if callable(answer):
        return "Wrong: the check wants a value, and this is a function; call it and pass on what it returns."
    try:
        wanted = exercise.solution(*given)
    except Exception as error:
        changed = f"the check was given something else than it expects ({_described(error)})"
        return f"Not checked: {changed}; run the cells above again."
    if same(answer, wanted, exercise.tolerance):
        return f"Right: {exercise.why}"
    for hint, mistake in exercise.mistakes.items():
        if same(answer, mistake(*given), exercise.tolerance):
            return f"Wrong: {hint}"
    return f"Wrong: it is not {shown(answer)}. {exercise.hint}"


def _verdict_on_function(exercise: Exercise, answer: Any, inputs: Callable[[], list[tuple[Any, ...]]]) -> str:
    if not callable(answer):
        return "Wrong: the check wants your function itself: its name, without brackets."
    results = []
    for arguments in inputs():
        try:
            results.append(answer(*arguments))
        except Exception as error:
            if "ellipsis" in str(error).lower():  # an unfilled ... that was calculated with
                return UNANSWERED
            return f"Wrong: your function stopped with {_described(error)}. {exercise.hint}"
    if any(_is_blank(result) for result in results):
        return UNANSWERED
    if any(result is None for result in results):
        return "Wrong: your function returns nothing; end it with return and the result."
    wanted = [exercise.solution(*arguments) for arguments in inputs()]
    pairs = list(zip(results, wanted, strict=True))
    if all(same(got, want, exercise.tolerance) for got, want in pairs):
        return f"Right: {exercise.why}"
    for hint, mistake in exercise.mistakes.items():
        mistaken = [mistake(*arguments) for arguments in inputs()]
        if same(results, mistaken, exercise.tolerance):
            return f"Wrong: {hint}"
    trial = next(i for i, (got, want) in enumerate(pairs) if not same(got, want, exercise.tolerance))
    tried = f"({', '.join(shown(argument) for argument in inputs()[trial])})"
    got, want = (shown(part) for part in pairs[trial])
    if got == want:  # two arrays of one shape
        return f"Wrong: for {tried} yours gives {got}, which is right, but its numbers are not. {exercise.hint}"
    return f"Wrong: for {tried} yours gives {got}, but {want} is right. {exercise.hint}"


def same(got: Any, wanted: Any, tolerance: float) -> bool:
    """Whether two answers are equal: numbers, arrays and tensors of one shape, text, sequences or dicts of these."""
    if isinstance(wanted, str) or isinstance(got, str):
        return isinstance(got, str) and isinstance(wanted, str) and got.strip().lower() == wanted.strip().lower()
    if isinstance(wanted, Mapping):
        return (
            isinstance(got, Mapping)
            and got.keys() == wanted.keys()
            and all(same(got[key], wanted[key], tolerance) for key in wanted)
        )
    if isinstance(wanted, list | tuple):
        try:
            parts = list(got)
        except TypeError:
            return False
        return len(parts) == len(wanted) and all(same(g, w, tolerance) for g, w in zip(parts, wanted, strict=True))
    try:
        a, b = _array(got), _array(wanted)
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))
    except (TypeError, ValueError):
        return False


def shown(value: Any) -> str:
    """A value in a few words; the same on every machine."""
    if isinstance(value, list | tuple):
        parts = [shown(part) for part in value]
        text = ", ".join(parts)
        if len(text) > 100:
            text = f"{len(parts)} times {parts[0]}" if len(set(parts)) == 1 else f"{len(parts)} values"
        return f"[{text}]" if isinstance(value, list) else f"({text})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, str | bool | int) or value is None:
        return repr(value)
    if isinstance(value, torch.nn.Module) or callable(value):
        name: str = getattr(value, "__name__", type(value).__name__)
        return "a function" if name == "<lambda>" else name
    try:
        array = _array(value)
        if array.ndim and array.size > 9:
            return f"an array of shape {array.shape}"
        return shown(array.tolist()) if array.ndim else f"{array:.4g}"
    except (TypeError, ValueError):
        return f"a {type(value).__name__}"


def _array(value: Any) -> NDArray[Any]:
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ValueError("not numbers")
    return array.astype(np.float64)


def _is_blank(answer: Any) -> bool:
    if isinstance(answer, list | tuple):
        return any(_is_blank(part) for part in answer)
    return answer is Ellipsis


def _described(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
