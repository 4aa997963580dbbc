"""The drawings to move: what a page without a kernel is given, and builds that are filled in or not."""

import base64
import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kits_msan.course.cells import built, fine_case, first_case
from kits_msan.course.explorables import widgets
from kits_msan.course.figures import planes
from kits_msan.data.cases import Case, find_cases, kits_affine, load_case
from kits_msan.errors import InputError
from kits_msan.phantom import case_seed, phantom_case, write_phantoms
from kits_msan.profiles import PROFILES


def given(explorable: widgets.Explorable) -> dict[str, object]:
    """What the HTML of an explorable tells the page's script."""
    data, _ = explorable._repr_mimebundle_()
    found = re.search(r'data-explorable="(\w+)" data-given="([^"]*)"', data["text/html"])
    assert found
    assert found[1] in widgets.NAMES
    told: dict[str, object] = json.loads(html.unescape(found[2]))
    return told


def case(size: int) -> Case:
    image = np.arange(2 * size * size, dtype=np.int16).reshape(2, size, size)
    label = np.zeros(image.shape, np.uint8)
    label[1, size // 2, size // 4] = 2
    return Case("case", image, label, (5.0, 2.0, 1.0), kits_affine((5.0, 2.0, 1.0)))


def test_a_slice_is_sent_with_its_shape_and_millimeters() -> None:
    told = given(widgets.field(case(8), 1))
    pixels = np.frombuffer(base64.b64decode(str(told["image"])), "<i2").reshape(8, 8)
    assert (pixels == case(8).image[1]).all()  # type: ignore[index]
    assert told["mm"] == [2.0, 1.0]
    assert told["center"] == [4, 2]


def test_a_large_slice_is_thinned_out_in_true_proportions() -> None:
    told = given(widgets.window(case(300), 0))
    assert told["shape"] == [100, 100]
    assert told["mm"] == [6.0, 3.0]
    assert given(widgets.field(case(300), 1))["center"] == [50, 25]


@pytest.mark.parametrize("explorable", [widgets.attention, widgets.overlap, widgets.vote])
def test_one_without_data_is_whole(explorable: object) -> None:
    assert given(explorable()) == {}  # type: ignore[operator]


def test_every_drawing_has_a_function_in_its_file_that_the_page_can_call() -> None:
    script = widgets.page_script()
    for name in widgets.NAMES:
        assert re.search(
            rf"^function {name}\(el", (widgets.FOLDER / f"{name}.js").read_text(encoding="utf-8"), re.MULTILINE
        )
        assert f"function {name}(el" in script
    assert "http" not in script.replace("http://www.w3.org/2000/svg", "")


def test_a_build_counts_when_it_does_something() -> None:
    class Layer:
        def forward(self, x: int) -> object:
            """A starter."""
            return ...

    def done(x: np.ndarray) -> np.ndarray:
        return x[..., 0]

    assert not built(Layer.forward)
    assert not built(done, Layer.forward)
    assert built(done)


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def mine() -> object:
        return ...

    assert not built(mine)
    assert "fill in mine above" in capsys.readouterr().out


def test_the_first_case_with_a_tumor_is_the_same_alone_and_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoke = PROFILES["smoke"]
    monkeypatch.setattr("kits_msan.course.paths.ROOT", tmp_path)
    alone = first_case(smoke, seed=4)
    write_phantoms(tmp_path / "data" / "phantoms-smoke-4", smoke.train_cases, 1, seed=4, profile=smoke)
    cases = [load_case(path) for path in find_cases(tmp_path / "data" / "phantoms-smoke-4")]
    stored = next(case for case in cases if np.any(case.label == 2))
    assert stored.name != "case_00000"  # which has none: the tasks of notebook 1 ask for one
    assert (alone.image == stored.image).all()  # type: ignore[union-attr]
    assert (alone.label == stored.label).all()  # type: ignore[union-attr]
    assert alone.name == stored.name == first_case(smoke, seed=4).name
    with pytest.raises(InputError, match="does not exist"):
        first_case(smoke, "/nowhere")
    assert fine_case(smoke, seed=4).shape == smoke.grid


def test_the_first_case_of_a_folder_at_home(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):  # where Linux and Windows look
        monkeypatch.setenv(name, str(data.parent))
    assert first_case(PROFILES["smoke"], f"~/{data.name}").name == "case_00000"


def test_the_axial_plane_is_drawn_from_the_finer_grid(make_case: Callable[..., Case]) -> None:
    case, fine = make_case(shape=(6, 8, 10)), make_case(shape=(4, 32, 40))
    sizes = [axes.images[0].get_array().shape for axes in planes(case, fine=fine).axes]  # type: ignore[union-attr]
    assert sizes == [(32, 40), (6, 10), (6, 8)]


def test_the_fine_case_is_the_same_patient_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kits_msan.course.paths.ROOT", tmp_path)
    monkeypatch.setattr("kits_msan.course.paths.require_repository", lambda: None)
    monkeypatch.setattr("kits_msan.course.cells.FINE_GRID", (12, 64, 64))
    monkeypatch.setattr("kits_msan.course.cells.FINE_SPACING", (8.0, 6.0, 6.0))
    laptop = PROFILES["laptop"]
    fine = fine_case(laptop, seed=3)
    assert fine.shape == (12, 64, 64)
    assert fine.spacing == (8.0, 6.0, 6.0)
    first = first_case(laptop, seed=3)
    assert np.any(first.label == 2)
    assert fine.name == first.name != "case_00000"  # which has no tumor
    number = int(first.name.removeprefix("case_"))
    same = phantom_case(case_seed(3, "train", number), laptop, (12, 64, 64), (8.0, 6.0, 6.0))
    assert same.label is not None
    assert fine.label is not None
    assert (fine.label == same.label).all()
    monkeypatch.setattr("kits_msan.phantom.make.write_phantoms", None)  # it must not be made again
    assert fine_case(laptop, seed=3).name == first.name
