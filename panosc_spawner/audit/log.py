"""The file of the audit log: one JSON object a line, appended, rotated by size."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from panosc_spawner.audit.events import Event
from panosc_spawner.audit.lines import encode
from panosc_spawner.metrics import AUDIT_FAILURES

FILE = "audit.jsonl"
"""Its name in the hub's state directory."""

Sync = Literal["line", "second", "never"]

_LOCK_WAIT = 0.2  # seconds
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
log = logging.getLogger(__name__)


class AuditLog:
    """Where a hub writes down who got access to what.

    A line holds the time, the event, and those of the fields that are not empty. It never holds a token, nor a claim that is
    not needed to tell what happened. Writing never raises: what cannot be written is told in the hub's own log and counted.
    Several processes may write (the hub, an operator's command): they take turns by a lock beside the file.

    Args:
        file: to append to; None writes nowhere (tests, dry runs).
        max_bytes: at which size the file is rotated.
        keep: how many rotated files stay (``audit.jsonl.1`` is the newest).
        sync: when a line is safe from a power failure: at once, within a second, or when the system gets to it.
    """

    def __init__(
        self, file: Path | None, *, max_bytes: int = 50 * 1024**2, keep: int = 20, sync: Sync = "second"
    ) -> None:
        self.file = file
        self._max_bytes, self._keep, self._sync = max_bytes, keep, sync
        self._lock = threading.Lock()
        self._sync_waits = False

    def __deepcopy__(self, memo: dict[int, Any]) -> AuditLog:
        """Itself: traitlets copies what a configuration holds."""
        return self

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
        line: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event.value}
        fields = {
            "person": person,
            "by": by,
            "identity": identity,
            "proposal": proposal,
            "server": server,
            "source": source,
            "reason": reason,
            "evidence": evidence,
        }
        encoded = encode(line | fields | {key: value for key, value in details.items() if key not in line})
        try:
            with self._lock:
                self._write(self.file, encoded)
        except Exception as error:  # whatever it is: nobody's login or start depends on it
            AUDIT_FAILURES.inc()
            log.critical("The audit log cannot be written: %s. Lost: %s", error, encoded.decode("ascii").rstrip())

    def _write(self, file: Path, line: bytes) -> None:
        with _turn(file.with_name(f"{file.name}.lock")) as alone:
            descriptor = _open(file)
            try:
                size = os.fstat(descriptor).st_size
                if alone and size and size + len(line) > self._max_bytes:
                    descriptor = self._begin_another(file, descriptor)
                    size = os.fstat(descriptor).st_size
                _append(descriptor, size, line, alone=alone)
                if self._sync == "line":
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        if self._sync == "second":
            self._sync_soon(file)

    def _begin_another(self, file: Path, full: int) -> int:
        """A descriptor of the file to go on with; that of the full one, if the files cannot be renamed."""
        try:
            if self._sync != "never":
                os.fdatasync(full)
            for number, path in sorted(rotated(file), reverse=True):
                if number >= self._keep:
                    path.unlink()
                else:
                    path.replace(file.with_name(f"{file.name}.{number + 1}"))
            file.replace(file.with_name(f"{file.name}.1"))
            descriptor = _open(file)
        except OSError as error:
            AUDIT_FAILURES.inc()
            log.critical("The audit log cannot be rotated, and grows: %s", error)
            return full
        os.close(full)
        return descriptor

    def _sync_soon(self, file: Path) -> None:
        """One thread a second at most, while there are lines: the disk is waited for there, not in the hub's loop."""
        if self._sync_waits:
            return
        self._sync_waits = True
        timer = threading.Timer(1.0, self._sync_now, (file,))
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError as error:  # the system has no more threads: the line is written, and made safe here
            log.warning("The disk is waited for at once, for want of a thread: %s", error)
            self._sync_now(file)

    def _sync_now(self, file: Path) -> None:
        self._sync_waits = False
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            return  # its directory is gone: a hub that ended
        except OSError as error:
            AUDIT_FAILURES.inc()
            log.critical("The audit log cannot be brought to the disk: %s", error)


@contextmanager
def _turn(lock: Path) -> Iterator[bool]:
    """Wait for one's turn among processes. False if another holds it too long: the line is written all the same.

    A single append is whole without the lock, too; only rotating and repairing are left to a time when one is alone.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        _own(descriptor, lock)
        deadline = time.monotonic() + _LOCK_WAIT
        alone = False
        while not alone:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                alone = True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.002)
        yield alone
    finally:
        os.close(descriptor)


def _open(file: Path) -> int:
    """The file to append to: a file, no link to one, readable by the hub alone.

    Raises:
        OSError: if it is something else.
    """
    descriptor = os.open(file, _FLAGS, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{file} is not a file")
        if status.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
        _own(descriptor, file)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _own(descriptor: int, file: Path) -> None:
    """Where root runs a command, the file is still its directory's owner's: else the hub could not write it any more."""
    if os.geteuid() == 0:
        directory, status = file.parent.stat(), os.fstat(descriptor)
        if (status.st_uid, status.st_gid) != (directory.st_uid, directory.st_gid):
            os.fchown(descriptor, directory.st_uid, directory.st_gid)


def _append(descriptor: int, size: int, line: bytes, *, alone: bool) -> None:
    """Write the line whole or not at all.

    Raises:
        OSError: if it does not fit on the disk; nothing of it is left.
    """
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line  # somebody was stopped in the middle of a line; ours begins on its own
    try:
        written = os.write(descriptor, line)
        while alone and written < len(line):
            written += os.write(descriptor, line[written:])
        if written < len(line):
            raise OSError("only a part of the line was written")
    except OSError:
        if alone:
            os.ftruncate(descriptor, size)
        raise


def rotated(file: Path) -> Iterator[tuple[int, Path]]:
    """The older files of a log, with their numbers: 1 is the newest. In no order."""
    prefix = f"{file.name}."
    for path in file.parent.iterdir():
        number = path.name.removeprefix(prefix)
        if path.name.startswith(prefix) and number.isascii() and number.isdigit():
            yield int(number), path
