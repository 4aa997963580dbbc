"""What a class is given adds up: minutes, the exercises and questions named, links, slides without a network."""

import re
from pathlib import Path

import nbformat

from kits_msan.course.exercises.checks import EXERCISES
from kits_msan.course.paths import NOTEBOOKS, ROOT
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


def notebook_minutes() -> dict[str, int]:
    """Minutes to work through each notebook, as its first cell says; they are those to read, and its exercises'."""
    minutes = {}
    for path in sorted(NOTEBOOKS.glob("0*.ipynb")):
        sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
        said = re.search(r"(\d+) minutes to work through.*?: (\d+) to read, (\d+) for the exercises", sources[0])
        assert said, path
        whole, reading, doing = map(int, said.groups())
        parts = [int(part) for source in sources for part in re.findall(r"^### .+\((\d+) minutes\)", source, re.M)]
        assert (whole, doing) == (reading + doing, sum(parts)), path
        minutes[path.name[1]] = whole
    return minutes


def test_the_notebooks_minutes_are_those_of_their_parts_and_of_the_page() -> None:
    assert f"hold {sum(notebook_minutes().values())} minutes of work" in (DOCS / "instructors.md").read_text("utf-8")


def test_the_two_days_add_up_and_have_room_for_each_notebook() -> None:
    text = (
        (DOCS / "instructors.md")
        .read_text(encoding="utf-8")
        .partition("## Two days: 6 hours each")[2]
        .partition("\n## ")[0]
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    needed = notebook_minutes()
    for first in (0, 3):
        day = [(int(row[first]), row[first + 1]) for row in rows if row[first].isdigit()]
        assert sum(minutes for minutes, what in day if what != "lunch") == 360
        for minutes, what in day:
            if found := re.match(r"notebook (\d)", what):
                assert minutes >= needed.pop(found[1]), what
    assert not needed


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
