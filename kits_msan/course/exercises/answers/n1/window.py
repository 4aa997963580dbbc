"""The exercise 1.1, a window of HU: its solution and common mistakes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from kits_msan.course.exercises.exercise import Exercise, Inputs


def _images(rng: np.random.Generator) -> Inputs:
    """HU (H, W), some (D, H, W), and windows: around 0, above 0 and below 0."""
    image = np.array([[-1024, -160, 40], [190, 240, 1300]], np.int16)
    trials: Inputs = [(image, -160, 240), (image, -200, 500), (image, 50, 300), (image, 0, 400), (image, -900, -300)]
    trials += [(image, -2000, 300), (image, -500, 2000), (image, -2000, 2000)]  # nothing lies below, above, outside
    for _ in range(10):
        low, width = int(rng.integers(-1000, 300)), int(rng.integers(200, 1500))
        image = rng.integers(-1024, 3071, size=rng.integers(2, 5, size=2)).astype(np.int16)
        image.flat[0] = low + width // 3  # one value within the window, so that an image is never all black or white
        trials.append((image, low, low + width))
    volume = rng.integers(-1024, 3071, size=(3, 2, 4)).astype(np.int16)
    return [*trials, (volume, -200, 500), (volume[:2], -150, 900)]


def _gray(
    clip: str = "both", less: Callable[..., float] = lambda low, high: low,
    wide: Callable[..., float] = lambda low, high: high - low, then: Callable[[Any], Any] = lambda gray: gray,
) -> Callable[[Any, float, float], Any]:  # fmt: skip
    """A window; the arguments are what can go wrong."""

    def window(image: Any, low: float, high: float) -> Any:
        image = image.astype(float)
        ends = {
            "both": (low, high), "exchanged": (high, low),
            "low": (low, None), "high": (None, high), "larger": (high, None),
        }.get(clip, (None, None))  # fmt: skip
        gray = (np.clip(image, *ends) - less(low, high)) / wide(low, high)
        return then(np.where((image >= low) & (image <= high), gray, 0) if clip == "mask" else gray)

    return window


def _marked_then_scaled(image: Any, low: float, high: float) -> Any:
    image = image.astype(float)
    image[image < low] = 0
    image[image > high] = 1
    return (image - low) / (high - low)


def _range_of_image(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high).astype(float)
    return (image - image.min()) / np.ptp(image)


def _to_largest(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high).astype(float)
    return (image - low) / (image.max() - low)


def _from_smallest(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high).astype(float)
    return (image - image.min()) / (high - image.min())


def _by_size(image: Any, low: float, high: float) -> Any:
    image = np.clip(image, low, high).astype(float)
    return image / np.abs(image).max()


def _standard(image: Any) -> Any:
    return (image - image.mean()) / image.std()


def _inside(image: Any, low: float, high: float, gray: Any) -> Any:
    """Black below the window and white above it, as it should be, and some gray between."""
    return np.where(image < low, 0, np.where(image > high, 1, gray))


def _compared(gray: Any, low: float, high: float) -> Any:
    return _inside(gray, low, high, gray)


EXERCISE = Exercise(
    solution=_gray(),
    why="everything below the window is 0, everything above it 1, and between them gray rises evenly.",
    inputs=_images,
    keeps={"image": "Begin with a copy, image = image.copy(), or use np.clip, which makes a new array."},
    hint="Three steps: keep the values between low and high, make low 0, and make high 1.",
    mistakes={
        "np.vectorize makes all numbers whole if the first is; give it otypes=[float], or return 0.0 and 1.0.": (
            np.vectorize(lambda hu, low, high: 0 if hu < low else 1 if hu > high else (hu - low) / (high - low))
        ),
        "brackets are missing: a / high - low is (a / high) - low.": (
            lambda image, low, high: (np.clip(image, low, high).astype(float) - low) / high - low
        ),
        "brackets are missing: image - low / high - low divides low only; write (image - low) / (high - low).": (
            lambda image, low, high: np.clip(image - low / high - low, 0, 1)
        ),
        "between the limits you divided without subtracting low; write (image - low) / (high - low).": (
            lambda image, low, high: _inside(image, low, high, image / (high - low))
        ),
        "between the limits you divided by high alone; the window is high - low wide.": (
            lambda image, low, high: _inside(image, low, high, (image - float(low)) / high)
        ),
        "brackets are missing: a - low / (high - low) divides low only.": (
            lambda image, low, high: np.clip(image, low, high) - low / (high - low)
        ),
        "you scaled by the smallest and largest value of the image; then the same tissue has another gray in "
        "every case. Scale by the window.": (
            lambda image, low, high: (image.astype(float) - image.min()) / np.ptp(image.astype(float))
        ),
        "you scaled by the smallest and largest value that remain after clipping; a case without air or bone "
        "would look different. Scale by low and high.": _range_of_image,
        "you divided by the largest value that remains after clipping; where nothing is white, this is not high. "
        "Divide by high - low.": _to_largest,
        "you took off the smallest value that remains after clipping; where nothing is black, this is not low. "
        "Subtract low.": _from_smallest,
        "you divided by the largest value that remains after clipping; subtract low, and divide by high - "
        "low.": _by_size,
        "1 HU above low is white in yours: divide by high - low first, and then clip to 0 and 1.": (
            lambda image, low, high: np.clip(image - low, 0, 1) / (high - low)
        ),
        "the root bends; between low and high gray rises in a straight line.": _gray(then=np.sqrt),
        "the sign is turned: it is (image - low), not (low - image).": (
            lambda image, low, high: np.clip((low - image) / (high - low), 0, 1)
        ),
        "brackets are missing: a / high - low is (a / high) - low; write a / (high - low).": (
            lambda image, low, high: np.clip((image - low) / high - low, 0, 1)
        ),
        "this is a mask, black or white; between low and high gray must rise evenly.": (
            lambda image, low, high: ((image >= low) & (image <= high)).astype(float)
        ),
        "this is black or white only, and all above low is white; between low and high gray must rise evenly.": (
            lambda image, low, high: (image > low).astype(float)
        ),
        "this is black or white only, and low itself is white; between low and high gray must rise evenly.": (
            lambda image, low, high: (image >= low).astype(float)
        ),
        "this is a mask too: between low and high all is 0 in yours, and gray must rise there.": (
            lambda image, low, high: (image > high).astype(float)
        ),
        "a sigmoid bends, and never quite reaches 0 or 1; between low and high gray rises in a straight line.": (
            lambda image, low, high: 1 / (1 + np.exp(-(image - low) / (high - low)))
        ),
        "between low and high you left the HU; gray rises there from 0 to 1: (HU - low) / (high - low).": (
            lambda image, low, high: np.where(image < low, 0, np.where(image > high, 1, image))
        ),
        "you set what lies outside to 0 and 1, and then scaled these too; clip it to low and high.": (
            _marked_then_scaled
        ),
        "low and high are HU: clip the HU to them, or the gray to 0 and 1. You clipped the gray to them.": (
            lambda image, low, high: np.clip((image - low) / (high - low), low, high)
        ),
        "the lower limit was not taken off (subtracted): it is (HU - low) / (high - low), clipped to 0 and 1.": (
            lambda image, low, high: np.clip(image / (high - low), 0, 1)
        ),
        "the lower limit was added; subtract it: (HU - low) / (high - low), clipped to 0 and 1.": (
            lambda image, low, high: np.clip((image + low) / (high - low), 0, 1)
        ),
        "you divided by the upper limit; it is (HU - low) / (high - low), clipped to 0 and 1.": (
            lambda image, low, high: np.clip((image - low) / high, 0, 1)
        ),
        "the clipping is to 0 and 1, but the HU were not scaled: (HU - low) / (high - low) comes first.": (
            lambda image, low, high: np.clip(image, 0, 1)
        ),
        "you clipped to the paper's window, -200 and 500; clip to low and high.": (
            lambda image, low, high: (np.clip(image, -200, 500).astype(float) - low) / (high - low)
        ),
        "you scaled by the paper's window, -200 and 500; scale by low and high.": (
            lambda image, low, high: (np.clip(image, low, high).astype(float) + 200) / 700
        ),
        "you rounded the gray to 256 steps on the way; do not round.": _gray(
            then=lambda gray: np.round(gray * 255) / 255
        ),
        "the window is cut in three: 0, a half and 1. Between low and high gray must rise evenly.": (
            lambda image, low, high: np.where(image <= low, 0, np.where(image >= high, 1, 0.5))
        ),
        "what lies outside the window must be clipped to its ends first; then low becomes 0.": (
            lambda image, low, high: np.where((image >= low) & (image <= high), image, 0)
        ),
        "this runs from 0 to 255 in whole numbers; the course scales to 0 to 1.": _gray(
            then=lambda gray: np.floor(255 * gray)
        ),
        "this runs from 0 to 255, rounded; the course scales to 0 to 1.": _gray(
            then=lambda gray: np.round(255 * gray)
        ),
        "the middle of the window must become a half: add 0.5, or subtract low in place of the "
        "middle.": lambda image, low, high: np.clip((image - (low + high) / 2) / (high - low), 0, 1),
        "you scaled by mean and spread; scale by the window, so that low becomes 0 and high becomes "
        "1.": lambda image, low, high: _standard(np.clip(image, low, high)),
        "mean and spread are of the image; scale by the window, so that low becomes 0 and high becomes "
        "1.": lambda image, low, high: _standard(image),
        "what lies at high or above is 0 in yours; it must become 1.": lambda image, low, high: np.where(
            (image > low) & (image < high), (image - low) / (high - low), 0
        ),
        "you compared the gray with low and high; the gray runs from 0 to 1, so compare it with "
        "these.": lambda image, low, high: _compared(_gray(clip="none")(image, low, high), low, high),
        "brackets are missing: (image - low) / high - low is not (image - low) / (high - "
        "low).": lambda image, low, high: np.where(
            image < low, 0, np.where(image > high, 1, (image - low) / high - low)
        ),
    },
    make=_gray,
    flaws={
        "values outside the window lie below 0 and above 1; clip the HU first.": {"clip": "none"},
        "the limits are exchanged in the clipping: it is np.clip(image, low, high).": {"clip": "exchanged"},
        "you clipped at the lower end only; above high all must be 1.": {"clip": "low"},
        "you clipped at the upper end only; below low all must be 0.": {"clip": "high"},
        "np.maximum keeps the larger number; against `high` take the smaller, np.minimum.": {"clip": "larger"},
        "bone turned black: what is above the window must become 1, not 0. Clip instead of masking.": {
            "clip": "mask"
        },
        "you divided without subtracting the lower limit, so black is not 0.": {"less": lambda low, high: 0},
        "you added the lower limit; subtract it, so that low becomes 0.": {"less": lambda low, high: -low},
        "you added abs(low): right only while low is negative. Subtract low.": {"less": lambda low, high: -abs(low)},
        "you clipped but did not scale: divide by high - low, so that white is 1.": {"wide": lambda low, high: 1},
        "you divided by the upper limit; the window is high - low wide.": {"wide": lambda low, high: high},
        "you divided by high - low + 1; without the 1, high becomes 1.": {"wide": lambda low, high: high - low + 1},
        "you divided by the sum of the limits; the window is high - low wide.": {
            "wide": lambda low, high: high + low
        },
        "you divided by abs(high) + abs(low): right only while low is negative. Divide by high - low.": {
            "wide": lambda low, high: abs(high) + abs(low)
        },
        "you divided by high + abs(low): right only while low is negative. Divide by high - low.": {
            "wide": lambda low, high: high + abs(low)
        },
        "this runs from -1 to 1; the course scales to 0 to 1.": {"then": lambda gray: 2 * gray - 1},
        "bright is dark: high HU must give 1.": {"then": lambda gray: 1 - gray},
        "this runs from 0 to 255; the course scales to 0 to 1.": {"then": lambda gray: 255 * gray},
        "the result was rounded to whole numbers; use / and not //.": {"then": np.floor},
    },
)
