import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kits_msan.data.cases import KIDNEY, TUMOR, Case, load_case, window
from kits_msan.data.prepare import build_store
from kits_msan.data.resampling import resample_case
from kits_msan.data.slabs import SlabSampler
from kits_msan.data.store import StoredCase
from kits_msan.errors import InputError
from kits_msan.profiles import Profile

NAMES = ["case_00000", "case_00001", "case_00002"]


@pytest.fixture
def store(data: Path, tmp_path: Path, tiny: Profile) -> list[StoredCase]:
    return build_store([data / name for name in NAMES], tmp_path / "store", tiny)


def stored(image: np.ndarray, label: np.ndarray) -> StoredCase:
    slices = {value: np.flatnonzero((label == value).any(axis=(1, 2))) for value in (KIDNEY, TUMOR)}
    return StoredCase("made", image.astype(np.int16), label.astype(np.uint8), slices)


def numbered(shape: tuple[int, int, int]) -> StoredCase:
    """HU 0 to 400, one for each voxel, and labels that follow from it: a cut shows where it came from."""
    image = np.arange(np.prod(shape)).reshape(shape) % 401
    return stored(image, image % 3)


def test_store_holds_the_cases_at_the_profiles_spacing(data: Path, tmp_path: Path, tiny: Profile) -> None:
    profile = replace(tiny, spacing=(20.0, 16.0, 16.0))
    [case] = build_store([data / NAMES[0]], tmp_path, profile)
    wanted = resample_case(load_case(data / NAMES[0]), profile.spacing)
    assert case.name == NAMES[0]
    np.testing.assert_array_equal(case.image, wanted.image)
    np.testing.assert_array_equal(case.label, wanted.label)
    assert case.image.shape == (6, 18, 17)
    assert isinstance(case.image, np.memmap)
    for value in (KIDNEY, TUMOR):
        assert case.slices[value].tolist() == [z for z in range(6) if (case.label[z] == value).any()]
        assert case.slices[value].size


@pytest.mark.parametrize("lacking", ["imaging.nii.gz", "segmentation.nii.gz"])
def test_case_without_image_or_label_is_refused(data: Path, tmp_path: Path, tiny: Profile, lacking: str) -> None:
    shutil.copytree(data / NAMES[0], tmp_path / NAMES[0])
    (tmp_path / NAMES[0] / lacking).unlink()
    with pytest.raises(InputError, match="case_00000 lacks its image or its label"):
        build_store([tmp_path / NAMES[0]], tmp_path / "store", tiny)
    assert not (tmp_path / "store").exists()


def test_sampler_without_cases_is_refused(tiny: Profile) -> None:
    with pytest.raises(InputError, match="no training case"):
        SlabSampler([], tiny, seed=0)


def test_sampler_of_what_is_not_of_a_store_is_refused(tiny: Profile, make_case: Callable[..., Case]) -> None:
    with pytest.raises(InputError, match="a Case is no case of a store; give what open_store returns"):
        SlabSampler([make_case()], tiny, seed=0)  # type: ignore[list-item]


@pytest.mark.parametrize("augmented", ["", "intensity", "all"])
def test_batch_depends_on_seed_and_step_alone(store: list[StoredCase], tiny: Profile, augmented: str) -> None:
    profile = replace(tiny, augment=augmented, batch=4)
    sampler = SlabSampler(store, profile, seed=3)
    sampler.batch(0)
    late, again = sampler.batch(7), SlabSampler(store, profile, seed=3).batch(7)
    assert torch.equal(late.image, again.image)
    assert torch.equal(late.label, again.label)
    assert late.names == again.names
    assert not torch.equal(late.image, sampler.batch(8).image)
    assert not torch.equal(late.image, SlabSampler(store, profile, seed=4).batch(7).image)


def test_batch_can_be_drawn_in_parts(store: list[StoredCase], tiny: Profile) -> None:
    sampler = SlabSampler(store, replace(tiny, batch=4, augment="all"), seed=0)
    whole = sampler.batch(5)
    parts = [sampler.batch(5, first=0, count=1), sampler.batch(5, first=1, count=3)]
    assert torch.equal(whole.image, torch.cat([part.image for part in parts]))
    assert torch.equal(whole.label, torch.cat([part.label for part in parts]))
    assert whole.names == parts[0].names + parts[1].names


def test_batch_is_as_a_network_takes_it(store: list[StoredCase], tiny: Profile) -> None:
    batch = SlabSampler(store, replace(tiny, batch=3, augment="all"), seed=0).batch(0)
    assert (batch.image.shape, batch.image.dtype) == ((3, 1, 4, 32, 32), torch.float32)
    assert (batch.label.shape, batch.label.dtype) == ((3, 4, 32, 32), torch.uint8)
    assert 0 <= batch.image.min() < batch.image.max() <= 1
    assert batch.label.max() <= 2
    assert set(batch.names) <= set(NAMES)


def test_slab_without_augmentation_is_a_cut_of_its_case(store: list[StoredCase], tiny: Profile) -> None:
    sampler = SlabSampler(store, tiny, seed=0)
    for step in range(5):
        image, label, name = sampler.slab(np.random.default_rng(step))
        case = store[NAMES.index(name)]
        places = [
            (z, y, x)
            for z in range(len(case.image) - 3)
            for y in range(case.image.shape[1] - 31)
            for x in range(case.image.shape[2] - 31)
            if np.array_equal(window(case.image[z : z + 4, y : y + 32, x : x + 32]), image.numpy())
        ]
        [(z, y, x)] = places
        np.testing.assert_array_equal(label, case.label[z : z + 4, y : y + 32, x : x + 32])


def test_small_case_is_padded_with_air_and_background(tiny: Profile) -> None:
    case = numbered((2, 20, 41))
    image, label, _ = SlabSampler([case], tiny, seed=0).slab(np.random.default_rng(0))
    assert image.shape == label.shape == (4, 32, 32)
    assert (image[2:] == 0).all()  # below the last slice
    assert (label[2:] == 0).all()
    assert (image[:, :6] == 0).all()  # 12 rows are missing, half on each side
    assert (image[:, 26:] == 0).all()
    cut = image[:2, 6:26]
    columns = [x for x in range(10) if np.array_equal(window(case.image[:, :, x : x + 32]), cut.numpy())]
    assert len(columns) == 1
    np.testing.assert_array_equal(label[:2, 6:26], case.label[:, :, columns[0] : columns[0] + 32])


def test_large_case_is_cropped_anywhere(tiny: Profile) -> None:
    case = numbered((9, 34, 33))
    sampler = SlabSampler([case], replace(tiny, tumor_share=0, kidney_share=0), seed=0)
    corners = set()
    for step in range(300):
        image, _, _ = sampler.slab(np.random.default_rng(step))
        assert image.shape == (4, 32, 32)
        corners.add(round(float(image[0, 0, 0]) * 700 - 200))
    everywhere = {int(case.image[z, y, x]) for z in range(6) for y in range(3) for x in range(2)}
    assert corners == everywhere


def test_shares_of_slabs_with_tumor_and_kidney(tiny: Profile) -> None:
    shape = (100, 32, 32)
    label = np.zeros(shape)
    label[40:44], label[60] = 1, 2
    profile = replace(tiny, tumor_share=0.4, kidney_share=0.3)
    sampler = SlabSampler([stored(np.zeros(shape), label), stored(np.zeros(shape), np.zeros(shape))], profile, seed=0)
    slabs = [sampler.slab(np.random.default_rng(step))[1] for step in range(1000)]
    tumor, kidney = (np.mean([(slab == value).any() for slab in slabs]) for value in (2, 1))
    # anywhere: half of 0.3 is drawn from the case that has any, where 4 of 97 starts show tumor and 7 kidney
    assert tumor == pytest.approx(0.4 + 0.15 * 4 / 97, abs=0.04)
    assert kidney == pytest.approx(0.3 + 0.15 * 7 / 97, abs=0.04)


def test_tumor_slice_lies_anywhere_in_its_slab(tiny: Profile) -> None:
    label = np.zeros((20, 32, 32))
    label[10] = 2
    sampler = SlabSampler([stored(np.zeros(label.shape), label)], replace(tiny, tumor_share=1), seed=0)
    places = [int((sampler.slab(np.random.default_rng(s))[1] == 2).any(2).any(1).int().argmax()) for s in range(60)]
    assert set(places) == {0, 1, 2, 3}


def test_cases_without_tumor_are_drawn_nevertheless(store: list[StoredCase], tiny: Profile) -> None:
    label = np.zeros((6, 32, 32))
    sampler = SlabSampler([stored(label, label)], replace(tiny, tumor_share=1), seed=0)
    assert not sampler.batch(0).label.any()


@pytest.mark.parametrize("share", [0, 1])
def test_a_case_just_as_deep_as_a_slab_is_drawn_whole(share: int, tiny: Profile) -> None:
    case = stored(np.full((tiny.slab, 32, 32), 100), np.full((tiny.slab, 32, 32), TUMOR))
    sampler = SlabSampler([case], replace(tiny, tumor_share=share, kidney_share=0), seed=0)
    assert all((sampler.slab(np.random.default_rng(seed))[1] == TUMOR).all() for seed in range(20))
