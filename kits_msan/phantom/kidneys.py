"""The phantom's kidneys, tumors and cysts: how they are drawn at random, and the parts that they are made of.

Which voxels count as kidney is our choice: parenchyma, cysts, and what lies inside the kidney's outline and is not
fat (calyces, vessels). The fat of the renal sinus is background; KiTS19's labels hold some of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kits_msan.data.cases import KIDNEY, TUMOR
from kits_msan.phantom.anatomy import cavity, off_spine
from kits_msan.phantom.shapes import Axes, Field, Part, Point, Shape, Space, Vector, ellipsoid, local, point, tube

DIAMETER = 39.5  # mm, median of the tumors; log-normal, after KiTS19's 210 labels
SPREAD = 0.66  # standard deviation of its logarithm
SMALLEST = 12.0  # mm
LARGEST = 160.0  # mm
SEVERAL = 0.28  # of the patients get more than one tumor; where they merge one is seen, as in 72 % of KiTS19
BEND = 7.0  # mm by which the poles turn towards the spine


@dataclass(frozen=True)
class Kidney:
    """One kidney. Its own axes: down its length, front to back, and from the hilum outwards."""

    side: int  # -1 right, 1 left
    center: Point
    radii: Point
    axes: Axes
    sinus: float  # size of the fat inside, about 1
    pelvis: float  # size of the renal pelvis, about 1; above 1.8 the urine is held up
    rough: float  # mm of the bumps of its outline
    pressed: bool  # flat, by a mass before it
    stones: tuple[float, ...]  # radii in mm

    @property
    def hull(self) -> Shape:
        """The outline, a bent ellipsoid, hilum filled."""
        return ellipsoid(self.center, self.radii, self.axes, bend=BEND).grown(0, self.rough)

    def place(self, down: float, back: float, out: float) -> Point:
        """The point at these mm along the kidney's own axes."""
        out -= BEND * (down / self.radii[0]) ** 2
        return point(np.add(self.center, np.dot((down, back, out), self.axes)))

    def surface(self, direction: Vector) -> float:
        """mm from the center to the surface in a direction (unit vector along the kidney's own axes)."""
        return float(1 / np.linalg.norm(np.divide(direction, self.radii)))


@dataclass(frozen=True)
class Lesion:
    """A tumor or a cyst on or in a kidney."""

    kind: str  # "tumor" or "cyst"
    side: int
    center: Point
    radii: Point
    axes: Axes
    tissue: str | float  # a row of the table of tissues, or HU
    necrosis: float = 0.0  # radius of the dead core as a share of the whole; 0: none
    brighter: float = 0.0  # HU above the tissue's: tumors differ
    rough: float = 0.0  # of its outline, as a share of its radius
    calcified: bool = False
    spots: tuple[tuple[Point, float, float], ...] = ()  # inside: center, radius in mm, HU above the rest

    @property
    def diameter_mm(self) -> float:
        """Of the sphere of the same volume."""
        return float(2 * np.prod(self.radii) ** (1 / 3))

    @property
    def outline(self) -> Shape:
        """A lumpy ellipsoid, as far as nothing is in its way."""
        return ellipsoid(self.center, self.radii, self.axes).grown(0, self.rough * min(self.radii))


def draw_kidneys(rng: np.random.Generator, fat: float) -> tuple[Kidney, ...]:
    """Right and left kidney, for a share of fat from 0 to 1: places, tilts and sizes spread as KiTS19's do.

    Seldom one is missing, shrunken, low, turned or pressed flat; that often is our choice. docs/phantom.md compares.
    """
    kidneys = []
    size, apart = np.exp(rng.normal(0, 0.095)), rng.normal(71 + 8 * fat, 8)  # mm from the middle
    low, back, askew = rng.normal(0, 10), rng.normal(21, 6), np.sin(np.deg2rad(rng.normal(0, 4)))  # of both
    for side in (-1, 1):
        steep, spread = (22, 9) if side > 0 else (25, 13)
        tilt, lean, turn = np.deg2rad(rng.normal((12.5, steep, 31), (9.5, spread, 18)))
        if rng.random() < 0.04:
            turn += np.deg2rad(rng.choice([-60, 60]))
        down = np.array([1, -np.tan(lean), side * np.tan(tilt)])  # the lower pole lies outwards and to the front
        down /= np.linalg.norm(down)
        out = np.array([0, np.sin(turn), side * np.cos(turn)])  # the hilum looks inwards and to the front
        out -= (out @ down) * down
        out /= np.linalg.norm(out)
        axes = tuple(point(axis) for axis in (down, np.cross(out, down), out))
        center = rng.normal((low - 4 * side, back + 2 * side, side * apart), (14, 9, 4))
        center[1] = np.clip(center[1] + askew * center[2], -15, 42)
        if rng.random() < 0.07:
            center += (rng.uniform(20, 70), rng.uniform(-12, 4), -side * rng.uniform(0, 14))
        shrunken = rng.uniform(0.55, 0.8) if rng.random() < 0.05 else 1.0
        radii = np.multiply((60, 28.5, 34), rng.normal(1, 0.065, 3)) * size * shrunken
        pressed = bool(rng.random() < 0.1)
        if pressed:
            radii *= (rng.uniform(1, 1.15), rng.uniform(0.5, 0.75), rng.uniform(1, 1.15))
        pelvis = rng.uniform(1.8, 2.7) if rng.random() < 0.08 else rng.uniform(0.5, 1.5)
        stones = rng.uniform(1, 5, rng.integers(1, 4)) if rng.random() < 0.12 else ()
        kidneys.append(
            Kidney(
                side, point(center), point(radii), axes, rng.uniform(0.5, 1.5), pelvis,
                rough=rng.uniform(0.6, 2.4), pressed=pressed, stones=tuple(float(mm) for mm in stones),
            )
        )  # fmt: skip
    if rng.random() < 0.04:
        gone = int(rng.integers(2))
        kidneys = [replace(kidneys[1 - gone], radii=point(np.multiply(kidneys[1 - gone].radii, 1.12)))]
    return tuple(kidneys)


def draw_lesions(rng: np.random.Generator, kidneys: Sequence[Kidney], tumor: bool) -> tuple[Lesion, ...]:
    """Cysts first, then tumors, the largest tumor first among them; no tumor where `tumor` is false."""
    lesions = []
    for _ in range(rng.poisson(0.7)):
        hu = rng.uniform(45, 75) if rng.random() < 0.1 else rng.normal(9, 5)  # a few are full of old blood
        kidney = kidneys[int(rng.integers(len(kidneys)))]
        lesions.append(_grow(rng, kidney, "cyst", float(np.exp(rng.normal(np.log(8.5), 0.42))), hu))
    if not tumor:
        return tuple(lesions)
    diameter = 0.0
    while not SMALLEST <= diameter <= LARGEST:
        diameter = float(DIAMETER * np.exp(rng.normal(0, SPREAD)))
    tissue = "clear cell tumor" if rng.random() < 0.65 else "other tumor"
    kidney = kidneys[int(rng.integers(len(kidneys)))]
    brighter = float(rng.normal(0, 15))
    lesions.append(_grow(rng, kidney, "tumor", diameter / 2, tissue, brighter))
    if rng.random() < SEVERAL:
        for _ in range(1 + rng.geometric(0.6)):
            other = kidney if rng.random() < 0.7 else kidneys[int(rng.integers(len(kidneys)))]
            radius = max(6.0, diameter / 2 * rng.uniform(0.15, 0.6))
            lesions.append(_grow(rng, other, "tumor", radius, tissue, brighter))
    return tuple(lesions)


def _grow(
    rng: np.random.Generator, kidney: Kidney, kind: str, radius: float, tissue: str | float, brighter: float = 0.0
) -> Lesion:
    """A lesion somewhere around the kidney but not in its hilum: buried, half out, or hanging on."""
    direction = np.array([0.0, 0.0, -1.0])
    while direction[2] < -0.35:
        direction = rng.normal(0, (1.0, 0.8, 0.8))
        direction /= np.linalg.norm(direction)
    if radius > 16:
        direction[1] = -abs(direction[1])  # only the front has room for it
    outside = rng.uniform(min(-1.1 + radius / 25, 0.2), 0.65)  # of its radius
    middle = direction * (kidney.surface(direction) + outside * radius)
    stretch = np.exp(rng.normal(0, 0.1 if kind == "tumor" else 0.05, 3))
    radii = radius * stretch / np.prod(stretch) ** (1 / 3)
    if kind == "cyst":
        return Lesion(kind, kidney.side, kidney.place(*middle), point(radii), kidney.axes, tissue)
    dead = 0.0
    if radius > 12 and rng.random() < 0.5:
        dead = rng.uniform(0.85, 0.93) if rng.random() < 0.15 else rng.uniform(0.35, 0.8)  # some are nearly cysts
    spots = tuple(
        (
            kidney.place(*(middle + rng.uniform(-0.6, 0.6, 3) * radii)),
            radius * rng.uniform(0.15, 0.4),
            rng.normal(0, 22),
        )
        for _ in range(rng.poisson(3) if radius > 8 else 0)
    )
    return Lesion(
        kind, kidney.side, kidney.place(*middle), point(radii), kidney.axes, tissue, dead, brighter,
        rough=rng.uniform(0.03, 0.15), calcified=bool(rng.random() < 0.1), spots=spots,
    )  # fmt: skip


def kidney_parts(kidney: Kidney, phase_shift: float) -> Iterator[Part]:
    """A kidney in the order in which it is painted; `phase_shift` moves the pattern of its pyramids."""
    hull, side = kidney.hull, kidney.side
    yield Part("renal cortex", hull, KIDNEY)

    def pyramids(s: Space) -> Field:
        down, back, out = local(s, kidney.center, kidney.axes)
        return 4 * (np.cos(down / np.float32(3.2) + np.float32(phase_shift)) + np.cos(5 * np.arctan2(back, out))) + 2

    yield Part("renal medulla", hull.grown(-7).within(pyramids))
    size, wide = kidney.sinus, kidney.pelvis
    fat = ellipsoid(kidney.place(0, 0, -15), (29 * size, 11 * size, 20 * size), kidney.axes)
    yield Part("fat", fat.grown(0, 2).within(hull.depth), label=0)
    bag = ellipsoid(kidney.place(3, 0, -20), (11 * wide, 6 * wide, 14 * wide), kidney.axes)
    for down in (-22, 3, 24):
        bag = bag | tube([kidney.place(0, 0, -16), kidney.place(down, 0, -7)], 3 * wide, 4 * wide)
    ureter = tube([kidney.place(8, 0, -24), (45, 2, side * 40), (130, -5, side * 42), (190, 20, side * 50)], 3, 2)
    gate = kidney.place(-6, -2, -13)
    vein = tube([gate, kidney.place(-6, -2, -32), (gate[0] - 6, -28, 8 * side), (gate[0] - 8, -20, -18)], 5)
    artery = tube([gate, kidney.place(-2, 3, -32), (gate[0] - 10, -10, 10)], 3)
    for tissue, shape in (("vena cava", vein), ("aorta", artery), ("urine", bag), ("urine", ureter)):
        yield Part(tissue, shape.within(off_spine))
        yield Part(tissue, shape.within(hull.depth), KIDNEY)
    for down, radius in zip((24, 3, -22), kidney.stones, strict=False):
        yield Part(800.0, ellipsoid(kidney.place(down, 0, -9), (radius,) * 3).within(hull.depth), KIDNEY)


def lesion_parts(lesion: Lesion) -> Iterator[Part]:
    """A cyst is round and smooth and labelled kidney; a tumor is lumpy and may have a dead core or chalk in it."""
    size = min(lesion.radii)
    mass = lesion.outline.within(cavity, off_spine)
    yield Part(lesion.tissue, mass, TUMOR if lesion.kind == "tumor" else KIDNEY, lesion.brighter)
    for center, radius, brighter in lesion.spots:
        spot = ellipsoid(center, (radius,) * 3).grown(0, 0.2 * radius)
        yield Part(lesion.tissue, spot.within(mass.depth), TUMOR, lesion.brighter + brighter)
    if lesion.necrosis:
        core = ellipsoid(lesion.center, np.multiply(lesion.radii, lesion.necrosis), lesion.axes).grown(0, 0.12 * size)
        yield Part("necrosis", core.within(mass.grown(-2).depth), TUMOR)
    if lesion.calcified:
        fleck = ellipsoid(np.add(lesion.center, (0.3 * size, -0.3 * size, 0)), (0.12 * size,) * 3).grown(0, 1)
        yield Part(450.0, fleck.within(mass.depth), TUMOR)
