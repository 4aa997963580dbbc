"""The organs around the kidneys: where they lie, and in which order they are painted.

Sizes and places are our choice, after ordinary abdominal CT.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kits_msan.phantom.pelvis import pelvic_organs, pelvis
from kits_msan.phantom.shapes import Axes, Field, Part, Point, Shape, Space, common, ellipsoid, point, tube

SPINE_Y = 12.0  # middle of the vertebral bodies
VERTEBRA, RIB_PITCH, RIB_12 = 35.0, 25.0, -62.0  # height of one; distance of two ribs; z of the last rib at the spine


def abdomen(
    rng: np.random.Generator,
    fat_mm: float,
    perirenal: Sequence[Shape],
    oral_contrast: bool,
    metal_hip: bool,
    beside: Iterable[Part] = (),
) -> Iterator[Part]:
    """Everything but the kidneys, in the order in which it is painted: what comes later lies on top.

    fat_mm: of fat under the skin; perirenal: the fat around the kidneys and what grows on them, which keeps the
    organs and the muscles of the back away; beside: what else lies around the kidneys.
    """
    yield from body(fat_mm)
    yield from chest(rng)
    yield from bowel(rng, oral_contrast)
    yield from upper_organs(rng, oral_contrast)
    yield from beside
    yield from back(rng)
    for shape in perirenal:
        yield Part("perirenal fat", shape.within(cavity, off_spine))
    yield from pelvis(rng, metal_hip)
    yield from pelvic_organs(rng)
    yield from vessels(rng)


def cavity(s: Space) -> Field:
    """mm inside the abdominal cavity: the wall is about 12 mm thick."""
    return s.wall - 12 + 2 * s.ripple


def under_diaphragm(s: Space) -> Field:
    """mm below the two domes of the diaphragm; at the wall behind they reach down to about z = -35."""
    outwards = ((np.abs(s.x) - 58) / 80) ** 2 + ((s.y + 40) / 125) ** 2
    top = np.where(s.x < 0, np.float32(-112), np.float32(-102))
    return (s.z - np.minimum(top + 70 * outwards**2, -35)) * np.float32(0.6)


def off_spine(s: Space) -> Field:
    """mm outside the column of the vertebral bodies."""
    return np.hypot(s.x, s.y - SPINE_Y) - 24


def body(fat_mm: float) -> Iterator[Part]:
    """Skin, fat under it, muscle wall, fat of the cavity."""
    yield Part("skin", Shape(lambda s: s.wall + fat_mm + 2))
    yield Part("fat", Shape(lambda s: s.wall + fat_mm))
    yield Part("muscle", Shape(lambda s: s.wall))
    yield Part("fat", Shape(cavity))


def chest(rng: np.random.Generator) -> Iterator[Part]:
    """Lungs above the diaphragm, heart, ribs."""
    lungs = Shape(
        lambda s: common(s.wall - 13, -under_diaphragm(s), np.abs(s.x) - 24 - np.maximum(-s.y, 0) / 3 + 5 * s.ripple),
        high=(-20, np.inf, np.inf),
    )
    yield Part("muscle", lungs.grown(3))  # the diaphragm
    yield Part("lung", lungs)
    yield Part("aorta", ellipsoid(_near((-145, -35, 18), rng, 8), (52, 44, 58)))  # the heart
    first = RIB_12 + rng.normal(0, 6)

    def ribs(s: Space) -> Field:
        level = s.z - np.float32(0.55) * (60 - s.y) - np.float32(first)  # a rib runs down and forwards
        rib = np.minimum(np.round(level / RIB_PITCH), 0)
        end = np.select([rib > -0.5, rib > -1.5, rib > -2.5], [45.0, 10.0, -25.0], -75.0)  # the last are short
        ring = 5 - np.hypot((level - rib * RIB_PITCH) * np.float32(0.75), s.wall - 7)
        return common(ring, s.y - end.astype(np.float32), np.abs(s.x) - 36)

    bone = Shape(ribs, high=(60, np.inf, np.inf))
    yield Part("cortical bone", bone)
    yield Part("spongy bone", bone.grown(-2.5))


def back(rng: np.random.Generator) -> Iterator[Part]:
    """Muscles beside the spine, and the spine: over the bowel, under the kidneys and their fat."""
    sheath = rng.uniform(0.5, 4)  # mm of fat between the muscles
    streaks = int(rng.integers(4, 16)) if rng.random() < 0.4 else 0  # of fat in them, on each side
    for side in (-1, 1):
        size = rng.uniform(0.6, 1.4)
        path = [(-45, 20, side * 24), (10, 18, side * 34), (70, 14, side * 46), (160, -5, side * 66)]
        for muscle in (
            ellipsoid((60, 66, side * 40), (500, 29, 42)).within(lambda s: s.wall),
            ellipsoid((30, 52, side * 66), (62, 9 * size, 22)),  # quadratus lumborum
            tube(path, 7 * size, 22 * size),  # psoas
        ):
            yield Part("fat", muscle.grown(sheath))
            yield Part("muscle", muscle.grown(0, 0.8))
        for _ in range(streaks):
            y, x = rng.uniform(48, 85), side * rng.uniform(15, 70)
            yield Part("fat", tube([(-250, y, x), (0, *rng.normal((y, x), 5)), (200, *rng.normal((y, x), 5))], 1, 3))
    start = rng.uniform(0, VERTEBRA)

    def to_disk(s: Space) -> Field:
        return np.abs((s.z - start + VERTEBRA / 2) % VERTEBRA - VERTEBRA / 2)  # mm from the nearest disk's middle

    column = Shape(lambda s: 20 - np.hypot(s.x * np.float32(0.85), s.y - SPINE_Y), (-np.inf, -20, -30), (200, 45, 30))
    arch = ellipsoid((0, SPINE_Y + 30, 0), (900, 15, 20))
    process = Shape(
        lambda s: np.maximum(
            np.minimum(4 - np.abs(s.x), 28 - np.abs(s.y - SPINE_Y - 42)),  # spinous
            np.minimum(4 - np.abs(s.y - SPINE_Y - 25), 38 - np.abs(s.x)),  # transverse
        ),
        (-np.inf, 0, -60), (200, 90, 60),
    ).within(lambda s: to_disk(s) - 11)  # fmt: skip
    for tissue, loss in (("cortical bone", 0.0), ("spongy bone", 2.5)):
        yield Part(tissue, (arch | process).grown(-loss))
        yield Part(tissue, column.within(lambda s: to_disk(s) - 4).grown(-loss))
    yield Part("disk", column.within(lambda s: 4 - to_disk(s)))
    yield Part("spinal canal", ellipsoid((0, SPINE_Y + 27, 0), (900, 8, 10)))


def bowel(rng: np.random.Generator, oral_contrast: bool) -> Iterator[Part]:
    """Colon, duodenum and loops of small bowel, each a wall around gas, stool, fluid or oral contrast."""
    fluid = "oral contrast" if oral_contrast else "bowel fluid"
    frame = [
        [(165, -5, -100), (110, 0, -110), (60, 5, -110), (30, -25, -98), (28, -58, -75)],
        [(28, -62, -75), (45, -76, -25), (42, -76, 35), (5, -58, 82), (-22, -15, 105)],
        [(-22, -12, 105), (20, 20, 112), (80, 25, 110), (165, 5, 100)],
    ]
    for path in frame:
        stuff = rng.choice(["stool", "gas", fluid], p=[0.55, 0.3, 0.15])
        yield from gut([_near(p, rng, 7) for p in path], rng.uniform(15, 25), stuff, rng)
    duodenum = ((0, -40, -42), (20, -10, -44), (52, -8, -38), (55, -16, 15))
    yield from gut([_near(p, rng) for p in duodenum], 11, fluid, rng)
    starts = [(-5, -35, 55), (25, -35, 70)] + [  # two of the jejunum, before the left kidney
        (rng.uniform(15, 185), rng.uniform(-70, -10), rng.uniform(-80, 85)) for _ in range(rng.integers(20, 38))
    ]
    for start in starts:
        turns = [_near((0, 0, 0), rng, 20) for _ in range(4)]
        path = np.add(start, np.cumsum(turns, 0)).clip((-30, -80, -95), (200, 5, 100))
        stuff = rng.choice(["bowel wall", fluid, "gas"], p=[0.5, 0.42, 0.08])
        yield from gut(path, rng.uniform(8, 14), stuff, rng)


def gut(
    path: Sequence[Sequence[float]], radius: float, stuff: str | float, rng: np.random.Generator
) -> Iterator[Part]:
    """A loop of bowel along a path, filled with a tissue or with HU, often with gas above."""
    wall = tube(path, radius, radius * rng.uniform(0.8, 1.1)).grown(0, 2).within(cavity)
    lumen = wall.grown(-rng.uniform(2, 4))
    yield Part("bowel wall", wall)
    yield Part(stuff, lumen)
    if stuff != "bowel wall" and rng.random() < 0.4:  # gas rises to the front
        level = float(np.mean(path, 0)[1]) - radius * rng.uniform(0, 0.7)
        yield Part("gas", lumen.within(lambda s: level - s.y))


def upper_organs(rng: np.random.Generator, oral_contrast: bool) -> Iterator[Part]:
    """Stomach, pancreas, spleen, liver with its vessels and sometimes lesions, gallbladder, adrenals."""
    room = (cavity, under_diaphragm)
    stomach = ellipsoid(_near((-55, -35, 52), rng, 8), _times((52, 34, 36), rng)).grown(0, 3).within(*room)
    stuff = "oral contrast" if oral_contrast else str(rng.choice(["bowel fluid", "stool", "gas"]))
    yield Part("bowel wall", stomach)
    yield Part(stuff, stomach.grown(-4))
    level = rng.uniform(-65, -40)
    yield Part("gas", stomach.grown(-4).within(lambda s: level - s.y))
    pancreas = [_near(p, rng, 4) for p in ((18, -32, -30), (-5, -42, -5), (-18, -32, 28), (-38, 2, 78))]
    yield Part("pancreas", tube(pancreas, 14, 9).grown(0, 3))
    large = rng.uniform(1.2, 1.9) if rng.random() < 0.25 else 1.0  # it grows down and inwards
    place = _near((-112 + 60 * large, 26, 112 - 6 * large), rng, 9)
    spleen = ellipsoid(place, np.multiply(_times((60, 46, 32), rng), (large, 1, large**0.5)), _tilt(-0.25, 0.2))
    yield Part("spleen", spleen.grown(0, 1.5).within(*room))
    right = ellipsoid(_near((-62, -8, -88), rng, 7), (rng.uniform(80, 145), 84, rng.uniform(70, 90)), _tilt(0.1, 0.1))
    left = ellipsoid(_near((-82, -48, 0), rng, 7), (38, 40, rng.uniform(60, 90)), _tilt(0.0, 0.25))
    liver = (right | left).grown(0, 2).within(*room, off_spine, lambda s: 62 + 0.3 * s.x - s.y)
    yield Part("liver", liver)
    for end in ((-50, -40, -110), (-70, 20, -100), (-80, -50, -30)):
        yield Part("portal vein", tube([(-100, -5, -20), _near(end, rng, 10)], 5, 1.5).within(liver.depth))
    for _ in range(rng.poisson(0.5)):  # cysts and hemangiomas
        place = (rng.uniform(-100, 10), rng.uniform(-50, 40), rng.uniform(-120, -50))
        yield Part(rng.uniform(5, 90), ellipsoid(place, [rng.uniform(4, 16)] * 3).grown(0, 2).within(liver.depth))
    if rng.random() < 0.8:
        yield Part("bile", ellipsoid(_near((8, -52, -55), rng, 6), _times((28, 14, 14), rng), _tilt(0.5, 0.0)))
    for side in (-1, 1):
        yield Part("muscle", tube([_near((-62, 12, side * 42), rng, 4), (-45, 22, side * 52)], 3.5))  # adrenal


def vessels(rng: np.random.Generator) -> Iterator[Part]:
    """Aorta, vena cava, portal system, mesenteric and pelvic vessels, ureters come with the kidneys."""
    wide = rng.uniform(0.85, 1.25)
    split = (88, -16, 4)
    yield Part("vena cava", tube([(-150, -22, -22), (-50, -16, -22), (40, -12, -20), (88, -10, -14)], 11, 12))
    aorta = [(-300, 0, 16), (-120, 0, 14), (-40, -15, 10), (40, -19, 8), split]
    yield Part("aorta", tube(aorta, 11 * wide, 8 * wide))
    for side in (-1, 1):
        yield Part("aorta", tube([split, (130, -12, side * 34), (190, -30, side * 55)], 6 * wide))
        yield Part("vena cava", tube([(88, -10, -14), (130, -4, side * 34), (190, -22, side * 52)], 7))
    yield Part("aorta", tube([(-35, -20, 9), (-8, -40, 6), (90, -52, 0)], 4, 2.5))  # superior mesenteric
    yield Part("portal vein", tube([(90, -52, -12), (0, -45, -10), (-25, -42, -22), (-45, -35, -55)], 5, 7))
    yield Part("portal vein", tube([(-12, -40, -6), (-25, -28, 35), (-45, 5, 85)], 4.5))  # splenic
    for _ in range(25):  # branches in the mesentery
        start = (rng.uniform(0, 90), -50, rng.uniform(-20, 20))
        yield Part("vena cava", tube([start, _near(start, rng, 30)], 2.5, 1))
    if rng.random() < 0.4:  # calcified plaque
        for z in rng.uniform(-60, 90, 4):
            yield Part("cortical bone", ellipsoid((z, -16 + 9 * wide, 8 + rng.uniform(-6, 6)), (5, 1.5, 3)))


def _near(center: Sequence[float], rng: np.random.Generator, mm: float = 5.0) -> Point:
    return point(np.add(center, rng.normal(0, mm, 3)))


def _times(radii: Sequence[float], rng: np.random.Generator) -> Point:
    return point(np.multiply(radii, rng.uniform(0.7, 1.25, 3)))


def _tilt(in_front: float, in_plane: float) -> Axes:
    """Upright axes turned by two small angles: seen from the front, then seen from below."""
    (c, s), (k, m) = ((np.cos(a), np.sin(a)) for a in (in_front, in_plane))
    return ((c, 0, s), (m * s, k, -m * c), (-k * s, m, k * c))
