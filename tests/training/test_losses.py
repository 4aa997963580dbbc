import math

import pytest
import torch
from torch import Tensor

from kits_msan.profiles import LAPTOP, PAPER, Profile
from kits_msan.training.losses import DeepSupervisionLoss, DiceCrossEntropyLoss, DiceLoss, build_loss


def certain(labels: list[int]) -> Tensor:
    """Logits (1, 3, 1, 1, W) that put all probability on `labels`."""
    return 100 * torch.nn.functional.one_hot(torch.tensor(labels), 3).T.float()[None, :, None, None]


def target(labels: list[int]) -> Tensor:
    return torch.tensor(labels, dtype=torch.uint8)[None, None, None]


@pytest.mark.parametrize(
    ("found", "true", "loss"),
    [
        # smooth is 1, so a class's Dice is (2 * overlap + 1) / (found + true + 1); the loss is 1 - mean of two
        ([0, 1, 1, 2], [0, 1, 1, 2], 0.0),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0.0),  # (0 + 1) / (0 + 1) for both: absent and not found is perfect
        ([1, 1, 0, 0], [1, 0, 0, 0], 1 - (3 / 4 + 1) / 2),
        ([0, 0, 0, 0], [1, 1, 1, 2], 1 - (1 / 4 + 1 / 2) / 2),
        ([2, 1, 1, 1], [1, 1, 1, 2], 1 - (5 / 7 + 1 / 3) / 2),
        ([1, 1, 1, 1], [2, 2, 2, 2], 1 - (1 / 5 + 1 / 5) / 2),
    ],
)
def test_dice_by_hand(found: list[int], true: list[int], loss: float) -> None:
    assert DiceLoss()(certain(found), target(true)).item() == pytest.approx(loss, abs=1e-6)


def test_dice_of_even_probabilities_by_hand() -> None:
    # every class has 1/3 everywhere; kidney: overlap 1/3 * 2, sum 4/3 + 2; tumor: overlap 1/3, sum 4/3 + 1
    loss = 1 - ((4 / 3 + 1) / (10 / 3 + 1) + (2 / 3 + 1) / (7 / 3 + 1)) / 2
    assert DiceLoss()(torch.zeros(1, 3, 1, 1, 4), target([0, 1, 1, 2])).item() == pytest.approx(loss)


def test_dice_sums_over_the_batch() -> None:
    # one sample with a missed tumor voxel, one with a found: overlap 1, sum 3, (2 + 1) / (3 + 1)
    logits, true = torch.cat([certain([0, 0]), certain([2, 0])]), torch.cat([target([2, 0]), target([2, 0])])
    assert DiceLoss()(logits, true).item() == pytest.approx(1 - (1 + 3 / 4) / 2)


@pytest.mark.parametrize("name", ["dice", "dice-ce"])
def test_slabs_taken_together_have_the_mean_loss_of_their_groups(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, 2, 4, 5, generator=generator)
    true = torch.randint(0, 3, (6, 2, 4, 5), generator=generator)
    true[:2] = 0  # a pair without kidney and tumor, whose Dice falls with the first voxel that is found
    pairs = [build_loss(name)(logits[i : i + 2], true[i : i + 2]) for i in (0, 2, 4)]
    together = build_loss(name, together=2)(logits, true)
    torch.testing.assert_close(together, torch.stack(pairs).mean())
    assert abs(together - build_loss(name)(logits, true)) > 0.01


@pytest.mark.parametrize("smooth", [1.0, 1e-5])
@pytest.mark.parametrize("seed", range(3))
def test_dice_equals_monais(seed: int, smooth: float) -> None:
    from monai.losses import DiceLoss as MonaiDiceLoss

    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 3, 4, 6, 5, generator=generator)
    true = torch.randint(0, 3, (2, 4, 6, 5), generator=generator)
    if seed == 2:
        true[true == 2] = 0  # a batch without tumor
    monai = MonaiDiceLoss(
        batch=True, softmax=True, include_background=False, to_onehot_y=True, smooth_nr=smooth, smooth_dr=smooth
    )
    torch.testing.assert_close(DiceLoss(smooth)(logits, true), monai(logits, true[:, None]))


def test_cross_entropy_is_weighted_by_class() -> None:
    logits, true = torch.zeros(1, 3, 1, 1, 4), target([0, 1, 1, 2])
    logits[0, 2] = math.log(2)  # probabilities 1/4, 1/4, 1/2
    cross_entropy = (0.5 * math.log(4) + 2 * 1.0 * math.log(4) + 2.0 * math.log(2)) / (0.5 + 2 * 1.0 + 2.0)
    loss = DiceCrossEntropyLoss()(logits, true) - DiceLoss()(logits, true)
    assert loss.item() == pytest.approx(cross_entropy, rel=1e-5)


@pytest.mark.parametrize("loss", [DiceLoss(), DiceCrossEntropyLoss(), build_loss("dice"), build_loss("dice-ce")])
def test_loss_is_a_float32_scalar_that_training_can_lower(loss: torch.nn.Module) -> None:
    true = torch.randint(0, 3, (2, 2, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    logits = torch.zeros(2, 3, 2, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    before = loss(logits, true)
    assert (before.shape, before.dtype) == ((), torch.float32)
    before.backward()
    assert logits.grad is not None
    after = loss(logits.detach() - 100 * logits.grad, true)
    assert after < before


def test_deep_supervision_adds_the_mean_of_the_others() -> None:
    true = target([0, 1, 1, 2])
    first, second, third = certain([0, 1, 1, 2]), certain([0, 0, 0, 0]), certain([0, 1, 1, 0])
    # alone: 0;  kidney (0 + 1) / (2 + 1), tumor (0 + 1) / (1 + 1);  kidney 1, tumor 1 / 2
    others = (1 - (1 / 3 + 1 / 2) / 2, 1 - (1 + 1 / 2) / 2)
    loss = DeepSupervisionLoss(DiceLoss(), weight=0.4)
    assert loss([first, second, third], true).item() == pytest.approx(0.4 * sum(others) / 2, abs=1e-6)
    assert loss([second, first], true).item() == pytest.approx(others[0], abs=1e-6)
    assert loss(second, true).item() == pytest.approx(others[0], abs=1e-6)


def tumor_pull(profile: Profile, tumor: int) -> float:
    """What a step of the profile's Dice does to the output's bias of tumor, at 0.3 %; tumor: voxels of 1024."""
    bias = torch.log(torch.tensor([0.985, 0.012, 0.003])).requires_grad_()
    true = target([2] * tumor + [0] * (1024 - tumor))
    build_loss("dice", smooth=profile.smooth)(bias.view(1, 3, 1, 1, 1).expand(1, 3, 1, 1, 1024), true).backward()
    assert bias.grad is not None
    return -float(bias.grad[2])


def test_at_the_papers_settings_slabs_without_tumor_do_not_drown_those_with_one() -> None:
    """With one voxel of smoothing, most slabs push tumor down, and one of 20 voxels does not pull it up again."""
    assert tumor_pull(PAPER, 20) > 1000 * -tumor_pull(PAPER, 0) > 0
    assert tumor_pull(LAPTOP, 0) < 10 * tumor_pull(LAPTOP, 20) < 0  # whose runs have cross-entropy against it


@pytest.mark.parametrize("name", ["dice", "dice-ce"])
def test_processes_share_the_sums_of_a_whole_batch_but_not_those_of_groups(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = torch.cat([certain([0, 1, 2, 2]), certain([1, 1, 0, 2])])
    true = torch.cat([target([0, 1, 1, 2]), target([0, 1, 0, 2])])
    alone, groups = build_loss(name)(logits, true), build_loss(name, together=1)(logits, true)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda sums: sums.mul_(3))  # the other has twice as much
    assert build_loss(name)(logits, true) != alone
    torch.testing.assert_close(build_loss(name, together=1)(logits, true), groups)
