"""What changes in people's rights, as the sources tell it: remembered, written down, and told to the person."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from panosc_spawner.audit import AuditLog, Event
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.metrics import GRANT_CHANGES
from panosc_spawner.notices import Notices
from panosc_spawner.proposals.model import Grant
from panosc_spawner.state_db import open_state

_TABLE = """
create table if not exists snapshots (
  username text not null, source text not null, grants text not null, primary key (username, source)) without rowid
"""
MAX_NOTICES = 5
"""Changes of one answer that are told one by one; more are told as a number."""
_Snapshot = Mapping[str, Sequence[str]]  # <facility>/<id> -> role, beginning, end
log = logging.getLogger(__name__)


class GrantChanges:
    """Compares each good answer of a source with its last one about the same person.

    Args:
        site: for the names of facilities.
        audit: where changes are written down.
        notices: where people are told.
        file: SQLite database of the last answers; None keeps them in memory.
    """

    def __init__(self, site: Site, audit: AuditLog, notices: Notices, file: Path | None = None) -> None:
        self._site, self._audit, self._notices = site, audit, notices
        self._db = open_state(file)
        self._db.execute(_TABLE)
        self._last: dict[tuple[str, str], int] = {}

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def on_answer(self, person: Person, source: str, grants: Sequence[Grant]) -> None:
        """For :attr:`GrantBook.on_answer`. Cheap where nothing has changed; nothing is written then."""
        key = (person.username, source)
        digest = hash(tuple((grant.ref, grant.role, grant.not_before, grant.ends_at) for grant in grants))
        if self._last.get(key) == digest:
            return
        snapshot = {str(grant.ref): _row(grant) for grant in grants}
        try:
            known = self._read(key)
            if known is None:
                self._first(person, source, snapshot)
            elif known != snapshot:
                self._compare(person, source, known, snapshot, {str(grant.ref): grant for grant in grants})
            if known != snapshot:
                self._db.execute("replace into snapshots values (?, ?, ?)", (*key, json.dumps(snapshot)))
            self._last[key] = digest
        except sqlite3.Error as error:
            log.error("Changes of rights cannot be remembered: %s", error)

    def _read(self, key: tuple[str, str]) -> dict[str, list[str]] | None:
        row = self._db.execute("select grants from snapshots where username = ? and source = ?", key).fetchone()
        return json.loads(row[0]) if row else None

    def _first(self, person: Person, source: str, snapshot: _Snapshot) -> None:
        """Everything is new: one line tells it."""
        if snapshot:
            GRANT_CHANGES.labels("added").inc(len(snapshot))
            self._audit.record(
                Event.GRANT_ADDED,
                person=person.username,
                source=source,
                reason="first answer",
                proposals=sorted(snapshot),
                number=len(snapshot),
            )

    def _compare(
        self, person: Person, source: str, known: _Snapshot, snapshot: _Snapshot, grants: Mapping[str, Grant]
    ) -> None:
        added = [ref for ref in snapshot if ref not in known]
        removed = [ref for ref in known if ref not in snapshot]
        changed = [ref for ref in snapshot if ref in known and list(known[ref]) != list(snapshot[ref])]
        for event, kind, refs in (
            (Event.GRANT_ADDED, "added", added),
            (Event.GRANT_REMOVED, "removed", removed),
            (Event.GRANT_CHANGED, "changed", changed),
        ):
            if refs:
                GRANT_CHANGES.labels(kind).inc(len(refs))
            for ref in refs:
                before, after = known.get(ref), snapshot.get(ref)
                self._audit.record(
                    event,
                    person=person.username,
                    proposal=ref,
                    source=source,
                    evidence=grants[ref].evidence if ref in grants else "not among what it says any more",
                    before=_words(before),
                    after=_words(after),
                )
        elsewhere = self._elsewhere(person.username, source)
        self._notify(person.username, "added", [ref for ref in added if ref not in elsewhere], source)
        self._notify(person.username, "removed", [ref for ref in removed if ref not in elsewhere], source)
        roles = [ref for ref in changed if known[ref][0] != snapshot[ref][0] and ref not in elsewhere]
        self._notify(person.username, "changed", roles, source, snapshot)

    def _elsewhere(self, username: str, source: str) -> set[str]:
        """What other sources give the person anyway."""
        rows = self._db.execute(
            "select grants from snapshots where username = ? and source != ?", (username, source)
        ).fetchall()
        return {ref for (grants,) in rows for ref in json.loads(grants)}

    def _notify(
        self, username: str, kind: Any, refs: Sequence[str], source: str, snapshot: _Snapshot | None = None
    ) -> None:
        for ref in refs[:MAX_NOTICES]:
            self._notices.add(username, kind, self._sentence(kind, ref, source, snapshot or {}), ref)
        if len(refs) > MAX_NOTICES:
            words = f"And {len(refs) - MAX_NOTICES} more proposals were {kind} ({source})."
            self._notices.add(username, kind, words)

    def _sentence(self, kind: str, ref: str, source: str, snapshot: _Snapshot) -> str:
        facility, _, number = ref.partition("/")
        found = self._site.facilities.get(facility)
        name, office = (found.short_name, found.user_office.name) if found else (facility, "user office")
        if kind == "added":
            return f"You were added to {number} ({name}; {source}). You can open it now."
        if kind == "removed":
            return (
                f"{number} ({name}) was removed from your proposals ({source}). If that is a mistake, ask its main "
                f"proposer or the {office}."
            )
        return f"You are now {snapshot[ref][0]} of {number} ({name}; {source})."


def _row(grant: Grant) -> list[str]:
    """What makes a right another one."""
    begins = grant.not_before.isoformat() if grant.not_before else ""
    return [grant.role.value, begins, grant.ends_at.isoformat() if grant.ends_at else ""]


def _words(row: Sequence[str] | None) -> str:
    if row is None:
        return ""
    role, begins, ends = row
    return " ".join(part for part in (role, begins and f"from {begins}", ends and f"until {ends}") if part)
