"""The `kits-msan` command: it parses, refuses and calls the package.

Exit code 0 on success, 2 for bad input (one sentence on stderr), 1 for a notebook that fails or a bug.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from kits_msan import __version__
from kits_msan.errors import InputError
from kits_msan.profiles import PROFILES, get_profile

# Heavy modules are imported by the command that needs them: `kits-msan --help` should not wait for torch.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = build_parser().parse_args(arguments)
    try:
        return args.run(args) or 0
    except InputError as error:
        print(f"kits-msan: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written: the system's word, with the file's name
        print(f"kits-msan: {error.filename or 'the system'}: {error.strerror or error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("kits-msan: stopped; a training goes on from its last checkpoint if started again.", file=sys.stderr)
        return 130


def phantom(args: argparse.Namespace) -> None:
    """Make synthetic cases."""
    from kits_msan.phantom import write_phantoms

    profile = get_profile(args.profile)
    cases = args.cases or profile.train_cases + profile.test_cases
    test = (
        args.test
        if args.test is not None
        else round(cases * profile.test_cases / (profile.train_cases + profile.test_cases))
    )
    write_phantoms(args.out, cases - test, test, args.seed, profile, overwrite=args.overwrite, progress=True)
    print(f"{cases - test} training and {test} test cases in {args.out}")


def train(args: argparse.Namespace) -> None:
    """Train one network."""
    from kits_msan.files import refuse_results
    from kits_msan.training import MODEL, train

    profile = get_profile(args.profile)
    if args.steps:
        profile = replace(profile, steps=args.steps)
    if (args.out / MODEL).exists():
        refuse_results(args.out, args.overwrite)
    train(
        args.model, args.data, profile, args.out, seed=args.seed, device=args.device, precision=args.precision,
        overwrite=args.overwrite,
    )  # fmt: skip
    print(f"trained network in {args.out / MODEL}")


def predict(args: argparse.Namespace) -> None:
    """Segment scans."""
    from kits_msan.cases import LABEL, case_name, find_cases, load_case, save_segmentation
    from kits_msan.checkpoints import load_model
    from kits_msan.devices import pick_device
    from kits_msan.files import refuse_results
    from kits_msan.inference import predict

    pick_device(args.device)
    paths = find_cases(args.input)
    names = [case_name(path) for path in paths]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{args.input} holds two scans named {min(twice)}; rename one.")
    refuse_results(args.out, args.overwrite)
    models = [load_model(path) for path in args.checkpoint]
    failures = []
    for path, name in zip(paths, names, strict=True):
        try:
            case = load_case(path, label=False)
            labels = predict(models, case, device=args.device, clean=not args.no_clean)
        except InputError as error:  # the others are still worth having
            failures.append(str(error))
            continue
        save_segmentation(labels, case, args.out / name / LABEL)
        print(f"{args.out / name / LABEL}")
    if failures:
        raise InputError(" ".join(failures))


def evaluate(args: argparse.Namespace) -> None:
    """Score segmentations."""
    from kits_msan.files import atomic_file
    from kits_msan.metrics import SCORES, bootstrap_interval, score_folders

    if args.out.exists() and not args.overwrite:
        raise InputError(f"{args.out} exists; name another file or add --overwrite.")
    scores = score_folders(args.predictions, args.truth, surface=args.surface)
    with atomic_file(args.out) as temporary:
        scores.to_csv(temporary, index=False, float_format="%.5f")
    for score in SCORES:
        values = 100 * scores[score]
        low, high = bootstrap_interval(values)
        print(f"{score:10} {values.mean():6.2f} [{low:.2f}, {high:.2f}]  n = {values.count()}")


def ablation(args: argparse.Namespace) -> None:
    """Run the paper's comparison."""
    from kits_msan.ablation import run_ablation
    from kits_msan.files import refuse_results

    if (args.out / "scores.csv").exists():
        refuse_results(args.out, args.overwrite)
    run_ablation(
        args.data, get_profile(args.profile), args.out, checkpoints=args.checkpoints, seed=args.seed,
        device=args.device, overwrite=args.overwrite,
    )  # fmt: skip
    print((args.out / "table.md").read_text(encoding="utf-8"))


def course(args: argparse.Namespace) -> int:
    """Run the notebooks."""
    from kits_msan.course import run_course

    return run_course(
        get_profile(args.profile), args.out, device=args.device, seed=args.seed, data=args.data,
        train=not args.no_train, overwrite=args.overwrite,
    )  # fmt: skip


def download(args: argparse.Namespace) -> None:
    """Fetch KiTS19."""
    from kits_msan.download import IMAGE_BASE, LABEL_BASE, download
    from kits_msan.kits19 import parse_cases

    done = download(
        parse_cases(args.cases), args.out, labels_only=args.labels_only,
        image_base=args.image_base or IMAGE_BASE, label_base=args.label_base or LABEL_BASE,
    )  # fmt: skip
    print(f"{len(done)} cases in {args.out}")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def build_parser() -> argparse.ArgumentParser:
    """The command line, with its help."""
    parser = _Parser(
        prog="kits-msan",
        description="Kidney and tumor segmentation on CT: the networks of the MSAN paper, on phantoms or on KiTS19.",
        epilog="A first tour, five minutes on two cores:  kits-msan phantom data/demo --cases 10;  "
        "kits-msan train unet3d --data data/demo --steps 200 --out runs/demo;  "
        "kits-msan predict data/demo/case_00009 --checkpoint runs/demo/model.safetensors --out runs/demo-predicted",
    )
    parser.add_argument("--version", action="version", version=f"kits-msan {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    profiles = f"{', '.join(PROFILES)} (default: %(default)s)"

    def add(name: str, run: Callable[[argparse.Namespace], int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text.split(":")[0], description=f"{text[0].upper()}{text[1:]}")
        command.set_defaults(run=run)
        return command

    def add_common(command: argparse.ArgumentParser, *names: str) -> None:
        if "profile" in names:
            command.add_argument("--profile", default="laptop", metavar="P", help=profiles)
        if "seed" in names:
            command.add_argument(
                "--seed", type=_count, default=0, metavar="S", help="same seed, same result (default: 0)"
            )
        if "device" in names:
            command.add_argument("--device", default="auto", help="auto (a GPU where there is one), cpu, cuda or mps")
        if "overwrite" in names:
            command.add_argument("--overwrite", action="store_true", help="replace what the output already holds")

    command = add("phantom", phantom, "make synthetic CT cases: a folder in the layout of KiTS19, with a split.json")
    command.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    command.add_argument(
        "--cases", type=_positive, metavar="N", help="training and test cases in all (default: the profile's)"
    )
    command.add_argument(
        "--test", type=_count, metavar="N", help="how many of them are for test (default: the profile's share)"
    )
    add_common(command, "seed", "profile", "overwrite")

    command = add("download", download, "fetch cases of KiTS19: goes on where it broke off (licence CC BY-NC-SA 4.0)")
    command.add_argument("--cases", required=True, metavar="IDS", help="ids such as 0-9,15")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/case_00000 and so on")
    command.add_argument("--labels-only", action="store_true", help="without the images, which are 28 GB in all")
    command.add_argument("--image-base", metavar="URL", help="a mirror of the images")
    command.add_argument("--label-base", metavar="URL", help="a mirror of the labels")

    command = add("train", train, "train one network: a run that was stopped goes on where it was")
    command.add_argument("model", metavar="MODEL", help="unet3d, msan_v1, msan_v1_ds, msan_v2 or msan_v2_ds")
    command.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of cases; its training part is used"
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="run folder; the network is RUN/model.safetensors"
    )
    command.add_argument("--steps", type=_positive, metavar="N", help="instead of the profile's number of steps")
    command.add_argument("--precision", default="auto", help="auto, 32 or bf16 (default: auto)")
    add_common(command, "profile", "seed", "device", "overwrite")

    command = add("predict", predict, "segment scans: several checkpoints vote")
    command.add_argument("input", type=Path, metavar="INPUT", help="a NIfTI file, a case folder or a folder of cases")
    command.add_argument(
        "--checkpoint", type=Path, action="append", required=True, metavar="C", help="may be repeated"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/<case>/segmentation.nii.gz")
    command.add_argument("--no-clean", action="store_true", help="keep islands apart from the two kidneys")
    add_common(command, "device", "overwrite")

    command = add(
        "evaluate", evaluate, "score segmentations: the official KiTS19 Dice scores, with intervals over cases"
    )
    command.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="folder that `predict` wrote")
    command.add_argument(
        "truth", type=Path, metavar="TRUTH", help="folder with the labels, under the same case names"
    )
    command.add_argument("--out", type=Path, required=True, metavar="scores.csv", help="a row a case")
    command.add_argument(
        "--surface", action="store_true", help="also surface Dice and 95 %% Hausdorff distance (slow)"
    )
    add_common(command, "overwrite")

    command = add(
        "ablation", ablation, "the paper's comparison: train or load the five networks, vote, score, tabulate"
    )
    command.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of cases with both parts of a split"
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets scores.csv, table.md and the runs"
    )
    command.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="load the five from here instead of training them"
    )
    add_common(command, "profile", "seed", "device", "overwrite")

    command = add("course", course, "run the five notebooks: trains all networks and ends with the paper's table")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets the executed notebooks")
    command.add_argument("--data", type=Path, metavar="DIR", help="folder of cases instead of fresh phantoms")
    command.add_argument("--no-train", action="store_true", help="use the shipped checkpoints")
    add_common(command, "profile", "seed", "device", "overwrite")
    return parser


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error


def _count(text: str) -> int:
    value = _whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def _positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
