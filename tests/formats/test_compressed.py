"""DICOM in every transfer syntax that a writer here knows: read bit-equal, or refused, within limits."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import voxels, write_series
from pydicom import uid

from kits_msan.errors import InputError
from kits_msan.formats import pixels
from kits_msan.formats.dicom import read_series
from kits_msan.formats.series import choose_series

PYDICOM = Path(pydicom.__file__).parent / "data/test_files"
ORDERS = [  # of bytes, and whether each element says its type
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
]
SIZE = b"\xff\x4f\xff\x51"  # how a JPEG 2000 picture begins; its width stands 8 bytes on
READ = """
import json, re, resource, sys
from pathlib import Path
from kits_msan.formats.dicom import read_series
from kits_msan.formats.series import choose_series
try:
    read_series(Path(sys.argv[1]))
except Exception as error:
    said = str(error)
own = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]
print(json.dumps([said, max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024]))
"""  # in a process of its own; its ru_maxrss would begin with that of the tests before this one


def written_as(folder: Path, syntax: str) -> None:
    """A series of `voxels`, in a syntax of `ORDERS` or in run lengths."""
    write_series(folder, voxels())
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        if syntax == uid.RLELossless:
            data.compress(syntax, generate_instance_uid=False)
        elif syntax == uid.ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()
        data.file_meta.TransferSyntaxUID = uid.UID(syntax)
        pydicom.dcmwrite(
            file, data, implicit_vr=syntax == uid.ImplicitVRLittleEndian,
            little_endian=syntax != uid.ExplicitVRBigEndian, force_encoding=True,
        )  # fmt: skip


def syntaxes(folder: Path) -> set[str]:
    return {str(pydicom.dcmread(file).file_meta.TransferSyntaxUID) for file in folder.iterdir()}


@pytest.mark.parametrize("syntax", [*ORDERS, uid.RLELossless])
def test_byte_orders_deflated_files_and_run_lengths_are_read(tmp_path: Path, syntax: str) -> None:
    written_as(tmp_path / "scan", syntax)
    assert syntaxes(tmp_path / "scan") == {syntax}
    np.testing.assert_array_equal(read_series(tmp_path / "scan")[0], voxels()[::-1])


@pytest.mark.parametrize(
    ("compressor", "syntax"), [("JPEG", uid.JPEGLosslessSV1), ("JPEG2000", uid.JPEG2000Lossless)]
)
def test_lossless_pictures_are_read(tmp_path: Path, compressor: str, syntax: str) -> None:
    noise = np.random.default_rng(0).integers(-1000, 2000, (3, 40, 32)).astype(np.int16)
    write_series(tmp_path / "scan", noise, compressed=True, compressor=compressor)
    assert syntaxes(tmp_path / "scan") == {syntax}
    np.testing.assert_array_equal(read_series(tmp_path / "scan")[0], noise[::-1])


@pytest.mark.parametrize("name", ["jpeg_ls_lossless", "jp2klossless", "RLE", "bigendian", "implicit", "padded"])
def test_one_picture_in_many_syntaxes_is_the_same(tmp_path: Path, name: str) -> None:
    """Pictures that pydicom brings along, among them JPEG-LS, which nothing here can write."""
    for index in range(2):
        data = pydicom.dcmread(PYDICOM / f"MR_small_{name}.dcm")
        data.Modality, data.SOPInstanceUID = "CT", f"1.2.{index}"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 3 * index], [1, 0, 0, 0, 1, 0]
        data.save_as(tmp_path / f"{index}.dcm")
    plain = pydicom.dcmread(PYDICOM / "MR_small.dcm").pixel_array
    np.testing.assert_array_equal(read_series(tmp_path)[0], [plain, plain])


@pytest.mark.parametrize(
    "syntax", [uid.MPEG2MPML, uid.JPEGBaseline8Bit, uid.JPEGLSLossless, uid.RLELossless, "1.2.3.4"]
)
def test_a_syntax_that_is_not_that_of_the_pixels_is_refused(tmp_path: Path, syntax: str) -> None:
    write_series(tmp_path / "scan", voxels(), compressed=True)
    for file in (tmp_path / "scan").iterdir():
        data = pydicom.dcmread(file)
        data.file_meta.TransferSyntaxUID = uid.UID(syntax)
        pydicom.dcmwrite(file, data, implicit_vr=False, little_endian=True)
    with pytest.raises(InputError, match=r"\d\.dcm cannot be read as a DICOM image; export the series anew"):
        read_series(tmp_path / "scan")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory")
def test_a_damaged_picture_costs_no_more_memory_than_the_limit(tmp_path: Path) -> None:
    """A width of 268 million pixels, where 4.6 GB were taken before it was refused."""
    write_series(tmp_path / "scan", voxels(), compressed=True)
    file = sorted((tmp_path / "scan").iterdir())[2]
    content = bytearray(file.read_bytes())
    start = content.index(SIZE)
    for place in (start + 8, start + 24):  # of the picture, and of its tiles
        content[place : place + 4] = struct.pack(">I", 2**28)
    file.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "scan")], capture_output=True, check=True, text=True
    )
    said, most = json.loads(done.stdout)
    assert said == f"{file} cannot be read as a DICOM image; export the series anew, or remove this file."
    assert done.stderr == ""
    assert most < 1.5e9


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say how many threads a process has")
def test_the_memory_that_is_left_for_a_picture_is_the_same_on_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    write_series(tmp_path / "scan", voxels(), compressed=True)
    with pixels.PixelReader() as reader:
        reader.read(choose_series(tmp_path / "scan")[0])
        assert reader._process is not None
        assert len(os.listdir(f"/proc/{reader._process.pid}/task")) == 1


@pytest.mark.parametrize("dies", ["at once", "at a file"])
def test_a_decoder_that_crashes_costs_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: str) -> None:
    written_as(tmp_path / "scan", uid.RLELossless)
    whole = pixels.DECODER.read_text(encoding="utf-8")
    crash = "__import__('os').abort()"
    broken = f"{crash}\n{whole}" if dies == "at once" else whole.replace("        out.flush()", f"        {crash}", 1)
    assert broken != whole
    shutil.copy(pixels.DECODER, tmp_path / "decoder.py")
    (tmp_path / "decoder.py").write_text(broken, encoding="utf-8")
    monkeypatch.setattr(pixels, "DECODER", tmp_path / "decoder.py")
    with pytest.raises(MemoryError if dies == "at once" else InputError):
        read_series(tmp_path / "scan")
