import json
import os
import shutil
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kits_msan.cli import main
from kits_msan.data.cases import IMAGE, LABEL, load_case
from kits_msan.data.prepare import open_cases, prepare
from kits_msan.data.split import Split, load_split
from kits_msan.data.store import MANIFEST, is_store, split_of
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import MODEL
from kits_msan.profiles import Profile
from kits_msan.training.loop import train

NAMES = [f"case_{number:05d}" for number in range(4)]


@pytest.fixture
def made(data: Path, tmp_path: Path, tiny: Profile) -> Path:
    prepare(data, tmp_path / "store", tiny, load_split(data), progress=False)
    return tmp_path / "store"


def snapshot(store: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in store.glob("case_*")}


def test_store_holds_every_case_of_the_split(data: Path, made: Path, tiny: Profile) -> None:
    assert is_store(made)
    assert not is_store(data)
    assert split_of(made) == load_split(data)
    manifest = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
    assert list(manifest["cases"]) == NAMES
    assert manifest["left_out"] == {}
    for case in open_cases(made, NAMES, tiny, made / "unused"):
        wanted = load_case(data / case.name)  # its spacing is the profile's
        assert isinstance(case.image, np.memmap)
        np.testing.assert_array_equal(case.image, wanted.image)
        np.testing.assert_array_equal(case.label, wanted.label)
    assert not (made / "unused").exists()


def test_training_from_the_store_alone_equals_training_from_the_cases(
    own: Path, tmp_path: Path, tiny: Profile
) -> None:
    prepare(own, tmp_path / "store", tiny, load_split(own), progress=False)
    options: dict[str, Any] = {"machine": Machine("cpu", "32"), "progress": False}
    from_cases = train("unet3d", own, tiny, tmp_path / "a", **options)
    shutil.rmtree(own)
    from_store = train("unet3d", tmp_path / "store", tiny, tmp_path / "b", **options)
    assert not (tmp_path / "b" / "store").exists()
    for key, tensor in from_cases.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), from_store.state_dict()[key].numpy())
    assert (
        json.loads((tmp_path / "b" / "config.json").read_text(encoding="utf-8"))["cases"] == NAMES[:3]
    )  # the training part


def test_other_splits_and_exclusions_of_a_store(made: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text(json.dumps({"train": NAMES[2:], "test": NAMES[:1]}), encoding="utf-8")
    assert split_of(made, split) == Split(tuple(NAMES[2:]), (NAMES[0],))
    assert split_of(made, split, [2]) == Split((NAMES[3],), (NAMES[0],))
    assert split_of(made, exclude=[0, 3]) == Split(tuple(NAMES[1:3]), ())


def test_training_that_would_see_a_test_case_is_refused(made: Path, tmp_path: Path, tiny: Profile) -> None:
    both = Split(tuple(NAMES), (NAMES[3],))
    with pytest.raises(InputError, match="training would see case_00003"):
        train("unet3d", made, tiny, tmp_path / "run", split=both, progress=False)
    assert not (tmp_path / "run").exists()


def test_what_is_there_is_not_made_again(data: Path, made: Path, tiny: Profile) -> None:
    before = snapshot(made)
    prepare(data, made, tiny, load_split(data), progress=False)
    assert snapshot(made) == before


def test_changed_half_written_and_dropped_cases(own: Path, tmp_path: Path, tiny: Profile) -> None:
    store = tmp_path / "store"
    prepare(own, store, tiny, load_split(own), progress=False)
    before = snapshot(store)
    shutil.copy(own / NAMES[3] / IMAGE, own / NAMES[0] / IMAGE)
    (store / f"{NAMES[2]}.json").unlink()
    (store / f"{NAMES[2]}.image.npy").write_bytes(b"half")
    shutil.rmtree(own / NAMES[3])
    kept = [NAMES[0], NAMES[2]]
    prepare(own, store, tiny, Split((*kept, NAMES[1]), ()), progress=False)
    after = snapshot(store)
    assert {name.partition(".")[0] for name in after} == {*NAMES[:3]}
    assert {name.partition(".")[0] for name in after if after[name] != before[name]} == {*kept}
    for case in open_cases(store, kept, tiny, store):
        np.testing.assert_array_equal(case.image, load_case(own / case.name).image)


def test_another_spacing_makes_everything_anew(data: Path, made: Path, tiny: Profile) -> None:
    coarse = replace(tiny, spacing=(20.0, 16.0, 16.0))
    with pytest.raises(InputError, match=r"prepared at a spacing of 10 x 8 x 8 mm, but .* trains at 20 x 16 x 16 mm"):
        open_cases(made, NAMES, coarse, made)
    with pytest.raises(InputError, match="trains at each scan's own"):
        open_cases(made, NAMES, replace(tiny, spacing=None), made)
    prepare(data, made, coarse, load_split(data), progress=False)
    assert open_cases(made, NAMES[:1], coarse, made)[0].image.shape == (6, 18, 17)


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "copied"])
def test_damaged_store_is_never_used(data: Path, made: Path, tiny: Profile, damage: str) -> None:
    file = made / f"{NAMES[1]}.image.npy"
    content = bytearray(file.read_bytes())
    if damage == "flipped":
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-2])
    elif damage == "gone":
        file.unlink()
    else:  # with another time, but the same bytes
        os.utime(file, ns=(5, 5))
        assert len(open_cases(made, NAMES, tiny, made)) == 4
        return
    with pytest.raises(InputError, match=r"is damaged .case_00001 is not what its manifest says.; prepare it again"):
        open_cases(made, NAMES, tiny, made)
    prepare(data, made, tiny, load_split(data), progress=False)
    np.testing.assert_array_equal(open_cases(made, NAMES, tiny, made)[1].image, load_case(data / NAMES[1]).image)


def test_store_of_another_version_is_refused(made: Path, tiny: Profile) -> None:
    manifest = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
    (made / MANIFEST).write_text(json.dumps({**manifest, "store_version": 1}), encoding="utf-8")
    for function in (lambda: split_of(made), lambda: open_cases(made, NAMES, tiny, made)):
        with pytest.raises(InputError, match="prepared by another version"):
            function()


@pytest.mark.slow
def test_killed_run_goes_on_and_is_no_store_until_it_is_done(data: Path, tmp_path: Path, tiny: Profile) -> None:
    store = tmp_path / "store"
    code = (
        "import sys, time, kits_msan.data.prepare as s\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from kits_msan.data.split import load_split\nfrom kits_msan.profiles import SMOKE\n"
        "write, data = s.write_array_header_1_0, Path(sys.argv[1])\n"
        "def slow(*arguments):\n    write(*arguments)\n"
        "    if list(Path(sys.argv[2]).glob('case_00001.image*')): time.sleep(60)\n"
        "s.write_array_header_1_0 = slow\n"
        "s.prepare(data, Path(sys.argv[2]), SMOKE, load_split(data), progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(data), str(store)])
    until = time.monotonic() + 120
    while not list(store.glob("case_00001.image.npy")) and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.2)  # now it is in the middle of a file
    process.kill()
    process.wait()
    assert list(store.glob(".tmp-*"))
    with pytest.raises(InputError, match="half-built store; run `kits-msan prepare` again"):
        train("unet3d", store, tiny, tmp_path / "run", progress=False)
    before = snapshot(store)
    prepare(data, store, tiny, load_split(data), progress=False)
    after = snapshot(store)
    assert {name for name in before if name.startswith(NAMES[0])} == {
        name for name in before if after[name] == before[name] and name.startswith(NAMES[0])
    }  # the first was whole, and stays
    assert not list(store.glob(".tmp-*"))
    for case in open_cases(store, NAMES, tiny, store):
        np.testing.assert_array_equal(case.image, load_case(data / case.name).image)


def test_broken_case_is_named_and_left_out(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = own / NAMES[1] / IMAGE
    file.write_bytes(file.read_bytes()[:-100])
    (own / NAMES[3] / LABEL).unlink()
    command = ["prepare", str(own), "--profile", "smoke", "--out", str(tmp_path / "store")]
    assert main([*command, "--strict"]) == 2
    assert "case_00001" in capsys.readouterr().err
    assert not (tmp_path / "store" / MANIFEST).exists()
    assert main(command) == 2  # and yet the store is whole
    shown = capsys.readouterr()
    assert f"2 cases in {tmp_path / 'store'}" in shown.out
    assert f"case_00001 is left out: {file} is truncated or damaged" in shown.err
    assert "case_00003 is left out" in shown.err
    assert "2 of 4 cases are left out, for the reasons above" in shown.err
    assert split_of(tmp_path / "store") == Split((NAMES[0], NAMES[2]), ())
    assert json.loads((tmp_path / "store" / MANIFEST).read_text(encoding="utf-8"))["left_out"].keys() == {
        *NAMES[1::2]
    }


def test_command_prepares_and_trains(data: Path, tmp_path: Path) -> None:
    store, run = str(tmp_path / "store"), tmp_path / "run"
    assert main(["prepare", str(data), "--profile", "smoke", "--out", store]) == 0
    train_it = ["train", "unet3d", "--data", store, "--profile", "smoke", "--steps", "1", "--device", "cpu"]
    assert main([*train_it, "--exclude", "0,1", "--out", str(run)]) == 0
    assert (run / MODEL).exists()
    assert json.loads((run / "config.json").read_text(encoding="utf-8"))["cases"] == [NAMES[2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("prepare absent --out OUT", "absent does not exist"),
        ("prepare DATA --out DATA", "holds something that is no store"),
        ("prepare DATA --out OUT --exclude x", "'x' in 'x' is not a case"),
        ("prepare DATA --out OUT --split absent", "absent cannot be read"),
        ("prepare DATA --out OUT --exclude 0-209", "the split leaves no train case"),
        ("ablation --data STORE --out OUT", "STORE is a store, but test cases are scored as scanned"),
        ("train unet3d --data STORE --out OUT", "prepared at a spacing of 10 x 8 x 8 mm, but profile laptop"),
    ],
)
def test_bad_arguments(
    data: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    places = {"DATA": str(data), "STORE": str(made), "OUT": str(tmp_path / "out")}
    assert main([places.get(word, word) for word in arguments.split()]) == 2
    error = capsys.readouterr().err
    assert message.replace("STORE", str(made)) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("[!.]*"))


def test_disk_that_is_too_small_is_told_before_anything_is_written(
    data: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    voxels = 12 * 36 * 34
    usage = types.SimpleNamespace(free=4 * voxels * 3 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"has 176\.3 kB free, but about 176\.3 kB are needed"):
        prepare(data, tmp_path / "store", tiny, load_split(data))
    assert not (tmp_path / "store").exists()
    usage.free += 1
    prepare(data, tmp_path / "store", tiny, load_split(data), progress=False)
    usage.free = 0  # nothing is to be written
    prepare(data, tmp_path / "store", tiny, load_split(data), progress=False)
