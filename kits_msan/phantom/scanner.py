"""What the scanner adds to the anatomy: its table, cables on the skin, thick slices, blur, noise and streaks.

All of it our choice, after ordinary CT.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kits_msan.phantom.shapes import Field, Part, point, smooth_noise, tube


@dataclass(frozen=True)
class Scanner:
    """How a scan is made."""

    noise: float  # HU in a voxel of 3 x 0.78 x 0.78 mm
    grain: float  # pixels over which neighbors share noise: small for sharp kernels, large for soft ones
    blur: float  # mm, standard deviation of the point spread in plane
    slice_mm: float  # thickness of the slices that it took, whatever the spacing they come in
    streaks: float  # HU, standard deviation of streaks across the body, between arms or hips
    cables: int  # on the skin
    spacing: tuple[float, float, float]  # mm, where the profile sets none


def draw_scanner(rng: np.random.Generator, fat: float, wide: float, arms_down: bool) -> Scanner:
    """A scanner for a patient with this share of fat, `wide` mm across. Large patients get noise and streaks."""
    pixel = float(np.clip((wide + rng.uniform(10, 70)) / 512, 0.6, 0.98))
    slice_mm = float(rng.choice([1.0, 2.0, 2.5, 3.0, 3.75, 5.0, 8.0], p=(0.08, 0.08, 0.15, 0.24, 0.12, 0.24, 0.09)))
    streaks = rng.uniform(5, 22) if arms_down else rng.exponential(4) * fat
    return Scanner(
        noise=rng.uniform(8, 38) * (0.8 + 0.6 * fat) * (3 / max(slice_mm, 2)) ** 0.25,
        grain=rng.uniform(0.35, 0.95),
        blur=rng.uniform(0.4, 1.1) if rng.random() < 0.7 else rng.uniform(1.1, 3),
        slice_mm=slice_mm,
        streaks=float(streaks),
        cables=int(rng.integers(1, 5)) if rng.random() < 0.3 else 0,
        spacing=(min(slice_mm, 5.0), pixel, pixel),
    )


def table(y: Field, x: Field, top: float, edge: float) -> Field:
    """HU of the scanner's table and the air around it: two thin shells of carbon fiber, hollow towards the patient.

    top: y of its middle; edge: mm over which a surface fades.
    """
    below = y - top + x**2 / 1100
    hu = np.full(below.shape, -1000.0, np.float32)
    for shell in (0, 40):
        hu += 880 * min(1, 4 / edge) * np.clip(1.2 - np.abs(below - shell) / edge, 0, 1) * (np.abs(x) < 230)
    return hu


def cables(rng: np.random.Generator, count: int, half_width: float, front: float) -> Iterator[Part]:
    """Leads of an electrocardiogram and infusion lines on the skin before the body."""
    for _ in range(count):
        path, x = [], rng.uniform(-0.8, 0.8) * half_width
        for z in range(-280, 281, 80):
            x = float(np.clip(x + rng.normal(0, 25), -0.9 * half_width, 0.9 * half_width))
            y = -front * math.sqrt(max(1 - (x / half_width) ** 2, 0)) - 4
            path.append(point((z, y, x)))
        yield Part(float(rng.choice([150, 900, 2500])), tube(path, 1.8))


def shade(image: Field, lines: Sequence[NDArray[np.float32]], rng: np.random.Generator) -> None:
    """Make tissues uneven, in place: smooth noise of several scales, in proportion to the HU above those of fat.

    lines: mm along the axes of `image` (D, H, W). After the synthetic training images of SynthSeg (Billot et al.
    2023) and anatomix (Dey et al. 2024), whose bias fields and noise are multiplicative; amplitudes are our choice.
    """
    for bump, most in ((90, 0.10), (35, 0.08), (14, 0.08)):
        field = smooth_noise(rng, bump, lines)
        image += np.float32(rng.uniform(0, most)) * field * np.clip(image + 100, 0, 400)


def scan(image: Field, mm: Sequence[float], scanner: Scanner, rng: np.random.Generator) -> NDArray[np.int16]:
    """What the scanner makes of an image (D, H, W) in HU: int16."""
    from scipy import ndimage  # takes long to load: not before it is needed

    thick = max(scanner.slice_mm - 0.5 * mm[0], 0) * 0.29 / mm[0]  # a box of width 1 has standard deviation 0.29
    image = ndimage.gaussian_filter(image, (max(thick, 0.3), scanner.blur / mm[1], scanner.blur / mm[2]))
    white = rng.standard_normal(image.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(white, (0.2, scanner.grain, scanner.grain))
    # Larger voxels average noise away, by the fourth root of their volume: neighbors share some of it.
    noise *= np.float32(scanner.noise * (1.83 / np.prod(mm)) ** 0.25) / noise.std()
    image += noise
    if scanner.streaks > 0.5:
        spots = 8  # across; between them the streaks go evenly: long across, short from front to back
        rows = rng.standard_normal((len(image), image.shape[1], spots), dtype=np.float32)
        at = np.linspace(0, spots - 1, image.shape[2])
        between = np.maximum(1 - np.abs(at - np.arange(spots)[:, None]), 0)  # (spots, W): the share of each
        for hu, streaks in zip(image, rows, strict=True):  # (H, W), (H, spots)
            hu += np.float32(scanner.streaks) * (streaks @ between).astype(np.float32) * (hu > -500)
    return np.rint(np.clip(image, -1024, 3071, out=image)).astype(np.int16)
