"""The build of notebook 1, a slab sampler: it is drawn from often, and its places and slabs are compared."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kits_msan.course.exercises.compare import frozen, numbers
from kits_msan.course.exercises.exercise import Exercise, Inputs
from kits_msan.data.cases import Case, kits_affine

SPACING = (3.0, 1.0, 1.0)
DRAWS = 120  # so many that each of seven places is drawn
AXES = "has other axes than (slices, rows, columns); cut slices out, and nothing more."
MANY, OFF = 3000, 6  # draws, and how many standard deviations a right sampler's counts never differ
NEAR = 0.01  # of grays, also in half precision


def _cases(rng: np.random.Generator) -> Inputs:
    """Images in HU and labels (D, 2, 3), each slice of which is unlike the others, and how many slices to draw."""
    trials: Inputs = []
    for depth, slices in ((6, 4), (9, 3), (5, 4), (7, 2)):
        label = rng.integers(0, 3, size=(depth, 2, 3)).astype(np.uint8)
        label[:, 0, 0], label[:, 0, 1], label[:, 0, 2] = (np.arange(depth) // n % 3 for n in (9, 3, 1))
        trials.append((rng.integers(-500, 800, size=(depth, 2, 3)).astype(np.int16), label, slices))
    label = np.zeros((5, 2, 3), np.uint8)  # one slice is empty, and one alone has a tumor
    label.reshape(5, 6)[range(1, 5), range(4)] = (1, 1, 1, 2)
    return [*trials, (rng.integers(-500, 800, size=(5, 2, 3)).astype(np.int16), label, 1)]


def use(draw: Callable[..., Any]) -> Callable[[Any, Any, int], Any]:
    """What is seen of a sampler: its places, its slabs by place, and whether the same `rng` draws the same."""

    def drawn(image: Any, label: Any, slices: int) -> Any:
        slabs, starts, counts, changed = {}, [], set(), [False, False]
        for _ in range(2):
            rng, some = np.random.default_rng(0), []
            for _ in range(DRAWS):
                case = Case("case_00000", image.copy(), label.copy(), SPACING, kits_affine(SPACING))
                pair = draw(case, rng, slices)
                if pair is None or isinstance(pair, Mapping):
                    return pair
                for i, (now, before) in enumerate(((case.image, image), (case.label, label))):
                    changed[i] |= not np.array_equal(numbers(now), before)
                gray, truth = (frozen(part) for part in pair)
                shape = numbers(gray).shape
                some.append(_place(gray, _gray(image), NEAR) or _place(truth, label, 0))
                slabs[some[-1]] = (gray, truth)
                counts.add(shape[0] if len(shape) == 3 else 0)
            starts.append(some)
        known = dict(slabs)
        if counts == {slices}:  # of a place that was not drawn, image and label are not wrong
            for i in range(len(label) - slices + 1):
                known.setdefault(i + 1, (_gray(image[i : i + slices]), label[i : i + slices]))
        grays, truths = ([known[place][i] for place in sorted(known)] for i in (0, 1))
        for array, was in zip((image, label), changed, strict=True):
            array += was  # what was done to the case is seen in the arguments
        return sorted(slabs), sorted(counts), grays, truths, starts[0] == starts[1]

    return drawn


def _place(slab: Any, whole: Any, slack: float) -> int:
    """Where a slab (slices, H, W) begins in the whole (D, H, W), counted from 1; 0 if it is not found."""
    slab = numbers(slab)
    if slab.shape[1:] != whole.shape[1:] or not len(slab):
        return 0
    found = (np.abs(slab[0] - whole) <= slack).all(axis=(1, 2))
    return int(found.argmax()) + 1 if found.any() else 0


def _axes(slabs: list[Any]) -> set[int]:
    return {np.ndim(slab) for slab in slabs}


def _gray(image: Any) -> Any:
    return (np.clip(image, -200, 500).astype(float) + 200) / 700


def _draw(
    start: Callable[[Any, int, int], int] = lambda rng, depth, slices: rng.integers(depth - slices + 1),
    of_label: Callable[[Any, Any, int], int] | None = None, twice: bool = False,
    gray: Callable[[Any], Any] = _gray,
    truth: Callable[[Any], Any] = lambda label: label,
    shift: int = 0, count: Callable[[int], int] = lambda slices: slices, order: int = 1,
) -> Callable[[Any, Any, int], Any]:  # fmt: skip
    def draw(case: Any, rng: Any, slices: int) -> Any:
        first = of_label(rng, case.label, slices) if of_label else start(rng, case.shape[0], slices)
        other = start(rng, case.shape[0], slices) if twice else first + shift
        number = count(slices)
        return (gray(case.image[first : first + number]), truth(case.label[other : other + number]))[::order]

    return use(draw)


def _with(value: int) -> Callable[[Any, Any, int], int]:
    """Draws a slab in which some label is at least `value`."""

    def start(rng: Any, label: Any, slices: int) -> int:
        starts = [i for i in range(len(label) - slices + 1) if label[i : i + slices].max() >= value]
        return int(rng.choice(starts))

    return start


def _uneven(drawn: Callable[..., Any]) -> str | None:
    """What to say of a sampler that draws some of five places more often than others."""
    label = np.broadcast_to(np.arange(8, dtype=np.uint8)[:, None, None], (8, 2, 2))
    rng, counts = np.random.default_rng(0), [0] * 5
    for _ in range(MANY):
        case = Case("case_00000", np.zeros(label.shape, np.int16), label.copy(), SPACING, kits_affine(SPACING))
        counts[int(numbers(tuple(drawn.__wrapped__(case, rng, 4))[1])[0, 0, 0])] += 1  # type: ignore[attr-defined]
    if max(abs(count - MANY / 5) for count in counts) < OFF * np.sqrt(MANY / 5):
        return None
    return (
        "every place can be drawn, but some more often than others. Draw the start with "
        "rng.integers(D - slices + 1), whose numbers are all equally likely."
    )


def _scattered(case: Any, rng: Any, slices: int) -> Any:
    chosen = np.sort(rng.choice(case.shape[0], slices, replace=False))
    return _gray(case.image[chosen]), case.label[chosen]


EXERCISE = Exercise(
    use=use,
    solution=_draw(),
    why="every place can be drawn, the first and the last too, and image and label come from the same one.",
    inputs=_cases,
    used={
        "the slabs are right, but the label is a list, which has no == for each voxel; return arrays.": (
            lambda seen: [(label == 1).any() for label in seen[3]]
        )
    },
    then=_uneven,
    inner=True,
    keeps=dict.fromkeys(("image", "label"), "A slice of an array is no copy; make one first: x = x.copy()."),
    takes=("case", "rng", "slices"),
    hint="Draw a start; cut image and label from there to start + slices; put the image under the window.",
    parts={
        "the places": "Each start from 0 to D - slices must be equally likely, and no other possible.",
        "the number of slices": "It is `slices`.",
        "the image": "It lies under the window from -200 to 500, and at the same place as the label.",
        "the label": "It is the label as it is, at the same place as the image.",
        "the same again": "Draw with the `rng` that is given, so that the same seed draws the same.",
    },
    stops={
        "high <= 0": "rng.integers(n) wants an n above 0. The slices are axis 0, case.shape[0] of them.",
        "'tuple' and 'int'": "case.shape holds three numbers; the first, case.shape[0], is that of the slices.",
        "'Case'": "A case has parts: case.image, case.label and case.shape.",
        "is not iterable": "Return two things, the image and the label: return image, label.",
        "not numbers": "Return two arrays of numbers, the image and the label: return image, label.",
        "to unpack": "Return two things, the image and the label: return image, label.",
        "Generator' object is not callable": "`rng` is no function; it has one: rng.integers(n).",
    },
    make=_draw,
    seen={
        f"image and label: each {AXES}": lambda got, want: _axes(got[2]) != {3} and _axes(got[3]) != {3},
        f"the image {AXES}": lambda got, want: _axes(got[2]) != {3},
        f"the label {AXES}": lambda got, want: _axes(got[3]) != {3},
    },
    mistakes={"the slices are no neighbors; draw one start, and take the slices from there.": use(_scattered)},
    flaws={
        "only slabs with a tumor are drawn; every place must be possible.": {"of_label": _with(2)},
        "only slabs with a kidney are drawn; every place must be possible.": {"of_label": _with(1)},
        "image and label were drawn at two places; draw the start once.": {"twice": True},
        "the same slab is drawn each time: a generator with a fixed seed begins anew; use the `rng` given.": {
            "start": lambda rng, depth, slices: np.random.default_rng(0).integers(depth - slices + 1)
        },
        "the middle slab is drawn each time; draw the start with rng.integers.": {
            "start": lambda rng, depth, slices: (depth - slices) // 2
        },
        "the image lies under another window; the paper's runs from -200 to 500.": {
            "gray": lambda image: (np.clip(image, -160, 240).astype(float) + 160) / 400
        },
        "the last place is never drawn: rng.integers(n) ends with n - 1, so n is D - slices + 1.": {
            "start": lambda rng, depth, slices: rng.integers(depth - slices)
        },
        "the first place is never drawn; starts count from 0.": {
            "start": lambda rng, depth, slices: 1 + rng.integers(depth - slices)
        },
        "always the first slab is drawn; draw the start with rng.integers.": {"start": lambda rng, depth, slices: 0},
        "some slabs are cut off at the end of the case; the last start is D - slices.": {
            "start": lambda rng, depth, slices: rng.integers(depth)
        },
        "slabs begin at multiples of `slices` only; every start must be possible.": {
            "start": lambda rng, depth, slices: slices * rng.integers(depth // slices)
        },
        "the image is in HU; put it under the window, with your my_window(image, -200, 500).": {
            "gray": lambda image: image
        },
        "the image was clipped but not scaled to 0 to 1.": {"gray": lambda image: np.clip(image, -200, 500)},
        "the label went through the window too; it stays as it is.": {
            "truth": lambda label: (label.astype(float) + 200) / 700
        },
        "tumor and kidney became one in the label; it stays as it is.": {
            "truth": lambda label: (label > 0).astype(int)
        },
        f"the image {AXES}": {"gray": lambda image: _gray(image)[None]},
        f"the label {AXES}": {"truth": lambda label: label[None]},
        "image and label come from places a slice apart.": {"shift": 1},
        "these slabs have a slice too few.": {"count": lambda slices: slices - 1},
        "these slabs have a slice too many.": {"count": lambda slices: slices + 1},
        "these slabs have four slices always; take `slices`.": {"count": lambda slices: 4},
        "the order is image, then label.": {"order": -1},
    },
)
