"""The pages: what they link to and which files they cite exist."""

import re
from pathlib import Path

import pytest

from kits_msan import __version__

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for pattern in ("*.md", "docs/*.md", "data/*.md", "benchmarks/*.md") for path in ROOT.glob(pattern)
)
MADE = (
    "data/",
    "mydata/",
    "runs/",
    "site/",
    "predicted",
    "notebooks/student/",
)  # by the commands that the pages show


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_cited_files_exist(page: Path) -> None:
    for cited in re.findall(
        r"`([\w./-]+/[\w.-]+\.(?:py|js|md|json|csv|yml|ipynb|toml))`", page.read_text(encoding="utf-8")
    ):
        places = [ROOT / cited, page.parent / cited, ROOT / "kits_msan" / cited]
        assert cited.startswith(MADE) or any(place.exists() for place in places), f"{page.name} cites {cited}"


def test_one_version_everywhere() -> None:
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_recipes_at_the_papers_settings_leave_out_no_case() -> None:
    """The paper trains on the first 180."""
    lines = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
    recipes = [
        line for line in lines if line.startswith("kits-msan prepare data/kits19 ") and "--profile paper" in line
    ]
    assert recipes
    assert [line for line in recipes if "--exclude" in line] == []
