"""`kits-msan predict`: scans to segmentations."""

import argparse
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kits_msan.commands.options import Command, add_path, word
from kits_msan.commands.output import complain
from kits_msan.commands.system_errors import is_memory_error, memory_sentence, system_sentence
from kits_msan.errors import InputError, first_of, note


def _options(command: argparse.ArgumentParser) -> None:
    add_path(
        command, "input", "INPUT",
        "a NIfTI file, a case folder, the folder of a DICOM series, or a folder of these",
    )  # fmt: skip
    add_path(
        command, "--checkpoint", "C", action="append", required=True,
        help="a trained network, the folder of its run, or a folder of several, which vote; may be repeated",
    )  # fmt: skip
    add_path(
        command, "--out", "DIR", required=True,
        help="gets DIR/<case>/segmentation.nii.gz; a case that is done, by these networks, is left as it is",
    )  # fmt: skip
    command.add_argument(
        "--series", type=word, metavar="N",
        help="number or UID of the DICOM series, where a folder holds several that fit",
    )  # fmt: skip
    command.add_argument("--no-clean", action="store_true", help="keep islands apart from the two kidneys")
    command.add_argument(
        "--device", default="auto", help="auto (a GPU where there is one), cpu, cuda (cuda:1 is the second) or mps"
    )
    command.add_argument(
        "--overwrite", action="store_true", help="remove what `predict` wrote there of other scans or networks"
    )


def _run(args: argparse.Namespace) -> None:
    from kits_msan.commands.earlier import networks_id
    from kits_msan.data.cases import case_name, find_cases, refuse_no_series
    from kits_msan.locks import only_user

    paths = find_cases(args.input)
    if args.series is not None:  # before older results are removed: none of these scans could replace them
        for scan in paths:
            with suppress(PermissionError):  # the reason is given when its turn comes
                refuse_no_series(scan)
    from kits_msan.devices import pick_device  # with torch, which takes a second
    from kits_msan.inference import spacing_note
    from kits_msan.networks.checkpoints import checkpoint_files, load_model

    pick_device(args.device, numbered=True)
    names = [case_name(scan) for scan in paths]
    scans = dict(zip(names, paths, strict=True))
    checkpoints = [file for given in args.checkpoint for file in checkpoint_files(given)]
    loaded = {file: load_model(file) for file in checkpoints}
    checkpoints = _each_once(checkpoints)
    models = [loaded[file] for file in checkpoints]
    _say_what_was_trained_on(names, checkpoints)
    networks_are = f"The networks expect {spacing_note(models)}."
    if len(models) > len(args.checkpoint):  # a folder was named
        networks_are = f"{len(models)} networks vote: {', '.join(model.name for model in models)}. {networks_are}"
    networks = networks_id(checkpoints, not args.no_clean)
    done, old = _sort_out(scans, args.series, args.out, networks, args.overwrite)
    with only_user(args.out, "kits-msan predict"):
        _clear(args.out, old)
        args.overwrite = False  # all that is there now is of these networks
        if done:
            print(f"{len(done)} of {len(scans)} scans are done already.")
        failed = 0
        for name, scan in scans.items():
            if name in done:
                continue
            try:
                target = _segment(models, scan, args.out / name, networks, args)
            except Exception as error:  # the others are still worth having
                if (sentence := _sentence(error, scan)) is None:
                    raise
                if len(scans) == 1:
                    raise InputError(sentence) from error
                complain(sentence)
                failed += 1
            else:
                if networks_are:
                    print(networks_are)
                    networks_are = ""  # once, above the list
                print(target)
    if failed:
        raise InputError(
            f"{failed} of {len(scans)} scans failed, for the reasons above; the others are in {args.out}."
        )


def _each_once(checkpoints: Sequence[Path]) -> list[Path]:
    """The checkpoints without those that are there already: a network has one vote."""
    from kits_msan.networks.checkpoints import digest

    kept: dict[str, Path] = {}
    if again := [str(file) for file in checkpoints if kept.setdefault(digest(file), file) is not file]:
        how_many = "1 network votes" if len(kept) == 1 else f"{len(kept)} networks vote"
        note(f"{first_of(again)} came before, with the same weights, and has no second vote; {how_many}.")
    return list(kept.values())


def _say_what_was_trained_on(names: Sequence[str], checkpoints: Sequence[Path]) -> None:
    """By names alone, and so no more than a note: phantoms have names of KiTS19's, too."""
    from kits_msan.networks.checkpoints import load_about

    told = [load_about(file) for file in checkpoints]
    learned = {str(case) for about in told for key in ("cases", "validation") for case in about.get(key) or []}
    if both := sorted(learned & set(names)):
        networks = "this network was" if len(checkpoints) == 1 else "these networks were"
        note(
            f"{len(both)} of {len(names)} scans have names of cases that {networks} trained on ({first_of(both)}); "
            "if they are the same patients, their scores are too good; `evaluate --split` scores test cases alone."
        )


def _sort_out(
    scans: dict[str, Path], series: str | None, out: Path, networks: str, overwrite: bool
) -> tuple[set[str], Sequence[str]]:
    """What is done, and what is old: names of results of these scans and networks, and of all others of `predict`.

    Raises InputError, with `overwrite` too, where something would be lost that `predict` did not write; and without
    it where results would be mixed.
    """
    from kits_msan.commands.earlier import Mark, marked, refuse_target, scan_id
    from kits_msan.files import refuse_results

    for name, scan in scans.items():
        refuse_target(out, name, scan)
    marks = dict(marked(out))
    refuse_results(out, overwrite or bool(marks))
    done, unknown = set(), set()
    for name, scan in scans.items():
        try:
            if name in marks and marks[name] == Mark(scan_id(scan, series), networks):
                done.add(name)
        except OSError:  # its segmentation stays, and the reason is given when its turn comes
            unknown.add(name)
    mixed = [
        name
        for name, mark in marks.items()
        if mark.networks != networks or (name in scans and name not in done | unknown)
    ]
    if mixed and not overwrite:
        raise InputError(
            f"{out / mixed[0]} holds the segmentation of another scan or by other networks; name another folder or "
            "add --overwrite."
        )
    return done, [name for name in marks if name not in done | unknown] if overwrite else []


def _clear(out: Path, old: Sequence[str]) -> None:
    """Remove old results, and what a killed process left half-written."""
    from kits_msan.data.cases import LABEL
    from kits_msan.files import remove_empty, remove_left_over

    for name in old:
        (out / name / LABEL).unlink()
        remove_empty([out / name])
    if old:
        what = "segmentation was" if len(old) == 1 else "segmentations were"
        print(f"{len(old)} older {what} removed from {out}.")
    for folder in out.glob("*/"):
        remove_left_over(folder)


def _segment(models: Sequence, scan: Path, folder: Path, networks: str, args: argparse.Namespace) -> Path:
    from kits_msan.commands.earlier import Mark, save_marked, scan_id
    from kits_msan.data.cases import LABEL, load_case
    from kits_msan.inference import predict

    case = load_case(scan, label=False, series=args.series)  # first, since it says what is wrong with the file
    mark = Mark(scan_id(scan, args.series), networks)
    labels = predict(models, case, device=args.device, clean=not args.no_clean)
    if not labels.any():
        note(f"no kidney was found in {scan}; look at the scan, and whether its HU and its spacing are right.")
    save_marked(labels, case, folder / LABEL, mark)
    return folder / LABEL


def _sentence(error: Exception, scan: Path) -> str | None:
    """What went wrong with this scan, for a person; None for a bug."""
    if isinstance(error, InputError):
        return str(error)
    if is_memory_error(error):
        remedy = "use a machine with more of it, or cut the scan to the abdomen"
        if "CUDA" in str(error) or "MPS" in str(error):
            remedy = "or add --device cpu"
        return f"{scan}: {memory_sentence(error)}; close other programs, {remedy}."
    return system_sentence(error)


PREDICT = Command("predict", "segment scans: several checkpoints vote; goes on where it was stopped", _options, _run)
