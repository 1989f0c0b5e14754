"""The logins there are: which session at a login service is whose here, and which of them are over. One SQLite file.

It holds what must outlive a restart of the hub and be found without opening everybody's encrypted state: a logout that a
provider reports (it names a session there, not a user name here), and the mark that a rotating token is just being exchanged.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.renewal import Ending
from panosc_spawner.state_db import open_state

KEPT = timedelta(days=30)
"""How long a login is remembered. Sessions are shorter (``access.max_session_age``), and a provider may report late."""

ROTATION = "rotation"
"""Key of the stored state: how often the login's refresh token was exchanged."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS login (
    id       TEXT NOT NULL PRIMARY KEY,
    issuer   TEXT NOT NULL,
    subject  TEXT NOT NULL,  -- the provider's sub, not our canonical one
    sid      TEXT NOT NULL,
    username TEXT NOT NULL,
    began    REAL NOT NULL,
    ended    TEXT NOT NULL DEFAULT '',
    rotating REAL NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS login_subject ON login (issuer, subject);
CREATE INDEX IF NOT EXISTS login_sid ON login (issuer, sid);
CREATE INDEX IF NOT EXISTS login_username ON login (username);
"""


@dataclass(frozen=True)
class ProvenLogin:
    """What was proven at one login, beside the person: kept with their tokens, and compared at each refresh.

    ``subject`` and ``sid`` are the provider's words for whom and which session; ``acr`` how they authenticated.
    """

    id: str
    subject: str
    sid: str = ""
    nonce: str = ""
    acr: str = ""

    @classmethod
    def begin(cls, subject: str, sid: str, nonce: str, acr: str) -> ProvenLogin:
        """A login that was proven just now."""
        return cls(secrets.token_hex(16), subject, sid, nonce, acr)

    def to_state(self) -> dict[str, str]:
        """For the encrypted auth_state; the inverse of :meth:`from_state`."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ProvenLogin:
        """Read :meth:`to_state` back.

        Raises:
            IdentityError: if the state is not one that this version wrote; the person must log in again.
        """
        try:
            login = cls(**state)
        except TypeError:
            login = None
        if login is None or not login.id or not all(isinstance(value, str) for value in asdict(login).values()):
            raise IdentityError("Your login is from an older version of this hub. Log out and log in again.")
        return login


@dataclass(frozen=True)
class OpenLogin:
    """A login that is not over. ``newest``: it is the person's last one, whose tokens the hub holds."""

    id: str
    username: str
    newest: bool


class Logins:
    """The logins of one hub.

    Args:
        file: of SQLite, made with mode 0600; None keeps them in memory (tests).
    """

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._db = open_state(file, timeout=3.0)
        self._db.executescript(_SCHEMA)

    def __deepcopy__(self, memo: dict[int, Any]) -> Logins:
        """Itself: traitlets copies what a configuration holds."""
        return self

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def begin(self, login: ProvenLogin, issuer: str, username: str) -> None:
        """A login that was allowed. Forgets those that are long over."""
        with self._writing() as db:
            db.execute("DELETE FROM login WHERE began < ?", (time.time() - KEPT.total_seconds(),))
            row = (login.id, issuer, login.subject, login.sid, username, time.time())
            db.execute("INSERT INTO login (id, issuer, subject, sid, username, began) VALUES (?, ?, ?, ?, ?, ?)", row)

    def ended(self, id: str) -> Ending | None:
        """How a login ended; None if it has not, or is not known (of a restored database)."""
        row = self._db.execute("SELECT ended FROM login WHERE id = ?", (id,)).fetchone()
        return Ending(row[0]) if row and row[0] else None

    def end(self, id: str, ending: Ending) -> bool:
        """Note that a login is over for good; whether it was not before."""
        with self._writing() as db:
            return (
                db.execute("UPDATE login SET ended = ? WHERE id = ? AND ended = ''", (ending.value, id)).rowcount == 1
            )

    def find(self, issuer: str, subject: str, sid: str) -> list[OpenLogin]:
        """The logins that are not over, by session, by subject, or by both; the oldest first.

        By both, also the subject's logins whose session is not known: not every provider names it in the ID token.
        """
        rows = self._db.execute(
            "SELECT id, username, NOT EXISTS (SELECT 1 FROM login AS later WHERE later.username = login.username"
            " AND later.began > login.began) FROM login WHERE issuer = ? AND ended = ''"
            " AND (? = '' OR subject = ?) AND (? = '' OR sid = ? OR (sid = '' AND ? <> '')) ORDER BY began LIMIT 1000",
            (issuer, subject, subject, sid, sid, subject),
        )
        return [OpenLogin(id, username, bool(newest)) for id, username, newest in rows] if subject or sid else []

    def newer_state(self, new: Mapping[str, Any], stored: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Which state to keep, of one that is to be stored now and one that was stored meanwhile.

        A refresh that took long must not bring back tokens that were spent since, a login that was replaced by a newer one, or one
        that its person ended.
        """
        try:
            login, other = ProvenLogin.from_state(new["login"]), ProvenLogin.from_state((stored or {})["login"])
        except (KeyError, TypeError, IdentityError):
            return new
        if stored is None or (login.id != other.id and self._began(login.id) >= self._began(other.id)):
            return new
        if login.id != other.id or self.ended(login.id):
            return stored
        if int(stored.get(ROTATION) or 0) <= int(new.get(ROTATION) or 0):
            return new
        return {**stored, "person": new["person"]}

    def _began(self, id: str) -> float:
        row = self._db.execute("SELECT began FROM login WHERE id = ?", (id,)).fetchone()
        return float(row[0]) if row else 0.0

    def rotating(self, id: str) -> float:
        """For how many seconds a refresh token of this login is being exchanged, without an answer; 0 if none is.

        Where the hub was killed, or the answer was lost, the provider may have spent the token: its refusal of it, then, says
        nothing about the person.
        """
        row = self._db.execute("SELECT rotating FROM login WHERE id = ?", (id,)).fetchone()
        return max(0.0, time.time() - row[0]) if row and row[0] else 0.0

    def rotate(self, id: str, begins: bool) -> None:
        """Note that a refresh token is going to be exchanged (the first such try counts), or that what came is stored."""
        with self._writing() as db:
            if begins:
                db.execute("UPDATE login SET rotating = ? WHERE id = ? AND rotating = 0", (time.time(), id))
            else:
                db.execute("UPDATE login SET rotating = 0 WHERE id = ?", (id,))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.rollback()
                raise
            self._db.commit()
