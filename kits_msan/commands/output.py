"""What a command prints cannot stop its work: not a name that the terminal has no letters for, nor a closed pipe."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from kits_msan.errors import one_line


def complain(sentence: str) -> None:
    """Say on stderr what is wrong, on one line, beside what the command goes on to do."""
    sys.stderr.write(f"kits-msan: {one_line(sentence)}\n")  # at once: stopped in between, two would share a line


class Steady:
    """A text stream that goes on when nobody reads it any more, as after `kits-msan ... | head`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or do nothing."""
        try:
            return self._stream.write(text)
        except OSError:
            self._silence()
            return len(text)

    def flush(self) -> None:
        """Flush, or do nothing."""
        try:
            self._stream.flush()
        except OSError:
            self._silence()

    def _silence(self) -> None:
        """From now on all goes nowhere, Python's own flush at its end included."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def steady_output() -> Iterator[None]:
    """Within the block, printing never fails; into a pipe, each line goes out when it is printed."""
    with ExitStack() as stack:
        for stream, redirect in ((sys.stdout, redirect_stdout), (sys.stderr, redirect_stderr)):
            if stream is None:  # closed by the caller: print does nothing then, but a progress bar fails
                stream = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            elif stream in (sys.__stdout__, sys.__stderr__):
                cast(Any, stream).reconfigure(errors="backslashreplace", line_buffering=True)
            steady = Steady(cast(TextIO, stream))
            stack.callback(steady.flush)
            stack.enter_context(redirect(cast(TextIO, steady)))
        yield
