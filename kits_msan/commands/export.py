"""`kits-msan export`: a trained network for other programs."""

import argparse

from kits_msan.commands.options import Command, add_overwrite, path
from kits_msan.files import refuse_file


def _options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "checkpoint", type=path, metavar="CHECKPOINT", help="a trained network, or the folder of its run"
    )
    command.add_argument("--onnx", type=path, required=True, metavar="FILE", help="the ONNX file to write")
    add_overwrite(command)


def _run(args: argparse.Namespace) -> None:
    refuse_file(args.onnx, args.overwrite)
    from kits_msan.networks.checkpoints import load_model
    from kits_msan.networks.export import export_onnx

    export_onnx(load_model(args.checkpoint), args.onnx)
    print(args.onnx)


EXPORT = Command("export", "write a trained network as ONNX: other programs can run it", _options, _run)
