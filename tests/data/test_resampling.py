from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine

from kits_msan.data.cases import Case, kits_affine
from kits_msan.data.resampling import LabelsOnGrid, grid_shape, resample_case


def ramps(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> np.ndarray:
    """HU that grow by 4, 2 and 1 a millimetre along slices, rows and columns: linear interpolation keeps them."""
    z, y, x = (mm * (np.arange(n) + 0.5) for n, mm in zip(shape, spacing, strict=True))
    return 4 * z[:, None, None] + 2 * y[:, None] + x


def labels_on_grid(scores: torch.Tensor, shape: tuple[int, int, int], parts: int = 1, sure: float = 0) -> np.ndarray:
    grid = LabelsOnGrid(scores.shape[1], shape, sure)
    for part in scores.split(parts, dim=1):
        grid.add(part)
    return grid.labels


@pytest.mark.parametrize(
    ("shape", "spacing", "wanted", "out"),
    [
        ((10, 20, 30), (3.0, 1.0, 1.0), (3.0, 1.0, 1.0), (10, 20, 30)),
        ((10, 20, 30), (3.0, 1.0, 1.0), (6.0, 2.0, 3.0), (5, 10, 10)),
        ((10, 20, 30), (3.0, 1.0, 1.0), (1.5, 1.0, 0.5), (20, 20, 60)),
        ((10, 20, 30), (3.0, 0.8, 0.8), (5.0, 4.0, 4.0), (6, 4, 6)),
        ((1, 2, 3), (1.0, 1.0, 1.0), (50.0, 50.0, 50.0), (1, 1, 1)),
    ],
)
def test_grid_covers_the_same_box(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    wanted: tuple[float, float, float],
    out: tuple[int, int, int],
) -> None:
    assert grid_shape(shape, spacing, wanted) == out


@pytest.mark.parametrize("spacing", [None, (10.0, 8.0, 8.0), (10.001, 8.0, 7.999)])
def test_case_at_its_own_spacing_is_left_alone(
    make_case: Callable[..., Case], spacing: tuple[float, float, float] | None
) -> None:
    case = make_case()
    assert resample_case(case, spacing) is case


@pytest.mark.parametrize("wanted", [(2.0, 1.0, 1.0), (6.0, 3.0, 3.0), (1.0, 2.0, 1.5), (8.0, 4.0, 1.0)])
def test_position_in_space_is_kept(make_case: Callable[..., Case], wanted: tuple[float, float, float]) -> None:
    case = make_case(shape=(24, 30, 36), spacing=(3.0, 1.5, 1.0))
    case = replace(case, image=np.rint(10 * ramps(case.shape, case.spacing)).astype(np.int16))
    out = resample_case(case, wanted)
    assert out.image is not None
    assert out.label is not None
    assert (out.image.dtype, out.label.dtype) == (np.int16, np.uint8)
    assert out.image.shape == out.label.shape
    np.testing.assert_allclose(np.array(out.shape) * out.spacing, np.array(case.shape) * case.spacing)
    assert out.header is None

    inner = tuple(slice(n // 4, n - n // 4) for n in out.shape)  # at the rims there is nothing to interpolate
    error = out.image - 10 * ramps(out.shape, out.spacing)
    assert np.abs(error[inner]).max() < 5  # tenths of a HU; grids that align corners are off by 30 and more
    for voxel in ((0, 0, 0), tuple(n - 1 for n in out.shape)):  # millimetres by the affine and by the box agree
        where = apply_affine(out.affine, voxel)
        by_hand = -((np.array(voxel) + 0.5) * out.spacing - np.array(case.spacing) / 2)[::-1]
        np.testing.assert_allclose(where, by_hand, atol=1e-9)


def test_label_takes_the_class_with_the_largest_share(make_case: Callable[..., Case]) -> None:
    label = np.zeros((2, 2, 4), np.uint8)
    label[:, :, 2:] = 1
    label[:, 0, 2] = 2
    label[0, 1, 3] = 2  # of the right half: 3 of 8 tumor, 5 of 8 kidney
    case = replace(make_case(shape=(2, 2, 4), spacing=(1.0, 1.0, 1.0)), label=label, image=None)
    out = resample_case(case, (2.0, 2.0, 2.0))
    assert out.image is None
    np.testing.assert_array_equal(out.label, [[[0, 1]]])


def test_coarser_image_averages_instead_of_picking(make_case: Callable[..., Case]) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 100, (32, 32, 32)).astype(np.int16)
    case = replace(make_case(shape=noise.shape, spacing=(1.0, 1.0, 1.0)), image=noise, label=None)
    out = resample_case(case, (4.0, 4.0, 4.0)).image
    assert out is not None
    assert 5 < out.std() < 30  # about 100 / sqrt(64); picking or plain interpolation leaves 35 and more


def test_rows_of_a_single_column_keep_their_own_values(make_case: Callable[..., Case]) -> None:
    """As in a lone sagittal slice; both columns of this case are the same, so one says what two do."""
    label = np.zeros((3, 12, 2), np.uint8)
    label[:, 4:8] = 1
    image = np.repeat(ramps((3, 12, 1), (3.0, 1.0, 1.0)), 2, axis=2).astype(np.int16)
    case = replace(
        make_case(), image=image, label=label, spacing=(3.0, 1.0, 1.0), affine=kits_affine((3.0, 1.0, 1.0))
    )
    one, two = (resample_case(case, (3.0, 2.0, width)) for width in (2.0, 1.0))
    assert one.shape == (3, 6, 1)
    for left, right, slack in ((one.image, two.image, 1), (one.label, two.label, 0)):
        assert left is not None
        assert right is not None
        np.testing.assert_allclose(left[..., 0].astype(int), right[..., 0].astype(int), atol=slack)


def test_labels_of_a_grid_that_fits_are_the_argmax() -> None:
    scores = torch.rand(3, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(labels_on_grid(scores, (5, 6, 7)), scores.argmax(0).numpy())


@pytest.mark.parametrize("shape", [(9, 6, 7), (40, 11, 13), (2, 3, 3), (1, 1, 1)])
def test_labels_on_another_grid_are_those_of_interpolated_scores(shape: tuple[int, int, int]) -> None:
    scores = torch.rand(3, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    whole = torch.nn.functional.interpolate(scores[None], shape, mode="trilinear", align_corners=False)[0]
    for parts in (1, 2, 5):
        labels = labels_on_grid(scores, shape, parts)
        assert labels.dtype == np.uint8
        assert (labels == whole.argmax(0).numpy()).mean() > 0.999  # but for float rounding


def test_labels_on_a_grid_from_a_single_slice() -> None:
    scores = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(labels_on_grid(scores, (3, 4, 4)), scores.argmax(0).repeat(3, 1, 1).numpy())


def test_labels_survive_a_finer_grid_and_back(make_case: Callable[..., Case]) -> None:
    case = make_case()
    fine = resample_case(case, (5.0, 4.0, 4.0))
    assert fine.label is not None
    assert case.label is not None
    one_hot = torch.stack([torch.from_numpy(fine.label == value).float() for value in range(3)])
    back = labels_on_grid(one_hot, case.shape)
    assert (back == case.label).mean() > 0.999


@pytest.mark.parametrize("shape", [(7, 9, 10), (40, 12, 9), (90, 20, 30), (1, 5, 5), (3, 20, 30)])
def test_streaming_equals_torchs_interpolation_of_the_whole(
    make_case: Callable[..., Case], shape: tuple[int, int, int]
) -> None:
    case = make_case(shape=(41, 20, 30), spacing=(1.0, 1.0, 1.0))
    out = resample_case(case, tuple(old / new for old, new in zip(case.shape, shape, strict=True)))
    assert out.shape == shape

    def whole(volume: np.ndarray | None) -> torch.Tensor:
        assert volume is not None
        planes = torch.from_numpy(volume.astype(np.float32))[None]  # (1, D, H, W)
        resize = partial(torch.nn.functional.interpolate, mode="bilinear", align_corners=False, antialias=True)
        planes = resize(planes, shape[1:]).flatten(2)[None]  # (1, 1, D, h*w)
        return resize(planes, (shape[0], planes.shape[3])).reshape(shape)

    assert case.label is not None
    assert out.image is not None
    assert out.label is not None
    assert np.abs(out.image - whole(case.image).numpy()).max() < 0.501
    shares = torch.stack([whole(np.asarray(case.label == value)) for value in range(3)])
    assert np.mean(out.label == shares.argmax(0).numpy()) > 0.999


@pytest.mark.parametrize("shape", [(4, 6, 6), (7, 11, 9)])
def test_labels_say_where_the_last_class_is_not_sure(shape: tuple[int, int, int]) -> None:
    scores = torch.rand(3, 4, 6, 6, generator=torch.Generator().manual_seed(0)).softmax(0)
    plain, marked = labels_on_grid(scores, shape), labels_on_grid(scores, shape, sure=0.4)
    np.testing.assert_array_equal(np.minimum(marked, 2), plain)
    assert 0 < (marked == 3).sum() < (plain == 2).sum()
    if shape == (4, 6, 6):
        np.testing.assert_array_equal(marked == 3, ((plain == 2) & (scores[2] < 0.4).numpy()))
