"""What a person does next in a page that segments: another scan, the same file again, a stop, a look elsewhere."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browser.segment.test_segment import idle, opened  # noqa: F401  (a fixture)
from kits_msan.data.cases import save_case
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE

DROP = """([names, text, where]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), dataTransfer = new DataTransfer();
    for (const name of names) dataTransfer.items.add(new File([bytes], name));
    const options = { dataTransfer, bubbles: true, cancelable: true };
    const node = document.querySelector(where);
    return ["dragover", "drop"].map((kind) => node.dispatchEvent(new DragEvent(kind, options)));
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
SCALE = "node => node.getBoundingClientRect().width / node.parentElement.getBoundingClientRect().width"


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    save_case(phantom_case(5, SMOKE), tmp_path / "case")
    return tmp_path / "case" / "imaging.nii.gz"


def segmented(page: Page, count: int = 2) -> None:
    for box in page.locator("fieldset").nth(1).get_by_role("checkbox").all()[count:]:
        box.uncheck()
    page.get_by_role("button", name="Segment").click()
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
