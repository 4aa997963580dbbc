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
    number: exercise
    for chapter in (
        (window, volume, place, box),
        (shape, layer, count, heat),
        (chain, width, chain_count, poke),
        (loss, rates, adam),
        (vote, share, paired, chance),
    )
    for module in chapter
    for number, exercise in module.EXERCISES.items()
}
BUILDS: dict[str, Exercise] = {
    number: build
    for module in (slabs, layers, blocks, loops, pieces, bootstrap)
    for number, build in module.BUILDS.items()
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
