"""No mutant of a solution passes its check, unless it gives the same on all valid inputs.

The solutions are those of the teacher's notebooks. Whether a mutant is another function is found out on inputs drawn
with other seeds than the check's.
"""

import warnings
from collections.abc import Callable
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from mutants import mutants

from kits_msan.course.exercises.checks import EXERCISES
from kits_msan.course.exercises.compare import same
from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.course.exercises.verdict import StoppedError, results_of
from kits_msan.course.paths import NOTEBOOKS
from kits_msan.course.student import SOLUTION

FUNCTIONS = [number for number, exercise in EXERCISES.items() if exercise.inputs]
QUICK = ("1.1", "2.2", "3.1", "4.1", "5.1")  # one of each notebook
SEEDS = range(1, 9)


def solution_source(number: str) -> str:
    """The cell of the teacher's notebook that solves an exercise."""
    [path] = NOTEBOOKS.glob(f"0{number[0]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    at = next(i for i, cell in enumerate(cells) if f'checks.check("{number}"' in cell.source)
    source: str = next(cell.source for cell in cells[at::-1] if SOLUTION in cell.metadata.get("tags", []))
    return source


def function_of(source: str) -> Callable[..., Any]:
    """The function that a piece of code defines last."""
    names: dict[str, Any] = {"np": np, "torch": torch}
    exec(source, names)
    return next(value for value in reversed(names.values()) if callable(value))


def right(exercise: Exercise, function: Callable[..., Any], trials: Inputs) -> bool:
    """Whether a function gives what the solution gives."""
    try:
        results, _ = results_of(function, trials)
    except StoppedError:
        return False
    wanted, _ = results_of(exercise.solution, trials)
    return all(same(got, want, exercise.tolerance) for got, want in zip(results, wanted, strict=True))


@pytest.mark.parametrize(
    "number", [number if number in QUICK else pytest.param(number, marks=pytest.mark.slow) for number in FUNCTIONS]
)
def test_no_mutant_passes(number: str) -> None:
    exercise = EXERCISES[number]
    assert exercise.inputs is not None
    checked = exercise.inputs(np.random.default_rng(0))
    others = [exercise.inputs(np.random.default_rng(seed)) for seed in SEEDS]
    sources = list(mutants(solution_source(number)))
    passed, refused = [], 0
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for source in sources:
            function = function_of(source)
            if not right(exercise, function, checked):
                refused += 1
            elif not all(right(exercise, function, trials) for trials in others):
                passed.append(source)
    assert not passed, "\n\n".join(passed)
    assert refused >= 0.7 * len(sources)
    assert refused >= 10
