"""Muon for the short runs: Adam for most parameters, an orthogonalized momentum for the weights between channels.

Adam scales each number of a weight by itself; Muon turns the whole update of a layer, so that no direction in its
matrix goes unlearned while others are learned again and again. Jordan et al. 2024, kellerjordan.github.io/posts/muon;
PyTorch's own takes matrices alone, not the weights of convolutions.
"""

import torch
from torch import Tensor

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)  # of Newton-Schulz's polynomial, tuned by Jordan et al. for few iterations
ITERATIONS = 5
HIDDEN = 4  # channels on both sides of a weight that Muon moves: not the image's one, nor the classes' three


class Muon(torch.optim.AdamW):
    """`torch.optim.AdamW`, but what lies between hidden channels moves by Muon, at the same learning rate.

    A weight (C_out, C_in, ...) counts as a matrix of C_out rows. Its update has the root mean square of Adam's, about
    0.2 times the learning rate (Liu et al. 2025, arXiv:2502.16982), so that one rate and one decay serve both.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move all parameters; those that Muon moves lose their gradient, which hides them from AdamW."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and is_hidden(weight):
                    state = self.state[weight]
                    if not state:  # "step" is there because AdamW looks for it when it loads a state
                        state |= {"step": torch.tensor(0.0), "momentum": torch.zeros_like(weight)}
                    momentum = state["momentum"].lerp_(weight.grad, 1 - MOMENTUM)
                    update = weight.grad.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's look ahead
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(
                        orthogonalize(update).view_as(weight), alpha=-group["lr"] * 0.2 * max(update.shape) ** 0.5
                    )
                    weight.grad = None
        super().step(closure)


def is_hidden(weight: Tensor) -> bool:
    """Whether a parameter is a weight between hidden channels."""
    return weight.ndim > 1 and min(weight.shape[:2]) >= HIDDEN


def orthogonalize(matrix: Tensor) -> Tensor:
    """(R, C) -> (R, C): near the closest matrix whose rows (columns, if fewer) are orthogonal and of length 1.

    All singular values come out between about 0.7 and 1.2, by Newton-Schulz iterations, which need no decomposition.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalize(matrix.T).T
    a, b, c = QUINTIC
    x = matrix / (matrix.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T  # (R, R)
        x = a * x + (b * square + c * square @ square) @ x
    return x


OPTIMIZERS = {"adamw": torch.optim.AdamW, "muon": Muon}  # without decay, AdamW is the paper's Adam
