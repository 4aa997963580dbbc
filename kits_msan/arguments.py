"""The options of the `kits-msan` command, and its help."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from kits_msan import __version__
from kits_msan.profiles import PROFILES

Command = Callable[[argparse.Namespace], int | None]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def build_parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The command line. The parsed arguments have the one of `commands` that was asked for as `run`."""
    parser = _Parser(
        prog="kits-msan",
        description="Kidney and tumor segmentation on CT: the networks of the MSAN paper, on phantoms or on KiTS19.",
        epilog="A first tour, five minutes on two cores:  kits-msan phantom data/demo --cases 10;  "
        "kits-msan train unet3d --data data/demo --steps 200 --out runs/demo;  "
        "kits-msan predict data/demo/case_00009 --checkpoint runs/demo/model.safetensors --out runs/demo-predicted",
    )
    parser.add_argument("--version", action="version", version=f"kits-msan {__version__}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    profiles = f"{', '.join(PROFILES)} (default: %(default)s)"

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = subparsers.add_parser(name, help=text.split(":")[0], description=f"{text[0].upper()}{text[1:]}")
        command.set_defaults(run=commands[name])
        return command

    def add_common(command: argparse.ArgumentParser, *names: str) -> None:
        if "profile" in names:
            command.add_argument("--profile", default="laptop", metavar="P", help=profiles)
        if "steps" in names:
            command.add_argument(
                "--steps", type=_positive, metavar="N", help="instead of the profile's number of steps"
            )
        if "seed" in names:
            command.add_argument(
                "--seed", type=_count, default=0, metavar="S", help="same seed, same result (default: 0)"
            )
        if "device" in names:
            command.add_argument("--device", default="auto", help="auto (a GPU where there is one), cpu, cuda or mps")
        if "split" in names:
            command.add_argument(
                "--split", type=Path, metavar="FILE",
                help='JSON, {"train": [names], "test": [names]} (default: the data\'s own, else the paper\'s: '
                "cases 0-179 and 180-189)",
            )  # fmt: skip
            command.add_argument(
                "--exclude", default="", metavar="IDS",
                help="cases to leave out: ids such as 15,23, or 2019 for the six usually left out that year",
            )  # fmt: skip
        if "overwrite" in names:
            command.add_argument("--overwrite", action="store_true", help="replace what the output already holds")

    command = add("phantom", "make synthetic CT cases: a folder in the layout of KiTS19, with a split.json")
    command.add_argument("out", type=Path, metavar="OUT", help="folder to make")
    command.add_argument(
        "--cases", type=_positive, metavar="N", help="training and test cases in all (default: the profile's)"
    )
    command.add_argument(
        "--test", type=_count, metavar="N", help="how many of them are for test (default: the profile's share)"
    )
    add_common(command, "seed", "profile", "overwrite")

    command = add("download", "fetch cases of KiTS19: goes on where it broke off (licence CC BY-NC-SA 4.0)")
    command.add_argument("--cases", required=True, metavar="IDS", help="ids such as 0-9,15")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/case_00000 and so on")
    command.add_argument("--labels-only", action="store_true", help="without the images, which are 28 GB in all")
    command.add_argument("--image-base", metavar="URL", help="a mirror of the images")
    command.add_argument("--label-base", metavar="URL", help="a mirror of the labels")

    command = add("prepare", "make the store that training draws from: goes on where it was stopped")
    command.add_argument("data", type=Path, metavar="DATA", help="folder of cases, such as `download` makes")
    command.add_argument("--out", type=Path, required=True, metavar="STORE", help="folder of the store")
    command.add_argument("--strict", action="store_true", help="stop at a broken case instead of leaving it out")
    add_common(command, "profile", "split")

    command = add("train", "train one network: a run that was stopped goes on where it was")
    command.add_argument("model", metavar="MODEL", help="unet3d, msan_v1, msan_v1_ds, msan_v2 or msan_v2_ds")
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of cases, or a prepared store; its training part is used",
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="run folder; the network is RUN/model.safetensors"
    )
    command.add_argument("--precision", default="auto", help="auto, 32 or bf16 (default: auto)")
    command.add_argument(
        "--devices", type=_positive, default=1, metavar="N",
        help="processors or GPUs that share each batch (default: 1, or as many as torchrun or srun started)",
    )  # fmt: skip
    command.add_argument(
        "--validate", type=_count, default=0, metavar="N",
        help="training cases to hold out; RUN/best.safetensors is the network that did best on them (default: 0)",
    )  # fmt: skip
    add_common(command, "profile", "steps", "split", "seed", "device", "overwrite")

    command = add("predict", "segment scans: several checkpoints vote")
    command.add_argument(
        "input",
        type=Path,
        metavar="INPUT",
        help="a NIfTI file, a case folder, the folder of a DICOM series, or a folder of these",
    )
    command.add_argument(
        "--checkpoint", type=Path, action="append", required=True, metavar="C", help="may be repeated"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/<case>/segmentation.nii.gz")
    command.add_argument("--no-clean", action="store_true", help="keep islands apart from the two kidneys")
    add_common(command, "device", "overwrite")

    command = add("evaluate", "score segmentations: the official KiTS19 Dice scores, with intervals over cases")
    command.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="folder that `predict` wrote")
    command.add_argument(
        "truth", type=Path, metavar="TRUTH", help="folder with the labels, under the same case names"
    )
    command.add_argument("--out", type=Path, required=True, metavar="scores.csv", help="a row a case")
    command.add_argument(
        "--surface", action="store_true", help="also surface Dice and 95 %% Hausdorff distance (slow)"
    )
    add_common(command, "overwrite")

    command = add("ablation", "the paper's comparison: train or load the five networks, vote, score, tabulate")
    command.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of cases with both parts of a split"
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="DIR",
        help="gets table.md, its figures as CSV, and the runs in seed-0/unet3d and so on; a stopped one goes on",
    )  # fmt: skip
    command.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="load the networks from here instead of training them"
    )
    command.add_argument(
        "--seeds", type=_positive, default=1, metavar="N", help="trainings of each network (default: 1)"
    )
    command.add_argument("--peers", action="store_true", help="also MONAI's DynUNet and SegResNet")
    command.add_argument(
        "--variants", action="store_true", help="also other readings of the attention, Res2Net scales, loss weights"
    )
    command.add_argument(
        "--devices", type=_positive, default=1, metavar="N",
        help="networks trained at once, each on a GPU of its own or on one thread (default: 1)",
    )  # fmt: skip
    add_common(command, "profile", "steps", "split", "seed", "device", "overwrite")

    command = add("course", "run the five notebooks: trains all networks and ends with the paper's table")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets the executed notebooks")
    command.add_argument("--data", type=Path, metavar="DIR", help="folder of cases instead of fresh phantoms")
    command.add_argument("--no-train", action="store_true", help="use the shipped checkpoints")
    add_common(command, "profile", "seed", "device", "overwrite")

    command = add("site", "write the course as pages: they open from disk, without network and Python")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets DIR/index.html and the rest")
    command.add_argument(
        "--run", type=Path, metavar="RUN", dest="course_run",
        help="show the executed notebooks of this course run (default: run the committed ones)",
    )  # fmt: skip
    add_common(command, "overwrite")

    add("doctor", "say whether this machine can run the course: with which profile, in how many minutes")
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
