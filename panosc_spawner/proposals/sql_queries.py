"""The questions to a database in VISA's ETL shape, and the rows of its answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import TableClause

from panosc_spawner.facilities.table_source_rules import NOT_IN_VISA, VISA_TABLES, SqlSource

COLUMNS = (
    "proposal",
    "role",
    "title",
    "instrument",
    "start",
    "end",
    "cycle",
    "environment",
    "not_before",
    "ends",
    "public_at",
)
"""What a row may say; ``proposal`` it must."""
KEY = "panosc_key"
"""Column with whose row it is, compared again here: a database may find '01' or 'ADA' where '1' or 'ada' was asked for."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class RowError(ValueError):
    """A row that cannot be understood, in words."""


class ColumnsError(RowError):
    """An answer whose columns are not as they must be, about whomever it was asked."""


@dataclass(frozen=True)
class Queries:
    """The statements of one rule. Values are bound to ``:keys`` and ``:now``; names are quoted by SQLAlchemy."""

    rule: SqlSource

    @cached_property
    def team(self) -> sa.Select[Any]:
        """A row for each experiment that the persons are on."""
        member, experiment = self._table("experiment_user"), self._table("experiment")
        start = self._of_keys(member, "experiment_user")
        return (
            self._select(member, "experiment_user")
            .select_from(
                self._with_proposal(
                    start.join(
                        experiment,
                        experiment.c[self._name("experiment.id")]
                        == self._column(member, "experiment_user.experiment_id"),
                    ),
                    experiment,
                )
            )
            .where(self._mine(member, "experiment_user"))
        )

    @cached_property
    def is_staff(self) -> sa.Select[Any]:
        """Whether any of the persons is staff of an instrument; few are, and what follows may look at every experiment."""
        staff = self._table("instrument_scientist")
        start = self._of_keys(staff, "instrument_scientist")
        key = self._key(staff, "instrument_scientist")
        return sa.select(key).select_from(start).where(self._mine(staff, "instrument_scientist")).limit(1)

    @cached_property
    def staff(self) -> sa.Select[Any]:
        """A row for each experiment at the persons' instruments."""
        staff, experiment = self._table("instrument_scientist"), self._table("experiment")
        start = self._of_keys(staff, "instrument_scientist")
        return (
            self._select(staff, "instrument_scientist")
            .select_from(
                self._with_proposal(
                    start.join(
                        experiment,
                        self._column(experiment, "experiment.instrument_id")
                        == self._column(staff, "instrument_scientist.instrument_id"),
                    ),
                    experiment,
                )
            )
            .where(self._mine(staff, "instrument_scientist"))
        )

    @cached_property
    def open(self) -> sa.Select[Any]:
        """A row for each experiment of the latest proposals that are open to everybody."""
        proposal, experiment = self._table("proposal"), self._table("experiment")
        public_at = self._column(proposal, "proposal.public_at")
        latest = (
            sa.select(self._column(proposal, "proposal.id").label("id"))
            .where(public_at <= sa.bindparam("now"))
            .order_by(public_at.desc())
            .limit(self.rule.open_limit)
            .subquery("latest")
        )
        return self._select(None, "").select_from(
            self._with_proposal(experiment, experiment).join(
                latest, latest.c.id == self._column(proposal, "proposal.id")
            )
        )

    @cached_property
    def at_instruments(self) -> sa.Select[Any]:
        """A row for each experiment at instruments of these names, in lower case."""
        experiment, instrument = self._table("experiment"), self._table("instrument")
        name = sa.func.lower(self._column(instrument, "instrument.name"))
        return (
            self._select(None, "")
            .select_from(self._with_proposal(experiment, experiment))
            .where(name.in_(sa.bindparam("names", expanding=True)))
        )

    @cached_property
    def counts(self) -> sa.Select[Any]:
        """How many proposals, and people on them, there are."""
        member = self._table("experiment_user")
        people = sa.select(
            sa.func.count(sa.distinct(self._column(member, "experiment_user.user_id")))
        ).scalar_subquery()
        return sa.select(sa.func.count(), people).select_from(self._table("proposal"))

    def _select(self, role_of: TableClause | None, table: str) -> sa.Select[Any]:
        proposal, experiment, instrument = (self._table(name) for name in ("proposal", "experiment", "instrument"))
        of_whom = [self._key(role_of, table).label(KEY)] if role_of is not None else []
        role = self._optional(role_of, f"{table}.role") if role_of is not None else sa.null()
        return sa.select(
            *of_whom,
            self._column(proposal, "proposal.identifier").label("proposal"),
            role.label("role"),
            self._optional(proposal, "proposal.title").label("title"),
            self._column(instrument, "instrument.name").label("instrument"),
            self._optional(experiment, "experiment.start_date").label("start"),
            self._optional(experiment, "experiment.end_date").label("end"),
            self._optional(proposal, "proposal.public_at").label("public_at"),
        )

    def _with_proposal(self, start: Any, experiment: TableClause) -> Any:
        proposal, instrument = self._table("proposal"), self._table("instrument")
        return start.join(
            proposal, self._column(proposal, "proposal.id") == self._column(experiment, "experiment.proposal_id")
        ).outerjoin(
            instrument,
            self._column(instrument, "instrument.id") == self._column(experiment, "experiment.instrument_id"),
        )

    def _of_keys(self, table: TableClause, name: str) -> Any:
        if not self._name("users.key"):
            return table
        users = self._table("users")
        return table.join(users, self._column(users, "users.id") == self._column(table, f"{name}.user_id"))

    def _mine(self, table: TableClause, name: str) -> ColumnElement[bool]:
        return self._key(table, name).in_(sa.bindparam("keys", expanding=True))

    def _key(self, table: TableClause, name: str) -> ColumnElement[Any]:
        if self._name("users.key"):
            return self._column(self._table("users"), "users.key")
        return self._column(table, f"{name}.user_id")

    def _name(self, column: str) -> str:
        own = self.rule.columns.get(column)
        return ("" if column in NOT_IN_VISA else column.partition(".")[2]) if own is None else own

    def _table(self, name: str) -> TableClause:
        return self._tables[name]

    @cached_property
    def _tables(self) -> Mapping[str, TableClause]:
        return {
            name: sa.table(
                self.rule.tables.get(name, name),
                *(sa.column(own) for one in columns if (own := self._name(f"{name}.{one}"))),
                schema=self.rule.namespace or None,
            )
            for name, columns in VISA_TABLES.items()
        }

    def _column(self, table: TableClause, column: str) -> ColumnElement[Any]:
        return table.c[self._name(column)]

    def _optional(self, table: TableClause, column: str) -> ColumnElement[Any]:
        return self._column(table, column) if self._name(column) else sa.null()


@dataclass(frozen=True, eq=False)
class Row:
    """One visit of a proposal, and who the person is to it; checked. Compared by which one it is: equal ones are read once."""

    proposal: str
    role: str = ""
    title: str = ""
    instrument: str = ""
    start: date | None = None
    end: date | None = None
    cycle: str = ""
    environment: str = ""
    not_before: datetime | None = None
    ends: datetime | None = None
    public_at: datetime | None = None


def read_row(names: Sequence[str], values: Sequence[Any], zone: tzinfo) -> Row:
    """A row of a database, read strictly: a moment that is not one must not look like a right without an end.

    Raises:
        RowError: naming the column.
    """
    cells: dict[str, Any] = {}
    for name, value in zip(names, values, strict=True):
        if value is None or value == "":
            continue
        match name:
            case "start" | "end":
                cells[name] = _day(name, value, zone)
            case "not_before" | "public_at":
                cells[name] = _moment(name, value, zone)
            case "ends":
                cells[name] = _moment(name, value, zone, end_of_day=True)
            case _:
                cells[name] = _text(name, value)
    if "proposal" not in cells:
        raise RowError("a row has no proposal")
    return Row(**cells)


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RowError(f"{name} is not text")
    return value.strip()[:2000]


def _day(name: str, value: Any, zone: tzinfo) -> date:
    if isinstance(value, str):
        value = _parsed(name, value)
    if isinstance(value, datetime):
        return value.astimezone(zone).date() if value.tzinfo else value.date()
    if isinstance(value, date):
        return value
    raise RowError(f"{name} is not a date")


def _moment(name: str, value: Any, zone: tzinfo, *, end_of_day: bool = False) -> datetime:
    if isinstance(value, str):
        value = _parsed(name, value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    if isinstance(value, date):
        day = value + timedelta(days=1) if end_of_day else value
        return datetime.combine(day, time(), zone).astimezone(UTC)
    raise RowError(f"{name} is not a date or time")


def _parsed(name: str, text: str) -> date | datetime:
    text = text.strip()
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError as error:
        raise RowError(f"{name} {text[:40]!r} is not a date or time") from error
