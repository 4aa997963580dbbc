"""The pixels of one DICOM file in HU, by SimpleITK. Compressed ones are decoded in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import WHOLE_PROCESS, InputError
from kits_msan.formats.foreign import plain_name
from kits_msan.formats.headers import Slice
from kits_msan.formats.hounsfield import AIR_HU

DECODER = Path(__file__).with_name("decoder.py")
# numpy's library for matrices takes 40 MB for each core: on 16 of them, all that the decoder may take
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
TISSUE = (AIR_HU, 3071)  # HU; what 12 bits hold


class PixelReader:
    """Reads slices, for use in a `with` block; the process that decodes compressed ones starts with the first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "PixelReader":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()  # it holds nothing that could be lost
            with suppress(OSError):  # of a name that it no longer took
                self._process.communicate()

    def read(self, one: Slice) -> NDArray:
        """(rows, columns) of one file, rescaled to HU. Raises InputError if they cannot be read.

        A padding value that no tissue has becomes air; one that a tissue could have may be a mistake of the header.
        """
        with plain_name(one.file) as name:
            pixels = self._decoded(name) if one.packed else _read(name)
        if pixels is None:
            raise InputError(
                f"{one.file} cannot be read as a DICOM image; export the series anew, or remove this file."
            )
        if pixels.size != one.size[0] * one.size[1]:
            raise InputError(f"{one.file} does not hold the pixels that its header promises; export the series anew.")
        pixels = pixels.reshape(one.size)
        if one.padding is not None and not TISSUE[0] <= one.padding <= TISSUE[1]:
            pixels = np.where(pixels == one.padding, AIR_HU, pixels)
        return pixels

    def _decoded(self, name: str) -> NDArray | None:
        """All numbers of a compressed file; None if it cannot be decoded within the limits of `decoder.py`."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(DECODER)],  # -P: modules beside the file or in this folder are not meant
                env=os.environ | ONE_THREAD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            assert self._process.stdout is not None
            if not self._process.stdout.readline():
                raise MemoryError  # nothing else keeps SimpleITK from being imported a second time
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(os.path.abspath(name)).encode() + b"\n")
            self._process.stdin.flush()
            kind, size = json.loads(self._process.stdout.readline() or b"null") or ("", 0)
        except BrokenPipeError:
            return None
        content = self._process.stdout.read(size)
        return np.frombuffer(content, kind) if kind and len(content) == size else None


def _read(name: str) -> NDArray | None:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(name)
    try:
        with _quiet():
            return SimpleITK.GetArrayFromImage(reader.Execute())
    except RuntimeError:  # SimpleITK's only kind
        return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Within the block nothing reaches stderr: GDCM prints there itself, beside the error that it raises."""
    with WHOLE_PROCESS:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
