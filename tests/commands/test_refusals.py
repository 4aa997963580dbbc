"""What is refused: exit code 2, one line, nothing left behind."""

import gzip
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commands.command_line import NETWORK, Result, code_of, run, shown, tree
from kits_msan.cli import main
from kits_msan.data.cases import IMAGE, LABEL, load_case
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE, Profile


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, data: Path, checkpoints: Path) -> Path:
    """A folder with everything that the tables of bad input name."""
    folder = tmp_path_factory.mktemp("bad")
    case = load_case(data / "case_00000")
    assert case.image is not None
    assert case.label is not None
    image = case.image
    affine = case.affine

    def write(name: str, array: np.ndarray) -> None:
        nib.Nifti1Image(array, affine).to_filename(folder / name)

    with_nan = image.astype(np.float32)
    with_nan[0, 0, 0] = np.nan
    write("good.nii.gz", image)
    write("four.nii.gz", np.stack([image] * 2, axis=-1))
    write("nan.nii.gz", with_nan)
    write("air.nii.gz", np.full(image.shape, -1000, np.int16))
    (folder / "text.nii.gz").write_text("not a scan", encoding="utf-8")
    (folder / "photo.png").write_text("not a scan", encoding="utf-8")
    content = gzip.compress((folder / "good.nii.gz").read_bytes(), 0)
    whole = gzip.compress(nib.Nifti1Image(image, affine).to_bytes())
    assert content
    (folder / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "empty").mkdir()
    shutil.copytree(data, folder / "data")

    def spoil(name: str, number: int, **changes: np.ndarray) -> None:
        shutil.copytree(data, folder / name)
        for file, array in changes.items():
            target = folder / name / f"case_{number:05d}" / (IMAGE if file == "image" else LABEL)
            nib.Nifti1Image(array, affine).to_filename(target)

    spoil("misfit-train", 2, label=case.label[1:])
    spoil("misfit-test", 3, label=case.label[1:])
    spoil("nan-train", 2, image=with_nan)
    spoil("other-grid", 0, label=case.label[1:])
    (folder / "twice").mkdir()
    shutil.copy(folder / "good.nii.gz", folder / "twice" / "scan.nii.gz")
    write("twice/scan.nii", image)

    shutil.copytree(checkpoints, folder / "networks")
    shutil.copytree(checkpoints, folder / "mistaken")
    shutil.copy(checkpoints / "msan_v1.safetensors", folder / "mistaken" / "unet3d.safetensors")
    half = (checkpoints / "unet3d.safetensors").read_bytes()
    (folder / "cut.safetensors").write_bytes(half[: len(half) // 2])
    model = build_model("unet3d", width=4, poolings=2)
    other = describe_model("unet3d", model, Profile(**{**SMOKE.__dict__, "spacing": (5.0, 5.0, 5.0)}))
    save_model(folder / "other-spacing.safetensors", model, other)

    (folder / "results").mkdir()
    (folder / "results" / "scores.csv").write_text("mine", encoding="utf-8")
    (folder / "results" / "model.safetensors").write_text("mine", encoding="utf-8")
    (folder / "file").write_text("mine", encoding="utf-8")
    return folder


# A command line, in which OUT is a path that does not exist, and what the message says
BAD = {
    "truncated gzip": (f"predict cut.nii.gz {NETWORK} --out OUT", "cut.nii.gz is truncated or damaged"),
    "unknown profile": ("phantom OUT --profile desk", "unknown profile 'desk'; choose one of smoke"),
    "other network": (
        "ablation --data data --profile smoke --checkpoints mistaken --out OUT",
        "mistaken/unet3d.safetensors is a checkpoint of msan_v1, not of unet3d",
    ),
    "course": ("course --profile smoke --out results", "results already holds results; .* --overwrite"),
    "shapes": ("train unet3d --data misfit-train --profile smoke --out OUT", r"\(11, 36, 34\).*\(12, 36, 34\)"),
    "other grid": ("evaluate other-grid/case_00000 data --out OUT.csv", "has shape .* both must be of the same scan"),
    "missing path": (f"predict absent.nii.gz {NETWORK} --out OUT", "absent.nii.gz does not exist"),
    "not NIfTI": (f"predict text.nii.gz {NETWORK} --out OUT", "text.nii.gz is not a readable NIfTI file"),
    "4-D": (f"predict four.nii.gz {NETWORK} --out OUT", r"shape \(12, 36, 34, 2\), but a CT volume has three axes"),
    "NaN": (f"predict nan.nii.gz {NETWORK} --out OUT", "nan.nii.gz holds NaN or infinite voxels"),
    "air": (f"predict air.nii.gz {NETWORK} --out OUT", "air.nii.gz holds only air"),
    "unknown model": (
        "train unet --data data --profile smoke --out OUT",
        "unknown model 'unet'; choose one of unet3d",
    ),
    "unknown device": (
        f"predict good.nii.gz {NETWORK} --device tpu --out OUT",
        "unknown device 'tpu'; choose one of",
    ),
    "holds results": (
        f"predict good.nii.gz {NETWORK} --out results",
        "results already holds results; .* --overwrite",
    ),
    "no NIfTI name": (f"predict photo.png {NETWORK} --out OUT", "photo.png is not a NIfTI file"),
    "no case": (f"predict empty {NETWORK} --out OUT", "empty holds no case"),
    "two of one name": (
        f"predict twice {NETWORK} --out OUT",
        "scans named scan, scan.nii and scan.nii.gz",
    ),
    "no checkpoint": (
        "predict good.nii.gz --checkpoint absent --out OUT",
        "absent does not exist; name a checkpoint",
    ),
    "cut checkpoint": ("predict good.nii.gz --checkpoint cut.safetensors --out OUT", "is not a readable checkpoint"),
    "spacings": (
        f"predict good.nii.gz {NETWORK} --checkpoint other-spacing.safetensors --out OUT",
        "trained at different spacings",
    ),
    "out is a file": (f"predict good.nii.gz {NETWORK} --out file", "file is a file, but a folder"),
    "train NaN": ("train unet3d --data nan-train --profile smoke --out OUT", "holds NaN or infinite voxels"),
    "train precision": ("train unet3d --data data --precision 8 --out OUT", "unknown precision '8'"),
    "train over results": (
        "train unet3d --data data --profile smoke --out results",
        "results already holds results; .* --overwrite",
    ),
    "phantom over results": (
        "phantom results --cases 1 --profile smoke",
        "results already holds results; .* --overwrite",
    ),
    "phantom split": ("phantom OUT --cases 2 --test 3 --profile smoke", "-1 training and 3 test cases"),
    "evaluate nothing": ("evaluate absent data --out OUT.csv", "absent does not exist"),
    "evaluate without truth": ("evaluate data/case_00000 data/case_00001 --out OUT.csv", "has no label of the name"),
    "ablation shapes": (
        "ablation --data misfit-test --profile smoke --checkpoints networks --out OUT",
        r"\(11, 36, 34\).*\(12, 36, 34\)",
    ),
    "before training": ("ablation --data misfit-test --profile smoke --out OUT", r"\(11, 36, 34\).*\(12, 36, 34\)"),
    "ablation NaN": ("ablation --data nan-train --profile smoke --out OUT", "holds NaN or infinite voxels"),
    "ablation over results": (
        "ablation --data data --profile smoke --out results",
        "results already holds results; .* --overwrite",
    ),
    "course device": ("course --profile smoke --device tpu --data data --out OUT", "unknown device 'tpu'"),
    "course data": ("course --profile smoke --data absent --out OUT", "absent does not exist"),
    "no command": ("", "required: COMMAND; see kits-msan --help"),
    "no such option": ("phantom OUT --color red", "unrecognized arguments: --color red"),
    "option left out": ("train unet3d --data data", "required: --out; see kits-msan train --help"),
    "no number": ("phantom OUT --seed x", "argument --seed: 'x' is not a whole number"),
    "negative": ("phantom OUT --seed -1", "argument --seed: -1 is not at least 0"),
    "no cases": ("phantom OUT --cases 0", "argument --cases: 0 is not at least 1"),
}


def check_refused(result: Result, message: str) -> None:
    assert result.code == 2, result.err
    assert result.out == ""
    assert result.err.endswith("\n")
    assert len(result.err.splitlines()) == 1, result.err
    assert result.err.startswith("kits-msan")
    assert re.search(message, result.err), result.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["truncated gzip", "unknown profile"])
def test_bad_input_by_entry_point(bad: Path, name: str) -> None:
    line, message = BAD[name]
    before = tree(bad)
    check_refused(run(*line.replace("OUT", "new/deep").split(), cwd=bad), message)
    assert tree(bad) == before


@pytest.mark.parametrize("name", BAD)
def test_bad_input(bad: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, name: str) -> None:
    line, message = BAD[name]
    monkeypatch.chdir(bad)
    before = tree(bad)
    code = code_of(line.replace("OUT", "new/deep").split())
    captured = capsys.readouterr()
    check_refused(Result(code, captured.out, shown(captured.err)), message)
    assert tree(bad) == before
    assert {(bad / "results" / file).read_text(encoding="utf-8") for file in ("scores.csv", "model.safetensors")} == {
        "mine"
    }


def test_full_disk_is_said_in_the_systems_words(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "segmentation.nii.gz")

    monkeypatch.setattr("kits_msan.data.cases.write_labels", full)
    monkeypatch.chdir(bad)
    assert main(["predict", "good.nii.gz", *NETWORK.split(), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "kits-msan: segmentation.nii.gz: No space left on device; make space, or name a folder on another disk, and "
        "start the command again.\n"
    )
