"""What a course has done so far, in its folder: one that was stopped goes on, and a finished one is left alone.

`course.json` holds the course's parameters and, for each executed notebook, a hash of what was executed and how long
it took. Networks are not its business: a run folder knows by itself whether it is finished.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import kits_msan
from kits_msan.errors import InputError
from kits_msan.files import read_json, refuse_foreign, refuse_results, write_json

RECORD = "course.json"
DEMO = "store-demo"  # notebook 4 makes it anew wherever it runs
WORK = ("networks", "ablation", DEMO)  # folders that the notebooks write under a course's `out`
Record = dict[str, Any]


def begin(out: Path, parameters: Mapping[str, Any], overwrite: bool) -> Record:
    """The record of a course with these parameters: a new one, or what was done of it. The device does not matter.

    With `overwrite` another course's results, or the same one's, are removed first. What notebook 4 left when it was
    run by hand (or by the tests) goes too, where nothing else is there.
    Raises InputError for what is no course, and without `overwrite` for a course with other parameters.
    """
    wanted = {name: value for name, value in parameters.items() if name not in ("device", "out")}
    if not (out / RECORD).exists():
        if [path.name for path in out.glob("[!.]*")] == [DEMO]:
            shutil.rmtree(out / DEMO)
        refuse_results(out, overwrite)
        refuse_foreign(out, False, "course")
        return {"parameters": wanted, "done": {}}
    try:
        record = _read(out / RECORD)
    except InputError:
        if not overwrite:
            raise
        record = {"parameters": {}, "done": {}}
    if overwrite:
        for name in WORK:
            shutil.rmtree(out / name, ignore_errors=True)
        for name in [*(Path(name).name for name in record["done"]), RECORD, "seconds.json"]:
            (out / name).unlink(missing_ok=True)
        return {"parameters": wanted, "done": {}}
    differs = [name for name in wanted if record["parameters"].get(name) != wanted[name]]
    if differs:
        raise InputError(
            f"{out} already holds results of a course with another {differs[0]} "
            f"({record['parameters'].get(differs[0])}, not {wanted[differs[0]]}); name another folder or add "
            "--overwrite."
        )
    return record


def _read(path: Path) -> Record:
    remedy = "name another folder or add --overwrite"
    record = read_json(path, remedy)
    done = record.get("done")
    if not (isinstance(record.get("parameters"), dict) and isinstance(done, dict)):
        raise InputError(f"{path} lacks a part; {remedy}.")
    if not all(isinstance(one, dict) for one in done.values()):
        raise InputError(f"{path} is damaged; {remedy}.")
    return record


def still_to_do(record: Record, notebooks: Sequence[Path], out: Path) -> list[Path]:
    """The notebooks from the first on that was not executed as it and the package are now."""
    for index, notebook in enumerate(notebooks):
        done = record["done"].get(notebook.name, {})
        if done.get("hash") != content_hash(notebook) or not (out / notebook.name).exists():
            return list(notebooks[index:])
    return []


def note(record: Record, notebook: Path, seconds: float, out: Path) -> None:
    """Write down that a notebook was executed."""
    record["done"][notebook.name] = {"hash": content_hash(notebook), "seconds": round(seconds, 1)}
    write_json(out / RECORD, record)


def content_hash(notebook: Path) -> str:
    """A short hash of a notebook and of the package's code."""
    package = Path(kits_msan.__file__).parent
    whole = hashlib.sha256(notebook.read_bytes())
    for file in sorted(package.rglob("*")):
        if file.suffix in (".py", ".js", ".css", ".toml", ".csv"):
            whole.update(file.read_bytes())
    return whole.hexdigest()[:16]
