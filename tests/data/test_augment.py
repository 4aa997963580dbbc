"""Augmentation: what each change does to image and label."""

import numpy as np
import pytest
import torch

from kits_msan.data.augment import GROUPS, INTENSITIES, MOVES, SHIFT, augment, parse_kind
from kits_msan.errors import InputError


def test_augmentation_moves_image_and_label_together() -> None:
    label = torch.zeros(4, 32, 32, dtype=torch.uint8)
    label[:, 8:20, 10:26] = 1
    image = 0.2 + 0.6 * label.float()
    moved = 0
    for seed in range(20):
        new_image, new_label = augment(image, label, np.random.default_rng(seed))
        assert (new_image.shape, new_image.dtype) == (image.shape, torch.float32)
        assert (new_label.dtype, int(new_label.max())) == (torch.uint8, 1)
        assert 0 <= new_image.min() < new_image.max() <= 1
        assert all(torch.equal(new_label[0], plane) for plane in new_label)  # all slices change alike
        bright = new_image > (new_image[new_label == 1].mean() + new_image[new_label == 0].mean()) / 2
        overlap = 2 * (bright & (new_label == 1)).sum() / (bright.sum() + (new_label == 1).sum())
        assert overlap > 0.9
        moved += not torch.equal(new_label, label)
    assert moved == 20
    assert torch.equal(image, 0.2 + 0.6 * label.float())  # the input is left alone


@pytest.mark.parametrize("name", [*INTENSITIES, *MOVES])
def test_each_augmentation_changes_what_it_says_and_nothing_else(name: str) -> None:
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.random((4, 32, 40), np.float32))
    label = torch.from_numpy(rng.integers(0, 3, (4, 32, 40), np.uint8))
    pairs = [augment(image, label, np.random.default_rng(seed), name) for seed in range(10)]
    for new_image, new_label in pairs:
        assert (new_image.shape, new_image.dtype, new_label.dtype) == (image.shape, torch.float32, torch.uint8)
        assert 0 <= new_image.min() < new_image.max() <= 1
    assert any(not torch.allclose(new_image, image, atol=1e-3) for new_image, _ in pairs)
    assert all(torch.equal(new_label, label) for _, new_label in pairs) == (name in INTENSITIES)


def test_flip_mirrors_left_and_right_of_every_other_slab() -> None:
    image = torch.arange(4 * 6 * 10).reshape(4, 6, 10) / 240
    label = (torch.arange(240).reshape(4, 6, 10) % 3).to(torch.uint8)
    flipped = 0
    for seed in range(40):
        new_image, new_label = augment(image, label, np.random.default_rng(seed), "flip")
        mirrored = torch.equal(new_label, label.flip(2))
        wanted = image.flip(2) if mirrored else image
        torch.testing.assert_close(new_image, wanted)
        flipped += mirrored
    assert 10 < flipped < 30


def test_augmentations_are_asked_for_by_name() -> None:
    assert parse_kind("") == ()
    assert parse_kind("blur,intensity") == ("blur", *GROUPS["intensity"])
    for kind in ("colour", "blur,", "blur;noise"):
        with pytest.raises(InputError, match="unknown augmentation"):
            parse_kind(kind)


def test_a_shift_moves_by_at_most_its_share_of_the_width() -> None:
    image = torch.zeros(1, 100, 50)
    image[0, 50, 25] = 1
    places = []
    for seed in range(200):
        moved, _ = augment(image, image.to(torch.uint8), np.random.default_rng(seed), "shift")
        weights = moved[0] / moved.sum()
        places.append(
            [(weights.sum(1) * torch.arange(100)).sum() - 50, (weights.sum(0) * torch.arange(50)).sum() - 25]
        )
    farthest = np.abs(places).max(axis=0) / (100, 50)
    assert (farthest > 0.9 * SHIFT).all()
    assert (farthest < SHIFT + 0.01).all()


def test_a_rotation_keeps_distances_where_rows_and_columns_differ_in_number() -> None:
    image = torch.zeros(1, 40, 80)
    image[0, 19:21, 20:60] = 1  # a bar of 40 pixels across
    for seed in range(10):
        turned, _ = augment(image, image.to(torch.uint8), np.random.default_rng(seed), "rotation")
        rows, columns = np.nonzero(turned[0].numpy() > 0.5)
        assert np.hypot(np.ptp(rows), np.ptp(columns)) == pytest.approx(40, abs=2)


def test_a_rotation_is_of_at_most_twelve_degrees_to_either_side() -> None:
    image = torch.zeros(1, 80, 80)
    image[0, 39:41, 10:70] = 1
    angles = []
    for seed in range(60):
        turned, _ = augment(image, image.to(torch.uint8), np.random.default_rng(seed), "rotation")
        rows, columns = np.nonzero(turned[0].numpy() > 0.5)
        angles.append(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0])))
    assert -12.5 < min(angles) < -10.5
    assert 10.5 < max(angles) < 12.5


def test_gamma_makes_brighter_and_darker_by_as_much() -> None:
    gray = torch.full((1, 2, 2), 0.5)
    made = [float(augment(gray, gray, np.random.default_rng(seed), "gamma")[0].mean()) for seed in range(60)]
    exponents = np.log2(made) / -1
    assert np.exp(-0.25) < exponents.min() < 0.8
    assert 1.25 < exponents.max() < np.exp(0.25)


def test_noise_is_from_none_to_its_most() -> None:
    gray = torch.full((4, 40, 40), 0.5)
    made = [float(augment(gray, gray, np.random.default_rng(seed), "noise")[0].std()) for seed in range(60)]
    assert min(made) < 0.004
    assert 0.036 < max(made) < 0.041


def many(image: torch.Tensor, kind: str, count: int = 60) -> list[tuple[torch.Tensor, torch.Tensor]]:
    label = (image > 0.5).to(torch.uint8)
    return [augment(image, label, np.random.default_rng(seed), kind) for seed in range(count)]


def test_sizes_change_by_a_fifth_at_most() -> None:
    image = torch.zeros(1, 80, 80)
    image[0, 39:41, 20:60] = 1
    sizes = [np.ptp(np.nonzero(label[0].numpy())[1]) + 1 for _, label in many(image, "scale")]
    assert 33 <= min(sizes) <= 35
    assert 46 <= max(sizes) <= 48


def test_contrast_changes_by_a_fifth_around_the_middle() -> None:
    grays = np.array([image[0, 0].tolist() for image, _ in many(torch.tensor([[[0.4, 0.5, 0.6]]]), "contrast")])
    gains = (grays[:, 2] - grays[:, 0]) / 0.2
    assert 0.799 < gains.min() < 0.83
    assert 1.17 < gains.max() < 1.201
    assert 0.05 < np.abs(grays[:, 1] - 0.5).max() <= 0.0601


def test_blur_stays_in_its_slice_and_below_a_pixel() -> None:
    image = torch.zeros(3, 33, 33)
    image[1, 16, 16] = 1
    blurred = [image for image, _ in many(image, "blur", 40)]
    assert not any(image[[0, 2]].any() for image in blurred)
    widths = [float((image[1].sum(0) * (torch.arange(33) - 16) ** 2).sum().sqrt()) for image in blurred]
    assert 0.9 < max(widths) < 1.05
