"""A folder that holds a finished training, or something else: loaded, refused, or overwritten on demand."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import kits_msan.training.loop
from kits_msan.ablation.trained import refuse_other_runs
from kits_msan.cli import main
from kits_msan.data.cases import IMAGE, LABEL
from kits_msan.data.prepare import prepare
from kits_msan.data.split import Split, load_split
from kits_msan.devices import Machine
from kits_msan.errors import InputError
from kits_msan.networks.checkpoints import FORMAT, LAST, MODEL, load_checkpoint, load_model
from kits_msan.networks.registry import build_model
from kits_msan.profiles import Profile
from kits_msan.training.logs import EVENTS
from kits_msan.training.loop import train
from kits_msan.training.processes import build_fabric
from kits_msan.training.runs import CONFIG, STORE, RunFolder


@pytest.fixture(scope="module")
def finished(store: Path, tiny: Profile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training."""
    folder = tmp_path_factory.mktemp("finished")
    train("unet3d", store, tiny, folder / "run", progress=False)
    return folder / "run"


def test_a_finished_run_is_loaded_not_repeated(
    data: Path, finished: Path, tmp_path: Path, tiny: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    monkeypatch.setattr(kits_msan.training.loop, "SlabSampler", lambda *_: pytest.fail("it trains again"))
    monkeypatch.setattr(RunFolder, "claim", lambda *_: pytest.fail("it wants to write, where it may not"))
    again = train("unet3d", data, tiny, run, progress=False).state_dict()
    before = load_model(finished / MODEL).state_dict()
    assert again.keys() == before.keys()
    assert all(torch.equal(again[name], before[name]) for name in before)


@pytest.mark.parametrize(("well", "damage"), [(0, CONFIG), (3, LAST)])  # what the first has told before it fails
def test_what_all_processes_see_in_a_folder_the_first_says(
    store: Path,
    finished: Path,
    tmp_path: Path,
    tiny: Profile,
    monkeypatch: pytest.MonkeyPatch,
    well: int,
    damage: str,
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / MODEL).unlink()
    (run / damage).write_text("damaged", encoding="utf-8")
    told = iter([*well * [None], InputError("the first's")])

    class Second:
        """The second of two processes."""

        world_size, global_rank, is_global_zero = 2, 1, False
        fabric = build_fabric(Machine("cpu", "32"))

        def __getattr__(self, name: str) -> object:
            return getattr(self.fabric, name)

        def broadcast(self, _: object) -> InputError | None:
            return next(told)

    monkeypatch.setattr(kits_msan.training.loop, "build_fabric", lambda *_: Second())
    with pytest.raises(InputError, match="the first's") as caught:
        train("unet3d", store, tiny, run, progress=False)
    assert getattr(caught.value, "said_by_first")  # noqa: B009


def test_the_same_command_again_says_that_it_is_done(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"train unet3d --data {store} --profile smoke --out run"
    assert main(line.split()) == 0
    before = Path("run", MODEL).read_bytes()
    assert capsys.readouterr().out == f"trained network in {Path('run', MODEL)}\n"
    assert main(line.split()) == 0
    assert capsys.readouterr().out == f"done already: trained network in {Path('run', MODEL)}\n"
    for other in ("--seed 1", "--steps 7"):
        assert main(f"{line} {other}".split()) == 2
        assert "run holds a run with another" in capsys.readouterr().err
    assert Path("run", MODEL).read_bytes() == before


@pytest.mark.usefixtures("locks_of_windows")
def test_bad_input_leaves_no_folder_on_windows_either(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "new" / "run", {}, 5) as folder:
        folder.claim()
        with pytest.raises(InputError), folder.left_on_bad_input():
            raise InputError("bad")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"name": "msan_v1"}, "model"),
        ({"seed": 1}, "seed"),
        ({"steps": 7}, "number of steps"),
        ({"width": 2}, "width in its profile"),
    ],
)
def test_run_with_other_settings_is_refused_or_overwritten(
    store: Path, finished: Path, tmp_path: Path, tiny: Profile, change: dict, word: str
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    name, seed = change.get("name", "unet3d"), change.get("seed", 0)
    profile = replace(tiny, **{key: value for key, value in change.items() if key in ("steps", "width")})
    with pytest.raises(InputError, match=f"holds a run with another {word}.*--overwrite"):
        train(name, store, profile, run, seed=seed, progress=False)
    assert {path.name: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    train(name, store, profile, run, seed=seed, overwrite=True, progress=False)
    assert (run / MODEL).read_bytes() != before[MODEL]
    assert json.loads((run / CONFIG).read_text(encoding="utf-8"))["seed"] == seed


def test_folder_with_something_else_in_it_is_refused(data: Path, tmp_path: Path, tiny: Profile) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="already holds results"):
        train("unet3d", data, tiny, tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", [f"{EVENTS}/notes.txt", f"{STORE}/case_00000.json"])
def test_folders_of_others_are_not_overwritten(store: Path, tmp_path: Path, tiny: Profile, name: str) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="holds something that is no run of this program"):
        train("unet3d", store, tiny, tmp_path, overwrite=True, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == [Path(name).parent.name]


def test_only_own_files_are_removed(finished: Path, store: Path, tmp_path: Path, tiny: Profile) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    (run / ".tmp").mkdir()
    names = [f"{EVENTS}/notes.txt", ".tmp_notes.txt", ".tmp/model"]
    for name in names:
        (run / name).touch()
    old = set((run / EVENTS).glob("events.*"))
    train("unet3d", store, tiny, run, seed=1, overwrite=True, progress=False)
    assert all((run / name).is_file() for name in names)
    assert old
    assert not any(file.exists() for file in old)


def test_a_finished_run_of_other_data_is_not_taken(
    store: Path, data: Path, finished: Path, tmp_path: Path, tiny: Profile
) -> None:
    run, own = shutil.copytree(finished, tmp_path / "run"), Path(shutil.copytree(data, tmp_path / "data"))
    train("unet3d", store, tiny, run, progress=False)  # the same cases
    shutil.copy(own / "case_00000" / LABEL, own / "case_00001" / LABEL)
    other = tmp_path / "other"
    prepare(own, other, tiny, load_split(own), progress=False)
    with pytest.raises(InputError, match="holds a finished run that began with other training data"):
        train("unet3d", other, tiny, run, progress=False)


def test_data_that_cannot_be_read_costs_no_finished_run(
    data: Path, finished: Path, tmp_path: Path, tiny: Profile
) -> None:
    run, own = shutil.copytree(finished, tmp_path / "run"), Path(shutil.copytree(data, tmp_path / "data"))
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    file = own / "case_00001" / IMAGE
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(InputError, match="case_00001"):
        train("unet3d", own, tiny, run, seed=1, overwrite=True, progress=False)
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_run_from_other_weights_is_not_gone_on_without_them(
    store: Path, finished: Path, tmp_path: Path, tiny: Profile
) -> None:
    train("unet3d", store, tiny, tmp_path / "run", start=finished, progress=False)
    assert load_checkpoint(tmp_path / "run" / MODEL)[1]["started_from"]["model"] == "unet3d"
    with pytest.raises(InputError, match=r"with another network to start from \(--start-from\)"):
        train("unet3d", store, tiny, tmp_path / "run", progress=False)


def test_a_run_from_before_a_setting_was_made_is_gone_on_with(
    store: Path, finished: Path, tmp_path: Path, tiny: Profile
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    config = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    del config["profile"]["smooth"]
    (run / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    before = (run / MODEL).read_bytes()
    train("unet3d", store, tiny, run, progress=False)
    refuse_other_runs([run], tiny, Split(tuple(config["cases"]), ()))
    assert (run / MODEL).read_bytes() == before
    with pytest.raises(InputError, match=r"another smooth in its profile \(1.0, not 1e-05\)"):
        train("unet3d", store, replace(tiny, smooth=1e-5), run, progress=False)


def test_a_checkpoint_with_nan_is_not_gone_on_from(tmp_path: Path) -> None:
    """Earlier versions wrote such."""
    network = build_model("unet3d", width=4, poolings=2)
    optimizer, folder = torch.optim.AdamW(network.parameters()), RunFolder(tmp_path, {"data": "these"}, 5)
    folder.save_last(network, optimizer, 3)
    assert folder.resume(network, optimizer) == 3
    tensors, about = load_checkpoint(tmp_path / LAST)
    next(iter(tensors.values()))[0] = torch.nan
    save_file(tensors, tmp_path / LAST, {"format": FORMAT, "about": json.dumps(about)})
    with pytest.raises(InputError, match=r"last\.safetensors is damaged; remove it"):
        folder.resume(network, optimizer)
