"""KiTS19 from its official places, or a mirror, into its official layout; it can break off at any moment.

What is fetched must fit the measured geometry of its case, to the last byte; see `kits19.misfit`. Of what is here
already only header and length are compared: 28 GB would take minutes to read. A bit that flips later is noticed by
`load_case`, which asks for the file to be removed; then it is fetched again.
"""

import math
import shutil
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
from tqdm.auto import tqdm

from kits_msan.data.cases import IMAGE, LABEL
from kits_msan.data.fetch import Fetcher, RemoteFile, Stopped
from kits_msan.data.kits19 import damage, geometry, grid, misfit, name_of
from kits_msan.errors import REASONS, InputError, first_of
from kits_msan.files import in_words, refuse_full_disk, refuse_results
from kits_msan.locks import only_user

IMAGE_BASE = "https://huggingface.co/datasets/neheller/KiTS-Challenge-Imaging/resolve/main/images"
LABEL_BASE = "https://raw.githubusercontent.com/neheller/kits19/master/data"
IMAGE_BYTES, LABEL_BYTES = 2.35, 0.0055  # a voxel, gzipped: 28 GB of images in all; measured over 20 labels
LICENSE_FILE = "LICENSE-KiTS19.txt"
LICENSE = """\
KiTS19 is licensed CC BY-NC-SA 4.0: name its authors, no commercial use, share what you make of it alike.
License: https://creativecommons.org/licenses/by-nc-sa/4.0/
Source: https://github.com/neheller/kits19 and https://huggingface.co/datasets/neheller/KiTS-Challenge-Imaging
Please cite: N. Heller et al., The KiTS19 Challenge Data, arXiv:1904.00445.
"""


def download(
    cases: Iterable[int],
    out: str | Path,
    labels_only: bool = False,
    image_base: str = IMAGE_BASE,
    label_base: str = LABEL_BASE,
    workers: int = 4,
    timeout: float = 60.0,
    backoff: float = 1.0,
    table: pd.DataFrame | None = None,
) -> list[Path]:
    """Fetch cases of KiTS19 into `out`/case_XXXXX/imaging.nii.gz and segmentation.nii.gz; return the folders.

    cases: ids, see `parse_cases`. Files that are here and of the right length are left alone, damaged ones replaced.
    image_base, label_base: where `case_XXXXX.nii.gz` and `case_XXXXX/segmentation.nii.gz` lie, http or https.
    workers: files fetched at once. timeout: seconds without a byte after which a try is given up.
    backoff: seconds before the second try, doubled from try to try.
    table: the geometry that files must fit, by default the shipped one, see `geometry`.
    Proxies and certificates are taken from the usual environment variables (HTTPS_PROXY, REQUESTS_CA_BUNDLE).
    Raises InputError before anything is fetched if there is too little space, another download runs in `out` or a
    whole file of another scan is in the place of a case's; and at the end if some files failed, with the reasons.
    """
    table = geometry() if table is None else table
    ids, out = sorted(set(cases)), Path(out)
    for base in (image_base, label_base):
        if urlsplit(base).scheme not in ("http", "https") or not urlsplit(base).netloc:
            raise InputError(f"{base} is not an address to download from; give one that starts with https://.")
    refuse_results(out, overwrite=True)  # a file, or a link to nothing
    files = [file for case_id in ids for file in _files_of(case_id, out, labels_only, image_base, label_base, table)]
    try:
        with only_user(out, "download"):
            _show_license(out)
            todo = [file for file in files if not _is_here(file, table)]
            _check_space(out, todo, here=len(files) - len(todo))
            failed = _fetch_all(todo, Fetcher(timeout, backoff), table, workers)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error}); name another folder.") from error
    if failed:
        reasons = first_of([f"{name}: {reason}" for name, reason in failed], REASONS, "; ")
        raise InputError(
            f"{len(failed)} of {len(files)} files could not be fetched ({reasons}); run it again for the rest."
        )
    return [out / name_of(case_id) for case_id in ids]


def _files_of(
    case_id: int, out: Path, labels_only: bool, image_base: str, label_base: str, table: pd.DataFrame
) -> list[RemoteFile]:
    name = name_of(case_id)
    if name not in table.index:
        raise InputError(f"{name} is not a case of KiTS19 with a public label; give ids from 0 to {len(table) - 1}.")
    voxels = math.prod(grid(table, name)[0])
    label_url = f"{label_base.rstrip('/')}/{name}/{LABEL}"
    image_url = f"{image_base.rstrip('/')}/{name}.nii.gz"
    label = RemoteFile(name, label_url, out / name / LABEL, int(voxels * LABEL_BYTES))
    image = RemoteFile(name, image_url, out / name / IMAGE, int(voxels * IMAGE_BYTES))
    return [label] if labels_only else [label, image]


def _show_license(out: Path) -> None:
    if not (out / LICENSE_FILE).exists():
        print(LICENSE)
        (out / LICENSE_FILE).write_text(LICENSE, encoding="utf-8")


def _is_here(file: RemoteFile, table: pd.DataFrame) -> bool:
    """Whether the file is in place and of the right length; if so, what a killed run left beside it is removed.

    Raises InputError for one that is whole and of another scan: it is somebody's own.
    """
    if not file.path.exists():
        return False
    # what fails the quick look can still be whole: gzip files may have several members
    if misfit(file.path, file.name, table, quick=True) and (reason := misfit(file.path, file.name, table)):
        if not damage(file.path):
            raise InputError(f"{file.path} {reason}, and is never replaced; move it away or name another --out.")
        print(f"{file.path} {reason}; it will be replaced.")
        return False
    file.discard()
    return True


def _check_space(out: Path, todo: list[RemoteFile], here: int) -> None:
    for file in todo:
        file.received = file.partial().get("size", 0)
    needed = sum(max(file.expected - file.received, 0) for file in todo)
    free = shutil.disk_usage(out).free
    print(
        f"{here} files are here already, {len(todo)} are to be fetched: about {in_words(needed)}; "
        f"{in_words(free)} are free in {out}."
    )
    refuse_full_disk(out, needed, "make space or ask for fewer cases")


def _fetch_all(files: list[RemoteFile], fetcher: Fetcher, table: pd.DataFrame, workers: int) -> list[tuple[str, str]]:
    """Fetch the files, `workers` at once, under a progress bar; return the failures as (case name, reason)."""
    todo, failed = iter(files), list[tuple[str, str]]()

    def work() -> None:
        with fetcher.session() as session:
            for file in todo:  # which all workers share
                try:
                    fetcher.fetch(file, session, partial(misfit, name=file.name, table=table))
                except Stopped:
                    return
                except Exception as error:  # whatever it is, the other files go on and this one is reported
                    failed.append((file.name, str(error) or repr(error)))

    # daemons, so that one which waits for a server does not keep Ctrl-C waiting
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(files)))]
    done = sum(file.received for file in files)
    total = sum(file.expected for file in files)
    with tqdm(total=total, initial=done, unit="B", unit_scale=True, disable=not files) as bar:
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
                    bar.total = sum(file.expected for file in files)
                    bar.update(sum(file.received for file in files) - bar.n)
        finally:
            fetcher.stop.set()
    return sorted(failed)
