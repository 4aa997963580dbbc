"""The `kits-msan` command by its real entry points, and running the course."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import kits_msan
import kits_msan.course.run
import kits_msan.phantom.make
from kits_msan.cli import main
from kits_msan.data.cases import IMAGE, LABEL, Case, kits_affine, load_case, load_label
from kits_msan.errors import InputError
from kits_msan.inference import predict
from kits_msan.networks.checkpoints import describe_model, save_model
from kits_msan.networks.registry import MODELS, build_model
from kits_msan.profiles import SMOKE, Profile

NOTE = "The networks expect 10 x 8 x 8 mm (profile smoke); scans are resampled to it, and their segmentations back."
COMMANDS = (
    *("phantom", "download", "prepare", "train", "predict", "evaluate", "ablation"),
    *("export", "course", "site", "doctor"),
)
SCRIPT = [str(Path(sys.executable).parent / "kits-msan")]
MODULE = [sys.executable, "-m", "kits_msan.cli"]


class Result(NamedTuple):
    code: int
    out: str
    err: str


def run(*arguments: object, entry: list[str] = SCRIPT, cwd: Path | None = None) -> Result:
    done = subprocess.run(
        [*entry, *map(str, arguments)], capture_output=True, timeout=300, cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return Result(done.returncode, done.stdout.decode(), shown(done.stderr.decode()))


def shown(text: str) -> str:
    """What stays on the screen: a progress bar is wiped by what is written over it."""
    return re.sub(r"(?m)^.*\r", "", text)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def nifti(path: Path) -> nib.Nifti1Image:
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    return image


# ---- what works ----


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training cases and one for test, made by the command."""
    out = tmp_path_factory.mktemp("cli") / "phantoms"
    result = run("phantom", out, "--cases", 3, "--test", 1, "--seed", 7, "--profile", "smoke")
    assert result.code == 0, result.err
    assert result.out == f"2 training and 1 test cases in {out}\n"
    return out


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five networks, untrained, in the layout of the shipped ones."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in MODELS:
        model = build_model(name, width=4, poolings=2)
        save_model(folder / f"{name}.safetensors", model, describe_model(name, model, SMOKE))
    return folder


@pytest.mark.parametrize("entry", [SCRIPT, MODULE])
def test_help_and_version(entry: list[str]) -> None:
    result = run("--help", entry=entry)
    assert result.code == 0
    assert result.err == ""
    assert [command for command in COMMANDS if not re.search(rf"\n +{command} +\w", result.out)] == []
    assert run("--version", entry=entry).out == f"kits-msan {kits_msan.__version__}\n"


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("phantom", ["OUT", "--cases", "--test", "--seed", "--profile", "--overwrite"]),
        ("train", ["MODEL", "--data", "--profile", "--out", "--seed", "--device", "--precision", "--overwrite"]),
        ("predict", ["INPUT", "--checkpoint", "--out", "--device", "--no-clean", "--overwrite"]),
        ("evaluate", ["PREDICTIONS", "TRUTH", "--out", "--surface", "--overwrite"]),
        (
            "ablation",
            [
                "--data",
                "--profile",
                "--out",
                "--checkpoints",
                "--seed",
                "--seeds",
                "--peers",
                "--devices",
                "--overwrite",
            ],
        ),
        ("course", ["--profile", "--out", "--data", "--no-train", "--seed", "--device", "--overwrite"]),
    ],
)
def test_help_of_every_command(command: str, options: list[str]) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert result.err == ""
    assert result.out.startswith(f"usage: kits-msan {command} ")
    assert [option for option in options if option not in result.out] == []


def test_phantom_makes_the_layout_of_kits19(phantoms: Path) -> None:
    names = [f"case_{number:05d}" for number in range(3)]
    assert tree(phantoms) == sorted(
        [*names, *(f"{name}/{file}" for name in names for file in (IMAGE, LABEL)), "manifest.json", "split.json"]
    )
    assert json.loads((phantoms / "split.json").read_text(encoding="utf-8")) == {
        "train": names[:2],
        "test": names[2:],
    }
    case = load_case(phantoms / names[0])
    assert (case.shape, case.spacing) == (SMOKE.grid, SMOKE.spacing)
    assert case.label is not None
    assert set(np.unique(case.label)) >= {0, 1}


def test_train_predict_evaluate(phantoms: Path, checkpoints: Path, tmp_path: Path) -> None:
    trained = tmp_path / "run" / "model.safetensors"
    result = run(
        "train", "msan_v1_ds", "--data", phantoms, "--profile", "smoke", "--steps", 2, "--out", tmp_path / "run",
        "--device", "cpu", entry=MODULE,
    )  # fmt: skip
    assert (result.code, result.out) == (0, f"trained network in {trained}\n"), result.err

    out = tmp_path / "found"
    several = ["--checkpoint", trained, "--checkpoint", checkpoints / "unet3d.safetensors"]
    result = run("predict", phantoms, *several, "--out", out, "--device", "cpu")
    assert result.code == 0, result.err
    assert result.err == ""
    names = [f"case_{number:05d}" for number in range(3)]
    assert result.out.splitlines() == [NOTE, *(str(out / name / LABEL) for name in names)]
    assert tree(out) == sorted([*names, *(f"{name}/{LABEL}" for name in names)])
    models = [kits_msan.load_model(trained), kits_msan.load_model(checkpoints / "unet3d.safetensors")]
    for name in names:
        wanted = predict(models, load_case(phantoms / name))
        np.testing.assert_array_equal(load_label(out / name).label, wanted)
        np.testing.assert_array_equal(nifti(out / name / LABEL).affine, nifti(phantoms / name / IMAGE).affine)

    result = run("evaluate", out, phantoms, "--out", tmp_path / "scores.csv")
    assert result.code == 0, result.err
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["case"].tolist() == names
    assert scores.columns.tolist() == ["case", "kidney", "tumor", "composite"]
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines] == ["kidney", "tumor", "composite"]
    assert float(lines[0].split()[1]) == pytest.approx(100 * scores["kidney"].mean(), abs=0.01)
    assert lines[0].endswith("n = 3")


def test_predict_a_thin_odd_scan_in_another_order_and_in_place_of_old_results(
    checkpoints: Path, tmp_path: Path, make_case: Callable[..., Case]
) -> None:
    image = make_case(shape=(3, 31, 29)).image  # fewer slices than a slab
    assert image is not None
    affine = np.array([[8, 0, 0, -100], [0, 7.5, 2.5, 50], [0, -2.5, 7.5, 20], [0, 0, 0, 1]])  # RAS, oblique
    stored = nib.Nifti1Image(image[::-1, ::-1, ::-1].transpose(2, 1, 0), affine)
    stored.header.set_xyzt_units("mm", "sec")
    stored.to_filename(tmp_path / "scan.nii")
    out = tmp_path / "out"
    wanted = ["predict", str(tmp_path / "scan.nii"), "--out", str(out), "--no-clean", "--checkpoint"]
    assert main([*wanted, str(checkpoints / "unet3d.safetensors")]) == 0
    result = run(*wanted, checkpoints / "msan_v2.safetensors", "--overwrite")
    removed = f"1 older segmentation was removed from {out}."
    assert result == (0, f"{removed}\n{NOTE}\n{out / 'scan' / LABEL}\n", "")
    written = nifti(out / "scan" / LABEL)
    assert written.shape == (29, 31, 3)
    np.testing.assert_array_equal(written.affine, nifti(tmp_path / "scan.nii").affine)
    assert written.header.get_xyzt_units() == ("mm", "sec")
    assert written.get_data_dtype() == np.uint8


def test_ablation_from_checkpoints(phantoms: Path, checkpoints: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(
        "ablation", "--data", phantoms, "--profile", "smoke", "--checkpoints", checkpoints, "--out", out
    )  # fmt: skip
    assert result.code == 0, result.err
    assert tree(out) == ["about.json", "agreement.csv", "calibration.csv", "parts.csv", "scores.csv", "table.md"]
    scores = pd.read_csv(out / "scores.csv")
    assert scores["model"].tolist() == [*MODELS, "ensemble"]
    assert set(scores["case"]) == {"case_00002"}
    assert result.out.rstrip() == (out / "table.md").read_text(encoding="utf-8").rstrip()
    assert "phantoms version" in result.out
    assert "| Ensemble |" in result.out


def test_same_seed_same_phantoms_and_same_weights(
    phantoms: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    again = tmp_path / "again"
    assert main(["phantom", str(again), "--cases", "3", "--test", "1", "--seed", "7", "--profile", "smoke"]) == 0
    assert tree(again) == tree(phantoms)
    for name in ("case_00000", "case_00002"):
        first, second = load_case(phantoms / name), load_case(again / name)
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.label, second.label)
    capsys.readouterr()


# ---- what is refused: exit code 2, one line, nothing left behind ----


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

    with_nan, with_inf = image.astype(np.float32), image.astype(np.float32)
    with_nan[0, 0, 0], with_inf[-1, -1, -1] = np.nan, np.inf
    write("good.nii.gz", image)
    write("four.nii.gz", np.stack([image] * 2, axis=-1))
    write("nan.nii.gz", with_nan)
    write("inf.nii.gz", with_inf)
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
    (folder / "mixed").mkdir()
    for name in ("cut", "good", "nan"):
        shutil.copy(folder / f"{name}.nii.gz", folder / "mixed")
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


UNET = "--checkpoint networks/unet3d.safetensors"
# A command line, in which OUT is a path that does not exist, and what the message says
BY_ENTRY = {  # one for each command
    "truncated gzip": (f"predict cut.nii.gz {UNET} --out OUT", "cut.nii.gz is truncated or damaged"),
    "shapes": ("train unet3d --data misfit-train --profile smoke --out OUT", r"\(11, 36, 34\).*\(12, 36, 34\)"),
    "unknown profile": ("phantom OUT --profile desk", "unknown profile 'desk'; choose one of smoke"),
    "other network": (
        "ablation --data data --profile smoke --checkpoints mistaken --out OUT",
        "mistaken/unet3d.safetensors is a checkpoint of msan_v1, not of unet3d",
    ),
    "other grid": ("evaluate other-grid data --out OUT", "has shape .* both must be of the same scan"),
    "course": ("course --profile smoke --out results", "results already holds results; .* --overwrite"),
}
BY_FUNCTION = {  # the same main(), without four seconds of imports
    "missing path": (f"predict absent.nii.gz {UNET} --out OUT", "absent.nii.gz does not exist"),
    "not NIfTI": (f"predict text.nii.gz {UNET} --out OUT", "text.nii.gz is not a readable NIfTI file"),
    "4-D": (f"predict four.nii.gz {UNET} --out OUT", r"shape \(12, 36, 34, 2\), but a CT volume has three axes"),
    "NaN": (f"predict nan.nii.gz {UNET} --out OUT", "nan.nii.gz holds NaN or infinite voxels"),
    "air": (f"predict air.nii.gz {UNET} --out OUT", "air.nii.gz holds only air"),
    "unknown model": (
        "train unet --data data --profile smoke --out OUT",
        "unknown model 'unet'; choose one of unet3d",
    ),
    "unknown device": (f"predict good.nii.gz {UNET} --device tpu --out OUT", "unknown device 'tpu'; choose one of"),
    "holds results": (f"predict good.nii.gz {UNET} --out results", "results already holds results; .* --overwrite"),
    "no NIfTI name": (f"predict photo.png {UNET} --out OUT", "photo.png is not a NIfTI file"),
    "infinite": (f"predict inf.nii.gz {UNET} --out OUT", "inf.nii.gz holds NaN or infinite voxels"),
    "no case": (f"predict empty {UNET} --out OUT", "empty holds no case"),
    "two of one name": (f"predict twice {UNET} --out OUT", "scans named scan, scan.nii and scan.nii.gz; rename one"),
    "no checkpoint": (
        "predict good.nii.gz --checkpoint absent --out OUT",
        "absent does not exist; name a checkpoint",
    ),
    "cut checkpoint": ("predict good.nii.gz --checkpoint cut.safetensors --out OUT", "is not a readable checkpoint"),
    "foreign checkpoint": ("predict good.nii.gz --checkpoint photo.png --out OUT", "is not a readable checkpoint"),
    "spacings": (
        f"predict good.nii.gz {UNET} --checkpoint other-spacing.safetensors --out OUT",
        "trained at different spacings",
    ),
    "out is a file": (f"predict good.nii.gz {UNET} --out file", "file is a file, but a folder"),
    "train NaN": ("train unet3d --data nan-train --profile smoke --out OUT", "holds NaN or infinite voxels"),
    "train nothing": ("train unet3d --data absent --profile smoke --out OUT", "absent does not exist"),
    "train device": ("train unet3d --data data --device tpu --out OUT", "unknown device 'tpu'"),
    "train profile": ("train unet3d --data data --profile desk --out OUT", "unknown profile 'desk'"),
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
    "evaluate nothing": ("evaluate absent data --out OUT", "absent does not exist"),
    "evaluate without truth": ("evaluate data/case_00000 data/case_00001 --out OUT", "case_00000 has no counterpart"),
    "evaluate over results": (
        "evaluate data data --out results/scores.csv",
        "scores.csv exists; .* --overwrite",
    ),
    "ablation shapes": (
        "ablation --data misfit-test --profile smoke --checkpoints networks --out OUT",
        r"\(11, 36, 34\).*\(12, 36, 34\)",
    ),
    "ablation NaN": ("ablation --data nan-train --profile smoke --out OUT", "holds NaN or infinite voxels"),
    "ablation over results": (
        "ablation --data data --profile smoke --out results",
        "results already holds results; .* --overwrite",
    ),
    "ablation without networks": (
        "ablation --data data --profile smoke --checkpoints empty --out OUT",
        "unet3d/model.safetensors does not exist",
    ),
    "course device": ("course --profile smoke --device tpu --data data --out OUT", "unknown device 'tpu'"),
    "course data": ("course --profile smoke --data absent --out OUT", "absent does not exist"),
    "course profile": ("course --profile desk --out OUT", "unknown profile 'desk'"),
    "no command": ("", "required: COMMAND; see kits-msan --help"),
    "no such command": ("segment good.nii.gz", "invalid choice: 'segment'"),
    "no such option": ("phantom OUT --color red", "unrecognized arguments: --color red"),
    "option left out": ("train unet3d --data data", "required: --out; see kits-msan train --help"),
    "no number": ("phantom OUT --seed x", "argument --seed: 'x' is not a whole number"),
    "negative": ("phantom OUT --seed -1", "argument --seed: -1 is negative"),
    "no cases": ("phantom OUT --cases 0", "argument --cases: 0 is not at least 1"),
}


def check_refused(result: Result, message: str) -> None:
    assert result.code == 2, result.err
    assert result.out == ""
    assert result.err.endswith("\n")
    assert len(result.err.splitlines()) == 1, result.err
    assert result.err.startswith("kits-msan")
    assert re.search(message, result.err), result.err


@pytest.fixture(scope="module")
def refusals(bad: Path) -> dict[str, tuple[Result, list[str]]]:
    """All rows of BY_ENTRY, two processes at a time: what came out, and what each left behind."""
    before = tree(bad)
    with ThreadPoolExecutor(2) as pool:
        jobs = {
            name: pool.submit(run, *line.replace("OUT", f"out-{number}/deep").split(), cwd=bad)
            for number, (name, (line, _)) in enumerate(BY_ENTRY.items())
        }
        results = {name: job.result() for name, job in jobs.items()}
    left = sorted(set(tree(bad)) - set(before))
    assert (bad / "results" / "scores.csv").read_text(encoding="utf-8") == "mine"
    return {
        name: (results[name], [path for path in left if path.startswith(f"out-{number}/") or "out-" not in path])
        for number, name in enumerate(BY_ENTRY)
    }


@pytest.mark.parametrize("name", BY_ENTRY)
def test_bad_input_by_entry_point(refusals: dict[str, tuple[Result, list[str]]], name: str) -> None:
    result, left = refusals[name]
    check_refused(result, BY_ENTRY[name][1])
    assert left == []


@pytest.mark.parametrize("name", BY_FUNCTION)
def test_bad_input(bad: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, name: str) -> None:
    line, message = BY_FUNCTION[name]
    monkeypatch.chdir(bad)
    before = tree(bad)
    try:
        code = main(line.replace("OUT", "new/deep").split())
    except SystemExit as stop:  # argparse's own way
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    check_refused(Result(code, captured.out, shown(captured.err)), message)
    assert tree(bad) == before
    assert {(bad / "results" / file).read_text(encoding="utf-8") for file in ("scores.csv", "model.safetensors")} == {
        "mine"
    }


def test_one_bad_scan_does_not_cost_the_others(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad)
    assert main(["predict", "mixed", *UNET.split(), "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert tree(tmp_path / "out") == ["good", f"good/{LABEL}"]
    assert captured.out == f"{NOTE}\n{tmp_path / 'out' / 'good' / LABEL}\n"
    first, second, summary = captured.err.splitlines()
    assert "cut.nii.gz is truncated" in first
    assert "nan.nii.gz holds NaN" in second
    assert summary.startswith("kits-msan: 2 of 3 scans failed")


def test_full_disk_is_said_in_the_systems_words(
    bad: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "segmentation.nii.gz")

    monkeypatch.setattr("kits_msan.data.cases.write_labels", full)
    monkeypatch.chdir(bad)
    assert main(["predict", "good.nii.gz", *UNET.split(), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "kits-msan: segmentation.nii.gz: No space left on device; make space, or name a folder on another disk, and "
        "start the command again.\n"
    )


# ---- the course ----


def notebook(folder: Path, name: str, source: str) -> None:
    cells = [
        nbformat.v4.new_code_cell("profile = device = data = out = ''\ntrain, seed = True, 0", id="settings"),
        nbformat.v4.new_code_cell(source, id="the-work"),
    ]
    cells[0].metadata["tags"] = ["parameters"]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / name)


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of five notebooks that the course takes for its own; the first two do something."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.setattr(kits_msan.course.run, "NOTEBOOKS", folder)
    for number in range(1, 6):
        notebook(folder, f"0{number}_part.ipynb", "")
    return folder


def test_failing_notebook_is_named_with_its_cell(
    books: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    notebook(books, "01_part.ipynb", "assert profile == 'smoke' and train is False and seed == 3 and device == 'cpu'")
    notebook(books, "02_part.ipynb", "raise ValueError('no kidneys')")
    out = tmp_path / "out"
    code = main(f"course --profile smoke --out {out} --data {data} --no-train --seed 3 --device cpu".split())
    assert code == 1
    err = capsys.readouterr().err
    assert "02_part.ipynb failed in cell 'the-work' [" in err
    assert err.rstrip().endswith("ValueError: no kidneys")
    assert "Traceback" not in err
    # the rest is not run; what failed can be looked at
    assert tree(out) == ["01_part.ipynb", "02_part.ipynb", "course.json"]


def test_course_ends_with_minutes_and_the_table(
    books: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(source: Path, target: Path, parameters: dict, timeout: int | None, keep_widgets: bool) -> None:
        shutil.copy(source, target)
        (Path(parameters["out"]) / "ablation").mkdir(exist_ok=True)
        (Path(parameters["out"]) / "ablation" / "table.md").write_text("| the table |", encoding="utf-8")

    monkeypatch.setattr(kits_msan.course.run, "execute", execute)
    assert main(["course", "--profile", "smoke", "--out", str(tmp_path / "out"), "--data", str(data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if " min  0" in line] == [f"0{i}_part.ipynb" for i in range(1, 6)]
    assert lines[-1] == "| the table |"
    assert len(json.loads((tmp_path / "out" / "seconds.json").read_text(encoding="utf-8"))) == 5


def test_course_without_notebooks_is_refused(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kits_msan.course.paths, "ROOT", tmp_path)
    with pytest.raises(InputError, match="lies in the repository of kits_msan, not in the package"):
        kits_msan.course.run.run_course(SMOKE, tmp_path / "out", data=data)
    assert not (tmp_path / "out").exists()


def test_phantoms_of_the_course_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kits_msan.course.paths, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / kits_msan.course.paths.FIRST).touch()
    folder = kits_msan.course.paths.course_data(SMOKE, seed=2)
    assert folder == tmp_path / "data" / "phantoms-smoke-2"
    assert len(list(folder.glob("case_*"))) == SMOKE.train_cases + SMOKE.test_cases
    made = []
    monkeypatch.setattr(kits_msan.phantom.make, "write_phantoms", lambda *arguments, **_: made.append(arguments))
    assert kits_msan.course.paths.course_data(SMOKE, seed=2) == folder
    assert made == []
    monkeypatch.setattr(kits_msan.phantom.make, "PHANTOM_VERSION", -1)  # another version of the package draws others
    kits_msan.course.paths.course_data(SMOKE, seed=2)
    assert len(made) == 1


def test_affine_of_the_made_scans_is_not_lost(phantoms: Path) -> None:
    np.testing.assert_allclose(load_case(phantoms / "case_00001").affine, kits_affine((10.0, 8.0, 8.0)))
