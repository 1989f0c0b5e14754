"""Our questions in ICAT's query language (JPQL).

ICAT's REST interface has no parameters for a query, so values are put into its text: only such as cannot be read as anything
but a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

# Without quotes, blanks, backslashes, '%', ':' and letters beyond ASCII: nothing that a parser could take for more than text.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._/+-]{0,254}", re.ASCII)

COUNT_MEMBERS = "SELECT COUNT(iu) FROM InvestigationUser iu"


def members(user: str) -> str:
    """What somebody is in which investigations."""
    return (
        f"SELECT iu FROM InvestigationUser iu JOIN iu.user u WHERE u.name = {quoted_name(user)} "  # noqa: S608
        "ORDER BY iu.id INCLUDE iu.user, iu.investigation.investigationInstruments.instrument"
    )


def scientists(user: str) -> str:
    """Of which instruments somebody is a scientist."""
    return (
        f"SELECT isc FROM InstrumentScientist isc JOIN isc.user u WHERE u.name = {quoted_name(user)} "  # noqa: S608
        "ORDER BY isc.id INCLUDE isc.user, isc.instrument"
    )


def at_instruments(instruments: Iterable[int], since: date) -> str:
    """The investigations at instruments, by their ids, that began after a day."""
    return (
        "SELECT ii FROM InvestigationInstrument ii JOIN ii.instrument ins JOIN ii.investigation i "  # noqa: S608
        f"WHERE ins.id IN {number_list(instruments)} AND i.startDate > {timestamp(since)} "
        "ORDER BY ii.id INCLUDE ii.instrument, ii.investigation"
    )


def released(since: date, until: date) -> str:
    """The investigations with a DOI that began after a day and were released before another."""
    return (
        f"SELECT i FROM Investigation i WHERE i.startDate > {timestamp(since)} "  # noqa: S608
        f"AND i.releaseDate < {timestamp(until)} AND i.doi IS NOT NULL "
        "ORDER BY i.id INCLUDE i.investigationInstruments.instrument"
    )


def page(query: str, skip: int, count: int) -> str:
    """One page of a query's rows."""
    return f"{query} LIMIT {skip:d}, {count:d}"


def quoted_name(name: str) -> str:
    """A user name as a JPQL string.

    Raises:
        ValueError: if it has a character that a user name at a facility does not have.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError("is not one of letters, digits and @ . _ / + -")
    return f"'{name}'"


def number_list(numbers: Iterable[int]) -> str:
    """Ids as a JPQL list: ``(1, 2)``.

    Raises:
        ValueError: if there are none.
    """
    found = [f"{number:d}" for number in numbers]
    if not found:
        raise ValueError("an empty list")
    return f"({', '.join(found)})"


def timestamp(day: date) -> str:
    """The beginning of a day."""
    return f"{{ts {day:%Y-%m-%d} 00:00:00}}"
