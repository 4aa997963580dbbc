"""One remote file to one place here, over as many tries as it takes, across killed runs.

A file grows under a temporary name beside its target, with a note of which version of which remote file it is.
It gets its own name only when the whole of it has passed the caller's test. A try after a broken or killed one
asks the server for the rest of that same version (HTTP Range with If-Range, RFC 9110) and starts over where the
server knows no ranges or the version has changed.
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from kits_msan.errors import InputError

CHUNK = 1 << 16  # bytes between two looks at `stop`; less than this is lost with a connection
PROGRESS = 1 << 20  # a try that brings so many new bytes does not count as failed
TRIES, TRIES_UNHEARD = 8, 3  # in a row: two minutes of patience where the server has answered before in this run
LONGEST_PAUSE = 60.0  # s between tries
STATUS_RETRIES = 6  # of a request answered with 429 or 5xx
LONGEST_RETRY_AFTER = 300  # s that a server may ask for
CONNECT = 15.0  # s


class Stopped(Exception):  # noqa: N818 - not an error
    """`Fetcher.stop` was set; everything is left as it is, to go on from later."""


@dataclass(eq=False)
class RemoteFile:
    """A remote file and its place here.

    name: whose file it is, for the caller. expected, received: bytes; expected is an estimate until the server
    has told.
    """

    name: str
    url: str
    path: Path
    expected: int
    received: int = 0

    @property
    def part(self) -> Path:
        """Where it grows; keeps the ending, by which nibabel knows a NIfTI file."""
        return self.path.with_name(f".part-{self.path.name}")

    @property
    def note(self) -> Path:
        """Which version `part` is of: url, validator (header and value), length."""
        return self.path.with_name(f".part-{self.path.name}.json")

    @property
    def host(self) -> str:
        """Name and port of the server."""
        return urlsplit(self.url).netloc

    def partial(self) -> dict:
        """The note of the partial file, with its "size"; an empty one if there is nothing to go on from."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            size = self.part.stat().st_size
            usable = note["url"] == self.url and note["value"] and 0 < size <= (note["length"] or size)
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return {**note, "size": size} if usable else {}

    def discard(self) -> None:
        """Remove the partial file and its note."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.received = 0


class Fetcher:
    """Fetches files; several threads may share it, each with a `session` of its own.

    timeout: seconds without a byte after which a try is given up.
    backoff: seconds before the second try, doubled from try to try.
    stop: set it to have every thread end at its next byte or pause, by raising Stopped.
    """

    def __init__(self, timeout: float, backoff: float) -> None:
        self.timeout, self.backoff = timeout, backoff
        self.stop = threading.Event()
        self._heard: set[str] = set()  # hosts that have answered
        self._silent: set[str] = set()  # hosts that never did, given up

    def session(self) -> requests.Session:
        """A session that waits and asks again after 429 and 5xx, as long as the server's Retry-After says."""
        retry = urllib3.Retry(
            total=None,
            connect=0,  # `fetch` tries these again itself, since it can go on where the connection broke
            read=False,
            status=STATUS_RETRIES,
            status_forcelist=(429, 500, 502, 503, 504),
            backoff_factor=self.backoff,
            backoff_max=LONGEST_PAUSE,
            retry_after_max=LONGEST_RETRY_AFTER,
            raise_on_status=False,
        )
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.mount("https://", HTTPAdapter(max_retries=retry))
        return session

    def fetch(self, file: RemoteFile, session: requests.Session, flaw: Callable[[Path], str | None]) -> None:
        """Bring one file here.

        flaw: says what is wrong with the whole file, as the end of a sentence, or None.
        Raises InputError if the file cannot be had or is not what it should be, Stopped if `stop` was set.
        """
        if file.host in self._silent:  # no network or a wrong address: do not try hundreds of files in vain
            raise InputError(f"{file.url} was not tried, since {file.host} had not answered")
        failures, rejected, furthest = 0, 0, 0
        while True:
            self._check_stop()
            try:
                self._receive(file, session)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                failures = 1 if file.received > furthest + PROGRESS else failures + 1
                furthest = max(furthest, file.received)
                if failures >= (TRIES if file.host in self._heard else TRIES_UNHEARD):
                    if file.host not in self._heard:
                        self._silent.add(file.host)
                    raise InputError(f"{file.url} {self._plainly(error)}, {failures} times in a row") from error
                self.stop.wait(min(self.backoff * 2 ** (failures - 1), LONGEST_PAUSE))
                continue
            found = flaw(file.part)
            self._check_stop()
            if found is None:
                os.replace(file.part, file.path)
                file.note.unlink(missing_ok=True)
                return
            file.discard()
            rejected += 1
            if rejected == 2:  # the first may have been patched together from an earlier run
                raise InputError(f"{file.url} was fetched twice and what came {found}")

    def _receive(self, file: RemoteFile, session: requests.Session, anew: bool = False) -> None:
        """One request, its bytes added to the partial file. Returns when the server has nothing more to send.

        anew: ask for the whole file; what has arrived stays until it comes.
        """
        note = {} if anew else file.partial()
        file.received = note.get("size", 0)
        if note and file.received == note["length"]:
            return  # the last run ended between the last byte and the test
        headers = {"Accept-Encoding": "identity"}  # ranges and lengths are those of the .gz file itself
        if note:
            headers |= {"Range": f"bytes={file.received}-", "If-Range": note["value"]}
        with session.get(file.url, headers=headers, stream=True, timeout=(CONNECT, self.timeout)) as response:
            self._check_stop()
            self._heard.add(file.host)
            go_on = response.status_code == 206 and _continues(response, note)
            refused = 400 <= response.status_code < 500 and response.status_code not in (404, 429)
            if note and not go_on and (refused or response.status_code == 206):
                return self._receive(file, session, anew=True)
            if response.status_code == 404:
                raise InputError(f"{file.url} does not exist (404); check the address base")
            if not go_on and response.status_code != 200:
                raise InputError(f"{file.url} was answered with {response.status_code} {response.reason}")
            file.path.parent.mkdir(parents=True, exist_ok=True)
            with open(file.part, "ab" if go_on else "wb") as stream:
                if not go_on:
                    note = _describe(response)
                    file.note.write_text(
                        json.dumps({"url": file.url, **note}), encoding="utf-8"
                    )  # the part is empty at this moment
                    file.received = 0
                file.expected = note["length"] or file.expected
                # raw, since some servers declare a stored .gz as Content-Encoding and requests would inflate it
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    self._check_stop()
                    stream.write(chunk)
                    stream.flush()  # nothing may be left to write for a thread that lingers after `stop`
                    file.received += len(chunk)

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _plainly(self, error: Exception) -> str:
        if isinstance(error, requests.exceptions.SSLError):
            return f"has a certificate that is not trusted ({error})"
        if isinstance(error, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
            return f"sent nothing for {self.timeout:g} s"
        if isinstance(error, requests.ConnectionError):
            return "could not be reached"
        return "broke off" if isinstance(error, urllib3.exceptions.HTTPError) else f"failed ({error})"


def _describe(response: requests.Response) -> dict:
    """Which version a full response is of: its strong ETag or else its date; with neither there is no resuming."""
    header = "ETag" if response.headers.get("ETag", "W/").startswith('"') else "Last-Modified"
    length = response.headers.get("Content-Length", "")
    return {
        "header": header,
        "value": response.headers.get(header),
        "length": int(length) if length.isdigit() else None,
    }


def _continues(response: requests.Response, note: dict) -> bool:
    """Whether a 206 response is the rest that was asked for, of the version in `note`."""
    start, _, length = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    return (
        bool(note)
        and start.startswith(f"{note['size']}-")
        and length in ("*", str(note["length"] or length))
        and response.headers.get(note["header"], note["value"]) == note["value"]
    )
