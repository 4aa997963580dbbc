"""The header of one DICOM file, as far as a stack of slices needs it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kits_msan.errors import without_warnings
from kits_msan.formats.grids import at_right_angles

PLAIN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")  # transfer syntaxes: pixels as they are
UNSAID = 2**32 - 1  # the length of a compressed stream, which does not say it
OTHER_UNITS = ("OD", "MGML", "Z_EFF", "ED", "EDW", "PCT")  # DICOM's terms for densities, atomic numbers, shares
DIRECTORY = b"1.2.840.10008.1.3.10"  # the class of a DICOMDIR, by whatever name
PIXELS, OTHER_PIXELS = 0x7FE00010, (0x7FE00008, 0x7FE00009)  # tags; the others are floating point
TAGS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription",
    "Modality", "ImageType", "NumberOfFrames", "SamplesPerPixel", "Rows", "Columns", "PixelSpacing",
    "ImagePositionPatient", "ImageOrientationPatient", "BitsAllocated", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "PhotometricInterpretation", "PixelRepresentation", "BitsStored", "HighBit", "PixelPaddingValue",
    "PatientID", "AcquisitionNumber",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Slice:
    """One image file's header. Lengths are millimeters, places LPS; nan where the file does not say."""

    file: Path
    uid: str
    study: str
    series: str
    patient: str
    acquisition: str
    number: str
    description: str
    modality: str
    localizer: bool
    frames: int
    packed: bool  # whether its pixels are compressed
    flaw: str  # why it is no slice in HU that can be read here, as the end of a sentence; empty if it may be one
    padding: float | None  # what its pixels hold outside the field of view, rescaled, if it says so
    rescale: tuple[str, str]  # slope and intercept; empty where it does not say how its values become HU
    size: tuple[int, int]  # rows, columns
    pixel: NDArray[np.float64]  # (2,) between rows, between columns
    origin: NDArray[np.float64]  # (3,) of the first pixel
    axes: NDArray[np.float64]  # (3, 3) columns: along a row, along a column, across the slice

    @property
    def height(self) -> float:
        """Where it lies along its normal."""
        return float(self.origin @ self.axes[:, 2])


def start_of(file: Path) -> bytes:
    """As many bytes as tell what a file is."""
    with file.open("rb") as stream:
        return stream.read(512)


def is_directory(file: Path, start: bytes) -> bool:
    """Whether a file that begins so lists others (DICOMDIR)."""
    return DIRECTORY in start or file.name.upper() == "DICOMDIR"


def is_dicom_file(file: Path) -> bool:
    """Whether a file begins like DICOM, with a preamble or without; not a DICOMDIR."""
    start = start_of(file)
    if is_directory(file, start):
        return False
    if start[128:132] == b"DICM":
        return True
    order = "big" if start[:1] == b"\0" else "little"
    group, element, length = (int.from_bytes(start[at : at + 2], order) for at in (0, 2, 4))  # type: ignore[arg-type]
    plausible = start[4:6] in (b"UL", b"UI", b"CS", b"OB", b"SH") or (length <= 64 and start[6:8] == b"\0\0")
    return len(start) > 132 and group in (2, 8) and element <= 0x18 and plausible


def read_header(file: Path) -> Slice | None:
    """A file's header, None if it is whole but no image. Raises ValueError if it is damaged."""
    import pydicom
    from pydicom.filereader import read_partial
    from pydicom.tag import BaseTag, Tag
    from pydicom.uid import UID

    held: list[int] = []  # bytes of pixels, as the element's length has it

    def at_pixels(tag: int, _: str | None, length: int) -> bool:
        held.extend([length] if tag == PIXELS else [])
        return tag in (PIXELS, *OTHER_PIXELS)

    with without_warnings(), pydicom.config.disable_value_validation():
        try:
            with file.open("rb") as stream:
                tags: list[BaseTag | int] = [Tag(name) for name in TAGS]
                data = read_partial(stream, at_pixels, force=True, specific_tags=tags)
            meta = getattr(data, "file_meta", {})
            kind = UID(str(data.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or ""))
            size = int(data.get("Rows") or 0), int(data.get("Columns") or 0)
            if 0 in size and kind and "Image Storage" not in kind.name:
                return None
            frames, samples = int(data.get("NumberOfFrames") or 1), int(data.get("SamplesPerPixel") or 1)
            text = {name: text_of(data.get(name)) for name in TAGS}
            one = Slice(
                file=file, uid=text["SOPInstanceUID"], study=text["StudyInstanceUID"],
                series=text["SeriesInstanceUID"], number=text["SeriesNumber"],
                patient=text["PatientID"], acquisition=text["AcquisitionNumber"],
                description=text["SeriesDescription"], modality=text["Modality"],
                localizer="LOCALIZER" in text["ImageType"], frames=frames, size=size,
                packed=meta.get("TransferSyntaxUID", PLAIN[0]) not in PLAIN or UNSAID in held,
                flaw=_flaw(text, frames, samples), padding=_padding(data),
                rescale=(text["RescaleSlope"], text["RescaleIntercept"]),
                pixel=_numbers(data.get("PixelSpacing"), 2), origin=_numbers(data.get("ImagePositionPatient"), 3),
                axes=_axes(_numbers(data.get("ImageOrientationPatient"), 6)),
            )  # fmt: skip
        except Exception as error:  # pydicom raises whatever its parts raise on damaged files
            raise ValueError("not DICOM") from error
    if 0 in size:
        raise ValueError("an image without a size")
    if held and held[0] < math.prod(size) * samples * int(data.get("BitsAllocated") or 0) // 8:
        raise ValueError("too few pixels")  # GDCM would make up the rest
    return one


def _flaw(text: dict[str, str], frames: int, samples: int) -> str:
    if frames > 1:
        return f"holds {frames} frames; export the series as one file a slice, or as NIfTI (with dcm2niix, say)"
    if samples != 1:
        return "is a color image, not a CT; leave only the CT in the folder"
    if text["PhotometricInterpretation"] == "MONOCHROME1":  # SimpleITK would turn its values about
        return "is stored inverted (MONOCHROME1); convert it with dcm2niix, say"
    if text["HighBit"] and text["BitsStored"] and int(text["HighBit"]) != int(text["BitsStored"]) - 1:
        return "holds its values in the upper bits (HighBit); convert it with dcm2niix, say"
    if text["RescaleType"] in OTHER_UNITS:
        return f"holds {text['RescaleType']}, as a map of a material, not HU; name the CT itself"
    return ""


def _numbers(value: Any, count: int) -> NDArray[np.float64]:
    """The numbers, or as many nan where there are others or none."""
    numbers = np.array([float(x) for x in value]) if value is not None and not isinstance(value, str) else np.empty(0)
    return numbers if numbers.shape == (count,) and np.isfinite(numbers).all() else np.full(count, np.nan)


def _padding(data: Any) -> float | None:
    value = data.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    return value * float(data.get("RescaleSlope") or 1) + float(data.get("RescaleIntercept") or 0)


def _axes(directions: NDArray) -> NDArray[np.float64]:
    """Three unit vectors of a slice from the two that DICOM gives; nan if they are none."""
    row, column = directions.reshape(2, 3)
    axes = at_right_angles(np.column_stack([row, column, np.cross(row, column)]))
    return axes if np.allclose(axes.T @ axes, np.eye(3)) else np.full((3, 3), np.nan)


def text_of(value: Any) -> str:
    """A value on one line, without what would end a sentence."""
    words = "".join(letter if letter.isprintable() else " " for letter in str("" if value is None else value))
    return " ".join(word.rstrip(".!?;:") for word in words.split())
