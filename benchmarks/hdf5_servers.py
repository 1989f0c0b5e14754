"""What is compared: two Jupyter servers on loopback, ours and jupyterlab-h5web in an environment of its own; and their figures.

A server's figures are those of its whole process tree: processor time from the kernel's clock of each process, which counts
threads that have ended too, and peak memory from ``VmHWM``.
"""

from __future__ import annotations

import gzip
import http.client
import json
import multiprocessing
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".test"
CORPUS = WORK / "corpus"
PEER_VENV = WORK / "hdf5-peer"
PEER = ("jupyterlab-h5web[full]==12.9.0", "h5grove==4.0.0", "h5py==3.16.0", "hdf5plugin==7.1.0", "jupyterlab==4.6.6")
PING_SECONDS = 0.02


def peer_python() -> Path:
    """The peer's environment, made at the first use."""
    python = PEER_VENV / "bin" / "python"
    stamp = PEER_VENV / "panosc-stamp"
    wanted = "\n".join(PEER)
    if not stamp.exists() or stamp.read_text() != wanted:
        uv = Path(sys.executable).with_name("uv")
        shutil.rmtree(PEER_VENV, ignore_errors=True)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, PEER_VENV], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PEER], check=True)
        stamp.write_text(wanted)
    return python


@dataclass
class Got:
    """One request's answer."""

    status: int
    seconds: float
    first_seconds: float
    nbytes: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def plain(self) -> bytes:
        """The body, not compressed."""
        return gzip.decompress(self.body) if self.headers.get("Content-Encoding") == "gzip" else self.body


class Server:
    """A Jupyter server as a process of its own.

    Args:
        python: of its environment.
        folder: its root.
        state: where it keeps what it writes.
        extension: the server extension that is measured; the others are those of a plain installation.
        command: ``server`` for the API alone, ``lab`` for a browser.
    """

    def __init__(self, python: Path, folder: Path, state: Path, extension: str, command: str = "server") -> None:
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        state.mkdir(parents=True, exist_ok=True)
        self._log = (state / "log.txt").open("wb")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "PYTHON"))}
        homes = (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
            "XDG_CACHE_HOME",
            "JUPYTERLAB_SETTINGS_DIR",
        )
        environment |= {name: str(state / name.lower()) for name in (*homes, "JUPYTERLAB_WORKSPACES_DIR")}
        module = {"server": "jupyter_server", "lab": "jupyterlab"}[command]
        server = {
            "ip": "127.0.0.1",
            "port": self.port,
            "port_retries": 0,
            "root_dir": str(folder),
            "open_browser": False,
            "allow_root": True,
            "jpserver_extensions": {extension: True},
        }
        lab: dict[str, object] = {}
        quiet = state / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
        quiet.mkdir(parents=True)
        (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
        if command == "lab" and extension == "panosc_hdf5":
            lab["extra_labextensions_path"] = [str(_labextensions(state))]
        config = {"ServerApp": server, "IdentityProvider": {"token": self.token}, "LabApp": lab}
        (state / "config.json").write_text(json.dumps(config))
        self.process = subprocess.Popen(
            [python, "-m", module, f"--config={state / 'config.json'}"],
            env=environment,
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def wait(self, path: str = "/api/status") -> None:
        """Until it answers."""
        until = time.monotonic() + 90
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise SystemExit(f"a server ended: {Path(self._log.name).read_text()[-2000:]}")
            try:
                if self.get(path).status == 200:
                    return
            except OSError:
                self._connection.close()
            time.sleep(0.1)
        raise SystemExit(f"a server does not answer: {Path(self._log.name).read_text()[-2000:]}")

    def get(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        compressed: bool = True,
        connection: http.client.HTTPConnection | None = None,
        parts: bool = False,
    ) -> Got:
        """Ask.

        Args:
            path: of the URL.
            query: its parameters.
            compressed: whether the answer may be.
            connection: another one than the server's own.
            parts: the answer is a stream of envelopes; say when the first one was there.
        """
        at = connection or self._connection
        url = f"{path}?{urlencode(query)}" if query else path
        headers = {"Authorization": f"token {self.token}", "Accept-Encoding": "gzip" if compressed else "identity"}
        begin = time.perf_counter()
        at.request("GET", url, headers=headers)
        response = at.getresponse()
        first = _first_envelope(response) if parts and response.status == 200 else b""
        first_seconds = time.perf_counter() - begin
        try:
            rest = response.read()
        except http.client.HTTPException as error:
            raise SystemExit(f"{url}: {error!r}\n{Path(self._log.name).read_text()[-2000:]}") from error
        seconds = time.perf_counter() - begin
        body = first + rest
        return Got(response.status, seconds, first_seconds, len(body), body, dict(response.headers.items()))

    def tree(self) -> list[int]:
        """Its process and all beneath it."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """Processor time of the tree so far."""
        return sum(_cpu_seconds(pid) for pid in self.tree())

    def forget_peak(self) -> None:
        """Peak memory is counted from now on."""
        for pid in self.tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_mb(self) -> float:
        """Sum of the peaks of the tree's processes, in MB; what they share counts once."""
        tree = self.tree()
        shared = [_status_kb(pid, "RssShmem") for pid in tree]
        return (sum(_status_kb(pid, "VmHWM") for pid in tree) - sum(shared) + max(shared)) * 1024 / 1e6

    def stop(self) -> None:
        """End it."""
        self._connection.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def _labextensions(state: Path) -> Path:
    """Where Lab finds our built front end, installed or not."""
    built = Path(os.environ.get("PANOSC_HDF5_LABEXTENSION", ROOT / "extensions/hdf5/panosc_hdf5/labextension"))
    if not (built / "package.json").is_file():
        raise SystemExit("the extension's front end is not built: python3 deploy/bootstrap.py")
    place = state / "labextensions" / "@panosc"
    place.mkdir(parents=True)
    (place / "jupyterlab-hdf5").symlink_to(built)
    return place.parent


def _first_envelope(response: http.client.HTTPResponse) -> bytes:
    """The body up to where the first envelope is whole, as it came."""
    compressed = response.headers.get("Content-Encoding") == "gzip"
    unpack = zlib.decompressobj(31)
    came, plain = b"", b""
    while not _whole(plain):
        piece = response.read1(65_536)
        if not piece:
            break
        came += piece
        plain += unpack.decompress(piece) if compressed else piece
    return came


def _whole(plain: bytes) -> bool:
    """Whether an envelope's header and arrays are there."""
    if len(plain) < 8:
        return False
    end = 8 + int.from_bytes(plain[4:8], "little")
    return len(plain) >= end and len(plain) >= end + int(json.loads(plain[8:end])["payload"])


def _cpu_seconds(pid: int) -> float:
    try:
        return time.clock_gettime(
            ((~pid) << 3) | 2
        )  # CPUCLOCK_SCHED of another process, as clock_getcpuclockid gives it
    except OSError:
        return 0.0


def _status_kb(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _free_port() -> int:
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return int(any_socket.getsockname()[1])


class Pinger:
    """Asks a server for ``/api/status`` all the time, from a process of its own, and says what the longest wait was."""

    def __init__(self, server: Server) -> None:
        self._side, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_ping, args=(other, server.port, server.token), daemon=True)
        self._process.start()
        self._side.recv()

    def start(self) -> None:
        """From now on."""
        self._side.send("start")
        self._side.recv()

    def longest(self) -> float:
        """Seconds of the longest ping since the start."""
        self._side.send("stop")
        return float(self._side.recv())

    def close(self) -> None:
        """End it."""
        self._side.send("end")
        self._process.join(10)


def _ping(side: Connection, port: int, token: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    side.send("ready")
    while side.recv() == "start":
        side.send("started")
        longest = 0.0
        while True:
            begin = time.perf_counter()
            connection.request("GET", "/api/status", headers={"Authorization": f"token {token}"})
            connection.getresponse().read()
            longest = max(longest, time.perf_counter() - begin)
            if side.poll(PING_SECONDS):
                break
        side.recv()
        side.send(longest)
