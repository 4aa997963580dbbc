"""What a hint says of a result holds: of offsets and factors, brackets, shapes, texts and nan. None stumbles."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from kits_msan.course.exercises import hints
from kits_msan.course.exercises.checks import EXERCISES, passes, sentence
from kits_msan.course.exercises.exercise import Exercise
from kits_msan.course.exercises.verdict import verdict

SOLUTIONS = {number: exercise.solution for number, exercise in EXERCISES.items()}


def of(number: str, change: Callable[[Any], Any]) -> Any:
    """An answer that changes the right result; a value where no function is wanted."""
    solution = SOLUTIONS[number]
    return (lambda *given: change(solution(*given))) if EXERCISES[number].inputs else change(solution())


def extended(values: Any) -> Any:
    whole: list[Any] = []
    for value in values:
        whole += value
    return whole


def first_extended(values: Any) -> Any:
    whole = [values[0]]
    for value in values[1:]:
        whole += value
    return whole


RELATIONS = [
    *[(number, lambda x: x + 1, "always 1 too large.") for number in ("2.3", "3.2", "3.3")],
    *[(number, lambda x: x - 2, "always 2 too small.") for number in ("2.3", "3.3")],
    ("2.3", lambda x: 2 * x + 1, "always 2 times what is right, plus 1."),
    ("1.3", lambda x: x + 0.25, "always 0.25 too large."),
    ("4.2", lambda x: x + 1e-8, "always 1e-08 too large."),
]
LISTS = [
    (
        "3.1",
        first_extended,
        "value 2 has the shape (2, 1, 2, 2) instead of (1, 2, 1, 2, 2). Did you add it to a list",
    ),
    ("3.1", extended, "use append"),
    ("3.1", lambda x: [y for part in x for y in part[0]], "4 values; 2 are wanted. Did `+=`"),
    ("3.1", lambda x: [[part] for part in x], "each is in brackets of its own"),
    ("3.1", lambda x: [None, *x[1:]], "value 1 of your answer is None."),
    ("3.1", lambda x: [part.mean() for part in x], "value 1 of your answer is one number; the shape"),
    ("4.4", lambda x: [n for part in x for n in part], "6 values; 3 are wanted: the new weights, m, v. Did `+=`"),
    ("4.4", lambda x: np.stack(x).T, "rows and columns of your answer are exchanged."),
    ("4.4", lambda x: x[:2], "it is 2 of 3; missing: v."),
    ("2.4", lambda x: [[part] for part in x], "each is in brackets of its own: give (0."),
    ("5.3", lambda x: ([x[0]] * 3, [x[1]] * 3), "holds 3 numbers; one is wanted."),
    ("1.4", lambda x: [set(pair) for pair in x], "holds a set"),
    ("1.4", lambda x: [[str(n) for n in pair] for pair in x], "your values are texts"),
]
NUMBERS = [
    ("3.2", lambda x: [[x]], "there are 2 pairs of brackets too many."),
    ("5.1", lambda x: x[0], "your answer is one number; an array of shape (30,) is wanted."),
    ("5.1", lambda x: x[:, None], "in the shape (1, 1) instead of (1,)."),
    ("2.4", lambda x: (np.nan, np.nan), "always nan, not a number"),
    ("1.2", lambda x: float("inf"), "always infinite"),
    ("1.1", lambda x: np.where(x > 0, x, np.nan), "sometimes nan"),
    ("1.1", lambda x: x + 0j, "complex numbers"),
    ("1.1", lambda x: x.astype(object).astype(str).tolist(), "your values are texts"),
    ("1.1", lambda x: np.full(x.shape, None), "an array of object; numbers are wanted"),
    ("1.2", lambda x: (x, "ml"), "holds a text, 'ml'; give numbers alone."),
    ("2.3", lambda x: x // 2, "Sum over the levels"),  # which is not always half
]


@pytest.mark.parametrize(("number", "change", "words"), [*RELATIONS, *LISTS, *NUMBERS])
def test_the_hint_holds(number: str, change: Callable[[Any], Any], words: str) -> None:
    said = sentence(number, of(number, change))
    assert said.startswith("Wrong: ")
    assert words in said, said


def other_types(kind: torch.dtype) -> Any:
    return lambda layer, size: int(layer(torch.zeros(1, 1, 3, size, size, dtype=kind)).sum())


TYPES = "Torch does not mix kinds of numbers"
STOPS: list[tuple[str, Any, str]] = [
    *[("3.4", other_types(kind), TYPES) for kind in (torch.float64, torch.float16, torch.int64, torch.bool)],
    ("3.4", lambda layer, size: layer(torch.from_numpy(np.zeros((1, 1, 3, size, size)))), TYPES),
    ("3.4", lambda layer, size: layer(np.zeros((1, 1, 3, size, size))), "Torch takes tensors"),
    ("3.4", lambda layer, size: layer(torch.zeros(1, 3, size, size)), "The input has five axes"),
    ("2.2", lambda feature, finer, coarser: torch.nn.Linear(3, 1)(torch.tensor(feature)), TYPES),
    ("2.2", lambda feature, finer, coarser: torch.nn.Conv2d(1, 1, 1)(torch.tensor(feature)[None]), TYPES),
    ("2.2", lambda feature, finer, coarser: torch.nn.MaxPool2d(2)(torch.tensor(finer)), "x[None, None]"),
    ("4.1", lambda p, t: torch.nn.BCELoss()(torch.tensor(p), torch.tensor(t).float()), TYPES),
    ("4.1", lambda p, t: torch.tensor(p, requires_grad=True).numpy(), "out of the tensor first"),
    ("5.1", lambda labels, probabilities: np.bincount(labels), "one row of numbers"),
    ("3.1", lambda groups, convs: torch.cat([groups[0], groups[1][0]]), "use append"),
    ("4.4", lambda *given: extended(given[:4]), "put an array into a list with append"),
    ("3.1", lambda groups, convs: [].append(groups[0]), "r.append(y)"),
]


@pytest.mark.parametrize(("number", "answer", "words"), STOPS)
def test_what_to_do_about_an_error(number: str, answer: Any, words: str) -> None:
    assert words in sentence(number, answer)


INVERSE = Exercise(lambda n: 1 / n, "inverse.", inputs=lambda rng: [(1,), (2,), (3,), (4,)])


@pytest.mark.parametrize(
    ("stops_at", "words"),
    [
        (1, "n = 1."),
        (4, "n = 4. (It was right for 3 other inputs.)"),
    ],
)
def test_how_many_inputs_went_well(stops_at: int, words: str) -> None:
    assert verdict(INVERSE, lambda n: 1 / n if n < stops_at else {}[n]).endswith(f"The input was {words}")


def turns_gradients_off(n: int) -> Any:
    torch.set_grad_enabled(False)
    return 2.0


def test_settings_that_an_answer_changes_reach_no_other() -> None:
    exercise = Exercise(
        lambda n: torch.ones(n, requires_grad=True).sum().backward() or n, "n.", inputs=INVERSE.inputs
    )
    assert verdict(exercise, turns_gradients_off).startswith("Wrong: your function gives 2 whatever")
    assert torch.is_grad_enabled()
    with torch.no_grad():  # as of a cell
        assert verdict(exercise, lambda n: n) == "Right: n."


def test_a_long_error_is_cut() -> None:
    said = verdict(INVERSE, lambda n: int("x" * 900))
    assert "xxx…" in said
    assert len(said) < 400


def test_a_hint_that_stumbles_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "STRANGE", (Exception,))
    monkeypatch.setattr(hints, "form_hint", lambda tried: 1 / 0)
    assert verdict(INVERSE, lambda n: 2 / n).startswith("Wrong: your answer is always 2 times")


SHARE = EXERCISES["5.2"].solution
SHAPE = (2, 128, 4, 128, 128)
OWN: list[Any] = []
OWN.append(OWN)


class OwnError(BaseException):
    pass


class Unspoken(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise ValueError


class NoNumber:
    def __float__(self) -> float:
        raise RuntimeError("no number")

    __array__ = None


class Signed:
    @property
    def __signature__(self) -> Any:
        raise RuntimeError

    def __call__(self, share: float) -> Any:
        return SHARE(share)


def raises(error: BaseException) -> Callable[[float], Any]:
    def answer(share: float) -> Any:
        raise error

    return answer


def closes(share: float) -> Any:
    sys.stdout.close()
    return SHARE(share)


def stumbles() -> Iterator[int]:
    yield 2
    raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("number", "answer", "start"),
    [
        ("2.1", map(int, ["2", "128", "4", "x"]), "Wrong: the check cannot look at your answer (ValueError: invalid"),
        ("2.1", torch.empty(5, device="meta"), "Wrong: the check cannot look at your answer (NotImplementedError"),
        ("2.1", OWN, "Wrong: the check cannot look at your answer (RecursionError"),
        ("4.3", stumbles(), "Wrong: the check cannot look at your answer"),
        ("5.2", raises(asyncio.CancelledError()), "Wrong: your function stopped with CancelledError."),
        ("5.2", raises(OwnError("x")), "Wrong: your function stopped with OwnError: x."),
        ("5.2", raises(Unspoken()), "Wrong: your function stopped with Unspoken."),
        ("5.2", lambda share: [NoNumber()] * 2, "Wrong: "),
        ("5.2", lambda share: NoNumber(), "Wrong: "),
        ("5.2", lambda share: type("", (), {})(), "Wrong: your answer is a thing; numbers are wanted."),
        ("5.2", closes, "Right: "),
        ("5.2", Signed(), "Right: "),
    ],
)
def test_a_strange_answer_earns_a_sentence(number: str, answer: Any, start: str) -> None:
    assert sentence(number, answer).startswith(start)


def test_values_that_can_be_read_once_are_right_again() -> None:
    answer = (n for n in SHAPE)
    assert [sentence("2.1", answer)[:6] for _ in range(2)] == ["Right:"] * 2


@pytest.mark.parametrize(("number", "of"), [("3.4", sentence), ("2.b", passes), ("3.b", passes), ("4.b", passes)])
def test_a_check_changes_no_random_numbers(number: str, of: Callable[[str, Any], Any]) -> None:
    before = torch.get_rng_state()
    of(number, lambda *arguments: torch.manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tiny_share_is_said_in_words() -> None:
    exercise = Exercise(lambda n: n, "n.", inputs=INVERSE.inputs, tolerance=1e-6)
    assert "off by less than 0.1%" in verdict(exercise, lambda n: n * (1 + 1e-5 * n**3 / 64))
