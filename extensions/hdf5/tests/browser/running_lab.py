"""A JupyterLab with this extension and nothing of the person who runs the tests: own folder, settings, workspaces and ports."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

EXTENSION = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("PANOSC_HDF5_LABEXTENSION", EXTENSION / "panosc_hdf5" / "labextension"))
TOKEN = "token-of-the-tests"
START_SECONDS = 90


@dataclass
class Lab:
    """A running Lab.

    Attributes:
        url: its base, without a slash at the end.
        root: its files.
        log: what it said.
    """

    url: str
    root: Path
    log: Path

    def forget_layout(self) -> None:
        """Nothing is open, and all settings are the standard ones, when Lab starts next."""
        for folder in ("workspaces", "settings"):
            shutil.rmtree(self.root.parent / folder, ignore_errors=True)

    def address(self, path: str = "", **query: str) -> str:
        """Where a file, or Lab, opens."""
        found = urllib.parse.urlencode({"token": TOKEN, **query}, quote_via=urllib.parse.quote, safe="/,:")
        return f"{self.url}/lab{'/tree/' + urllib.parse.quote(path) if path else ''}?{found}"


def free_port() -> int:
    """A port of the loopback that nobody uses."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment(folder: Path) -> dict[str, str]:
    """Everything Jupyter keeps, in one folder; the extension as it is built in the repository."""
    if not (BUILT / "package.json").exists():
        raise RuntimeError("The extension is not built: run `npm run build:prod` in extensions/hdf5 first.")
    linked = folder / "jupyter" / "labextensions" / "@panosc" / "jupyterlab-hdf5"
    linked.parent.mkdir(parents=True)
    linked.symlink_to(BUILT)
    page = folder / "config" / "labconfig" / "page_config.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}))
    names = ("CONFIG", "DATA", "RUNTIME")
    own = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in names}
    own |= {f"JUPYTERLAB_{name}_DIR": str(folder / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    return {
        **os.environ,
        **own,
        "JUPYTER_PATH": str(folder / "jupyter"),
        "HOME": str(folder),
        "PYTHONPATH": str(EXTENSION),
    }


@contextlib.contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Start a Lab with its files in ``folder/files``, and stop it at the end."""
    root, log, port = folder / "files", folder / "lab.log", free_port()
    root.mkdir()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}"),
        *(f"--IdentityProvider.token={TOKEN}", "--ServerApp.jpserver_extensions={'panosc_hdf5': True}"),
        "--LabApp.extension_manager=readonly",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment(folder), stdout=output, stderr=output)
        try:
            _wait(f"http://127.0.0.1:{port}/api", process, log)
            yield Lab(f"http://127.0.0.1:{port}", root, log)
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url)
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError(f"Lab did not start:\n{log.read_text()[-4000:]}")
