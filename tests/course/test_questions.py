"""Each question has one right choice, explains every choice, and needs neither kernel nor script."""

import re
import tomllib
from html.parser import HTMLParser

import pytest

from kits_msan.course.questions.ask import CHAPTERS, HERE, Question, ask, questions
from kits_msan.errors import InputError

ALL = [question for chapter in CHAPTERS for question in questions(chapter)]


@pytest.fixture(params=ALL, ids=lambda question: question.number)
def question(request: pytest.FixtureRequest) -> Question:
    given: Question = request.param
    return given


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_notebook_has_predictions_and_four_to_six_concept_questions(chapter: int) -> None:
    asked = questions(chapter)
    assert 4 <= sum(not question.predict for question in asked) <= 6
    assert sum(question.predict for question in asked) >= 2
    assert [question.number for question in asked] == [f"{chapter}{chr(97 + i)}" for i in range(len(asked))]


def test_a_question_has_one_right_choice_and_explains_all(question: Question) -> None:
    assert len(question.choices) >= 3
    assert sum(choice.right for choice in question.choices) == 1
    assert len({choice.text for choice in question.choices}) == len(question.choices)
    for text in (question.ask, *(choice.why for choice in question.choices)):
        assert text[-1] in ".?!", text
        assert len(text) < 300, text


def test_the_right_choice_is_not_always_at_the_same_place() -> None:
    places = [[choice.right for choice in question.choices].index(True) for question in ALL]
    assert max(places.count(place) for place in range(3)) <= 0.6 * len(places)


def test_the_right_choice_is_not_given_away_by_its_length() -> None:
    longest = [max(question.choices, key=lambda choice: len(choice.text)).right for question in ALL]
    assert sum(longest) <= 0.3 * len(longest)


class Tags(HTMLParser):
    """Collects the names of the tags, and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_a_question_is_plain_html_that_works_without_a_kernel(question: Question) -> None:
    tags = Tags(question._repr_html_())
    assert set(tags.names) <= {"div", "p", "strong", "em", "code", "details", "summary"}
    assert tags.attributes <= {"class", "role", "aria-label"}
    assert tags.names.count("details") == len(question.choices)
    assert "*" not in re.sub("<[^>]+>", "", question._repr_html_())


def test_the_text_for_other_tools_does_not_give_the_answer(question: Question) -> None:
    for choice in question.choices:
        assert choice.text in repr(question)
        assert choice.why not in repr(question)


def test_an_unknown_question_is_named() -> None:
    assert ask("1a").number == "1a"
    with pytest.raises(InputError, match="no question '9z'; there are 1a"):
        ask("9z")


def test_every_file_is_of_a_notebook() -> None:
    assert sorted(HERE.glob("*.toml")) == [HERE / f"notebook_{chapter}.toml" for chapter in CHAPTERS]
    for path in HERE.glob("*.toml"):
        assert set(tomllib.loads(path.read_text(encoding="utf-8"))) == {"question"}
