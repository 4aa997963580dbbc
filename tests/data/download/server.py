"""A local HTTP server that misbehaves as it is told, for the tests of the downloader."""

import email.utils
import threading
import time
from collections import defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DATE = email.utils.formatdate(1_600_000_000, usegmt=True)


class Server:
    """Serves `files` (path to bytes) on a free port of 127.0.0.1; use it as a context manager.

    plan: for each path, what to do with the next requests, one entry each; afterwards they are answered well.
      an int: that status (429 asks to wait 1 s); "truncate": half the bytes, then the connection is closed;
      "stall": half the bytes, then nothing; "ignore": the whole file although a range was asked for;
      "lie": the range that was asked for, shifted; "blind": the range, whatever If-Range says.
    moved: paths that redirect (302) to other paths.
    tag: how versions are told apart: "ETag", "weak", "Last-Modified" or "" for not at all.
    ranges: whether ranges are honored. pace: seconds of rest after every 64 KiB. chunked: send no length.
    extra: more headers. requests: (path, headers) of all requests so far.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.plan: defaultdict[str, deque[int | str]] = defaultdict(deque)
        self.moved: dict[str, str] = {}
        self.tag, self.ranges, self.pace, self.chunked = "ETag", True, 0.0, False
        self.extra: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"owner": self}))
        self._http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def asked(self, path: str, header: str = "Range") -> list[str | None]:
        """The values of a header in the requests for `path`, in order."""
        return [headers.get(header) for asked, headers in self.requests if asked == path]


class _Handler(BaseHTTPRequestHandler):
    owner: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.owner
        server.requests.append((self.path, dict(self.headers)))
        if self.path in server.moved:
            self.send_response(302)
            self.send_header("Location", server.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        action = server.plan[self.path].popleft() if server.plan[self.path] else "ok"
        content = server.files.get(self.path)
        if isinstance(action, int) or content is None:
            self.send_response(404 if content is None else int(action))
            if action == 429:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        names = {"ETag": f'"{hash(content)}"', "weak": f'W/"{hash(content)}"', "Last-Modified": DATE, "": ""}
        value = names[server.tag]
        wanted, same = self.headers.get("Range"), self.headers.get("If-Range") in (value, None)
        start = 0
        if wanted and server.ranges and action != "ignore" and (same or action == "blind"):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = start // 2 if action == "lie" else start
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if value:
            self.send_header("ETag" if server.tag == "weak" else server.tag, value)
        for name, text in server.extra.items():
            self.send_header(name, text)
        body = content[start:]
        self.send_header(
            *(("Transfer-Encoding", "chunked") if server.chunked else ("Content-Length", str(len(body))))
        )
        self.end_headers()
        self._send_body(body[: len(body) // 2] if action in ("truncate", "stall") else body)
        if action == "stall":
            server.closing.wait()
        if action in ("truncate", "stall"):
            self.close_connection = True
        elif server.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_body(self, body: bytes) -> None:
        try:
            for at in range(0, len(body), 1 << 16):
                piece = body[at : at + (1 << 16)]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self.owner.chunked else piece)
                time.sleep(self.owner.pace)
        except OSError:  # the client was killed
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass
