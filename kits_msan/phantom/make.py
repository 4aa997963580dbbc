"""Synthetic abdominal CT with kidneys and tumors, so that the course runs without a download. All of it our choice.

A patient is drawn at random, its organs are painted one after another on the grid, and a scanner's blur and noise
are added. The same seed gives the same patient on any grid, and the same voxels, to the bit, on one machine. Another
processor rounds powers and cosines differently: without AVX, 73 of the 2.2 million voxels of six cases moved by 1 HU.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kits_msan import __version__
from kits_msan.data.cases import IMAGE, LABEL, TUMOR, Case, kits_affine, save_case
from kits_msan.data.split import SPLIT_FILE
from kits_msan.errors import InputError, check_choice
from kits_msan.files import atomic_folder, read_json, refuse_foreign, write_json
from kits_msan.formats.grids import checked_spacing
from kits_msan.phantom.anatomy import abdomen
from kits_msan.phantom.kidneys import kidney_parts, lesion_parts
from kits_msan.phantom.neighbors import corner, crowd
from kits_msan.phantom.patients import Patient, draw_patient
from kits_msan.phantom.pelvis import arms
from kits_msan.phantom.scanner import cables, scan, shade, table
from kits_msan.phantom.shapes import Canvas, Field, Part, Space, smooth_noise
from kits_msan.phantom.tissues import TISSUES
from kits_msan.profiles import Profile, get_profile

MANIFEST = "manifest.json"  # of a folder of phantoms
PHANTOM_VERSION = 4  # goes up when the same seed gives other voxels
SPLITS = ("train", "test", "validation")
MOST_CASES, LARGEST_SEED = 100_000, 2**31 - 1  # in a split; as a base seed
WARP = 3.5  # mm, standard deviation of the smooth warp that makes organs irregular


def phantom_case(
    seed: int,
    profile: str | Profile = "laptop",
    grid: Sequence[int] | None = None,
    spacing: Sequence[float] | None = None,
    touching: bool = False,
) -> Case:
    """The synthetic case of a seed: image (D, H, W) int16 HU, label (D, H, W) uint8, axis codes I, P, L.

    grid, spacing: voxels and millimeters (slices, rows, columns) instead of the profile's. Where neither names a
    spacing (the paper's profile), the case has one like KiTS19's: 2.5 to 3.75 mm slices, pixels that fit the body.
    touching: liver and spleen may lie against the kidneys, with no fat between. For training: version 4 of the
    phantom, on which networks are scored, has a layer of fat around each kidney, on average 1 mm or more.
    Raises InputError for a seed that is no whole number of 0 or more, for an unknown profile, and for a grid or
    spacing that is not three numbers above 0.
    """
    profile = get_profile(profile)
    patient_rng, organ_rng, scan_rng = _streams(seed)
    patient = draw_patient(patient_rng)
    size = _checked_grid(profile.grid if grid is None else grid)
    wanted = spacing if spacing is not None else profile.spacing or patient.scanner.spacing
    mm = checked_spacing("the spacing", wanted)
    canvas = _canvas(patient, size, mm, organ_rng)
    for part in _parts(patient, organ_rng, touching):
        if isinstance(part.tissue, str):
            canvas.paint(
                part,
                patient.hu[part.tissue] + part.brighter,
                TISSUES[part.tissue].texture * patient.texture[part.tissue],
            )
        else:
            canvas.paint(part, part.tissue, texture=6)
    image, label = canvas.image, canvas.label
    shade(image, canvas.lines, scan_rng)
    _mark_hidden_tumor(label, patient, canvas.lines)
    del canvas  # the largest arrays, before the scanner needs room for its own
    return Case(f"phantom_{seed:06d}", scan(image, mm, patient.scanner, scan_rng), label, mm, kits_affine(mm))


def case_seed(seed: int, split: str, index: int) -> int:
    """The seed of a split's case. No two of (seed, split, index) share one, so no test case is trained on.

    seed: the base seed, 0 to 2**31 - 1; split: "train", "test" or "validation"; index: 0 to 99,999.
    Raises InputError for anything else.
    """
    check_choice("split", split, SPLITS)
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
    a bad seed or profile, and where `out` holds something and `overwrite` is false, or what was not made here.
    """
    from tqdm.auto import tqdm

    profile = get_profile(profile)
    if min(train_cases, test_cases) < 0 or train_cases + test_cases == 0:
        raise InputError(f"{train_cases} training and {test_cases} test cases are no data set; ask for one or more.")
    if max(train_cases, test_cases) > MOST_CASES:
        raise InputError(f"{train_cases + test_cases} cases are too many; a split holds at most {MOST_CASES}.")
    if overwrite:
        _refuse_others(Path(out))
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
        write_json(folder / SPLIT_FILE, names)
        made = {"phantom_version": PHANTOM_VERSION, "package_version": __version__, "profile": profile.name}
        write_json(folder / MANIFEST, made | {"seed": seed, "cases": rows})
        if overwrite:
            _refuse_others(Path(out))  # which may have come into being meanwhile
    return Path(out)


def _refuse_others(folder: Path) -> None:
    """Raise InputError if a folder, which is to be replaced, holds what `write_phantoms` did not put there."""
    try:
        made = read_json(folder / MANIFEST, "")
        cases = {row["name"] for row in made["cases"]}
    except (InputError, KeyError, TypeError):
        made, cases = {}, set()
    refuse_foreign(folder, "phantom_version" in made, "folder of phantoms")
    own = {MANIFEST, SPLIT_FILE} | {f"{name}/{file}" for name in cases for file in (IMAGE, LABEL)}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        parts = path.relative_to(folder).parts
        if "/".join(parts) not in own and not any(part.startswith(".") for part in parts):
            raise InputError(f"{path} is no phantom's and would be lost; move it away or name another folder.")


def patient_of(seed: int) -> Patient:
    """The patient whom `phantom_case` paints for this seed, on whatever grid."""
    return draw_patient(_streams(seed)[0])


def _streams(seed: int) -> list[np.random.Generator]:
    """Independent random numbers for the patient, the organs and the scan."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"the seed is {seed}; choose a whole number of 0 or more.")
    return [np.random.default_rng(stream) for stream in np.random.SeedSequence(seed).spawn(3)]


def _canvas(patient: Patient, grid: tuple[int, ...], mm: tuple[float, ...], rng: np.random.Generator) -> Canvas:
    """An empty scanner with its table, and where each of its voxels lies in the patient."""
    width, front, behind = patient.half_width, patient.front, patient.behind
    half = np.multiply(grid, mm) / 2 / patient.frame
    off = np.multiply((half[0], 10, 12), patient.shift) + np.array([0, (behind - front) / 2, 0])
    shown = np.array((patient.largest_tumor or patient.kidneys[0]).center)
    room = np.maximum(half - 15, 0)
    off = np.clip(off, shown - room, shown + room)  # a kidney may be cut off, but what the scan is made for is on it
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


def _parts(patient: Patient, rng: np.random.Generator, touching: bool = False) -> Iterator[Part]:
    """Everything in the order in which it is painted."""
    # of fat around a kidney; half of it around a tumor or cyst, which stretches it
    mm = rng.uniform(-3, 1) if touching else 1 + 14 * patient.fat * patient.snug
    perirenal = [kidney.hull.grown(mm, 1.5) for kidney in patient.kidneys]
    perirenal += [lesion.outline.grown(mm / 2, 1.5) for lesion in patient.lesions]
    beside = crowd(rng, patient.kidneys)
    if touching:
        beside = chain((corner(rng, kidney) for kidney in patient.kidneys if rng.random() < 0.6), beside)
    yield from abdomen(rng, patient.fat_mm, perirenal, patient.oral_contrast, patient.metal_hip, beside)
    for kidney in patient.kidneys:
        yield from kidney_parts(kidney, rng.uniform(0, 2 * np.pi))
    for lesion in patient.lesions:
        yield from lesion_parts(lesion)
    skin = patient.half_width + patient.fat_mm
    if patient.arms_down:
        yield from arms(rng, skin + 42)
    yield from cables(rng, patient.scanner.cables, skin, patient.front + patient.fat_mm)


def _mark_hidden_tumor(label: NDArray[np.uint8], patient: Patient, lines: Sequence[Field]) -> None:
    """A patient with tumors shows one: where all are smaller than a voxel, the voxel nearest to the largest is it."""
    if patient.largest_tumor and not (label == TUMOR).any():
        center = patient.largest_tumor.center
        nearest = (np.abs(line - at).argmin() for line, at in zip(lines, center, strict=True))
        label[tuple(nearest)] = TUMOR


def _checked_grid(grid: Sequence[int]) -> tuple[int, ...]:
    """Whole numbers of voxels; a single voxel could have no noise."""
    size = tuple(int(n) for n in grid if isinstance(n, (int, np.integer)) and n > 0)
    if len(size) != len(grid) or len(size) != 3 or math.prod(size) < 2:
        raise InputError(
            f"the grid is {tuple(grid)}; give three whole numbers above 0, not all 1: slices, rows, columns."
        )
    return size
