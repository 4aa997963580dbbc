"""What every benchmark shares: fresh processes, medians with their spread, the machine, the results and their table.

A benchmark is a script that measures one part and calls `record` with rows. A row compares our figure with a peer's
on the same input in the same run; its ratio is the median over repeats, its spread the smallest and the largest. Rows
go to results/<machine>.json, each part with its date, and from there to the tables in both README.md.
"""

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PARTS = (
    "step",
    "step_gpu",
    "step_paper",
    "busy",
    "inference",
    "memory",
    "slabs",
    "kills",
    "hardship",
    "phantom",
    "start",
    "viewer",
    "page",
)  # in the order of the table
PACKAGES = ("torch", "monai", "numpy", "nnunetv2", "blosc2")
Row = dict[str, Any]
Figures = TypeVar("Figures")


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The options of every benchmark; the part's own may be added."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it runs; records nothing")
    parser.add_argument("--results", type=Path, help="folder for the results, instead of benchmarks/results")
    return parser


def row(
    what: str,
    ours: Sequence[float],
    peer: str = "",
    theirs: Sequence[float] = (),
    unit: str = "s",
    goal: float | None = None,
    at_least: bool = False,
) -> Row:
    """One line of the table, from the figures of all repeats; repeat i of ours is held against repeat i of theirs.

    goal: what the ratio must not exceed, or must reach if `at_least`.
    """
    line: Row = {"what": what, "unit": unit, "ours": _rounded(statistics.median(ours)), "repeats": len(ours)}
    if theirs:
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        line |= {"peer": peer, "theirs": _rounded(statistics.median(theirs))}
        line |= {"ratio": _rounded(statistics.median(ratios))}
        line |= {"lowest": _rounded(min(ratios)), "highest": _rounded(max(ratios))}
    if goal is not None:
        line |= {"goal": goal, "at_least": at_least}
    return line


def interleaved(sides: Mapping[str, Callable[[], Figures]], repeats: int) -> dict[str, list[Figures]]:
    """Figures of every side, in turn, so that whatever else the machine does meets all of them."""
    runs: dict[str, list[Figures]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, measure in sides.items():
            runs[name].append(measure())
    return runs


def child(script: str, *args: object, environment: Mapping[str, str] | None = None) -> Any:
    """What the script, called with these arguments in a fresh process, prints as its last line, from JSON."""
    command = [sys.executable, "-W", "ignore", script, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def peak() -> int:
    """Bytes of memory that this process held at most so far; mapped files count as far as they were read."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would start from the parent's
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+)", status.read_text(encoding="utf-8"))[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def machine() -> dict[str, Any]:
    """Processor, cores and graphics card: what the figures hold for.

    Clouds give processors of several generations one name, so torch's widest instructions tell them apart.
    """
    import torch

    from kits_msan.devices import pick_precision

    info = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else []
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability().lower(),
        "precision": pick_precision("auto", torch.device("cpu")),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.system(),
    }


def slug() -> str:
    """The name of this machine's file of results, from what it is."""
    about = machine()
    words = [about["cpu"], about["instructions"], about["precision"], about["cores"], "cores", about["gpu"] or ""]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(map(str, words)).lower()).strip("-")


def record(part: str, rows: Sequence[Row], args: argparse.Namespace, method: str, **details: Any) -> None:
    """Show the rows, put them in this machine's file in place of the part's last ones, and draw the tables anew.

    method: one or two sentences on what was measured how, for the reader of the table. details: all figures.
    """
    print(*table(rows), sep="\n", flush=True)
    if args.quick and args.results is None:
        return
    folder = args.results or RESULTS
    folder.mkdir(exist_ok=True)
    path = folder / f"{slug()}.json"
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    results["machine"] = machine()
    results["parts"][part] = {
        "measured": date.today().isoformat(), "python": platform.python_version(), "versions": versions(),
        "method": method, "rows": list(rows), **details,
    }  # fmt: skip
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if folder == RESULTS:
        write_tables(path)


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown."""
    lines = ["| | ours | peer | | ratio | goal |", "| --- | ---: | --- | ---: | --- | --- |"]
    for line in rows:
        ratio = f"**{line['ratio']:g}** [{line['lowest']:g}, {line['highest']:g}]" if "ratio" in line else ""
        theirs = f"{line['theirs']:g} {line['unit']}" if "theirs" in line else ""
        goal = f"{'≥' if line['at_least'] else '≤'} {line['goal']:g}" if "goal" in line else ""
        cells = [line["what"], f"{line['ours']:g} {line['unit']}", line.get("peer", ""), theirs, ratio, goal]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def caption(results: Mapping[str, Any]) -> str:
    about = results["machine"]
    gpu = f", {about['gpu']}" if about["gpu"] else ""
    kind = f"{about['instructions']}, {'bfloat16' if about['precision'] == 'bf16' else 'float32'}"
    machine = f"{about['cpu']} ({kind}), {about['cores']} cores{gpu}"
    return f"{machine}. Ratios are medians over repeats, with [lowest, highest]."


def long_table(results: Mapping[str, Any]) -> list[str]:
    """All parts, each with its date and method: for benchmarks/README.md."""
    lines = [caption(results)]
    for name in [name for name in PARTS if name in results["parts"]]:
        part = results["parts"][name]
        torch_version = part["versions"].get("torch", "")
        lines += ["", f"**{name}.py**, {part['measured']}, torch {torch_version}. {part['method']}", ""]
        lines += table(part["rows"])
        for key, title in (("kept", "Tried and kept"), ("tried", "Tried and not kept")):
            lines += ["", f"{title}:", "", *(f"- {entry}" for entry in part[key])] if key in part else []
    return lines


def short_table(results: Mapping[str, Any]) -> list[str]:
    """The rows that have a goal, but for those of `hardship.py`, which tell of no speed: for README.md."""
    parts = [results["parts"][name] for name in PARTS if name in results["parts"] and name != "hardship"]
    return [caption(results), "", *table([line for part in parts for line in part["rows"] if "goal" in line])]


def between(text: str, lines: Sequence[str], name: str, what: str) -> str:
    """The text with these lines between the two markers of `what`; the first also names the file of the figures."""
    new = "\n".join([f"<!-- {what} {name} -->", *lines, f"<!-- end of {what} -->"])
    changed, count = re.subn(rf"<!-- {what} .*<!-- end of {what} -->", lambda _: new, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"the markers of the table of {what} are missing.")
    return changed


def write_tables(path: Path) -> None:
    results = json.loads(path.read_text(encoding="utf-8"))
    what = "benchmarks on a GPU" if results["machine"]["gpu"] else "benchmarks"
    for page, lines in ((HERE / "README.md", long_table(results)), (HERE.parent / "README.md", short_table(results))):
        text = page.read_text(encoding="utf-8")
        page.write_text(between(text, lines, path.name, what), encoding="utf-8")


def _rounded(value: float) -> float:
    """Three digits that count."""
    return float(f"{value:.3g}")
