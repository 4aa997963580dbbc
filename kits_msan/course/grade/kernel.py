"""A kernel for other people's code: with limits on memory, processor time and files, and without a network.

`launch` gives the command that starts it. On Linux the kernel lives in namespaces of its own (`unshare`): there is no
network at all, it talks to us through files, and whatever it has started ends with it. Elsewhere Python's sockets
refuse to connect, which stops accidents, not intent. It is no prison: it can read what you can read.
"""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

KEPT = (
    *("PATH", "LANG", "LC_ALL", "PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "PATHEXT"),  # without which Windows starts little
)
OWN = ("HOME", "USERPROFILE", "IPYTHONDIR", "TMPDIR", "TEMP", "TMP")  # the second and the last two are Windows'
MEMORY, SECONDS = "KITS_MSAN_GRADE_MEMORY", "KITS_MSAN_GRADE_SECONDS"  # names of the limits in the environment
ALONE = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")  # with all its processes
FILE_BYTES = 2**30  # largest file that it may write


def can_unshare() -> bool:
    """Whether this machine lets a user start a process without a network, all of whose children end with it."""
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run([*ALONE, "true"], capture_output=True, check=False)
    return tried.returncode == 0


def launch(isolated: bool) -> list[str]:
    """The command that starts the kernel; Jupyter fills in the connection file."""
    command = [sys.executable, "-m", "kits_msan.course.grade.kernel", "-f", "{connection_file}", "--log-level=50"]
    return [*ALONE, *command] if isolated else command


def environment(home: Path, memory: int, seconds: int) -> dict[str, str]:
    """What the kernel sees of the environment: no tokens, and `home` for its files.

    memory: in bytes. seconds: of processor time.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | dict.fromkeys(OWN, str(home)) | {MEMORY: str(memory), SECONDS: str(seconds)}


def _limit() -> None:
    """Set the limits; on Windows there are none of this kind."""
    try:
        import resource
    except ImportError:
        return
    memory, seconds = int(os.environ[MEMORY]), int(os.environ[SECONDS])
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _refuse_connections() -> None:
    """Let sockets connect to this machine only: the kernel needs that to talk to Jupyter."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError("there is no network while notebooks are graded")
        connect(self, address)

    socket.socket.connect = local_only  # type: ignore[method-assign, assignment]


def _stay() -> None:
    """Let `exit` and `quit` end their cell only, as `sys.exit` does: the checks of later cells are still to come."""
    from ipykernel.zmqshell import ZMQInteractiveShell

    def end_cell(self: Any) -> None:
        raise SystemExit

    ZMQInteractiveShell.ask_exit = end_cell  # type: ignore[method-assign]


def _keep_streams() -> None:
    """After each cell give back `sys.stdout` and `sys.stderr`, which a cell may close or lose; Jupyter needs them.

    A cell of a student's could else stall the notebook, or take the word from the checks of later cells.
    """
    from ipykernel.iostream import OutStream
    from ipykernel.zmqshell import ZMQInteractiveShell

    run = ZMQInteractiveShell.run_cell_async

    async def run_cell(self: Any, *arguments: Any, **options: Any) -> Any:
        streams = sys.stdout, sys.stderr
        try:
            return await run(self, *arguments, **options)
        finally:
            sys.stdout, sys.stderr = streams

    ZMQInteractiveShell.run_cell_async = run_cell  # type: ignore[method-assign]
    OutStream.close = lambda self: None  # type: ignore[method-assign]


if __name__ == "__main__":
    from ipykernel.kernelapp import launch_new_instance

    _limit()
    _refuse_connections()
    _stay()
    _keep_streams()
    launch_new_instance()
