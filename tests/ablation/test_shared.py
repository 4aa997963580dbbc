"""Two ablations in one folder, and what is asked before hours of work: the runs, the test cases, what a cyst is."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from untrained import untrained

from kits_msan.ablation.run import run_ablation, train_all
from kits_msan.data.cases import LABEL, load_label
from kits_msan.data.prepare import prepare
from kits_msan.data.split import Split, load_split
from kits_msan.errors import InputError, InUseError
from kits_msan.locks import only_user
from kits_msan.profiles import SMOKE, Profile

models = pytest.fixture(name="models")(untrained)
NAMES = ("case_00000", "case_00001", "case_00002")


def contents(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def begun(data: Path, tmp_path: Path, tiny: Profile) -> Path:
    """An ablation that was stopped in its first training."""
    out = tmp_path / "out"
    prepare(data, out / "store", tiny, load_split(data), progress=False)
    run = out / "seed-0" / "msan_v2"
    run.mkdir(parents=True)
    about = {"model": "msan_v2", "profile": asdict(tiny), "cases": NAMES}
    (run / "config.json").write_text(json.dumps(about), encoding="utf-8")
    return out


def test_a_second_one_with_other_settings_leaves_the_store_alone(data: Path, begun: Path, tiny: Profile) -> None:
    other, before = replace(tiny, spacing=(20.0, 16.0, 16.0)), contents(begun)
    with pytest.raises(InputError, match=r"seed-0.msan_v2 holds a run with another spacing in its profile"):
        run_ablation(data, other, begun, progress=False)
    with pytest.raises(InputError, match=r"msan_v2 holds a run with another spacing in its profile"):
        train_all(data, other, begun / "seed-0", progress=False)
    split = Split(NAMES[:2], ("case_00003",))
    with pytest.raises(InputError, match=r"msan_v2 holds a run with another list of training cases"):
        run_ablation(data, tiny, begun, split=split, progress=False)
    assert contents(begun) == before


def test_a_second_one_is_refused_while_the_first_is_at_work(data: Path, begun: Path, tiny: Profile) -> None:
    before = contents(begun)
    with only_user(begun, "ablation"), pytest.raises(InUseError, match="out is in use by another ablation; wait"):
        run_ablation(data, tiny, begun, overwrite=True, progress=False)
    with only_user(begun / "seed-0", ""), pytest.raises(InUseError, match="in use by another training"):
        train_all(data, tiny, begun / "seed-0", progress=False)
    assert contents(begun).keys() == before.keys()


def test_a_file_in_place_of_the_folder_is_named(data: Path, tmp_path: Path, models: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="file is a file, but a folder is to be written there"):
        run_ablation(data, SMOKE, tmp_path / "file", checkpoints=models / "flat", progress=False)


def test_all_test_cases_are_read_before_one_is_scored(
    data: Path, tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the networks are there already: the last case must not cost the scores of all others."""
    own = Path(shutil.copytree(data, tmp_path / "data"))
    (own / "case_00003" / LABEL).unlink()
    split = {"train": NAMES[:2], "test": ["case_00002", "case_00003"]}
    (own / "split.json").write_text(json.dumps(split), encoding="utf-8")
    monkeypatch.setattr("kits_msan.ablation.scoring._score_case", lambda *_: 1 / 0)
    with pytest.raises(InputError, match="case_00003 has no label to compare with"):
        run_ablation(own, SMOKE, tmp_path / "out", checkpoints=models / "flat", progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_cysts_count_as_what_is_asked_for_in_training_and_test(data: Path, tmp_path: Path, tiny: Profile) -> None:
    """In labels of KiTS21 and KiTS23, in which 3 is a cyst."""
    own, out, once = tmp_path / "data", tmp_path / "out", replace(tiny, steps=1)
    shutil.copytree(data, own)
    for name in (*NAMES, "case_00003"):
        case = load_label(own / name)
        assert case.label is not None
        nib.Nifti1Image(np.where(case.label == 2, 3, case.label), case.affine).to_filename(own / name / LABEL)
    with pytest.raises(InputError, match=r"holds the label 3; .* --cyst kidney .* to `prepare`, `ablation`"):
        run_ablation(own, once, out, names=["unet3d"], progress=False)
    results = run_ablation(own, once, out, names=["unet3d"], cyst="tumor", progress=False)
    wanted = run_ablation(data, once, tmp_path / "wanted", names=["unet3d"], progress=False)
    pd.testing.assert_frame_equal(results.scores, wanted.scores)
    with pytest.raises(InputError, match="holds an ablation with another meaning of cysts"):
        run_ablation(own, once, out, names=["unet3d"], cyst="kidney", progress=False)
