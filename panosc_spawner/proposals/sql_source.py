"""Proposals and teams from a database of the user office, such as the one that VISA's ETL fills."""

from __future__ import annotations

import asyncio
import logging
import re
import time as clock
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from panosc_spawner.errors import IdError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.table_source_rules import SqlSource as SqlRule
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, person_keys
from panosc_spawner.identity.sql_database import MAX_ROWS, DatabaseError, database_of
from panosc_spawner.proposals.model import Grant, Proposal, Visit
from panosc_spawner.proposals.sql_queries import COLUMNS, Queries, Row, RowError, read_row

OPEN_SECONDS = 15.0
"""How long the list of open proposals, which is the same for everybody, is used again."""
MAX_LOGGED = 5
_MAX_KNOWN_IDS = 200_000
_NOBODY = "0"  # no user office counts from there, and it is text and a number
_NUMBER = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
log = logging.getLogger(__name__)

_EVIDENCE = {
    Role.PI: "listed as main proposer",
    Role.MEMBER: "listed on the experiment's team",
    Role.LOCAL_CONTACT: "local contact of {instruments}",
    Role.INSTRUMENT_SCIENTIST: "instrument scientist of {instruments}",
    Role.STAFF: "staff of {instruments}",
    Role.PUBLIC: "open to everybody",
}


@dataclass(frozen=True)
class _Answer:
    rows: tuple[Row, ...]
    by_default: Role | None  # for rows without a word for a role; None: those give nothing


class SqlProposals:
    """A :class:`~.source.ProposalSource` that asks a database, one short read-only transaction a person.

    Rows are read and turned into rights in the database's own threads, so that a long answer does not hold the hub up.

    Raises:
        ConfigurationError: if the database's password cannot be read, or its driver is not installed.
    """

    def __init__(self, rule: SqlRule, site: Site) -> None:
        self.name = rule.name
        self.facilities = frozenset({rule.facility})
        self._rule = rule
        self._site = site
        self._ids = site.facilities[rule.facility].proposals
        self._database = database_of(rule.database, site.folder)
        self._queries = Queries(rule)
        self._zone = ZoneInfo(rule.time_zone)
        self._refs: dict[str, ProposalRef | None] = {}
        self._open: tuple[float, tuple[Grant, ...]] = (float("-inf"), ())
        self._opening = asyncio.Lock()

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        keys = await person_keys(self._rule.person, person, self._site)
        if isinstance(keys, NoKey):
            if keys.failed:
                raise SourceError(self.name, keys.reason)
            return await self._open_to_all()
        found = await self._read(lambda connection: self._grants_of(connection, keys))
        return [*found, *await self._open_to_all()]

    async def check(self) -> str:
        """See :class:`~.source.ProposalSource`."""
        try:
            return await self._database.read(self._tried)
        except DatabaseError as error:
            raise SourceError(
                self.name, f"{error.reason} ({error.detail})" if error.detail else error.reason
            ) from error
        except RowError as error:
            raise SourceError(self.name, str(error)) from error

    async def _read(self, work: Any) -> Any:
        try:
            return await self._database.read(work)
        except DatabaseError as error:
            if error.detail:
                log.warning("%s: %s (%s)", self.name, error.reason, error.detail)
            raise SourceError(self.name, error.reason) from error
        except RowError as error:
            raise SourceError(self.name, f"its entry about you is not understood: {error}") from error

    async def _open_to_all(self) -> Sequence[Grant]:
        """Rights that everybody has; looked up every few seconds for all."""
        if not self._rule.open_data or self._rule.query:
            return ()
        async with self._opening:
            at, found = self._open
            if clock.monotonic() - at > OPEN_SECONDS:
                found = tuple(await self._read(self._open_grants))
                self._open = (clock.monotonic(), found)
        return found

    def _tried(self, connection: Connection) -> str:
        if self._rule.query:
            rows = self._own_query(connection, (_NOBODY,))
            return f"the query works ({len(rows)} rows for nobody)" if rows else "the query works"
        for statement in (self._queries.team, self._queries.staff):
            self._of(connection, statement, (_NOBODY,))
        if self._rule.open_data:
            self._open_grants(connection)
        proposals, people = connection.execute(self._queries.counts).one()
        return f"{proposals} proposals, {people} people on their teams"

    def _grants_of(self, connection: Connection, keys: tuple[str, ...]) -> list[Grant]:
        now = datetime.now(UTC)
        if self._rule.query:
            return list(self._made(_Answer(self._own_query(connection, keys), Role.MEMBER), now))
        team = self._of(connection, self._queries.team, keys)
        grants = list(self._made(_Answer(team, Role.MEMBER), now))
        if self._rule.staff_role:
            staff = self._of(connection, self._queries.staff, keys)
            grants += self._made(_Answer(staff, Role(self._rule.staff_role)), now)
        return grants

    def _open_grants(self, connection: Connection) -> list[Grant]:
        now = datetime.now(UTC)
        # A time without zone in the table is one of its own zone; so is what it is compared with.
        moment = now.astimezone(self._zone).replace(tzinfo=None)
        rows = self._rows(connection, self._queries.open, {"now": str(moment) if self._is_sqlite else moment})
        return [
            replace(grant, not_before=row.public_at)
            for row, grant in self._by_proposal(_Answer(rows, Role.PUBLIC), now)
            if row.public_at and row.public_at <= now
        ]

    @property
    def _is_sqlite(self) -> bool:
        return self._rule.database.url.startswith("sqlite")

    def _own_query(self, connection: Connection, keys: Sequence[str]) -> tuple[Row, ...]:
        statement = sa.text(self._rule.query)
        values = self._as_ids(keys)
        return tuple(row for key in values for row in self._rows(connection, statement, {"person": key}))

    def _of(self, connection: Connection, statement: sa.Executable, keys: Sequence[str]) -> tuple[Row, ...]:
        values = self._as_ids(keys)
        return self._rows(connection, statement, {"keys": values}, frozenset(map(str, values))) if values else ()

    def _as_ids(self, keys: Sequence[str]) -> list[str | int]:
        """Keys as the database holds them; one that is no number is nobody's where they are numbers."""
        if self._rule.user_ids == "text":
            return list(keys)
        return [int(key) for key in keys if _NUMBER.fullmatch(key)]

    def _rows(
        self,
        connection: Connection,
        statement: sa.Executable,
        values: dict[str, Any],
        keys: frozenset[str] | None = None,
    ) -> tuple[Row, ...]:
        result = connection.execute(statement, values)
        names = tuple(result.keys())
        if keys is not None:
            names = names[1:]
        if unknown := sorted(set(names) - set(COLUMNS)):
            raise RowError(f"the query gives a column {unknown[0]!r}; there are {', '.join(COLUMNS)}")
        if "proposal" not in names or len(set(names)) != len(names):
            raise RowError("the query must give a column 'proposal', and each column once")
        found: Sequence[Sequence[Any]] = result.fetchmany(MAX_ROWS + 1)
        if len(found) > MAX_ROWS:
            raise RowError(f"more than {MAX_ROWS} rows")
        if keys is not None:
            found = [row[1:] for row in found if str(row[0]).rstrip() in keys]
        return tuple(read_row(names, row, self._zone) for row in found)

    def _made(self, answer: _Answer, now: datetime) -> Iterator[Grant]:
        return (grant for _, grant in self._by_proposal(answer, now))

    def _by_proposal(self, answer: _Answer, now: datetime) -> Iterator[tuple[Row, Grant]]:
        """One right for each proposal and role of an answer, with the visits that its rows give."""
        of: dict[tuple[ProposalRef, Role], list[Row]] = {}
        for row in answer.rows:
            role, ref = self._role(row.role, answer.by_default), self._ref(row.proposal)
            if role is not None and ref is not None:
                of.setdefault((ref, role), []).append(row)
        for (ref, role), rows in of.items():
            yield rows[0], self._grant(ref, role, rows, now)

    def _grant(self, ref: ProposalRef, role: Role, rows: Sequence[Row], now: datetime) -> Grant:
        visits = tuple(dict.fromkeys(visit for row in rows for visit in _visits(row)))
        proposal = Proposal(
            ref,
            next((row.title for row in rows if row.title), ""),
            tuple(Visit(*visit[:3], {"cycle": visit[3]} if visit[3] else {}) for visit in visits),
            next((row.environment for row in rows if row.environment), ""),
        )
        instruments = ", ".join(proposal.instruments) or "its instrument"
        not_before, ends = self._window(role, proposal, rows)
        return Grant(
            proposal=proposal,
            role=role,
            source=self.name,
            evidence=_EVIDENCE[role].format(instruments=instruments),
            seen_at=now,
            not_before=not_before,
            ends_at=ends,
        )

    def _window(self, role: Role, proposal: Proposal, rows: Sequence[Row]) -> tuple[datetime | None, datetime | None]:
        """From the rows' own moments (the widest of several), and from the rule's distances to the visits."""
        if role is Role.PUBLIC:
            return None, None
        begins = (
            []
            if any(row.not_before is None for row in rows)
            else [min(row.not_before for row in rows if row.not_before)]
        )
        ends = [] if any(row.ends is None for row in rows) else [max(row.ends for row in rows if row.ends)]
        rule = self._rule
        if rule.before_start is not None and proposal.start:
            begins.append(datetime.combine(proposal.start, time(), self._zone) - rule.before_start)
        if rule.after_end is not None and proposal.end:
            ends.append(datetime.combine(proposal.end + timedelta(days=1), time(), self._zone) + rule.after_end)
        if rule.team_until_open and role in (Role.PI, Role.MEMBER):
            ends += [row.public_at for row in rows[:1] if row.public_at]
        return (
            max(begins).astimezone(UTC) if begins else None,
            min(ends).astimezone(UTC) if ends else None,
        )

    def _role(self, word: str, by_default: Role | None) -> Role | None:
        if not word:
            return by_default
        word = word.lower()
        if self._rule.roles:
            return self._rule.roles.get(word)
        return Role(word) if word in tuple(Role) else None

    def _ref(self, text: str) -> ProposalRef | None:
        """The proposal of an id as the database writes it; None for text that is none (tests, old numbers)."""
        if text not in self._refs:
            if len(self._refs) >= _MAX_KNOWN_IDS:
                self._refs.clear()
            self._refs[text] = self._read_id(text)
        return self._refs[text]

    def _read_id(self, text: str) -> ProposalRef | None:
        try:
            return ProposalRef(self._rule.facility, self._ids.normalise(text)) if self._ids else None
        except IdError as error:
            log.info("%s: a proposal is left out: %.200s", self.name, error)
            return None


def _visits(row: Row) -> Iterable[tuple[str, Any, Any, str]]:
    if row.instrument or row.start or row.cycle:
        yield row.instrument, row.start, row.end, row.cycle
