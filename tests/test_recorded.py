"""The figures that are committed: tables follow from the scores beside them, and the pages quote the tables."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from kits_msan.ablation.report import report
from kits_msan.ablation.results import TABLE, load_results
from kits_msan.networks import MODELS
from kits_msan.training import read_metrics

ROOT = Path(__file__).parents[1]
NAMES = ("shipped", "laptop", "peers", "finepeers", "ablation", "ablation-seeds")
FOLDERS = [ROOT / "data" / name for name in NAMES]
INTERVAL = r"[+-]?\d+\.\d+ \[[+-]?\d+\.\d+,\s[+-]?\d+\.\d+\]"  # 86.0 [82.4, 89.0]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_report_is_that_of_the_scores(folder: Path) -> None:
    assert (folder / TABLE).read_text(encoding="utf-8") == report(*load_results(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_results_page_holds_the_tables(folder: Path) -> None:
    """After new scores: make readme. The table is the report's first section."""
    table = (folder / TABLE).read_text(encoding="utf-8").partition("\n## ")[0].rstrip()
    assert table in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_card_of_the_networks_holds_their_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """After new scores: make readme."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    refresh = import_module("refresh")
    card = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    assert refresh.refreshed_card(card) == card
    assert refresh.refreshed_card(card.replace("| 3D U-Net | 9", "| MSAN-V1 | 9", 1)) == card


@pytest.mark.parametrize("page", ["docs/results.md", "data/README.md"])
def test_pages_quote_the_reports(page: str) -> None:
    reports = "".join((folder / TABLE).read_text(encoding="utf-8") for folder in FOLDERS)
    quoted = [" ".join(found.split()) for found in re.findall(INTERVAL, (ROOT / page).read_text(encoding="utf-8"))]
    assert quoted
    assert [figure for figure in quoted if figure not in reports] == []


@pytest.mark.parametrize("name", MODELS)
def test_the_recorded_losses_are_of_whole_trainings_and_fall(name: str) -> None:
    """Notebook 4 says so."""
    rows = read_metrics(ROOT / "data" / "ablation" / "curves" / f"{name}.csv")
    steps, losses = ([float(row[column]) for row in rows] for column in ("step", "loss"))
    about = json.loads((ROOT / "data" / "ablation" / "about.json").read_text(encoding="utf-8"))
    assert steps[-1] == about["profile"]["steps"]
    assert max(losses[-10:]) < 0.5 * losses[0]
