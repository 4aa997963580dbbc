"""The one error for bad input, the note for a choice made for the user, and the words that many messages share.

`InputError` carries one sentence for a person: which file or value is wrong and what to do about it.
The `kits-msan` command prints that sentence and exits with 2; a notebook shows it as the last line.
`note` says what was chosen where the input left it open: the command prints it to stderr, a notebook as a warning.
"""

import errno
import os
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

WINDOWS = os.name == "nt"
REASONS = 8  # how many an error spells out where many things failed
# Held by a thread that changes for a moment what all share, and restores it: two in turn would restore the wrong one.
WHOLE_PROCESS = threading.RLock()


class InputError(ValueError):
    """Input from outside the package that it cannot work with; the message names it and the remedy."""


class InUseError(InputError):
    """Another process is using a folder: what lies there is not this one's to remove."""


class InputNote(UserWarning):
    """What was chosen for the user, in one sentence."""


def note(text: str) -> None:
    """Say, once, what was chosen for the user."""
    with WHOLE_PROCESS:
        warnings.warn(InputNote(text), stacklevel=2)


@contextmanager
def without_warnings() -> Iterator[None]:
    """Within the block, whose warnings are about other libraries' own code, none is shown."""
    with WHOLE_PROCESS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def one_line(text: str) -> str:
    """`text` as a terminal can show it: a line break in a file's name, say, as "\\n"."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def check_choice(what: str, value: str, choices: Iterable[str]) -> None:
    """Raise InputError if `value` is none of the choices."""
    known = list(choices)
    if value not in known:
        raise InputError(f"unknown {what} {value!r}; choose one of {', '.join(known)}.")


def check_readable(folder: str | os.PathLike[str]) -> None:
    """Raise InputError for a folder that may not be listed or entered: a search finds no files and is silent."""
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.X_OK):
        raise InputError(f"{folder} may not be read; change its permissions.")


@contextmanager
def permitted(path: str | os.PathLike[str]) -> Iterator[None]:
    """Within the block a file that may not be read is an InputError, and so is a name that none can have.

    path: named where the system names none.
    """
    try:
        yield
    except PermissionError as error:
        raise InputError(f"{error.filename or path} may not be read; change its permissions.") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise InputError(f"{path} is too long for a file's name; name a NIfTI file or a case folder.") from error


def first_of(names: Sequence[str], most: int = 3, between: str = ", ") -> str:
    """Names in a sentence, "a, b, c and 4 more": the first ones, and how many others there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def millimeters(sizes: Sequence[float] | None, digits: int | None = None) -> str:
    """A spacing as text, "3 x 0.78 x 0.78 mm", with so many digits behind the point, or as many as needed."""
    shown = [f"{size:g}" if digits is None else f"{size:.{digits}f}" for size in sizes or ()]
    return f"{' x '.join(shown)} mm" if sizes else "each scan's own"
