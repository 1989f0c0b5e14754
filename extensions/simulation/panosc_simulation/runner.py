"""The process of a run: ``python -m panosc_simulation.runner FOLDER`` leaves a process behind that works on that folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from . import cores, point
from .detached import is_held, write_status
from .errors import Cancelled, SimulationError
from .instrument import Instrument
from .parameters import axes
from .process import Process
from .simulate import Plan, execute

_BEAT_SECONDS = 5.0
_SHOW_SECONDS = 0.5
_CANCEL_SECONDS = 0.2


class Status:
    """The run's status.json: said when something changes, and by a thread that beats while a long step says nothing."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock, self._ended = path, threading.Lock(), threading.Event()
        now = time.time()
        self._said: dict[str, Any] = {
            "state": "running",
            "pid": os.getpid(),
            "started": now,
            "fraction": 0.0,
            "words": "starting",
        }
        self._written, self._asked = 0.0, 0.0
        self._write()
        threading.Thread(target=self._beat, daemon=True).start()

    def update(self, fraction: float | None, words: str) -> None:
        """How far it is."""
        self._said.update({"words": words} if fraction is None else {"words": words, "fraction": round(fraction, 4)})
        if time.monotonic() - self._written > _SHOW_SECONDS:
            self._write()

    def close(self, words: str, good: bool) -> None:
        """The end is told by `end`, when the result is written."""
        self._said["words"] = words

    def check(self) -> None:
        """Raise `Cancelled` if the file ``cancel`` is there."""
        if time.monotonic() - self._asked > _CANCEL_SECONDS:
            self._asked = time.monotonic()
            if (self._path / "cancel").exists():
                raise Cancelled("Cancelled. The points that were done are kept.")

    def end(self, state: str, words: str) -> None:
        """The last word."""
        self._ended.set()
        self._said.update({"state": state, "words": words})
        if state == "done":
            self._said["fraction"] = 1.0
        self._write()

    def _write(self) -> None:
        with self._lock:
            self._written = time.monotonic()
            try:
                write_status(self._path, {**self._said, "heartbeat": time.time()})
            except OSError as error:  # a full home: the run itself may still have room
                sys.stderr.write(f"status.json: {error}\n")

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            self._write()


def work(path: Path) -> None:
    """Do the run, and say in its status how it ended."""
    status = Status(path)
    try:
        request = json.loads((path / "request.json").read_text())
        words = {"mccode": _simulate, "command": _command}[request["kind"]](path, request, status)
    except Cancelled as stopped:
        status.end("cancelled", str(stopped))
    except SimulationError as error:
        status.end("failed", str(error))
    except OSError as error:
        status.end("failed", f"The run's folder: {error.strerror or error}")
    except BaseException as error:
        status.end("failed", f"{type(error).__name__}: {error}")
        raise
    else:
        status.end("done", words)


def _simulate(path: Path, request: Mapping[str, Any], status: Status) -> str:
    points = path / "points"
    points.mkdir(exist_ok=True)
    name = request["name"]
    source = (path / "instrument" / f"{name}.instr").read_text()
    # Data files are read where the person has them; components were copied, and are beside the copied source.
    instrument = Instrument(
        name,
        source,
        Path(request["data"]),
        request["flavour"],
        request["values"],
        request["units"],
        components=path / "instrument",
    )
    scan = axes(request["over"], request["units"]) if request["over"] is not None else ()
    asked = Plan(instrument, scan, request["values"], request["ncount"], request["seed"], request["gravity"])
    done = {int(file.stem): point.load(file) for file in points.glob("*.npz")}
    result = execute(
        asked, status, cores.available(), done, lambda index, monitors: point.save(points / f"{index:06}.npz", monitors)
    )
    result.save(path / "result.nxs")
    for file in points.glob("*.npz"):
        file.unlink()
    return "done: the result is in result.nxs"


def _command(path: Path, request: Mapping[str, Any], status: Status) -> str:
    bound = shutil.which("setpriv")  # it ends with this process, as instruments do
    command = [*([bound, "--pdeathsig", "KILL", "--"] if bound else []), *request["command"]]
    process = Process(command, path, path, os.environ, "output.txt")
    try:
        while (code := process.poll()) is None:
            status.check()
            status.update(None, "running")
            time.sleep(0.1)
    except BaseException:
        process.kill()
        raise
    if code != 0:
        raise SimulationError(f"The program ended with status {code}: {process.output().strip()[-500:]}")
    return "done"


def main(path: Path, start: Callable[[Path], None] = work) -> int:
    """Leave a process behind that works on the run, and end; 0 if it took the run."""
    if os.fork():
        return 0
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: (path / "cancel").touch())  # the server stops: end in order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (path / "lock").open("a") as lock:
        if _taken(path, lock):
            os._exit(0)  # another process works on it already
        start(path)
    os._exit(0)


def _taken(path: Path, lock: IO[str]) -> bool:
    """Whether another process has the run; if not, it is this one's until it ends."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return is_held(path)
    return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
