"""No answer makes the check stumble, is used up by it, or changes what comes after it."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from kits_msan.course.exercises.checks import EXERCISES, passes, sentence

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
        ("2.1", stumbles(), "Wrong: the check cannot look at your answer (RuntimeError: no more)"),
        ("2.1", torch.empty(5, device="meta"), "Wrong: the check cannot look at your answer (NotImplementedError"),
        ("2.1", OWN, "Wrong: the check cannot look at your answer (RecursionError"),
        ("4.3", stumbles(), "Wrong: the check cannot look at your answer"),
        ("5.2", raises(asyncio.CancelledError()), "Wrong: your function stopped with CancelledError."),
        ("5.2", raises(GeneratorExit()), "Wrong: your function stopped with GeneratorExit."),
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
