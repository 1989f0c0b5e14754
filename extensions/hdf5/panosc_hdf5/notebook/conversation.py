"""What the viewer in the browser asks the kernel, and how it is answered: the custom messages of one widget.

From the browser: ``{"kind": "ask", "request", "operation", "parameters", "file"?}``, ``{"kind": "follow", "request", "h5path",
"file"?}``, ``{"kind": "cancel", "request"}``. To it: ``{"request", "kind": "answer", "form": "json" | "envelope" | "body"}`` with
the bytes as a buffer, ``{"kind": "state"}``, and last ``{"kind": "end"}`` or ``{"kind": "problem", "problem", "status"}``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from panosc_hdf5.core.errors import BadRequest
from panosc_hdf5.notebook.reader import Reader
from panosc_hdf5.notebook.reader_process import plain_parameters, problem
from panosc_hdf5.notebook.source import is_remote

Send = Callable[[dict[str, Any], list[bytes]], None]


class Conversation:
    """Answers one widget.

    Args:
        send: a message and its buffers to the browser; called from other threads.
        path: gives the widget's file, as it is now.
        reader: gives the process that reads; asked at the first question.
    """

    def __init__(self, send: Send, path: Callable[[], str], reader: Callable[[], Reader]) -> None:
        self._send = send
        self._path = path
        self._reader = reader
        self._lock = threading.Lock()
        self._running: dict[Any, int] = {}

    def take(self, message: Any) -> None:
        """One message from the browser. Never raises: what is wrong is answered in words."""
        request = message.get("request") if isinstance(message, dict) else None
        if not isinstance(request, int | str):
            return
        try:
            self._take(message, request)
        except Exception as error:
            self._send({"request": request, **problem(error)}, [])

    def close(self) -> None:
        """Nobody looks any more."""
        with self._lock:
            running, self._running = self._running, {}
        for number in running.values():
            self._reader().cancel(number)

    def _take(self, message: dict[str, Any], request: int | str) -> None:
        kind = message.get("kind")
        if kind == "cancel":
            with self._lock:
                number = self._running.get(request)
            if number is not None:
                self._reader().cancel(number)
        elif kind == "ask":
            parameters = {**plain_parameters(message.get("parameters") or {}), "path": self._file(message)}
            operation = str(message.get("operation"))
            self._begin(request, lambda receive: self._reader().ask(operation, parameters, receive))
        elif kind == "follow":
            parameters = {"path": self._file(message), "h5path": str(message.get("h5path", "/"))}
            self._begin(request, lambda receive: self._reader().follow(parameters, receive))
        else:
            raise BadRequest(
                "The viewer and the kernel have different versions.", "Restart the kernel; reload the page."
            )

    def _begin(self, request: int | str, start: Callable[[Any], int]) -> None:
        def receive(header: dict[str, Any], data: bytes) -> None:
            if header["kind"] in ("end", "problem"):
                with self._lock:
                    self._running.pop(request, None)
            self._send({"request": request, **header}, [data] if data else [])

        with self._lock:  # the end may come before the number is known
            self._running[request] = start(receive)

    def _file(self, message: dict[str, Any]) -> str:
        """The widget's file, or another one: by its absolute path or URL, or as seen from the widget's file."""
        own = self._path()
        other = message.get("file")
        if not other:
            return own
        if not isinstance(other, str) or "\0" in other:
            raise BadRequest("The file's name is not valid.")
        if is_remote(other) or Path(other).is_absolute():
            return other
        if is_remote(own):
            raise BadRequest("Only a file on the web can be shown beside one on the web.", "Give its URL.")
        return str(Path(own).parent / other)
