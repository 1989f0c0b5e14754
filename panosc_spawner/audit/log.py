"""The file of the audit log: one JSON object a line, appended, rotated by size."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from panosc_spawner.audit.events import Event
from panosc_spawner.metrics import AUDIT_FAILURES

MAX_TEXT = 500
log = logging.getLogger(__name__)


class AuditLog:
    """Where a hub writes down who got access to what.

    A line holds the time, the event, and those of the fields that are not empty. It never holds a token, nor a claim that is
    not needed to tell what happened. Writing never raises: what cannot be written is told in the hub's own log and counted.

    Args:
        file: to append to; None writes nowhere (tests, dry runs).
        max_bytes: at which size the file is rotated.
        keep: how many rotated files stay (``audit.jsonl.1`` is the newest).
    """

    def __init__(self, file: Path | None, *, max_bytes: int = 50 * 1024**2, keep: int = 20) -> None:
        self.file = file
        self._max_bytes, self._keep = max_bytes, keep
        self._lock = threading.Lock()

    def record(
        self,
        event: Event,
        *,
        person: str = "",
        by: str = "",
        identity: str = "",
        proposal: str = "",
        server: str = "",
        source: str = "",
        reason: str = "",
        evidence: str = "",
        **details: str | int | float | bool | list[str] | None,
    ) -> None:
        """Write one line.

        Args:
            event: what happened.
            person: the hub's user name of whom it is about.
            by: of who did it, where that is somebody else (an administrator), or "hub".
            identity: issuer and subject, where it matters which one (logins, links).
            proposal: ``<facility>/<id>``.
            server: name of the server.
            source: the proposal source that says so.
            reason: why, as a code or in words.
            evidence: what it rests on, in words.
            details: more, by name.
        """
        if self.file is None:
            return
        fields = dict(
            person=person,
            by=by,
            identity=identity,
            proposal=proposal,
            server=server,
            source=source,
            reason=reason,
            evidence=evidence,
            **details,
        )
        line: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event.value}
        line |= {key: _bounded(value) for key, value in fields.items() if value not in ("", None)}
        try:
            self._append(self.file, json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        except OSError as error:
            AUDIT_FAILURES.inc()
            log.critical("The audit log cannot be written: %s. Lost: %s", error, line)

    def _append(self, file: Path, line: bytes) -> None:
        with self._lock:
            if file.exists() and file.stat().st_size + len(line) > self._max_bytes:
                self._rotate(file)
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)

    def _rotate(self, file: Path) -> None:
        for number in range(self._keep - 1, 0, -1):
            older = file.with_name(f"{file.name}.{number}")
            if older.exists():
                older.replace(file.with_name(f"{file.name}.{number + 1}"))
        file.replace(file.with_name(f"{file.name}.1"))


def _bounded(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
    if isinstance(value, list):
        return [_bounded(item) for item in value[:100]]
    return value
