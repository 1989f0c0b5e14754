"""The two forms of a proposal file, TOML and CSV, read strictly into the same entries.

TOML, one table a proposal::

    [[proposal]]
    facility = "esrf"
    proposal = "hg-123"
    title = "Pigments of the Isenheim altarpiece"
    environment = "xrd"                     # optional: the suggested environment
    release = 2029-03-08                    # optional: when the data become open; until then they are under embargo
    open = true                             # optional: open now (true) or not at all (false), whatever release says

    [[proposal.visit]]
    instrument = "id22"
    start = 2026-03-04
    end = 2026-03-08
    cycle = "2026-1"                        # optional; other fields of the facility's templates in `fields = {…}`

    [[proposal.team]]
    person = "28c5…@eduteams.org"           # voperson_id, or sub
    role = "pi"                             # default: member
    not_before = 2026-03-01                 # optional; a date is the start of that day in UTC
    ends = 2029-03-08                       # optional; a date is the end of that day in UTC

    [[staff]]                               # sees every proposal with a visit at these instruments, those visits only
    person = "cca4…@eduteams.org"
    facility = "esrf"
    instruments = ["id22"]
    role = "local-contact"                  # or instrument-scientist, staff

CSV, with a header; columns may be in any order, ``facility``, ``proposal``, ``person`` and ``role`` must be there::

    facility,proposal,title,instrument,start,end,cycle,environment,release,open,person,role,not_before,ends

A row gives a visit (if it has an instrument or a start), a member of the team (if it has a person), or both; rows of one
proposal add up. A row without a proposal, with an instrument and a person, is staff of the instrument.

Whatever is not understood is an error with its place in the file: a broken file must never look like fewer rights.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from panosc_spawner.facilities.model import Model, PlainName, Role

COLUMNS = (
    "facility",
    "proposal",
    "title",
    "instrument",
    "start",
    "end",
    "cycle",
    "environment",
    "release",
    "open",
    "person",
    "role",
    "not_before",
    "ends",
)
_OF_PROPOSAL = ("facility", "proposal", "title", "environment", "release", "open")
_REQUIRED_COLUMNS = ("facility", "proposal", "person", "role")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


_OF_VISIT = ("instrument", "start", "end", "cycle")
_OF_MEMBER = ("person", "role", "not_before", "ends")
_IDENTITY = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)
M = TypeVar("M", bound=Model)


class FormatError(ValueError):
    """A mistake in a proposal file; its text names the place ("line 7") and the reason."""


def is_identity(text: str) -> bool:
    """Whether a text can be a voperson_id or a sub: one word of plain characters, and not '*'."""
    return _IDENTITY.fullmatch(text) is not None and text != "*"


def _to_date(value: object) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and _DATE.fullmatch(value):
        return date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError(f"{str(value)[:40]!r} is not a date; write it as 2026-03-04")


def _to_moment(value: object, *, end_of_day: bool) -> datetime | None:
    """A moment with zone; of a date, its first moment in UTC, or the first after it."""
    if isinstance(value, str) and value and not _DATE.fullmatch(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError(
                f"{str(value)[:40]!r} is not a date or time; write 2026-03-04 or 2026-03-04T18:00Z"
            ) from error
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; write {value.isoformat()}Z for UTC")
        return value
    day = _to_date(value)
    if day is None:
        return None
    return datetime.combine(day, time(), UTC) + (timedelta(days=1) if end_of_day else timedelta())


def _to_truth(value: object) -> bool | None:
    """True or false, in TOML or as the words of a CSV; never 'maybe', as pydantic's own reading of texts would."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"{str(value)[:40]!r} is neither true nor false")


Day = Annotated[date | None, BeforeValidator(_to_date)]
FirstMoment = Annotated[datetime | None, BeforeValidator(lambda value: _to_moment(value, end_of_day=False))]
EndMoment = Annotated[datetime | None, BeforeValidator(lambda value: _to_moment(value, end_of_day=True))]


class VisitEntry(Model):
    """One beamtime."""

    instrument: str = Field(default="", max_length=64)
    start: Day = None
    end: Day = None
    cycle: str = Field(default="", max_length=64)
    fields: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _in_order(self) -> VisitEntry:
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        if not (self.instrument or self.start or self.cycle or self.fields):
            raise ValueError("a visit needs an instrument or a start")
        return self


class MemberEntry(Model):
    """One person's place on a team."""

    person: str = Field(max_length=256, description="voperson_id, or sub.")
    role: Role = Role.MEMBER
    not_before: FirstMoment = None
    ends: EndMoment = None

    @field_validator("person")
    @classmethod
    def _is_identity(cls, value: str) -> str:
        if not is_identity(value):
            raise ValueError(
                "not an identity; write the person's voperson_id or sub, never a name or an e-mail address"
            )
        return value

    @field_validator("role", mode="before")
    @classmethod
    def _role_in_words(cls, value: object) -> object:
        if value not in tuple(Role):
            raise ValueError(f"{str(value)[:40]!r} is not a role; there are {', '.join(Role)}")
        return value

    @model_validator(mode="after")
    def _window(self) -> MemberEntry:
        if self.not_before and self.ends and self.ends <= self.not_before:
            raise ValueError("ends before not_before")
        return self


class StaffEntry(MemberEntry):
    """One person's instruments."""

    facility: PlainName
    instruments: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(min_length=1)
    role: Role = Role.LOCAL_CONTACT


class ProposalEntry(Model):
    """One proposal with its visits and team."""

    facility: PlainName
    proposal: str = Field(min_length=1, max_length=256)
    title: str = Field(default="", max_length=1000)
    environment: str = Field(default="", max_length=64)
    release: FirstMoment = None
    open: Annotated[bool | None, BeforeValidator(_to_truth)] = None
    visit: tuple[VisitEntry, ...] = ()
    team: tuple[MemberEntry, ...] = ()


@dataclass(frozen=True)
class Entry:
    """An entry and its place in the file, for words about it. TOML gives one a proposal, CSV one a row."""

    where: str
    content: ProposalEntry | StaffEntry
    person: str = ""  # of a CSV's row, with the terms of some row that has the same; a TOML's are in its content
    terms: MemberEntry | None = None


def read_toml(text: str) -> Iterator[Entry]:
    """The entries of a TOML file.

    Raises:
        FormatError: naming the entry.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FormatError(f"not TOML: {error}") from error
    if unknown := sorted(set(table) - {"proposal", "staff"}):
        raise FormatError(f"unknown table {unknown[0]!r}; there are [[proposal]] and [[staff]]")
    for key in ("proposal", "staff"):
        entries = table.get(key, [])
        if not isinstance(entries, list):
            raise FormatError(f"{key} must be written [[{key}]], with two brackets")
        for number, entry in enumerate(entries, start=1):
            where = f"{key} {number}{_named(entry)}"
            if key == "proposal":
                yield Entry(where, _checked(where, ProposalEntry, entry))
            else:
                yield Entry(where, _checked(where, StaffEntry, entry))


def read_csv(text: str) -> Iterator[Entry]:
    """The entries of a CSV file, one or two a row.

    Raises:
        FormatError: naming the line.
    """
    read = _Rows()
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        _check_header(header)
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                raise FormatError(f"line {rows.line_num}: has {len(row)} cells, the header has {len(header)}")
            cells = {name: cell.strip() for name, cell in zip(header, row, strict=True) if cell.strip()}
            yield read.entry(f"line {rows.line_num}", cells)
    except csv.Error as error:
        raise FormatError(f"line {rows.line_num}: not CSV: {error}") from error


def _check_header(header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(COLUMNS)}"
            raise FormatError(f"line 1: unknown column {name[:40]!r}; {hint}")
    if len(set(header)) != len(header):
        raise FormatError("line 1: a column is there twice")
    if missing := [name for name in _REQUIRED_COLUMNS if name not in header]:
        raise FormatError(f"line 1: column {missing[0]!r} is missing")


class _Rows:
    """Reads rows. Those of one proposal repeat it word for word, and roles and dates repeat: each is checked once.

    A nightly export has a row for each person on each proposal, easily a million.
    """

    def __init__(self) -> None:
        self._proposals: dict[tuple[str | None, ...], ProposalEntry] = {}
        self._members: dict[tuple[str | None, ...], MemberEntry] = {}

    def entry(self, where: str, cells: dict[str, str]) -> Entry:
        """The entry of a row.

        Raises:
            FormatError: naming the line.
        """
        if "proposal" not in cells:
            return _staff_entry(where, cells)
        terms = self._terms(where, cells)
        key = tuple([cells.get(name) for name in (*_OF_PROPOSAL, *_OF_VISIT)])
        if key not in self._proposals:
            self._proposals[key] = _proposal(where, cells)
        return Entry(where, self._proposals[key], cells["person"] if terms else "", terms)

    def _terms(self, where: str, cells: dict[str, str]) -> MemberEntry | None:
        key = (cells.get("role"), cells.get("not_before"), cells.get("ends"))
        person = cells.get("person")
        if person is None:
            if given := [name for name in _OF_MEMBER if name in cells]:
                raise FormatError(f"{where}: has a {min(given)!r}, but no person")
            return None
        if key not in self._members or not is_identity(person):
            given_cells = {name: cells[name] for name in _OF_MEMBER if name in cells}
            self._members[key] = _checked(where, MemberEntry, given_cells)
        return self._members[key]


def _staff_entry(where: str, cells: dict[str, str]) -> Entry:
    if not {"person", "instrument"} <= cells.keys():
        raise FormatError(f"{where}: has no proposal, nor a person and an instrument")
    member = {name: cells[name] for name in _OF_MEMBER if name in cells}
    if extra := cells.keys() - {"facility", "instrument", *member}:
        raise FormatError(f"{where}: staff of an instrument has no {min(extra)!r}")
    staff: dict[str, Any] = {"facility": cells.get("facility"), "instruments": tuple(cells["instrument"].split())}
    return Entry(where, _checked(where, StaffEntry, staff | member))


def _proposal(where: str, cells: dict[str, str]) -> ProposalEntry:
    visit = {name: cells[name] for name in _OF_VISIT if name in cells}
    proposal: dict[str, Any] = {}
    proposal.update((name, cells[name]) for name in _OF_PROPOSAL if name in cells)
    proposal["visit"] = (visit,) if visit else ()
    return _checked(where, ProposalEntry, proposal)


def _checked(where: str, model: type[M], content: object) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistake: Any = error.errors()[0]
        key = ".".join(str(part) for part in mistake["loc"])
        reason = str(mistake["msg"]).removeprefix("Value error, ")
        raise FormatError(f"{where}: {key}: {reason}" if key else f"{where}: {reason}") from error


def _named(entry: object) -> str:
    name = entry.get("proposal") if isinstance(entry, dict) else None
    return f" ({name[:40]})" if isinstance(name, str) else ""
