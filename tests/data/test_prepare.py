"""What `prepare` leaves alone, and what it refuses: another's store, a scan in both parts, a disk that fills."""

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from kits_msan.cli import main
from kits_msan.commands.system_errors import system_sentence
from kits_msan.data.cases import IMAGE, LABEL, Case, save_case
from kits_msan.data.prepare import open_cases, prepare
from kits_msan.data.split import Split, load_split
from kits_msan.data.store import MANIFEST, OPEN_FILES, split_of
from kits_msan.errors import WINDOWS, InputError, InputNote, InUseError
from kits_msan.files import LOCK, removed_on_bad_input
from kits_msan.profiles import Profile


def test_a_store_that_another_process_is_making_stays(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it was not there when this process began."""
    store = tmp_path / "new" / "store"
    made: list[FileLock] = []

    class Late(FileLock):
        def acquire(self, *args: object, **options: object) -> object:  # type: ignore[override]
            if not made:
                made.append(FileLock(self.lock_file))
                made[0].acquire()
                (store / "case_00000.image.npy").write_bytes(b"half of it")
            return super().acquire(timeout=0)

    monkeypatch.setattr("kits_msan.locks.shared_lock", Late)
    with (
        pytest.raises(InUseError, match="in use by another process that prepares cases"),
        removed_on_bad_input(store),
    ):
        prepare(data, store, tiny, load_split(data), progress=False)
    assert (store / "case_00000.image.npy").read_bytes() == b"half of it"
    made[0].release()


def test_nothing_is_read_before_the_folder_is_ones_own(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.setattr("kits_msan.data.prepare._is_stored", lambda *_: 1 / 0)
    with FileLock(tmp_path / "store" / LOCK), pytest.raises(InUseError, match="in use by"):
        prepare(data, tmp_path / "store", tiny, load_split(data), progress=False)


def test_trainings_wait_for_a_store_that_another_makes(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several at once, which then use it, and one whose predecessor fails and takes the new folder away."""
    monkeypatch.setattr("kits_msan.locks.SOON", 0.1)
    store = tmp_path / "store"
    store.mkdir()

    def opened(_: int) -> int:
        return len(open_cases(data, ["case_00000", "case_00001"], tiny, store))

    lock = FileLock(store / LOCK, thread_local=False)
    lock.acquire()
    said = pytest.warns(InputNote, match="in use by another process that prepares cases; this one waits")
    with said, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(opened, number) for number in range(4)]
        time.sleep(0.5)
        assert not any(one.done() for one in waiting)
        if not WINDOWS:  # which removes no file that is open
            shutil.rmtree(store)
        lock.release()
    assert [one.result() for one in waiting] == [2] * 4


@pytest.mark.usefixtures("locks_of_windows")
def test_a_stopped_run_goes_on_under_windows_too(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    with monkeypatch.context() as patch:
        patch.setattr("kits_msan.data.prepare.write_json", lambda *_: 1 / 0)  # after the first case's arrays
        with pytest.raises(ZeroDivisionError):
            prepare(data, store, tiny, load_split(data), progress=False)
    prepare(data, store, tiny, load_split(data), progress=False)
    assert split_of(store) == load_split(data)


def test_a_whole_store_stays_one_while_it_is_looked_through(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trainings may be reading it."""
    store = tmp_path / "store"
    prepare(data, store, tiny, load_split(data), progress=False)
    monkeypatch.setattr("kits_msan.data.prepare.write_json", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(data, store, tiny, load_split(data), progress=False)
    assert split_of(store) == load_split(data)
    with pytest.raises(ZeroDivisionError):
        prepare(data, store, tiny, load_split(data, exclude=[0]), progress=False)
    assert not (store / MANIFEST).exists()


def test_a_scan_in_both_parts_under_two_names_is_refused(
    own: Path, tmp_path: Path, tiny: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(own / "case_00001" / IMAGE, own / "case_00003" / IMAGE)
    store = tmp_path / "store"
    message = "holds one scan twice, as case_00001 for training and as case_00003 for test; name a split file"
    with pytest.raises(InputError, match=f"data {message}"):
        prepare(own, store, tiny, load_split(own), progress=False)
    assert not (store / MANIFEST).exists()
    names = ["case_00000", "case_00001", "case_00002"]
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": [*names, "case_00003"], "test": []}), encoding="utf-8")
    prepare(own, store, tiny, load_split(own, split), progress=False)  # two for training may be the same
    split.write_text(json.dumps({"train": names, "test": ["case_00003"]}), encoding="utf-8")
    train = ["train", "unet3d", "--data", str(store), "--split", str(split), "--profile", "smoke"]
    assert main([*train, "--out", str(tmp_path / "run")]) == 2
    assert f"store {message}" in capsys.readouterr().err


def test_a_split_that_names_what_is_not_in_the_store(data: Path, tmp_path: Path, tiny: Profile) -> None:
    prepare(data, tmp_path / "store", tiny, load_split(data), progress=False)
    (tmp_path / "split.json").write_text('{"train": ["new"], "test": []}', encoding="utf-8")
    with pytest.raises(InputError, match=r"new, absent from the store .*store; prepare or exclude what is absent"):
        split_of(tmp_path / "store", tmp_path / "split.json")


@pytest.mark.skipif(WINDOWS, reason="which limits no file")
def test_a_disk_that_fills_is_said_as_one(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a file that it wrote in part numpy says, without a number, "36864 requested and 24512 written"."""
    import resource

    store = tmp_path / "store"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        assert main(["prepare", str(data), "--profile", "smoke", "--out", str(store)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file = store / "case_00000.image.npy"
    assert f"kits-msan: {file}: File too large; make space, or name a folder" in capsys.readouterr().err
    assert not file.exists()


def test_labels_that_cannot_be_right_are_said(tmp_path: Path, tiny: Profile, make_case: Callable[..., Case]) -> None:
    true = make_case()
    assert true.image is not None
    assert true.label is not None
    labels = [true.label, true.label * 0, true.label * 0 + 1]
    for number, label in enumerate(labels):
        image = (true.image + number).astype(np.int16)  # no scan is in both parts
        save_case(replace(true, image=image, label=label), tmp_path / f"data/case_{number:05d}")
    with pytest.warns(InputNote, match="of which 3.% is air .below -200 HU., where no kidney can be") as caught:
        prepare(tmp_path / "data", tmp_path / "store", tiny, load_split(tmp_path / "data"), progress=False)
    said = [str(one.message) for one in caught if "label" in str(one.message)]
    assert ["case_00001 has an empty label" in one for one in said] == [True, False]
    assert "case_00002" in said[1]


def test_a_case_by_the_name_of_a_file_of_the_store_is_left_out(own: Path, tmp_path: Path, tiny: Profile) -> None:
    (own / "case_00000").rename(own / "Manifest")
    split = Split(("Manifest", "case_00001"), ("case_00003",))
    [(name, said)] = prepare(own, tmp_path / "store", tiny, split, progress=False).items()
    assert (name, said.partition("stored, ")[2]) == (
        "Manifest",
        "as manifest.json is a file of the store itself; rename the case.",
    )
    assert split_of(tmp_path / "store").train == ("case_00001",)


def test_each_reason_is_given_where_no_case_can_be_used(own: Path, tmp_path: Path, tiny: Profile) -> None:
    for number in range(4):
        (own / f"case_{number:05d}" / (LABEL if number % 2 else IMAGE)).unlink()
    with pytest.raises(InputError, match=r"no case of .* can be used: ") as error:
        prepare(own, tmp_path / "new" / "store", tiny, load_split(own), progress=False)
    assert not (tmp_path / "new").exists()
    assert all(f"case_{number:05d} lacks its image or its label" in str(error.value) for number in range(4))


def test_what_was_stored_before_a_broken_case_is_kept(own: Path, tmp_path: Path, tiny: Profile) -> None:
    (own / "case_00001" / LABEL).unlink()
    with pytest.raises(InputError, match="case_00001 lacks"):
        prepare(own, tmp_path / "store", tiny, load_split(own), strict=True, progress=False)
    assert (tmp_path / "store" / "case_00000.json").exists()


@pytest.mark.skipif(WINDOWS, reason="where mapped files do not count")
def test_more_files_may_be_open_than_a_terminal_allows(data: Path, tmp_path: Path, tiny: Profile) -> None:
    import resource

    split = load_split(data)
    prepare(data, tmp_path / "store", tiny, split, progress=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        assert len(open_cases(tmp_path / "store", split.train, tiny, tmp_path)) == 3
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == (hard if 0 <= hard < OPEN_FILES else OPEN_FILES)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("copied", [False, True])
def test_a_store_is_not_damaged_where_no_more_files_may_be_open(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    split = load_split(data)
    prepare(data, tmp_path / "store", tiny, split, progress=False)
    if copied:
        os.utime(tmp_path / "store/case_00000.label.npy", ns=(5, 5))

    def refused(file: Path, **_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", str(file))

    monkeypatch.setattr(np, "load", refused)
    with pytest.raises(OSError, match="Too many open files") as raised:
        open_cases(tmp_path / "store", split.train, tiny, tmp_path)
    sentence = r".*case_00000\.(image|label)\.npy: Too many open files; allow more: ulimit -n 10240\."
    assert re.fullmatch(sentence, system_sentence(raised.value) or "")
