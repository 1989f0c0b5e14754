"""Which identity is which person of this hub: the book of people, one SQLite file.

A *person* is a user name of the hub: opaque (``p-…``), made at the first login, and theirs for ever. An *identity* is an
issuer and a subject; one or more of them belong to a person, each to one at most. What may happen to an identity:

========== ============================================================== =========================================
state      how it comes about                                             its next login
========== ============================================================== =========================================
(unknown)  never seen                                                     makes a person of its own
active     first login, linked, moved by a migration rule                 is the person's
unlinked   unlinked from a person, with no account of its own to go to    refused, in words, until linked or released
removed    an administrator shut it out                                   refused, in words, until linked by an administrator or released
released   an administrator let it begin anew                             makes a new person: never one of before
========== ============================================================== =========================================

An identity that had an account of its own when it was linked elsewhere goes back to that account when it is unlinked; nobody
else can have got it meanwhile. No user name is ever given to somebody else, no row is ever deleted, and every change has a line
of history with who, why, and on what proof.

The hub and ``panosc-hub people`` may have the file open at the same time. Reads take some microseconds and never wait.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from panosc_spawner.audit import AuditLog, Event
from panosc_spawner.errors import IdentityError
from panosc_spawner.identity.people_file import open_file, sqlite_errors_in_words
from panosc_spawner.identity.people_model import HUB, Act, Change, KnownIdentity, Moved, State
from panosc_spawner.identity.people_rows import (
    active_of,
    change_of_row,
    founder_of,
    is_person,
    known_of_row,
    look_up,
    make_person,
    resolved,
    store,
    way_back,
    write_down,
)
from panosc_spawner.identity.person import Identity

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PeopleStore"]


class PeopleStore:
    """The book of people.

    Args:
        file: of SQLite; made with mode 0600 if it is missing.
        audit: where links and their ends are written down, beside the book's own history.

    Raises:
        PeopleError: if the file is not one of this or an earlier version, or cannot be used.
    """

    def __init__(self, file: Path, audit: AuditLog | None = None) -> None:
        self.file = file
        self._audit = audit or AuditLog(None)
        self._lock = threading.RLock()
        self._connection = open_file(file)

    def __deepcopy__(self, memo: dict[int, Any]) -> PeopleStore:
        """Itself: traitlets copies what a configuration holds."""
        return self

    def close(self) -> None:
        """Close the file. What was written is there already."""
        with self._lock:
            self._connection.close()

    # -- whose it is -------------------------------------------------------------------------------------------------

    def name_of(self, identity: Identity, former: Sequence[Identity] = ()) -> str:
        """The user name of the person an identity belongs to, or the one its first login will make. Writes nothing.

        Args:
            identity: as a login proved it, canonical.
            former: what the same identity was called before, by a migration rule of its community.

        Raises:
            IdentityError: in words for the person, if the identity was unlinked or removed.
            PeopleError: if the book cannot be read; that says nothing about the person.
        """
        with self._reading() as db:
            return resolved(db, identity, former)[0]

    def admit(self, identity: Identity, former: Sequence[Identity] = ()) -> str:
        """As :meth:`name_of`, and store it. Called when a login has been allowed, and only then.

        Raises:
            IdentityError, PeopleError: as :meth:`name_of`.
        """
        with self._reading() as db:
            name, origin = resolved(db, identity, former)
        if origin == identity:
            return name
        with self._writing() as db:
            name, origin = resolved(db, identity, former)  # the other process may have been faster
            if origin is None:
                make_person(db, identity, name)
            elif origin != identity:
                store(db, identity, name, State.ACTIVE)
                change = (Act.MIGRATED, identity, name, HUB, "migration rule of the community", f"was {origin.subject}")
                write_down(db, *change)
        if origin is not None and origin != identity:
            self._told(Event.IDENTITY_LINKED, identity, name, HUB, *change[4:], "")
        return name

    def identities_of(self, username: str) -> tuple[Identity, ...]:
        """All identities that log in as this person, the oldest first."""
        return tuple(known.identity for known in self.known_of(username) if known.state is State.ACTIVE)

    def linked(self, username: str, identity: Identity) -> tuple[Identity, ...]:
        """A person's identities beside the one they logged in with: ``Person.linked``."""
        return tuple(other for other in self.identities_of(username) if other != identity)

    def known_of(self, username: str) -> tuple[KnownIdentity, ...]:
        """What is or was last this person's, the oldest first."""
        with self._reading() as db:
            rows = db.execute("SELECT * FROM identity WHERE username = ? ORDER BY since, issuer, subject", (username,))
            return tuple(map(known_of_row, rows.fetchall()))

    def known(self, identity: Identity) -> KnownIdentity | None:
        """What the book holds about an identity."""
        with self._reading() as db:
            return look_up(db, identity)

    def is_person(self, username: str) -> bool:
        """Whether this user name was ever given to somebody."""
        with self._reading() as db:
            return is_person(db, username)

    def everybody(self) -> list[KnownIdentity]:
        """Every identity in the book, by person."""
        with self._reading() as db:
            return list(map(known_of_row, db.execute("SELECT * FROM identity ORDER BY username, since").fetchall()))

    def goes_back_to(self, identity: Identity) -> str:
        """The account of its own that an identity would go back to if it were unlinked now; or ""."""
        with self._reading() as db:
            known = look_up(db, identity)
            return way_back(db, known) if known and known.state is State.ACTIVE else ""

    def made(self, username: str) -> Change | None:
        """How a person came about; None if there is none of this name."""
        return next((change for change in self.history(username=username, limit=1) if change.act is Act.MADE), None)

    # -- changes -----------------------------------------------------------------------------------------------------

    def link(
        self, username: str, identity: Identity, *, by: str, reason: str, proof: str, leaving: str = ""
    ) -> Moved | None:
        """Make an identity log in as this person from now on.

        Args:
            username: whose it shall be; somebody the book knows.
            identity: canonical.
            by: the user name of who did it; "hub" for a rule; a name of the operating system for the command line.
            reason: why, in words.
            proof: what shows that both are one person's.
            leaving: the person it belongs to now, if it belongs to one: nobody's identity is moved unawares.

        Returns:
            What changed; None if it was theirs already.

        Raises:
            IdentityError: if it is another person's than ``leaving`` says, or nobody is called ``username``.
            PeopleError: if the book cannot be written.
        """
        with self._writing() as db:
            if not is_person(db, username):
                raise IdentityError(f"Nobody here is called {username!r:.40}.")
            known = look_up(db, identity)
            owner = known.username if known and known.state is State.ACTIVE else ""
            if owner == username:
                return None
            if owner != leaving:
                raise IdentityError(
                    "This login has an account of its own here." if owner else "This login has no account any more."
                )
            own = owner if owner and founder_of(db, owner) == identity else (known.left if known else "")
            # Whoever left this account for another one cannot come back to it any more: it will hold somebody's work.
            db.execute("UPDATE identity SET left_name = '' WHERE left_name = ?", (username,))
            store(db, identity, username, State.ACTIVE, left=own if own != username else "")
            if owner:
                write_down(db, Act.LEFT, identity, owner, by, reason, proof)
            write_down(db, Act.LINKED, identity, username, by, reason, proof)
        self._told(Event.IDENTITY_LINKED, identity, username, by, reason, proof, owner)
        return Moved(identity, username, owner)

    def unlink(self, username: str, identity: Identity, *, by: str, reason: str, proof: str) -> str:
        """Make an identity log in as this person no more.

        Returns:
            The user name it logs in as from now on: the account of its own that it had before; or "", and it is refused.

        Raises:
            IdentityError: if it is not theirs, or the only one that they have.
            PeopleError: if the book cannot be written.
        """
        with self._writing() as db:
            known = look_up(db, identity)
            if known is None or known.state is not State.ACTIVE or known.username != username:
                raise IdentityError("This login does not belong to this account.")
            if len(active_of(db, username)) < 2:
                raise IdentityError("This is the only login of this account. Without it nobody could open it.")
            write_down(db, Act.UNLINKED, identity, username, by, reason, proof)
            back = way_back(db, known)
            if back:
                store(db, identity, back, State.ACTIVE)
                write_down(db, Act.RETURNED, identity, back, by, reason, proof)
            else:
                store(db, identity, username, State.UNLINKED)
        self._told(Event.IDENTITY_UNLINKED, identity, username, by, reason, proof, back or "refused")
        return back

    def remove(self, identity: Identity, *, by: str, reason: str) -> str:
        """Shut an identity out, even the last one of a person; for administrators.

        Returns:
            The user name of the person whose it was; "" if it was nobody's.

        Raises:
            IdentityError: if it is shut out already.
            PeopleError: if the book cannot be written.
        """
        with self._writing() as db:
            known = look_up(db, identity)
            if known and known.state is State.REMOVED:
                raise IdentityError("This login is shut out already.")
            owner = known.username if known and known.state is State.ACTIVE else ""
            # Also one of whom nobody has heard yet.
            store(db, identity, known.username if known else "", State.REMOVED, left=known.left if known else "")
            write_down(db, Act.REMOVED, identity, owner, by, reason, "")
        self._told(Event.IDENTITY_UNLINKED, identity, owner, by, reason, "", "shut out")
        return owner

    def release(self, identity: Identity, *, by: str, reason: str) -> None:
        """Let an unlinked or removed identity log in again, as a new person; for administrators.

        To give it back the account that it had, link it to that one.

        Raises:
            IdentityError: if it is neither unlinked nor removed.
            PeopleError: if the book cannot be written.
        """
        with self._writing() as db:
            known = look_up(db, identity)
            if known is None or known.state not in (State.UNLINKED, State.REMOVED):
                raise IdentityError("This login is not shut out.")
            store(db, identity, "", State.RELEASED)
            write_down(db, Act.RELEASED, identity, "", by, reason, "")
        self._told(Event.ADMIN, identity, known.username, by, reason, "", "released")

    # -- history -----------------------------------------------------------------------------------------------------

    def history(
        self, *, username: str = "", identity: Identity | None = None, after: int = 0, limit: int = 1000
    ) -> list[Change]:
        """What happened, in order: of one person, of one identity, or of all; after the change of this number."""
        where, values = "number > ?", [after]  # type: str, list[object]
        if username:
            where, values = f"{where} AND username = ?", [*values, username]
        if identity:
            where, values = f"{where} AND issuer = ? AND subject = ?", [*values, *identity]
        with self._reading() as db:
            query = f"SELECT * FROM history WHERE {where} ORDER BY number LIMIT ?"  # noqa: S608 - texts of above
            return [change_of_row(row) for row in db.execute(query, (*values, limit))]

    def unheard(self) -> list[Change]:
        """Changes that the hub has not acted on yet."""
        with self._reading() as db:
            (heard,) = db.execute("SELECT number FROM heard").fetchone()
        return self.history(after=heard)

    def heard(self, number: int) -> None:
        """The hub has acted on all changes up to this one."""
        with self._writing() as db:
            db.execute("UPDATE heard SET number = ? WHERE number < ?", (number, number))

    def version(self) -> int:
        """Another number when another process has changed the file; costs next to nothing."""
        with self._reading() as db:
            return int(db.execute("PRAGMA data_version").fetchone()[0])

    # -- access to the file ------------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One view of the book for all questions of a caller, whatever another process writes meanwhile."""
        with self._lock, sqlite_errors_in_words(self.file):
            if self._connection.in_transaction:  # within another's view
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.rollback()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that no other process can come between."""
        with self._lock, sqlite_errors_in_words(self.file):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.commit()

    def _told(
        self, event: Event, identity: Identity, username: str, by: str, reason: str, proof: str, account: str
    ) -> None:
        """Write it into the audit log, too. ``account``: the one it left or goes back to, or what becomes of it."""
        self._audit.record(
            event,
            person=username,
            identity=str(identity),
            by=by,
            reason=reason,
            evidence=proof,
            **({"account": account} if account else {}),
        )
