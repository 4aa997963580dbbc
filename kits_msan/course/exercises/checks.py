"""`check` answers an exercise of the notebooks: right, or wrong and why; it never ends in a traceback.

`passes` does the same for what students build.
"""

from typing import Any

from kits_msan.course.exercises.answers import (
    n1_images,
    n1_places,
    n2_counts,
    n2_layer,
    n3_chain,
    n3_counts,
    n3_pokes,
    n4_loss,
    n4_steps,
    n5_trust,
    n5_vote,
)
from kits_msan.course.exercises.builds import layers, loops, pieces, slabs
from kits_msan.course.exercises.exercise import Build, Exercise
from kits_msan.course.exercises.verdict import verdict

EXERCISES: dict[str, Exercise] = {
    **n1_images.EXERCISES,
    **n1_places.EXERCISES,
    **n2_layer.EXERCISES,
    **n2_counts.EXERCISES,
    **n3_chain.EXERCISES,
    **n3_counts.EXERCISES,
    **n3_pokes.EXERCISES,
    **n4_loss.EXERCISES,
    **n4_steps.EXERCISES,
    **n5_vote.EXERCISES,
    **n5_trust.EXERCISES,
}
BUILDS: dict[str, Build] = {
    **slabs.BUILDS,
    **layers.BUILDS,
    **loops.BUILDS,
    **pieces.BUILDS,
}


def check(number: str, answer: Any) -> None:
    """Print what an answer to an exercise such as "1.2" deserves.

    answer: a function or a value, as the exercise asks; `...` is "not answered yet".
    """
    print(sentence(number, answer))


def sentence(number: str, answer: Any) -> str:
    """What `check` prints."""
    if number not in EXERCISES:
        return f"There is no exercise {number}; there are {', '.join(EXERCISES)}."
    return verdict(EXERCISES[number], answer)


def passes(number: str, thing: Any) -> bool:
    """Print whether a build such as "2.b" is right, or wrong and why; whether it is right.

    thing: a function or a class, as the build asks.
    """
    use, exercise = BUILDS[number]
    said = verdict(exercise, use(thing) if callable(thing) else thing)
    print(said)
    return said.startswith("Right")
