"""The reading process as the kernel sees it: started at the first question, replaced when it dies or is stuck."""

from __future__ import annotations

import atexit
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from panosc_hdf5.core.errors import Busy
from panosc_hdf5.core.operations import TABLE
from panosc_hdf5.notebook.reader_process import problem, read_frame

Receive = Callable[[dict[str, Any], bytes], None]
"""Takes each frame of one request: its header, and its bytes. Called on the reader's thread."""

GRACE_SECONDS = 5.0
"""How long after its deadline an answer may come before the process counts as stuck."""


@dataclass
class _Pending:
    process: subprocess.Popen[bytes]
    receive: Receive
    watch: threading.Timer | None = None


class Reader:
    """One process for all viewers of this kernel. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pending: dict[int, _Pending] = {}
        self._count = 0

    def ask(self, operation: str, parameters: dict[str, str], receive: Receive) -> int:
        """Ask; the answers go to ``receive``, the last one is of the kind ``end`` or ``problem``."""
        entry = TABLE.get(operation)
        seconds = (entry.seconds if entry else 1.0) + GRACE_SECONDS
        return self._begin({"kind": "ask", "operation": operation, "parameters": parameters}, receive, seconds)

    def follow(self, parameters: dict[str, str], receive: Receive) -> int:
        """Be told about changes until it is cancelled."""
        return self._begin({"kind": "follow", "parameters": parameters}, receive, None)

    def cancel(self, request: int) -> None:
        """Nobody waits for this any more."""
        with self._lock:
            if pending := self._pending.get(request):
                _write(pending.process, {"request": request, "kind": "cancel"})

    def close(self) -> None:
        """End the process; the next question starts another one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _begin(self, message: dict[str, Any], receive: Receive, seconds: float | None) -> int:
        with self._lock:
            self._count += 1
            if self._process is None or self._process.poll() is not None:
                self._process = self._start()
            pending = self._pending[self._count] = _Pending(self._process, receive)
            if seconds is not None:
                pending.watch = threading.Timer(seconds, self._process.kill)  # stuck: its listener tells who waits
                pending.watch.daemon = True
                pending.watch.start()
            _write(self._process, {"request": self._count, **message})
            return self._count

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: a queue.py beside the notebook is not what is imported.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "panosc_hdf5.notebook.reader_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # interrupting the kernel is not meant for it
        )
        threading.Thread(target=self._listen, args=(process,), name="hdf5-reader", daemon=True).start()
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        source = cast(BinaryIO, process.stdout)
        while (frame := read_frame(source)) is not None:
            self._deliver(*frame)
        process.wait()
        source.close()
        with self._lock:
            with contextlib.suppress(OSError):  # what could not be written any more
                cast(BinaryIO, process.stdin).close()
            lost = [request for request, pending in self._pending.items() if pending.process is process]
        for request in lost:
            self._deliver({"request": request, **problem(_reader_lost())}, b"")

    def _deliver(self, header: dict[str, Any], data: bytes) -> None:
        request = header.pop("request")
        with self._lock:
            pending = self._pending.get(request)
            if pending is not None and header["kind"] in ("end", "problem"):
                del self._pending[request]
                if pending.watch is not None:
                    pending.watch.cancel()
        if pending is not None:
            pending.receive(header, data)


def _write(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    stdin = cast(BinaryIO, process.stdin)
    try:
        stdin.write(json.dumps(message).encode() + b"\n")
        stdin.flush()
    except (OSError, ValueError):  # it died, and its pipe may be closed already
        process.kill()  # its listener tells everybody who waits


def _reader_lost() -> Busy:
    return Busy(
        "The process that reads this file for the notebook ended, most likely because of the file.",
        "Ask again; if it happens each time, the file is corrupt.",
        code="reader_lost",
    )


_shared: Reader | None = None
_sharing = threading.Lock()


def shared_reader() -> Reader:
    """This kernel's reader."""
    global _shared
    with _sharing:
        if _shared is None:
            _shared = Reader()
            atexit.register(_shared.close)
        return _shared
