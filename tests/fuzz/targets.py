"""What is fuzzed: for each kind of file that the package reads, whole examples, and a reader that may only refuse.

Where a target stands for several files, an input's first byte says which of them the rest becomes.
"""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from dicom_files import voxels, write_series
from nifti_files import read_honestly, seed_files

from kits_msan.ablation.results import case_strata, describe_data, load_results
from kits_msan.course.record import RECORD, begin
from kits_msan.data.cases import Case, find_cases, kits_affine, load_case, load_label, save_case
from kits_msan.data.prepare import prepare
from kits_msan.data.slabs import SlabSampler
from kits_msan.data.split import Split, load_split
from kits_msan.data.store import open_store, split_of
from kits_msan.errors import InputError
from kits_msan.inference import spacing_note
from kits_msan.networks.checkpoints import describe_model, load_model, save_model
from kits_msan.networks.registry import build_model
from kits_msan.profiles import SMOKE
from kits_msan.training.logs import read_metrics
from kits_msan.training.runs import RunFolder

TABLES = Path(__file__).parents[2] / "data" / "ablation"
NAMES = ("case_00000", "case_00001")
VOXELS = voxels()[:3, :5, :4]  # small files are read, and changed all over, sooner
PROFILE = replace(SMOKE, grid=(4, 8, 8), width=1, poolings=1, augment="")


@dataclass(frozen=True)
class Target:
    """Inputs to begin with, and what reads one. It returns, or raises InputError in one sentence."""

    seeds: Sequence[bytes]
    read: Callable[[bytes], None]


def nifti(folder: Path) -> Target:
    """A NIfTI file as a scan; its content says whether it is gzip."""
    path = folder / "scan.nii"
    whole = seed_files()

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_honestly(path)

    return Target([*whole, *(gzip.compress(one, mtime=0) for one in whole[:2])], read)


def label(folder: Path) -> Target:
    """A NIfTI file as the label of a scan, or as a prediction beside a truth."""
    image = Case("truth", None, (VOXELS % 3).astype(np.uint8), (3, 1, 1), kits_affine((3, 1, 1)))
    save_case(image, folder / "truth")
    path, truth = folder / "label.nii", folder / "truth"
    affine = kits_affine((3, 1, 1))
    kinds = (np.uint8, np.int16, np.float32)
    seeds = [nib.Nifti1Image((VOXELS % 3).astype(kind), affine).to_bytes() for kind in kinds]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        each(lambda: load_label(path, cyst="kidney"))
        each(lambda: load_label(path, like=truth))  # which would refuse what was refused before

    return Target(seeds, read)


def pair(folder: Path) -> Target:
    """The header of a .hdr and .img, NIfTI's or Analyze's. (MetaImage and NRRD are first read in another process.)"""
    path = folder / "scan.hdr"
    seeds = []
    for kind in (nib.Nifti1Pair, nib.Spm99AnalyzeImage):
        kind(VOXELS.astype(np.int16), np.eye(4)).to_filename(path)
        seeds.append(path.read_bytes())

    def read(content: bytes) -> None:
        path.write_bytes(content)
        each(lambda: load_case(path))

    return Target(seeds, read)


def dicom(folder: Path) -> Target:
    """One file of a DICOM series of three slices. (Compressed slices are decoded in another process.)"""
    write_series(folder / "scan", voxels()[:3])
    path = sorted((folder / "scan").iterdir())[1]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        each(lambda: find_cases(folder), lambda: load_case(folder / "scan"))

    return Target([path.read_bytes(), path.read_bytes()[132:]], read)


def checkpoint(folder: Path) -> Target:
    """A trained network."""
    path = folder / "model.safetensors"
    torch.manual_seed(0)
    model = build_model("unet3d", width=1, poolings=1)
    save_model(path, model, describe_model("unet3d", model, PROFILE))

    def read(content: bytes) -> None:
        path.write_bytes(content)
        each(lambda: spacing_note([load_model(path)]))

    return Target([path.read_bytes()], read)


def split(folder: Path) -> Target:
    """A split file."""
    path = folder / "split.json"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        each(lambda: load_split(NAMES, path).require("train"))

    whole = [{"train": NAMES[:1], "test": NAMES[1:]}, {"train": NAMES[1:], "test": []}]
    return Target([json.dumps(one).encode() for one in whole], read)


def store(folder: Path) -> Target:
    """The files of a prepared store: manifest, index, voxels and labels."""
    for name in NAMES:
        image = np.full((5, 8, 8), -1000, np.int16)
        image[:, 2:6, 2:6] = np.arange(16).reshape(4, 4) * 10 - 100
        save_case(
            Case(name, image, (image > -30).astype(np.uint8), (10, 8, 8), kits_affine((10, 8, 8))),
            folder / "data" / name,
        )
    out = folder / "store"
    prepare(folder / "data", out, PROFILE, Split(NAMES, ()), strict=True, progress=False)
    files = [
        out / name for name in ("manifest.json", f"{NAMES[0]}.json", *sorted(x.name for x in out.glob("*0.*npy")))
    ]

    def draw(_: Path) -> Sequence[Callable[[], object]]:
        return (
            lambda: split_of(out),
            lambda: SlabSampler(open_store(out, NAMES, PROFILE), PROFILE, 0).batch(0),
        )

    return _one_of(files, draw)


def run(folder: Path) -> Target:
    """What a stopped training left: its settings, its checkpoint, its table."""
    torch.manual_seed(0)
    network = build_model("unet3d", width=1, poolings=1)
    config = describe_model("unet3d", network, PROFILE)

    def optimizer() -> torch.optim.Optimizer:
        return torch.optim.AdamW(network.parameters(), 1e-3)

    def open_run() -> RunFolder:
        begun = RunFolder(folder / "run", config, 5)
        begun.about["data"] = "made up"
        return begun

    with open_run() as begun:
        begun.claim()
        steps = optimizer()
        network(torch.zeros(1, 1, 4, 8, 8)).sum().backward()
        steps.step()
        begun.note(1, 1e-3, 0.5)
        begun.save_last(network, steps, 1)

    def go_on(path: Path) -> Sequence[Callable[[], object]]:
        if path.suffix == ".csv":
            return (lambda: read_metrics(path),)
        stopped = open_run()
        return (stopped.is_finished, lambda: stopped.resume(network, optimizer()))

    return _one_of([folder / "run" / name for name in ("config.json", "last.safetensors", "metrics.csv")], go_on)


def results(folder: Path) -> Target:
    """What an ablation, a folder of phantoms and a course note of themselves."""
    (folder / "ablation").mkdir()
    for table in TABLES.glob("*.csv"):
        rows = table.read_text(encoding="utf-8").splitlines()[:4]
        (folder / "ablation" / table.name).write_text("\n".join([*rows, ""]), encoding="utf-8")
    about = json.loads((TABLES / "about.json").read_text(encoding="utf-8"))
    few = {key: value[:2] if isinstance(value, list) else value for key, value in about.items()}
    (folder / "ablation" / "about.json").write_text(json.dumps(few), encoding="utf-8")
    drawn = {"name": NAMES[0], "drawn": {"phase": "portal"}, "scanner": {"slice_mm": 3}}
    made = {"phantom_version": 4, "seed": 0, "cases": [drawn]}
    (folder / "manifest.json").write_text(json.dumps(made), encoding="utf-8")
    parameters = {"profile": "smoke", "seed": 0}
    record = {"parameters": parameters, "done": {"01_data.ipynb": {"hash": "0", "seconds": 1.0}}}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")

    def read(path: Path) -> Sequence[Callable[[], object]]:
        if path.name == RECORD:
            return (lambda: begin(folder, parameters, overwrite=False),)
        if path.name == "manifest.json":
            return (lambda: describe_data(folder, Split(NAMES, ())), lambda: case_strata(folder))
        return (lambda: load_results(folder / "ablation"),)

    tables = [folder / "ablation" / name for name in ("about.json", "scores.csv", "calibration.csv")]
    return _one_of([folder / "manifest.json", folder / RECORD, *tables], read)


def each(*readers: Callable[[], object]) -> None:
    """Call all, even if one refuses; raise the last refusal. AssertionError if one is no sentence."""
    refused = None
    for reader in readers:
        try:
            reader()
        except InputError as error:
            if not str(error).endswith("."):
                raise AssertionError(f"no sentence: {error}") from error
            refused = error
    if refused:
        raise refused


def _one_of(files: Sequence[Path], readers: Callable[[Path], Sequence[Callable[[], object]]]) -> Target:
    """The first byte of an input chooses one of the files; the others stay whole."""
    whole = [file.read_bytes() for file in files]

    def read(content: bytes) -> None:
        which = (content[0] if content else 0) % len(files)
        try:
            files[which].write_bytes(content[1:])
            each(*readers(files[which]))
        finally:
            files[which].write_bytes(whole[which])

    return Target([bytes([number]) + content for number, content in enumerate(whole)], read)
