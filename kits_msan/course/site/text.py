"""The text of the pages: Markdown to HTML with formulas as MathML, and the sections that the search knows."""

import base64
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import latex2mathml.converter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from kits_msan.errors import InputError

INTERVAL = re.compile(r"(?<=<td>)[+-]?[\d.]+ \[[^\]<]+\](?=</td>)")  # 86.0 [82.4, 89.0]: read as one, never broken


@dataclass(frozen=True)
class Page:
    """One page: its file's name, title and HTML, and the sections [anchor, heading, text] that the search knows."""

    name: str
    title: str
    body: str
    sections: list[list[str]]


class _Renderer(IPythonRenderer):
    """Markdown to HTML: formulas as MathML, anchors like GitHub's, links between the project's files."""

    def __init__(self, source: Path, links: Mapping[Path, str]):
        super().__init__(escape=False)
        self.source, self.links = source, links

    def heading(self, text: str, level: int, **_: Any) -> str:
        return f'<h{level} id="{slug(re.sub("<[^>]+>", "", text))}">{text}</h{level}>\n'

    def block_math(self, body: str) -> str:
        return self._math(body, "block")

    def inline_math(self, body: str) -> str:
        return self._math(body, "inline")

    def _math(self, body: str, display: str) -> str:
        try:
            return str(latex2mathml.converter.convert(body.strip(), display=display))
        except Exception as error:  # the library raises a class of its own for each kind of mistake
            raise InputError(f"{self.source.name}: the formula {body!r} is not LaTeX that can be shown.") from error

    def image(self, text: str, url: str, title: str | None = None) -> str:
        picture = (self.source.parent / url).resolve()
        if "://" not in url and picture.is_file():  # a page must not depend on where the project lies
            kind = "png" if picture.suffix == ".png" else "jpeg"
            url = f"data:image/{kind};base64,{base64.b64encode(picture.read_bytes()).decode('ascii')}"
        return f'<img src="{html.escape(url)}" alt="{html.escape(text)}">'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        path, mark, anchor = url.partition("#")
        if "://" in url or url.startswith("mailto:"):
            return str(super().link(text, url, title))
        anchor = mark + slug(anchor)
        if not path:
            return str(super().link(text, anchor, title))
        target = self.links.get((self.source.parent / path).resolve())
        return str(super().link(text, target + anchor, title)) if target else text  # other files are not on the site


def markdown(text: str, source: Path, links: Mapping[Path, str]) -> str:
    """Markdown to HTML. source: the file that it is from; links: the project's files that are pages, to their names.

    Raises InputError for a formula that is not LaTeX.
    """
    body = str(MarkdownWithMath(renderer=_Renderer(source, links)).render(text))
    return INTERVAL.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), body)


def slug(text: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", html.unescape(text).strip().lower()).replace(" ", "-")


class _Sections(HTMLParser):
    """Collects [anchor, heading, text] of every section."""

    HEADINGS, SILENT = ("h1", "h2", "h3"), ("script", "style")

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[list[str]] = [["", "", ""]]
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.HEADINGS:
            self.sections.append([dict(attrs).get("id") or "", "", ""])
        if tag in (*self.HEADINGS, *self.SILENT):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        where = self.inside[-1] if self.inside else ""
        if where not in self.SILENT:
            self.sections[-1][1 if where else 2] += data


def read_page(name: str, body: str) -> Page:
    """The page of an HTML body, with its title and sections read from it."""
    parser = _Sections()
    parser.feed(body)
    sections = [[" ".join(part.split()) for part in section] for section in parser.sections]
    sections = [section for section in sections if any(section)]
    return Page(name, html.escape(next((heading for _, heading, _ in sections if heading), name)), body, sections)
