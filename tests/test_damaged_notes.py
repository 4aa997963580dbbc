"""What the package notes in files of its own, damaged: each reader says in one sentence which and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from kits_msan.ablation.results import case_strata, describe_data, load_results
from kits_msan.cli import main
from kits_msan.course.paths import phantoms_are_fresh
from kits_msan.course.record import RECORD, begin
from kits_msan.data.prepare import open_cases, prepare
from kits_msan.data.split import load_split
from kits_msan.data.store import open_store, split_of
from kits_msan.errors import InputError, InputNote
from kits_msan.networks.checkpoints import LAST, load_checkpoint, save_checkpoint
from kits_msan.networks.registry import build_model
from kits_msan.profiles import Profile
from kits_msan.training.logs import METRICS, read_metrics
from kits_msan.training.runs import CONFIG, RunFolder

DAMAGES = [b"", b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 5000]
READERS: dict[str, Callable[[Path], object]] = {
    "split.json": lambda folder: load_split(["case_00000"], folder / "split.json"),
    CONFIG: lambda folder: RunFolder(folder, {"seed": 0}, 5).is_finished(),
    RECORD: lambda folder: begin(folder, {"seed": 0}, overwrite=False),
    "about.json": load_results,
}


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
@pytest.mark.parametrize("name", READERS)
def test_damaged_note_is_named_with_the_remedy(tmp_path: Path, name: str, damage: bytes) -> None:
    (tmp_path / name).write_bytes(damage)
    with pytest.raises(InputError, match=r"; .*\.$") as error:
        READERS[name](tmp_path)
    assert str(tmp_path) in str(error.value)
    assert (tmp_path / name).read_bytes() == damage  # nothing is lost


@pytest.mark.parametrize("note", [*DAMAGES, b'{"cases": ["of mine"]}'], ids=range(len(DAMAGES) + 1))
def test_a_manifest_that_is_not_of_phantoms_is_somebodys_own(tmp_path: Path, note: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(note)
    assert case_strata(tmp_path) == {}
    assert describe_data(tmp_path, load_split(["case_00000"])).startswith(f"cases of {tmp_path.name}, 1 for training")


@pytest.mark.parametrize("note", [{"cases": [{"drawn": 1}]}, {"cases": 5}, {"cases": [{}]}])
def test_manifest_of_phantoms_that_lacks_a_part_is_named(tmp_path: Path, note: dict[str, object]) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"phantom_version": 4, **note}), encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json lacks a part; make the cases again"):
        case_strata(tmp_path)


def test_phantoms_with_a_damaged_manifest_are_made_anew(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"phantom_version": 4')
    assert not phantoms_are_fresh(tmp_path)
    with pytest.raises(InputError, match=r"manifest\.json is damaged or not JSON; make the cases again"):
        describe_data(tmp_path, load_split(["case_00000"]))


def test_damaged_record_of_a_course_gives_way_to_overwrite_alone(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(json.dumps({"parameters": {}, "done": {"../kept.ipynb": 1}}), encoding="utf-8")
    with pytest.raises(InputError, match="is damaged; name another folder or add --overwrite"):
        begin(tmp_path, {"seed": 0}, overwrite=False)
    assert begin(tmp_path, {"seed": 0}, overwrite=True)["done"] == {}
    assert not (tmp_path / RECORD).exists()


@pytest.mark.parametrize("table", [b"step,loss\n1,x\n", b"step,loss\n1\n", b"\xff\xff", b"step\n1,2\n"])
def test_damaged_metrics_are_named(tmp_path: Path, table: bytes) -> None:
    (tmp_path / METRICS).write_bytes(table)
    with pytest.raises(InputError, match=r"metrics\.csv is damaged or no table of numbers; name"):
        read_metrics(tmp_path / METRICS)


@pytest.mark.slow
def test_last_checkpoint_that_is_damaged_is_named_and_kept(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", "unet3d", "--data", str(data), "--profile", "smoke", "--steps", "2", "--device", "cpu"]
    monkeypatch.setattr("kits_msan.training.runs.RunFolder.finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # as if it had been killed
        main([*words, "--out", str(tmp_path / "run")])
    (tmp_path / "run/last.safetensors").write_bytes(b"damaged")
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "last.safetensors is damaged; remove it, and the same command" in capsys.readouterr().err
    assert (tmp_path / "run/last.safetensors").read_bytes() == b"damaged"


def test_no_tumor_to_learn_from_is_said(tmp_path: Path, make_case: Callable, tiny: Profile) -> None:
    from kits_msan.data.cases import save_case

    data, says = tmp_path / "data", "no training case of .*data shows a tumor, so that none can be learned"
    save_case(make_case(tumor=False), data / "case_00000")
    save_case(make_case(), data / "case_00180")  # for test
    with pytest.warns(InputNote, match=says):
        open_cases(data, ["case_00000"], tiny, tmp_path / "store")
    for _ in range(2):  # the second time all is there already; trainings side by side begin with this
        with pytest.warns(InputNote, match=says):
            prepare(data, tmp_path / "prepared", tiny, load_split(data), progress=False)


def test_training_follows_links_to_cases_and_files(tmp_path: Path, data: Path, tiny: Profile) -> None:
    store = tmp_path / "blobs"
    shutil.copytree(data / "case_00000", store / "patient-1")
    (store / "0a1b2c").write_bytes((data / "case_00001/imaging.nii.gz").read_bytes())
    farm = tmp_path / "farm"
    (farm / "case_00001").mkdir(parents=True)
    (farm / "case_00000").symlink_to(store / "patient-1")
    (farm / "case_00001/imaging.nii.gz").symlink_to(store / "0a1b2c")
    (farm / "case_00001/segmentation.nii.gz").symlink_to(data / "case_00001/segmentation.nii.gz")
    names = split_of(farm).train
    cases = open_cases(farm, names, tiny, tmp_path / "store")
    assert [case.name for case in cases] == ["case_00000", "case_00001"]
    direct = open_cases(data, names, tiny, tmp_path / "other")
    assert [case.crc32 for case in cases] == [case.crc32 for case in direct]


@pytest.mark.parametrize(
    "damage",
    [
        {"spacing": "x"}, {"spacing": [1, 2]}, {"spacing": 5.0}, {"spacing": [0, 1, 1]}, {"spacing": [1, 1, "a"]},
        {"split": []}, {"split": {"train": "case_00000", "test": []}}, {"split": {"train": [0], "test": []}},
        {"split": {"train": [["case_00000"]], "test": []}}, {"split": {"train": ["case_00009"], "test": []}},
        {"split": {"train": ["case_00000"], "test": ["case_00000"]}}, {"cases": ["case_00000"]},
    ],
)  # fmt: skip
def test_manifest_of_a_store_with_values_of_another_kind_is_named(
    tmp_path: Path, data: Path, tiny: Profile, damage: dict
) -> None:
    prepare(data, tmp_path / "store", tiny, load_split(data), progress=False)
    file = tmp_path / "store/manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | damage), encoding="utf-8")
    with pytest.raises(InputError, match=r"manifest\.json lacks a part; prepare the cases again\.$"):
        split_of(tmp_path / "store")
    with pytest.raises(InputError, match=r"manifest\.json lacks a part; prepare the cases again\.$"):
        open_store(tmp_path / "store", ["case_00000"], tiny)


@pytest.mark.parametrize(
    "slices",
    [None, [], {"1": []}, {"1": 0, "2": []}, {"1": [-1], "2": []}, {"1": [10**9], "2": []}, {"1": [10**30], "2": []},
     {"1": [0.5], "2": []}, {"1": [[0]], "2": []}, {"1": ["0"], "2": []}, {"1": [True], "2": []}],
)  # fmt: skip
def test_index_of_a_stored_case_that_lists_no_slices_of_it_is_named_or_made_anew(
    tmp_path: Path, data: Path, tiny: Profile, slices: object
) -> None:
    split = load_split(data)
    prepare(data, tmp_path / "store", tiny, split, progress=False)
    file = tmp_path / "store/case_00000.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(whole | {"slices": slices}), encoding="utf-8")
    with pytest.raises(InputError, match=r"is damaged \(an index is not what was written\); prepare it again\.$"):
        open_store(tmp_path / "store", ["case_00000"], tiny)
    prepare(data, tmp_path / "store", tiny, split, progress=False)
    assert json.loads(file.read_text(encoding="utf-8"))["slices"] == whole["slices"]


@pytest.mark.parametrize(
    "damage", [{"step": -1}, {"step": 10**9}, {"step": "1"}, {"log": None}, {"losses": None}, {"seconds": None}]
)
def test_what_a_training_goes_on_from_with_values_of_another_kind_is_named(tmp_path: Path, damage: dict) -> None:
    network = build_model("unet3d", width=1, poolings=1)
    optimizer = torch.optim.AdamW(network.parameters())
    with RunFolder(tmp_path, {"seed": 0}, 5) as run:
        run.about["data"] = "made up"
        run.note(1, 1e-3, 0.5)
        run.save_last(network, optimizer, 1)
        tensors, about = load_checkpoint(tmp_path / LAST)
        assert run.resume(network, optimizer) == 1
        log = about["log"] | {key: value for key, value in damage.items() if key in about["log"]}
        outside = {key: value for key, value in damage.items() if key in about}
        save_checkpoint(tmp_path / LAST, tensors, {**about, "log": log, **outside})
        with pytest.raises(InputError, match=r"last\.safetensors is damaged; remove it, and the same command begins"):
            run.resume(network, optimizer)
