"""One file over HTTP, against a local server that misbehaves. No address but 127.0.0.1 is contacted."""

import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server import Server

from kits_msan.data import fetch
from kits_msan.data.fetch import Fetcher, RemoteFile, Stopped
from kits_msan.errors import InputError

REMOTE = "/images/case_00000.nii.gz"
DATA = random.Random(0).randbytes(500_000)
OTHER = random.Random(1).randbytes(400_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({REMOTE: DATA}) as running:
        yield running


def remote_file(server: Server, folder: Path, path: str = REMOTE) -> RemoteFile:
    return RemoteFile("case_00000", server.base + path, folder / "case_00000" / "imaging.nii.gz", expected=1)


def is_what_the_server_has(server: Server) -> Callable[[Path], str | None]:
    return lambda path: None if path.read_bytes() == server.files[REMOTE] else "is something else"


def get(server: Server, folder: Path, timeout: float = 5.0) -> None:
    """Fetch the file and check that it, and nothing else, is in its place."""
    file, fetcher = remote_file(server, folder), Fetcher(timeout, backoff=0.01)
    with fetcher.session() as session:
        fetcher.fetch(file, session, is_what_the_server_has(server))
    assert file.path.read_bytes() == server.files[REMOTE]
    assert list(file.path.parent.iterdir()) == [file.path]
    assert file.received == file.path.stat().st_size


def begin(server: Server, folder: Path) -> Path:
    """Leave about half of the file behind, as a killed run does; return its path."""
    server.plan[REMOTE].append("truncate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch, "TRIES", 1)
        with pytest.raises(InputError, match="broke off"):
            get(server, folder)
    server.requests.clear()
    part = remote_file(server, folder).part
    assert len(DATA) // 2 - fetch.CHUNK <= part.stat().st_size <= len(DATA) // 2
    return part


@pytest.mark.parametrize(
    ("tag", "ranges", "plan", "asks_for_a_range"),
    [
        ("ETag", True, ["truncate"], True),
        ("ETag", True, ["truncate", "truncate", "truncate"], True),
        ("ETag", True, ["stall", 500, "truncate"], True),
        ("Last-Modified", True, ["truncate"], True),
        ("weak", True, ["truncate"], False),
        ("", True, ["truncate"], False),
        ("ETag", False, ["truncate"], True),
        ("ETag", True, ["truncate", "ignore"], True),
        ("ETag", True, ["truncate", "lie"], True),
        ("ETag", True, ["truncate", 416], True),
        ("ETag", True, ["truncate", 403], True),  # a proxy that lets no ranges through
        ("ETag", True, [500, 503], False),
    ],
)
def test_gets_through(
    server: Server, tmp_path: Path, tag: str, ranges: bool, plan: list[int | str], asks_for_a_range: bool
) -> None:
    server.tag, server.ranges = tag, ranges
    server.plan[REMOTE].extend(plan)
    get(server, tmp_path, timeout=0.3)
    assert len(server.requests) == len(plan) + (1 if plan[-1] != "ignore" else 0)
    assert any(server.asked(REMOTE)) == asks_for_a_range
    assert set(server.asked(REMOTE, "Accept-Encoding")) == {"identity"}


def test_too_many_requests_waits_as_long_as_told(server: Server, tmp_path: Path) -> None:
    server.plan[REMOTE].append(429)
    start = time.monotonic()
    get(server, tmp_path)
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ([404], r"/images/case_00000\.nii\.gz does not exist \(404\)"),
        ([403], "was answered with 403 Forbidden"),
        ([500] * 7, "was answered with 500 Internal Server Error"),
        (["truncate"] * 8, "broke off, 8 times in a row"),
    ],
)
def test_gives_up(server: Server, tmp_path: Path, plan: list[int | str], message: str) -> None:
    server.ranges = False
    server.plan[REMOTE].extend(plan)
    with pytest.raises(InputError, match=message):
        get(server, tmp_path)
    assert len(server.requests) == len(plan)


def test_progress_keeps_patience(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PROGRESS", 1)
    monkeypatch.setattr(fetch, "CHUNK", 1 << 10)
    server.plan[REMOTE].extend(["truncate"] * 9)  # each of the nine brings half of the rest
    get(server, tmp_path)


def test_stored_gzip_is_kept_although_declared_as_encoding(server: Server, tmp_path: Path) -> None:
    server.extra = {"Content-Encoding": "gzip"}  # as Apache does
    get(server, tmp_path)


def test_redirect_as_hugging_face_answers(server: Server, tmp_path: Path) -> None:
    target = "/cdn/blob?signature=1"
    server.files[target], server.moved[REMOTE] = DATA, target
    server.plan[target].append("truncate")
    get(server, tmp_path)
    assert server.asked(target)[1]


def test_chunked_without_length(server: Server, tmp_path: Path) -> None:
    server.chunked = True
    server.plan[REMOTE].append("truncate")
    get(server, tmp_path)
    assert server.asked(REMOTE)[1]
    assert len(server.requests) == 2


def test_goes_on_where_the_last_run_ended(server: Server, tmp_path: Path) -> None:
    size = begin(server, tmp_path).stat().st_size
    get(server, tmp_path)
    assert server.asked(REMOTE) == [f"bytes={size}-"]


@pytest.mark.parametrize(("action", "requests"), [("ok", 1), ("blind", 2)])
def test_changed_between_runs_starts_over(server: Server, tmp_path: Path, action: str, requests: int) -> None:
    begin(server, tmp_path)
    server.files[REMOTE] = OTHER
    server.plan[REMOTE].append(action)
    get(server, tmp_path)
    assert len(server.requests) == requests  # If-Range saves the second


def test_pieces_of_two_versions_with_one_date_are_rejected_once(server: Server, tmp_path: Path) -> None:
    server.tag = "Last-Modified"
    part = begin(server, tmp_path)
    part.write_bytes(bytes(part.stat().st_size))
    get(server, tmp_path)
    assert server.asked(REMOTE)[1:] == [None]


def test_wrong_content_is_fetched_twice_and_refused(server: Server, tmp_path: Path) -> None:
    file, fetcher = remote_file(server, tmp_path), Fetcher(5.0, 0.01)
    with pytest.raises(InputError, match="was fetched twice and what came is not it"):
        fetcher.fetch(file, fetcher.session(), lambda path: "is not it")
    assert list(file.path.parent.iterdir()) == []


def test_ended_between_last_byte_and_test(server: Server, tmp_path: Path) -> None:
    begin(server, tmp_path).write_bytes(DATA)
    get(server, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("note", ["", "[]", "{}", "null", '{"url": 3}'])
def test_damaged_note_starts_over(server: Server, tmp_path: Path, note: str) -> None:
    begin(server, tmp_path)
    remote_file(server, tmp_path).note.write_text(note, encoding="utf-8")
    get(server, tmp_path)
    assert server.asked(REMOTE) == [None]


def test_other_mirror_does_not_continue_the_partial_file(server: Server, tmp_path: Path) -> None:
    begin(server, tmp_path)
    with Server({REMOTE: DATA}) as mirror:
        get(mirror, tmp_path)
        assert mirror.asked(REMOTE) == [None]


def test_unreachable_server_is_not_asked_for_every_file(tmp_path: Path) -> None:
    fetcher = Fetcher(5.0, 0.01)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: it refuses
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.nii.gz"
        for message in ("could not be reached, 3 times in a row", "was not tried, since 127"):
            with pytest.raises(InputError, match=message):
                fetcher.fetch(RemoteFile("a", url, tmp_path / "a.nii.gz", 1), fetcher.session(), lambda path: None)


def test_stop_leaves_the_partial_file(server: Server, tmp_path: Path) -> None:
    part = begin(server, tmp_path)
    size = part.stat().st_size
    file, fetcher = remote_file(server, tmp_path), Fetcher(5.0, 0.01)
    fetcher.stop.set()
    with pytest.raises(Stopped):
        fetcher.fetch(file, fetcher.session(), lambda path: None)
    assert part.stat().st_size == size
    assert not file.path.exists()
