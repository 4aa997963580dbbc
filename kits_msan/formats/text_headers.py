"""What the headers of MetaImage (.mha) and NRRD say, which are text, and SimpleITK passes over without a word."""

import re
import zlib
from pathlib import Path

from kits_msan.errors import InputError, note

LINE = 10_000  # bytes, and lines, that a header has at most
CHUNK = 2**16  # bytes
EITHER = zlib.MAX_WBITS | 32  # streams of zlib (MetaImage) and of gzip (NRRD)
# Lines without which SimpleITK makes up where the patient's left and head are
SAYS_AXES = {
    ".mha": [rb"^(TransformMatrix|Rotation|Orientation)\s*="],
    ".nrrd": [
        rb"(?i)^space directions\s*:",
        rb"(?i)^space\s*:\s*(?:right-anterior|left-anterior|left-posterior|ras|las|lps)",  # others: a scanner's axes
    ],
}
NO_AXIS = re.compile(rb"(?im)^(?:space directions|spacings)\s*:.*\b(?:none|nan)\b")  # SimpleITK takes 1 mm for it
SPACING = {  # and for a lack of these
    ".mha": re.compile(rb"(?m)^Element(?:Spacing|Size)\s*="),
    ".nrrd": re.compile(rb"(?im)^(?:space directions|spacings)\s*:"),
}
UNITS = re.compile(rb"(?im)^(?:space units\s*:|DistanceUnits\s*=)\s*(.*)")
MILLIMETERS = {"mm", "none", "?", "millimeter", "millimeters"}
RESCALED = re.compile(rb"(?m)^ElementToIntensityFunction(Slope|Offset)\s*=\s*(\S+)")
ELSEWHERE = re.compile(rb"(?im)^(?:ElementDataFile\s*=(?!\s*LOCAL\s*$)|data ?file\s*:(?!=))\s*(.*)")
PACKED = re.compile(rb"(?im)^(?:CompressedData\s*=\s*True|encoding\s*:\s*gz(?:ip)?)\s*$")
SKIPPED = re.compile(rb"(?im)^(?:line|byte) ?skip\s*:|^HeaderSize\s*=")  # voxels do not follow their header
SEGMENT = re.compile(rb"(?m)^Segment(\d+)_(Name|LabelValue)\s*:=\s*(.*)")
NAMES = {1: re.compile("kidney", re.IGNORECASE), 2: re.compile("tumou?r|mass|lesion|cancer", re.IGNORECASE)}


def header_of(path: Path) -> tuple[bytes, int]:
    """The header, up to its empty or last line, and at which byte the voxels begin."""
    lines: list[bytes] = []
    with path.open("rb") as file:
        while (line := file.readline(LINE)).strip() and len(lines) < LINE:
            lines.append(line)
            if line.startswith(b"ElementDataFile"):
                break
        return b"".join(lines), file.tell()


def check_whole(path: Path, header: tuple[bytes, int], length: int) -> None:
    """Raise InputError unless the file's packed voxels are `length` bytes and fit their checksum.

    The libraries beneath SimpleITK make up what they cannot unpack, and compare no checksum.
    """
    text, start = header
    if not PACKED.search(text) or SKIPPED.search(text):
        return
    total, stream = 0, zlib.decompressobj(EITHER)
    with path.open("rb") as file:
        file.seek(start)
        try:
            while chunk := file.read(CHUNK):
                total += len(stream.decompress(chunk))
                while stream.eof and stream.unused_data.startswith(b"\x1f\x8b") and total < length:
                    rest, stream = stream.unused_data, zlib.decompressobj(EITHER)  # another member of gzip
                    total += len(stream.decompress(rest))
        except zlib.error:
            total = -1
    if total < length or not stream.eof:
        raise InputError(
            f"{path} is truncated or damaged (its voxels cannot be unpacked); remove it and fetch it again."
        )


def check_one_file(path: Path, text: bytes) -> None:
    """Raise InputError for a header alone, whose voxels are in another file."""
    if found := ELSEWHERE.search(text):
        name = found[1].decode("utf-8", "replace").strip()[:100]
        raise InputError(
            f"{path} is a header alone, and its voxels are in another file ({name}); save both as one {path.suffix}."
        )


def check_lengths(path: Path, text: bytes) -> None:
    """Raise InputError for a file without a length for each axis; say if lengths or values have another unit."""
    if NO_AXIS.search(text) or not SPACING[_kind(path)].search(text):
        raise InputError(f"{path} does not say how long its voxels are along each axis; export it anew.")
    units = UNITS.search(text)
    others = {unit.decode("ascii", "replace") for unit in re.findall(rb"[^\s\"]+", units[1])} if units else set()
    if others - MILLIMETERS:
        note(f"{path} says that its lengths are in {', '.join(sorted(others))}; they are taken as millimeters.")
    if any(float(number) != (what == b"Slope") for what, number in RESCALED.findall(text)):
        note(f"{path} says how its values are to be rescaled (ElementToIntensityFunction); they are taken as stored.")


def says_axes(path: Path, text: bytes) -> bool:
    """Whether the header says where the patient's left and head are."""
    return all(re.search(pattern, text, re.MULTILINE) for pattern in SAYS_AXES[_kind(path)])


def say_other_labels(path: Path, text: bytes) -> None:
    """Say where 3D Slicer's names of labels are those of others: kidney is 1 here, and tumor 2."""
    told: dict[bytes, dict[str, str]] = {}
    for number, what, value in SEGMENT.findall(text):
        told.setdefault(number, {})[what.decode()] = value.decode("utf-8", "replace").strip()
    names = {one.get("LabelValue", ""): one.get("Name", "") for one in told.values()}
    for value, name in names.items():
        meant = [label for label, pattern in NAMES.items() if pattern.search(name)]
        if len(meant) == 1 and value != str(meant[0]):
            listed = ", ".join(f"{value} {name[:40]}" for value, name in sorted(names.items()))
            note(f"{path} names its labels {listed}; they are taken by number, as 1 kidney and 2 tumor.")
            return


def _kind(path: Path) -> str:
    return ".nrrd" if path.name.lower().endswith(".nrrd") else ".mha"  # also of a file that has no other name
