"""The static pages: whole, linked, searchable, and without anything that a browser would fetch from the network."""

import base64
import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kits_msan.cli import main
from kits_msan.course.paths import NOTEBOOKS
from kits_msan.course.site import build as site
from kits_msan.course.site.build import WIDGETS, build_site
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.viewer.letters import letters

pytestmark = pytest.mark.slow

FETCHED = {"src", "srcset", "data", "poster", "action", "background"}  # what a browser loads by itself


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the page's ids."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.ids = {given["id"] for _, given in self.elements if given.get("id")}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def pages(course_site: Path) -> dict[str, Elements]:
    return {path.name: Elements(path) for path in sorted(course_site.glob("*.html"))}


def search_index(folder: Path) -> list[list[str]]:
    text = (folder / "search.js").read_text(encoding="utf-8")
    index: list[list[str]] = json.loads(text.removeprefix("const SEARCH = ").removesuffix(";\n"))
    return index


def test_every_notebook_and_document_has_its_page(pages: dict[str, Elements]) -> None:
    wanted = {f"{path.stem}.html" for path in NOTEBOOKS.glob("0*.ipynb")}
    wanted |= {f"{path.stem.lower()}.html" for path in (NOTEBOOKS.parent / "docs").glob("*.md")}
    assert set(pages) == wanted | {"index.html", "readme.html", "segment.html", "network.html"}


def test_nothing_is_fetched_from_the_network(course_site: Path, pages: dict[str, Elements]) -> None:
    for name, page in pages.items():
        for tag, given in page.elements:
            loaded = [given[key] for key in FETCHED & set(given)]
            if tag == "link":
                loaded.append(given.get("href"))
            for address in filter(None, loaded):
                assert address.startswith("data:") or (course_site / address).is_file(), (name, tag, address[:80])
    for path in course_site.glob("*.css"):
        assert not re.search(r"url\(|@import", path.read_text(encoding="utf-8")), path.name


def test_every_link_inside_leads_somewhere(pages: dict[str, Elements], course_site: Path) -> None:
    links = 0
    for name, page in pages.items():
        for address in (given.get("href") or "" for tag, given in page.elements if tag == "a"):
            if "://" not in address:
                target, _, anchor = address.partition("#")
                assert not target or (course_site / target).is_file(), (name, address)
                assert not anchor or anchor in pages[target or name].ids, (name, address)
                links += 1
    assert links > 50


def test_every_picture_has_a_text(pages: dict[str, Elements]) -> None:
    texts = [given.get("alt") for page in pages.values() for tag, given in page.elements if tag == "img"]
    assert len(texts) > 10
    assert all(text and not text.startswith("No description") for text in texts)


def test_formulas_are_mathml(course_site: Path) -> None:
    page = (course_site / "03_res2net.html").read_text(encoding="utf-8")
    assert re.search(r'<math [^>]*display="block"', page)
    assert "$$" not in page
    assert "\\qquad" not in page


def test_a_score_and_its_interval_stay_on_one_line(course_site: Path) -> None:
    page = (course_site / "results.html").read_text(encoding="utf-8")
    assert re.search(r"<td>[\d.]+\u00a0\[[\d.]+,\u00a0[\d.]+\]</td>", page)
    assert not re.search(r"<td>[\d.]+ \[", page)


def test_the_first_page_tells_questions_and_objectives(course_site: Path) -> None:
    page = (course_site / "index.html").read_text(encoding="utf-8")
    for path in NOTEBOOKS.glob("0*.ipynb"):
        first = nbformat.read(path, as_version=4).cells[0].source
        assert f'<a href="{path.stem}.html">' in page
        assert page.count("<strong>The question.</strong>") == 5
        objectives = re.findall(r"^- (\w+)", first, re.MULTILINE)
        assert len(objectives) >= 3
        assert all(f"<li>{word}" in page for word in objectives)
    for command in ("make lab ", "make course "):
        assert page.count(command) == 1  # once, with what it does
    assert '<h2 id="results">Results</h2>' in page
    assert '<a href="results.html">docs/results.md</a>' in page
    assert page.count("<img ") == 2 + 5  # the viewer, a picture a notebook, the results


def test_the_search_index_holds_text_code_and_outputs(course_site: Path, pages: dict[str, Elements]) -> None:
    index = search_index(course_site)
    for page, title, anchor, _, _ in index:
        assert title
        assert not anchor or anchor in pages[page].ids
    text = " ".join(" ".join(section) for section in index)
    for words in ("Hounsfield units", "def receptive_field", "width of the receptive field"):
        assert words in text
    assert "base64" not in text


def test_the_package_has_pages_of_its_docstrings(course_site: Path) -> None:
    index = (course_site / "api" / "index.html").read_text(encoding="utf-8")
    assert 'href="kits_msan/inference.html"' in index
    assert predict.__doc__
    page = (course_site / "api" / "kits_msan" / "inference.html").read_text(encoding="utf-8")
    assert predict.__doc__.partition(":")[0] in page
    assert not (course_site / "api" / "kits_msan" / "commands").exists()  # nobody imports from these
    assert "<style>" not in page  # which all pages would hold
    assert '<link rel="stylesheet" href="../style-1.css">' in page


# ---- notebooks of one's own ----


def write_notebook(folder: Path, *cells: Any, **metadata: Any) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "01_own.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    cell = new_markdown_cell(
        "# A & B </script><b>\n\n`<img src=x>` and [paper](../docs/paper.md#nowhere), [gone](../x.py)"
    )
    build_site(tmp_path / "site", [write_notebook(tmp_path / "run", cell)])
    page = (tmp_path / "site" / "01_own.html").read_text(encoding="utf-8")
    assert "<img src=x>" not in page
    assert '<a href="paper.html#nowhere">paper</a>' in page
    assert "gone</p>" in page  # a file that is not on the site: its name, no link


def scripted(path: Path, store: str) -> Any:
    """What a script puts into a store under its own name."""
    text = path.read_text(encoding="utf-16").removeprefix(f'{store}["{path.stem}"] = ')
    return json.loads(text.removesuffix(";\n"))


def test_a_viewer_gets_its_volumes_and_another_widget_its_text(tmp_path: Path) -> None:
    scene = {
        "_scene": {"shape": [1, 2, 3]},
        "_data": {"image": [None, None], "labels": []},
        "_esm": "export",
        "layout": "x",
    }
    parts = [
        {"path": ["_data", "image", place], "data": base64.b64encode(bytes([place])).decode(), "encoding": "base64"}
        for place in (0, 1)
    ]
    parts.append({"path": ["_data", "heat"], "data": "aGVhdA==\n", "encoding": "base64"})
    stored = {name: {"state": scene, "buffers": parts} for name in "ad"} | {"b": {"state": {"value": 3}}}
    cells = [
        new_code_cell(name, outputs=[new_output("display_data", {
            site.VIEW: {"model_id": name}, "text/html": f"<i>{name}</i>", "text/plain": name,
        })])
        for name in "abcd"
    ]  # fmt: skip
    for cell, name in zip(cells, "abcd", strict=True):
        cell.id = f"cell-{name}"
    cells[1].outputs.append(new_output("display_data", {}))  # as of display(display_id=True)
    notebook = write_notebook(tmp_path / "run", *cells, widgets={WIDGETS: {"state": stored}})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        build_site(tmp_path / "site", [notebook])
    page = (tmp_path / "site" / "01_own.html").read_text(encoding="utf-8")
    assert '<div data-viewer="01_own-cell-a"><i>a</i></div>' in page
    assert page.count("data-viewer") == 2
    assert "<i>b</i>" in page
    assert "<i>c</i>" in page
    (scan,) = (tmp_path / "site").glob("scan-*.js")  # both show it
    assert scripted(scan, "viewerScans") == [letters(b"\0"), letters(b"\1")]
    for name in ("01_own-cell-a", "01_own-cell-d"):
        assert scripted(tmp_path / "site" / f"{name}.js", "viewerStates") == {
            "_scene": {"shape": [1, 2, 3]},
            "_data": {"labels": [], "heat": letters(b"heat")},
            "scan": scan.stem,
        }


def test_a_broken_formula_is_named(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "run", new_markdown_cell("# One\n\nis $x_{$ here"))
    with pytest.raises(InputError, match=r"01_own\.ipynb: the formula .* is not LaTeX"):
        build_site(tmp_path / "site", [notebook])
    assert not (tmp_path / "site").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_notebook(tmp_path / "run", new_markdown_cell("# One"))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(site, "write_api", lambda _: write_notebook(tmp_path / "site"))
        with pytest.raises(InputError, match="no site of the course"):
            build_site(tmp_path / "site", [run], overwrite=True)
    with pytest.raises(InputError, match="already holds results"):
        build_site(tmp_path / "site", [run])
    with pytest.raises(InputError, match="holds something that is no site of the course"):
        build_site(tmp_path / "site", [run], overwrite=True)
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["01_own.ipynb"]
    (tmp_path / "site" / "site.js").touch()  # as of any site
    with pytest.raises(InputError, match="holds something that is no site of the course"):
        build_site(tmp_path / "site", [run], overwrite=True)
    (tmp_path / "site" / "index.html").write_text("<title>kits_msan</title>", encoding="utf-8")  # ours
    build_site(tmp_path / "site", [run], overwrite=True)
    assert not (tmp_path / "site" / "01_own.ipynb").exists()


def test_a_notebook_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "NOTEBOOKS", write_notebook(tmp_path / "run").parent)
    monkeypatch.setattr(site, "course_data", lambda *_, **__: None)
    monkeypatch.setattr(site, "execute", lambda *arguments, **options: "01_own.ipynb failed in cell 'x' [1]: E")
    with pytest.raises(InputError, match=r"01_own\.ipynb failed in cell"):
        build_site(tmp_path / "new" / "site")
    assert not (tmp_path / "new").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_notebook(tmp_path / "run", new_markdown_cell("# One")).parent
    assert main(["site", "--out", str(tmp_path / "site"), "--run", str(run)]) == 0
    assert f"open {tmp_path / 'site' / 'index.html'} in a browser" in capsys.readouterr().out
    assert main(["site", "--out", str(tmp_path / "other"), "--run", str(tmp_path)]) == 2
    assert "holds no executed notebooks" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
