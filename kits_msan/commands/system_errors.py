"""What a person should read when the system itself refuses: no memory, no space, no right."""

import errno
import os
import re
from pathlib import Path

from kits_msan.errors import InputError
from kits_msan.files import FULL, in_words

MISPLACED = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
# What numpy, torch, oneDNN and the system's loader say when memory runs out; only the first is a MemoryError.
NO_MEMORY = re.compile(
    r"unable to allocate|can't allocate memory|cannot allocate memory|not enough memory|out of memory|bad_alloc|"
    r"could not create a (primitive|memory)|can't start new thread|failed to map segment|no space in static TLS",
    re.IGNORECASE,
)
ASKED = re.compile(r"(?:allocate|allocate about) ([\d.]+) ?(bytes|[KMGT]i?B)")
# What gloo, NCCL and the store of their addresses say when another process is gone; a plain RuntimeError of gloo's.
ENDED = re.compile(
    r"gloo/transport.*(closed by peer|reset by peer|Broken pipe)|remote process exit|remote server shutdown",
    re.DOTALL,
)
LEAST = 850 * 10**6  # bytes of addresses that the libraries take; with fewer some of them end the program themselves
NO_TEMPORARY = "No usable temporary directory"  # how `tempfile` begins to say so
UNITS = {"b": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def check_limit() -> None:
    """Raise InputError if this process may take less memory (`ulimit -v`) than its libraries need."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= most < LEAST:
        raise InputError(
            f"this process may take {in_words(most)} of memory, and its libraries alone take {in_words(LEAST)}; "
            "allow more: ulimit -v unlimited."
        )


def is_memory_error(error: BaseException) -> bool:
    """Whether `error` means that memory, of the machine or of its GPU, ran out."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return isinstance(error, (RuntimeError, ImportError, OSError)) and bool(NO_MEMORY.search(str(error)))


def other_ended(error: BaseException) -> bool:
    """Whether `error` means that another process of a shared training ended, and this one cannot go on alone."""
    return isinstance(error, RuntimeError) and bool(ENDED.search(str(error)))


def memory_sentence(error: BaseException) -> str:
    """That memory ran out, and how much was asked for where the error says it; the remedy is to follow."""
    found = ASKED.search(str(error))
    asked = f" ({in_words(float(found[1]) * UNITS[found[2][0]])} more were asked for)" if found else ""
    return f"not enough memory{asked}"


def system_sentence(error: BaseException) -> str | None:
    """What a person should read of an error of the system's: the file and the remedy. None for any other error."""
    if is_memory_error(error):
        return f"{memory_sentence(error)}; close other programs, or use a machine with more of it."
    if not isinstance(error, OSError):
        return None
    name, reason = error.filename or "the system", error.strerror or str(error)
    if error.errno in FULL:
        return f"{name}: {reason}; make space, or name a folder on another disk, and start the command again."
    if error.errno in DENIED:
        return f"{_closed(str(name))}: {reason}; change its rights, or name another file or folder."
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return f"{name}: {reason}; allow more: ulimit -n 10240."
    if error.errno in MISPLACED:
        return f"{name}: {reason}; name another file or folder."
    if reason.startswith(NO_TEMPORARY):
        return f"{reason}; set TMPDIR to a folder that may be written."
    return f"{name}: {reason}."


def _closed(name: str) -> str:
    """The topmost folder above a file that may not be entered: what was looked for in it may not even exist."""
    folders = [str(folder) for folder in reversed(Path(name).parents)]
    return next((one for one in folders if os.path.isdir(one) and not os.access(one, os.X_OK)), name)
