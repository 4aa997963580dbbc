"""The Python side of the slice viewer: what it refuses, what it sends, what it leaves where there is no kernel."""

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from kits_msan.data.cases import Case, kits_affine
from kits_msan.errors import InputError
from kits_msan.viewer.volumes import checked_heat, pack_hounsfield, pack_labels, voxels_per_slice
from kits_msan.viewer.widget import SliceViewer

SHAPE = (6, 8, 10)
SPACING = (5.0, 1.0, 2.0)
WIDGET = "application/vnd.jupyter.widget-view+json"


def make_case(label: bool = True) -> Case:
    """HU 100 d; a kidney in slices 1 to 4 and tumor in 2 and 3, most in 3."""
    image = np.broadcast_to(100 * np.arange(6, dtype=np.int16)[:, None, None], SHAPE).copy()
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:5, 2:6, 2:8] = 1
    mask[2, 3, 3] = mask[3, 3:5, 3:6] = 2
    return Case("case_00007", image, mask if label else None, SPACING, kits_affine(SPACING))


CASE = make_case()
LABEL = np.zeros(SHAPE, np.uint8) if CASE.label is None else CASE.label
NAN = np.full(SHAPE, np.nan)

BAD = [
    ({"overlays": {"a": np.zeros((6, 8, 9), np.uint8)}}, "'a' has shape (6, 8, 9), but the image has (6, 8, 10)"),
    ({"overlays": {"a": np.full(SHAPE, None)}}, "'a' holds values of type object; whole or real numbers are needed"),
    ({"overlays": {"a": np.full(SHAPE, 3)}}, "'a' holds 3; only 0, 1 (kidney) and 2 (tumor) are labels"),
    ({"overlays": {"a": np.full(SHAPE, 257)}}, "'a' holds 257;"),
    ({"overlays": {"a": NAN}}, "'a' holds nan;"),
    ({"overlays": LABEL}, "overlays is a ndarray; give each array a name: overlays={'mine': array}"),
    ({"heat": {"votes": np.full(SHAPE, np.inf)}}, "'votes' holds NaN or infinity"),
    ({"overlays": {str(number): LABEL for number in range(7)}}, "show 6 at most"),
    ({"overlays": {1: LABEL}}, "overlays has the name 1; names are texts, such as '1'"),
    ({"overlays": {"a": LABEL}, "heat": {"a": np.zeros(SHAPE)}}, "each with its own name"),
    ({"plane": "oblique"}, "unknown plane 'oblique'; choose one of axial, coronal, sagittal"),
    ({"classes": ["cyst"]}, "unknown class 'cyst'"),
    ({"index": 6}, "index is 6; the axial slices are 0 to 5"),
    ({"plane": "sagittal", "index": 10}, "the sagittal slices are 0 to 9"),
    ({"window": (500, -200)}, "window is (500, -200); it is two numbers of HU, the first below the second"),
    ({"window": (0, float("nan"))}, "window is (0, nan)"),
    ({"opacity": 1.5}, "opacity is 1.5; it is a number between 0 and 1"),
    ({"index": 3.7}, "index is 3.7; it is a whole number"),
    ({"window": "ab"}, "window is 'ab'; it is two numbers of HU"),
    ({"classes": "tumor"}, "classes is 'tumor'; it is a list"),
]
BAD_CASES = [
    (Case("no_image", None, LABEL, SPACING, kits_affine(SPACING)), {}, "no_image has no image"),
    (Case("empty", np.zeros((0, 8, 10), np.int16), None, SPACING, kits_affine(SPACING)), {}, "shape (0, 8, 10)"),
    (Case("flat", np.zeros((8, 10), np.int16), None, SPACING, kits_affine(SPACING)), {}, "a volume (D, H, W)"),
    (Case("nan", NAN.astype(np.float32), None, SPACING, kits_affine(SPACING)), {}, "not HU"),
    (make_case(label=False), {"mode": "errors"}, "compares with an overlay named 'truth'"),
]


@pytest.mark.parametrize(("case", "arguments", "message"), [*((CASE, *bad) for bad in BAD), *BAD_CASES])
def test_bad_input_is_refused_before_anything_is_sent(
    case: Case, arguments: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SliceViewer, "open", lambda self: pytest.fail("something was sent"))
    with pytest.raises(ValueError, match=re.escape(message)):
        SliceViewer(case, **arguments)


def test_a_path_in_place_of_a_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Path is no case; .* SliceViewer\(load_case\(path\)\)"):
        SliceViewer(tmp_path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("index", 6), ("index", "3"), ("index", None), ("plane", "x"), ("arrangement", None), ("mode", b"fill")),
        *(("window", (1, 1)), ("window", "12"), ("window", [[1, 2]]), ("opacity", -0.1), ("opacity", [0.5])),
        *(("classes", ["x"]), ("classes", "tumor"), ("classes", [3]), ("classes", None)),
    ],
)
def test_traits_refuse_what_the_arguments_refuse_and_stay_as_they_were(name: str, value: Any) -> None:
    viewer = SliceViewer(CASE)
    before = getattr(viewer, name)
    with pytest.raises(InputError):
        setattr(viewer, name, value)
    assert getattr(viewer, name) == before


def test_opens_on_the_slice_with_most_tumor_or_kidney_or_in_the_middle() -> None:
    viewer = SliceViewer(CASE)
    assert (viewer.index, viewer._indices) == (3, [3, 3, 3])
    kidney = np.zeros(SHAPE, np.uint8)
    kidney[1, 2:4, 8] = kidney[0, 2, 8] = 1
    assert SliceViewer(make_case(label=False), {"found": kidney})._indices == [1, 2, 8]
    assert SliceViewer(make_case(label=False), {"nothing": np.zeros(SHAPE, np.uint8)})._indices == [3, 4, 5]
    assert SliceViewer(make_case(label=False))._indices == [3, 4, 5]
    assert SliceViewer(CASE, plane="coronal", index=np.int64(7))._indices == [3, 7, 3]


def test_each_plane_keeps_its_index_from_both_sides() -> None:
    viewer = SliceViewer(CASE, index=1)
    seen: list[int] = []
    viewer.observe(lambda change: seen.append(change.new), "index")
    viewer.plane = "sagittal"
    viewer.index = np.argmax([0, 0, 0, 0, 0, 0, 0, 0, 1])  # numpy's integers too
    viewer.plane = "axial"
    assert viewer.index == 1
    viewer.set_state({"_indices": [4, 2, 6], "plane": "coronal"})  # as it comes from the browser
    assert (viewer.plane, viewer.index) == ("coronal", 2)
    viewer.plane = "sagittal"
    assert viewer.index == 6
    assert seen == [3, 8, 1, 2, 6]


def test_overlay_by_default_and_truth_without_a_panel() -> None:
    assert [panel["name"] for panel in SliceViewer(CASE)._scene["panels"]] == ["truth"]
    assert SliceViewer(make_case(label=False))._scene["panels"] == [{"name": "CT", "kind": "plain"}]
    viewer = SliceViewer(CASE, {"model": np.zeros(SHAPE, bool)}, {"votes": np.ones(SHAPE)}, mode="errors")
    assert [panel["name"] for panel in viewer._scene["panels"]] == ["model", "votes"]
    assert [labels["name"] for labels in viewer._scene["labels"]] == ["model", "truth"]
    assert len(viewer.get_state("_data")["_data"]["labels"]) == 2
    assert viewer._scene["panels"][1]["low"] == viewer._scene["panels"][1]["high"] == 1.0


def test_labels_are_those_of_when_the_viewer_was_made() -> None:
    case, labels = make_case(), LABEL.copy()
    viewer = SliceViewer(case, {"mine": labels})
    labels[:] = 7
    assert viewer._packed(hu_step=1) == SliceViewer(make_case(), {"mine": LABEL})._packed(hu_step=1)


@pytest.mark.parametrize(
    ("first", "step", "kind"),
    [
        *((2**24, 1, np.int32), (1e9, 0.1, float), (-1e300, 2e300 / 47, float), (0, 5e-324, float)),
        *((0, 1, np.float16), (0, 1, np.uint64)),
    ],
)
def test_heat_rises_with_the_values_wherever_they_lie(first: float, step: float, kind: type) -> None:
    values: NDArray[Any] = (np.asarray(first, kind) + np.asarray(step, kind) * np.arange(48)).astype(kind)
    steps = checked_heat("votes", np.broadcast_to(values, (2, 3, 48)), (2, 3, 48))[0]
    assert steps[1, 2].tolist() == pytest.approx(np.arange(48) * 255 / 47, abs=0.6)


def test_voxels_per_slice() -> None:
    labels = np.ones((2, 3, 4), np.uint8)
    labels[1, 0, 2:] = labels[1, 2, 3] = 2
    assert voxels_per_slice(labels, 2) == {"axial": [0, 3], "coronal": [2, 0, 1], "sagittal": [0, 0, 1, 2]}


def unpack_hounsfield(blocks: list[bytes]) -> list[int]:
    """What `readHounsfield` in volume.js does, in the plainest Python."""
    values = []
    for block in map(zlib.decompress, blocks):
        value, count = 0, len(block) // 2
        for i in range(count):
            folded = block[i] | block[count + i] << 8
            value = (value + ((folded >> 1) ^ -(folded & 1)) + 32768) % 65536 - 32768
            values.append(value)
    return values


@settings(max_examples=50, deadline=None)
@given(arrays(np.int16, array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_every_hounsfield_value_survives_packing(volume: np.ndarray[Any, np.dtype[np.int16]]) -> None:
    assert unpack_hounsfield(pack_hounsfield(volume)) == volume.ravel().tolist()


@settings(max_examples=20, deadline=None)
@given(arrays(np.int16, (2, 3, 4), elements=st.integers(-1024, 3071)), st.integers(2, 16))
def test_rounded_values_lie_within_half_a_step(volume: np.ndarray[Any, np.dtype[np.int16]], step: int) -> None:
    rounded = np.array(unpack_hounsfield(pack_hounsfield(volume, step))) * step
    assert np.abs(rounded - volume.ravel()).max() <= step / 2


@pytest.mark.parametrize("step", [3, 8, 40_000])
def test_the_largest_values_stay_within_16_bits(step: int) -> None:
    """Or the browser would show the brightest voxels as the darkest."""
    volume = np.array([[[32767, 32760, -32768, -32761]]], np.int16)
    rounded = np.array(unpack_hounsfield(pack_hounsfield(volume, step))) * step
    assert np.abs(rounded).max() <= 32768
    assert rounded.max() <= 32767
    assert np.abs(rounded - volume.ravel()).max() < step


def test_large_volumes_come_in_blocks_of_whole_slices() -> None:
    volume = np.random.default_rng(0).integers(0, 3, (40, 512, 512), np.uint8)
    blocks = [zlib.decompress(block) for block in pack_labels(volume)]
    assert [len(block) // 512**2 for block in blocks] == [16, 16, 8]
    assert b"".join(blocks) == volume.tobytes()


def test_page_is_whole_rounded_when_large_and_atomic(tmp_path: Path) -> None:
    viewer = SliceViewer(CASE, {"</script><b>": LABEL})
    viewer.save_html(tmp_path / "new" / "page.html")
    text = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert "</script><b>" not in text
    assert not re.search(r"https?://", text)
    assert "CT values are exact." in text
    viewer.save_html(tmp_path / "new" / "page.html", hu_step=np.int64(1))  # type: ignore[arg-type]
    for step in (0, 2.5, "8"):
        with pytest.raises(InputError, match=f"hu_step is {step!r}; it is a whole number"):
            viewer.save_html(tmp_path / "new" / "page.html", hu_step=step)  # type: ignore[arg-type]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    large = Case("large", np.zeros((32, 512, 512), np.int16), None, SPACING, kits_affine(SPACING))
    SliceViewer(large).save_html(tmp_path / "large.html")
    assert "rounded to multiples of 8 HU" in (tmp_path / "large.html").read_text(encoding="utf-8")
