"""Seconds to import the package, against those to import torch, each in a fresh interpreter.

python benchmarks/start.py
"""

import subprocess
import sys
import time
from collections.abc import Callable

from common import arguments, interleaved, record, row

CODES = {
    "torch": "import torch",
    "package": "import kits_msan",
    "names": "from kits_msan import MODELS, build_model, dice_scores, load_case, load_model, phantom_case, predict",
}
METHOD = "Fresh interpreters in turn, from start to end; files in the page cache."


def fresh(code: str) -> Callable[[], float]:
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - started

    return seconds


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    sides = {name: fresh(code) for name, code in CODES.items()}
    if not args.quick:
        interleaved(sides, 1)  # to warm up
    runs = interleaved(sides, 1 if args.quick else args.repeats)
    rows = [
        row("`import kits_msan`", runs["package"], "`import torch`", runs["torch"], goal=1.3),
        row("… and its networks, cases and `predict`", runs["names"], "`import torch`", runs["torch"], goal=1.3),
    ]
    record("start", rows, args, METHOD, seconds=runs)


if __name__ == "__main__":
    main()
