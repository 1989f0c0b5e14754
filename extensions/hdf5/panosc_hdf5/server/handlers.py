"""Requests over HTTP: asked in words, answered in bytes that are not copied."""

from __future__ import annotations

import asyncio
import json
import re
from importlib.resources import files
from typing import Any, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from panosc_hdf5.core.errors import BadRequest, Cancelled, HDF5Error, NotFound
from panosc_hdf5.core.operations import TABLE, Entry
from panosc_hdf5.core.wire import MEDIA_TYPE, Reply, envelope_parts
from panosc_hdf5.server.coalesce import Reader
from panosc_hdf5.server.extension import KEY, Extension
from panosc_hdf5.server.live_handler import LiveHandler
from panosc_hdf5.server.parts import Part, Question
from panosc_hdf5.server.paths import Target
from panosc_hdf5.worker_protocol import answers_in_parts

LINES = "application/x-ndjson"
PIECE = 8 * 1024**2  # some milliseconds of sending, after which others have a turn
SMALL = 64 * 1024
MAX_SLOT = 200

# What Jupyter and its clients add to any request.
_FOREIGN = ("token", "no_track_activity", "slot")
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_REASONS = {409: "Conflict", 499: "Client Closed Request"}


class HDF5Handler(APIHandler):
    """What all handlers here have in common: authorised as contents are, and failures as words."""

    auth_resource = "contents"

    @property
    def extension(self) -> Extension:
        """What the handlers share."""
        return cast(Extension, self.settings[KEY])

    def compute_etag(self) -> str | None:
        """Never a hash of the body."""
        return None

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Words, as JSON."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, web.HTTPError):
            words = error.log_message or error.reason or _reason(status_code)
        else:
            words = "The server failed in a way that nobody foresaw. Its log has the details."
        self.finish(json.dumps({"code": _code(status_code), "message": words}))

    def refuse(self, error: HDF5Error) -> None:
        """Answer with an error."""
        self.set_status(error.status, _REASONS.get(error.status))
        self.set_header("Cache-Control", "no-store")
        if "retry_after" in error.details:
            self.set_header("Retry-After", str(int(error.details["retry_after"]) + 1))
        self.finish(json.dumps(error.as_json()))

    def parameters(self) -> dict[str, str]:
        """The query, as it came: one value a name.

        Raises:
            BadRequest: a parameter twice, or no text.
        """
        found: dict[str, str] = {}
        for name, values in self.request.query_arguments.items():
            if name in _FOREIGN or (name.isdigit() and values == [b""]):  # Jupyter's way around caches
                continue
            if len(values) > 1:
                raise BadRequest(f"The parameter {name[:40]} is there more than once.")
            try:
                found[name] = values[0].decode()
            except UnicodeDecodeError as error:
                raise BadRequest(f"The parameter {name[:40]} is not valid text (UTF-8).") from error
        return found


class OperationHandler(HDF5Handler):
    """``GET panosc-hdf5/<operation>?path=…`` for every operation of the table."""

    def initialize(self) -> None:
        """Nobody waits yet."""
        self._aborted: HDF5Error | None = None
        self._reader: Reader | None = None

    def abort(self, error: HDF5Error) -> None:
        """Stop working on this: the client is gone, or has asked for something newer."""
        self._aborted = self._aborted or error
        if self._reader is not None:
            self._reader.abort(error)

    def on_connection_close(self) -> None:
        """The client does not wait any more."""
        self.abort(Cancelled("The client does not wait any more."))

    @web.authenticated
    @authorized
    async def get(self, operation: str) -> None:
        """Answer."""
        slot = self._slot()
        try:
            if slot is not None:
                self.extension.slots.take(slot, self.abort)
            await self._answer(operation)
        except HDF5Error as error:
            if isinstance(error, Cancelled) and error.status == Cancelled.status:
                self.set_status(499, _REASONS[499])
                self._finish_quietly()
            else:
                self.refuse(error)
        except StreamClosedError:
            self._finish_quietly()
        finally:
            if self._reader is not None:
                self.extension.desk.leave(self._reader)
            if slot is not None:
                self.extension.slots.leave(slot, self.abort)

    async def _answer(self, operation: str) -> None:
        entry = TABLE.get(operation)
        if entry is None:
            raise NotFound(f"There is no operation {operation[:40]!r}.", f"There are: {', '.join(TABLE)}.")
        parameters = self.parameters()
        if unknown := sorted(set(parameters) - set(entry.parameters)):
            raise BadRequest(
                f"Unknown parameter {', '.join(unknown)[:200]}.", f"Known here: {', '.join(sorted(entry.parameters))}."
            )
        target = await self.extension.paths.resolve(parameters.get("path", ""))
        question = self._question(operation, entry, parameters, target)
        if await self._not_modified(question, target):
            return
        if self._aborted is not None:
            raise self._aborted
        reader = self._reader = self.extension.desk.ask(question)
        if answers_in_parts(entry.streamed, entry.parameters, parameters):
            await self._stream(reader)
        else:
            await self._whole(reader, question, target)

    def _slot(self) -> tuple[str, str] | None:
        name = self.request.headers.get("X-Panosc-Slot") or self.get_query_argument("slot", "")
        if not name:
            return None
        # Jupyter makes up a user for each request that brings the token.
        user = "" if self.token_authenticated else getattr(self.current_user, "username", "")
        return (str(user), name[:MAX_SLOT])

    def _question(self, operation: str, entry: Entry, parameters: dict[str, str], target: Target) -> Question:
        accepts = bool(_GZIP.search(self.request.headers.get("Accept-Encoding", "")))
        return Question(
            operation,
            parameters | {"path": target.path},
            target.identity,
            accepts and self.extension.settings.compress,
            entry.seconds * self.extension.settings.deadline_factor,
        )

    async def _not_modified(self, question: Question, target: Target) -> bool:
        if_none_match = self.request.headers.get("If-None-Match")
        if not if_none_match:
            return False
        tag = await self.extension.validators.still(question.key, target, if_none_match)
        if tag is None:
            return False
        self._validate(tag)
        self.set_status(304)
        self.finish()
        return True

    def _validate(self, tag: str | None) -> None:
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Cache-Control", "private, no-cache" if tag else "no-store")
        if tag:
            self.set_header("Etag", tag)

    async def _whole(self, reader: Reader, question: Question, target: Target) -> None:
        part = await reader.next()
        if part is None:
            raise HDF5Error("There was no answer.", code="internal")
        self._validate(self.extension.validators.tag(question.key, target, part.depends) if part.cacheable else None)
        self._describe(part)
        if part.nbytes <= SMALL:
            await self.finish(b"".join(part.views), set_content_type=part.media_type)
            return
        self.set_header("Content-Length", str(part.nbytes))
        await self.flush()
        await self._send(part.views)
        await self.finish(set_content_type=part.media_type)

    async def _stream(self, reader: Reader) -> None:
        """Parts as they come. A failure after the first one is said in the stream itself."""
        part = await reader.next()
        self._validate(None)
        lines = part is None or part.media_type != MEDIA_TYPE
        gzip = part is not None and part.gzip
        if part is None:
            self.set_header("Content-Type", LINES)
        else:
            self._describe(part)
        try:
            while part is not None:
                for view in part.views:
                    self.write(bytes(view))
                await self._written(self.flush())
                part = await reader.next()
            self.write(reader.flight.trailing)
        except HDF5Error as error:
            words = reader.flight.trailing or (b"" if gzip else _last_words(error, lines))
            if self._aborted is not None or not words:
                self._hang_up()
                return
            self.write(words)
        await self.finish(set_content_type=self._headers["Content-Type"])

    def _hang_up(self) -> None:
        """End the connection in the middle, so that nobody takes half an answer for a whole one."""
        close = getattr(self.request.connection, "close", None)
        if close is not None:
            close()

    def _describe(self, part: Part) -> None:
        self.set_header("Content-Type", part.media_type)
        if part.gzip:
            self.set_header("Content-Encoding", "gzip")
        if part.filename:
            self.set_attachment_header(part.filename)

    async def _send(self, views: list[memoryview]) -> None:
        """Write the shared memory to the connection, letting others have a turn."""
        connection = self.request.connection
        for view in views:
            for begin in range(0, view.nbytes, PIECE):
                if self._aborted is not None or connection is None:
                    self._hang_up()  # what was promised will not come
                    raise StreamClosedError
                written = connection.write(view[begin : begin + PIECE])  # type: ignore[arg-type]  # any buffer will do
                await self._written(written)

    async def _written(self, written: asyncio.Future[None]) -> None:
        """Wait for the client to take it; one that does not is left, since others need the memory."""
        if written.done():
            await asyncio.sleep(0)  # awaiting what is done does not let others have a turn
        try:
            await asyncio.wait_for(written, self.extension.settings.stall_seconds)
        except TimeoutError as error:
            self._hang_up()
            raise StreamClosedError from error

    def _finish_quietly(self) -> None:
        if not self._finished:
            try:
                self.finish()
            except (StreamClosedError, RuntimeError, web.HTTPError):
                self.log.debug("A client went away.")


def _last_words(error: HDF5Error, lines: bool) -> bytes:
    problem = {"error": {"status": error.status, **error.as_json()}}
    if lines:
        return json.dumps(problem).encode() + b"\n"
    return b"".join(envelope_parts(Reply(header=problem)))


def _reason(status: int) -> str:
    return {403: "You are not allowed to do this.", 404: "There is nothing here."}.get(status, "The request failed.")


def _code(status: int) -> str:
    return {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method"}.get(status, "error")


class StatusHandler(HDF5Handler):
    """``GET panosc-hdf5/status``: version, workers, figures. Asking wakes a worker."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer."""
        try:
            worker = await self.extension.pool.wake()
        except HDF5Error as error:
            self.refuse(error)
            return
        pool, desk = self.extension.pool, self.extension.desk
        workers = pool.workers
        figures = await asyncio.gather(*(one.measure() for one in workers))
        hello = worker.hello or {}
        found = {
            "version": hello.get("version"),
            "codecs": hello.get("codecs", []),
            "workers": [
                {"pid": one.pid, "requests": len(one.runs), **its} for one, its in zip(workers, figures, strict=True)
            ],
            "restarts": pool.restarts,
            "quarantined": len(pool.quarantine),
            "asked": desk.asked,
            "joined": desk.joined,
            "followed": self.extension.live.followed,
        }
        self.set_header("Cache-Control", "no-store")
        await self.finish(json.dumps(found))


class DescriptionHandler(HDF5Handler):
    """``GET panosc-hdf5/openapi.yaml``: all of this for programs."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer."""
        text = files("panosc_hdf5.server").joinpath("openapi.yaml").read_bytes()
        await self.finish(text, set_content_type="application/yaml")


HANDLERS: list[tuple[str, type[Any]]] = [
    ("live", LiveHandler),
    ("openapi.yaml", DescriptionHandler),
    ("status", StatusHandler),
    (r"([a-z_]{1,40})", OperationHandler),
]
