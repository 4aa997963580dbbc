"""No mutant of a solution passes its check, unless it gives the same on all valid inputs; or changes these.

The solutions are those of the teacher's notebooks, of exercises and of builds. Whether a mutant is another function
is found out on inputs drawn with other seeds than the check's.
"""

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from mutants import mutants
from sources import defined_last, solution_source

from kits_msan.course.exercises.checks import BUILDS, EXERCISES
from kits_msan.course.exercises.compare import same
from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.course.exercises.trials import StoppedError, results_of
from kits_msan.course.exercises.verdict import verdict

pytestmark = pytest.mark.no_cover  # what runs here are mutants, at twice the price if their lines are counted
FUNCTIONS = [number for number, exercise in EXERCISES.items() if exercise.inputs]
QUICK = ("1.1", "2.2", "3.1", "4.1", "5.1")  # one of each notebook
SEEDS, FEWER = range(1, 9), range(1, 3)  # a build takes longer


Solved = list[tuple[tuple[Any, ...], Any]]  # trials, each with what the solution gives


def solved(exercise: Exercise, trials: Inputs) -> Solved:
    return list(zip(trials, results_of(exercise.solution, trials)[0], strict=True))


def right(exercise: Exercise, function: Callable[..., Any], trials: Solved) -> bool:
    """Whether a function gives what the solution gives; it is called no further than to the first difference."""
    for arguments, want in trials:
        try:
            [got], _ = results_of(function, [arguments])
        except StoppedError:
            return False
        if not same(got, want, exercise.tolerance):
            return False
    return True


def survivors(exercise: Exercise, use: Callable[[Any], Callable[..., Any]], source: str, seeds: range) -> list[str]:
    """The mutants that pass the check and are wrong on other inputs. Most mutants must be refused."""
    assert exercise.inputs is not None
    checked, *others = (solved(exercise, exercise.inputs(np.random.default_rng(seed))) for seed in (0, *seeds))
    sources = list(mutants(source))
    passed, refused = [], 0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for mutant in sources:
            try:
                function = use(defined_last(mutant))
            except Exception:
                refused += 1
                continue
            if not right(exercise, function, checked):
                refused += 1
            elif not all(right(exercise, function, trials) for trials in others):
                passed.append(mutant)
    assert refused >= max(10, 0.7 * len(sources))
    return passed


@pytest.mark.parametrize(
    "number", [number if number in QUICK else pytest.param(number, marks=pytest.mark.slow) for number in FUNCTIONS]
)
def test_no_mutant_passes(number: str) -> None:
    passed = survivors(EXERCISES[number], lambda function: function, solution_source(number), SEEDS)
    assert not passed, "\n\n".join(passed)


@pytest.mark.slow
@pytest.mark.parametrize("number", BUILDS)
def test_no_mutant_of_a_build_passes(number: str) -> None:
    exercise = BUILDS[number]
    assert exercise.use
    passed = survivors(exercise, exercise.use, solution_source(number), FEWER)
    assert not passed, "\n\n".join(passed)


def arrays_of(exercise: Exercise) -> list[str]:
    """The names of a solution's arguments that are arrays, tensors or lists of these or of numbers."""
    assert exercise.inputs is not None
    first = exercise.inputs(np.random.default_rng(0))[0]
    kinds = (np.ndarray, torch.Tensor, list)
    return [name for name, one in zip(solution_names(exercise), first, strict=True) if isinstance(one, kinds)]


def solution_names(exercise: Exercise) -> list[str]:
    return list(inspect.signature(exercise.solution).parameters)


def change(value: Any) -> None:
    """Add 1 to the first number, in place."""
    if isinstance(value, list) and not isinstance(value[0], float | int):
        change(value[0])
    else:
        value = value.reshape(-1) if isinstance(value, np.ndarray | torch.Tensor) else value
        value[0] += 1


CHANGEABLE = [
    (number, exercise, name)
    for number, exercise in [*EXERCISES.items(), *BUILDS.items()]
    if exercise.inputs
    for name in arrays_of(exercise)
    if (number, name) != ("3.1", "convs")  # functions
]


@pytest.mark.parametrize(("number", "exercise", "name"), CHANGEABLE)
def test_a_right_answer_that_changes_what_it_is_given_is_told_so(number: str, exercise: Exercise, name: str) -> None:
    def answer(*given: Any) -> Any:
        result = exercise.solution(*copy.deepcopy(given))
        change(given[solution_names(exercise).index(name)])
        return result

    said = verdict(exercise, answer)
    if name in exercise.in_place:
        assert number == "4.4"
        assert said.startswith("Right: ")
    else:
        assert said.startswith("Wrong: ")
        assert f"your function changes `{name}` itself" in said
