"""Phantoms for a page: chosen by seed so that they differ, as NIfTI files that the page itself reads."""

import gzip
import tempfile
from pathlib import Path

from kits_msan.data.cases import IMAGE, LABEL, Case, save_case
from kits_msan.page.weights import packed
from kits_msan.phantom.make import case_seed, patient_of
from kits_msan.phantom.patients import PHASES

LOOK = 300  # test cases, on none of which a network was trained, among which they are looked for
SMALL, LARGE = (0.0, 20.0), (40.0, 200.0)  # mm of a patient's largest tumor
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


def packed_case(case: Case) -> dict[str, str]:
    """A case and its truth as `TASKS.open` of the page's worker takes them: base64 of gzipped NIfTI files."""
    with tempfile.TemporaryDirectory() as folder:
        save_case(case, folder)
        files = {"base64": IMAGE, "label": LABEL}
        return {key: packed(gzip.decompress((Path(folder) / name).read_bytes())) for key, name in files.items()}
