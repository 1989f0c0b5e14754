"""The process that reads for a notebook: ``python -m panosc_hdf5.notebook.reader_process``.

A kernel does not read by itself for the viewer: a corrupt file may kill whoever reads it, HDF5 lets one thread of a process in
at a time, and a file that the kernel holds open can't be written by the notebook's next line.

In: one JSON object a line, ``{"request", "kind": "ask", "operation", "parameters"}``, ``{"request", "kind": "follow",
"parameters"}``, ``{"request", "kind": "cancel"}``. Out: frames, ``u32 length, u32 nbytes, JSON, bytes``, as :func:`read_frame`
reads them. The process ends when its input does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from panosc_hdf5.core.context import Context, Services, Ticket, user_cache
from panosc_hdf5.core.errors import BadRequest, Cancelled, HDF5Error
from panosc_hdf5.core.operations import TABLE, run
from panosc_hdf5.core.wire import Reply, envelope_parts

POLL_SECONDS = 0.25
SLOWEST_POLL_SECONDS = 2.0
THREADS = 4


def write_frame(out: BinaryIO, header: dict[str, Any], parts: list[bytes | memoryview]) -> None:
    """One frame; whoever calls holds the lock."""
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    nbytes = sum(part.nbytes if isinstance(part, memoryview) else len(part) for part in parts)
    out.write(len(text).to_bytes(4, "little") + nbytes.to_bytes(4, "little") + text)
    for part in parts:
        out.write(part)
    out.flush()


def read_frame(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    """The next frame, or None at the end."""
    lengths = source.read(8)
    if len(lengths) < 8:
        return None
    length, nbytes = int.from_bytes(lengths[:4], "little"), int.from_bytes(lengths[4:], "little")
    text, data = source.read(length), source.read(nbytes)
    return (json.loads(text), data) if len(text) == length and len(data) == nbytes else None


class ReaderProcess:
    """Answers on threads; every answer names the request it belongs to."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._writing = threading.Lock()
        self._services = Services(cache_dir=user_cache())
        self._tickets: dict[int, Ticket] = {}
        self._stops: dict[int, threading.Event] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="answer")

    def take(self, message: dict[str, Any]) -> None:
        """Begin with one message."""
        request = int(message["request"])
        if message["kind"] == "ask":
            entry = TABLE.get(message["operation"])
            self._tickets[request] = Ticket(entry.seconds if entry else 1.0)
            self._pool.submit(self._answer, request, message["operation"], message["parameters"])
        elif message["kind"] == "follow":
            stop = self._stops[request] = threading.Event()
            threading.Thread(target=self._follow, args=(request, message["parameters"], stop), daemon=True).start()
        else:
            self._cancel(request)

    def _cancel(self, request: int) -> None:
        if ticket := self._tickets.get(request):
            ticket.cancel()
        if stop := self._stops.pop(request, None):
            stop.set()

    def _send(self, request: int, header: dict[str, Any], parts: list[bytes | memoryview] | None = None) -> None:
        with self._writing:
            write_frame(self._out, {"request": request, **header}, parts or [])

    def _answer(self, request: int, operation: str, parameters: dict[str, str]) -> None:
        context = Context(self._services, self._tickets[request])
        try:
            context.check()
            for reply in run(operation, parameters, context):
                context.check()
                self._send_reply(request, reply)
            self._send(request, {"kind": "end"})
        except Cancelled:
            self._send(request, {"kind": "end", "cancelled": True})
        except Exception as error:
            self._send(request, problem(error))
        finally:
            self._tickets.pop(request, None)

    def _send_reply(self, request: int, reply: Reply) -> None:
        if reply.body is not None:
            names = {"media_type": reply.media_type, "filename": reply.filename}
            self._send(request, {"kind": "answer", "form": "body", **names}, [reply.body])
        elif reply.is_json:
            self._send(request, {"kind": "answer", "form": "json", "header": reply.header})
        else:
            self._send(request, {"kind": "answer", "form": "envelope"}, list(envelope_parts(reply)))

    def _follow(self, request: int, parameters: dict[str, str], stop: threading.Event) -> None:
        last: dict[str, Any] | None = None
        pause = POLL_SECONDS
        while not stop.is_set():
            state = self._state(parameters)
            if state != last:
                self._send(request, {"kind": "state", "state": state})
                last, pause = state, POLL_SECONDS
            stop.wait(pause)
            pause = min(SLOWEST_POLL_SECONDS, pause * 1.1)
        self._send(request, {"kind": "end"})

    def _state(self, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            return next(run("state", parameters, Context(self._services, Ticket(TABLE["state"].seconds)))).header
        except Exception as error:
            return {"shape": None, "size": 0, "mtime_ns": 0, "error": problem(error)["problem"]}


def problem(error: Exception) -> dict[str, Any]:
    """A failure as a message. What is not in words is a bug of ours, named by its type only."""
    if isinstance(error, HDF5Error):
        return {"kind": "problem", "status": error.status, "problem": error.as_json()}
    if isinstance(error, MemoryError):
        words = HDF5Error("There is not enough memory for this.", "Ask for less: a slice, a stride or a tile.")
    else:
        words = HDF5Error(f"The viewer has an error of its own ({type(error).__name__}).", "Please report it.")
    return {"kind": "problem", "status": words.status, "problem": words.as_json()}


def plain_parameters(parameters: Any) -> dict[str, str]:
    """What a browser sent, as operations take it.

    Raises:
        BadRequest: not names with texts, numbers and flags.
    """
    if not isinstance(parameters, dict):
        raise BadRequest("The parameters must be an object.")
    plain: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, bool):
            plain[str(name)] = "1" if value else "0"
        elif isinstance(value, str | int | float):
            plain[str(name)] = str(value)
        elif value is not None:
            raise BadRequest(f"The parameter {str(name)[:40]} must be text, a number or a flag.")
    return plain


def main() -> None:
    """Serve until the input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not get into the frames
    process = ReaderProcess(out)
    for line in sys.stdin.buffer:
        process.take(json.loads(line))
    os._exit(0)  # threads may be deep inside HDF5; nobody waits for them any more


if __name__ == "__main__":
    main()
