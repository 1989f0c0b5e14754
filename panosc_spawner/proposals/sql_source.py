"""Proposals and teams from a database of the user office, such as the one that VISA's ETL fills."""

from __future__ import annotations

import asyncio
import logging
import re
import time as clock
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.table_source_rules import SqlSource as SqlRule
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, person_keys
from panosc_spawner.identity.sql_database import MAX_ROWS, DatabaseError, database_of
from panosc_spawner.proposals.model import Grant, Proposal
from panosc_spawner.proposals.sql_queries import COLUMNS, ColumnsError, Queries, Row, RowError
from panosc_spawner.proposals.sql_rights import RowRights

OPEN_SECONDS = 15.0
"""How long the list of open proposals, which is the same for everybody, is used again."""
_NOBODY = "0"  # no user office counts from there, and it is text and a number
_NUMBER = re.compile(r"0|[1-9]\d{0,17}", re.ASCII)
log = logging.getLogger(__name__)


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
        self._database = database_of(rule.database, site.folder)
        self._queries = Queries(rule)
        self._zone = ZoneInfo(rule.time_zone)
        self._rights = RowRights(rule, site.facilities[rule.facility].proposals)
        self._open: tuple[float, tuple[Grant, ...]] = (float("-inf"), ())
        self._opening = asyncio.Lock()

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        keys = await person_keys(self._rule.person, person, self._site)
        if isinstance(keys, NoKey):
            if keys.failed:
                raise SourceError(self.name, keys.reason)
            return await self._open_to_all()
        found = await self._read(lambda connection: self._grants_of(connection, keys), personal=True)
        return [*found, *await self._open_to_all()]

    async def at_instruments(self, facility: str, instruments: Collection[str]) -> Sequence[Proposal]:
        """See :class:`~.source.InstrumentDirectory`."""
        names = sorted({name.lower() for name in instruments})
        if self._rule.query:
            raise SourceError(self.name, "it has a query about one person, so it cannot say what an instrument had")
        if facility not in self.facilities or not names:
            return []
        now = datetime.now(UTC)
        rows = await self._read(
            lambda connection: self._rows(connection, self._queries.at_instruments, {"names": names})
        )
        return [grant.proposal for grant in self._rights.grants(rows, Role.STAFF, now)]

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

    async def _read(self, work: Any, *, personal: bool = False) -> Any:
        try:
            return await self._database.read(work)
        except DatabaseError as error:
            if error.detail:
                log.warning("%s: %s (%s)", self.name, error.reason, error.detail)
            raise SourceError(self.name, error.reason) from error
        except RowError as error:
            if personal and not isinstance(error, ColumnsError):
                raise PersonalSourceError(self.name, f"its entry about you is not understood: {error}") from error
            raise SourceError(self.name, f"its answer is not understood: {error}") from error

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
            return list(self._rights.grants(self._own_query(connection, keys), Role.MEMBER, now))
        team = self._of(connection, self._queries.team, keys)
        grants = list(self._rights.grants(team, Role.MEMBER, now))
        if self._rule.staff_role and self._is_staff(connection, keys):
            staff = self._of(connection, self._queries.staff, keys)
            grants += self._rights.grants(staff, Role(self._rule.staff_role), now)
        return grants

    def _open_grants(self, connection: Connection) -> list[Grant]:
        now = datetime.now(UTC)
        # A time without zone in the table is one of its own zone; so is what it is compared with.
        moment = now.astimezone(self._zone).replace(tzinfo=None)
        rows = self._rows(connection, self._queries.open, {"now": str(moment) if self._is_sqlite else moment})
        open_now = [row for row in rows if row.public_at and row.public_at <= now]
        return list(self._rights.grants(open_now, Role.PUBLIC, now))

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

    def _is_staff(self, connection: Connection, keys: Sequence[str]) -> bool:
        values = self._as_ids(keys)
        return bool(values) and connection.execute(self._queries.is_staff, {"keys": values}).first() is not None

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
            raise ColumnsError(f"the query gives a column {unknown[0]!r}; there are {', '.join(COLUMNS)}")
        if "proposal" not in names or len(set(names)) != len(names):
            raise ColumnsError("the query must give a column 'proposal', and each column once")
        found: Sequence[Sequence[Any]] = result.fetchmany(MAX_ROWS + 1)
        if len(found) > MAX_ROWS:
            raise RowError(f"more than {MAX_ROWS} rows")
        if keys is not None:
            found = [row[1:] for row in found if str(row[0]).rstrip() in keys]
        return tuple(self._rights.read(names, found))
