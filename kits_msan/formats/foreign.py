"""MetaImage (.mha), NRRD and the pair of .hdr and .img: read by SimpleITK and nibabel, on a NIfTI header's grid.

These formats are outside what the project is for: the whole file is read at once, by the library that knows it.
"""

import io
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import InputError, note
from kits_msan.formats.grids import LPS_TO_RAS, at_right_angles
from kits_msan.formats.nifti import MOST_DEFLATE, check_length, new_header, no_remarks, settle_orientation
from kits_msan.formats.text_headers import (
    check_lengths,
    check_one_file,
    check_whole,
    header_of,
    say_other_labels,
    says_axes,
)

PAIR = (".hdr", ".img")
ENDINGS = (".mha", ".nrrd", *PAIR)
BITS = re.compile(r"(\d+)-bit")  # of a voxel, in SimpleITK's name of its type

TRIAL = """
import math, SimpleITK, sys
reader = SimpleITK.ImageFileReader()
reader.SetFileName(sys.argv[1])
reader.SetImageIO(sys.argv[2])
reader.ReadImageInformation()
math.prod(reader.GetSize()) > int(sys.argv[3]) or reader.Execute()
"""  # what another process does with a file first


@contextmanager
def open_foreign(path: Path) -> Iterator[tuple[NDArray, nib.Nifti1Header, IO[bytes]]]:
    """Voxels (i, j, k), the header of their grid, and an empty stream. Raises InputError, or one of `BROKEN`."""
    voxels, header = _read_pair(path) if path.name.lower().endswith(PAIR) else _read_with_itk(path)
    yield voxels, header, io.BytesIO()


def other_half(path: Path) -> Path:
    """The .img of a .hdr, and the other way round, in the same case of letters."""
    ending = {".hdr": ".img", ".img": ".hdr", ".HDR": ".IMG", ".IMG": ".HDR"}.get(path.suffix, ".img")
    return path.with_suffix(ending)


@contextmanager
def plain_name(path: Path) -> Iterator[str]:
    """The file's name for a library in C++; of a name that is no UTF-8, a link to it, since SimpleITK dies of one."""
    try:
        path.as_posix().encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, "scan").with_suffix(path.suffix)
            link.symlink_to(path.absolute())
            yield str(link)
    else:
        yield str(path)


def _read_with_itk(path: Path) -> tuple[NDArray, nib.Nifti1Header]:
    import SimpleITK

    header = text, _ = header_of(path)
    check_one_file(path, text)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if path.name.lower().endswith(".nrrd") else "MetaImageIO")  # whatever its case
    most = MOST_DEFLATE * path.stat().st_size  # voxels that a file of its length can hold
    with plain_name(path) as name:
        reader.SetFileName(name)
        try:
            _try_elsewhere(path, name, reader.GetImageIO(), most)
            reader.ReadImageInformation()
            size, bits = reader.GetSize(), BITS.match(SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()))
            if reader.GetNumberOfComponents() != 1:
                raise InputError(f"{path} holds colors or vectors; export it with one number a voxel, in HU.")
            if math.prod(size) > most:
                raise InputError(
                    f"{path} is too short for the {size} voxels of its header; remove it and fetch it again."
                )
            if bits:
                check_whole(path, header, math.prod(size) * int(bits[1]) // 8)
            image = reader.Execute()
        except (RuntimeError, subprocess.SubprocessError) as error:  # SimpleITK's only kind is RuntimeError
            raise ValueError("SimpleITK cannot read it") from error
    voxels = SimpleITK.GetArrayFromImage(image)
    if voxels.ndim != 3:
        raise InputError(f"{path} has {voxels.ndim} axes, but a CT volume has three axes; extract one volume first.")
    affine = np.eye(4)
    affine[:3, :3] = at_right_angles(np.array(image.GetDirection()).reshape(3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    affine[:3] = LPS_TO_RAS @ affine[:3]
    check_lengths(path, text)
    say_other_labels(path, text)
    if not says_axes(path, text):
        codes = "".join(nib.aff2axcodes(affine))
        note(f"{path} does not say how the patient lay; its axes are taken as {codes}.")
    return voxels.transpose(2, 1, 0), new_header(voxels.shape[::-1], affine)


def _try_elsewhere(path: Path, name: str, kind: str, most: int) -> None:
    """Read the file in a process of its own: the libraries beneath SimpleITK crash or hang on some.

    Raises SubprocessError if that does not end well.
    """
    words = [sys.executable, "-P", "-c", TRIAL, name, kind, str(most)]
    subprocess.run(words, capture_output=True, check=True, timeout=60 + path.stat().st_size / 1e6)


def _read_pair(path: Path) -> tuple[NDArray, nib.Nifti1Header]:
    other = other_half(path)
    if not other.exists():
        raise InputError(f"{path} lacks its other half {other.name}; put both into one folder.")
    with no_remarks(), np.errstate(all="ignore"):
        image = nib.load(path if path.suffix.lower() == ".hdr" else other)
        if not isinstance(image, nib.analyze.AnalyzeImage | nib.Nifti1Pair):
            raise ValueError("it is no Analyze or NIfTI pair")
        voxels: Any = image.dataobj  # read later, if its kind will do
        check_length(path if path.suffix.lower() == ".img" else other, voxels)
        if isinstance(image, nib.Nifti1Pair):
            settle_orientation(path, image.header)
            header = new_header(image.shape[:3], image.header.get_best_affine())
            header["xyzt_units"] = image.header["xyzt_units"]
            return voxels, header
    codes = "".join(nib.aff2axcodes(image.affine))
    note(f"{path} is of the old Analyze format, which does not say how the patient lay; it is read as {codes}.")
    return voxels, new_header(image.shape[:3], image.affine)
