"""The downloader of cases against a local server. No address but 127.0.0.1 is contacted; see also test_fetch.py."""

import gzip
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from served import FILES, IMAGE, LABEL, SHAPES, TABLE, assert_whole, get, nifti
from server import Server

from kits_msan.data.cases import load_label
from kits_msan.data.download import LICENSE_FILE, download
from kits_msan.errors import InputError
from kits_msan.files import LOCK

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows SIGTERM ends a process at once


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(dict(FILES)) as running:
        yield running


def test_official_layout_license_once_and_quick_second_run(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(server, tmp_path, (0, 1, 2)) == [tmp_path / name for name in TABLE.index]
    assert_whole(tmp_path, server, (0, 1, 2))
    said = capsys.readouterr().out
    assert "CC BY-NC-SA 4.0" in said
    assert "CC BY-NC-SA 4.0" in (tmp_path / LICENSE_FILE).read_text(encoding="utf-8")
    assert "0 files are here already, 6 are to be fetched: about " in said
    server.requests.clear()
    note = tmp_path / "case_00000" / ".part-imaging.nii.gz.json"
    note.write_text("{}", encoding="utf-8")  # killed just after the renaming
    get(server, tmp_path, (0, 1, 2))
    assert server.requests == []
    assert_whole(tmp_path, server, (0, 1, 2))
    assert "CC BY-NC-SA" not in capsys.readouterr().out


def test_labels_only(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path, (0, 1), labels_only=True)
    assert [path.name for path in (tmp_path / "case_00001").iterdir()] == ["segmentation.nii.gz"]


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        (nifti(SHAPES[1], np.int16), r"has shape \(12, 96, 128\), but case_00000 has \(20, 128, 128\)"),
        (flipped(FILES[IMAGE]), "is truncated, damaged or not NIfTI"),
        (gzip.compress(gzip.decompress(FILES[IMAGE])[:-1], 1), r"holds \d+ bytes of the \d+"),
        (b"<html>Please log in</html>", "is truncated, damaged or not NIfTI"),
    ],
)
def test_wrong_content_is_never_accepted(server: Server, tmp_path: Path, served: bytes, reason: str) -> None:
    server.files[IMAGE] = served
    with pytest.raises(InputError, match=reason) as caught:
        get(server, tmp_path, (0, 1))
    assert "case_00000: http://127.0.0.1" in str(caught.value)
    assert [path.name for path in (tmp_path / "case_00000").iterdir()] == ["segmentation.nii.gz"]
    assert_whole(tmp_path, server, (1,))


def test_failures_are_named_and_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    del server.files[IMAGE]
    server.plan["/images/case_00002.nii.gz"].extend([500] * 20)
    server.plan["/images/case_00001.nii.gz"].append(403)
    out = tmp_path / "my data"
    with pytest.raises(InputError) as caught:
        get(server, out, (0, 1, 2), backoff=0.001)
    message = str(caught.value)
    assert message.startswith("3 of 6 files could not be fetched")
    assert f"case_00000: {server.base}{IMAGE} does not exist (404)" in message
    assert "was answered with 403 Forbidden" in message
    assert "was answered with 500 Internal Server Error" in message
    assert message.endswith("; run it again for the rest.")
    server.plan.clear()
    server.files = dict(FILES)
    get(server, out, (0, 1, 2))
    assert_whole(out, server, (0, 1, 2))


def test_truncated_file_of_another_downloader_is_replaced(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "case_00000"
    folder.mkdir()
    (folder / "imaging.nii.gz").write_bytes(FILES[IMAGE][: len(FILES[IMAGE]) // 2])
    (folder / "segmentation.nii.gz").write_bytes(FILES[LABEL])
    get(server, tmp_path)
    assert_whole(tmp_path, server)
    assert [path for path, _ in server.requests] == [IMAGE]
    assert "imaging.nii.gz is truncated, damaged or not NIfTI" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [SHAPES[1], (*SHAPES[0], 2)])
def test_whole_file_of_another_scan_is_never_replaced(server: Server, tmp_path: Path, shape: tuple[int, ...]) -> None:
    own = tmp_path / "case_00000" / "segmentation.nii.gz"
    own.parent.mkdir()
    content = nifti(shape, np.uint8)
    own.write_bytes(content)
    with pytest.raises(InputError, match=r"segmentation\.nii\.gz .*, and is never replaced; move it away or name"):
        get(server, tmp_path, (1, 0))
    assert own.read_bytes() == content
    assert server.requests == []


def test_flipped_bit_is_named_by_the_reader_whose_remedy_helps(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path)
    label = tmp_path / "case_00000" / "segmentation.nii.gz"
    whole = label.read_bytes()
    label.write_bytes(whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:])  # of the checksum
    get(server, tmp_path)  # which looks at header and length alone
    with pytest.raises(InputError, match=r"segmentation\.nii\.gz is .*; remove it and fetch it again"):
        load_label(label)
    label.unlink()
    get(server, tmp_path)
    assert_whole(tmp_path, server)


def test_file_of_several_gzip_members_is_whole(server: Server, tmp_path: Path) -> None:
    raw = gzip.decompress(FILES[LABEL])
    (tmp_path / "case_00000").mkdir()
    path = tmp_path / "case_00000" / "segmentation.nii.gz"
    path.write_bytes(gzip.compress(raw[:999]) + gzip.compress(raw[999:]))
    get(server, tmp_path, labels_only=True)
    assert server.requests == []


def test_too_little_space_is_refused_before_anything_is_fetched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    with pytest.raises(InputError, match=r"has 1\.0 kB free, but about [1-9][\d.]* [kM]B are needed; make space"):
        get(server, tmp_path)
    assert server.requests == []


def test_two_downloads_at_once_are_refused(server: Server, tmp_path: Path) -> None:
    with FileLock(tmp_path / LOCK), pytest.raises(InputError, match="is in use by another download; wait"):
        get(server, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_base": "data/mirror"}, "starts with https"),
        ({"cases": [3]}, "case_00003 is not a case of KiTS19"),
    ],
)
def test_bad_arguments(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        download(**({"cases": [0], "out": tmp_path, "table": TABLE} | options))


def test_out_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder, says in (("file", "file is a file, but a folder is to be written there"), ("file/in", "cannot be")):
        with pytest.raises(InputError, match=says):
            download([0], tmp_path / folder, image_base="http://127.0.0.1:9", label_base="http://127.0.0.1:9")


def start(server: Server, out: Path, table: Path) -> subprocess.Popen:
    code = (  # a shell has its background jobs ignore Ctrl-C, and they pass that on: the tests may be such a job
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "import pandas as pd; from kits_msan.data.download import download; out, base, table = sys.argv[1:]; "
        "download([0, 1, 2], out, image_base=base + '/images', label_base=base + '/labels', workers=2, "
        "table=pd.read_csv(table, index_col=0))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, out, server.base, table], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


def bytes_here(out: Path) -> int:
    return sum(path.stat().st_size for path in out.glob("case_*/*.nii.gz"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        KILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C to send")),
    ],
)
def test_killed_at_any_moment_and_started_again_ends_with_the_right_bytes(
    server: Server, tmp_path: Path, sent: signal.Signals
) -> None:
    TABLE.to_csv(tmp_path / "table.csv")
    out, total = tmp_path / "out", sum(len(data) for data in FILES.values())
    server.pace = 0.1
    if sent == signal.SIGINT:
        server.plan[IMAGE].append("stall")  # Ctrl-C must not wait for the minute after which a stall is given up
    for share in sorted(random.uniform(0.02, 0.7) for _ in range(3)) if sent == KILL else [0.3]:
        process = start(server, out, tmp_path / "table.csv")
        with suppress(FileNotFoundError):  # of a file that gets its own name just then: a moment like others
            while process.poll() is None and bytes_here(out) < share * total:
                time.sleep(0.005)
        process.send_signal(sent)
        assert process.wait(60) != 0, "the download ended before it could be killed"
        for path in out.glob("case_*/[!.]*"):
            assert path.read_bytes() in FILES.values(), "a file had its own name before it was whole"
    assert start(server, out, tmp_path / "table.csv").wait(30) == 0
    assert_whole(out, server, (0, 1, 2))


def test_interrupt_stops_the_workers_and_frees_the_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plan[IMAGE].append("stall")
    beats = iter(range(10))

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        time.sleep(0.1)
        if next(beats) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            get(server, tmp_path, timeout=2.0)
        assert time.monotonic() - start < 1.5
    get(server, tmp_path)
    assert_whole(tmp_path, server)
