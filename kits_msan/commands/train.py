"""`kits-msan train`: one network."""

import argparse

from kits_msan.commands.options import TRAINING, Command, add_path, add_these, count, excluded, positive, profile_of
from kits_msan.commands.stopping import overwritten


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "model", metavar="MODEL",
        help="unet3d, msan_v1, msan_v1_ds, msan_v2 or msan_v2_ds; also dynunet, segresnet, or one of VARIANTS",
    )  # fmt: skip
    add_path(
        command, "--data", "DIR",
        "folder of cases, or a prepared store; its training part is used (profile shipped makes its own)",
    )  # fmt: skip
    add_path(
        command, "--start-from", "C",
        "begin with those weights of a checkpoint, or of the folder of its run, that fit the network",
    )  # fmt: skip
    add_path(command, "--out", "RUN", "run folder; the network is RUN/model.safetensors", required=True)
    command.add_argument(
        "--devices", type=positive, default=1, metavar="N",
        help="processors or GPUs that share each batch (default: 1, or as many as torchrun or srun started)",
    )  # fmt: skip
    command.add_argument(
        "--validate", type=count, default=0, metavar="N",
        help="training cases to hold out; RUN/best.safetensors is the network that did best on them (default: 0)",
    )  # fmt: skip
    add_these(command, *TRAINING)


def _run(args: argparse.Namespace) -> None:
    from kits_msan.data.store import split_of

    profile = profile_of(args)
    split = split_of(args.data, args.split, excluded(args)) if args.data is not None else None
    from kits_msan.devices import Machine  # with torch, which takes a second
    from kits_msan.networks.checkpoints import MODEL
    from kits_msan.training.loop import train
    from kits_msan.training.processes import process_number
    from kits_msan.training.runs import CONFIG

    done = (args.out / MODEL).exists() and not args.overwrite  # `train` then compares the settings
    with overwritten(args, CONFIG):
        train(
            args.model, args.data, profile, args.out, split=split, seed=args.seed,
            machine=Machine(args.device, args.precision, args.devices), validate=args.validate,
            start=args.start_from, overwrite=args.overwrite,
        )  # fmt: skip
    if process_number() == 0:
        print(f"{'done already: ' if done else ''}trained network in {args.out / MODEL}")


TRAIN = Command("train", "train one network: a run that was stopped goes on where it was", _options, _run)
