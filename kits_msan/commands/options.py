"""What the commands share: what a command is, the options that several have, and the words they are written in.

Heavy modules are imported by the command that needs them: `kits-msan --help` should not wait for torch.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from kits_msan.profiles import PROFILES, Profile, get_profile

LARGEST_SEED = 2**31 - 1


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and one line."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


@dataclass(frozen=True)
class Command:
    """A command: its name, its help, what adds its options to a parser, and the function that serves it.

    The help's first part, up to the colon, stands in the list of commands. The function gets the parsed options and
    returns the exit code; None is 0. keeps: a run that was stopped goes on where it was, instead of starting again.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    keeps: bool = True


# ---- options that several commands have ----


def add_profile(command: argparse.ArgumentParser) -> None:
    """Add --profile."""
    names = f"{', '.join(PROFILES)} (default: %(default)s)"
    command.add_argument("--profile", default="laptop", metavar="P", help=names)


def add_cyst(command: argparse.ArgumentParser) -> None:
    """Add --cyst."""
    command.add_argument(
        "--cyst", choices=("kidney", "tumor"),
        help="what the label 3 of KiTS21 and KiTS23 counts as (KiTS19 counts cysts as kidney)",
    )  # fmt: skip


def add_training(command: argparse.ArgumentParser) -> None:
    """Add what says how to train: --profile, --steps (see `profile_of`), split, seed, machine and --overwrite."""
    add_profile(command)
    command.add_argument("--steps", type=positive, metavar="N", help="instead of the profile's number of steps")
    add_split(command)
    add_seed(command)
    add_device(command)
    command.add_argument("--precision", default="auto", help="of training: auto, 32 or bf16 (default: auto)")
    add_overwrite(command)


def add_split(command: argparse.ArgumentParser) -> None:
    """Add --split and --exclude; `excluded` reads the second."""
    command.add_argument(
        "--split", type=path, metavar="FILE",
        help='JSON, {"train": [names], "test": [names]} (default: the data\'s own, else the paper\'s: '
        "cases 0-179 and 180-189)",
    )  # fmt: skip
    command.add_argument(
        "--exclude", default="", metavar="IDS",
        help="cases to leave out: ids such as 15,23, or 2019 for the six usually left out that year",
    )  # fmt: skip


def add_seed(command: argparse.ArgumentParser) -> None:
    """Add --seed."""
    command.add_argument("--seed", type=_seed, default=0, metavar="S", help="same seed, same result (default: 0)")


def add_device(command: argparse.ArgumentParser, cuda: str = "cuda") -> None:
    """Add --device."""
    command.add_argument("--device", default="auto", help=f"auto (a GPU where there is one), cpu, {cuda} or mps")


def add_overwrite(command: argparse.ArgumentParser) -> None:
    """Add --overwrite."""
    command.add_argument("--overwrite", action="store_true", help="replace what the output already holds")


# ---- what they mean ----


def profile_of(args: argparse.Namespace) -> Profile:
    """The profile of --profile, with the steps of --steps."""
    profile = get_profile(args.profile)
    return replace(profile, steps=args.steps) if args.steps else profile


def excluded(args: argparse.Namespace) -> list[int]:
    """The case ids of --exclude."""
    from kits_msan.data.kits19 import parse_cases

    return parse_cases(args.exclude) if args.exclude else []


def path(text: str) -> Path:
    """A path; `~` is the home folder also where the shell leaves it alone, as in --out=~/runs."""
    if not text.strip():  # Path("") is the current folder
        raise argparse.ArgumentTypeError("the name is empty; a variable of the shell may not be set")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~name of someone whom the system does not know
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such home folder") from error


def count(text: str) -> int:
    """A whole number from 0."""
    value = _whole(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is negative")
    return value


def positive(text: str) -> int:
    """A whole number from 1."""
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _seed(text: str) -> int:
    """A whole number from 0 that torch takes, too."""
    value = count(text)
    if value > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{value} is above {LARGEST_SEED}")
    return value


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error
