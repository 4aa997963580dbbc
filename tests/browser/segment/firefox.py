"""Firefox through WebDriver BiDi, which it speaks itself: no driver beside it, and no network but this one socket."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

NOWHERE = "127.0.0.1", 9  # a proxy that does not answer, so that nothing is fetched
SETTINGS = {
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.proxy.type": 1,
    "network.proxy.http": NOWHERE[0],
    "network.proxy.http_port": NOWHERE[1],
    "network.proxy.ssl": NOWHERE[0],
    "network.proxy.ssl_port": NOWHERE[1],
}
WAIT = 300  # seconds for one answer


def find_firefox() -> str | None:
    return next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)


class Firefox:
    """One tab. `faults` has what its console reports as errors."""

    def __init__(self, address: str):
        self.socket = websocket.create_connection(f"{address}/session", timeout=WAIT, suppress_origin=True)
        self.count = 0
        self.faults: list[str] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self.tab = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **given: Any) -> Any:
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": given}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.count:
                assert answer["type"] == "success", answer
                return answer["result"]
            if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                self.faults.append(answer["params"]["text"])

    def open(self, path: Path) -> None:
        self.call("browsingContext.navigate", context=self.tab, url=path.as_uri(), wait="complete")

    def run(self, script: str) -> Any:
        """The text, number or truth value that an expression gives; a promise is awaited."""
        given = {"expression": script, "target": {"context": self.tab}, "awaitPromise": True}
        answer = self.call("script.evaluate", **given)
        assert answer["type"] == "success", answer
        return answer["result"].get("value")


@contextmanager
def running_firefox(program: str, profile: Path) -> Iterator[Firefox]:
    """Start one with a profile of its own, and end it."""
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in SETTINGS.items()]
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    command = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(profile)},
    )
    assert process.stderr is not None
    try:
        found = next(filter(None, (re.search(r"ws://\S+", line) for line in process.stderr)))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would wait for a reader
        yield Firefox(found[0].rstrip("/"))
    finally:
        process.terminate()
        process.wait(60)
