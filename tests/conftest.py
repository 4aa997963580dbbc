"""Small synthetic cases and profiles: what most tests stand on, without the phantom and in milliseconds.

And who runs what, where several workers share the tests: slow files come first, so that quick ones fill up the end.
"""

import errno
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import settings

from kits_msan.course.paths import NOTEBOOKS
from kits_msan.data.cases import Case, kits_affine, save_case
from kits_msan.data.prepare import prepare
from kits_msan.data.split import load_split
from kits_msan.profiles import SMOKE, Profile

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell has its background jobs ignore
settings.register_profile("here", deadline=None, derandomize=True)  # a busy machine is no failure
settings.load_profile("here")

MakeCase = Callable[..., Case]


@pytest.hookimpl(trylast=True)  # after tests/browser has marked its own as slow
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.path.suffix == ".ipynb"}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """A worker gets a file, or a folder of browser tests, which share a Chromium, a JupyterLab and pages."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file.rpartition("/")[0] if "/browser/" in file else file

    if config.option.dist != "loadfile":
        return None
    config.option.loadscopereorder = False  # it would put files of few tests last, and these may be the slowest
    return Scheduling(config, log)


def ball_case(
    name: str = "case_00000",
    shape: tuple[int, int, int] = (12, 36, 34),
    spacing: tuple[float, float, float] = (10.0, 8.0, 8.0),
    seed: int = 0,
    tumor: bool = True,
) -> Case:
    """Two balls for kidneys in an oval body, a smaller one for a tumor at the rim of one; air around, noise."""
    rng = np.random.default_rng(seed)
    z, y, x = (
        np.linspace(-1, 1, n).reshape([-1 if axis == i else 1 for i in range(3)]) for axis, n in enumerate(shape)
    )
    jitter = rng.uniform(-0.05, 0.05, 3)

    def ball(center: tuple[float, float, float], radius: float) -> np.ndarray:
        return sum((a - c - j) ** 2 for a, c, j in zip((z, y, x), center, jitter, strict=True)) < radius**2

    image = np.full(shape, -1000.0)
    image[np.broadcast_to((y / 0.9) ** 2 + (x / 0.95) ** 2 < 1, shape)] = 20
    label = np.zeros(shape, np.uint8)
    for side in (-0.5, 0.5):
        label[ball((0.0, 0.2, side), 0.33)] = 1
    if tumor:
        label[ball((0.1, 0.2, 0.75), 0.2)] = 2
    image[label == 1] = 180
    image[label == 2] = 80
    image += rng.normal(0, 10, shape)
    return Case(name, np.rint(image).astype(np.int16), label, spacing, kits_affine(spacing))


@pytest.fixture(scope="session")
def make_case() -> MakeCase:
    return ball_case


@pytest.fixture(scope="session")
def tiny() -> Profile:
    """The smoke profile on smaller slabs, without augmentation."""
    return replace(SMOKE, grid=(12, 32, 32), steps=6, augment="")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three training cases and one test case, with a split.json. Read only: tests that write copy it."""
    folder = tmp_path_factory.mktemp("data")
    names = [f"case_{number:05d}" for number in range(4)]
    for number, name in enumerate(names):
        save_case(ball_case(name, seed=number), folder / name)
    (folder / "split.json").write_text(json.dumps({"train": names[:3], "test": names[3:]}), encoding="utf-8")
    return folder


@pytest.fixture
def own(data: Path, tmp_path: Path) -> Path:
    """A copy of the data that a test may damage."""
    return Path(shutil.copytree(data, tmp_path / "data"))


@pytest.fixture(scope="session")
def store(data: Path, tiny: Profile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the cases of `data`, for trainings that share it. Read only."""
    folder = tmp_path_factory.mktemp("store")
    prepare(data, folder, tiny, load_split(data), strict=True, progress=False)
    return folder


@pytest.fixture(scope="session")
def course_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of the committed notebooks as they are stored, made once for all workers. Read only."""
    from kits_msan.course.site.build import build_site  # seconds of imports that few tests need

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "course-site.lock"):
        if not (folder / "course-site").exists():
            build_site(folder / "course-site", sorted(NOTEBOOKS.glob("0*.ipynb")))
    return folder / "course-site"


@pytest.fixture
def locks_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: the file of a lock cannot be removed while the lock is held, and is gone when it is released."""
    held: set[Path] = set()
    acquire, release, unlink = FileLock._acquire, FileLock._release, Path.unlink

    def acquired(self: FileLock) -> None:
        acquire(self)
        held.update({Path(self.lock_file)} if self.is_locked else {})

    def released(self: FileLock) -> None:
        release(self)
        held.discard(Path(self.lock_file))
        unlink(Path(self.lock_file), missing_ok=True)

    def removed(path: Path, missing_ok: bool = False) -> None:
        if path in held:
            raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(FileLock, "_acquire", acquired)
    monkeypatch.setattr(FileLock, "_release", released)
    monkeypatch.setattr(Path, "unlink", removed)
    for module in ("locks", "training.runs"):
        monkeypatch.setattr(f"kits_msan.{module}.WINDOWS", True)


@pytest.fixture
def no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container whose disk is read-only."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "absent")])


@pytest.fixture(autouse=True)
def no_hint_stumbles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In tests of exercises no hint may stumble over an answer, though students would not see it."""
    if "exercises" in request.path.parts:
        monkeypatch.setattr("kits_msan.course.exercises.hints.STRANGE", ())
