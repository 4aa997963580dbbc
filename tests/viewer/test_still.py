"""The still picture of the viewer and its words: what they show, and whether everybody can tell the colors apart."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kits_msan.data.cases import Case, kits_affine
from kits_msan.viewer.still import CODE_COLORS
from kits_msan.viewer.widget import SliceViewer

SHAPE = (6, 8, 10)
SPACING = (5.0, 1.0, 2.0)
WIDGET = "application/vnd.jupyter.widget-view+json"
LABEL = np.zeros(SHAPE, np.uint8)  # a kidney in slices 1 to 4 and tumor in 2 and 3, most in 3
LABEL[1:5, 2:6, 2:8] = 1
LABEL[2, 3, 3] = LABEL[3, 3:5, 3:6] = 2
CASE = Case("case_00007", np.zeros(SHAPE, np.int16), LABEL, SPACING, kits_affine(SPACING))
VOTES = np.broadcast_to(np.linspace(0, 0.5, 10), SHAPE)


def sheet(viewer: SliceViewer) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The still picture, (rows, columns, 3): a caption of 22 rows, titles of 22, pictures, a legend of 22."""
    return np.asarray(Image.open(io.BytesIO(viewer._jpeg())).convert("RGB"), np.int64)


def test_repr_and_still_picture() -> None:
    viewer = SliceViewer(CASE, {"truth": LABEL, "V1": 0 * LABEL}, {"votes": VOTES}, window=(-100, 300))
    data, metadata = viewer._repr_mimebundle_()
    assert data["text/plain"] == "SliceViewer(case_00007, axial slice 4 of 6, panels: truth, V1, votes)"
    panels = "truth (kidney and tumor), V1 (no label), votes"
    alt = f"case_00007, axial slice 4 of 6, -100 to 300 HU. Panels: {panels}."
    assert metadata["image/jpeg"]["alt"] == alt
    assert f'alt="{alt}"' in data["text/html"]
    assert data["image/jpeg"] in data["text/html"]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"])))
    assert picture.format == "JPEG"
    assert WIDGET in data


@pytest.mark.parametrize("mode", ["fill", "outline", "errors"])
@pytest.mark.parametrize(("plane", "shape"), [("axial", 8 / 20), ("coronal", 30 / 20), ("sagittal", 30 / 8)])
def test_still_picture_has_true_shape_and_colors(plane: str, shape: float, mode: str) -> None:
    wrong = np.where(LABEL == 2, 0, LABEL)
    viewer = SliceViewer(CASE, {"V1": wrong}, plane=plane, mode=mode, opacity=1.0, classes=["tumor"])
    whole = sheet(viewer)
    body, legend = whole[44:-22], whole[-22:]  # between the caption and a title, and the legend
    width = (body[2] < 200).all(axis=-1).sum()  # beside a narrow picture the sheet is white, for the caption's sake
    assert body.shape[0] / width == pytest.approx(shape, rel=0.05)
    assert (legend[:, -3:] > 200).all()  # its last word is not cut off
    for part in (body, legend):  # tumor that V1 missed is violet
        assert (part[..., 2] > part[..., :2].max(axis=-1) + 100).any() == (mode == "errors")


def test_still_picture_tells_its_slice_sides_and_classes() -> None:
    viewer = SliceViewer(CASE, window=(0, 500), index=0)  # all black
    whole = sheet(viewer)
    bright = whole[44:-22].min(axis=-1) > 200
    rows, cols = bright.shape
    for part in (bright[rows // 3 : -rows // 3, :20], bright[rows // 3 : -rows // 3, -20:]):
        assert 10 < part.sum() < 100  # a letter at the left and at the right
    for part in (bright[:20, cols // 3 : -cols // 3], bright[-20:, cols // 3 : -cols // 3]):
        assert 10 < part.sum() < 100
    blue, orange = ((legend := whole[-22:])[..., channel] > legend[..., 2 - channel] + 60 for channel in (2, 0))
    assert min(blue.sum(), orange.sum()) > 50
    viewer.index, viewer.classes = 5, ["kidney"]
    other = sheet(viewer)
    assert (np.abs(other[:22] - whole[:22]) > 100).any()  # the caption
    assert not (other[-22:, :, 0] > other[-22:, :, 2] + 60).any()  # tumor is not in the legend


def test_titles_of_still_pictures_stay_over_their_picture_and_may_be_of_any_script() -> None:
    names = ["a network with a name that is longer than its picture is wide " * 2, "two\nlines", "\u043f", "\u0447"]
    whole = sheet(SliceViewer(CASE, dict.fromkeys(names, LABEL)))
    assert whole.shape == (22 + 2 * (22 + 104) + 22, 260 + 4 + 260, 3)
    assert (whole[22:44, 260:264] > 200).all()  # between the first two titles
    assert (whole[22:44, 200:260] < 100).any()
    second_row = whole[148:170]
    assert (np.abs(second_row[:, :260] - second_row[:, 264:]) > 100).any()  # two letters, not two boxes


def test_in_errors_mode_the_alt_text_names_the_errors() -> None:
    missed, confused = np.where(LABEL == 2, 0, LABEL), np.where(LABEL == 2, 1, LABEL)
    overlays = {"truth": LABEL, "V1": missed, "V2": confused, "V3": LABEL}
    viewer = SliceViewer(CASE, overlays, mode="errors")
    panels = "truth (kidney and tumor), V1 (missed), V2 (wrong class), V3 (no error)."
    assert viewer._alt().endswith(f"Panels: {panels}")
    # what is switched off is not drawn, and of an error one class must be on; it keeps its name
    for classes, truth, missing, confusing in (
        (["kidney"], "kidney", "no error", "wrong class"),
        (["tumor"], "tumor", "missed", "wrong class"),
        ([], "no label", "no error", "no error"),
    ):
        viewer.classes = classes
        panels = f"truth ({truth}), V1 ({missing}), V2 ({confusing}), V3 (no error)."
        assert viewer._alt().endswith(f"Panels: {panels}")


def test_still_heat_maps_have_bars_with_all_their_colors() -> None:
    alone, with_heat = (
        sheet(viewer)
        for viewer in (SliceViewer(CASE.with_label(None)), SliceViewer(CASE.with_label(None), {}, {"votes": VOTES}))
    )
    assert len(with_heat) > len(alone)
    bar = with_heat[len(alone) + 8]
    assert (bar.min(axis=1) < 40).any()  # viridis: from violet to yellow
    assert ((bar[:, :2].min(axis=1) > 180) & (bar[:, 2] < 100)).any()


VISION = {  # linear RGB as it is seen with all cones, without green and without red ones (Machado et al. 2009)
    "all": np.eye(3),
    "no green": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "no red": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(srgb: np.ndarray[Any, np.dtype[np.float64]], vision: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(..., 3) sRGB from 0 to 1 as CIE L*a*b*, as it is seen."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ VISION[vision].T, 0, 1)
    x, y, z = np.moveaxis(np.cbrt(seen @ TO_XYZ.T / [0.9505, 1, 1.089]), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


SRGB = np.array([[int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)] for color in CODE_COLORS[1:]])


@pytest.mark.parametrize("vision", VISION)
def test_no_two_colors_are_alike(vision: str) -> None:
    """Missed and tumor once were two oranges, 33 apart; the error colors before, 26."""
    seen = lab(SRGB, vision)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(5, 1)]
    assert apart.min() > (48 if vision == "all" else 31)


@pytest.mark.parametrize("vision", VISION)
def test_no_color_is_gray_over_tissue(vision: str) -> None:
    """Half transparent over the grays of organs. Missed once was a magenta: 5 away from gray without green cones."""
    over = (SRGB[:, None] + np.linspace(0.25, 0.7, 10)[:, None]) / 2  # (colors, grays, 3)
    assert np.linalg.norm(lab(over, vision)[..., 1:], axis=-1).min() > 15
