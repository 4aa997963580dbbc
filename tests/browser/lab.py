"""A JupyterLab of our own, a Chromium of the system's, and a hand on both."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Page

CHROMIUM_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
VIEWER = ".kits-viewer[data-ready=true]"
REPLACE = """async (path) => {
    const { commands, shell } = jupyterapp;
    await shell.currentWidget?.context?.save(); // or it would ask
    await commands.execute("application:close-all");
    await commands.execute("docmanager:open", { path });
}"""
SETTINGS = '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}'


def find_chromium() -> str | None:
    """The system's Chromium or Chrome; Playwright's own is never downloaded."""
    names = ("/usr/bin/chromium", "chromium", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, the token that it asks for, and the folder of its notebooks."""

    url: str
    token: str
    notebooks: Path

    def open(self, page: Page, name: str, cells: Sequence[str], app: str = "lab/tree") -> None:
        """Write a notebook with these code cells and show it in JupyterLab, or in Notebook 7, the app `notebooks`."""
        notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, self.notebooks / name)
        self.show(page, name, app)

    def show(self, page: Page, name: str, app: str = "lab/tree") -> None:
        """Open a notebook in `page` and wait until its kernel is idle, or a first key or cell would be lost.

        In a page of JupyterLab it takes the place of the notebooks there: to load JupyterLab takes seconds.
        """
        if page.url.startswith(f"{self.url}/{app}/") and app == "lab/tree":
            page.evaluate(REPLACE, name)
        else:
            page.goto(f"{self.url}/{app}/{name}?token={self.token}&reset", timeout=120_000)
        page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
            timeout=60_000,
        )

    def run_all(self, page: Page) -> None:
        """Run all cells of the notebook in `page`, to the end."""
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")

    def shut_down(self, page: Page) -> None:
        """Stop the kernel of the notebook in `page`, so that no session is left for the next one."""
        page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")

    def run(self, page: Page, code: str) -> str:
        """Execute code in the kernel of the notebook in `page` and return what it printed."""
        return page.evaluate(
            """async (code) => {
                const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                const request = kernel.requestExecute({ code });
                let printed = "";
                request.onIOPub = ({ content }) => { printed += content.text ?? content.evalue ?? ""; };
                await request.done;
                return printed.trim();
            }""",
            code,
        )


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Start JupyterLab on loopback, on a free port, with everything that it writes under `folder`; stop it after."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, notebooks = secrets.token_hex(16), folder / "notebooks"
    for name in ("notebooks", "home"):
        (folder / name).mkdir(parents=True)
    (folder / "overrides").mkdir()
    (folder / "overrides" / "overrides.json").write_text(SETTINGS, encoding="utf-8")
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "HOME": "home",
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
        "--JupyterNotebookApp.expose_app_in_browser=True",
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}"),
        f"--LabServerApp.app_settings_dir={folder / 'overrides'}",
    ]
    environment = os.environ | {name: str(folder / place) for name, place in places.items()}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            lab = Lab(f"http://127.0.0.1:{port}", token, notebooks)
            _wait_until_up(lab, server, folder / "server.log")
            yield lab
        finally:
            server.terminate()  # it stops its kernels first
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_up(lab: Lab, server: subprocess.Popen[bytes], log: Path, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{lab.url}/api/status?token={lab.token}", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
