"""The build of notebook 4, a training loop: it trains a tiny model, whose losses and weights are compared."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kits_msan.course.exercises.compare import same
from kits_msan.course.exercises.exercise import Exercise, Inputs

TOLERANCE = 2e-5
PARAMETERS = "The optimizer wants the weights, model.parameters(), with brackets."


def _settings(rng: np.random.Generator) -> Inputs:
    """Learning rates and numbers of steps."""
    return [(0.1, 5), (float(rng.uniform(0.01, 0.05)), 8), (0.3, int(rng.integers(2, 5)))]


class _Sampler:
    def batch(self, step: int) -> SimpleNamespace:
        """A batch that depends on the step alone."""
        generator = torch.Generator().manual_seed(int(step))
        image = torch.randn(4, 3, generator=generator)
        return SimpleNamespace(image=image, label=image.sum(dim=1, keepdim=True) + 3)


def _loss(output: Tensor, label: Tensor) -> Tensor:
    """A loss in which output and label cannot stand for each other."""
    return ((output - label) ** 2 * (1 + label.abs())).mean()


def use(train: Callable[..., Any]) -> Callable[[float, int], Any]:
    """The losses that a loop returns, and the weights that it leaves behind."""

    def trained(rate: float, steps: int) -> Any:
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        losses = train(model, _Sampler(), _loss, rate, steps)
        if losses is None:  # without return
            return None
        if isinstance(losses, Iterator):
            losses = _Once(losses)  # a generator trains only now
        return losses, _weights(model)

    return trained


class _Once(list[Any]):
    """The values of what gives them once."""


def _undrawn(trained: Callable[[float, int], Any]) -> str | None:
    """Why the notebook cannot draw losses that are right, or None."""
    losses, _ = trained(0.1, 3)
    if isinstance(losses, _Once):
        return "the losses are right, but can be taken once only, as after `yield` or map; return a list of them."
    if any(isinstance(loss, Tensor) and loss.requires_grad for loss in losses):
        return (
            "the losses are right, but each is a tensor with its gradient, which no plot takes; append loss.item()."
        )
    return None


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([part.detach().flatten() for part in model.parameters()])


def _untouched(got: Any, want: Any) -> bool:
    """Whether the weights are those that the model began with."""
    torch.manual_seed(0)
    return bool(torch.equal(got[1], _weights(nn.Linear(3, 1))))


def _among_others(got: Any, want: Any) -> bool:
    """Whether the right losses are one of several things that were returned."""
    return any(same(part, want[0], TOLERANCE) for part in got[0])


def _train(
    optimizer: Callable[..., Any] = torch.optim.AdamW, of_rate: Callable[[float], float] = lambda rate: rate,
    forget: bool = True, step_it: bool = True, renew: bool = False, which: Callable[[int], int] = lambda step: step,
    exchange: bool = False, sign: float = 1, give: Callable[..., Any] = lambda losses: losses,
    until: Callable[[int], int] = lambda steps: steps, late: bool = False, remember: Callable[[Any], Any] = float,
    changed: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Any:  # fmt: skip
    def train(model: nn.Module, sampler: _Sampler, loss_of: Any, rate: float, steps: int) -> Any:
        chosen = optimizer(model.parameters(), of_rate(rate))
        losses = []
        for step in range(until(steps)):
            if renew:
                chosen = optimizer(model.parameters(), of_rate(rate))
            batch = sampler.batch(which(step))
            output = model(batch.image)
            loss = changed(loss_of(batch.label, output) if exchange else loss_of(output, batch.label))
            (sign * loss).backward()
            if step_it:
                chosen.step()
            if forget:
                chosen.zero_grad()
            losses.append(remember(loss_of(model(batch.image), batch.label) if late else loss))
        return give(losses)

    return use(train)


EXERCISE = Exercise(
    use=use,
    solution=_train(),
    why="five lines, again and again; your losses and weights are those of such a loop.",
    inputs=_settings,
    then=_undrawn,
    inner=True,
    tolerance=TOLERANCE,
    hint="A batch, the loss of the network's answer, backward, step, zero_grad; and remember loss.item().",
    parts={
        "the losses": "Append loss.item() once in each step.",
        "the weights afterwards": "Each step needs backward, step and zero_grad, with AdamW and `rate`.",
    },
    stops={
        "SimpleNamespace": "A batch is one thing with two parts: batch.image and batch.label.",
        "_Sampler": "A sampler is asked for the batch of a step: sampler.batch(step).",
        "no attribute 'backward'": "loss.item() is a plain number; call backward on the loss itself, before.",
        "'Linear' object is not": PARAMETERS,
        "'method' object is not": PARAMETERS,
        "Invalid learning rate": "A rate is positive; give the optimizer `rate` as it is.",
    },
    takes=("model", "sampler", "loss_of", "rate", "steps"),
    seen={
        "return the list of losses alone, without the model.": _among_others,
        "the weights of `model` are as they were: train this model, not another one or a copy.": _untouched,
    },
    make=_train,
    flaws={
        "your loop ends after its first step. Does `return` stand inside it?": {"until": lambda steps: 1},
        "your loop makes a step too many: range(steps) gives as many as are asked.": {
            "until": lambda steps: steps + 1
        },
        "your loop makes a step too few; steps count from 0, so range(steps) is all of them.": {
            "until": lambda steps: steps - 1
        },
        "the loss was measured after the step; remember the one whose gradient you took.": {"late": True},
        "gradients add up: forget them in each step, with optimizer.zero_grad().": {"forget": False},
        "the weights never changed: backward makes the gradient, then optimizer.step() uses it, and "
        "zero_grad comes last. Or was the gradient cut off, by no_grad, detach or item?": {"step_it": False},
        "a new optimizer in each step forgets its means; make it once, before the loop.": {"renew": True},
        "every step took the same batch; ask the sampler for batch(step).": {"which": lambda step: 0},
        "steps count from 0; yours begin with 1.": {"which": lambda step: step + 1},
        "the loss got its arguments in the wrong order: first the network's answer, then the label.": {
            "exchange": True
        },
        "this is plain SGD; take torch.optim.AdamW.": {"optimizer": torch.optim.SGD},
        "this is RMSprop; take torch.optim.AdamW.": {"optimizer": torch.optim.RMSprop},
        "the rate is ten times too large; give the optimizer `rate`.": {"of_rate": lambda rate: 10 * rate},
        "the rate is ten times too small; give the optimizer `rate`.": {"of_rate": lambda rate: rate / 10},
        "the loss has another sign; the network must make it small, so leave it as it is.": {
            "changed": lambda loss: -loss
        },
        "the root of the loss was taken; leave it as it is.": {"changed": torch.sqrt},
        "the logarithm of the loss was taken; leave it as it is.": {"changed": torch.log},
        "the losses are rounded; give them as they are.": {"remember": lambda loss: round(float(loss), 1)},
        "the losses are rounded to two digits; give them as they are.": {
            "remember": lambda loss: round(float(loss), 2)
        },
        "the losses are whole numbers; loss.item() gives them as they are.": {"remember": int},
        "the losses are sorted; give them in the order of the steps.": {"give": sorted},
        "the losses have the wrong sign; give loss.item() as it is.": {
            "give": lambda losses: [-loss for loss in losses]
        },
        "the losses are in the reverse order.": {"give": lambda losses: losses[::-1]},
        "the losses were added up; return the list of all.": {"give": sum},
        "this is Adam without weight decay; take torch.optim.AdamW.": {"optimizer": torch.optim.Adam},
        "the optimizer has its own rate; give it `rate`.": {"of_rate": lambda rate: 1e-3},
        "you went uphill; the loss must fall.": {"sign": -1},
        "this is the last loss only; return the list of all.": {"give": lambda losses: losses[-1]},
        "this is the mean of the losses; return the list of all.": {"give": lambda losses: np.mean(losses)},
        "the first loss is missing.": {"give": lambda losses: losses[1:]},
        "the last loss is missing.": {"give": lambda losses: losses[:-1]},
    },
)
