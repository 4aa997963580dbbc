"""What a check says of a wrong answer without what a student wrote: an error's own words and texts may hold names."""

import re
from itertools import chain

from kits_msan.course.exercises.checks import BUILDS, EXERCISES
from kits_msan.course.exercises.stops import ANYTHING, KINDS, WORDS
from kits_msan.course.exercises.verdict import takes_others

EXAMPLE = re.compile(r" (For \w+ = |The input was |It is not ).*", re.DOTALL)
STOPPED = re.compile(r"(your function stopped with \w+).*", re.DOTALL)
OWN = {  # how a sentence shows a student's words, and the same without
    re.compile(r"(stops, with \w+).*\.\)"): r"\1.)",
    re.compile(r"(it stops: \w+).*"): r"\1.",
    re.compile(r"(cannot look at your answer \(\w+).*\)\. Give"): r"\1). Give",
    re.compile(r"^.* is not one of the words\."): "a text is not one of the words.",
    re.compile(r"(holds a text), .*; give"): r"\1; give",
    re.compile(r"(gives) .* (whatever it is given)"): r"\1 the same \2",
    re.compile(r"(value \d+ of your answer is) ['\"].*"): r"\1 a text.",
}
ALL = (*EXERCISES.values(), *BUILDS.values())
# These sentences name the course's own arguments alone.
OTHERS = {takes_others(lambda: None, one.names) for one in ALL}
ADVICE = {
    *chain(WORDS.values(), KINDS.values(), [ANYTHING]),
    *(hint for one in ALL for hint in one.stops.values()),
}


def nameless(said: str) -> str:
    """The mistake that a sentence of a check names; of an error its kind, and what to do about it."""
    hint = EXAMPLE.sub("", said).removeprefix("Wrong: ")
    if said in OTHERS:
        return hint
    if stopped := STOPPED.match(hint):
        known = [advice for advice in ADVICE if advice in said]
        return f"{stopped[1]}. {max(known, key=len, default='')}".rstrip()
    for shown, hidden in OWN.items():
        hint = shown.sub(hidden, hint)
    return hint
