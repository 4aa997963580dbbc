"""The exercise 5.2, the Dice of a share: its solution and common mistakes."""

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _shares(rng: np.random.Generator) -> Inputs:
    return [(share / 10,) for share in range(1, 11)]


EXERCISE = Exercise(
    solution=lambda share: 2 * share / (1 + share),
    why="half of the truth, and nothing false, still has a Dice of two thirds: a mean hides a lost kidney well.",
    inputs=_shares,
    hint="Say that the truth has 1 unit. How much is found, how much is shared?",
    mistakes={
        "this is the share that was found (recall); Dice divides twice the overlap by the sum of both sizes.": (
            lambda share: share
        ),
        "the overlap counts twice in the numerator.": lambda share: share / (1 + share),
        "twice the overlap is right; now divide it by the sum of both sizes.": lambda share: 2 * share,
        "this is the share halfway to 1; write down overlap and sizes.": lambda share: (1 + share) / 2,
        "this is the loss, 1 - Dice.": lambda share: 1 - 2 * share / (1 + share),
        "brackets are missing: 2 * share / 1 + share is 3 times the share.": lambda share: 2 * share / 1 + share,
        "you doubled the share below; the sizes are 1 and share.": lambda share: 2 * share / (1 + 2 * share),
        "you added what is missing; the prediction holds `share`, so the sizes add up to 1 + share.": (
            lambda share: 2 * share / (2 - share)
        ),
        "the truth counts twice below; the sizes are 1 and share.": (lambda share: 2 * share / (2 + share)),
        "this is share / (2 - share); the sizes add up to 1 + share, and the overlap counts twice above.": (
            lambda share: share / (2 - share)
        ),
        "you subtracted the share below; the sizes are added, 1 + share.": lambda share: (
            2 * share / (1 - share + 1e-9)
        ),
        "you squared the share below; the sizes are 1 and share.": lambda share: 2 * share / (1 + share**2),
        "this is the Dice of what was missed; write down overlap and sizes.": (
            lambda share: 2 * (1 - share) / (2 - share)
        ),
        "above the line you have the truth; put twice the overlap there, 2 * share.": lambda share: 1 / (1 + share),
        "above the line you have twice the truth; put twice the overlap there, 2 * share.": lambda share: (
            2 / (1 + share)
        ),
        "you multiplied by the sum of the sizes; divide by it.": lambda share: 2 * share * (1 + share),
        "this is what was missed; write down overlap and sizes.": lambda share: 1 - share,
        "the share was squared; the overlap is `share`, once.": lambda share: share**2,
        "above is twice the square; the overlap is `share`, once.": lambda share: 2 * share**2 / (1 + share),
        "this is the precision: nothing false was found, so it is always 1. Dice knows the missed part too.": (
            lambda share: 1.0
        ),
        "this is the root of the share; write down overlap and sizes.": lambda share: share**0.5,
        "your fraction is upside down: twice the overlap belongs above, the sum of both sizes below.": (
            lambda share: (1 + share) / (2 * share)
        ),
        "a 1 was added above and below, as in the loss; the score has none.": (
            lambda share: (2 * share + 1) / (2 + share)
        ),
        "this is a percentage; the Dice lies between 0 and 1.": lambda share: 200 * share / (1 + share),
        "brackets are missing: 2 * share / share + 1 is always 3.": lambda share: 2 * share / share + 1,
        "the share was squared; the overlap is `share`, and the sizes are 1 and share.": lambda share: (
            2 * share**2 / (1 + share**2)
        ),
        "this is a straight line through ⅔ at one half; the Dice bends. Write down overlap and "
        "sizes.": lambda share: 4 / 3 * share,
        "one half is right only; find a formula for every share, from overlap and sizes.": lambda share: (
            2 / 3 if share == 0.5 else share
        ),
    },
)
