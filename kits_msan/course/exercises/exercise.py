"""What an exercise is: its solution, the inputs it is tried on, and the mistakes that students make.

A mistake is a function like the one a student writes, made wrong on purpose. A wrong answer is compared with what
every mistake would give, so that its hint names what went wrong.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

Inputs = list[tuple[Any, ...]]
Mistakes = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Exercise:
    """One exercise of a notebook.

    solution: a function that gives the right answer; its arguments have the names that the notebook uses.
    why: a sentence on what the right answer shows; printed after "Right: ".
    mistakes: hint to a function that makes the mistake; the first one whose results equal the student's is named.
    make, flaws: more mistakes, as functions that `make` makes of the arguments that stand behind each hint. These
        are also tried two at a time; those that change the same argument exclude each other.
    seen: hint to what can be seen of a wrong result beside the right one; it is given if this holds in all trials.
    inputs: draws the arguments, one tuple a trial, on which the student's function is tried; every function gets
        copies. None: the answer is a value, and `solution` takes nothing.
    hint: what an answer is told that is wrong in a way nobody thought of; it must be true for any wrong answer.
    parts: the names of the parts of a result, each with what to look at where this part alone is wrong.
    then: what a function that is right in all trials does wrong nevertheless, or None: an argument that it ignores,
        where what is right depends on chance. It gets the function.
    used: hint to what the notebook does next with a result; the hint is given if this stops on a result that is
        right, as on a list in place of an array.
    keeps: names of arguments, each with what to do if a function that is right in all trials changes it, where to
        begin with a copy is not the best advice. No function may change what it is given: a notebook uses it again.
    in_place: names of arguments that may be changed nevertheless.
    inner: whether results are what a check saw, such as weights, and not what a student's function gave.
    use: of a build, what makes a function of inputs of a student's function or class.
    takes: the names of what a student's function is given, where they are not those of `solution`.
    stops: words of an error's text to what to do about it, where the general advice would not fit.
    tolerance: largest difference, relative or absolute, between equal numbers.
    """

    solution: Callable[..., Any]
    why: str
    mistakes: Mistakes = field(default_factory=dict)
    make: Callable[..., Callable[..., Any]] | None = None
    flaws: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    seen: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    inputs: Callable[[np.random.Generator], Inputs] | None = None
    hint: str = "Go through the text above the exercise again, step by step."
    parts: Mapping[str, str] = field(default_factory=dict)
    then: Callable[[Callable[..., Any]], str | None] | None = None
    used: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)
    in_place: tuple[str, ...] = ()
    inner: bool = False
    use: Callable[[Any], Callable[..., Any]] | None = None
    takes: tuple[str, ...] = ()
    stops: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-4

    @cached_property
    def arguments(self) -> list[str]:
        """The names of what a trial holds: the arguments of `solution`."""
        return list(inspect.signature(self.solution).parameters)

    @cached_property
    def names(self) -> list[str]:
        """The names of the arguments of a student's function."""
        return list(self.takes or self.arguments)

    @cached_property
    def single(self) -> Mistakes:
        """Every mistake by itself."""
        return {**self.mistakes, **{hint: self._made(**change) for hint, change in self.flaws.items()}}

    @cached_property
    def double(self) -> Mistakes:
        """Each two flaws together."""
        return {
            f"there are two mistakes. One: {first} Two: {second}": self._made(**change, **other)
            for (first, change), (second, other) in combinations(self.flaws.items(), 2)
            if not change.keys() & other.keys()
        }

    def _made(self, **change: Any) -> Callable[..., Any]:
        assert self.make is not None, "flaws need a function that makes answers"
        return self.make(**change)
