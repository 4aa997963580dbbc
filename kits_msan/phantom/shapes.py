"""Shapes and tissues, the words in which the phantom's anatomy is written, and the canvas for them.

A shape answers one question: how many millimeters inside its surface is this point (negative: outside)? Points are
(z, y, x) in millimeters from the middle between the kidneys: z grows downwards, y backwards, x to the patient's
left, in the frame of an average adult. Organs are round shapes; a smooth warp of the space makes them irregular.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.floating]  # float32 (D, H, W), or a box cut from it
Point = tuple[float, float, float]
Vector = Sequence[float] | NDArray[np.float64]
Axes = Sequence[Sequence[float]]  # three orthogonal unit vectors, as (z, y, x)
UPRIGHT: Axes = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

# Neighbors share the kidneys' HU on purpose: told apart by brightness alone, they would not be on a real scan.


@dataclass(frozen=True)
class Space:
    """Where the voxels of a box lie. Each field is float32 of the box's shape (D, H, W)."""

    z: Field
    y: Field
    x: Field
    wall: Field  # mm inside the outer surface of the body's muscle wall
    ripple: Field  # smooth noise around 0, about a thumb's width from bump to bump: rough surfaces
    grain: Field  # the same, a few millimeters from bump to bump: texture

    def __getitem__(self, box: tuple[slice, ...]) -> "Space":
        return Space(self.z[box], self.y[box], self.x[box], self.wall[box], self.ripple[box], self.grain[box])


@dataclass(frozen=True)
class Shape:
    """`depth` gives the mm inside the surface; nothing of the shape lies outside the box from `low` to `high`."""

    depth: Callable[[Space], Field]
    low: Point = (-np.inf, -np.inf, -np.inf)
    high: Point = (np.inf, np.inf, np.inf)

    def grown(self, mm: float, bumps: float = 0.0) -> "Shape":
        """With its surface moved out by `mm`, and made rough by `bumps` mm."""
        reach = mm + 4 * bumps
        low, high = np.subtract(self.low, reach), np.add(self.high, reach)
        return Shape(lambda s: self.depth(s) + mm + bumps * s.ripple, point(low), point(high))

    def within(self, *limits: Callable[[Space], Field]) -> "Shape":
        """Only the part that lies inside every one of `limits` too."""
        return Shape(lambda s: common(self.depth(s), *(limit(s) for limit in limits)), self.low, self.high)

    def __or__(self, other: "Shape") -> "Shape":
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Shape(lambda s: np.maximum(self.depth(s), other.depth(s)), point(low), point(high))


@dataclass(frozen=True)
class Part:
    """A shape filled with a tissue, and the label its voxels get; None leaves the label as it is."""

    tissue: str | float  # a row of the table of tissues, or HU
    shape: Shape
    label: int | None = None
    brighter: float = 0.0  # HU above the tissue's


def ellipsoid(center: Vector, radii: Vector, axes: Axes = UPRIGHT, bend: float = 0.0) -> Shape:
    """An ellipsoid with its radii along `axes`; `bend` mm turn the ends of the first axis towards minus the third."""

    def depth(s: Space) -> Field:
        along = local(s, center, axes)
        if bend:
            along[2] = along[2] + bend * (along[0] / radii[0]) ** 2
        scaled = [a / np.float32(r) for a, r in zip(along, radii, strict=True)]
        q = np.sqrt(sum(a * a for a in scaled)) + np.float32(1e-6)  # 1 on the surface
        slope = np.sqrt(sum((a / np.float32(r)) ** 2 for a, r in zip(scaled, radii, strict=True)))
        return q * (1 - q) / (slope + np.float32(1e-6 / max(radii)))  # to first order the distance

    reach = np.sqrt((np.square(axes) * np.square(radii)[:, None]).sum(0)) + abs(bend)
    return Shape(depth, point(np.subtract(center, reach)), point(np.add(center, reach)))


def tube(points: Sequence[Sequence[float]], *radii: float) -> Shape:
    """A tube along a line through `points`; its radius goes evenly from the first to the last of `radii`."""
    line, radius = np.asarray(points, np.float32), np.linspace(radii[0], radii[-1], len(points), dtype=np.float32)

    def depth(s: Space) -> Field:
        best = np.full(s.z.shape, -np.inf, np.float32)
        for a, b, r_a, r_b in zip(line, line[1:], radius, radius[1:], strict=False):
            z, y, x = s.z - a[0], s.y - a[1], s.x - a[2]
            step = b - a
            t = np.clip((z * step[0] + y * step[1] + x * step[2]) / np.float32((step**2).sum() + 1e-3), 0, 1)
            gap = (z - t * step[0]) ** 2 + (y - t * step[1]) ** 2 + (x - t * step[2]) ** 2
            np.maximum(best, r_a + t * (r_b - r_a) - np.sqrt(gap), out=best)
        return best

    return Shape(depth, point(line.min(0) - max(radii)), point(line.max(0) + max(radii)))


def common(*depths: Field) -> Field:
    """mm inside what several shapes have in common."""
    return reduce(np.minimum, depths)


def local(s: Space, center: Vector, axes: Axes) -> list[Field]:
    """Coordinates along three axes through `center`, in mm."""
    z, y, x = s.z - np.float32(center[0]), s.y - np.float32(center[1]), s.x - np.float32(center[2])
    return [z * np.float32(a[0]) + y * np.float32(a[1]) + x * np.float32(a[2]) for a in axes]


def point(values: ArrayLike) -> Point:
    """Three numbers as a tuple of floats."""
    z, y, x = (float(value) for value in np.asarray(values))
    return z, y, x


@dataclass(frozen=True)
class Canvas:
    """A volume being painted."""

    image: Field  # (D, H, W) HU
    label: NDArray[np.uint8]  # (D, H, W)
    space: Space
    lines: Sequence[NDArray[np.float32]]  # mm along the three axes of the grid, before the warp
    warp: float  # mm, the farthest that the warp moves a point
    edge: float  # mm over which a surface fades: one voxel, since voxels there hold two tissues

    def paint(self, part: Part, hu: float, texture: float) -> None:
        """Fill a part's shape with HU of that mean and standard deviation, over what is there."""
        box = self._box(part.shape)
        space = self.space[box]
        if space.z.size == 0:
            return
        depth = part.shape.depth(space)
        cover = np.clip(depth / np.float32(self.edge) + np.float32(0.5), 0, 1)
        image = self.image[box]
        image += cover * (np.float32(hu) + np.float32(texture) * space.grain - image)
        if part.label is not None:
            self.label[box][depth > 0] = part.label

    def _box(self, shape: Shape) -> tuple[slice, ...]:
        """The smallest box of voxels with all of the shape in it."""
        sides = []
        for low, high, lines in zip(shape.low, shape.high, self.lines, strict=True):
            start, stop = np.searchsorted(lines, (low - self.warp - self.edge, high + self.warp + self.edge))
            sides.append(slice(int(start), int(stop)))
        return tuple(sides)


def smooth_noise(rng: np.random.Generator, bump: float, lines: Sequence[NDArray[np.float32]]) -> Field:
    """Smooth noise of mean 0 and standard deviation 1 on the grid with these coordinates along its axes.

    bump: mm from bump to bump, roughly. Cubic B-splines on a random lattice that repeats after 450 mm or more, so
    that the noise at a point does not depend on the grid.
    """
    n = int(np.ceil(450 / bump))
    noise = rng.standard_normal((n, n, n), dtype=np.float32) / np.float32(0.33)
    for line in lines:  # along the first axis, whose rows are quick to pick; then it becomes the last
        cell = np.floor(line / bump)
        t = (line / bump - cell).astype(np.float32)
        weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
        total = np.zeros((len(line), *noise.shape[1:]), np.float32)
        for k, weight in enumerate(weights):
            piece = noise[(cell.astype(int) + k) % n]
            piece *= (weight / np.float32(6))[:, None, None]
            total += piece
        noise = np.ascontiguousarray(total.transpose(1, 2, 0))
    return noise
