"""Whether a layer whose numbers are right can be trained: its gradients beside those of the solution."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kits_msan.course.exercises.compare import same
from kits_msan.course.exercises.exercise import Inputs

SLACK = 1e-3  # between gradients that were calculated in another order


def untrained(
    solution: Callable[..., Any], inputs: Callable[[np.random.Generator], Inputs]
) -> Callable[[Callable[..., Any]], str | None]:
    """What is wrong with the gradients of a function like `solution`, on the second of its inputs; or None."""

    def hint(function: Callable[..., Any]) -> str | None:
        arguments = inputs(np.random.default_rng(0))[1]
        try:
            if same(_gradients(function, arguments), _gradients(solution, arguments), SLACK):
                return None
        except RuntimeError as error:
            if "modified by an inplace operation" not in str(error):
                raise
            return (
                "the numbers are right, but it cannot be trained: something was changed in place, as by `+=`, that "
                "the gradient still needs. Write x = x + y."
            )
        return (
            "the numbers are right, but their gradients are not, so it cannot be trained. Leave out no_grad, detach, "
            "item and NumPy."
        )

    return hint


def _gradients(function: Callable[..., Any], arguments: tuple[Any, ...]) -> list[Tensor]:
    """The gradients of the sum of all results, for each tensor among the arguments."""
    leaves: list[Tensor] = []

    def leaf(value: Any) -> Any:
        if isinstance(value, list):
            return [leaf(part) for part in value]
        if not isinstance(value, Tensor):
            return value
        leaves.append(value.clone().requires_grad_())
        return leaves[-1] * 1  # which may be changed in place, as the maps of a network

    given = [leaf(value) for value in arguments]
    result = function(*given)
    total = sum(torch.as_tensor(part).sum() for part in ([result] if isinstance(result, Tensor) else result))
    if isinstance(total, Tensor) and total.requires_grad:
        total.backward()
    return [torch.zeros_like(one) if one.grad is None else one.grad for one in leaves]
