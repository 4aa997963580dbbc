"""Answers that are almost right: those that ignore an argument, or round, are wrong; half precision is right.

Float16 is forgiven what it costs, and rounding is not, though float16 holds the rounded numbers too.
"""

import copy
import inspect
import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sources import defined_last, solution_source

from kits_msan.course.exercises.checks import BUILDS, EXERCISES, passes, sentence
from kits_msan.course.exercises.compare import coarse, same
from kits_msan.course.exercises.exercise import Exercise
from kits_msan.course.exercises.numeric import ROUNDED
from kits_msan.course.exercises.verdict import verdict

ARGUMENTS = [
    (number, place)
    for number, exercise in EXERCISES.items()
    if exercise.inputs
    for place in range(len(exercise.names))
]


@pytest.mark.parametrize(("number", "place"), ARGUMENTS)
def test_an_answer_that_ignores_an_argument_is_wrong(number: str, place: int) -> None:
    exercise = EXERCISES[number]
    assert exercise.inputs
    fixed = exercise.inputs(np.random.default_rng(0))[1][place]

    def answer(*arguments: Any) -> Any:
        given = [copy.deepcopy(fixed) if i == place else argument for i, argument in enumerate(arguments)]
        return exercise.solution(*given)

    assert sentence(number, answer).startswith("Wrong: ")


def ends(means: Any, level: float) -> Any:
    return np.percentile(means, [(100 - level) / 2, (100 + level) / 2])


def bootstrap(differences: Any, draws: int, rng: Any, level: float) -> Any:
    return ends([rng.choice(differences, len(differences)).mean() for _ in range(draws)], level)


def seeded_python(differences: Any, draws: int, rng: Any, level: float) -> Any:
    random.seed(0)
    return ends([np.mean(random.choices(differences, k=len(differences))) for _ in range(draws)], level)


TURN = itertools.count()
AGAIN, SEED, DRAWS = "again with an equal `rng`", "ignores `rng`", "ignores `draws`"
IGNORING: list[tuple[Callable[..., Any], str]] = [
    (lambda d, draws, rng, level: bootstrap(d, draws, np.random, level), AGAIN),
    (lambda d, draws, rng, level: bootstrap(d, draws, np.random.default_rng(), level), AGAIN),
    (lambda d, draws, rng, level: bootstrap(d, draws, np.random.default_rng(42), level), SEED),
    (seeded_python, SEED),
    (lambda d, draws, rng, level: bootstrap(d, 1000, rng, level), DRAWS),
    (lambda d, draws, rng, level: np.round(bootstrap(d, draws, rng, level) * 64) / 64, "rounded"),
    (lambda d, draws, rng, level: bootstrap(d[:24], draws, rng, level), "right for 4 of 5 inputs"),
    (lambda differences, rng, draws, level: bootstrap(differences, draws, rng, level), "in another order"),
]
DRAWING: list[Callable[..., Any]] = [
    lambda d, draws, rng, level: ends(rng.choice(d, (draws, len(d))).mean(axis=1), level),
    lambda d, draws, rng, level: ends(d[(rng.random((draws, len(d))) * len(d)).astype(int)].mean(axis=1), level),
    lambda d, draws, rng, level: ends(
        rng.multinomial(len(d), np.full(len(d), 1 / len(d)), draws) @ d / len(d), level
    ),
    lambda d, draws, rng, level: bootstrap(d, draws, np.random.default_rng(int(rng.integers(2**31))), level),
    lambda d, draws, rng, level: bootstrap(d, draws, np.random.RandomState(rng.bit_generator), level),
    lambda d, draws, rng, level: ends(
        np.concatenate([rng.choice(d, (1500, len(d))).mean(axis=1) for _ in range(draws // 1500 + (draws > 9000))]),
        level,
    ),
    lambda d, draws, rng, level: torch.tensor(bootstrap(d, draws, rng, level)).bfloat16(),
]


@pytest.mark.parametrize(("answer", "words"), IGNORING)
def test_a_bootstrap_that_ignores_something(answer: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not passes("5.c", answer)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("answer", DRAWING)
def test_a_bootstrap_may_draw_as_it_likes(answer: Any) -> None:
    assert passes("5.c", answer)


@cache
def built(number: str) -> Any:
    return defined_last(solution_source(number))


def sampler_of_four(case: Any, rng: Any, slices: int) -> Any:
    return built("1.b")(case, rng, 4)


def sampler_in_turn(case: Any, rng: Any, slices: int) -> Any:
    return built("1.b")(case, np.random.default_rng(next(TURN)), slices)


def loop_of_its_own(model: Any, sampler: Any, loss_of: Any, rate: float, steps: int) -> Any:
    return built("4.b")(copy.deepcopy(model), sampler, loss_of, rate, steps)


def first_of_batch() -> Any:
    class First(built("2.b")):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return [skip[:1] for skip in super().forward(x)]

    return First


BUILT: list[tuple[str, Callable[[], Any], str]] = [
    ("1.b", lambda: sampler_of_four, "does not depend on `slices`"),
    ("1.b", lambda: sampler_in_turn, "the same again"),
    ("2.b", first_of_batch, "the shape (2, 2, 2, 8, 16) is wanted"),
    ("3.b", lambda: lambda channels_in, out, scale: built("3.b")(8, out, scale), "with `channels_in`"),
    ("4.b", lambda: loop_of_its_own, "not another one or a copy"),
    ("4.b", lambda: lambda model, sampler, loss_of, rate, steps: built("4.b")(model, sampler, loss_of, rate, 5),
     "does not depend on `steps`"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "make", "words"), BUILT)
def test_a_build_that_ignores_something(
    number: str, make: Callable[[], Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not passes(number, make())
    assert words in capsys.readouterr().out


def test_what_an_exercise_says_of_a_function_that_is_right_in_all_trials() -> None:
    exercise = Exercise(abs, "size.", inputs=lambda rng: [(1,), (-2,)], then=lambda f: None if f(-7) == 7 else "no.")
    assert verdict(exercise, lambda x: max(x, -x)) == "Right: size."
    assert verdict(exercise, {1: 1, -2: 2, -7: 0}.__getitem__) == "Wrong: no."
    assert verdict(exercise, {1: 1, -2: 2}.__getitem__) == "Right: size."  # it stops, as one that is made for less


@pytest.mark.parametrize("number", [number for number, exercise in BUILDS.items() if exercise.takes])
def test_a_build_knows_the_arguments_of_the_notebook(number: str) -> None:
    assert list(inspect.signature(built(number)).parameters) == BUILDS[number].names


FRACTIONS = ["1.1", "2.2", "2.4", "3.1", "4.1", "5.2", "5.4"]  # whose results have no whole numbers alone
Change = Callable[[Any], Any]


def changed(value: Any, change: Change) -> Any:
    """A result with each of its arrays and numbers changed."""
    if isinstance(value, list | tuple):
        return [changed(part, change) for part in value]
    return change(value.numpy().astype(float) if isinstance(value, torch.Tensor) else np.asarray(value, float))


def answer(number: str, change: Change) -> Any:
    return lambda *arguments: changed(EXERCISES[number].solution(*arguments), change)


@pytest.mark.parametrize("number", FRACTIONS)
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float16),
        lambda x: x.astype(np.float16).tolist(),
        lambda x: (x.astype(np.float16) * np.float16(1.0005)).tolist(),  # off by another step or two
        lambda x: torch.tensor(x).bfloat16(),
        lambda x: x.astype(np.float32).tolist(),
    ],
)
def test_half_precision_is_right(number: str, change: Change) -> None:
    numbers_alone = replace(EXERCISES[number], used={})  # not whether the notebook could go on with NumPy's
    assert verdict(numbers_alone, answer(number, change)).startswith("Right: ")


@pytest.mark.parametrize("number", FRACTIONS)
@pytest.mark.parametrize(
    "change",
    [
        lambda x: np.round(x * 128) / 128,
        lambda x: np.floor(x * 256) / 256,
        lambda x: torch.tensor(np.round(x * 256) / 256),
        lambda x: (np.round(x * 128) / 128).astype(np.float16),
    ],
)
def test_rounding_to_steps_is_wrong(number: str, change: Change) -> None:
    assert sentence(number, answer(number, change)).startswith(f"Wrong: {ROUNDED}")


SEVENTHS = Exercise(lambda n: np.arange(1, n) / 7, "sevenths.", inputs=lambda rng: [(3,), (9,), (20,)])


@pytest.mark.parametrize("steps", [1, 20, 255])
@pytest.mark.parametrize("way", [np.floor, np.ceil, np.round])
def test_any_steps_are_seen(steps: int, way: Callable[..., Any]) -> None:
    assert verdict(SEVENTHS, lambda n: way(np.arange(1, n) / 7 * steps) / steps).startswith(f"Wrong: {ROUNDED}")


@pytest.mark.parametrize(
    ("got", "want", "said"),
    [
        ([0.5, 0.25], [0.5, 0.25], False),  # exact
        ([0.334, 0.667], [1 / 3, 2 / 3], False),  # no steps that are halves of halves
        ([85 / 256, 171 / 256], [1 / 3, 2 / 3], True),
        ([float(np.float16(1 / 3)), float(np.float16(2 / 3))], [1 / 3, 2 / 3], False),
        (torch.tensor([1 / 3, 2 / 3]).bfloat16(), np.array([1 / 3, 2 / 3]), False),  # whose own steps these are
        (["right", 0.3125], ["right", 1 / 3], True),
    ],
)
def test_coarse(got: Any, want: Any, said: bool) -> None:
    assert coarse(got, want) is said


def test_half_precision_need_not_be_forgiven() -> None:
    assert same(np.float16(1 / 3), 1 / 3, 1e-5)
    assert not same(np.float16(1 / 3), 1 / 3, 1e-5, half=False)
    assert not same({"a": [np.float16(1 / 3)]}, {"a": [1 / 3]}, 1e-5, half=False)
