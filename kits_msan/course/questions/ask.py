"""Questions with choices for the notebooks: each choice opens its own explanation.

In a notebook, a cell of one line shows a question, and stores it as the cell's output:

    from kits_msan.course.questions.ask import ask
    ask("1a")

`notebook_1.toml` to `notebook_5.toml` hold them. Those with `predict = true` belong right above the figure that
answers them, the others where the text has just explained what they ask. A choice is a `<details>` element: the
browser itself opens it, by mouse or keyboard, and a screen reader announces it. So a question needs no kernel and no
script. It works in JupyterLab, in the static page, and in a notebook that was only opened; and since its output is
the same text in each run, nbval compares it as any other.
"""

import html
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kits_msan.errors import InputError

HERE = Path(__file__).parent
CHAPTERS = range(1, 6)


@dataclass(frozen=True)
class Choice:
    """One answer, whether it is right, and what a reader who takes it is told."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question of a notebook; `predict`: to be answered before the figure below it is looked at."""

    number: str
    ask: str
    choices: tuple[Choice, ...]
    predict: bool = False

    @property
    def title(self) -> str:
        """What stands above the question."""
        return "Predict, then look" if self.predict else "Question"

    def _repr_html_(self) -> str:
        choices = "".join(
            f"<details><summary>{_inline(choice.text)}</summary>"
            f"<p><strong>{'Yes.' if choice.right else 'No.'}</strong> {_inline(choice.why)}</p></details>"
            for choice in self.choices
        )
        return (
            f'<div class="question" role="group" aria-label="{self.title} {self.number}">'
            f"<p><strong>{self.title} ({self.number}).</strong> {_inline(self.ask)} "
            f"<em>Click on an answer.</em></p>{choices}</div>"
        )

    def __repr__(self) -> str:
        letters = (f"\n  {chr(97 + i)}) {choice.text}" for i, choice in enumerate(self.choices))
        return f"{self.title} ({self.number}). {self.ask}{''.join(letters)}"


def ask(number: str) -> Question:
    """The question with this number, such as "1a"; as the last line of a cell it is shown.

    Raises InputError for a number that does not exist.
    """
    known = {question.number: question for chapter in CHAPTERS for question in questions(chapter)}
    if number not in known:
        raise InputError(f"there is no question {number!r}; there are {', '.join(known)}.")
    return known[number]


@cache
def questions(chapter: int) -> tuple[Question, ...]:
    """All questions of a notebook, 1 to 5, in their order."""
    stored = tomllib.loads((HERE / f"notebook_{chapter}.toml").read_text(encoding="utf-8"))["question"]
    return tuple(
        Question(choices=tuple(Choice(**choice) for choice in entry.pop("choice")), **entry) for entry in stored
    )


def _inline(text: str) -> str:
    """Text as HTML, with *emphasis* and `code`."""
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
