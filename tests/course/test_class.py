"""What a class is given adds up: minutes, the exercises and questions named, links, slides without a network."""

import re
from pathlib import Path

from kits_msan.course.exercises.checks import EXERCISES
from kits_msan.course.paths import ROOT
from kits_msan.course.questions.ask import CHAPTERS, questions

DOCS = ROOT / "docs"


def half_day() -> list[list[str]]:
    """The rows of the half-day schedule: from, minutes, what, how."""
    text = (DOCS / "instructors.md").read_text(encoding="utf-8").partition("## Half a day")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return [row for row in rows if row[0][0].isdigit()]


def test_the_half_day_adds_up() -> None:
    rows = half_day()
    at = 0
    for start, minutes, *_ in rows:
        hours, rest = map(int, start.split(":"))
        assert 60 * hours + rest == at, start
        at += int(minutes)
    assert at == 240


def test_the_minutes_of_a_lesson_are_those_of_its_parts() -> None:
    for _, minutes, what, how in half_day():
        if what[0].isdigit():
            parts = [int(part) for part in re.findall(r"\((\d+)\)", how)]
            first = int(re.match(r"\d+", how)[0])  # type: ignore[index]
            assert first + sum(parts) == int(minutes), what


def test_the_half_day_names_what_there_is() -> None:
    text = " ".join(row[-1] for row in half_day())
    known = {question.number for chapter in CHAPTERS for question in questions(chapter)}
    assert len(exercises := re.findall(r"exercise (\d\.\d)", text)) == 6
    assert set(exercises) <= set(EXERCISES)
    assert set(re.findall(r"\b\d[a-h]\b", text)) <= known


def test_the_slides_need_no_network() -> None:
    text = (DOCS / "class" / "slides.html").read_text(encoding="utf-8")
    assert not re.findall(r"(?:src|href)=|https?:", text)
    assert text.count("<section>") == text.count("</section>") >= 8


def test_the_handout_is_one_page() -> None:
    assert len((DOCS / "handout.md").read_text(encoding="utf-8").split()) < 450


def test_links_of_the_class_pages_lead_somewhere() -> None:
    for name in ("class.md", "handout.md", "chatbots.md", "instructors.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (DOCS / name).read_text(encoding="utf-8")):
            assert (DOCS / Path(target)).exists(), f"{name}: {target}"
