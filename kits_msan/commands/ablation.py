"""`kits-msan ablation`: the paper's comparison."""

import argparse
import shutil
from pathlib import Path

from kits_msan.commands.options import TRAINING, Command, add_path, add_these, excluded, positive, profile_of
from kits_msan.commands.stopping import overwritten

RUNS = "seed-*/*/config.json"  # of each training


def _options(command: argparse.ArgumentParser) -> None:
    add_path(command, "--data", "DIR", "folder of cases with both parts of a split", required=True)
    add_path(
        command, "--out", "DIR", required=True,
        help="gets table.md, its figures as CSV, and the runs in seed-0/unet3d and so on; a stopped one goes on",
    )  # fmt: skip
    add_path(command, "--checkpoints", "DIR", "load the networks from here instead of training them")
    command.add_argument(
        "--seeds", type=positive, default=1, metavar="N", help="trainings of each network (default: 1)"
    )
    command.add_argument("--peers", action="store_true", help="also MONAI's DynUNet and SegResNet")
    command.add_argument(
        "--variants", action="store_true", help="also other readings of the attention, Res2Net scales, loss weights"
    )
    command.add_argument(
        "--devices", type=positive, default=1, metavar="N",
        help="networks trained at once, each on a GPU of its own or on one thread (default: 1)",
    )  # fmt: skip
    add_these(command, "--cyst", *TRAINING)


def _run(args: argparse.Namespace) -> None:
    from kits_msan.data.store import split_of

    profile, split = profile_of(args), split_of(args.data, args.split, excluded(args))
    from kits_msan.ablation.results import TABLE  # with torch, which takes a second
    from kits_msan.ablation.run import run_ablation
    from kits_msan.devices import Machine
    from kits_msan.networks.peers import PEERS
    from kits_msan.networks.registry import MODELS, VARIANTS

    names = [*MODELS, *(PEERS if args.peers else ()), *(VARIANTS if args.variants else ())]
    machine = Machine(args.device, args.precision, args.devices)
    with overwritten(args, RUNS) as started:
        try:
            run_ablation(
                args.data, profile, args.out, names=names,
                seeds=range(args.seed, args.seed + args.seeds), checkpoints=args.checkpoints,
                split=split, cyst=args.cyst, machine=machine, overwrite=args.overwrite,
            )  # fmt: skip
        except KeyboardInterrupt:
            if args.overwrite:
                _remove_older(args.out, started)
            raise
    print((args.out / TABLE).read_text(encoding="utf-8"))


def _remove_older(out: Path, started: float) -> None:
    """Once a new run is there, remove the runs and scores from before: to go on must not find them."""
    from kits_msan.ablation.results import FILES

    runs = sorted(out.glob(RUNS))
    if any(config.stat().st_mtime >= started for config in runs):
        for config in runs:
            if config.stat().st_mtime < started:
                shutil.rmtree(config.parent)
        for file in (out / name for name in FILES):
            if file.exists() and file.stat().st_mtime < started:
                file.unlink()


ABLATION = Command(
    "ablation", "the paper's comparison: train or load the five networks, vote, score, tabulate", _options, _run
)
