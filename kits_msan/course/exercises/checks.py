"""`check` answers an exercise of the notebooks: right, or wrong and why; it never ends in a traceback."""

from typing import Any

from kits_msan.course.exercises.exercise import Exercise, verdict
from kits_msan.course.exercises.n1_data import EXERCISES as DATA
from kits_msan.course.exercises.n2_attention import EXERCISES as ATTENTION
from kits_msan.course.exercises.n3_res2net import EXERCISES as RES2NET
from kits_msan.course.exercises.n4_training import EXERCISES as TRAINING
from kits_msan.course.exercises.n5_ensemble import EXERCISES as ENSEMBLE

EXERCISES: dict[str, Exercise] = {**DATA, **ATTENTION, **RES2NET, **TRAINING, **ENSEMBLE}


def check(number: str, answer: Any, *given: Any) -> None:
    """Print what an answer to an exercise such as "1.2" deserves.

    answer: a function or a value, as the exercise asks; `...` is "not answered yet".
    given: what the notebook's check cell passes on, for exercises whose answer depends on a case.
    """
    print(sentence(number, answer, *given))


def sentence(number: str, answer: Any, *given: Any) -> str:
    """What `check` prints."""
    if number not in EXERCISES:
        return f"There is no exercise {number}; there are {', '.join(EXERCISES)}."
    return verdict(EXERCISES[number], answer, *given)
