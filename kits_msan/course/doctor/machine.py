"""What this machine offers: cores, memory and a graphics card, found without any heavy package."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path


def available_memory() -> float:
    """GB of main memory; in a container, of its share."""
    if hasattr(os, "sysconf"):  # not on Windows
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        import psutil  # comes with ipykernel

        size = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):  # no container of Linux, or one without a limit
        size = min(size, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return size / 1e9


def graphics_card() -> str:
    """The first NVIDIA card by its driver's own tool, whatever torch thinks."""
    if not (tool := shutil.which("nvidia-smi")):
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        command = [tool, "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip().splitlines()[0]
    return ""
