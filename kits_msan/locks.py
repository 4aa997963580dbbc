"""Locks: one process at a time. They are the operating system's and vanish with a process that is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kits_msan.errors import WINDOWS, InUseError, note
from kits_msan.files import LOCK, make_parents, remove_empty

if TYPE_CHECKING:
    from filelock import FileLock

SOON = 10  # seconds to wait before it is said


def shared_lock(path: Path, timeout: float = 0) -> "FileLock":
    """A lock, not yet taken, in the file `path`. timeout: seconds to wait for it; -1 waits as long as it takes.

    Whoever may write to the folder can take it: its file stays when it is released, and other users of a shared
    folder could not open one that only its maker may write.
    """
    from filelock import FileLock  # the doctor tells those who lack it

    return FileLock(path, timeout=timeout, mode=0o666)


@contextmanager
def only_user(folder: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Keep the folder, which is made, to this process, or wait for another `what` that uses it and then keep it.

    Raises InUseError instead of waiting unless `wait`. An empty folder is taken away.
    """
    from filelock import Timeout

    made = make_parents(folder)
    lock = shared_lock(folder / LOCK)
    try:
        _acquire(lock, folder, SOON if wait else 0)
    except Timeout as error:
        in_use = f"{folder} is in use by another {what}"
        if not wait:
            raise InUseError(f"{in_use}; wait for it or name another folder.") from error
        note(f"{in_use}; this one waits until it is done.")
        _acquire(lock, folder, -1)
    try:
        yield
    finally:
        if not WINDOWS:  # which removes no file that is open; there filelock removes its own when it is released
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        remove_empty(made)


def _acquire(lock: "FileLock", folder: Path, timeout: float) -> None:
    try:
        lock.acquire(timeout=timeout)
    except FileNotFoundError:  # whoever was waited for failed, and took the folder away
        folder.mkdir(parents=True, exist_ok=True)
        _acquire(lock, folder, timeout)
