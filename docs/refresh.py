"""What README and results.md show, made anew: `make readme`, after `make notebooks` or new tables in data/.

The tables of docs/results.md and data/README.md follow from the folders of data. The small pictures are those that
the notebooks have stored. The viewer at the top of the README is a screenshot of the page that the viewer writes for
a phantom of 512x512 pixels, with the labels of the shipped networks; Chromium is needed for it.
"""

import base64
import io
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import pandas as pd
from PIL import Image

from kits_msan import SliceViewer, load_model, phantom_case
from kits_msan.ablation.report import table_markdown
from kits_msan.ablation.results import load_results
from kits_msan.ablation.strata import strata_table
from kits_msan.ablation.tables import ablation_table, cells, format_table, markdown
from kits_msan.ablation.variation import without_variants
from kits_msan.inference import predict_each
from kits_msan.networks.registry import MODELS

ROOT = Path(__file__).resolve().parents[1]
PICTURES, PAGE, CARD = ROOT / "docs" / "pictures", ROOT / "docs" / "results.md", ROOT / "data" / "README.md"
PAPERS = ["kidney, paper", "tumor, paper", "mean, paper"]
STORED = {  # a picture: the notebook and the cell whose stored output it is
    "notebook-1": ("01_data_exploration", "windows-figure"),
    "notebook-2": ("02_attention_layer", "hand-figure"),
    "notebook-3": ("03_res2net", "field-figure"),
    "notebook-4": ("04_training", "gradient"),
    "notebook-5": ("05_ensemble_and_ablation", "luck-figure"),
    "results": ("05_ensemble_and_ablation", "table-figure"),
}
SEED, GRID, SPACING = 7, (80, 512, 512), (2.0, 0.78, 0.78)
WIDEST = 900  # pixels


def refreshed(text: str) -> str:
    """results.md with its tables made anew from the scores that the project holds."""
    for folder in ("shipped", "laptop", "peers", "finepeers", "ablation", "ablation-seeds"):
        results, about = load_results(ROOT / "data" / folder)
        table = table_markdown(without_variants(results.scores), about)
        text = between(text, folder, table.rstrip())
    return text


def between(text: str, name: str, block: str) -> str:
    """The text with this block between the two markers of that name."""
    whole = f"<!-- {name} -->\n\n{block}\n\n<!-- end of {name} -->"
    return re.sub(rf"<!-- {name} -->.*?<!-- end of {name} -->", lambda _: whole, text, flags=re.DOTALL)


def refreshed_card(text: str) -> str:
    """data/README.md with the scores of the networks that ship, and those of their vote by the size of the tumor."""
    scores = load_results(ROOT / "data" / "shipped")[0].scores
    table = format_table(ablation_table(scores)).drop(columns=PAPERS).reset_index(names="Dice")
    vote = strata_table(scores[scores["tumor_ml"] > 0], "size", ["ensemble"])
    rows = [["tumor Dice of the vote, %", *cells(vote, "tumor", ".0f")], ["n", *vote["n"].astype(str)]]
    sizes = pd.DataFrame(rows, columns=["diameter", *vote["size"].astype(str)])
    return between(between(text, "card", markdown(table)), "sizes", markdown(sizes))


def stored_pictures() -> None:
    """The notebooks' own pictures, in the size of a page."""
    for name, (notebook, cell) in STORED.items():
        cells = nbformat.read(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
        [outputs] = [found.outputs for found in cells if found.id == cell]
        [data] = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
        picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        picture.thumbnail((WIDEST, WIDEST))
        picture.quantize(64).save(PICTURES / f"{name}.png", optimize=True)


def viewer_picture(chromium: str = "/usr/bin/chromium") -> None:
    """The slice viewer over a phantom of 512x512 pixels: truth, one network, and the vote of five."""
    from playwright.sync_api import sync_playwright

    case = phantom_case(SEED, "paper", GRID, SPACING)
    networks = {name: load_model(ROOT / "data" / "checkpoints" / f"{name}.safetensors") for name in MODELS}
    found = predict_each(networks, case, device="cpu")
    assert case.label is not None
    overlays = {"truth": case.label, "3D U-Net": found["unet3d"], "vote of five": found["ensemble"]}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "viewer.html"
        SliceViewer(case, overlays, window=(-160, 240)).save_html(page_file)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1240, "height": 900})
        page.goto(page_file.as_uri())
        page.wait_for_timeout(3000)  # the volumes are unpacked
        page.locator("#viewer").screenshot(path=str(PICTURES / "viewer.jpg"), type="jpeg", quality=80)
        browser.close()


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    CARD.write_text(refreshed_card(CARD.read_text(encoding="utf-8")), encoding="utf-8")
    stored_pictures()
    viewer_picture(*sys.argv[1:])
