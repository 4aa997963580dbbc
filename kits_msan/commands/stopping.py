"""Ctrl-C, SIGTERM and a closed terminal end a command in one way: with a sentence and the command to give now."""

import _thread
import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kits_msan.errors import WINDOWS

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

AGAIN = 0.05  # seconds until a stop that went unheard comes again
CLOCK = 0.05  # seconds by which the times of files may lag behind the clock


class Stopped(KeyboardInterrupt):
    """A signal asked to stop. `code` is the exit code that a shell expects: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__("stopped")
        self.code = 128 + number


class Stops:
    """Within its block the signals raise Stopped; `seen` is the first that came.

    A library that is interrupted while it is being imported may turn the interrupt into an ImportError, so what an
    error means is asked of `seen`. Where Python ignores every error, as in what it calls when an object goes, the
    stop comes again a moment later. A signal that was ignored, as by `nohup`, stays ignored.
    """

    def __init__(self) -> None:
        self.seen: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Stops":
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._stop)
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._unheard
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.seen = self.seen or number
        raise Stopped(number)

    def _unheard(self, error: "sys.UnraisableHookArgs") -> None:
        if isinstance(error.exc_value, Stopped):
            again = threading.Timer(AGAIN, _send, (error.exc_value.code - 128,))
            again.daemon = True
            again.start()
        else:
            self._hook(error)


def _send(number: int) -> None:
    """Let the signal come in the main thread. On Windows `os.kill` would end the process at once."""
    if WINDOWS:
        _thread.interrupt_main(signal.Signals(number))
    else:
        os.kill(os.getpid(), number)


def to_go_on(arguments: Sequence[str], args: argparse.Namespace) -> str:
    """What is left of a command that was stopped, and the command that goes on or, if nothing is, starts again.

    --overwrite is left out once the command has set `args.overwrite` to False: the old results are gone by then, and
    what is there is the command's own.
    """
    drop = {"--overwrite"} if not getattr(args, "overwrite", False) else set()
    again = as_typed([*own_command(), *(word for word in arguments if word not in drop)])
    return f"to go on:  {again}" if getattr(args, "keeps", True) else f"nothing is kept. To start again:  {again}"


@contextmanager
def overwritten(args: argparse.Namespace, pattern: str) -> Iterator[float]:
    """Yields the time. Stopped once a file of `pattern` in `args.out` is new, it goes on without --overwrite.

    That file is the first that the command writes when it has removed the old results.
    """
    started = time.time() - CLOCK
    try:
        yield started
    except KeyboardInterrupt:
        if any(file.stat().st_mtime >= started for file in args.out.glob(pattern)):
            args.overwrite = False
        raise


def own_command() -> list[str]:
    """The words that start this program as the user did, for the commands that it prints.

    `kits-msan` where a shell finds it, else its path, or `python -m kits_msan`; in a notebook `kits-msan`.
    """
    started = sys.argv[0]
    if started.split(os.sep)[-2:] in (["kits_msan", "__main__.py"], ["kits_msan", "cli.py"]):
        return [_as_found("python", sys.executable), "-m", "kits_msan"]
    if os.path.splitext(os.path.basename(started))[0] == "kits-msan":
        return [_as_found("kits-msan", started)]
    return ["kits-msan"]


def as_typed(words: Sequence[str]) -> str:
    """The words of a command as one types them: Windows knows no single quotes."""
    return subprocess.list2cmdline(words) if WINDOWS else shlex.join(words)


def _as_found(name: str, path: str) -> str:
    """`name` if a shell finds the file at `path` by it, else the path."""
    found = shutil.which(name)
    plain = [os.path.splitext(os.path.abspath(one))[0] for one in (found or "", path)]
    return name if found and plain[0] == plain[1] else path
