"""The page that segments in Firefox: the vote, the attention weights, a file that is refused."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from browser.segment.firefox import Firefox, find_firefox, running_firefox
from browser.segment.test_segment import DROP, load_case_label
from kits_msan.course.paths import CHECKPOINTS
from kits_msan.inference import predict
from kits_msan.networks.checkpoints import load_model
from kits_msan.networks.registry import MODELS
from kits_msan.page.build import write_segment
from kits_msan.page.phantoms import choose_phantoms, page_case
from kits_msan.phantom.make import phantom_case
from kits_msan.profiles import SMOKE

STATUS = """new Promise((resolve) => {
    const look = () => document.querySelector("main").dataset.state === "idle"
        ? resolve(document.querySelector("[data-part=status]").textContent) : setTimeout(look, 50);
    look();
})"""
SAVED = """(async () => {
    const make = URL.createObjectURL;
    const made = new Promise((resolve) => { URL.createObjectURL = (blob) => { resolve(blob); return make(blob); }; });
    document.querySelector("[data-part=save]").click();
    const bytes = new Uint8Array(await (await made).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
})()"""


@pytest.fixture
def opened(tmp_path: Path, folder: Path) -> Iterator[Firefox]:
    program = find_firefox()
    if program is None:
        pytest.skip("no Firefox on the PATH")
    (tmp_path / "profile").mkdir()
    with running_firefox(program, tmp_path / "profile") as firefox:
        firefox.open(folder / "index.html")
        assert "voxels of" in firefox.run(STATUS)
        yield firefox
        assert not firefox.faults


def test_the_vote_is_that_of_python(opened: Firefox, folder: Path, tmp_path: Path) -> None:
    opened.run('document.querySelector("[data-part=start]").click()')
    assert opened.run(STATUS).startswith("The vote of 5 networks: ")
    (tmp_path / "vote.nii.gz").write_bytes(base64.b64decode(opened.run(SAVED)))
    models = [load_model(folder / f"{name}.safetensors") for name in MODELS]
    wanted = predict(models, phantom_case(next(iter(choose_phantoms())), SMOKE))
    assert (load_case_label(tmp_path / "vote.nii.gz") != wanted).sum() <= 5
    opened.run("""(() => {
        const heat = document.querySelector("[data-part=heat]");
        heat.selectedIndex = 1;
        heat.dispatchEvent(new Event("change"));
    })()""")
    assert opened.run(STATUS).startswith("Attention weights W of level 0 of MSAN-V1")
    text = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2).decode()
    opened.run(f"({DROP})(['png.nii', '{text}'])")
    assert opened.run(STATUS).startswith("png.nii is not a readable NIfTI file (")
    part = "document.querySelector('[data-part=%s]')"  # the phantom stays open, with its results
    assert not opened.run(f"{part % 'results'}.hidden")
    assert opened.run(f"{part % 'file'}.value + {part % 'scan'}.selectedIndex") == "1"


def test_the_shipped_3d_unet_is_that_of_python(opened: Firefox, folder: Path, tmp_path: Path) -> None:
    write_segment(tmp_path, CHECKPOINTS)
    for name in ("index.html", "viewer.js", "page.css"):
        shutil.copy(folder / name, tmp_path)
    opened.open(tmp_path / "index.html")
    assert "voxels of" in opened.run(STATUS)
    opened.run("""(() => {
        const boxes = document.querySelectorAll("[data-part=networks] input");
        for (const box of boxes) box.checked = box.value === "unet3d";
        document.querySelector("[data-part=start]").click();
    })()""")
    assert opened.run(STATUS).startswith("1 network: ")
    (tmp_path / "unet3d.nii.gz").write_bytes(base64.b64decode(opened.run(SAVED)))
    model = load_model(CHECKPOINTS / "unet3d.safetensors")
    assert model.profile is not None
    wanted = predict(model, page_case(next(iter(choose_phantoms())), model.profile))
    assert (load_case_label(tmp_path / "unet3d.nii.gz") != wanted).sum() <= 5
