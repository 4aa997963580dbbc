"""Whether a layer whose numbers are right can be trained: its gradients beside those of the solution."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.module import Module, register_module_forward_pre_hook

from kits_msan.course.exercises.compare import same
from kits_msan.course.exercises.exercise import Inputs

SLACK = 1e-3  # between gradients that were calculated in another order


def untrained(
    solution: Callable[..., Any], inputs: Callable[[np.random.Generator], Inputs]
) -> Callable[[Callable[..., Any]], str | None]:
    """What is wrong with the gradients of a function like `solution`, on some of its inputs; or None."""

    def hint(function: Callable[..., Any]) -> str | None:
        trials = inputs(np.random.default_rng(0))
        try:
            if all(_alike(_gradients(function, trial), _gradients(solution, trial)) for trial in trials):
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
            ".data, item and NumPy."
        )

    return hint


Gradients = tuple[list[Any], list[Any]]  # of the arguments' tensors, and of a module's parameters; some are None


def _alike(got: Gradients, want: Gradients) -> bool:
    """Whether these are right; each parameter of the solution has one of the student's, whatever its name."""
    parameters = all(any(same(other, one, SLACK) for other in got[1]) for one in want[1])
    return parameters and same(got[0], want[0], SLACK)


def _gradients(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Gradients:
    """The gradients of the sum of all results."""
    leaves: list[Tensor] = []
    modules: list[Module] = []  # that are called, the outermost first

    def leaf(value: Any) -> Any:
        if isinstance(value, list):
            return [leaf(part) for part in value]
        if not isinstance(value, Tensor):
            return value
        leaves.append(value.clone().requires_grad_())
        return leaves[-1] * 1  # which may be changed in place, as the maps of a network

    given = [leaf(value) for value in arguments]
    with register_module_forward_pre_hook(lambda module, _: modules.append(module)):
        result = function(*given)
    total = sum(torch.as_tensor(part).sum() for part in ([result] if isinstance(result, Tensor) else result))
    if isinstance(total, Tensor) and total.requires_grad:
        total.backward()
    of_leaves = [torch.zeros_like(one) if one.grad is None else one.grad for one in leaves]
    return of_leaves, [one.grad for one in modules[0].parameters()] if modules else []
