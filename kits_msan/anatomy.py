"""The organs around the kidneys: which tissues there are, where they lie, in which order they are painted.

Sizes, places and Hounsfield units are our choice, after ordinary abdominal CT. Neighbors share the kidneys' HU on
purpose: a network that tells them apart by brightness alone would fail on a real scan.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kits_msan.shapes import Axes, Field, Part, Point, Shape, Space, ellipsoid, point, tube

SPINE_Y, CREST_Z = 12.0, 74.0  # middle of the vertebral bodies; top of the pelvis
VERTEBRA, RIB_PITCH, RIB_12 = 35.0, 25.0, -62.0  # height of one; distance of two ribs; z of the last rib at the spine

TISSUES = {  # HU without contrast, in the arterial, portal and late phase; +- HU of texture
    "air": (-1000, -1000, -1000, -1000, 0),
    "table": (-120, -120, -120, -120, 0),
    "foam": (-960, -960, -960, -960, 0),
    "skin": (10, 15, 20, 20, 15),
    "fat": (-105, -103, -100, -100, 9),
    "muscle": (52, 58, 64, 62, 9),
    "lung": (-860, -850, -845, -845, 70),
    "cortical bone": (620, 620, 620, 620, 120),
    "spongy bone": (190, 200, 205, 205, 50),
    "disk": (75, 78, 82, 82, 8),
    "spinal canal": (25, 28, 32, 32, 5),
    "liver": (57, 72, 112, 98, 6),
    "spleen": (48, 120, 122, 102, 8),
    "pancreas": (40, 98, 92, 78, 18),
    "bile": (8, 8, 10, 14, 3),
    "aorta": (42, 310, 165, 122, 8),
    "vena cava": (40, 95, 150, 120, 12),
    "portal vein": (40, 110, 170, 125, 8),
    "bowel wall": (38, 78, 92, 80, 14),
    "bowel fluid": (18, 18, 20, 20, 14),
    "oral contrast": (220, 220, 220, 220, 50),
    "stool": (-10, -10, -10, -10, 110),
    "gas": (-940, -940, -940, -940, 30),
    "renal cortex": (34, 185, 185, 150, 7),
    "renal medulla": (33, 88, 170, 158, 7),
    "urine": (6, 8, 12, 420, 4),
    "clear cell tumor": (36, 135, 108, 88, 16),
    "other tumor": (38, 66, 80, 74, 9),  # papillary and chromophobe: they take up less contrast
    "necrosis": (18, 22, 25, 25, 7),
}


def abdomen(
    rng: np.random.Generator, hulls: Sequence[Shape], fat_mm: float, perirenal_mm: float, oral_contrast: bool
) -> Iterator[Part]:
    """Everything but the kidneys, in the order in which it is painted: what comes later lies on top.

    hulls: the outlines of the kidneys, which get fat around them; fat_mm: under the skin.
    """
    yield from body(fat_mm)
    yield from chest(rng)
    yield from bowel(rng, oral_contrast)
    yield from upper_organs(rng, oral_contrast)
    for hull in hulls:
        yield Part("fat", hull.grown(perirenal_mm, 1.5).within(cavity))
    yield from back(rng)
    yield from vessels(rng)


def cavity(s: Space) -> Field:
    """mm inside the abdominal cavity: the wall is 12 mm thick."""
    return s.wall - 12


def under_diaphragm(s: Space) -> Field:
    """mm below the two domes of the diaphragm; they reach down to z = -38 behind."""
    dome = (np.abs(s.x) - 66) ** 2 / 75 + (s.y + 40) ** 2 / 190 - np.where(s.x < 0, 112, 102)
    return (s.z - np.minimum(dome, -38)) * np.float32(0.6)


def off_spine(s: Space) -> Field:
    """mm outside the column of the vertebral bodies."""
    return np.hypot(s.x, s.y - SPINE_Y) - 24


def body(fat_mm: float) -> Iterator[Part]:
    """Skin, fat under it, muscle wall, fat of the cavity."""
    yield Part("skin", Shape(lambda s: s.wall + fat_mm + 2 * s.ripple + 2))
    yield Part("fat", Shape(lambda s: s.wall + fat_mm + 2 * s.ripple))
    yield Part("muscle", Shape(lambda s: s.wall))
    yield Part("fat", Shape(cavity))


def chest(rng: np.random.Generator) -> Iterator[Part]:
    """Lungs above the diaphragm, heart, ribs."""
    lungs = Shape(
        lambda s: np.minimum.reduce(
            [s.wall - 13, -under_diaphragm(s), np.abs(s.x) - 24 - np.maximum(-s.y, 0) * np.float32(0.5)]
        ),
        high=(-20, np.inf, np.inf),
    )
    yield Part("muscle", lungs.grown(3))  # the diaphragm
    yield Part("lung", lungs)
    yield Part("aorta", ellipsoid(_near((-165, -40, 15), rng), (55, 42, 55)))  # the heart, in tall scans only
    first = RIB_12 + rng.normal(0, 6)

    def ribs(s: Space) -> Field:
        level = s.z - np.float32(0.55) * (60 - s.y) - np.float32(first)  # a rib runs down and forwards
        rib = np.minimum(np.round(level / RIB_PITCH), 0)
        end = np.select([rib > -0.5, rib > -1.5, rib > -2.5], [45.0, 10.0, -25.0], -75.0)  # the last are short
        ring = 5 - np.hypot((level - rib * RIB_PITCH) * np.float32(0.75), s.wall - 7)
        return np.minimum.reduce([ring, s.y - end, np.abs(s.x) - 36]).astype(np.float32)

    bone = Shape(ribs, high=(60, np.inf, np.inf))
    yield Part("cortical bone", bone)
    yield Part("spongy bone", bone.grown(-2.5))


def back(rng: np.random.Generator) -> Iterator[Part]:
    """Muscles beside the spine, spine and pelvis: over the bowel and the fat, under the kidneys."""
    for side in (-1, 1):
        yield Part("muscle", ellipsoid((60, 66, side * 37), (500, 25, 34)).within(lambda s: s.wall))
        yield Part("muscle", ellipsoid((30, 52, side * 66), (62, 9, 22)))  # quadratus lumborum
        size = rng.uniform(0.8, 1.2)
        path = [(-45, 20, side * 24), (10, 18, side * 34), (70, 14, side * 46), (160, -5, side * 66)]
        yield Part("muscle", tube(path, 7 * size, 22 * size))  # psoas
    wing = Shape(_wing, (CREST_Z - 15, -120, -200), (CREST_Z + 165, 120, 200))
    yield Part("muscle", wing.grown(11))
    for tissue, loss in (("cortical bone", 0), ("spongy bone", 3)):
        yield Part(tissue, wing.grown(-loss))
        yield Part(tissue, ellipsoid((CREST_Z + 80, 50, 0), (62 - loss, 22 - loss, 48 - loss)))  # sacrum
    start = rng.uniform(0, VERTEBRA)

    def to_disk(s: Space) -> Field:
        return np.abs((s.z - start + VERTEBRA / 2) % VERTEBRA - VERTEBRA / 2)  # mm from the nearest disk's middle

    column = Shape(lambda s: 20 - np.hypot(s.x * np.float32(0.85), s.y - SPINE_Y), (-np.inf, -20, -30), (200, 45, 30))
    arch = ellipsoid((0, SPINE_Y + 30, 0), (900, 15, 20))
    process = Shape(
        lambda s: np.maximum(
            np.minimum(4 - np.abs(s.x), 28 - np.abs(s.y - SPINE_Y - 42)),  # spinous
            np.minimum(5 - np.abs(s.y - SPINE_Y - 27), 44 - np.abs(s.x)),  # transverse
        ),
        (-np.inf, 0, -60), (200, 90, 60),
    ).within(lambda s: to_disk(s) - 9)  # fmt: skip
    for tissue, loss in (("cortical bone", 0.0), ("spongy bone", 2.5)):
        yield Part(tissue, (arch | process).grown(-loss))
        yield Part(tissue, column.grown(-loss).within(lambda s, loss=loss: to_disk(s) - 4 - loss))
    yield Part("disk", column.within(lambda s: 4 - to_disk(s)))
    yield Part("spinal canal", ellipsoid((0, SPINE_Y + 27, 0), (900, 8, 10)))


def _wing(s: Space) -> Field:
    """Both wings of the pelvis: curved plates from beside the sacrum to the front, lower ones further in."""
    across = (np.abs(s.x) + s.y - 108 + (s.z - CREST_Z) * np.float32(0.3)) * np.float32(0.7)
    along = (np.abs(s.x) - s.y) * np.float32(0.7) - 48
    edge = 60 * (1 - np.hypot((s.z - CREST_Z - 75) / 75, along / 60))
    return np.minimum(5 - np.abs(across + along**2 / 250), edge)


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
        yield from _gut([_near(p, rng, 7) for p in path], rng.uniform(15, 25), stuff, rng)
    yield from _gut([_near(p, rng) for p in ((0, -40, -42), (20, -10, -44), (52, -8, -38), (55, -16, 15))], 11, fluid, rng)
    starts = [(-5, -35, 55), (25, -35, 70)] + [  # two of the jejunum, before the left kidney
        (rng.uniform(15, 150), rng.uniform(-70, -15), rng.uniform(-75, 85)) for _ in range(rng.integers(10, 18))
    ]
    for start in starts:
        turns = [_near((0, 0, 0), rng, 20) for _ in range(4)]
        path = np.add(start, np.cumsum(turns, 0)).clip((-30, -80, -95), (190, 0, 100))
        stuff = rng.choice(["bowel wall", fluid, "gas"], p=[0.5, 0.42, 0.08])
        yield from _gut(path, rng.uniform(8, 14), stuff, rng)


def _gut(path: Sequence[Sequence[float]], radius: float, stuff: str, rng: np.random.Generator) -> Iterator[Part]:
    wall = tube(path, radius, radius * rng.uniform(0.8, 1.1)).grown(0, 2).within(cavity)
    lumen = wall.grown(-rng.uniform(2, 4))
    yield Part("bowel wall", wall)
    yield Part(stuff, lumen)
    if stuff != "bowel wall" and rng.random() < 0.4:  # gas rises to the front
        level = np.mean(path, 0)[1] - radius * rng.uniform(0, 0.7)
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
    spleen = ellipsoid(_near((-58, 24, 108), rng, 7), _times((54, 42, 27), rng), _tilt(-0.25, 0.2))
    yield Part("spleen", spleen.grown(0, 1.5).within(*room))
    right = ellipsoid(_near((-62, -8, -88), rng, 7), (rng.uniform(80, 112), 84, 78), _tilt(0.1, 0.1))
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
    yield Part("aorta", tube([(-300, 0, 16), (-120, 0, 14), (-40, -15, 10), (40, -19, 8), split], 11 * wide, 8 * wide))
    for side in (-1, 1):
        yield Part("aorta", tube([split, (130, -12, side * 34), (190, -30, side * 55)], 6 * wide))
        yield Part("vena cava", tube([(88, -10, -14), (130, -4, side * 34), (190, -22, side * 52)], 7))
    yield Part("aorta", tube([(-35, -20, 9), (-8, -40, 6), (90, -52, 0)], 4, 2.5))  # superior mesenteric
    yield Part("portal vein", tube([(90, -52, -12), (0, -45, -10), (-25, -42, -22), (-45, -35, -55)], 5, 7))
    yield Part("portal vein", tube([(-12, -40, -6), (-25, -28, 35), (-45, 5, 85)], 4.5))  # splenic
    for _ in range(12):  # branches in the mesentery
        start = (rng.uniform(10, 70), -50, rng.uniform(-10, 5))
        yield Part("vena cava", tube([start, _near(start, rng, 30)], 2.5, 1))
    if rng.random() < 0.4:  # calcified plaque
        for z in rng.uniform(-60, 90, 4):
            yield Part("cortical bone", ellipsoid((z, -16 + 9 * wide, 8 + rng.uniform(-6, 6)), (5, 1.5, 3)))


def _near(center: Sequence[float], rng: np.random.Generator, mm: float = 5.0) -> Point:
    return point(np.add(center, rng.normal(0, mm, 3)))


def _times(radii: Sequence[float], rng: np.random.Generator) -> Point:
    return point(np.multiply(radii, rng.uniform(0.75, 1.2, 3)))


def _tilt(in_front: float, in_plane: float) -> Axes:
    """Upright axes turned by two small angles: seen from the front, then seen from below."""
    (c, s), (k, m) = ((np.cos(a), np.sin(a)) for a in (in_front, in_plane))
    return ((c, 0, s), (m * s, k, -m * c), (-k * s, m, k * c))
