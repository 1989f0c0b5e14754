"""What the hub has to tell people about their access: kept until they have read it, also over a restart of the hub."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from panosc_spawner.state_db import open_state

Kind = Literal["added", "removed", "changed", "revoked", "ended"]
"""added, removed, changed: a proposal of theirs. revoked: a running server lost data. ended: a login, and what went with it."""

KEPT = 30
"""Unread notices of one person; the oldest make way for new ones."""
MAX_TEXT = 1000

_TABLE = """
create table if not exists notices (
  id integer primary key autoincrement, username text not null, kind text not null, text text not null,
  ref text not null, at text not null)
"""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notice:
    """One sentence for one person. ``ref`` is the proposal it is about, ``<facility>/<id>``, where there is one."""

    id: int
    kind: Kind
    text: str
    ref: str
    at: datetime


class Notices:
    """The unread notices of all people of a hub.

    A notice is a courtesy: where the file cannot be read or written, there is none, the hub's log says so, and nothing else
    stops working.

    Args:
        file: SQLite database, made when missing; None keeps them in memory (tests, dry runs).
        now: the clock, for tests.
    """

    def __init__(self, file: Path | None = None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._db = open_state(file)
        self._db.execute(_TABLE)
        self._db.execute("create index if not exists notices_of on notices (username)")

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def add(self, username: str, kind: Kind, text: str, ref: str = "") -> None:
        """Tell somebody something. What was said about the same proposal before, and not read yet, is replaced."""
        if kind not in get_args(Kind):
            raise ValueError(f"{kind!r} is not a kind of notice")
        try:
            if ref:
                self._db.execute("delete from notices where username = ? and ref = ?", (username, ref))
            self._db.execute(
                "insert into notices (username, kind, text, ref, at) values (?, ?, ?, ?, ?)",
                (username, kind, text[:MAX_TEXT], ref, self._now().isoformat(timespec="seconds")),
            )
            self._db.execute(
                "delete from notices where username = ? and id not in "
                "(select id from notices where username = ? order by id desc limit ?)",
                (username, username, KEPT),
            )
        except sqlite3.Error as error:
            log.error("A notice could not be kept: %s", error)

    def unread(self, username: str) -> tuple[Notice, ...]:
        """What somebody has not dismissed yet, the newest first."""
        try:
            rows = self._db.execute(
                "select id, kind, text, ref, at from notices where username = ? order by id desc", (username,)
            ).fetchall()
        except sqlite3.Error as error:
            log.error("Notices could not be read: %s", error)
            return ()
        return tuple(
            Notice(number, kind, text, ref, datetime.fromisoformat(at)) for number, kind, text, ref, at in rows
        )

    def dismiss(self, username: str, number: int) -> None:
        """Forget one notice; one of somebody else stays."""
        try:
            self._db.execute("delete from notices where username = ? and id = ?", (username, number))
        except sqlite3.Error as error:
            log.error("A notice could not be dismissed: %s", error)
