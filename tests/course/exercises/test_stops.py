"""What a check says where a student's function stops: what to do about this error, in words that fit it."""

import io
from contextlib import redirect_stdout
from typing import Any

import pytest
from sources import NAMES, Attention, Block
from torch import nn
from torch.nn import functional as F

from kits_msan.course.exercises.checks import passes, sentence


class Misspelt(Attention):
    forward = nn.Module.forward

    def foward(self, features: Any) -> Any:
        return features


class AllLayers(Attention):
    def forward(self, features: Any) -> Any:
        return self.finer(features[0])


class ToFiveAxes(Attention):
    def forward(self, features: Any) -> Any:
        return [F.interpolate(features[1], features[0].shape, mode="trilinear")]


class Unjoined(Block):
    def forward(self, x: Any) -> Any:
        return self.expand([x])


STOPPED = [  # functions as they stand after `lambda`, and classes
    ("1.1", "image, low, high: image.astype(np.uint16) - low", "too small for it; make the array float"),
    ("1.1", "image, low, high: image.float()", "An array is no list and no tensor"),
    ("1.2", "label, spacing: {*label}", "takes numbers, and no arrays"),
    ("1.3", "affine, index: affine @ np.array([index, 1])", "write [*x, 1]"),
    ("1.3", "affine, index: np.concatenate(index, 1)", "in one list: np.concatenate([a, b])"),
    ("1.3", "affine, index: np.concatenate([index, 1])", "brackets make an array of one number"),
    ("1.3", "affine, index: np.array(index).append(1)", "A list alone has append"),
    ("1.3", "affine, index: index.append(1)", "A tuple cannot be changed"),
    ("1.3", "affine, index: affine[0, 0][0]", "this is one number already"),
    ("1.4", "label, spacing, margin: label[np.ceil(margin / np.array(spacing))]", "must be a whole number"),
    ("2.2", "feature, finer, coarser: np.sigmoid(feature)", "The library has nothing of this name"),
    ("2.2", "feature, finer, coarser: finer.max(axis=(1, 3))", "There is no such axis"),
    ("2.2", "feature, finer, coarser: torch.tensor(finer).sum(dim=2)", "There is no such axis"),
    ("2.2", "feature, finer, coarser: torch.tensor(finer).max(axis=(0, 1))", "amax and amin take several"),
    ("2.2", "feature, finer, coarser: torch.tensor(finer) + torch.tensor(finer).max(dim=1)", "take .values"),
    ("2.2", "feature, finer, coarser: np.zeros(*feature.shape)", "brackets of their own"),
    ("2.3", "channels: list(len(channels))", "range(n) counts from 0"),
    ("2.4", "heat, label: heat[(label == 1) or (label == 2)]", "with brackets around each comparison"),
    ("2.4", "heat, label: np.mean(heat, label > 0)", "an index or an axis, and this is an array"),
    ("2.4", "heat, label: np.stack([heat[label > 0], heat[label == 0]])", "Two things of different sizes"),
    ("3.1", "groups, convs: groups[:, 1:]", "A list takes one index at a time"),
    ("3.1", "groups, convs: [*zip(groups, convs, strict=True)]", "as many of one as of the other"),
    ("3.1", "groups, convs: len(zip(groups, convs, strict=False))", "list(...) makes a list of a zip"),
    ("3.4", "layer, size: torch.zeros(size).copy()", "copy() is clone()"),
    ("4.1", "p, t: (2)(p * t)", "Is a * missing"),
    ("4.1", "p, t: 2 * p.sum", "write x.sum(), not x.sum"),
    ("4.1", "p, t: (p > 0.5) - (t > 0.5)", "~mask turns a mask round"),
    ("4.1", "p, t: 1 - torch.tensor(p > 0.5)", "~mask turns a mask round"),
    (
        "1.b",
        "case, rng, slices: rng.integers(case.shape - slices)",
        "the first, case.shape[0], is that of the slices",
    ),
    ("1.b", "case, rng, slices: rng.integers(case.shape[0] - case.shape[0])", "The slices are axis 0"),
    ("1.b", "case, rng, slices: case[:slices]", "case.image, case.label and case.shape"),
    ("1.b", "case, rng, slices: rng.randint(3)", "has integers, choice and random"),
    ("2.b", Misspelt, "must have the name `forward`"),
    ("2.b", AllLayers, "take one of them by an index"),
    ("2.b", ToFiveAxes, "feature.shape[2:]"),
    ("3.b", Unjoined, "torch.cat(x, dim=1) joins"),
    (
        "4.b",
        "model, sampler, loss_of, rate, steps: torch.optim.AdamW(model, rate)",
        "model.parameters(), with brackets",
    ),
    (
        "4.b",
        "model, sampler, loss_of, rate, steps: model(sampler.batch(0).image).sum().item().backward()",
        "call backward on the loss itself",
    ),
    ("4.b", "model, sampler, *others: sampler(0)", "sampler.batch(step)"),
    ("4.b", "model, sampler, *others: model(sampler.batch(0))", "one thing with two parts"),
    ("5.b", "label: np.bincount(ndimage.label(label > 0).ravel())", "pieces, count = ndimage.label(mask)"),
    ("5.b", "label: label == np.array([1, 2])", "np.isin(pieces, numbers)"),
    ("5.c", "differences, draws, rng, level: np.percentile(differences, 2.5, 97.5)", "go into one list"),
]


@pytest.mark.parametrize(("number", "answer", "words"), STOPPED)
def test_the_advice_fits_the_error(number: str, answer: Any, words: str) -> None:
    said, names = io.StringIO(), dict(NAMES)
    if isinstance(answer, str):
        answer = eval(f"lambda {answer}", names)
    if number[-1].isdigit():
        said.write(sentence(number, answer))
    else:
        with redirect_stdout(said):
            assert not passes(number, answer)
    assert said.getvalue().startswith("Wrong: your function stopped with ")
    assert words in said.getvalue()
