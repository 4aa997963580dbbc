"""Where the course lies, and the cases that its notebooks use."""

import json
from pathlib import Path

from kits_msan.errors import InputError
from kits_msan.profiles import Profile

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
CHECKPOINTS = ROOT / "data" / "checkpoints"


def course_data(profile: Profile, data: str | Path = "", seed: int = 0) -> Path:
    """The folder of cases that the notebooks use: `data`, or the profile's phantoms, which are made if need be."""
    if data:
        if not Path(data).is_dir():
            raise InputError(f"{data} does not exist; name a folder of cases, or none for phantoms.")
        return Path(data).resolve()
    from kits_msan.phantom.make import write_phantoms

    folder = ROOT / "data" / f"phantoms-{profile.name}-{seed}"
    if not phantoms_are_fresh(folder):
        write_phantoms(folder, profile.train_cases, profile.test_cases, seed, profile, overwrite=True)
    return folder


def phantoms_are_fresh(folder: Path) -> bool:
    """Whether a folder holds the phantoms that this version of the package makes."""
    from kits_msan.phantom.make import PHANTOM_VERSION

    manifest = folder / "manifest.json"
    if not manifest.exists():
        return False
    version: int = json.loads(manifest.read_text(encoding="utf-8")).get("phantom_version")
    return version == PHANTOM_VERSION
