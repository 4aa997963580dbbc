"""Writing under a temporary name, renamed when whole: nothing half-written is left and nothing existing is lost."""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kits_msan.errors import InputError, InUseError, note

if TYPE_CHECKING:
    import pandas as pd

LOCK = ".lock"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # what the system says of a full disk
LEFT = re.compile(r"\.(tmp|old)-[0-9a-f]{16}(\..+)?|\.tmp[0-9A-Za-z]{6}")  # temporary names: ours, and safetensors'


@contextmanager
def atomic_file(path: str | Path, mode: int = 0o666) -> Iterator[Path]:
    """Yield a temporary path with the same ending; rename it to `path` when the block ends well.

    Parent folders are made. If the block raises, they and the temporary file are removed, and `path` is as it was.
    """
    path = Path(path)
    made = make_parents(path.parent)
    ending = "".join(path.suffixes[-2:])
    temporary = _beside(path, ending)
    with _known_as(path):
        try:
            temporary.touch(mode, exist_ok=False)
            rights = temporary.stat().st_mode
            yield temporary
            os.chmod(temporary, rights)  # a library may have put a file of its own in its place
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
            remove_empty(made)


def _beside(path: Path, ending: str = "", kind: str = ".tmp-") -> Path:
    """A new temporary name. It is known before it is made: a signal in between leaves nothing behind."""
    return path.parent / f"{kind}{secrets.token_hex(8)}{ending}"


@contextmanager
def atomic_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder; rename it to `path` when the block ends well.

    Raises InputError if `path` exists with something in it and `overwrite` is false, before the block or after it.
    With `overwrite` the old folder stays until the new one is whole.
    """
    refuse_results(path, overwrite)
    path = Path(os.path.realpath(path))  # of a link, what it leads to
    if (path / ".git").exists():
        raise InputError(f"{path} is a git repository, whose history would be lost; name a folder in it.")
    made = make_parents(path.parent)
    with _known_as(path):
        temporary = _beside(path)
        try:
            temporary.mkdir()
            yield temporary
            refuse_results(path, overwrite)  # what came into being meanwhile
            (_exchange if path.exists() else os.replace)(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            remove_empty(made)


@contextmanager
def removed_on_bad_input(folder: Path) -> Iterator[None]:
    """If the block raises InputError, not InUseError, take away the folder if it is new, and parents left empty."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        yield
    except InUseError:
        raise
    except InputError:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        remove_empty(new)
        raise


def refuse_results(path: str | Path, overwrite: bool) -> None:
    """Raise InputError if the folder `path` holds something and `overwrite` is false, or if it is a file."""
    path = Path(path)
    if path.is_file():
        raise InputError(f"{path} is a file, but a folder is to be written there; name another folder.")
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path} is a link that leads nowhere; remove it or name another folder.")
    if path.is_dir() and not overwrite and any(not _is_hidden(entry) for entry in path.iterdir()):
        raise InputError(f"{path} already holds results; name another folder or add --overwrite.")


def refuse_foreign(path: str | Path, own: bool, what: str) -> None:
    """Raise InputError if the folder `path` holds something and is not the program's `own` earlier `what`."""
    path = Path(path)
    if path.is_dir() and not own and any(not _is_hidden(entry) for entry in path.iterdir()):
        raise InputError(f"{path} holds something that is no {what}, which is never replaced; name another folder.")


def refuse_file(path: Path, overwrite: bool, ending: str, begins: str = "") -> None:
    """Raise InputError if `path` is a folder, has another ending, as inputs do, or exists without `overwrite`.

    begins: how the program's own files begin; one that holds something else is never replaced.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if path.suffix.lower() != ending:
        raise InputError(f"{path} is to be written as {ending}; give it a name that ends so.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; name another file or add --overwrite.")
    if begins and path.exists() and path.read_text("utf-8-sig", "replace")[: len(begins)] not in ("", begins):
        raise InputError(f"{path} was not written by this command and is never replaced; name another file.")


def read_json(path: Path, remedy: str, hook: Callable[[list[Any]], Any] | None = None) -> dict[str, Any]:
    """The JSON object in a file; hook: json's, of pairs. Raises InputError with the remedy if it holds no such."""
    try:  # Windows' editors put a mark before it
        value = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=hook)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged or not JSON; {remedy}.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object; {remedy}.")
    return value


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def write_csv(path: Path, table: "pd.DataFrame", encoding: str = "utf-8", quote: int = 0, mode: int = 0o666) -> None:
    """Write a table, to five digits, atomically; quote: as QUOTE_ALL; mode: rights. What is no UTF-8 is escaped."""
    with atomic_file(path, mode) as temporary, temporary.open("w", -1, encoding, "backslashreplace", "") as file:
        table.to_csv(file, index=False, float_format="%.5f", quoting=quote)


def refuse_full_disk(folder: Path, needed: int, remedy: str = "make space or name a folder on another disk") -> None:
    """Raise InputError if there is less room at `folder`, which need not exist yet, than `needed` bytes."""
    there = next(parent for parent in (folder, *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(f"{folder} has {in_words(free)} free, but about {in_words(needed)} are needed; {remedy}.")


def in_words(size: float) -> str:
    """A number of bytes as people read it: 34.5 GB, 120.0 MB or 3.2 kB."""
    unit, name = next(((unit, name) for unit, name in ((1e9, "GB"), (1e6, "MB")) if size >= unit), (1e3, "kB"))
    return f"{size / unit:.1f} {name}"


@contextmanager
def _known_as(path: Path) -> Iterator[None]:
    """An OSError of the block names `path`, or what is in it, instead of the temporary name that nobody knows."""
    try:
        yield
    except OSError as error:
        parts = Path(os.fsdecode(error.filename)).parts if error.filename else ()
        hidden = [place for place, part in enumerate(parts) if part.startswith(".tmp-")]
        if hidden:
            error.filename = str(path.joinpath(*parts[hidden[0] + 1 :]))
        elif not parts and error.errno in FULL:  # of a write, which does not say where
            error.filename = str(path)
        raise


def _exchange(new: Path, path: Path) -> None:
    """Put the folder `new` in the place of the folder `path`, and remove that one; interrupted, it stays."""
    old = _beside(path, kind=".old-")
    try:
        os.replace(path, old)
        os.replace(new, path)
    except BaseException:
        if not path.exists():
            os.replace(old, path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
    if old.exists():
        note(
            f"the old {path} could not be removed and takes space in {old}; ask the owner of its files to remove it."
        )


def _is_hidden(path: Path) -> bool:
    """Whether it is a lock, or what a killed process left of a file that it was writing, and of its folder."""
    if path.name == LOCK or LEFT.fullmatch(path.name):
        return True
    return path.is_dir() and not path.is_symlink() and all(_is_hidden(entry) for entry in path.iterdir())


def remove_left_over(folder: Path) -> None:
    """Remove the half-written files of a process that was killed. Files of others stay, whatever their names."""
    for file in folder.iterdir():
        if LEFT.fullmatch(file.name) and file.is_file():
            file.unlink()


def remove_empty(folders: list[Path]) -> None:
    """Remove the folders, innermost first, that hold nothing."""
    for folder in folders:
        with suppress(OSError):  # another process may write there
            folder.rmdir()


def make_parents(folder: Path) -> list[Path]:
    """Make `folder` and return what was new, innermost first, so that a failure can take it away again."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    if new:
        folder.mkdir(parents=True, exist_ok=True)
    return new
