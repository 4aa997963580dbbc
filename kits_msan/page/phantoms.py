"""Phantoms for a page: chosen by seed so that they differ, as NIfTI files that the page itself reads."""

import gzip
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from kits_msan.data.cases import IMAGE, LABEL, Case, save_case
from kits_msan.phantom.make import case_seed, patient_of, phantom_case
from kits_msan.phantom.patients import PHASES
from kits_msan.profiles import LAPTOP, Profile
from kits_msan.viewer.letters import letters
from kits_msan.viewer.volumes import pack_hounsfield

LOOK = 300  # test cases, on none of which a network was trained, among which they are looked for
SMALL, LARGE = (0.0, 20.0), (40.0, 200.0)  # mm of a patient's largest tumor
FINEST = 4.0  # mm, of the voxels of a phantom in a page
WANTED = {"arterial": SMALL, "portal": LARGE}  # in other phases, tumors of any size


def choose_phantoms() -> dict[int, str]:
    """Seeds with what to call them: one of each contrast phase, with tumors small and large, one without a tumor."""
    chosen: dict[int, str] = {}
    missing = [*PHASES, "none"]
    for index in range(LOOK):
        seed = case_seed(0, "test", index)
        drawn = patient_of(seed).summary()
        sizes = [lesion["diameter_mm"] for lesion in drawn["lesions"] if lesion["kind"] == "tumor"]
        what = drawn["phase"] if sizes else "none"
        low, high = WANTED.get(what, (0.0, LARGE[1]))
        if what in missing and low <= max(sizes, default=0.0) < high:
            missing.remove(what)
            tumor = f"largest tumor {max(sizes):.0f} mm" if sizes else "no tumor"
            chosen[seed] = f"{drawn['phase']} phase, {tumor} (seed {seed})"
    return chosen


def page_case(seed: int, profile: Profile) -> Case:
    """The phantom of a seed in the voxels of the networks' profile, or in the laptop's where those are finer.

    With finer ones the pages would be too large to hand out.
    """
    coarse = profile.spacing is not None and min(profile.spacing) >= FINEST
    return phantom_case(seed, profile if coarse else LAPTOP)


def packed_case(case: Case) -> dict[str, Any]:
    """A case and its truth as `TASKS.open` of the page's worker takes them: two NIfTI files in `letters`.

    scan: the file's 16-bit numbers, header and all, packed as the viewer packs HU, in a quarter less than by gzip;
    numbers: how many there are; label: the file as it is, gzipped.
    """
    with tempfile.TemporaryDirectory() as folder:
        save_case(case, folder)
        numbers = np.frombuffer(gzip.decompress((Path(folder) / IMAGE).read_bytes()), "<i2")
        label = gzip.decompress((Path(folder) / LABEL).read_bytes())
    (scan,) = pack_hounsfield(numbers.astype(np.int16).reshape(1, 1, -1))
    return {"scan": letters(scan), "numbers": len(numbers), "label": letters(gzip.compress(label, 9, mtime=0))}
