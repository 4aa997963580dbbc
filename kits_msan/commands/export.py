"""`kits-msan export`: a trained network for other programs."""

import argparse

from kits_msan.commands.options import Command, add_shared, path
from kits_msan.errors import InputError
from kits_msan.files import refuse_file


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "checkpoint", type=path, metavar="CHECKPOINT", help="a trained network, or the folder of its run"
    )
    command.add_argument("--onnx", type=path, required=True, metavar="FILE", help="the ONNX file to write")
    add_shared(command, "--overwrite")


def _run(args: argparse.Namespace) -> None:
    refuse_file(args.onnx, args.overwrite, ".onnx")
    from kits_msan.networks.checkpoints import checkpoint_file, load_model
    from kits_msan.networks.export import export_onnx

    checkpoint = checkpoint_file(args.checkpoint)
    if args.onnx.exists() and checkpoint.exists() and args.onnx.samefile(checkpoint):
        raise InputError(f"{args.onnx} is the checkpoint itself; name another file.")
    export_onnx(load_model(checkpoint), args.onnx)
    print(args.onnx)


EXPORT = Command("export", "write a trained network as ONNX: other programs can run it", _options, _run, keeps=False)
