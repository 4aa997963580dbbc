"""What lies against a kidney and may be taken for it or for a tumor: lobes of liver and spleen, bowel, masses.

Painted before the fat around the kidneys, so that a kidney is whole however much crowds it. Shares are our choice,
after scans on which networks of version 3 of the phantom failed.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kits_msan.phantom.anatomy import cavity, gut, off_spine
from kits_msan.phantom.kidneys import Kidney
from kits_msan.phantom.shapes import Field, Part, Shape, Space, common, ellipsoid, point

FILLINGS = ("bowel wall", "bowel fluid", "stool", "gas", "oral contrast")
LOOKALIKES = (  # their HU follow the contrast, as the kidneys' do
    "liver", "spleen", "pancreas", "muscle", "bile", "renal cortex", "renal medulla", "clear cell tumor",
    "other tumor",
)  # fmt: skip


def crowd(rng: np.random.Generator, kidneys: Sequence[Kidney]) -> Iterator[Part]:
    """Lobes that reach down, loops of bowel and round masses around each kidney."""
    for kidney in kidneys:
        if rng.random() < 0.3:
            yield lobe(rng, kidney)
        for _ in range(rng.integers(0, 4)):
            yield from loop(rng, kidney)
        for _ in range(rng.poisson(0.5)):
            yield mass(rng, kidney, rng.uniform(8, 26), str(rng.choice(LOOKALIKES)))
        if kidney.pressed:
            yield mass(rng, kidney, rng.uniform(26, 52), str(rng.choice(LOOKALIKES)), in_front=True)


def lobe(rng: np.random.Generator, kidney: Kidney) -> Part:
    """The right liver or the spleen, outside the kidney and down to its lower end."""
    thick = rng.uniform(16, 34)
    place = np.add(
        kidney.center,
        (rng.uniform(-55, 15), rng.uniform(-35, 8), kidney.side * (kidney.radii[2] + thick * rng.uniform(0.5, 1.1))),
    )
    shape = ellipsoid(place, (rng.uniform(45, 85), rng.uniform(28, 50), thick)).grown(0, 1.5)
    return _organ(kidney, shape)


def corner(rng: np.random.Generator, kidney: Kidney) -> Part:
    """The right liver or the spleen as it fills the corner between a kidney and the ribs, cut by leaning planes."""
    z, y, x = kidney.center
    side = kidney.side
    tip = z + rng.uniform(-45, 45)  # its lower end
    front, back = y + rng.uniform(-70, -5), y + rng.uniform(15, 80)
    inner = abs(x) + kidney.radii[2] * rng.uniform(-0.4, 1.1)
    lean, turn, twist, tilt = rng.uniform(-0.5, 0.5, 4)
    slope = rng.uniform(0.1, 0.6)

    def planes(s: Space) -> Field:
        out, ahead, down = side * s.x - np.float32(inner), s.y - np.float32(y), s.z - np.float32(z)
        beside = (out + lean * ahead + 0.3 * turn * down) / np.hypot(1, lean)
        above = tip - s.z + slope * (0.5 * (30 - out) + 0.4 * twist * ahead)
        behind = (s.y - front + tilt * out) / np.hypot(1, tilt)
        return np.asarray(common(beside, above, behind, back - s.y) + 1.5 * s.ripple, np.float32)

    return _organ(kidney, Shape(planes))


def loop(rng: np.random.Generator, kidney: Kidney) -> Iterator[Part]:
    """Bowel in front of a kidney, outside or below, with whatever may be in it."""
    radius = rng.uniform(8, 22)
    middle = _outside(rng, kidney, radius)
    turns = rng.normal(0, (22, 9, 12), (2, 3))
    path = [point(middle - turns[0]), point(middle), point(middle + turns[1])]
    known = rng.random() < 0.7
    stuff: str | float = str(rng.choice(FILLINGS)) if known else float(rng.uniform(-60, 260))
    yield from gut(path, radius, stuff, rng)


def mass(rng: np.random.Generator, kidney: Kidney, radius: float, tissue: str, in_front: bool = False) -> Part:
    """A round thing that is no kidney, of a kidney's or a tumor's brightness."""
    place = _outside(rng, kidney, radius)
    if in_front:
        place = np.add(kidney.center, (rng.uniform(-25, 25), -kidney.radii[1] - 0.8 * radius, rng.uniform(-12, 12)))
    shape = ellipsoid(place, radius * rng.uniform(0.75, 1.3, 3)).grown(0, 0.06 * radius)
    return Part(tissue, shape.within(cavity, off_spine), None, float(rng.normal(0, 12)))


def _organ(kidney: Kidney, shape: Shape) -> Part:
    """Of the liver beside a right kidney, of the spleen beside a left one."""
    return Part("liver" if kidney.side < 0 else "spleen", shape.within(cavity, off_spine))


def _outside(rng: np.random.Generator, kidney: Kidney, radius: float) -> NDArray[np.float64]:
    """The middle of something of that radius that touches a kidney's fat: before it, outside or at its ends."""
    direction = np.array([rng.normal(0, 0.8), -abs(rng.normal(0, 0.8)), kidney.side * rng.normal(0.4, 0.7)])
    direction /= np.linalg.norm(direction)
    reach = kidney.surface(np.dot(kidney.axes, direction)) + radius * rng.uniform(0.9, 1.4)
    return np.add(kidney.center, reach * direction)
