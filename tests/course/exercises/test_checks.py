"""Every solution passes its check, every common mistake gets its own hint, and no answer ends in a traceback."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import right_answers_n1_to_n3
import right_answers_n4_to_n5
import torch
import wrong_answers_n1_to_n3
import wrong_answers_n4_to_n5

from kits_msan.course.exercises.checks import EXERCISES, check, passes, sentence
from kits_msan.course.exercises.compare import same, shown
from kits_msan.course.exercises.exercise import Exercise
from kits_msan.course.exercises.verdict import UNANSWERED, verdict

FUNCTIONS = [number for number, exercise in EXERCISES.items() if exercise.inputs]
RIGHT = {**right_answers_n1_to_n3.RIGHT, **right_answers_n4_to_n5.RIGHT}
WRONG = {**wrong_answers_n1_to_n3.WRONG, **wrong_answers_n4_to_n5.WRONG}
MISTAKES = [(number, hint) for number, exercise in EXERCISES.items() for hint in exercise.single]


def answer_of(number: str, function: Callable[..., Any]) -> Any:
    """What a student who wrote `function` would hand in."""
    return function if EXERCISES[number].inputs else function()


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_is_right(number: str) -> None:
    assert sentence(number, answer_of(number, EXERCISES[number].solution)) == f"Right: {EXERCISES[number].why}"


@pytest.mark.parametrize(("number", "hint"), MISTAKES)
def test_each_mistake_gets_its_own_hint(number: str, hint: str) -> None:
    said = sentence(number, answer_of(number, EXERCISES[number].single[hint]))
    assert said.startswith(f"Wrong: {hint}") or f"whatever it is given. Perhaps {hint}" in said


@pytest.mark.parametrize("number", EXERCISES)
def test_an_exercise_knows_several_mistakes_and_speaks_in_sentences(number: str) -> None:
    exercise = EXERCISES[number]
    assert len(exercise.single) >= 3
    for text in (exercise.why, exercise.hint, *exercise.parts.values(), *exercise.single):
        assert text[-1] in ".!?", text
        assert len(text) < 200, text
        assert "\n" not in text, text


@pytest.mark.parametrize("number", EXERCISES)
def test_unfilled_is_not_wrong(number: str) -> None:
    assert sentence(number, ...) == UNANSWERED
    if EXERCISES[number].inputs:
        assert sentence(number, lambda *arguments: ...) == UNANSWERED


@pytest.mark.parametrize("number", FUNCTIONS)
@pytest.mark.parametrize(
    ("answer", "start"),
    [
        (lambda *arguments: None, "Wrong: your function returns nothing"),
        (lambda *arguments: 1 / 0, "Wrong: your function stopped with ZeroDivisionError: division by zero"),
        (lambda: 1, "Wrong: your function stopped with TypeError"),
        (lambda *arguments: 2 * ..., UNANSWERED),  # type: ignore[operator]
        (lambda *arguments: "forty-two", "Wrong: your "),
        (lambda *arguments: object(), "Wrong: your "),
        (lambda *arguments: np.zeros((7, 7, 7)), "Wrong: your "),
        (3.0, "Wrong: the check wants your function itself"),
    ],
)
def test_a_broken_function_earns_a_sentence(number: str, answer: Any, start: str) -> None:
    assert sentence(number, answer).startswith(start)


@pytest.mark.parametrize("number", [number for number in EXERCISES if number not in FUNCTIONS])
def test_a_strange_value_earns_a_sentence(number: str) -> None:
    assert sentence(number, len).startswith("Wrong: the check wants a value")
    for answer in (None, -12345.6, "forty-two", object(), [], {}, np.zeros(3), (1, ...)):
        assert sentence(number, answer).startswith(("Wrong: ", "Not answered yet"))


def test_check_prints_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    check("9.9", 1)
    assert capsys.readouterr().out.startswith("There is no exercise 9.9; there are 1.1, 1.2")
    check(1.2, ...)  # type: ignore[arg-type]
    assert capsys.readouterr().out.startswith("Not answered yet")
    assert not passes("1.1", len)
    assert capsys.readouterr().out.startswith("There is no build 1.1; there are 1.b, 2.b")


DOUBLE = Exercise(
    solution=lambda x: 2 * x,
    why="twice.",
    mistakes={"you squared it.": lambda x: x * x, "you broke it.": lambda x: x[0]},
    inputs=lambda rng: [(np.array([1.0, 2.0, 3.0]),), (np.array([5.0]),), (rng.normal(size=2),)],
)


def in_place(x: Any) -> Any:
    x *= 2
    return x


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda x: x + x, "Right: twice."),
        (
            in_place,  # what it did to its argument does not reach the next function
            "Wrong: the result is right, but your function changes `x` itself, which the notebook needs. "
            "Begin with a copy: x = x.copy().",
        ),
        (lambda x: torch.from_numpy(2 * x).requires_grad_(), "Right: twice."),
        (lambda x: x**2, "Wrong: you squared it. For x = [5] yours gives [25], but [10] is right."),
        (
            lambda x: 3 * x,
            "Wrong: your answer is always 1.5 times what is right. For x = [5] yours gives [15], but [10] is right.",
        ),
    ],
)
def test_verdict_on_a_function(answer: Callable[..., Any], expected: str) -> None:
    assert verdict(DOUBLE, answer) == expected


def endless(x: Any) -> Any:
    while True:
        x = x + 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [(endless, "Wrong: your function did not end by itself"), (lambda x: sys.exit(), "SystemExit. It ends Python")],
)
def test_an_answer_that_ends_nothing_or_everything(
    answer: Callable[..., Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kits_msan.course.exercises.verdict.LONGEST", 0.3)
    assert words in verdict(DOUBLE, answer)


def test_a_hint_is_looked_for_with_a_limit_and_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kits_msan.course.exercises.hints.LONGEST", 0.3)
    seen = set()

    def once(x: Any) -> Any:  # ends only for what it has not seen
        while x.tobytes() in seen:
            pass
        seen.add(x.tobytes())
        print("debug")
        return 2 * x + x**3

    assert verdict(DOUBLE, once).startswith("Wrong: ")
    assert capsys.readouterr().out == ""


def test_the_largest_of_nothing() -> None:
    assert "the step before found nothing" in verdict(DOUBLE, lambda x: x[x > 1e9].max())


def test_other_numbers_of_the_right_shape() -> None:
    exercise = Exercise(lambda n: np.zeros((n, n)), "zeros.", {}, inputs=lambda rng: [(5,)], hint="No hint.")
    text = (
        "For n = 5 yours gives an array of shape (5, 5), which is the right shape, but the numbers differ: at [0, 3] "
    )
    assert verdict(exercise, lambda n: np.eye(n, k=3)) == f"Wrong: No hint. {text}yours has 1, and 0 is right."


@pytest.mark.parametrize(
    ("got", "wanted", "equal"),
    [
        (1.01, 1, False),
        (math.nan, math.nan, True),
        ([1, 2], (1, 2), True),
        ((1, 2, 3), (1, 2), False),
        (5, (1, 2), False),
        (np.ones((2, 2)), np.ones(4), False),
        ({"a": 1.0}, {"a": 1}, True),
        (" Dice ", "dice", True),
        ("1", 1, False),
        (torch.tensor([1.0]), [1.0], True),
        (None, 1, False),
    ],
)
def test_same(got: Any, wanted: Any, equal: bool) -> None:
    assert same(got, wanted, 1e-4) is equal


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        ("a", "'a'"),
        ((1, 2.5), "(1, 2.5)"),
        (list(range(50)), "[50 values]"),
        ((np.zeros(20),) * 5, "(5 times an array of shape (20,))"),
        (lambda: 1, "a function"),
        ({"a": 0.1}, "{a: 0.1}"),
        (object(), "an object"),
        (np.array([1j]), "an array of complex128"),
        ("1, 2, " * 20, f"{'1, 2, ' * 10!r} and more"),
    ],
)
def test_shown(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("number", "answer"), [(number, answer) for number, answers in RIGHT.items() for answer in answers]
)
def test_a_right_answer_written_differently_is_right(number: str, answer: Any) -> None:
    assert sentence(number, answer) == f"Right: {EXERCISES[number].why}"


@pytest.mark.parametrize(
    ("number", "answer", "words"),
    [(number, answer, words) for number, answers in WRONG.items() for answer, words in answers],
)
def test_a_wrong_answer_is_wrong_and_gets_a_hint_that_fits(number: str, answer: Any, words: str) -> None:
    assert words  # any hint would do without
    said = sentence(number, answer)
    assert said.startswith("Wrong: ")
    assert words in said, said
