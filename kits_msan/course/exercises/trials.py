"""A student's function tried on inputs: what it gives, prints or raises, and what it does to its arguments."""

import contextlib
import copy
import inspect
import io
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from kits_msan.course.exercises.compare import frozen, same
from kits_msan.course.exercises.exercise import Inputs
from kits_msan.course.exercises.limits import LONGEST, interrupted_after


@dataclass
class StoppedError(Exception):
    """A student's function raised `error` on `arguments`, after it had given `results` for those before."""

    error: BaseException
    arguments: tuple[Any, ...]
    results: list[Any]


class _Printed(io.StringIO):
    def close(self) -> None:
        """Stay open, though a student's function closes `sys.stdout`."""


def results_of(function: Callable[..., Any], trials: Inputs, seconds: float | None = None) -> tuple[list[Any], str]:
    """What a function gives for each trial, on copies and frozen at once, and prints; raises StoppedError.

    seconds: how long a trial may take; None: as long as it likes. With gradients, also where a cell turned them off.
    """
    results: list[Any] = []
    printed = _Printed()
    for arguments in trials:
        try:
            with contextlib.redirect_stdout(printed), torch.enable_grad(), interrupted_after(seconds):
                results.append(frozen(function(*copy.deepcopy(arguments))))
        except BaseException as error:  # a student can raise anything, also what ends Python
            raise StoppedError(error, arguments, results) from error
    return results, printed.getvalue()


def changed(function: Callable[..., Any], trials: Inputs) -> set[int]:
    """The places of the arguments that a function changes in some trial: arrays, tensors or lists of these."""

    def after(*arguments: Any) -> Any:
        for _ in _each(function(*arguments)):  # a generator works only now
            pass
        return arguments

    try:
        left, _ = results_of(after, trials, LONGEST)
    except StoppedError:
        return set()
    pairs = [
        (i, *pair) for trial in zip(left, trials, strict=True) for i, pair in enumerate(zip(*trial, strict=True))
    ]
    # functions and layers equal nothing, not even themselves
    return {i for i, now, before in pairs if _equal(before, before) and not _equal(now, before)}


def _equal(now: Any, before: Any) -> bool:
    return same(now, before, 0.0, half=False)


def _each(result: Any) -> Iterable[Any]:
    return itertools.islice(result, 1000) if isinstance(result, Iterator) else ()


def takes(function: Any, count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except Exception:  # a built-in function, which does not say what it takes, or a strange one
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def names_of(function: Callable[..., Any]) -> list[str]:
    """The names of a function's arguments, as far as it says them."""
    try:
        return list(inspect.signature(function).parameters)
    except Exception:  # a built-in function, or a strange one
        return []
