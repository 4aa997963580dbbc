"""Who lies in the phantom's scanner: a patient drawn at random, with body, contrast, kidneys and lesions.

Shares and spreads are our choice: as wide as patients are, with KiTS19's sizes of kidneys and tumors.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kits_msan.phantom.kidneys import Kidney, Lesion, draw_kidneys, draw_lesions
from kits_msan.phantom.scanner import Scanner, draw_scanner
from kits_msan.phantom.tissues import TISSUES

WITHOUT_TUMOR = 0.4  # of the patients
PHASES = ("plain", "arterial", "portal", "late")
HALF_WIDTH, HALF_DEPTH = 143.0, 102.0  # mm of the muscle wall of an average adult


@dataclass(frozen=True)
class Patient:
    """What is drawn for one case, apart from the small jitter of the organs."""

    contrast: float  # since the contrast came: 0 plain, 1 arterial, 2 portal, 3 late
    hu: dict[str, float]  # of each tissue
    frame: float  # size of the skeleton, about 1
    fat: float  # share of fat, 0 to 1
    depth: float  # front to back against the average at this share of fat, about 1
    oral_contrast: bool
    stranding: float  # 0 to 1: how cloudy the fat around the kidneys is
    arms_down: bool
    metal_hip: bool
    kidneys: tuple[Kidney, ...]
    lesions: tuple[Lesion, ...]
    snug: float  # how much of the usual fat parts kidneys from organs; 0 to 1
    texture: dict[str, float]  # of each tissue, as a share of the usual
    shift: tuple[float, float, float]  # of the patient in the field of view; -1..1
    scanner: Scanner

    @property
    def phase(self) -> str:
        """The contrast phase nearest to `contrast`."""
        return PHASES[round(self.contrast)]

    @property
    def fat_mm(self) -> float:
        """Thickness of the fat under the skin."""
        return 4 + 46 * self.fat

    @property
    def half_width(self) -> float:
        """mm from the middle to the muscle wall at the side."""
        return HALF_WIDTH * (1 + 0.1 * self.fat)

    @property
    def front(self) -> float:
        """mm from the middle to the muscle wall in front."""
        return HALF_DEPTH * (1 + 0.3 * self.fat) * self.depth

    @property
    def behind(self) -> float:
        """mm from the middle to the muscle wall behind."""
        return HALF_DEPTH * (0.9 + 0.05 * self.fat)

    @property
    def largest_tumor(self) -> Lesion | None:
        """None in a patient without a tumor."""
        return next((lesion for lesion in self.lesions if lesion.kind == "tumor"), None)

    def summary(self) -> dict[str, Any]:
        """What a table of strata needs, ready for JSON."""
        lesions = [
            {"kind": lesion.kind, "side": lesion.side, "diameter_mm": round(lesion.diameter_mm * self.frame, 1)}
            | {"tissue": lesion.tissue, "necrosis": lesion.necrosis}
            for lesion in self.lesions
        ]
        names = ("phase", "contrast", "frame", "fat", "oral_contrast", "stranding", "arms_down", "metal_hip")
        return (
            {name: getattr(self, name) for name in names}
            | {"kidneys": len(self.kidneys), "lesions": lesions, "slice_mm": self.scanner.slice_mm}
            | {"scanner": asdict(self.scanner)}
        )


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient. KiTS19 is mostly late arterial, and each there has a tumor; others are plain and have none."""
    phase = rng.choice(4, p=(0.33, 0.35, 0.23, 0.09))
    contrast = 0.0 if phase == 0 else float(np.clip(phase + rng.normal(0.1, 0.25), 0.8, 3))
    hu, stranding = _draw_hu(rng, contrast), float(rng.beta(1, 3))
    hu["perirenal fat"] += 60 * stranding
    frame, fat = float(np.clip(rng.normal(1, 0.065), 0.84, 1.16)), float(rng.beta(1.6, 2.4))
    kidneys = draw_kidneys(rng, fat)
    lesions = draw_lesions(rng, kidneys, tumor=rng.random() >= WITHOUT_TUMOR)
    arms_down = bool(rng.random() < 0.1)
    wide = 2 * frame * (HALF_WIDTH * (1 + 0.1 * fat) + 6 + 46 * fat)
    along = rng.uniform(-1, 1) if rng.random() < 0.45 else rng.uniform(-0.3, 0.3)  # from the chest, or to the pelvis
    return Patient(
        contrast=contrast,
        hu=hu,
        frame=frame,
        fat=fat,
        depth=float(np.clip(rng.normal(1, 0.07), 0.85, 1.2)),
        oral_contrast=bool(rng.random() < 0.35),
        stranding=stranding,
        arms_down=arms_down,
        metal_hip=bool(rng.random() < 0.04),
        kidneys=kidneys,
        lesions=lesions,
        snug=float(rng.uniform(0, 0.5)) if rng.random() < 0.35 else 1.0,
        texture={tissue: float(np.exp(rng.normal(0, 0.4))) for tissue in TISSUES},
        shift=(float(along), rng.uniform(-1, 1), rng.uniform(-1, 1)),
        scanner=draw_scanner(rng, fat, wide, arms_down),
    )


def _draw_hu(rng: np.random.Generator, contrast: float) -> dict[str, float]:
    """The HU of every tissue in one patient: how much contrast it takes up differs, livers and muscles may be fatty.

    In some, liver, spleen or bowel are as bright as the kidneys, so that place and shape must tell them apart.
    """
    uptake = rng.uniform(0.65, 1.25)
    fatty = rng.uniform(10, 45) if rng.random() < 0.2 else 0.0
    hu = {}
    for name, tissue in TISSUES.items():
        mean = np.interp(contrast, (0, 1, 2, 3), tissue[:4])  # HU of the four phases
        hu[name] = float(tissue.plain + (mean - tissue.plain) * uptake * rng.normal(1, 0.15) + rng.normal(0, 7))
    hu["liver"] -= fatty
    hu["muscle"] -= rng.uniform(10, 50) if rng.random() < 0.3 else 0
    if contrast == 0:
        hu["renal medulla"] = hu["renal cortex"] + rng.normal(0, 2)
    for name, share in (("spleen", 0.2), ("liver", 0.12), ("bowel wall", 0.12), ("pancreas", 0.1)):
        if rng.random() < share:
            hu[name] = float(hu[rng.choice(["renal cortex", "renal medulla"])] + rng.normal(0, 10))
    hu["spongy bone"] *= rng.uniform(0.5, 1.15)  # the old lose it
    return hu
