"""What the commands share: what a command is, the options that several have, and the words they are written in.

Heavy modules are imported by the command that needs them: `kits-msan --help` should not wait for torch.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from kits_msan.profiles import PROFILES, Profile, get_profile

LARGEST = 2**31 - 1  # seed that torch takes


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


def profile_of(args: argparse.Namespace) -> Profile:
    """The profile of --profile, with the steps of --steps."""
    profile = get_profile(args.profile)
    return replace(profile, steps=args.steps) if args.steps else profile


def excluded(args: argparse.Namespace) -> list[int]:
    """The case ids of --exclude."""
    from kits_msan.data.kits19 import parse_cases

    return parse_cases(args.exclude) if args.exclude else []


def word(text: str) -> str:
    """A text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty; a variable of the shell may not be set")
    return text


def path(text: str) -> Path:
    """A path; `~` is the home folder also where the shell leaves it alone, as in --out=~/runs."""
    try:
        return Path(word(text)).expanduser()  # Path("") is the current folder
    except RuntimeError as error:  # ~name of someone whom the system does not know
        raise argparse.ArgumentTypeError(f"{text!r}: there is no such home folder") from error


def count(text: str, least: int = 0) -> int:
    """A whole number from `least` to LARGEST."""
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from error
    if value < least:
        raise argparse.ArgumentTypeError(f"{value} is not at least {least}")
    if value > LARGEST:
        raise argparse.ArgumentTypeError(f"{value} is above {LARGEST}")
    return value


def positive(text: str) -> int:
    """A whole number from 1."""
    return count(text, 1)


OPTIONS: dict[str, dict[str, Any]] = {  # that several commands have
    "--profile": {"default": "laptop", "metavar": "P", "help": f"{', '.join(PROFILES)} (default: %(default)s)"},
    "--steps": {"type": positive, "metavar": "N", "help": "instead of the profile's number of steps"},
    "--cyst": {
        "choices": ("kidney", "tumor"),
        "help": "what the label 3 of KiTS21 and KiTS23 counts as (KiTS19 counts cysts as kidney)",
    },
    "--split": {
        "type": path,
        "metavar": "FILE",
        "help": 'JSON, {"train": [names], "test": [names]} (default: the data\'s own, else the paper\'s: '
        "cases 0-179 and 180-189)",
    },
    "--exclude": {
        "default": "",
        "metavar": "IDS",
        "help": "cases to leave out: ids such as 15,23, or 2019 for the six usually left out that year",
    },
    "--seed": {"type": count, "default": 0, "metavar": "S", "help": "same seed, same result (default: 0)"},
    "--device": {"default": "auto", "help": "auto (a GPU where there is one), cpu, cuda or mps"},
    "--precision": {"default": "auto", "help": "of training: auto, 32 or bf16 (default: auto)"},
    "--overwrite": {"action": "store_true", "help": "replace what the output already holds"},
}
# how to train; `profile_of` and `excluded` read some of them
TRAINING = ("--profile", "--steps", "--split", "--exclude", "--seed", "--device", "--precision", "--overwrite")


def add_path(command: argparse.ArgumentParser, name: str, metavar: str, help: str, **more: Any) -> None:
    """Add an option, or a place, for a path."""
    command.add_argument(name, type=path, metavar=metavar, help=help, **more)


def add_these(command: argparse.ArgumentParser, *names: str) -> None:
    """Add those of OPTIONS."""
    for name in names:
        command.add_argument(name, **OPTIONS[name])
