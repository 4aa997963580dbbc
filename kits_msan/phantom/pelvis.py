"""Below the kidneys, and beside the body: pelvis, hips, bladder and rectum, and the arms of those who keep them down.

Sizes and places are our choice, after ordinary CT of abdomen and pelvis.
"""

from collections.abc import Iterator

import numpy as np

from kits_msan.phantom.shapes import Field, Part, Shape, Space, common, ellipsoid, tube

CREST_Z = 74.0  # top of the pelvis
HIP_Z, HIP_X = 207.0, 92.0  # middle of the heads of the femurs


def pelvis(rng: np.random.Generator, metal: bool) -> Iterator[Part]:
    """Muscles and bones from the crest down to the thighs; `metal` replaces one hip."""
    thick, sheath = rng.uniform(3.5, 8), rng.uniform(0.5, 3)  # mm of half the wings; of fat between the muscles
    wing = Shape(lambda s: _wing(s, thick), (CREST_Z - 15, -120, -200), (CREST_Z + 165, 120, 200))
    yield Part("fat", wing.grown(9 + sheath))
    yield Part("muscle", wing.grown(9, 1))
    buttock = Shape(lambda s: common(s.wall, _across(s), s.z - CREST_Z), (CREST_Z - 15, -120, -200))
    yield Part("muscle", buttock)
    for layer in rng.uniform(12, 60, 2):
        sheet = Shape(lambda s, mm=layer: sheath - np.abs(_across(s) - mm - 4 * s.ripple), buttock.low)  # type: ignore[misc]
        yield Part("fat", sheet.within(buttock.depth))
    floor = Shape(lambda s: common(s.wall, s.z - (HIP_Z + 30)), (HIP_Z, -np.inf, -np.inf))
    yield Part("muscle", floor)
    for side in (-1, 1):
        yield Part("muscle", ellipsoid((HIP_Z + 25, 0, side * HIP_X), (95, 60, 52)).within(lambda s: s.wall))
        socket = ellipsoid((HIP_Z - 4, 4, side * (HIP_X - 8)), (38, 36, 34))
        head = ellipsoid((HIP_Z, 0, side * HIP_X), (24, 24, 24))
        femur = [(HIP_Z, 0, side * HIP_X), (HIP_Z + 40, 8, side * (HIP_X + 38)), (HIP_Z + 260, 8, side * 112)]
        pubis = tube([(HIP_Z + 8, -22, side * 70), (HIP_Z + 28, -42, side * 8)], 11, 9)
        seat = tube([(HIP_Z, 28, side * 82), (HIP_Z + 48, 42, side * 60)], 15, 13)
        for bone in (socket, pubis, seat, head | tube(femur, 15)):
            yield Part("cortical bone", bone)
            yield Part("spongy bone", bone.grown(-4))
    for tissue, loss in (("cortical bone", 0.0), ("spongy bone", 3.0)):
        yield Part(tissue, wing.grown(-loss * 0.8))
        yield Part(tissue, ellipsoid((CREST_Z + 80, 50, 0), (62 - loss, 22 - loss, 48 - loss)))  # sacrum
    if metal:
        side = int(rng.choice([-1, 1]))
        stem = [(HIP_Z, 0, side * HIP_X), (HIP_Z + 34, 8, side * 122), (HIP_Z + 120, 8, side * 118)]
        yield Part(2800.0, tube(stem, 15))


def pelvic_organs(rng: np.random.Generator) -> Iterator[Part]:
    """Bladder, what lies behind it, rectum."""
    full = rng.uniform(0.45, 1.15)
    bladder = ellipsoid((HIP_Z - 12, -32, rng.normal(0, 6)), (44 * full, 36 * full, 46 * full))
    yield Part("bowel wall", ellipsoid((HIP_Z - 14, 4, rng.normal(0, 5)), (30, 18, 30)))  # uterus or prostate
    yield Part("bowel wall", bladder.grown(3))
    yield Part("urine", bladder)
    rectum = tube([(HIP_Z - 90, 34, 20), (HIP_Z - 45, 38, 4), (HIP_Z + 20, 36, 0)], 17, 14)
    yield Part("bowel wall", rectum.grown(0, 1.5))
    yield Part(str(rng.choice(["stool", "gas", "bowel wall"])), rectum.grown(-4))


def arms(rng: np.random.Generator, out: float) -> Iterator[Part]:
    """Forearm and upper arm beside the body, `out` mm from the middle: of patients who cannot lift them."""
    for side in (-1, 1):
        y = rng.uniform(-30, 45)
        path = [(-300.0, y, side * out), (0.0, y - 10, side * (out + 8)), (300.0, y - 35, side * out)]
        limb = tube(path, 44, 30)
        for tissue, shape in (("skin", limb), ("fat", limb.grown(-2)), ("muscle", limb.grown(-7))):
            yield Part(tissue, shape.within(lambda s: -s.wall - 4))
        for shift in (-9, 9):
            bone = tube([(z, y + shift, x) for z, y, x in path], 9, 7)
            yield Part("cortical bone", bone)
            yield Part("spongy bone", bone.grown(-3))


def _across(s: Space) -> Field:
    """mm outwards from the wings of the pelvis: curved plates from beside the sacrum to the front."""
    along = (np.abs(s.x) - s.y) * np.float32(0.7) - 48
    return (np.abs(s.x) + s.y - 108 + (s.z - CREST_Z) * np.float32(0.3)) * np.float32(0.7) + along**2 / 250


def _wing(s: Space, thick: float) -> Field:
    along = (np.abs(s.x) - s.y) * np.float32(0.7) - 48
    edge: Field = 60 * (1 - np.hypot((s.z - CREST_Z - 75) / 75, along / 60))
    return np.minimum(np.float32(thick) - np.abs(_across(s)), edge * np.float32(0.4))
