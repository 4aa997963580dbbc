from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kits_msan.cleanup import keep_kidneys
from kits_msan.data.cases import Case, window
from kits_msan.data.resampling import LabelsOnGrid, resample_case
from kits_msan.errors import InputError
from kits_msan.inference import LONGER, common_profile, predict, predict_each, slab_probabilities
from kits_msan.metrics import dice_scores
from kits_msan.networks.msan import UNet3D
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import Profile
from kits_msan.vote import majority_vote


def network(name: str, profile: Profile | None, seed: int = 0) -> UNet3D:
    """An untrained network that finds every class somewhere."""
    torch.manual_seed(seed)
    model = build_model(name, width=4, poolings=2).eval()
    assert isinstance(model, UNet3D)
    with torch.no_grad():
        torch.nn.init.zeros_(model.head.bias)  # type: ignore[arg-type]
        model.head.weight.mul_(8)
    model.profile = profile
    return model


class Threshold(UNet3D):
    """Finds the made-up cases' classes by their brightness, voxel by voxel; otherwise it wants what a U-Net wants."""

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        middles = (torch.tensor([20.0, 180.0, 80.0]) + 200) / 700  # of body, kidney and tumor, in HU
        return -100 * (x - middles.reshape(1, 3, 1, 1, 1)).abs()


@pytest.fixture
def threshold(tiny: Profile) -> Threshold:
    model = Threshold(width=4, poolings=3)
    model.profile = tiny
    return model


@torch.no_grad()
def whole_volume(model: UNet3D, image: np.ndarray, slab: int) -> np.ndarray:
    """What the streaming must equal: all slabs' probabilities added up in one array, (3, D, H, W)."""
    depth, height, width = image.shape
    slab = min(LONGER * slab, max(slab, depth))
    step = 2 ** len(model.encoder)
    padded = np.full((max(depth, slab), -(-height // step) * step, -(-width // step) * step), -2000)
    padded[:depth, :height, :width] = image
    sums, weights = np.zeros((3, *padded.shape)), np.zeros((len(padded), 1, 1))
    start = 0
    while True:
        start = min(start, len(padded) - slab)
        x = torch.from_numpy(window(padded[start : start + slab]))[None, None]
        probabilities = model(x)[0].softmax(0).numpy()
        for z in range(slab):
            weight = min(z + 1, slab - z)
            sums[:, start + z] += weight * probabilities[:, z]
            weights[start + z] += weight
        if start == len(padded) - slab:
            return (sums / weights)[:, :depth, :height, :width]
        start += max(slab // 2, 1)


@pytest.mark.parametrize("slab", [1, 3, 4, 5])
@pytest.mark.parametrize("shape", [(12, 32, 32), (11, 29, 35), (5, 32, 30), (4, 32, 32), (3, 31, 29), (1, 32, 32)])
def test_streaming_equals_the_whole_volume(
    make_case: Callable[..., Case],
    tiny: Profile,
    shape: tuple[int, int, int],
    slab: int,
) -> None:
    model = network("msan_v2_ds", tiny)
    image = make_case(shape=shape).image
    assert image is not None
    parts = list(slab_probabilities([model], image, slab))
    assert all(part.shape[:2] == (1, 3) and part.shape[3:] == shape[1:] for part in parts)
    assert sum(part.shape[2] for part in parts) == shape[0]
    assert max(part.shape[2] for part in parts) <= LONGER * slab
    assert LONGER == 2  # docs/choices.md
    streamed = torch.cat(parts, dim=2)[0]
    np.testing.assert_allclose(streamed, whole_volume(model, image, slab), atol=1e-5)
    torch.testing.assert_close(streamed.sum(0), torch.ones(shape))


def test_slab_is_lengthened_for_networks_that_pool_slices(make_case: Callable[..., Case], tiny: Profile) -> None:
    model = build_model("unet3d", width=2, poolings=2, pool=(2, 2, 2))
    model.profile = replace(tiny, slab=3)
    assert predict(model, make_case(shape=(7, 30, 34))).shape == (7, 30, 34)


@pytest.mark.parametrize("shape", [(12, 36, 34), (9, 33, 31), (3, 35, 29), (1, 32, 32)])
def test_native_grid_of_any_size(
    make_case: Callable[..., Case], threshold: Threshold, shape: tuple[int, int, int]
) -> None:
    case = make_case(shape=shape)
    labels = predict(threshold, case, clean=False)
    assert (labels.shape, labels.dtype) == (shape, np.uint8)
    assert case.label is not None
    assert (labels == case.label).mean() > 0.99  # but for the noise


@pytest.mark.parametrize("spacing", [(5.0, 4.0, 4.0), (4.0, 5.0, 3.0), (10.0, 4.0, 4.0)])
def test_segmentation_comes_back_to_the_scans_own_grid(
    make_case: Callable[..., Case], threshold: Threshold, tiny: Profile, spacing: tuple[float, float, float]
) -> None:
    shape = tuple(round(n * old / new) for n, old, new in zip((12, 48, 48), (10, 8, 8), spacing, strict=True))
    case = make_case(shape=shape, spacing=spacing, tumor=False)
    labels = predict(threshold, case)
    assert labels.shape == shape
    assert case.label is not None
    assert dice_scores(labels, case.label)["kidney"] > 0.85
    middle, wanted = ([axis.mean() for axis in np.nonzero(found)] for found in (labels, case.label))
    np.testing.assert_allclose(middle, wanted, atol=0.2)  # voxels: nothing moved

    small = resample_case(case, tiny.spacing).image
    assert small is not None
    scores = torch.cat(list(slab_probabilities([threshold], small, tiny.slab)), dim=2)[0]
    whole = LabelsOnGrid(small.shape[0], case.shape)
    whole.add(scores)
    np.testing.assert_array_equal(predict(threshold, case, clean=False), whole.labels)


def test_clean_up_is_applied_unless_it_is_refused(make_case: Callable[..., Case], threshold: Threshold) -> None:
    case = make_case()
    assert case.image is not None
    case.image[9:11, 10:12, 16:18] = 180  # as bright as kidney, far from either
    raw = predict(threshold, case, clean=False)
    assert (raw[9:11, 10:12, 16:18] == 1).all()
    cleaned = predict(threshold, case)
    assert not cleaned[9:11, 10:12, 16:18].any()
    np.testing.assert_array_equal(cleaned, keep_kidneys(raw))


def test_a_tumor_that_is_sure_nowhere_is_kidney(make_case: Callable[..., Case], threshold: Threshold) -> None:
    case = make_case()
    assert case.image is not None
    assert case.label is not None
    assert threshold.profile is not None
    pale = np.s_[9:11, 10:12, 16:18]
    case.image[pale] = 60  # more like a tumor than like anything else, but not quite
    before = predict(threshold, case, clean=False)
    assert (before[pale] == 2).all()
    threshold.profile = replace(threshold.profile, sure=0.99)
    after = predict(threshold, case, clean=False)
    assert (after[pale] == 1).all()
    assert (after[case.label == 2] == before[case.label == 2]).all()
    np.testing.assert_array_equal(after > 0, before > 0)


def test_networks_that_vote_are_as_strict_as_the_least_strict(tiny: Profile) -> None:
    models = [network("unet3d", replace(tiny, sure=sure)) for sure in (0.99, 0.0, 0.9)]
    assert common_profile(models).sure == 0
    assert common_profile(models[::2]).sure == 0.9


def test_vote_of_several_is_the_majority_of_the_single_ones(make_case: Callable[..., Case], tiny: Profile) -> None:
    case = make_case(shape=(6, 33, 32))
    assert case.image is not None
    models = [network(name, tiny, seed) for seed, name in enumerate(MODELS)]
    singles = np.stack([predict(model, case, clean=False) for model in models])
    chances = np.stack([whole_volume(model, case.image, tiny.slab) for model in models])
    counts = np.sort([(singles == value).sum(0) for value in range(3)], axis=0)
    assert (counts[2] == counts[1]).any()  # there are ties
    np.testing.assert_array_equal(predict(models, case, clean=False), majority_vote(singles, chances))


def test_all_networks_and_their_vote_in_one_pass(make_case: Callable[..., Case], tiny: Profile) -> None:
    models = {name: network(name, tiny, seed) for seed, name in enumerate(MODELS)}
    for case in (make_case(), make_case(spacing=(5.0, 8.0, 8.0))):
        found = predict_each(models, case)
        assert list(found) == [*MODELS, "ensemble"]
        for name, model in models.items():
            np.testing.assert_array_equal(found[name], predict(model, case))
        np.testing.assert_array_equal(found["ensemble"], predict(list(models.values()), case))


def test_a_network_can_be_trained_after_it_has_predicted(make_case: Callable[..., Case], tiny: Profile) -> None:
    model = network("msan_v1", tiny)
    predict(model, make_case())
    model.train()
    model(torch.zeros(1, 1, 4, 32, 32)).sum().backward()
    assert all(weight.grad is not None for weight in model.decoder.parameters())


def test_same_case_same_labels(make_case: Callable[..., Case], tiny: Profile) -> None:
    model, case = network("msan_v2", tiny).train(), make_case()
    assert case.image is not None
    before = case.image.copy()
    np.testing.assert_array_equal(predict(model, case), predict(model, case))
    np.testing.assert_array_equal(case.image, before)


def test_networks_of_different_spacing_are_refused(make_case: Callable[..., Case], tiny: Profile) -> None:
    first = network("unet3d", tiny)
    for other in (replace(tiny, spacing=(5.0, 4.0, 4.0)), replace(tiny, slab=8), None):
        with pytest.raises(InputError, match="trained at different spacings"):
            predict([first, network("msan_v1", other)], make_case())
    second = network("msan_v1", replace(tiny, steps=9))  # trained otherwise, but on the same grid
    labels = predict([first, second], make_case())
    np.testing.assert_array_equal(predict([first, network("msan_v1", None)], make_case(), tiny), labels)


def test_networks_that_do_not_know_their_spacing_need_a_profile(make_case: Callable[..., Case]) -> None:
    with pytest.raises(InputError, match="at which spacing they were trained"):
        predict(network("unet3d", None), make_case())
    with pytest.raises(InputError, match="unknown profile 'desktop'; choose one of smoke, laptop, "):
        predict(network("unet3d", None), make_case(), "desktop")
    assert predict(network("unet3d", None), make_case(), "smoke").shape == (12, 36, 34)


def test_what_is_no_case_is_refused(make_case: Callable[..., Case], tiny: Profile) -> None:
    case, model = make_case(), network("unet3d", tiny)
    assert case.image is not None
    np.testing.assert_array_equal(predict({"unet3d": model}, case), predict(model, case))
    with pytest.raises(InputError, match="a ndarray is no case; make one with load_case"):
        predict(model, case.image)  # type: ignore[arg-type]
