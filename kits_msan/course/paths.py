"""Where the course lies, and the cases that its notebooks use."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kits_msan.errors import InputError, check_readable
from kits_msan.files import read_json
from kits_msan.locks import shared_lock
from kits_msan.profiles import SMOKE, Profile

FIRST = Path("notebooks") / "01_data_exploration.ipynb"
IN_A_NOTEBOOK = "set data=FOLDER, and out= to another folder for results"


def _repository() -> Path:
    """The checkout that this file lies in; for an installed package the one that the current folder lies in."""
    here = Path(__file__).resolve().parents[2]
    return next((root for root in (here, Path.cwd(), *Path.cwd().parents) if (root / FIRST).exists()), here)


ROOT = _repository()
NOTEBOOKS = ROOT / "notebooks"
CHECKPOINTS = ROOT / "data" / "checkpoints"


def in_repository() -> bool:
    """Whether the notebooks are at hand: a package that is installed does not bring them."""
    return (ROOT / FIRST).exists()


def require_repository() -> None:
    """Raise InputError where the notebooks are not at hand."""
    if not in_repository():
        raise InputError(
            f"the course lies in the repository of kits_msan, not in the package, and {Path.cwd()} is not in a clone "
            "of it; run this in a clone."
        )


def course_data(profile: Profile, data: str | Path = "", seed: int = 0, instead: str = IN_A_NOTEBOOK) -> Path:
    """The folder of cases that the notebooks use: `data`, or the profile's phantoms, which are made if need be.

    instead: how whoever calls takes a folder of cases. Raises InputError, which says that, for a folder that cannot
    be written; also for one that does not exist or may not be read, and outside the repository.
    """
    folder = data_folder(profile, data, seed)
    if data:
        return folder
    require_repository()
    from kits_msan.phantom.make import write_phantoms

    if not phantoms_are_fresh(folder):
        try:
            folder.parent.mkdir(exist_ok=True)
            # Of two courses at once the second waits.
            with shared_lock(folder.parent / f".{folder.name}.lock", timeout=-1):
                if not phantoms_are_fresh(folder):
                    write_phantoms(folder, profile.train_cases, profile.test_cases, seed, profile, overwrite=True)
        except OSError as error:
            raise InputError(
                f"{folder} cannot be written ({error.strerror}); make the cases elsewhere with `kits-msan phantom "
                f"FOLDER --profile {profile.name}`, then {instead}."
            ) from error
    return folder


@contextmanager
def smoke_cases() -> Iterator[Path]:
    """The smoke profile's phantoms; where `data/` may not be written they are made for the block alone."""
    require_repository()
    with tempfile.TemporaryDirectory(prefix="kits-cases-") as temporary:
        try:
            folder = course_data(SMOKE)
        except InputError:
            from kits_msan.phantom.make import write_phantoms

            folder = write_phantoms(Path(temporary) / "cases", SMOKE.train_cases, SMOKE.test_cases, profile=SMOKE)
        yield folder


def runs_folder(profile: str, out: str | Path = "") -> Path:
    """Where the notebooks write: `out`, or `runs/` of the repository; if that may not be written, of this folder."""
    if out:
        return Path(out).expanduser()
    runs = ROOT / "runs" / profile
    if can_write(runs):
        return runs
    print(f"{runs} may not be written, so results go to {Path.cwd() / 'runs'}.")
    return Path.cwd() / "runs" / profile


def can_write(folder: Path) -> bool:
    """Whether files may be written into a folder, or it may be made."""
    return os.access(next(one for one in (folder, *folder.parents) if one.exists()), os.W_OK)


def data_folder(profile: Profile, data: str | Path = "", seed: int = 0) -> Path:
    """Where the cases lie, or where the profile's phantoms are to be made. Raises InputError for a bad `data`."""
    if not data:
        return ROOT / "data" / f"phantoms-{profile.name}-{seed}"
    folder = Path(data).expanduser()
    if not folder.is_dir():
        raise InputError(f"{folder} does not exist; name a folder of cases, or none for phantoms.")
    check_readable(folder)
    return folder.resolve()


def phantoms_are_fresh(folder: Path) -> bool:
    """Whether a folder holds the phantoms that this version of the package makes."""
    from kits_msan.phantom.make import MANIFEST, PHANTOM_VERSION

    manifest = folder / MANIFEST
    if not manifest.exists():
        return False
    try:
        return bool(read_json(manifest, "").get("phantom_version") == PHANTOM_VERSION)
    except InputError:
        return False
