"""Whether a scan is in HU is judged by its distribution: no CT is refused, and nothing else is taken."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from scipy.ndimage import rotate, zoom

from kits_msan.errors import InputError, InputNote
from kits_msan.formats.hounsfield import check_hounsfield, clear_padding
from kits_msan.phantom import phantom_case

PADDINGS = (-1, -100, -1000, -1024, -2000)


@pytest.fixture(scope="module")
def hu() -> np.ndarray:
    """(D, H, W) int of a phantom, with noise and partial volumes."""
    image = phantom_case(seed=3, profile="laptop").image
    assert image is not None
    return image.astype(int)


def outside(hu: np.ndarray) -> np.ndarray:
    """What lies beyond a round field of view."""
    y, x = (np.linspace(-1, 1, n) for n in hu.shape[1:])
    return np.broadcast_to(y[:, None] ** 2 + x**2 > 1, hu.shape)


def looked_at(values: np.ndarray) -> str:
    """What is said of them; empty if they are taken."""
    try:
        check_hounsfield(Path("scan.nii.gz"), np.clip(np.rint(values), -32768, 32767).astype(np.int16))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("padding", [None, -1000, -1024, -2000, -2048, -3024, -32768, 0])
def test_ct_is_taken_with_any_padding_and_stored_values_with_none(hu: np.ndarray, padding: int | None) -> None:
    stored = np.clip(hu + 1024, 0, 4095)
    true = hu.copy()
    if padding is not None:
        true[outside(hu)] = stored[outside(hu)] = padding
    assert looked_at(true) == ""
    assert "not in Hounsfield units" in looked_at(stored)


@pytest.mark.parametrize("window", [(-200, 500), (-160, 240), (-79, 304), (-1000, 1000)])
def test_ct_clipped_to_a_window_is_taken_and_a_scaled_one_is_not(hu: np.ndarray, window: tuple[int, int]) -> None:
    low, high = window
    assert looked_at(np.clip(hu, low, high)) == ""
    share = np.clip((hu - low) / (high - low), 0, 1)
    for scaled in (share, 2 * share - 1, 100 * share, 255 * share, 255 * share - 128, 4095 * share):
        assert "not in Hounsfield units" in looked_at(scaled)
        for padding in PADDINGS:
            assert "not in Hounsfield units" in looked_at(np.where(outside(hu), padding, scaled)), padding


@pytest.mark.parametrize("offset", [1000, 1024, -1024, 8192, 32768, -32768])
def test_offset_is_noticed(hu: np.ndarray, offset: int) -> None:
    assert looked_at(hu + offset)


def test_scaled_values_are_noticed_and_are_no_padding(hu: np.ndarray) -> None:
    assert "are spread below -1500" in looked_at(10 * hu)


def test_standardized_intensities_are_noticed(hu: np.ndarray) -> None:
    assert "within 20 of zero" in looked_at((hu - hu.mean()) / hu.std())
    assert "within 20 of zero" in looked_at((np.clip(hu, -79, 304) - 101) / 76.9)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda hu: -hu, "near 1000 and hardly any near -1000"),
        (lambda hu: hu / 2, "from -700 to -400"),
        (lambda hu: hu / 10, "divided by ten"),
        (lambda hu: (hu + 128) % 256 - 128, "of a signed byte|at its lower end"),
        (lambda hu: hu % 256, "just above it"),
        (lambda hu: (hu / 1000 + 1) * 190, "round 0, and none where fat and air would be"),  # absorption in 1/m
        (lambda hu: 255 - (np.clip(hu, -160, 240) + 160) / 400 * 255, "none but a padding is below 0"),
    ],
    ids=["negated", "halved", "tenth", "wrapped to int8", "wrapped to uint8", "absorption", "inverted byte"],
)
def test_air_in_the_wrong_place_is_noticed(
    hu: np.ndarray, change: Callable[[np.ndarray], np.ndarray], says: str
) -> None:
    assert re.search(says, looked_at(change(hu)))
    assert looked_at(np.where(outside(hu), -1000, change(hu)))


@pytest.mark.parametrize("order", [3, 5])
def test_an_mr_is_noticed_though_resampling_put_some_of_its_values_below_zero(
    hu: np.ndarray, order: Literal[3, 5]
) -> None:
    rng = np.random.default_rng(0)
    noise = np.hypot(*rng.normal(0, 8, (2, *hu.shape)))
    mr = zoom(np.where(hu < -300, noise, np.abs((hu + 300) * 1.2)), (1, 1.3, 1.3), order=order, mode="nearest")
    assert 0.01 < (mr < -0.5).mean() < 0.1
    assert "round 0 and hardly any below" in looked_at(mr)
    assert looked_at(zoom(hu.astype(float), (1, 1.3, 1.3), order=order, mode="nearest")) == ""
    assert looked_at(np.where(hu < -300, 0, hu)) == ""


@pytest.mark.parametrize("scale", [1500, 1920, 10000])
def test_air_near_zero_with_noise_is_noticed_below_a_body_that_is_dense(hu: np.ndarray, scale: int) -> None:
    noise = np.random.default_rng(0).normal(0, 20, hu.shape)
    assert "are above 1000, where only metal and dense bone lie" in looked_at((hu / 1000 + 1) * scale + noise)


def test_padding_that_was_taken_for_a_large_number_is_noticed(hu: np.ndarray) -> None:
    assert "are above 20000, where nothing can be" in looked_at(np.where(outside(hu), 62512, hu))


def test_crops_slabs_metal_and_contrast_are_taken(hu: np.ndarray) -> None:
    depth, height, width = hu.shape
    rng = np.random.default_rng(0)
    for _ in range(60):
        size = [int(rng.integers(4, n // 3)) for n in hu.shape]
        z, y, x = (int(rng.integers(n // 3, 2 * n // 3 - s // 2)) for n, s in zip(hu.shape, size, strict=True))
        crop = hu[z : z + size[0], y : y + size[1], x : x + size[2]]
        assert looked_at(crop) == "", crop.shape
    metal, bladder, lungs = hu.copy(), hu.copy(), hu.copy()
    middle = np.s_[:, height // 2 : height // 2 + 12, width // 2 : width // 2 + 12]
    metal[middle] = 3071
    bladder[middle] = rng.normal(1000, 60, hu[middle].shape)  # full of contrast
    lungs[:, height // 3 : height // 2] = rng.normal(-850, 60, hu[:, height // 3 : height // 2].shape)
    for scan in (metal, bladder, lungs, hu[depth // 2 : depth // 2 + 1]):
        assert looked_at(scan) == ""


@pytest.mark.parametrize("padding", [0, 100, 3071])
@pytest.mark.parametrize("angles", [None, (20, (1, 2)), (20, (0, 1)), (-15, (0, 2))])
def test_bright_padding_becomes_air(hu: np.ndarray, angles: Any, padding: int) -> None:
    """Round the field of view, or where a scan was turned: what a network would take for tissue."""
    marked = np.where(outside(hu), 5000, hu)
    if angles:
        marked = rotate(hu, angles[0], angles[1], order=0, reshape=False, cval=5000)
    wanted = np.where(marked == 5000, -1024, marked).astype(np.int16)
    voxels = np.where(marked == 5000, padding, marked).astype(np.int16)
    with pytest.warns(
        InputNote, match=rf"^scan\.nii\.gz has the value {padding} round its field of view; it is taken"
    ):
        clear_padding(Path("scan.nii.gz"), voxels)
    different = voxels != wanted  # where the first tissue beside it has its value by chance
    assert different.mean() < 1e-3
    assert (voxels[different] == -1024).all()


@pytest.mark.parametrize("what", ["as it is", "clipped", "air", "one slice", "within the body"])
def test_nothing_else_becomes_air(hu: np.ndarray, what: str) -> None:
    voxels = {
        "as it is": hu,
        "clipped": hu.clip(-150, 250),
        "air": np.where(outside(hu), -3024, hu),
        "one slice": hu[20:21, 40:60, 30:60],
        "within the body": hu[10:30, 40:60, 30:60],
    }[what].astype(np.int16)
    before = voxels.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clear_padding(Path("scan.nii.gz"), voxels)
    assert np.array_equal(voxels, before)
