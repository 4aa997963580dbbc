"""`kits-msan export`: a trained network for other programs."""

import argparse

from kits_msan.commands.options import Command, add_path, add_these
from kits_msan.files import refuse_file


def _options(command: argparse.ArgumentParser) -> None:
    add_path(command, "checkpoint", "CHECKPOINT", "a trained network, or the folder of its run")
    add_path(command, "--onnx", "FILE", "the ONNX file to write", required=True)
    add_these(command, "--overwrite")


def _run(args: argparse.Namespace) -> None:
    refuse_file(args.onnx, args.overwrite, ".onnx")
    from kits_msan.networks.checkpoints import load_model
    from kits_msan.networks.export import export_onnx

    export_onnx(load_model(args.checkpoint), args.onnx)
    print(args.onnx)


EXPORT = Command("export", "write a trained network as ONNX: other programs can run it", _options, _run, keeps=False)
