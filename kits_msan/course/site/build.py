"""The course as static pages: they open from disk, need no network and no kernel, and their viewers scroll.

nbconvert renders the notebooks. What it would fetch from the network is made here instead: formulas become MathML,
and a viewer is drawn by the package's own script from the widget state that the execution left in the notebook. The
search index is a script too, since a page opened from disk may not read other files.
"""

import html
import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter
from pygments.formatters import HtmlFormatter

from kits_msan.course import explorables
from kits_msan.course.paths import CHECKPOINTS, NOTEBOOKS, ROOT, can_write, course_data, require_repository
from kits_msan.course.run import execute
from kits_msan.course.site import segment
from kits_msan.course.site.api import START, write_api
from kits_msan.course.site.shared import pictures_apart
from kits_msan.course.site.text import Page, markdown, read_page, slug
from kits_msan.course.site.viewers import viewer_state, write_viewers
from kits_msan.errors import InputError
from kits_msan.files import atomic_folder, refuse_foreign
from kits_msan.page.build import write_segment
from kits_msan.page.scripts import segment_style
from kits_msan.profiles import LAPTOP
from kits_msan.viewer.scripts import page_script, page_style

WIDGETS = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
SCRIPT = "site.js"  # which each site has
OF_A_RUN = "run `kits-msan course --no-train{} --out RUN`, and add --run RUN here"
DOCUMENTS = ("README.md", "docs/*.md")
PAGE = """<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - kits_msan</title>
<link rel="stylesheet" href="site.css">
<script src="site.js"></script>
</head>
<body data-page="{name}">
<a class="skip" href="#main">Skip to the text</a>
<header>
<nav aria-label="pages"><a href="index.html">kits_msan</a> {notebooks}
<details><summary>more</summary><div>{documents}</div></details></nav>
<div role="search"><input type="search" id="search" placeholder="search the course" aria-label="search the course"
 autocomplete="off" aria-controls="found"><ol id="found" hidden></ol></div>
<button id="theme" type="button">dark</button>
</header>
<aside><nav aria-label="this page">{contents}</nav></aside>
<main id="main"><noscript><p><strong>JavaScript is switched off in this browser.</strong> Without it these pages can
be read, but no viewer or drawing moves, and no network runs.</p></noscript>
{body}{around}</main>
<script src="search.js"></script>
<script src="viewer.js"></script>
<script src="explorables.js"></script>
<script>connect();</script>{segment}
</body>
</html>
"""


def build_site(out: Path, notebooks: Sequence[Path] = (), overwrite: bool = False) -> None:
    """Write the course as pages into the folder `out`; `out/index.html` is the first.

    notebooks: executed ones, such as those of `kits-msan course`; a viewer whose widget state is not stored is a
    still picture. By default the committed ones, which are run for it with their default parameters.
    Raises InputError for an `out` that holds something, with `overwrite` something that is no such site, and for a
    notebook that fails.
    """
    require_repository()
    refuse_foreign(out, not overwrite or _is_own(out), "site of the course")
    with tempfile.TemporaryDirectory() as executed, atomic_folder(out, overwrite) as folder:
        paths = list(notebooks) or _execute_all(Path(executed))
        documents = [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
        links = {NOTEBOOKS / path.name: f"{path.stem}.html" for path in paths}
        links |= {path: f"{path.stem.lower()}.html" for path in documents}
        links |= segment.code_links()
        read = {path: _read(path) for path in paths}
        states: dict[str, Any] = {}
        pages = [_notebook_page(NOTEBOOKS / path.name, read[path], links, states) for path in paths]
        more = [segment.segment_page(), segment.code_page()]
        more += [_document_page(path, links) for path in documents]
        pages = [_first_page(list(read.values()), pages, links), *pages, *more]
        menus = {
            "notebooks": _menu(pages[1 : 1 + len(paths)]),
            "documents": _menu(more) + f' <a href="{START}">The package</a>',
        }
        for page in pages:
            contents = _contents(page)
            around = _around(page, pages[: 1 + len(paths)])
            text = PAGE.format(
                title=page.title, name=page.name, contents=contents, body=page.body, around=around,
                segment=segment.scripts_of(page), **menus,
            )  # fmt: skip
            (folder / page.name).write_text(pictures_apart(text, folder), encoding="utf-8")
        write_viewers(folder, states)
        write_segment(folder, CHECKPOINTS)
        _write_assets(folder, pages)
        write_api(folder)
        refuse_foreign(out, not overwrite or _is_own(out), "site of the course")  # it may have come meanwhile


def _is_own(out: Path) -> bool:
    """Whether `build_site` wrote the folder: many sites have a script of that name, but not our title."""
    first = out / "index.html"
    return (out / SCRIPT).exists() and first.exists() and b"kits_msan</title>" in first.read_bytes()


def _read(path: Path) -> Any:
    """A notebook. Raises InputError, naming it, if it is none."""
    try:
        return nbformat.read(path, as_version=4)
    except PermissionError as error:
        raise InputError(f"{path} may not be read; change its permissions.") from error
    except Exception as error:  # nbformat's, json's, jsonschema's
        raise InputError(f"{path} is no notebook ({type(error).__name__}); run the course again.") from error


def _execute_all(folder: Path) -> list[Path]:
    """The course's notebooks, run with their default parameters, with the state of their viewers."""
    course_data(LAPTOP, instead=OF_A_RUN.format(" --data FOLDER"))  # the notebooks' default
    if not can_write(ROOT / "runs"):
        raise InputError(f"{ROOT / 'runs'} may not be written, as the notebooks do; {OF_A_RUN.format('')}.")
    paths = []
    for notebook in sorted(NOTEBOOKS.glob("0*.ipynb")):
        started = time.perf_counter()
        if failure := execute(notebook, folder / notebook.name, keep_widgets=True):
            raise InputError(failure)
        print(f"{notebook.name}: {time.perf_counter() - started:.0f} s", flush=True)
        paths.append(folder / notebook.name)
    return paths


def _notebook_page(source: Path, notebook: Any, links: Mapping[Path, str], states: dict[str, Any]) -> Page:
    """One notebook as a page; `source` is where it lies in the project, and `states` gets those of its viewers."""
    last: dict[str, Any] = {}
    stored = notebook.metadata.pop("widgets", {}).get(WIDGETS, {}).get("state", {})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            state = viewer_state(stored.get(data.pop(VIEW, {}).get("model_id", ""), {}))
            if state:
                name = f"{source.stem}-{cell.id}"
                states[name] = state
                data["text/html"] = f'<div data-viewer="{name}">{data["text/html"]}</div>'
                last = data
        if "outputs" in cell:  # what a cell began to show, and never did, is a warning of nbconvert's
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
    segment.put_below(source.stem, last)

    exporter = HTMLExporter(template_name="basic")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    exporter.register_filter("markdown2html", lambda text: markdown(text, source, links))
    body, _ = exporter.from_notebook_node(notebook)
    return read_page(links[source], body)


def _document_page(source: Path, links: Mapping[Path, str]) -> Page:
    body = markdown(source.read_text(encoding="utf-8"), source, links)
    return read_page(links[source], body)


def _first_page(notebooks: Sequence[Any], pages: Sequence[Page], links: Mapping[Path, str]) -> Page:
    """The way in: commands and results of the README; of each notebook question, objectives and minutes."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = readme[readme.index("```") : readme.index("## Start")]
    results = readme[readme.index("## Results") : readme.index("## The package")]
    top = "![Kidneys and tumor of a synthetic patient; to a viewer that you can move](docs/pictures/viewer.jpg)"
    parts = [
        "<h1>A multi-scale attention network for kidney tumor segmentation</h1>",
        f'<a href="segment.html">{_of_readme(top)}</a>',
        "<p>A course in five notebooks. These pages show them after they have run. Read, search, answer the "
        "questions, and move the drawings. The picture above leads to a viewer. To scroll through a scan, click on "
        "its viewer; then use the wheel or the arrow keys. To change something, run the notebooks: "
        "<a href='readme.html'>how to start</a>. The networks run in the pages too: <a href='segment.html'>segment a "
        "scan</a> without installing anything. This is teaching material, not a medical device.</p>",
        _of_readme(commands),
    ]
    for notebook, page in zip(notebooks, pages, strict=True):
        text = notebook.cells[0].source
        question = "\n\n".join(re.findall(r"^\*\*(?:The question|Time)\.\*\*.*", text, re.MULTILINE))
        objectives = "\n".join(re.findall(r"^- .*", text, re.MULTILINE))
        parts.append(f'<h2 id="{slug(page.title)}"><a href="{page.name}">{page.title}</a></h2>')
        number = page.name[1]
        parts.append(_of_readme(f"![A picture of notebook {number}](docs/pictures/notebook-{number}.png)"))
        parts.append(markdown(f"{question}\n\n{objectives}", NOTEBOOKS / "index", {}))
    parts.append(_of_readme(results, links))
    return read_page("index.html", "\n".join(parts))


def _of_readme(text: str, links: Mapping[Path, str] | None = None) -> str:
    """A part of the README, in Markdown, as HTML that holds its pictures."""
    return markdown(text, ROOT / "README.md", links or {})


def _menu(pages: Sequence[Page]) -> str:
    return " ".join(f'<a href="{page.name}">{page.title.partition(":")[0]}</a>' for page in pages)


def _around(page: Page, course: Sequence[Page]) -> str:
    """Below a page of the course: the one before, the mark that it is read, the one after. Others have none."""
    if page not in course:
        return ""
    at = course.index(page)
    before, after = course[at - 1] if at else None, course[at + 1] if at + 1 < len(course) else None
    parts = [
        f'<a rel="prev" href="{before.name}">← {before.title}</a>' if before else "<span></span>",
        '<label><input type="checkbox" id="mark"> I have read this page</label>' if at else "",
        f'<a rel="next" href="{after.name}">{after.title} →</a>' if after else "<span></span>",
    ]
    return f'<nav class="around" aria-label="previous and next page">{"".join(parts)}</nav>'


def _contents(page: Page) -> str:
    return " ".join(f'<a href="#{at}">{html.escape(heading)}</a>' for at, heading, _ in page.sections[1:] if heading)


def _write_assets(folder: Path, pages: Sequence[Page]) -> None:
    """The style, the scripts and the search index."""
    here = Path(__file__).parent
    css = [(here / "site.css").read_text(encoding="utf-8"), page_style(), explorables.page_style(), segment_style()]
    for theme, style in {"light": "default", "dark": "github-dark"}.items():
        css.append(HtmlFormatter(style=style).get_style_defs(f'[data-theme="{theme}"] .highlight'))
    (folder / "site.css").write_text("\n".join(css), encoding="utf-8")
    scripts = [(here / name).read_text(encoding="utf-8") for name in ("reader.js", "site.js")]
    (folder / "site.js").write_text("\n".join(scripts), encoding="utf-8")
    (folder / "explorables.js").write_text(explorables.page_script(), encoding="utf-8")
    (folder / "viewer.js").write_text(page_script(), encoding="utf-8")
    index = [[page.name, html.unescape(page.title), *section] for page in pages for section in page.sections]
    text = f"const SEARCH = {json.dumps(index, ensure_ascii=False)};\n"
    (folder / "search.js").write_text(text, encoding="utf-8")
