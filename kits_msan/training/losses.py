"""The losses: Dice (the paper's), Dice with cross-entropy (for short runs), and deep supervision around either.

Both are fractions of sums over the whole batch, or over groups of its slabs. Where several processes share a batch,
they share the sums of the whole one too.
"""

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from kits_msan.errors import check_choice
from kits_msan.networks.layers import CLASS_COUNT, SUPERVISION_WEIGHT
from kits_msan.profiles import Profile

VOXELS = (0, 2, 3, 4)  # the axes that are summed over
CLASS_WEIGHTS = (0.5, 1.0, 2.0)  # of background, kidney, tumor in the cross-entropy; our choice


def sum_over_processes(x: Tensor) -> Tensor:
    """The sum of a tensor over the processes that train together; alone, the tensor itself.

    The gradient passes to this process's own share, times the number of processes, since DistributedDataParallel
    divides by it when it averages gradients.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return x
    total = x.detach().clone()
    dist.all_reduce(total)
    return total + dist.get_world_size() * (x - x.detach())  # adds zero, with a gradient


class DiceLoss(nn.Module):
    """1 - soft Dice, averaged over the classes kidney and tumor (paper, section 3.1: "a dice loss").

    In: logits (N, 3, D, H, W), target (N, D, H, W) integer. Out: a scalar, 0 (perfect) to 1.
    Sums run over the whole batch, since most slabs hold no tumor. smooth: voxels, added above and below, which keep
    an absent class defined. The more, the harder a batch without tumor pulls its probability down, beside the pull
    up in one that has some.
    together: slabs over which they run instead, see `Profile`; then the loss is the mean over such groups.
    """

    def __init__(self, smooth: float = Profile.smooth, together: int = 0) -> None:
        super().__init__()
        self.smooth, self.together = smooth, together

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:  # noqa: D102
        sums = _overlap_and_total(logits.float().softmax(1), _one_hot(target), self.together)
        overlap, total = _shared(torch.stack(sums), self.together)
        return _dice_loss(overlap, total, self.smooth)


class DiceCrossEntropyLoss(nn.Module):
    """Dice loss plus weighted cross-entropy: our choice for runs too short for Dice alone. Shapes as DiceLoss."""

    weight: Tensor

    def __init__(self, smooth: float = Profile.smooth, together: int = 0) -> None:
        super().__init__()
        self.smooth, self.together = smooth, together
        self.register_buffer("weight", torch.tensor(CLASS_WEIGHTS))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:  # noqa: D102
        truth = _one_hot(target)
        likelihoods = logits.float().log_softmax(1)  # one for both losses
        hits = _sums(likelihoods * truth, self.together)  # (G, 3)
        overlap, total = _overlap_and_total(likelihoods.exp(), truth, self.together)
        sums = torch.stack([overlap, total, hits, _sums(truth, self.together)])
        overlap, total, hits, voxels = _shared(sums, self.together)
        return _dice_loss(overlap, total, self.smooth) - ((hits @ self.weight) / (voxels @ self.weight)).mean()


def _one_hot(target: Tensor) -> Tensor:
    """(N, D, H, W) integer -> (N, 3, D, H, W), 1 where a voxel is of the class."""
    return torch.stack([target == value for value in range(CLASS_COUNT)], 1).float()


def _sums(x: Tensor, together: int) -> Tensor:
    """(N, 3, D, H, W) -> (G, 3): the sums of G groups of so many slabs each; 0 is one group of all."""
    return x.unflatten(0, (-1, together)).sum((1, 3, 4, 5)) if together else x.sum(VOXELS)[None]


def _shared(sums: Tensor, together: int) -> Tensor:
    """Processes share the sums of their whole batch; a smaller group lies within one of them."""
    return sums if together else sum_over_processes(sums)


def _overlap_and_total(probabilities: Tensor, truth: Tensor, together: int) -> tuple[Tensor, Tensor]:
    """What Dice is made of, for each class: two of (N, 3, D, H, W) -> two of (G, 3)."""
    return _sums(probabilities * truth, together), _sums(probabilities, together) + _sums(truth, together)


def _dice_loss(overlap: Tensor, total: Tensor, smooth: float) -> Tensor:
    return 1 - ((2 * overlap + smooth) / (total + smooth))[:, 1:].mean()  # without background


class DeepSupervisionLoss(nn.Module):
    """Any loss, over the output and the supervised poolings: loss(first) + weight * mean of loss(others).

    In: logits (N, 3, D, H, W), or a list of them, the output first. The weight is our choice; paper is silent.
    """

    def __init__(self, loss: nn.Module, weight: float = SUPERVISION_WEIGHT) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight

    def forward(self, logits: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:  # noqa: D102
        if isinstance(logits, Tensor):
            return self.loss(logits, target)
        output, *others = logits
        extra = torch.stack([self.loss(other, target) for other in others]).mean()
        return self.loss(output, target) + self.weight * extra


LOSSES: dict[str, Callable[..., nn.Module]] = {"dice": DiceLoss, "dice-ce": DiceCrossEntropyLoss}


def build_loss(
    name: str, weight: float = SUPERVISION_WEIGHT, together: int = 0, smooth: float = Profile.smooth
) -> DeepSupervisionLoss:
    """One of LOSSES, ready for networks with and without deep supervision, whose `weight` it takes.

    together, smooth: see `DiceLoss`. Raises InputError for another name.
    """
    check_choice("loss", name, LOSSES)
    return DeepSupervisionLoss(LOSSES[name](smooth, together), weight)
