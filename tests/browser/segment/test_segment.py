"""A page that segments, opened from disk with the network off: a phantom, a file of one's own, what is refused."""

import base64
import gzip
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from browser.test_access import LOOKS, serious
from kits_msan.data.cases import load_case, save_case
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.metrics import dice_scores
from kits_msan.networks.checkpoints import load_model
from kits_msan.networks.registry import MODELS
from kits_msan.page.phantoms import choose_phantoms
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE


@pytest.fixture
def opened(page: Page, folder: Path) -> Page:
    page.goto((folder / "index.html").as_uri())
    idle(page)
    return page


def idle(page: Page) -> None:
    expect(page.locator("main")).to_have_attribute("data-state", "idle", timeout=120_000)


def saved(page: Page, path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    download.value.save_as(path)
    idle(page)
    return path


COUNT = """() => {
    window.scripts = { made: 0, left: 0 };
    const { createObjectURL: make, revokeObjectURL: revoke } = URL, addresses = new Set();
    URL.createObjectURL = (blob) => {
        const address = make.call(URL, blob);
        if (blob.type === "text/javascript") scripts.made++, scripts.left = addresses.add(address).size;
        return address;
    };
    URL.revokeObjectURL = (address) => {
        if (addresses.delete(address)) scripts.left = addresses.size;
        revoke.call(URL, address);
    };
}"""


def test_the_vote_is_that_of_python(opened: Page, folder: Path, tmp_path: Path) -> None:
    seed = next(iter(choose_phantoms()))
    case, models = phantom_case(seed, SMOKE), [load_model(folder / f"{name}.safetensors") for name in MODELS]
    opened.evaluate(COUNT)
    opened.get_by_role("button", name="Segment").click()
    idle(opened)
    assert opened.evaluate("scripts.made > 0 && scripts.left === 0")  # workers that are done leave no script behind
    for clean in (True, False):
        opened.get_by_label("clean-up").set_checked(clean)
        idle(opened)
        name = f"vote-{clean}"
        seen = load_case_label(saved(opened, tmp_path / f"{name}.nii.gz"))
        wanted = predict(models, case, clean=clean)
        assert (seen != wanted).sum() <= 5
        score = dice_scores(wanted, case.label)["kidney"]  # type: ignore[arg-type]
        cell = opened.get_by_role("row", name="Vote of 5").get_by_role("cell").first
        assert float(cell.inner_text()) == pytest.approx(score, abs=2e-3)
    opened.get_by_label("attention weights").select_option(index=1)
    idle(opened)
    expect(opened.locator(".kits-viewer")).to_contain_text("attention 0")
    opened.set_viewport_size({"width": 380, "height": 800})
    caption, frame = (opened.locator(place).bounding_box() for place in ("caption", ".ks-table"))
    assert caption
    assert frame
    assert caption["width"] <= frame["width"]  # the table is wider, and scrolls


def load_case_label(path: Path) -> np.ndarray:
    from kits_msan.data.cases import load_label

    label = load_label(path).label
    assert label is not None
    return label


def test_a_scan_of_ones_own_and_one_that_is_refused(opened: Page, folder: Path, tmp_path: Path) -> None:
    case = phantom_case(5, SMOKE, grid=(20, 40, 44), spacing=(6.0, 9.0, 8.5))
    save_case(case, tmp_path / "case")
    path = tmp_path / "case" / "imaging.nii.gz"
    opened.locator("fieldset").nth(1).get_by_label("3D U-Net").uncheck()
    opened.locator("input[type=file]").set_input_files(path)
    idle(opened)
    expect(opened.locator("[data-part=status]")).to_contain_text("20 x 40 x 44 voxels of 6 x 9 x 8.5 mm")
    opened.get_by_role("button", name="Segment").click()
    idle(opened)
    seen = load_case_label(saved(opened, tmp_path / "own.nii.gz"))
    models = [load_model(folder / f"{name}.safetensors") for name in MODELS if name != "unet3d"]
    wanted = predict(models, load_case(path))
    assert (seen != wanted).mean() < 1e-3  # HU that lie between two are rounded to either
    damaged = tmp_path / "scan.nii.gz"
    damaged.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InputError) as refused:
        load_case(damaged)
    opened.locator("input[type=file]").set_input_files(damaged)
    idle(opened)
    before, after = re.split(r"\([^)]+\)", str(refused.value).replace(str(damaged), damaged.name))
    said = re.compile(rf"^{re.escape(before)}\([^)]+\){re.escape(after)}$")  # the reason is the unpacker's own
    expect(opened.locator("[data-part=status]")).to_have_text(said)


DROP = """async ([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    const root = document.querySelector("main");
    for (const kind of ["dragover", "drop"]) {
        root.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true }));
    }
}"""


def test_files_that_are_dropped_and_refused(opened: Page, tmp_path: Path) -> None:
    """In Python's words, except for the reason in brackets, and the page goes on."""
    save_case(phantom_case(5, SMOKE), tmp_path)
    whole = gzip.decompress((tmp_path / "imaging.nii.gz").read_bytes())
    header = bytearray(whole)
    struct.pack_into("<3h", header, 42, 3000, 3000, 1000)  # 18 GB of voxels
    hollow = bytearray(whole)
    struct.pack_into("<2h", hollow, 70, 16, 32)  # as floats, whose last is none
    hollow += bytes(len(whole)) + struct.pack("<f", float("nan"))
    struct.pack_into("<f", hollow, 352, float("nan"))
    status = opened.locator("[data-part=status]")
    for name, data in {
        "huge.nii": bytes(header),
        "cut.nii.gz": gzip.compress(whole)[:-100],
        "png.nii": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2,
        "zip.nii.gz": b"PK\3\4" + bytes(range(256)) * 2,
        "hollow.nii": bytes(hollow),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError) as refused:
            load_case(tmp_path / name)
        opened.evaluate(DROP, [name, base64.b64encode(data).decode()])
        idle(opened)
        seen, wanted = status.inner_text(), str(refused.value).replace(str(tmp_path / name), name)
        reason = r" \([^)]*\)(?=; (?:f|remove))"
        assert re.sub(reason, "", seen) == re.sub(reason, "", wanted)
        expect(opened.locator(".kits-viewer")).to_be_visible()  # of the scan before
    opened.evaluate(DROP, ["good.nii", base64.b64encode(whole).decode()])
    idle(opened)
    expect(status).to_contain_text("good.nii: ")
    expect(opened.locator(".kits-viewer")).to_be_visible()
    expect(opened.locator(".ks-over")).to_have_count(0)


def test_with_the_keyboard_alone(opened: Page) -> None:
    """The focus stays where it is while the page computes, and the viewer as it was set."""
    order = []
    for _ in range(9):
        opened.keyboard.press("Tab")
        order.append(opened.evaluate("document.activeElement.dataset.part ?? document.activeElement.value"))
    assert order == ["scan", "file", *MODELS, "start", order[-1]]
    opened.keyboard.press("Shift+Tab")
    opened.keyboard.press("Enter")
    idle(opened)
    expect(opened.get_by_role("button", name="Segment", exact=True)).to_be_focused()
    expect(opened.locator("[data-part=status]")).to_contain_text("The vote of 5 networks: ")
    opened.get_by_label("labels").select_option("errors")
    opened.get_by_role("button", name="coronal").press("Enter")
    heat = opened.get_by_label("attention weights")
    heat.focus()
    opened.keyboard.press("ArrowDown")
    idle(opened)
    expect(heat).to_be_focused()
    expect(opened.locator(".kits-viewer")).to_contain_text("attention 0")
    opened.get_by_label("clean-up").press("Space")
    idle(opened)
    expect(opened.get_by_label("clean-up")).to_be_focused()
    expect(opened.get_by_label("clean-up")).not_to_be_checked()
    expect(opened.get_by_label("labels")).to_have_value("errors")
    expect(opened.get_by_role("button", name="coronal")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_it_has_no_serious_finding(opened: Page, theme: str, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    opened.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    opened.get_by_role("button", name="Segment").click()
    idle(opened)
    assert serious(opened) == []
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_a_network_it_says_so(opened: Page) -> None:
    for box in opened.locator("fieldset").nth(1).get_by_role("checkbox").all():
        box.uncheck()
    opened.get_by_role("button", name="Segment").click()
    expect(opened.locator("[data-part=status]")).to_have_text("choose a network first.")
