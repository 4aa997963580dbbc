"""`kits-msan phantom`, `download` and `prepare`: cases made, fetched, and brought into a store."""

import argparse

from kits_msan.commands.options import Command, add_path, add_these, count, excluded, positive
from kits_msan.commands.output import complain
from kits_msan.errors import InputError
from kits_msan.profiles import get_profile


def _phantom_options(command: argparse.ArgumentParser) -> None:
    add_path(command, "out", "OUT", "folder to make")
    command.add_argument(
        "--cases", type=positive, metavar="N", help="training and test cases in all (default: the profile's)"
    )
    command.add_argument(
        "--test", type=count, metavar="N", help="how many of them are for test (default: the profile's share)"
    )
    add_these(command, "--seed", "--profile", "--overwrite")


def _phantom(args: argparse.Namespace) -> None:
    from kits_msan.phantom import write_phantoms

    profile = get_profile(args.profile)
    cases = args.cases or profile.train_cases + profile.test_cases
    share = profile.test_cases / (profile.train_cases + profile.test_cases)
    test = args.test if args.test is not None else round(cases * share)
    write_phantoms(args.out, cases - test, test, args.seed, profile, overwrite=args.overwrite, progress=True)
    print(f"{cases - test} training and {test} test cases in {args.out}")


def _download_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cases", required=True, metavar="IDS", help="ids such as 0-9,15")
    add_path(command, "--out", "DIR", "gets DIR/case_00000 and so on", required=True)
    command.add_argument("--labels-only", action="store_true", help="without the images, which are 28 GB in all")
    command.add_argument("--image-base", metavar="URL", help="a mirror of the images")
    command.add_argument("--label-base", metavar="URL", help="a mirror of the labels")


def _download(args: argparse.Namespace) -> None:
    from kits_msan.data.download import IMAGE_BASE, LABEL_BASE, download
    from kits_msan.data.kits19 import parse_cases

    bases = args.image_base or IMAGE_BASE, args.label_base or LABEL_BASE
    done = download(parse_cases(args.cases), args.out, args.labels_only, *bases)
    print(f"{len(done)} case{'s' * (len(done) != 1)} in {args.out}")


def _prepare_options(command: argparse.ArgumentParser) -> None:
    add_path(command, "data", "DATA", "folder of cases, such as `download` makes")
    add_path(command, "--out", "STORE", "folder of the store", required=True)
    command.add_argument("--strict", action="store_true", help="stop at a broken case instead of leaving it out")
    add_these(command, "--profile", "--split", "--exclude", "--cyst")


def _prepare(args: argparse.Namespace) -> None:
    from kits_msan.data.split import load_split

    split = load_split(args.data, args.split, excluded(args))
    from kits_msan.data.prepare import prepare  # with torch, which takes a second

    left_out = prepare(args.data, args.out, get_profile(args.profile), split, strict=args.strict, cyst=args.cyst)
    for name, reason in left_out.items():
        complain(f"{name} is left out: {reason}")
    cases = len(split.train) + len(split.test)
    stored = cases - len(left_out)
    print(f"{stored} case{'s' * (stored != 1)} in {args.out}")
    if left_out:
        raise InputError(
            f"{len(left_out)} of {cases} cases are left out, for the reasons above; the store holds the others and "
            "can be used as it is."
        )


PHANTOM = Command(
    "phantom", "make synthetic CT cases: a folder in the layout of KiTS19, with a split.json",
    _phantom_options, _phantom, keeps=False,
)  # fmt: skip
DOWNLOAD = Command(
    "download", "fetch cases of KiTS19: goes on where it broke off (licence CC BY-NC-SA 4.0)",
    _download_options, _download,
)  # fmt: skip
PREPARE = Command(
    "prepare", "make the store that training draws from: goes on where it was stopped", _prepare_options, _prepare
)
