"""What students build is told right from wrong, by a hint that names the mistake."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sources
import torch
from right_answers_n4_to_n5 import interval_at_once, loop_first_zero, two_by_loop, two_most_common
from sources import my_window as gray
from torch import nn
from wrong_answers_n4_to_n5 import (
    interval_of_scipy,
    interval_of_shares,
    interval_of_whole_percents,
    interval_that_sorts,
    two_by_size,
)

from kits_msan.course.exercises.checks import BUILDS, passes
from kits_msan.course.exercises.verdict import verdict

DRAWS = "1.b"  # its check draws many slabs of a whole case
MISTAKES = [
    pytest.param(number, hint, marks=pytest.mark.slow if number == DRAWS else ())
    for number, exercise in BUILDS.items()
    for hint in exercise.single
]


def slab_by_choice(case: Any, rng: Any, slices: int = 4) -> Any:
    places = range(rng.choice(range(len(case.label) - slices + 1)), len(case.label))[:slices]
    return [torch.tensor(gray(case.image))[list(places)], case.label[list(places)]]


def slab_of_its_own(case: Any, rng: Any, slices: int = 4) -> Any:
    start = np.random.default_rng().integers(case.shape[0] - slices + 1)
    return gray(case.image[start : start + slices]), case.label[start : start + slices]


def slab_of_a_new_case(case: Any, rng: Any, slices: int = 4) -> Any:
    return slab_by_choice(replace(case, image=case.with_label(case.label).image), rng, slices)


def slab_clipped_in_place(case: Any, rng: Any, slices: int = 4) -> Any:
    start = rng.integers(case.shape[0] - slices + 1)
    view = case.image[start : start + slices]
    return (np.clip(view, -200, 500, out=view) + 200) / 700, case.label[start : start + slices]


def slab_clamped(case: Any, rng: Any, slices: int) -> Any:
    start = min(rng.integers(len(case.label)), len(case.label) - slices)
    return gray(case.image[start : start + slices]), case.label[start : start + slices]


def slab_with_label(change: Callable[[Any], Any]) -> Callable[[Any, Any, int], Any]:
    def slab(case: Any, rng: Any, slices: int) -> Any:
        image, label = slab_by_choice(case, rng, slices)
        return image, change(label)

    return slab


def needs_library(label: Any) -> Any:
    raise RuntimeError("Skimage.measure required.")  # as MONAI's KeepLargestConnectedComponent does


def loop_that_yields(model: Any, sampler: Any, loss_of: Any, rate: float, steps: int) -> Iterator[float]:
    yield from loop_first_zero(model, sampler, loss_of, rate, steps)


def loop_of_tensors(model: Any, sampler: Any, loss_of: Any, rate: float, steps: int) -> Any:
    kept: list[Any] = []

    def remembered(*given: Any) -> Any:
        kept.append(loss_of(*given))
        return kept[-1]

    loop_first_zero(model, sampler, remembered, rate, steps)
    return kept


RIGHT = [
    ("1.b", slab_by_choice),
    ("2.b", sources.Attention),
    ("3.b", sources.Block),
    ("4.b", loop_first_zero),
    ("5.b", lambda label: two_by_loop(label.copy())),
    ("1.b", slab_of_a_new_case),
    ("5.b", two_most_common),
    ("5.c", interval_at_once),
    ("5.c", interval_of_scipy(method="percentile")),
]
WRONG = [
    pytest.param(DRAWS, slab_of_its_own, "the same again", marks=pytest.mark.slow),
    ("1.b", lambda case, rng, slices: None, "returns nothing"),
    ("2.b", sources.SquaredWeights, "At each level but the bottom"),
    ("2.b", lambda channels: nn.Identity(), "AttributeError"),
    ("3.b", sources.BlockTwice, "Error"),
    ("3.b", sources.BlockWithoutShortcut, "(It was right for 3 other inputs.)"),
    ("5.c", interval_of_shares, "not the shares 0.025 and 0.975"),
    ("1.b", lambda case, rng, slices: rng(3), "rng.integers(n)"),
    ("4.b", lambda model, sampler, loss_of, rate, steps: sampler.batch(0)[0], "batch.image and batch.label"),
    ("5.b", 3, "your function itself"),
    ("5.c", lambda differences, draws, rng, level: rng.choice(differences, 2), "does not depend on `level`"),
    ("1.b", slab_clipped_in_place, "changes `image` itself"),
    ("1.b", lambda case, rng, slices: "slab", "Return two things"),
    ("2.b", sources.AttentionUntrained, "their gradients are not"),
    ("2.b", sources.AttentionOfNumbers, "their gradients are not"),
    ("3.b", sources.BlockCut, "their gradients are not"),
    ("2.b", sources.AttentionYields, "return a list, without `yield`"),
    ("2.b", sources.Attention([2, 3, 4]), "the class itself"),
    ("1.b", lambda *given: [part.tolist() for part in slab_by_choice(*given)], "return arrays"),
    ("5.b", lambda label: two_by_loop(label.copy()).tolist(), "return an array"),
    ("2.b", sources.AttentionJoined, "return a list of them"),
    ("3.b", sources.BlockWithoutDim, "split and join with dim=1"),
    ("3.b", sources.BlockStacked, "torch.stack adds one"),
    ("3.b", sources.BlockInPlace, "Write x = x + y, not x += y."),
    ("4.b", loop_that_yields, "return a list"),
    ("4.b", loop_of_tensors, "append loss.item()"),
    ("5.b", two_by_loop, "changes `label` itself"),
    ("5.b", two_by_size, "keeps 3; keep two"),
    ("5.b", lambda label: two_most_common(label) if label.any() else label[9], "for a label without any it stops"),
    ("5.c", lambda differences, draws, rng, level: interval_at_once(differences, draws - 1, rng, level), "fewer"),
    ("1.b", slab_clamped, "some more often than others"),
    ("1.b", slab_with_label(lambda label: np.eye(3)[label]), "the label has other axes"),
    ("1.b", slab_with_label(lambda label: label / 2), "Not right: the label. It is the label as it is"),
    ("1.b", lambda *given: [part[None] for part in slab_by_choice(*given)], "image and label: each has other axes"),
    ("1.b", lambda case, rng: slab_by_choice(case, rng), "the check gives it 3 arguments, case, rng, slices"),
    ("2.b", lambda: sources.Attention([2, 3]), "the check gives it 1 argument, channels"),
    ("2.b", sources.OwnAttention, "Leave `__init__` as it was given: the check sets the weights"),
    ("2.b", sources.AttentionWithBias, "Leave `__init__` as it was given."),
    ("3.b", sources.OwnBlock, "Leave `__init__` as it was given."),
    ("2.b", sources.NoSuper, "Begin `__init__` with super().__init__()."),
    ("4.b", lambda *given: (given[0], loop_first_zero(*given)), "return the list of losses alone"),
    ("5.c", interval_that_sorts, "changes `differences` itself"),
    ("5.b", needs_library, "This library is not installed here"),
    ("5.c", interval_of_whole_percents, "right for 4 of 5 inputs"),
]


@pytest.mark.parametrize("number", BUILDS)
def test_the_notebooks_build_is_right(number: str) -> None:
    assert passes(number, sources.defined_last(sources.solution_source(number)))


@pytest.mark.parametrize(("number", "thing"), RIGHT)
def test_a_build_written_differently_is_right(number: str, thing: Any) -> None:
    assert passes(number, thing)


@pytest.mark.parametrize("seed", range(10))
def test_a_right_bootstrap_is_right_whatever_it_draws(seed: int) -> None:
    def bootstrap(differences: Any, draws: int, rng: Any, level: float) -> Any:
        rng.random(seed)  # so that it draws others
        return interval_at_once(differences, draws, rng, level)

    assert passes("5.c", bootstrap)


@pytest.mark.parametrize(("number", "hint"), MISTAKES)
def test_each_mistake_gets_its_own_hint(number: str, hint: str) -> None:
    exercise = BUILDS[number]
    assert verdict(exercise, exercise.single[hint]).startswith(f"Wrong: {hint}")


@pytest.mark.parametrize(("number", "thing", "words"), WRONG)
def test_a_wrong_build_is_told_why(number: str, thing: Any, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not passes(number, thing)
    said = capsys.readouterr().out
    assert said.startswith("Wrong: ")
    assert words in said, said
