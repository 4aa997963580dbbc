import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import kits_msan
from kits_msan.errors import WINDOWS, InputError, InputNote
from kits_msan.files import atomic_file, atomic_folder, refuse_results, removed_on_bad_input, write_json
from kits_msan.locks import only_user, shared_lock


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def write_half(path: Path) -> None:
    path.write_text("half", encoding="utf-8")
    raise OSError("disk full")


def test_file_appears_whole_with_its_ending_and_ordinary_rights(tmp_path: Path) -> None:
    target = tmp_path / "new" / "scan.nii.gz"
    with atomic_file(target) as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == target.parent
        temporary.write_text("whole", encoding="utf-8")
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "whole"
    assert tree(tmp_path) == ["new", "new/scan.nii.gz"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="disk full"), atomic_file(target) as temporary:
        write_half(temporary)
    assert target.read_text(encoding="utf-8") == "old"
    assert tree(tmp_path) == ["a.txt"]


def test_failed_write_takes_its_new_folders_away_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "new/more/file.txt"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with atomic_folder(target) as temporary:
        (temporary / "a.txt").write_text("whole", encoding="utf-8")
        assert not target.exists()
    assert tree(tmp_path) == ["deep", "deep/out", "deep/out/a.txt"]


def test_failed_folder_takes_its_new_parents_away_again(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(OSError, match="disk full"), atomic_folder(tmp_path / "kept" / "deep" / "out") as temporary:
        write_half(temporary / "a.txt")
    assert tree(tmp_path) == ["kept"]


def test_overwritten_folder_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(OSError, match="disk full"), atomic_folder(out, overwrite=True) as temporary:
        write_half(temporary / "new.txt")
    assert tree(tmp_path) == ["out", "out/old.txt"]
    with atomic_folder(out, overwrite=True) as temporary:
        (temporary / "new.txt").write_text("new", encoding="utf-8")
    assert tree(tmp_path) == ["out", "out/new.txt"]


def test_an_old_folder_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where another user made it, in a folder that both may write."""
    out = tmp_path / "out"
    (out / "theirs").mkdir(parents=True)
    remove = os.rmdir

    def refused(path: str, **options: int) -> None:
        if os.path.basename(path) == "theirs":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        remove(path, **options)

    monkeypatch.setattr(os, "rmdir", refused)
    with pytest.warns(InputNote) as notes, atomic_folder(out, overwrite=True) as temporary:
        (temporary / "new.txt").write_text("new", encoding="utf-8")
    [old] = tmp_path.glob(".old-*")
    assert [str(one.message) for one in notes] == [
        f"the old {out} could not be removed and takes space in {old}; ask the owner of its files to remove it."
    ]
    assert tree(out) == ["new.txt"]


def test_a_folder_keeps_to_the_group_of_a_shared_one(tmp_path: Path) -> None:
    """Its setgid bit, by which what comes into it is the group's, is as `mkdir` makes it."""
    tmp_path.chmod(0o2775)
    (tmp_path / "plain").mkdir()
    with atomic_folder(tmp_path / "out") as temporary:
        (temporary / "deep").mkdir()
    folders = [tmp_path / name for name in ("plain", "out", "out/deep")]
    assert len({stat.S_IMODE(folder.stat().st_mode) for folder in folders}) == 1


def test_folder_with_results_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old", encoding="utf-8")
    with pytest.raises(InputError, match=r"already holds results.*--overwrite"), atomic_folder(tmp_path):
        pytest.fail("the block must not run")
    assert tree(tmp_path) == ["old.txt"]


def test_what_came_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def write(text: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        with atomic_folder(out) as temporary:
            (temporary / f"{text}.txt").write_text(text, encoding="utf-8")
            meanwhile()

    with pytest.raises(InputError, match="already holds results"):
        write("new", meanwhile=lambda: write("mine"))
    assert tree(tmp_path) == ["out", "out/mine.txt"]


def test_a_failure_names_what_was_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk") as one, atomic_folder(tmp_path / "out") as temporary:
        raise OSError(errno.ENOSPC, "disk full", str(temporary / "deep" / "a.txt"))
    assert one.value.filename == str(tmp_path / "out" / "deep" / "a.txt")
    with pytest.raises(OSError, match="disk") as two, atomic_file(tmp_path / "a.txt") as temporary:
        raise OSError(errno.ENOSPC, "disk full", str(temporary))
    assert two.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(OSError, match="disk") as three, atomic_file(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "disk full")  # as of a write
    assert three.value.filename == str(tmp_path / "a.txt")
    with pytest.raises(OSError, match="absent") as four, atomic_file(tmp_path / "a.txt"):
        raise OSError(errno.ENOENT, "absent", "other.txt")
    assert four.value.filename == "other.txt"


def test_what_a_kill_left_is_no_result(tmp_path: Path) -> None:
    """A folder that was made for a file, and the file that was not finished."""
    (tmp_path / "out/case_00000").mkdir(parents=True)
    (tmp_path / "out/case_00000/.tmp-0123456789abcdef.nii.gz").write_text("half", encoding="utf-8")
    refuse_results(tmp_path / "out", overwrite=False)
    (tmp_path / "out/case_00000/notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already holds results"):
        refuse_results(tmp_path / "out", overwrite=False)


def test_refuse_results(tmp_path: Path) -> None:
    file = tmp_path / "file"
    empty = tmp_path / "empty"
    empty.mkdir()
    refuse_results(tmp_path / "absent", overwrite=False)
    refuse_results(empty, overwrite=False)
    (empty / ".tmp-0123456789abcdef.json").touch()
    refuse_results(empty, overwrite=False)
    (empty / ".tmp_notes.txt").touch()  # somebody's
    with pytest.raises(InputError, match="already holds results"):
        refuse_results(empty, overwrite=False)
    file.write_text("x", encoding="utf-8")
    refuse_results(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="already holds results"):
        refuse_results(tmp_path, overwrite=False)
    with pytest.raises(InputError, match="is a file"):
        refuse_results(file, overwrite=True)


@pytest.mark.parametrize("make", ["touch", "mkdir"])
def test_a_signal_just_after_the_temporary_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: str
) -> None:
    plain = getattr(Path, make)

    def interrupted(self: Path, *args: object, **kwargs: object) -> None:
        plain(self, *args, **kwargs)
        if self.name.startswith(".tmp-"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, make, interrupted)
    writes = atomic_file if make == "touch" else atomic_folder
    with pytest.raises(KeyboardInterrupt), writes(tmp_path / "target"):
        raise AssertionError("not reached")
    assert tree(tmp_path) == []


def test_write_json_replaces_what_was_there(tmp_path: Path) -> None:
    for value in ({"a": [1, 2]}, {"b": None}):
        write_json(tmp_path / "a.json", value)
        assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == value
    assert tree(tmp_path) == ["a.json"]


@pytest.mark.skipif(WINDOWS, reason="Windows has other rights")
def test_others_who_may_write_to_a_folder_can_take_its_lock(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with shared_lock(tmp_path / "lock"):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o666
    finally:
        os.umask(before)
    package = Path(kits_msan.__file__).parent
    assert [path.name for path in package.rglob("*.py") if "FileLock(" in path.read_text("utf-8")] == ["locks.py"]


@pytest.mark.usefixtures("locks_of_windows")
def test_a_folder_is_given_back_on_windows_too(tmp_path: Path) -> None:
    for _ in range(2):
        with only_user(tmp_path / "new" / "out", "course"):
            pass
        assert tree(tmp_path) == []


def test_bad_input_takes_new_folders_away_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()

    def work(folder: Path, error: BaseException | None) -> None:
        with removed_on_bad_input(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "a.txt").write_text("x", encoding="utf-8")
            if error:
                raise error

    for folder in (tmp_path / "new" / "deep" / "run", tmp_path / "old"):
        with pytest.raises(InputError):
            work(folder, error=InputError("bad"))
    assert tree(tmp_path) == ["old", "old/a.txt"]
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path / "stopped", error=KeyboardInterrupt())
    work(tmp_path / "whole", error=None)
    assert tree(tmp_path) == ["old", "old/a.txt", "stopped", "stopped/a.txt", "whole", "whole/a.txt"]
