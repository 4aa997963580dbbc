"""The `kits-msan` command: it reads the options, calls the command's function and says in a sentence what went wrong.

Exit code 0 on success, 2 for bad input (one sentence on stderr), 1 for a notebook or a training that fails or a bug,
130 after Ctrl-C, 143 after SIGTERM and 129 when the terminal is closed.
"""

import argparse
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from kits_msan import __version__
from kits_msan.commands.ablation import ABLATION
from kits_msan.commands.course import COURSE, DOCTOR, GRADE, SITE
from kits_msan.commands.data import DOWNLOAD, PHANTOM, PREPARE
from kits_msan.commands.evaluate import EVALUATE
from kits_msan.commands.export import EXPORT
from kits_msan.commands.options import Parser
from kits_msan.commands.output import complain, steady_output
from kits_msan.commands.predict import PREDICT
from kits_msan.commands.stopping import Stops, to_go_on
from kits_msan.commands.system_errors import check_limit, other_ended, system_sentence
from kits_msan.commands.train import TRAIN
from kits_msan.errors import InputError, InputNote
from kits_msan.threads import wait_briefly

COMMANDS = (
    *(PHANTOM, DOWNLOAD, PREPARE, TRAIN, PREDICT, EVALUATE, ABLATION),
    *(EXPORT, COURSE, GRADE, SITE, DOCTOR),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    wait_briefly()
    with Stops() as stops, steady_output(), warnings.catch_warnings():
        args = build_parser().parse_args(arguments)
        _print_notes(args)
        words = sys.argv[1:] if arguments is None else arguments
        try:
            check_limit()
            return args.serve(args) or 0
        except (Exception, KeyboardInterrupt) as error:
            if getattr(error, "said_by_first", False):
                return 0  # as a launcher ends the others when one fails: the first must be able to say it
            if isinstance(error, KeyboardInterrupt):
                return _fail(f"{str(error) or 'stopped'}; {to_go_on(words, args)}", getattr(error, "code", 130), args)
            if stops.seen:  # a library that was being imported made another error of it
                return _fail(f"stopped; {to_go_on(words, args)}", 128 + stops.seen, args)
            if other_ended(error):
                reason = "another process of this training ended (where it says nothing: killed, or out of memory)"
                return _fail(f"{reason}; {to_go_on(words, args)}", 1, args)
            if (known := _known(error)) is None:
                raise
            return _fail(*known, args)


def _known(error: Exception) -> tuple[str, int] | None:
    """Sentence and exit code of an error that is no bug."""
    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, FloatingPointError):  # a training whose loss is no longer finite
        return str(error), 1
    if isinstance(error, ModuleNotFoundError):
        extra = "onnx" if str(error.name).startswith("onnx") else "course"
        return f'{error.name} is not installed; pip install "kits_msan[{extra}]" brings it', 2
    sentence = system_sentence(error)  # a full disk or memory, a folder that may not be written
    return (sentence, 2) if sentence else None


def build_parser() -> argparse.ArgumentParser:
    """The command line; the parsed arguments have the function to call as `serve`."""
    parser = Parser(
        prog="kits-msan",
        description="Kidney and tumor segmentation on CT: the networks of the MSAN paper, on phantoms or on KiTS19.",
        epilog="A first tour, five minutes on two cores:\n"
        "  kits-msan phantom data/demo --cases 10\n"
        "  kits-msan train unet3d --data data/demo --steps 200 --out runs/demo\n"
        "  kits-msan predict data/demo/case_00009 --checkpoint runs/demo --out runs/demo-predicted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kits-msan {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        text = command.help
        options = commands.add_parser(
            command.name, help=text.split(":")[0], description=f"{text[0].upper()}{text[1:]}"
        )
        options.set_defaults(serve=command.run, keeps=command.keeps)
        command.add_options(options)
    return parser


def _print_notes(args: argparse.Namespace) -> None:
    """From now on a choice that was made for the user is one line on stderr, once."""
    show = warnings.showwarning

    def print_note(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if not issubclass(category, InputNote):
            show(message, category, *rest, **more)
        elif _number(args) == 0:
            complain(str(message))

    warnings.simplefilter("default", InputNote)
    warnings.showwarning = print_note


def _number(args: argparse.Namespace) -> int:
    """Which of several processes that train one network this is; 0 for any other command, whoever started it."""
    if args.serve is not TRAIN.run:
        return 0
    from kits_msan.training.processes import process_number

    return process_number()


def _fail(message: str, code: int, args: argparse.Namespace) -> int:
    number = _number(args)
    complain(f"process {number}: {message}" if number else message)
    return code


if __name__ == "__main__":  # as `python -m kits_msan.cli`, which was the way once
    sys.exit(main())
