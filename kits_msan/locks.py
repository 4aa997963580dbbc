"""Locks: one process at a time. They are the operating system's and vanish with a process that is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kits_msan.errors import WINDOWS, InUseError
from kits_msan.files import LOCK, make_parents, remove_empty

if TYPE_CHECKING:
    from filelock import FileLock


def shared_lock(path: Path, timeout: float = 0) -> "FileLock":
    """A lock, not yet taken, in the file `path`. timeout: seconds to wait for it; -1 waits as long as it takes.

    Whoever may write to the folder can take it: its file stays when it is released, and other users of a shared
    folder could not open one that only its maker may write.
    """
    from filelock import FileLock  # the doctor tells those who lack it

    return FileLock(path, timeout=timeout, mode=0o666)


@contextmanager
def only_user(folder: Path, what: str) -> Iterator[None]:
    """Keep the folder, which is made, to this process. Raises InUseError where another `what` uses it.

    An empty folder is taken away.
    """
    from filelock import Timeout

    made = make_parents(folder)
    lock = shared_lock(folder / LOCK)
    try:
        lock.acquire()
    except Timeout as error:
        raise InUseError(f"{folder} is in use by another {what}; wait for it or name another folder.") from error
    try:
        yield
    finally:
        if not WINDOWS:  # which removes no file that is open; there filelock removes its own when it is released
            (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        remove_empty(made)
