"""Decodes compressed DICOM slices in a process of its own, which `pixels.py` starts.

A damaged picture makes decoders take gigabytes, hang or crash: here that costs this process, and no more than its
limits. From stdin come names of files, each as a line of JSON. To stdout goes an empty line first, and for each
file a line of JSON, the pixels' type and how many bytes follow, and then the bytes; `null` if it cannot be decoded.
It is run as a file and imports nothing of this package, so that it starts in a tenth of a second.
"""

import json
import os
import sys
import time

import SimpleITK

MEMORY = 2**30  # bytes that this process may take; a picture of 2048 x 2048 pixels takes a third
SECONDS = 30  # of the processor; a usual slice takes a tenth of one


def limit(kind: str, most: int) -> None:
    """Set a limit of the system's on this process, where it knows such limits (Windows does not)."""
    try:
        import resource
    except ImportError:
        return
    what = getattr(resource, f"RLIMIT_{kind}")
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> None:
    """Decode until stdin ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no pixel
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # each more would take memory
    out.write(b"\n")
    out.flush()
    limit("DATA", MEMORY)
    for line in sys.stdin:
        limit("CPU", int(time.process_time()) + SECONDS)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(json.loads(line))
        try:
            pixels = SimpleITK.GetArrayFromImage(reader.Execute())
        except (RuntimeError, MemoryError):
            out.write(b"null\n")
        else:
            out.write(json.dumps([pixels.dtype.str, pixels.nbytes]).encode() + b"\n")
            out.write(pixels.data)
        out.flush()


if __name__ == "__main__":
    main()
