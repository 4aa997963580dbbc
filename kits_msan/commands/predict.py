"""`kits-msan predict`: scans to segmentations."""

import argparse

from kits_msan.commands.options import Command, add_device, add_overwrite, path
from kits_msan.errors import InputError


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input", type=path, metavar="INPUT",
        help="a NIfTI file, a case folder, the folder of a DICOM series, or a folder of these",
    )  # fmt: skip
    command.add_argument(
        "--checkpoint", type=path, action="append", required=True, metavar="C", help="may be repeated"
    )
    command.add_argument("--out", type=path, required=True, metavar="DIR", help="gets DIR/<case>/segmentation.nii.gz")
    command.add_argument(
        "--series", metavar="N", help="number or UID of the DICOM series, where a folder holds several that fit"
    )
    command.add_argument("--no-clean", action="store_true", help="keep islands apart from the two kidneys")
    add_device(command)
    add_overwrite(command)


def _run(args: argparse.Namespace) -> None:
    from kits_msan.data.cases import LABEL, case_name, find_cases, load_case, save_segmentation
    from kits_msan.devices import pick_device
    from kits_msan.files import refuse_results
    from kits_msan.inference import predict, spacing_note
    from kits_msan.networks.checkpoints import load_model

    pick_device(args.device)
    paths = find_cases(args.input)
    names = [case_name(scan) for scan in paths]
    refuse_results(args.out, args.overwrite)
    models = [load_model(checkpoint) for checkpoint in args.checkpoint]
    note = f"The networks expect {spacing_note(models)}.\n"
    failures = []
    for scan, name in zip(paths, names, strict=True):
        try:
            case = load_case(scan, label=False, series=args.series)
            labels = predict(models, case, device=args.device, clean=not args.no_clean)
        except InputError as error:  # the others are still worth having
            failures.append(str(error))
            continue
        save_segmentation(labels, case, args.out / name / LABEL)
        print(f"{note}{args.out / name / LABEL}")
        note = ""  # once, above the list
    if failures:
        raise InputError(" ".join(failures))


PREDICT = Command("predict", "segment scans: several checkpoints vote", _options, _run)
