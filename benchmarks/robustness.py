"""Commands under stress: killed at random moments, on a disk of 100 kB, with too little memory.

    python benchmarks/robustness.py --only kills      or: disk (as root), memory; all by default
    python benchmarks/robustness.py --commands predict phantom

After each kill every file that has its final name must be whole; the command, started again, must end well. On a full
disk and without memory it must say one sentence and leave with exit code 2. Results: robustness.json, beside this file.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from safetensors import safe_open

RESULTS = Path(__file__).with_suffix(".json")
TRAIN = "--profile smoke --steps 30 --device cpu"
COMMANDS = {  # OUT is new; DATA has six phantoms; NET is a network trained on them
    "phantom": "phantom OUT --profile smoke --cases 12",
    "prepare": "prepare DATA --profile smoke --out OUT",
    "train": f"train unet3d --data DATA --out OUT {TRAIN}",
    "predict": "predict DATA --checkpoint NET --out OUT",
    "evaluate": "evaluate DATA DATA --out OUT/scores.csv",
    "ablation": f"ablation --data DATA --out OUT {TRAIN}",
}
SHARES = (1.0, 1.3, 1.7)  # of the address space that a scan was seen to need
SCAN = (300, 256, 256)  # slices, rows, columns


def call(words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kits_msan.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


def words_of(name: str, folder: Path, out: Path) -> list[str]:
    places = {"OUT": str(out), "DATA": str(folder / "data"), "NET": str(folder / "run" / "model.safetensors")}
    words = []
    for word in COMMANDS[name].split():
        for place, path in places.items():
            word = word.replace(place, path) if word.startswith(place) else word
        words.append(word)
    return words


def broken(out: Path) -> list[str]:
    """Files with a final name that cannot be read to their end."""
    found = []
    for path in out.rglob("*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(out).parts):
            continue
        try:
            if path.name.endswith(".nii.gz"):
                np.asanyarray(nib.load(path).dataobj)  # type: ignore[attr-defined]
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
            elif path.suffix == ".csv":
                pd.read_csv(path)
            elif path.suffix == ".safetensors":
                with safe_open(path, framework="np") as file:
                    [file.get_slice(name)[:] for name in file.keys()]  # noqa: SIM118
        except Exception as error:
            found.append(f"{path.relative_to(out)}: {error}")
    return found


def kills(name: str, folder: Path, count: int, rng: random.Random) -> dict[str, Any]:
    started = time.perf_counter()
    whole = call(words_of(name, folder, folder / f"{name}-whole"))
    assert whole.wait() == 0, whole.communicate()[1]
    seconds = time.perf_counter() - started
    met, bad, again, attempt = 0, [], 0, 0
    while met < count:
        out = folder / f"{name}-{again}"
        process = call(words_of(name, folder, out))
        try:
            process.communicate(timeout=rng.uniform(0.2, 1) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            met += 1
        bad += broken(out)
        if process.returncode != -9 or met == count or met % 4 == 0:
            rerun = call(words_of(name, folder, out))
            error = rerun.communicate()[1]
            if rerun.returncode and process.returncode == -9:
                bad.append(f"started again: {error.splitlines()[-1]}")
            again += 1
        attempt += 1
    return {"kills": met, "half-written or not gone on with": bad, "seconds of a whole run": round(seconds, 1)}


def full_disk(name: str, folder: Path) -> dict[str, Any]:
    mount = folder / "small"
    mount.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(mount)], check=True)
    try:
        process = call(words_of(name, folder, mount / "out"))
        error = process.communicate()[1].splitlines()
        return {"code": process.returncode, "says": error[-1:], "broken": broken(mount)}
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def memory(folder: Path) -> list[dict[str, Any]]:
    scan = folder / "big.nii.gz"
    header = nib.Nifti1Header()
    header.set_sform(np.diag([-1.5, -1.5, 1.5, 1]), code="scanner")
    image = np.full(SCAN[::-1], -1000, np.int16)
    image[40:210, 60:200] = np.random.default_rng(0).normal(40, 20, (170, 140, SCAN[0]))
    nib.Nifti1Image(image, None, header).to_filename(scan)
    words = ["predict", str(scan), "--checkpoint", str(folder / "run"), "--out"]
    process = call([*words, str(folder / "free")])
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status")
        lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
        peak = max([peak, *(int(line.split()[1]) for line in lines if line.startswith("VmPeak"))])
        time.sleep(0.02)
    rows = []
    for share in (0.5, 0.7, 0.9, *SHARES):
        limit = int(1024 * peak * share)
        process = call(
            [*words, str(folder / f"limit-{share}")],
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        )
        error = process.communicate()[1].splitlines()
        rows.append(
            {"share": share, "limit GB": round(limit / 1e9, 2), "code": process.returncode, "says": error[-1:]}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("kills", "disk", "memory"))
    parser.add_argument("--commands", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    parser.add_argument("--count", type=int, default=20, help="kills of each command")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for line in (
            f"phantom {folder}/data --profile smoke --cases 6",
            f"train unet3d --data {folder}/data {TRAIN}",
        ):
            process = call([*line.split(), *(["--out", f"{folder}/run"] if line.startswith("train") else [])])
            assert process.wait() == 0, process.communicate()[1]
        for command in args.commands:
            if args.only in (None, "kills"):
                row = kills(command, folder, args.count, random.Random(command))
                results.setdefault("kills", {})[command] = row | {"measured": date.today().isoformat()}
            if args.only in (None, "disk"):
                row = full_disk(command, folder)
                results.setdefault("disk", {})[command] = row | {"measured": date.today().isoformat()}
            print(command, flush=True)
            text = json.dumps(results, indent=1).replace(str(folder), "FOLDER")
            RESULTS.write_text(text + "\n", encoding="utf-8")
        if args.only in (None, "memory"):
            results["memory"] = {"rows": memory(folder), "measured": date.today().isoformat()}
            text = json.dumps(results, indent=1).replace(str(folder), "FOLDER")
            RESULTS.write_text(text + "\n", encoding="utf-8")
            print(*results["memory"]["rows"], sep="\n")


if __name__ == "__main__":
    main()
