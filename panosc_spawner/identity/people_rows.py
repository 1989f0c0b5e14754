"""Rows of the book of people: read as they may be believed, and written. Each function works within its caller's transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from sqlite3 import Connection, Row

from panosc_spawner.errors import IdentityError, PeopleError
from panosc_spawner.identity.people_model import HUB, Act, Change, KnownIdentity, State, is_person_name
from panosc_spawner.identity.person import Identity
from panosc_spawner.identity.username import MAX_SUBJECT, username_for

MAX_TEXT = 500
_MAX_ISSUER = 512
_SUBJECT = re.compile(r"[\x21-\x7e]+", re.ASCII)
_MAX_GENERATIONS = 1000
_ASK = "Ask the people who run this hub."


def resolved(db: Connection, identity: Identity, former: Sequence[Identity]) -> tuple[str, Identity | None]:
    """The name of an identity, and which identity in the book it comes from: itself, a former one, or none yet.

    Raises:
        IdentityError: in words for the person, if it may not log in.
        PeopleError: if the book holds what this hub did not write.
    """
    _require_plain(identity)
    known = look_up(db, identity)
    for candidate in former if known is None else ():
        found = look_up(db, candidate)
        if found and found.state is not State.RELEASED:
            known = found  # also one that is shut out: a new name for it does not open what the old one may not
            break
    if known is None or known.state is State.RELEASED:
        return _new_name(db, identity), None
    if known.state is not State.ACTIVE:
        raise IdentityError(_refusal(known))
    return known.username, known.identity


def _refusal(known: KnownIdentity) -> str:
    if known.state is State.REMOVED:
        return f"This login was shut out from this hub on {known.since:%d %B %Y}. {_ASK}"
    return (
        f"This login was unlinked from an account of this hub on {known.since:%d %B %Y}, and cannot be used here by itself. "
        "Log in with the other login of that account and link this one again, or ask the people who run this hub."
    )


def _new_name(db: Connection, identity: Identity) -> str:
    """The name for a first login. One that was ever given, to whomever, is not given again."""
    known = look_up(db, identity)
    name = username_for(*identity)
    if known is None:
        if is_person(db, name):
            raise IdentityError(f"The book of people does not fit this login. {_ASK}")
        return name
    for generation in range(1, _MAX_GENERATIONS):
        if not is_person(db, name):
            return name
        name = username_for(identity.issuer, f"{identity.subject} {generation}")  # no subject holds a blank
    raise IdentityError(f"This login began anew too often. {_ASK}")


def make_person(db: Connection, identity: Identity, name: str) -> None:
    """A person, by the first login of an identity."""
    db.execute("INSERT INTO person VALUES (?, ?, ?, ?)", (name, *identity, _now()))
    if look_up(db, identity):
        store(db, identity, name, State.ACTIVE)
    else:
        _insert_identity(db, identity, name, State.ACTIVE)
    write_down(db, Act.MADE, identity, name, HUB, "first login", "")


def look_up(db: Connection, identity: Identity) -> KnownIdentity | None:
    """What the book holds about an identity."""
    row = db.execute("SELECT * FROM identity WHERE issuer = ? AND subject = ?", identity).fetchone()
    return known_of_row(row) if row else None


def active_of(db: Connection, username: str) -> list[KnownIdentity]:
    """The identities that log in as a person."""
    rows = db.execute("SELECT * FROM identity WHERE username = ? AND state = 'active'", (username,)).fetchall()
    return list(map(known_of_row, rows))


def way_back(db: Connection, known: KnownIdentity) -> str:
    """The account that an identity left for the one it has, if nobody is in it."""
    return known.left if known.left and not active_of(db, known.left) else ""


def is_person(db: Connection, username: str) -> bool:
    """Whether a user name was ever given to somebody."""
    return db.execute("SELECT 1 FROM person WHERE username = ?", (username,)).fetchone() is not None


def founder_of(db: Connection, username: str) -> Identity | None:
    """The identity whose first login made a person."""
    row = db.execute("SELECT issuer, subject FROM person WHERE username = ?", (username,)).fetchone()
    return Identity(*row) if row else None


def store(db: Connection, identity: Identity, username: str, state: State, left: str = "") -> None:
    """Store what an identity is now."""
    if look_up(db, identity) is None:
        return _insert_identity(db, identity, username, state, left)
    db.execute(
        "UPDATE identity SET username = ?, state = ?, since = ?, left_name = ? WHERE issuer = ? AND subject = ?",
        (username, state.value, _now(), left, *identity),
    )


def _insert_identity(db: Connection, identity: Identity, username: str, state: State, left: str = "") -> None:
    _require_plain(identity)
    db.execute("INSERT INTO identity VALUES (?, ?, ?, ?, ?, ?)", (*identity, username, state.value, _now(), left))


def write_down(db: Connection, act: Act, identity: Identity, username: str, by: str, reason: str, proof: str) -> None:
    """A line of history.

    Raises:
        IdentityError: if a text is missing, too long, or more than a line.
    """
    for what, text in (("by", by), ("reason", reason)):
        if not text.strip():
            raise IdentityError(f"A change of whose a login is needs a text for '{what}'.")
    for text in (by, reason, proof):
        if len(text) > MAX_TEXT or not text.isprintable():
            raise IdentityError(f"Texts for the history are one line of at most {MAX_TEXT} characters.")
    db.execute(
        "INSERT INTO history (time, act, issuer, subject, username, by, reason, proof) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (_now(), act.value, *identity, username, by, reason, proof),
    )


def _require_plain(identity: Identity) -> None:
    """The book holds canonical identities only: what does not look like one came some other way."""
    issuer, subject = identity
    if not issuer or len(issuer) > _MAX_ISSUER or not _SUBJECT.fullmatch(issuer):
        raise IdentityError("This issuer is not an address.")
    if len(subject) > MAX_SUBJECT or not _SUBJECT.fullmatch(subject):
        raise IdentityError("This subject is not a plain identifier.")


def known_of_row(row: Row) -> KnownIdentity:
    """A row as it may be believed: a name that this hub did not make opens nothing.

    Raises:
        PeopleError: naming the row.
    """
    identity = Identity(row["issuer"], row["subject"])
    try:
        state = State(row["state"])
        since = datetime.fromisoformat(row["since"])
    except (ValueError, TypeError) as error:
        raise PeopleError(
            f"The book of people holds a line that this hub did not write, for {identity!r:.300}."
        ) from error
    nobody = row["username"] == "" and state in (State.REMOVED, State.RELEASED)
    right = nobody or is_person_name(row["username"])
    if not right or (row["left_name"] and not is_person_name(row["left_name"])):
        raise PeopleError(
            f"The book of people holds a user name that this hub did not make, for {identity!r:.300}. Restore it from a copy."
        )
    return KnownIdentity(identity, row["username"], state, since, row["left_name"])


def change_of_row(row: Row) -> Change:
    """A line of history."""
    return Change(
        number=row["number"],
        time=datetime.fromisoformat(row["time"]),
        act=Act(row["act"]),
        identity=Identity(row["issuer"], row["subject"]),
        username=row["username"],
        by=row["by"],
        reason=row["reason"],
        proof=row["proof"],
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
