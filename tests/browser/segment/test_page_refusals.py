"""Scans that a page refuses: the same as Python, in the same words."""

import gzip
import io
import re
import struct
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from browser.segment.compute import Run
from browser.segment.test_page_scans import image
from kits_msan.data.cases import load_case
from kits_msan.errors import InputError

REFUSED = """
try {
  await readScan(name, new File([bytes], name));
} catch (error) { return [error.constructor.name, error.message]; }
return ["", ""];
"""


def zipped(whole: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan.nii", whole)
    return file.getvalue()


def damaged(whole: bytes) -> dict[str, bytes]:
    """Files that are refused, by what is wrong with them."""

    def changed(at: int, kind: str, *values: float) -> bytes:
        data = bytearray(whole)
        struct.pack_into(f"<{kind}", data, at, *values)
        return bytes(data)

    return {
        "empty": b"",
        "a PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 2,
        "a DICOM file": bytes(128) + b"DICM\2\0\0\0UL\4\0" + bytes(range(256)) * 2,
        "a zip": zipped(whole),
        "text": b"this is not a scan at all " * 40,
        "cut in the header": whole[:200],
        "cut in the voxels": whole[:-50],
        "cut gzip": gzip.compress(whole)[:-30],
        "cut gzip, filled with zeros": gzip.compress(whole)[:-30] + bytes(30),
        "not zeros after gzip": gzip.compress(whole) + bytes(20) + b"junk",
        "cut second member": gzip.compress(whole[:400]) + gzip.compress(whole[400:])[:-30],
        "18 GB": changed(42, "3h", 3000, 3000, 1000),
        "18 GB in gzip": gzip.compress(changed(42, "3h", 3000, 3000, 1000)),
        "no voxels": changed(42, "3h", 0, 4, 3),
        "four axes": changed(40, "5h", 4, 5, 2, 3, 2),
        "two axes": changed(40, "3h", 2, 5, 4),
        "colors": changed(70, "2h", 128, 24),
        "unknown type": changed(70, "h", 99),
        "magic": changed(344, "4s", b"xxxx"),  # type: ignore[arg-type]
        "affine not finite": changed(280, "f", float("nan")),
        "large voxels": changed(280, "4f", 900, 0, 0, 0),
        "no offset": changed(108, "f", 0),
        "flat": changed(296, "4f", 0.8, 0, 0, 0),
        "far away": changed(292, "f", 4e6),
        "offset NaN": changed(108, "f", float("nan")),
        "offset infinite": changed(108, "f", float("inf")),
        "slope without an intercept": changed(112, "2f", 2, float("nan")),
        "size NaN in the q-form alone": changed(254, "h", 0)[:84] + struct.pack("<f", float("nan")) + whole[88:],
    }


def test_what_is_refused_in_which_words(run: Run, tmp_path: Path) -> None:
    """The same files, and but for the reason in brackets, which the libraries give, the same sentences."""
    nib.save(nib.Nifti1Image(image(), np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
    files = damaged((tmp_path / "scan.nii").read_bytes())
    for name, values in {"air": image() * 0 - 1000, "same": image() * 0 + 7}.items():
        nib.save(nib.Nifti1Image(values, np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
        files[name] = (tmp_path / "scan.nii").read_bytes()
    second = bytearray(nib.Nifti2Image(image(), np.diag([0.8, 0.9, 3, 1])).to_bytes())
    second[8:12] = b"\n\x1a\n\0"
    files["changed line ends"] = bytes(second)
    hollow = image().astype(np.float32)
    for value in (np.nan, np.inf):
        hollow[2, 2, 2] = value
        nib.save(nib.Nifti1Image(hollow, np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
        files[f"{value} inside"] = (tmp_path / "scan.nii").read_bytes()
    nib.save(nib.Nifti1Image(image((4, 3, 50)), np.diag([0.8, 0.9, 99, 1])), tmp_path / "scan.nii")
    files["too long"] = (tmp_path / "scan.nii").read_bytes()
    rng = np.random.default_rng(0)
    air = rng.random((20, 30, 30)) < 0.4
    ct = np.where(air, rng.normal(-1000, 20, air.shape), rng.normal(30, 50, air.shape))
    for name, values in {  # what is not in HU, and what is
        "shifted by 1024": np.clip(rng.normal(1060, 60, (20, 30, 30)), 0, 4000),
        "12.5 % near 1200.5": np.array([1200, 1201, *[200, 201] * 7] * 300).reshape(4, 30, 40),  # 12 and 1200
        "one byte": np.where(rng.random((20, 30, 30)) < 0.4, -128, rng.integers(-60, 127, (20, 30, 30))),
        "normalized": rng.normal(0, 2, (20, 30, 30)),
        "no air, from 0": np.where(rng.random((20, 30, 30)) < 0.3, 0, rng.integers(200, 900, (20, 30, 30))),
        "near 0, and a little below": np.where(air, rng.normal(0, 6, air.shape), rng.normal(400, 90, air.shape)),
        "bone alone": rng.integers(1500, 2500, (20, 30, 30)) - 1,
        "a CT": ct,
        "a padded CT": np.where(np.arange(30) < 6, -2000, ct),
        "ten times": 10 * ct,
        "negated": -ct,
        "a tenth": ct / 10,
        "absorption in 1/m": (ct / 1000 + 1) * 190,
        "air near 0, with noise": (ct / 1000 + 1) * 1920 + 20,
        "an inverted window": 255 - (np.clip(ct, -160, 240) + 160) / 400 * 255,
        "with a padding that is too large": np.where(np.arange(30) < 6, 32767, ct),
        "a window as bytes, padded": np.where(np.arange(30) < 6, -1000, (np.clip(ct, -200, 500) + 200) / 700 * 255),
    }.items():
        nib.save(nib.Nifti1Image(values.astype(np.int16), np.diag([0.8, 0.9, 3, 1])), tmp_path / "scan.nii")
        files[name] = (tmp_path / "scan.nii").read_bytes()
    different = []
    for what, data in files.items():
        path = tmp_path / ("scan.nii.gz" if data[:2] == b"\x1f\x8b" else "scan.nii")
        path.write_bytes(data)
        try:
            load_case(path)
            wanted = ""
        except InputError as error:
            wanted = str(error).replace(str(path), path.name)
        kind, seen = run(REFUSED, name=path.name, bytes=data)
        reasons = r" \((?:[^()]|\([^)]*\))*\)(?=[;,] f)"  # may have brackets within
        if bool(kind) != bool(wanted) or re.sub(reasons, "", seen) != re.sub(reasons, "", wanted):
            different.append((what, wanted, seen))
    assert not different


@pytest.mark.parametrize("name", ["scan.mha", "picture.png", "slices.zip", "slice.dcm"])
def test_another_name_is_refused(run: Run, name: str) -> None:
    kind, seen = run(REFUSED, name=name, bytes=b"x")
    assert kind == "InputError"
    assert seen.startswith(f"{name} is not a NIfTI file; its name must end in .nii or .nii.gz, so convert it ")


def test_a_sound_file_is_not_called_damaged_where_memory_is_short(run: Run) -> None:
    """The scan before stays while the next one is read, so two may not fit; `answer` in worker.js then says so."""
    full = f"""
    const own = globalThis.Int16Array;
    globalThis.Int16Array = class {{ constructor() {{ throw new RangeError("no room"); }} }};
    try {{ {REFUSED} }} finally {{ globalThis.Int16Array = own; }}"""
    data = nib.Nifti1Image(image(), np.diag([0.8, 0.9, 3, 1])).to_bytes()
    assert run(full, name="scan.nii", bytes=data) == ["RangeError", "no room"]
