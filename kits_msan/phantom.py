"""Synthetic abdominal CT with kidneys and tumors, so that the course runs without a download. All of it our choice.

A patient is drawn at random, its organs are painted one after another on the grid, and a scanner's blur and noise
are added. The same seed gives the same patient on any grid, and the same voxels, to the bit, on one machine. Another
processor rounds powers and cosines differently: without AVX, 73 of the 2.2 million voxels of six cases moved by 1 HU.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kits_msan import __version__
from kits_msan.anatomy import abdomen, table
from kits_msan.cases import TUMOR, Case, kits_affine, save_case
from kits_msan.errors import InputError
from kits_msan.files import atomic_folder, write_json
from kits_msan.kidneys import Kidney, Lesion, draw_kidneys, draw_lesions, kidney_parts, lesion_parts
from kits_msan.profiles import Profile, get_profile
from kits_msan.shapes import TISSUES, Canvas, Field, Part, Space, smooth_noise

PHANTOM_VERSION = 1  # goes up when the same seed gives other voxels
PHASES = ("plain", "arterial", "portal", "late")
SPLITS = ("train", "test", "validation")
MOST_CASES, LARGEST_SEED = 100_000, 2**31 - 1  # in a split; as a base seed
HALF_WIDTH, HALF_DEPTH = 143.0, 102.0  # mm of the muscle wall of an average adult
WARP = 3.5  # mm, standard deviation of the smooth warp that makes organs irregular


@dataclass(frozen=True)
class Patient:
    """What is drawn for one case, apart from the small jitter of the organs."""

    time: float  # since the contrast came: 0 plain, 1 arterial, 2 portal, 3 late
    hu: dict[str, float]  # of each tissue
    frame: float  # size of the skeleton, about 1
    fat: float  # share of fat, 0 to 1
    oral_contrast: bool
    kidneys: tuple[Kidney, ...]
    lesions: tuple[Lesion, ...]
    shift: tuple[float, float, float]  # of the patient in the field of view; -1..1
    noise: float  # HU in a voxel of 3 x 0.78 x 0.78 mm
    blur: float  # mm, standard deviation of the scanner's point spread
    scan_spacing: tuple[float, float, float]  # mm, where the profile sets none

    @property
    def phase(self) -> str:
        """The contrast phase nearest to `time`."""
        return PHASES[round(self.time)]

    @property
    def fat_mm(self) -> float:
        """Thickness of the fat under the skin."""
        return 6 + 42 * self.fat

    @property
    def largest_tumor(self) -> Lesion:
        """There always is one."""
        return next(lesion for lesion in self.lesions if lesion.kind == "tumor")

    def summary(self) -> dict[str, Any]:
        """What a table of strata needs, ready for JSON."""
        lesions = [
            {"kind": lesion.kind, "side": lesion.side, "diameter_mm": round(lesion.diameter_mm * self.frame, 1)}
            | {"tissue": lesion.tissue, "necrosis": lesion.necrosis}
            for lesion in self.lesions
        ]
        names = ("phase", "time", "frame", "fat", "oral_contrast", "noise", "blur")
        return {name: getattr(self, name) for name in names} | {"kidneys": len(self.kidneys), "lesions": lesions}


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient. KiTS19 is mostly late arterial, so this is; shares and spreads are our choice."""
    phase = rng.choice(4, p=(0.06, 0.58, 0.27, 0.09))
    time = 0.0 if phase == 0 else float(np.clip(phase + rng.normal(0.1, 0.25), 0.8, 3))
    uptake = rng.uniform(0.75, 1.2)
    hu = {}
    for tissue, (plain, *others, _) in TISSUES.items():
        mean = np.interp(time, (0, 1, 2, 3), (plain, *others))
        hu[tissue] = float(plain + (mean - plain) * uptake * rng.normal(1, 0.08) + rng.normal(0, 3))
    frame, fat = float(np.clip(rng.normal(1, 0.055), 0.87, 1.13)), float(rng.beta(2, 3))
    kidneys = draw_kidneys(rng, fat)
    lesions = draw_lesions(rng, kidneys)
    wide = 2 * frame * (HALF_WIDTH * (1 + 0.1 * fat) + 6 + 42 * fat) + rng.uniform(10, 70)
    pixel = float(np.clip(wide / 512, 0.6, 0.98))
    return Patient(
        time, hu, frame, fat, bool(rng.random() < 0.35), kidneys, lesions,
        shift=(rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(-1, 1)),
        noise=rng.uniform(12, 34) * (0.8 + 0.5 * fat), blur=rng.uniform(0.4, 0.9),
        scan_spacing=(float(rng.choice([2.5, 3.0, 3.75])), pixel, pixel),
    )  # fmt: skip


def phantom_case(
    seed: int,
    profile: str | Profile = "laptop",
    grid: Sequence[int] | None = None,
    spacing: Sequence[float] | None = None,
) -> Case:
    """The synthetic case of a seed: image (D, H, W) int16 HU, label (D, H, W) uint8, axis codes I, P, L.

    grid, spacing: voxels and millimeters (slices, rows, columns) instead of the profile's. Where neither names a
    spacing (the paper's profile), the case has one like KiTS19's: 2.5 to 3.75 mm slices, pixels that fit the body.
    Raises InputError for a negative seed, an unknown profile, or a grid or spacing that is not three above 0.
    """
    profile = get_profile(profile)
    patient_rng, organ_rng, scan_rng = _streams(seed)
    patient = draw_patient(patient_rng)
    d, h, w = (int(n) for n in _three("grid", profile.grid if grid is None else grid))
    mm = _three("spacing", spacing if spacing is not None else profile.spacing or patient.scan_spacing)
    canvas = _canvas(patient, (d, h, w), mm, organ_rng)
    for part in _parts(patient, organ_rng):
        if isinstance(part.tissue, str):
            canvas.paint(part, patient.hu[part.tissue], TISSUES[part.tissue][-1])
        else:
            canvas.paint(part, part.tissue, texture=6)
    image, label = canvas.image, canvas.label
    _mark_hidden_tumor(label, patient, canvas.lines)
    del canvas  # the largest arrays, before the scanner needs room for its own
    return Case(f"phantom_{seed:06d}", _scan(image, mm, patient, scan_rng), label, mm, kits_affine(mm))


def case_seed(seed: int, split: str, index: int) -> int:
    """The seed of a split's case. No two of (seed, split, index) share one, so no test case is trained on.

    seed: the base seed, 0 to 2**31 - 1; split: "train", "test" or "validation"; index: 0 to 99,999.
    Raises InputError for anything else.
    """
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}.")
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"the base seed is {seed}; choose one from 0 to {LARGEST_SEED}.")
    if not 0 <= index < MOST_CASES:
        raise InputError(f"the case index is {index}; a split holds cases 0 to {MOST_CASES - 1}.")
    return (seed * MOST_CASES + index) * len(SPLITS) + SPLITS.index(split)


def write_phantoms(
    out: str | Path,
    train_cases: int,
    test_cases: int,
    seed: int = 0,
    profile: str | Profile = "laptop",
    overwrite: bool = False,
    progress: bool = False,
) -> Path:
    """Write training and then test cases in the KiTS19 layout; returns the folder.

    `out`/case_00000 and so on, split.json (`{"train": names, "test": names}`) and manifest.json (how they were
    made, and what was drawn for each). All or nothing. Raises InputError for numbers of cases that make no split,
    a bad seed or profile, or where `out` holds something and `overwrite` is false.
    """
    from tqdm.auto import tqdm

    profile = get_profile(profile)
    if min(train_cases, test_cases) < 0 or train_cases + test_cases == 0:
        raise InputError(f"{train_cases} training and {test_cases} test cases are no data set; ask for one or more.")
    plan = [(split, i) for split, n in (("train", train_cases), ("test", test_cases)) for i in range(n)]
    rows: list[dict[str, Any]] = [
        {"name": f"case_{number:05d}", "split": split, "seed": case_seed(seed, split, i)}
        for number, (split, i) in enumerate(plan)
    ]
    with atomic_folder(out, overwrite) as folder:
        for row in tqdm(rows, desc="phantoms", unit="case", disable=not progress):
            save_case(replace(phantom_case(row["seed"], profile), name=row["name"]), folder / row["name"])
            row["drawn"] = patient_of(row["seed"]).summary()
        names = {split: [row["name"] for row in rows if row["split"] == split] for split in ("train", "test")}
        write_json(folder / "split.json", names)
        made = {"phantom_version": PHANTOM_VERSION, "package_version": __version__, "profile": profile.name}
        write_json(folder / "manifest.json", made | {"seed": seed, "cases": rows})
    return Path(out)


def patient_of(seed: int) -> Patient:
    """The patient whom `phantom_case` paints for this seed, on whatever grid."""
    return draw_patient(_streams(seed)[0])


def _streams(seed: int) -> list[np.random.Generator]:
    """Independent random numbers for the patient, the organs and the scan."""
    if seed < 0:
        raise InputError(f"the seed is {seed}; choose one of 0 or more.")
    return [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(3)]


def _canvas(patient: Patient, grid: tuple[int, ...], mm: tuple[float, ...], rng: np.random.Generator) -> Canvas:
    """An empty scanner with its table, and where each of its voxels lies in the patient."""
    width, front = HALF_WIDTH * (1 + 0.1 * patient.fat), HALF_DEPTH * (1 + 0.3 * patient.fat)
    behind = HALF_DEPTH * (0.9 + 0.05 * patient.fat)
    half = np.multiply(grid, mm) / 2 / patient.frame
    off = np.multiply((half[0] / 4, 10, 12), patient.shift) + np.array([0, (behind - front) / 2, 0])
    tumor, room = np.array(patient.largest_tumor.center), np.maximum(half - 15, 0)
    off = np.clip(off, tumor - room, tumor + room)  # a kidney may be cut off, but the tumor is on the scan
    lines = [
        ((np.arange(n) - (n - 1) / 2) * size / patient.frame + offset).astype(np.float32)
        for n, size, offset in zip(grid, mm, off, strict=True)
    ]
    edge = float(np.prod(mm)) ** (1 / 3) / patient.frame
    image = np.empty(grid, np.float32)
    image[:] = table(lines[1][:, None], lines[2], behind + patient.fat_mm + 3, edge)  # (H, W), the same in each slice
    warp = [WARP * smooth_noise(rng, 45, lines) for _ in range(3)]
    farthest = max(float(np.abs(field).max()) for field in warp)
    z, y, x = (np.add(field, line, out=field) for field, line in zip(warp, np.ix_(*lines), strict=True))
    # The wall's outline is between an ellipse and a rectangle; `rho` is 1 on it.
    high = np.where(y < 0, np.float32(front), np.float32(behind))
    rho = ((np.abs(x) / width) ** 2.15 + (np.abs(y) / high) ** 2.15) ** (1 / 2.15)
    wall = np.hypot(x, y) / (rho + np.float32(1e-3)) * (1 - rho)
    space = Space(z, y, x, wall, smooth_noise(rng, 14, lines), smooth_noise(rng, 7, lines))
    return Canvas(image, np.zeros(grid, np.uint8), space, lines, farthest, edge)


def _parts(patient: Patient, rng: np.random.Generator) -> Iterator[Part]:
    """Everything in the order in which it is painted."""
    hulls = [kidney.hull for kidney in patient.kidneys]
    yield from abdomen(rng, hulls, patient.fat_mm, 1 + 14 * patient.fat, patient.oral_contrast)
    for kidney in patient.kidneys:
        yield from kidney_parts(kidney, rng.uniform(0, 2 * np.pi))
    for lesion in patient.lesions:
        yield from lesion_parts(lesion)


def _mark_hidden_tumor(label: NDArray[np.uint8], patient: Patient, lines: Sequence[Field]) -> None:
    """Every case has a tumor: where all are smaller than a voxel, the voxel nearest to the largest one is marked."""
    if not (label == TUMOR).any():
        center = patient.largest_tumor.center
        nearest = (np.abs(line - at).argmin() for line, at in zip(lines, center, strict=True))
        label[tuple(nearest)] = TUMOR


def _scan(image: Field, mm: tuple[float, ...], patient: Patient, rng: np.random.Generator) -> NDArray[np.int16]:
    """What a scanner makes of it: thick slices, blur, noise that is a little correlated."""
    image = ndimage.gaussian_filter(image, (0.3, patient.blur / mm[1], patient.blur / mm[2]))
    noise = ndimage.gaussian_filter(rng.standard_normal(image.shape, dtype=np.float32), (0.2, 0.6, 0.6))
    # Larger voxels average noise away, by the fourth root of their volume: neighbors share some of it.
    noise *= np.float32(patient.noise * (1.83 / np.prod(mm)) ** 0.25) / noise.std()
    image += noise
    return np.rint(np.clip(image, -1024, 3071, out=image)).astype(np.int16)


def _three(what: str, values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) != 3 or not all(value > 0 for value in values):
        raise InputError(f"the {what} is {tuple(values)}; give three numbers above 0: slices, rows, columns.")
    return float(values[0]), float(values[1]), float(values[2])
