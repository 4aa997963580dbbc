"""Muon for the short runs: Adam for most parameters, an orthogonalized momentum for the weights between channels.

Adam scales each number of a weight by itself; Muon turns the whole update of a layer, so that no direction in its
matrix goes unlearned while others are learned again and again. Jordan et al. 2024, kellerjordan.github.io/posts/muon;
PyTorch's own takes matrices alone, not the weights of convolutions.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from kits_msan.networks.layers import Network

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)  # of Newton-Schulz's polynomial, tuned by Jordan et al. for few iterations
ITERATIONS = 5
HIDDEN = 4  # channels on both sides of a weight that Muon moves: not the image's one, nor the classes' three


class Muon(torch.optim.AdamW):
    """`torch.optim.AdamW`, but what lies between hidden channels moves by Muon, at the same learning rate.

    A weight (C_out, C_in, ...), of an up-convolution (C_in, C_out, ...), counts as a matrix with a row for each of
    the first. Its update has the root mean square of Adam's, about 0.2 times the learning rate (Liu et al. 2025,
    arXiv:2502.16982), so that one rate and one decay serve both.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters; those that Muon moves lose their gradient, which hides them from AdamW."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None and is_hidden(weight)]
            updates = []
            for weight in weights:
                state = self.state[weight]
                if not state:  # "step" is there because AdamW looks for it when it loads a state
                    state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(weight)}
                momentum = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                ahead = weight.grad.lerp_(momentum, MOMENTUM)  # Nesterov's look ahead
                updates.append(ahead.movedim(1, -1).flatten(1))  # columns in the order of channels_last_3d: no copy
            for weight, update in zip(weights, orthogonalize_all(updates), strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                last = weight.movedim(1, -1)  # a view
                last.add_(update.view_as(last), alpha=-group["lr"] * 0.2 * max(update.shape) ** 0.5)
                weight.grad = None
        super().step(closure)


def is_hidden(weight: Tensor) -> bool:
    """Whether a parameter is a weight between hidden channels."""
    return weight.ndim > 1 and min(weight.shape[:2]) >= HIDDEN


def orthogonalize(matrix: Tensor) -> Tensor:
    """(R, C) -> (R, C): near the closest matrix whose rows (columns, if fewer) are orthogonal and of length 1.

    By Newton-Schulz iterations, which need no decomposition. Singular values of at least 1/500 of the matrix's norm
    come out between 0.68 and 1.21. Smaller ones stay below, as they grow at most 485-fold.
    """
    return orthogonalize_all([matrix])[0]


def orthogonalize_all(matrices: Sequence[Tensor]) -> list[Tensor]:
    """`orthogonalize` of each.

    An iteration turns X into (a + b X X' + c (X X')^2) X. All factors of the first X are polynomials of the small
    X X', so these alone are multiplied, those of all matrices with as many rows together, and X once at the end.
    """
    a, b, c = QUINTIC
    wide = [matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T for matrix in matrices]
    wide = [x / (x.norm() + 1e-7) for x in wide]
    results = list(wide)
    for rows in {len(x) for x in wide}:
        chosen = [index for index, x in enumerate(wide) if len(x) == rows]
        square = torch.stack([wide[index] @ wide[index].T for index in chosen])  # X X' of each: (M, R, R)
        one = torch.eye(rows, device=square.device)
        product = one
        for _ in range(ITERATIONS):
            factor = a * one + torch.baddbmm(square, square, square, beta=b, alpha=c)
            product = factor @ product
            square = factor @ square @ factor
        for index, whole in zip(chosen, product, strict=True):
            results[index] = whole @ wide[index]
    return [x if x.shape == matrix.shape else x.T for x, matrix in zip(results, matrices, strict=True)]


OPTIMIZERS = {"adamw": torch.optim.AdamW, "muon": Muon}  # without decay, AdamW is the paper's Adam


def restore(network: Network, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load weights and the optimizer's state from a checkpoint's tensors."""
    network.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            if tensor.ndim:  # in the memory layout of its parameter, as the fused optimizer wants it
                tensor = torch.empty_like(parameters[int(index)]).copy_(tensor)
            state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
