"""A folder with a DICOM series to an array in KiTS19's axis order.

SimpleITK reads the files, whatever their compression; they are sorted by position here and read one at a time into
the array that is returned. DICOM counts millimeters to the patient's left and back (LPS), NIfTI to the right and
front (RAS).
"""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from kits_msan.data.nifti import as_whole, in_file_order, to_kits_order
from kits_msan.errors import InputError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
SAME_DIRECTION = 1e-3  # between direction cosines of slices of one stack
UNEVEN = 0.1  # share by which the steps between slices may differ


def is_dicom_folder(path: Path) -> bool:
    """Whether `path` is a folder with a DICOM file right in it: one with "DICM" after 128 bytes."""
    return path.is_dir() and any(_is_dicom(file) for file in sorted(path.iterdir()) if file.is_file())


def read_series(path: Path) -> tuple[NDArray[np.int16], nib.Nifti1Header]:
    """Read the series in a folder: (D, H, W) int16 HU, rescaled as its files say, and the header of its NIfTI twin.

    Files of other kinds are passed over. Raises InputError, naming the folder, for several series, for anything but
    one stack of parallel slices evenly apart, and for what cannot be read.
    """
    try:
        slices = [_geometry(file) for file in _series_files(path)]
        stack, affine = _stack(path, slices)
        width, height = stack[0]["size"]
        header = nib.Nifti1Header()
        header.set_data_shape((width, height, len(stack)))
        header.set_xyzt_units("mm")
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner")
        transform = to_kits_order(header)
        shape = np.array(header.get_data_shape())[np.argsort(transform[:, 0])]
        volume = np.empty(shape, np.int16)
        view = in_file_order(volume, transform)  # (columns, rows, slices)
        for index, one in enumerate(stack):
            view[:, :, index] = as_whole(_pixels(one["file"]), np.int16).T
    except RuntimeError as error:  # SimpleITK's only kind
        raise InputError(f"{path} holds a DICOM file that cannot be read; export the series anew.") from error
    return volume, header


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM" and file.name.upper() != "DICOMDIR"


def _series_files(path: Path) -> list[str]:
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # remarks on uneven slices: what matters is checked here
    found = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(path))
    if len(found) > 1:
        raise InputError(f"{path} holds {len(found)} DICOM series; leave only the one to segment in the folder.")
    if not found:
        raise InputError(f"{path} holds no DICOM image that can be read; export the series anew.")
    files = list(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), found[0]))
    for file in sorted(path.iterdir()):  # GDCM passes over what is damaged, at the end unnoticed
        if file.is_file() and _is_dicom(file) and str(file) not in files:
            raise InputError(f"{file} cannot be read as a DICOM image; export the series anew, or remove this file.")
    return files


def _reader(file: str) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(file)
    return reader


def _geometry(file: str) -> dict[str, Any]:
    """Where a slice lies, in LPS millimeters, without its pixels."""
    reader = _reader(file)
    reader.ReadImageInformation()
    size = reader.GetSize()
    if len(size) > 2 and size[2] != 1:
        raise InputError(f"{file} holds {size[2]} frames; export the series as one file a slice.")
    if reader.GetNumberOfComponents() != 1:
        raise InputError(f"{file} is a color image, not a CT; leave only the CT in the folder.")
    return {
        "file": file, "size": size[:2], "pixel": np.array(reader.GetSpacing()[:2]),
        "direction": np.array(reader.GetDirection()).reshape(3, 3), "origin": np.array(reader.GetOrigin()),
    }  # fmt: skip


def _stack(path: Path, slices: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    """The slices in order and the (4, 4) affine from (column, row, slice) indices to RAS millimeters."""
    first = slices[0]
    for one in slices:
        if one["size"] != first["size"] or not np.allclose(one["pixel"], first["pixel"], rtol=1e-3):
            raise InputError(f"{path} holds slices of different sizes; leave only one stack in the folder.")
        if not np.allclose(one["direction"], first["direction"], atol=SAME_DIRECTION):
            raise InputError(f"{path} holds slices of different directions; leave only one stack in the folder.")
    if len(slices) < 2:
        raise InputError(f"{path} holds a single slice; a CT volume needs the whole series.")
    normal = first["direction"][:, 2]
    stack = sorted(slices, key=lambda one: float(one["origin"] @ normal))
    origins = np.array([one["origin"] for one in stack])
    steps = np.diff(origins @ normal)
    if steps.min() < 1e-3:
        raise InputError(f"{path} holds two slices at one position; leave only one phase of the scan in the folder.")
    if np.ptp(steps) > UNEVEN * np.median(steps):
        raise InputError(
            f"{path} has slices {steps.min():.2f} to {steps.max():.2f} mm apart; export the series with all of them."
        )
    affine = np.eye(4)
    affine[:3, :2] = LPS_TO_RAS @ first["direction"][:, :2] * first["pixel"]
    affine[:3, 2] = LPS_TO_RAS @ (origins[-1] - origins[0]) / (len(stack) - 1)  # a tilted gantry shears the stack
    affine[:3, 3] = LPS_TO_RAS @ origins[0]
    return stack, affine


def _pixels(file: str) -> NDArray:
    """(rows, columns) of one file, in HU."""
    import SimpleITK

    image = _reader(file).Execute()
    return SimpleITK.GetArrayViewFromImage(image).reshape(image.GetSize()[1::-1]).copy()
