"""The commands by their real entry points: what works."""

import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

import kits_msan
from commands.command_line import MODULE, NOTE, SCRIPT, nifti, run, shown, tree
from kits_msan.cli import main
from kits_msan.data.cases import IMAGE, LABEL, Case, load_case, load_label
from kits_msan.inference import predict
from kits_msan.networks.registry import MODELS

COMMANDS = (
    *("phantom", "download", "prepare", "train", "predict", "evaluate", "ablation"),
    *("export", "course", "site", "doctor"),
)


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
        ("phantom", "OUT --cases --test --seed --profile --overwrite"),
        ("train", "MODEL --data --profile --out --seed --device --precision --overwrite"),
        ("predict", "INPUT --checkpoint --out --device --no-clean --overwrite"),
        ("evaluate", "PREDICTIONS TRUTH --out --split --surface --overwrite"),
        ("ablation", "--data --profile --out --checkpoints --seed --seeds --peers --devices --overwrite"),
        ("course", "--profile --out --data --no-train --seed --device --overwrite"),
    ],
)
def test_help_of_every_command(command: str, options: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert result.err == ""
    assert result.out.startswith(f"usage: kits-msan {command} ")
    assert [option for option in options.split() if option not in result.out] == []


@pytest.mark.slow
def test_train_predict_evaluate(phantoms: Path, checkpoints: Path, tmp_path: Path) -> None:
    trained = tmp_path / "run" / "model.safetensors"
    result = run(
        "train", "msan_v1_ds", "--data", phantoms, "--profile", "smoke", "--steps", 2, "--out", tmp_path / "run",
        "--device", "cpu", entry=MODULE,
    )  # fmt: skip
    assert (result.code, result.out) == (0, f"trained network in {trained}\n"), result.err
    assert re.fullmatch(r"MSAN-V1 \+ DS: 100%.*\n", result.err)

    out = tmp_path / "found"
    several = ["--checkpoint", trained, "--checkpoint", checkpoints / "unet3d.safetensors"]
    result = run("predict", phantoms, *several, "--out", out, "--device", "cpu")
    assert result.code == 0, result.err
    assert re.fullmatch(
        r"kits-msan: 2 of 3 scans have names of cases that these networks were trained on .*\n", result.err
    )
    names = [f"case_{number:05d}" for number in range(3)]
    assert result.out.splitlines() == [NOTE, *(str(out / name / LABEL) for name in names)]
    assert tree(out) == sorted([*names, *(f"{name}/{LABEL}" for name in names)])
    models = [kits_msan.load_model(trained), kits_msan.load_model(checkpoints / "unet3d.safetensors")]
    for name in names:
        wanted = predict(models, load_case(phantoms / name))
        np.testing.assert_array_equal(load_label(out / name).label, wanted)
        np.testing.assert_array_equal(nifti(out / name / LABEL).affine, nifti(phantoms / name / IMAGE).affine)

    result = run("evaluate", out, phantoms, "--out", tmp_path / "scores.csv")
    assert (result.code, result.err) == (0, "")
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["case"].tolist() == names
    assert scores.columns.tolist() == ["case", "kidney", "tumor", "composite", "tumor_ml", "called_ml"]
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines][:3] == ["kidney", "tumor", "composite"]
    assert float(lines[0].split()[1]) == pytest.approx(100 * scores["kidney"].mean(), abs=0.01)
    assert lines[0].endswith("n = 3")


@pytest.mark.slow
def test_predict_a_thin_odd_scan_in_another_order_and_in_place_of_old_results(
    checkpoints: Path, tmp_path: Path, make_case: Callable[..., Case], capsys: pytest.CaptureFixture
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
    capsys.readouterr()
    assert main([*wanted, str(checkpoints / "msan_v2.safetensors"), "--overwrite"]) == 0
    removed = f"1 older segmentation was removed from {out}."
    captured = capsys.readouterr()
    assert (captured.out, shown(captured.err)) == (f"{removed}\n{NOTE}\n{out / 'scan' / LABEL}\n", "")
    written = nifti(out / "scan" / LABEL)
    assert written.shape == (29, 31, 3)
    np.testing.assert_array_equal(written.affine, nifti(tmp_path / "scan.nii").affine)
    assert written.header.get_xyzt_units() == ("mm", "sec")
    assert written.get_data_dtype() == np.uint8


@pytest.mark.slow
def test_ablation_from_checkpoints(
    phantoms: Path, checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    line = f"ablation --data {phantoms} --profile smoke --checkpoints {checkpoints} --out {out}"
    assert main(line.split()) == 0
    printed = capsys.readouterr().out
    assert tree(out) == ["about.json", "agreement.csv", "calibration.csv", "parts.csv", "scores.csv", "table.md"]
    scores = pd.read_csv(out / "scores.csv")
    assert scores["model"].tolist() == [*MODELS, "ensemble"]
    assert set(scores["case"]) == {"case_00002"}
    assert printed.rstrip() == (out / "table.md").read_text(encoding="utf-8").rstrip()
    assert "phantoms version" in printed
    assert "| Ensemble |" in printed


def test_the_module_of_earlier_versions_still_runs_the_command() -> None:
    done = run("export", "absent", "--onnx", "a.onnx", entry=[*MODULE[:-1], "kits_msan.cli"])
    assert (done.code, done.err) == (
        2,
        "kits-msan: absent does not exist; name a checkpoint, such as RUN/model.safetensors.\n",
    )
