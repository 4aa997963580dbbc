"""What a person does next in a page that segments: another scan, the same file again, a stop, a look elsewhere."""

import base64
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.segment.test_segment import idle, load_case_label, opened, saved  # noqa: F401  (a fixture)
from kits_msan.data.cases import save_case
from kits_msan.page.phantoms import choose_phantoms
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE

DROP = """([names, text, where]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), dataTransfer = new DataTransfer();
    for (const name of names) dataTransfer.items.add(new File([bytes], name));
    const options = { dataTransfer, bubbles: true, cancelable: true };
    const node = document.querySelector(where);
    return ["dragover", "drop"].map((kind) => node.dispatchEvent(new DragEvent(kind, options)));
}"""
DROP_NOTHING = """() => {
    const drop = new Event("drop", { cancelable: true });
    drop.dataTransfer = { types: ["Files"], files: [] };
    document.dispatchEvent(drop);
}"""
STOP = """() => new Promise((resolve) => {
    const stop = document.querySelector("[data-part=stop]");
    new MutationObserver((_, observer) => {
        observer.disconnect();
        stop.click();
        resolve();
    }).observe(stop, { attributes: true });
    document.querySelector("[data-part=start]").click();
})"""
CLICKED = "node => { node.click(); return document.querySelector('[data-part=status]').textContent; }"
SCALE = "node => node.getBoundingClientRect().width / node.parentElement.getBoundingClientRect().width"


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    save_case(phantom_case(5, SMOKE), tmp_path / "case")
    return tmp_path / "case" / "imaging.nii.gz"


def segmented(page: Page, count: int = 2) -> None:
    for at, box in enumerate(page.locator("fieldset").nth(1).get_by_role("checkbox").all()):
        box.set_checked(at < count)
    page.get_by_role("button", name="Segment", exact=True).click()
    idle(page)


def test_heat_is_not_said_to_be_shown_for_the_next_scan(opened: Page) -> None:  # noqa: F811
    segmented(opened)
    heat = opened.get_by_label("attention weights")
    heat.select_option(label="MSAN-V1, level 0 (finest)")
    idle(opened)
    expect(opened.locator("figcaption b").last).to_have_text("MSAN-V1, attention 0")
    opened.get_by_label("phantom").select_option(index=2)
    idle(opened)
    opened.get_by_role("button", name="Segment").click()
    idle(opened)
    expect(opened.locator("figcaption b")).to_have_text(["truth", "3D U-Net", "MSAN-V1", "Vote of 2"])
    expect(heat).to_have_value("")


def test_the_same_file_can_be_chosen_again(opened: Page, scan: Path) -> None:  # noqa: F811
    """A browser tells of a file only where it differs from the one whose name it shows."""
    file, phantom = opened.locator("input[type=file]"), opened.get_by_label("phantom")
    file.set_input_files(scan)
    idle(opened)
    assert file.input_value().endswith("imaging.nii.gz")
    phantom.select_option(index=1)
    idle(opened)
    assert file.input_value() == ""
    scan.write_bytes(scan.read_bytes()[:100])
    file.set_input_files(scan)
    idle(opened)
    expect(opened.locator(".ks-fault")).to_contain_text("imaging.nii.gz is not a readable NIfTI file")
    assert file.input_value() == ""


def test_a_refused_file_leaves_the_open_scan_and_its_results(opened: Page, scan: Path, tmp_path: Path) -> None:  # noqa: F811
    """Segment then goes on with the scan that is open, and Download gives its labels."""
    file, status = opened.locator("input[type=file]"), opened.locator("[data-part=status]")
    own = scan.rename(tmp_path / "own.nii.gz")
    file.set_input_files(own)
    idle(opened)
    segmented(opened, 1)
    opened.locator(".kv-panels").press("Home")
    before = opened.locator(".ks-table").inner_text()
    for name in ("picture.png", "cut.nii.gz"):
        (tmp_path / name).write_bytes(own.read_bytes()[:3000])
        file.set_input_files(tmp_path / name)
        idle(opened)
        expect(opened.locator(".ks-fault")).to_contain_text(f"{name} is ")
        assert opened.locator(".ks-table").inner_text() == before
        expect(opened.locator("figcaption b")).to_have_text(["3D U-Net"])
        expect(opened.locator(".kv-panels")).to_have_attribute("aria-valuenow", "1")
        expect(opened.get_by_label("phantom")).to_have_value("")
        assert file.input_value().endswith("own.nii.gz")
    segmented(opened, 2)
    expect(status).to_contain_text("The vote of 2 networks: ")
    with opened.expect_download() as download:
        opened.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "own_segmentation.nii.gz"
    idle(opened)


def test_no_scan_is_taken_unasked(page: Page, folder: Path, tmp_path: Path) -> None:
    """Where the first phantom is damaged, nothing is open, the form says so, and Segment asks for a scan."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / f"phantom-{next(iter(choose_phantoms()))}.js").write_text("")
    page.goto((tmp_path / "index.html").as_uri())
    idle(page)
    status, phantom = page.locator("[data-part=status]"), page.get_by_label("phantom")
    expect(page.locator(".ks-fault")).to_have_count(1)
    assert phantom.evaluate("select => select.selectedOptions[0].textContent") == "none is open"
    page.get_by_role("button", name="Segment").click()
    idle(page)
    expect(status).to_have_text("open a scan first: choose a phantom, or a CT of your own.")
    expect(page.locator("[data-part=results]")).to_be_hidden()
    phantom.select_option(index=2)
    idle(page)
    expect(status).to_contain_text("voxels of")


def test_quick_arrow_keys_open_the_last_phantom(opened: Page) -> None:  # noqa: F811
    phantom = opened.get_by_label("phantom")
    titles = phantom.locator("option").all_text_contents()
    phantom.focus()
    for _ in range(3):
        opened.keyboard.press("ArrowDown")
    idle(opened)
    expect(phantom).to_be_focused()
    assert phantom.evaluate("select => select.selectedIndex") == 4
    expect(opened.locator("[data-part=status]")).to_contain_text(f"{titles[4]}: ")


def test_the_status_is_true_of_what_is_shown(opened: Page) -> None:  # noqa: F811
    segmented(opened, 2)
    status, heat = opened.locator("[data-part=status]"), opened.get_by_label("attention weights")
    heat.select_option(index=1)
    idle(opened)
    expect(status).to_contain_text("Attention weights W of level 0")
    heat.select_option(index=0)
    idle(opened)
    expect(status).to_have_text("Attention weights are not shown.")
    box = opened.get_by_label("clean-up: keep the two largest pieces, without tumor that hardly touches kidney")
    for way in ("without", "with"):
        assert box.evaluate(CLICKED) == f"computing the labels {way} clean-up…"
        idle(opened)
        expect(status).to_have_text(f"Labels {way} clean-up.")


@pytest.mark.parametrize("moved", [False, True], ids=["as opened", "moved"])
def test_what_is_found_first_is_in_sight(opened: Page, scan: Path, tmp_path: Path, moved: bool) -> None:  # noqa: F811
    """The first run shows the slice with most tumor, or most kidney, unless somebody has looked elsewhere."""
    opened.locator("input[type=file]").set_input_files(scan)
    idle(opened)
    panels = opened.locator(".kv-panels")
    middle = int(panels.get_attribute("aria-valuenow") or "")
    if moved:
        panels.press("ArrowDown")
    segmented(opened, 1)
    label = load_case_label(saved(opened, tmp_path / "found.nii.gz"))
    counts = (label == (2 if (label == 2).any() else 1)).sum((1, 2))
    most = int(counts.argmax()) + 1
    assert most not in (middle, middle + 1)
    expect(panels).to_have_attribute("aria-valuenow", str(middle + 1 if moved else most))
    panels.press("End")
    last = panels.get_attribute("aria-valuenow")
    segmented(opened, 1)  # once more, and it stays where it was put
    expect(panels).to_have_attribute("aria-valuenow", last)
    expect(opened.get_by_role("columnheader")).to_contain_text(["", "kidney without tumor, ml", "tumor, ml"])


def test_a_file_beside_the_form_is_opened_and_the_page_stays(opened: Page, scan: Path) -> None:  # noqa: F811
    text = base64.b64encode(scan.read_bytes()).decode()
    status = opened.locator("[data-part=status]")
    assert opened.evaluate(DROP, [["own.nii.gz"], text, "html"]) == [False, False]  # the browser's own way is barred
    idle(opened)
    expect(status).to_contain_text("own.nii.gz: ")
    expect(opened.locator(".ks-over")).to_have_count(0)
    assert opened.locator("input[type=file]").input_value().endswith("own.nii.gz")
    opened.evaluate(DROP, [["a.nii.gz", "b.nii.gz"], text, "main"])
    expect(status).to_have_text("these are 2 files; drop one.")
    opened.evaluate(DROP_NOTHING)
    expect(status).to_have_text("these are 0 files; drop one.")
    assert opened.evaluate(DROP, [[], "", "body"]) == [True, True]  # text that is dragged is not ours
    while_busy = f"""(given) => {{
        document.querySelector("[data-part=scan]").dispatchEvent(new Event("change"));
        ({DROP})(given);
        return document.querySelector("[data-part=status]").textContent;
    }}"""
    said = opened.evaluate(
        while_busy, [["own.nii.gz"], text, "main"]
    )  # while one is opened, there is nothing to stop
    assert said == "still busy with the scan before: wait, and drop the file again."
    idle(opened)


def test_a_stop_is_no_fault_and_loses_nothing(opened: Page) -> None:  # noqa: F811
    opened.evaluate(STOP)
    idle(opened)
    status = opened.locator("[data-part=status]")
    expect(status).to_have_text("stopped; networks that were done are kept.")
    expect(opened.locator(".ks-fault")).to_have_count(0)
    expect(opened.get_by_role("button", name="Stop")).to_be_hidden()
    opened.get_by_role("button", name="Segment").dblclick()  # twice is once
    idle(opened)
    expect(status).to_contain_text("The vote of 5 networks: ")
    expect(opened.get_by_role("row", name="Vote of 5")).to_have_count(1)


def test_the_view_stays_as_it_was_set_until_the_next_scan(opened: Page) -> None:  # noqa: F811
    segmented(opened)
    stage, panels = opened.locator(".kv-stage").first, opened.locator(".kv-panels")
    panels.focus()
    for key in "++xw":
        opened.keyboard.press(key)
    opened.get_by_label("smooth").uncheck()
    opened.get_by_role("button", name="measure").click()
    opened.get_by_label("clean-up").uncheck()
    idle(opened)
    opened.get_by_label("show MSAN-V1").uncheck()
    expect(opened.locator("figcaption b")).to_have_text(["truth", "3D U-Net", "Vote of 2"])
    assert stage.evaluate(SCALE) == pytest.approx(1.25**2, rel=1e-3)
    expect(opened.get_by_label("crosshair")).to_be_checked()
    expect(opened.get_by_label("smooth")).not_to_be_checked()
    expect(opened.locator(".kv-sharp")).to_have_count(1)
    expect(opened.get_by_role("button", name="measure")).to_have_attribute("aria-pressed", "true")
    expect(opened.get_by_label("window")).to_have_value("-160,240")
    panels.press("r")
    expect(opened.get_by_label("window")).to_have_value("-200,500")
    panels.press("+")
    opened.get_by_label("phantom").select_option(index=2)
    idle(opened)
    assert stage.evaluate(SCALE) == pytest.approx(1)
