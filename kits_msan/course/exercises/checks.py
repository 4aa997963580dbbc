"""`check` answers an exercise of the notebooks: right, or wrong and why; it never ends in a traceback.

`passes` does the same for what students build.
"""

from functools import update_wrapper
from typing import Any

import torch

from kits_msan.course.exercises.answers.n1 import box, place, volume, window
from kits_msan.course.exercises.answers.n2 import count, heat, layer, shape
from kits_msan.course.exercises.answers.n3 import chain, poke, width
from kits_msan.course.exercises.answers.n3 import count as chain_count
from kits_msan.course.exercises.answers.n4 import adam, loss, rates
from kits_msan.course.exercises.answers.n5 import chance, paired, share, vote
from kits_msan.course.exercises.builds import blocks, bootstrap, layers, loops, pieces, slabs
from kits_msan.course.exercises.exercise import Exercise
from kits_msan.course.exercises.verdict import takes_others, verdict

EXERCISES: dict[str, Exercise] = {
    "1.1": window.EXERCISE,
    "1.2": volume.EXERCISE,
    "1.3": place.EXERCISE,
    "1.4": box.EXERCISE,
    "2.1": shape.EXERCISE,
    "2.2": layer.EXERCISE,
    "2.3": count.EXERCISE,
    "2.4": heat.EXERCISE,
    "3.1": chain.EXERCISE,
    "3.2": width.EXERCISE,
    "3.3": chain_count.EXERCISE,
    "3.4": poke.EXERCISE,
    "4.1": loss.EXERCISE,
    "4.2": rates.STAIRS,
    "4.3": rates.CURVES,
    "4.4": adam.EXERCISE,
    "5.1": vote.EXERCISE,
    "5.2": share.EXERCISE,
    "5.3": paired.EXERCISE,
    "5.4": chance.EXERCISE,
}
BUILDS: dict[str, Exercise] = {
    "1.b": slabs.EXERCISE,
    "2.b": layers.EXERCISE,
    "3.b": blocks.EXERCISE,
    "4.b": loops.EXERCISE,
    "5.b": pieces.EXERCISE,
    "5.c": bootstrap.EXERCISE,
}
MARK = ""  # what `kits-msan grade` puts before the next verdict, so that nothing else printed is taken for it


def check(number: str, answer: Any) -> None:
    """Print what an answer to an exercise such as "1.2" deserves.

    answer: a function or a value, as the exercise asks; `...` is "not answered yet".
    """
    mark = _taken_mark()
    print(mark + sentence(number, answer))


def sentence(number: str, answer: Any) -> str:
    """What `check` prints."""
    number = str(number)  # 1.2 is asked for too
    if number not in EXERCISES:
        return f"There is no exercise {number}; there are {', '.join(EXERCISES)}."
    return verdict(EXERCISES[number], answer)


def passes(number: str, thing: Any) -> bool:
    """Print whether a build such as "2.b" is right, or wrong and why; whether it is right.

    thing: a function or a class, as the build asks.
    """
    mark = _taken_mark()
    if number not in BUILDS:
        print(f"There is no build {number}; there are {', '.join(BUILDS)}.")
        return False
    if isinstance(thing, torch.nn.Module):
        print(f"{mark}Wrong: the check wants the class itself: its name, without brackets.")
        return False
    build = BUILDS[number]
    others = takes_others(thing, build.names) if callable(thing) else None
    if callable(thing) and build.use:
        thing = update_wrapper(build.use(thing), thing, assigned=(), updated=())  # which knows what it wraps
    said = others or verdict(build, thing)
    print(mark + said)
    return said.startswith("Right")


def _taken_mark() -> str:
    """The mark, for one verdict: a student's code, which runs now and later, does not find it."""
    global MARK
    mark, MARK = MARK, ""
    return mark
