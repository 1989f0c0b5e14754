# ruff: noqa: S608 - names in SQL are our own (entities, schema); every value is bound
"""Putting data sets into the index, and taking them out. What comes is bounded here: no text of a file or a catalogue is trusted."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from panosc_portal.catalogues.model import Dataset, Document, File, Instrument, Parameter, Sample, Technique
from panosc_portal.index.values import instant
from panosc_portal.quantities import in_si
from panosc_spawner import panet

MAX_NAME, MAX_LONG = 1000, 8000
MAX_PARAMETERS, MAX_RELATED, MAX_FILES = 500, 100, 100_000
_UNWANTED = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


@dataclass(frozen=True)
class Entry:
    """A data set for the index.

    Attributes:
        dataset: what is known of it; ``dataset.source`` is told to who finds it.
        is_public: whether anybody may find it. If not, only those on ``ref``.
        ref: ``esrf/ma1234``, or empty: then nobody finds it unless it is public.
        origin: what it was harvested from; a harvest removes only what is of its own origin.
    """

    dataset: Dataset
    is_public: bool
    ref: str
    origin: str
    files: Sequence[File] = field(default=())


Memo = dict[object, "int | None"]
"""What was written in this transaction already: thousands of data sets share an instrument and a proposal."""


def put(writer: sqlite3.Connection, entry: Entry, run: int, memo: Memo | None = None) -> int:
    """Write a data set with all that belongs to it, in place of what was there of its PID; its row's id.

    Args:
        writer: in a transaction.
        entry: the data set.
        run: of the harvest.
        memo: one for all data sets of the transaction, and not longer.
    """
    dataset = entry.dataset
    memo = {} if memo is None else memo

    def once(key: tuple[object, ...], write: Callable[[], int | None]) -> int | None:
        if key not in memo:
            memo[key] = write()
        return memo[key]

    instrument = once(
        (dataset.instrument, dataset.facility), lambda: _instrument(writer, dataset.instrument, dataset.facility)
    )
    title = _clean(dataset.title) or dataset.pid[:MAX_NAME]
    values = {
        **_both("title", title),
        "pid": _clean(dataset.pid),
        "is_public": int(entry.is_public),
        "proposal": entry.ref,
        "created": _instant(dataset.created),
        "size": _size(dataset.size),
        "instrument": instrument,
        "facility": _clean(dataset.facility),
        "doi": _clean(dataset.doi) or None,
        "licence": _clean(dataset.licence) or None,
        "release": dataset.release.isoformat() if dataset.release else None,
        "location": _clean(dataset.location, 4096) or None,
        "landing": _web(dataset.landing),
        "proposal_text": _clean(dataset.proposal) or None,
        "source": _clean(dataset.source),
        "origin": entry.origin,
        "seen": run,
    }
    row = _upsert(writer, "dataset", values)
    for table in ("dataset_technique", "dataset_sample", "dataset_document", "parameter", "file"):
        writer.execute(f"DELETE FROM {table} WHERE dataset = ?", (row,))
    techniques = [once((one,), partial(_technique, writer, one)) for one in dataset.techniques[:MAX_RELATED]]
    _link(writer, "technique", row, techniques)
    _link(writer, "sample", row, [_sample(writer, one, dataset.pid) for one in dataset.samples[:MAX_RELATED]])
    documents = [
        once((one, entry.is_public, entry.ref), partial(_document, writer, one, entry))
        for one in dataset.documents[:MAX_RELATED]
    ]
    _link(writer, "document", row, documents)
    writer.executemany(_PARAMETER, [_parameter(row, None, one) for one in dataset.parameters[:MAX_PARAMETERS]])
    writer.executemany(_FILE, (_file(row, one) for one in entry.files[:MAX_FILES]))
    _words(writer, "dataset", row, not entry.is_public, title, _more(entry))
    return row


def known(writer: sqlite3.Connection, pid: str, origin: str) -> str | None:
    """The origin that holds a PID already, if it is another one than this."""
    found = writer.execute("SELECT origin FROM dataset WHERE pid = ?", (_clean(pid),)).fetchone()
    return str(found[0]) if found and found[0] != origin else None


def remove(writer: sqlite3.Connection, rows: Iterable[int]) -> int:
    """Take data sets out; how many. Documents and instruments that are nobody's any more go by :func:`tidy`."""
    many = 0
    for row in rows:
        for table in ("dataset_public_words", "dataset_closed_words"):
            writer.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        many += writer.execute("DELETE FROM dataset WHERE id = ?", (row,)).rowcount
    return many


def tidy(writer: sqlite3.Connection) -> None:
    """Remove what no data set leads to any more."""
    orphans = "SELECT id FROM document WHERE id NOT IN (SELECT document FROM dataset_document)"
    for table in ("document_public_words", "document_closed_words"):
        writer.execute(f"DELETE FROM {table} WHERE rowid IN ({orphans})")
    writer.execute(f"DELETE FROM document WHERE id IN ({orphans})")
    gone = "SELECT id FROM instrument WHERE id NOT IN (SELECT instrument FROM dataset WHERE instrument IS NOT NULL)"
    writer.execute(f"DELETE FROM instrument_public_words WHERE rowid IN ({gone})")
    writer.execute(f"DELETE FROM instrument WHERE id IN ({gone})")
    _close_documents(writer)
    for name in ("sample", "technique"):
        writer.execute(f"DELETE FROM {name} WHERE id NOT IN (SELECT {name} FROM dataset_{name})")
    for name in ("person", "affiliation"):
        writer.execute(f"DELETE FROM {name} WHERE id NOT IN (SELECT {name} FROM member WHERE {name} IS NOT NULL)")


def _close_documents(writer: sqlite3.Connection) -> None:
    """Documents that no public data set tells of any more are for those on the proposals of the others."""
    rows = writer.execute(
        "SELECT id, (SELECT min(proposal) FROM dataset_document JOIN dataset ON dataset.id = dataset WHERE document = top.id) "
        "FROM document top WHERE is_public AND NOT EXISTS (SELECT 1 FROM dataset_document "
        "JOIN dataset ON dataset.id = dataset WHERE document = top.id AND dataset.is_public)"
    ).fetchall()
    for row, ref in rows:
        writer.execute("UPDATE document SET is_public = 0, proposal = ? WHERE id = ?", (ref, row))
        words = "SELECT rowid, title, more FROM document_public_words WHERE rowid = ?"
        writer.execute(f"INSERT INTO document_closed_words (rowid, title, more) {words}", (row,))
        writer.execute("DELETE FROM document_public_words WHERE rowid = ?", (row,))


# --- What belongs to a data set -----------------------------------------------------------------------------------------


def _instrument(writer: sqlite3.Connection, found: Instrument | None, facility: str) -> int | None:
    if found is None or not _clean(found.name):
        return None
    name, at = _clean(found.name), _clean(found.facility) or _clean(facility)
    pid = _clean(found.pid) or f"{at.lower()}:{name.lower()}"
    row = _upsert(writer, "instrument", {"pid": pid, **_both("name", name), **_both("facility", at)})
    _words(writer, "instrument", row, False, name, at)
    return row


def _technique(writer: sqlite3.Connection, found: Technique) -> int | None:
    short = panet.panet_id(found.panet) if found.panet else ""
    address = panet.purl(short) if short else None
    name = _clean(found.name) or (panet.label(short) if short else "")
    if not name:
        return None
    return _upsert(
        writer, "technique", {"pid": address or f"technique:{name}", **_both("name", name), "panet": address}
    )


def _sample(writer: sqlite3.Connection, found: Sample, pid: str) -> int | None:
    name, description = _clean(found.name), _clean(found.description, MAX_LONG)
    if not name and not description:
        return None
    shown = {**_both("name", name or description[:MAX_NAME]), **_both("description", description or None)}
    return _upsert(writer, "sample", {"pid": _clean(f"{pid}#{name or description}"), **shown})


def _document(writer: sqlite3.Connection, found: Document, entry: Entry) -> int | None:
    """A document is for those whom the data set is for that tells of it; a public data set makes it public.

    What one origin says of a public one, no other changes while the first has data sets of it.
    """
    is_public, ref = entry.is_public, entry.ref
    pid = _clean(found.pid)
    if not pid:
        return None
    before = writer.execute("SELECT id, is_public, proposal, origin FROM document WHERE pid = ?", (pid,)).fetchone()
    if before and before[1] and (not is_public or _is_of_another(writer, int(before[0]), before[3], entry.origin)):
        return int(before[0])
    if before and not is_public and before[2] != ref:  # not that people of one proposal read of another's
        pid = _clean(f"{pid}#{ref}")
    title = _clean(found.title) or pid
    values = {
        "pid": pid,
        "is_public": int(is_public),
        "proposal": ref,
        "type": _clean(found.type) or "proposal",
        **_both("title", title),
        **_both("summary", _clean(found.summary, MAX_LONG) or None),
        "doi": _clean(found.doi) or None,
        "start": _instant(found.start),
        "ends": _instant(found.end),
        "release": _instant(found.release),
        "license": _clean(found.licence) or None,
        "keywords": json.dumps([_clean(one) for one in found.keywords[:MAX_RELATED]], ensure_ascii=False),
        "origin": entry.origin,
    }
    row = _upsert(writer, "document", values)
    writer.execute("DELETE FROM member WHERE document = ?", (row,))
    for member in found.members[:MAX_RELATED]:
        person = _upsert(
            *(writer, "person", {**_both("full_name", _clean(member.name)), "orcid": _clean(member.orcid)}),
            key=("full_name", "orcid"),
        )
        place = _clean(member.affiliation)
        affiliation = _upsert(writer, "affiliation", _both("name", place), key=("name",)) if place else None
        writer.execute(
            "INSERT INTO member (document, person, affiliation, role) VALUES (?, ?, ?, ?)",
            (row, person, affiliation, _clean(member.role)),
        )
    more = " ".join([_clean(found.summary, MAX_LONG), *map(_clean, found.keywords[:MAX_RELATED])])
    _words(writer, "document", row, not is_public, title, more)
    return row


def _is_of_another(writer: sqlite3.Connection, document: int, theirs: str, ours: str) -> bool:
    if theirs == ours:
        return False
    leads = (
        "SELECT 1 FROM dataset_document JOIN dataset ON dataset.id = dataset WHERE document = ? AND origin = ? LIMIT 1"
    )
    return writer.execute(leads, (document, theirs)).fetchone() is not None


_PARAMETER = (
    "INSERT INTO parameter (dataset, document, name, number, text, unit, si, dimension) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_FILE = "INSERT INTO file (dataset, name, name_folded, path, size, checksum) VALUES (?, ?, ?, ?, ?, ?)"


def _parameter(dataset: int | None, document: int | None, found: Parameter) -> tuple[Any, ...]:
    name, unit, value = _clean(found.name), _clean(found.unit, 64), found.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return (dataset, document, name, None, _clean(str(value)), unit, None, None)
    si = in_si(float(value), unit, name)
    return (dataset, document, name, float(value), None, unit, *(si or (None, None)))


def _file(dataset: int, found: File) -> tuple[Any, ...]:
    path = _clean(found.path, 4096)
    name = path.rstrip("/").rsplit("/", 1)[-1] or path
    return (dataset, name, name.casefold(), path, _size(found.size), _clean(found.checksum) or None)


def _more(entry: Entry) -> str:
    """The words by which a data set is found beside its title."""
    dataset = entry.dataset
    instrument = dataset.instrument
    texts = [instrument.name, instrument.facility] if instrument else []
    texts += [one.name for one in dataset.techniques]
    texts += [part for one in dataset.samples for part in (one.name, one.description)]
    texts += [one.value for one in dataset.parameters if isinstance(one.value, str)]
    texts += [part for one in dataset.documents for part in (one.title, one.summary, *one.keywords)]
    return _clean(" ".join([*texts, dataset.proposal, dataset.doi]), MAX_LONG)


def _words(writer: sqlite3.Connection, kind: str, row: int, closed: bool, title: str, more: str) -> None:
    tables = [f"{kind}_public_words"] + ([f"{kind}_closed_words"] if kind != "instrument" else [])
    for table in tables:
        writer.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
    table = tables[int(closed)]
    writer.execute(f"INSERT INTO {table} (rowid, title, more) VALUES (?, ?, ?)", (row, title, more))


def _link(writer: sqlite3.Connection, kind: str, row: int, others: list[int | None]) -> None:
    pairs = [(row, other) for other in dict.fromkeys(others) if other is not None]
    writer.executemany(f"INSERT INTO dataset_{kind} (dataset, {kind}) VALUES (?, ?)", pairs)


def _upsert(writer: sqlite3.Connection, table: str, values: dict[str, Any], key: tuple[str, ...] = ("pid",)) -> int:
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    changes = ", ".join(f"{name} = excluded.{name}" for name in values)
    found = writer.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} RETURNING id",
        tuple(values.values()),
    ).fetchone()
    return int(found[0])


# --- Values -------------------------------------------------------------------------------------------------------------


def _clean(text: str, most: int = MAX_NAME) -> str:
    return _UNWANTED.sub("", text[: most * 2]).strip()[:most]


def _both(name: str, text: str | None) -> dict[str, str | None]:
    return {name: text, f"{name}_folded": text.casefold() if text is not None else None}


def _instant(when: date | datetime | None) -> str | None:
    if when is None:
        return None
    if not isinstance(when, datetime):
        when = datetime.combine(when, time(), UTC)
    try:
        return instant(when)
    except (ValueError, OverflowError):
        return None


def _size(size: int | None) -> int | None:
    return size if size is not None and 0 <= size < 2**62 else None


def _web(address: str) -> str | None:
    return address if address.startswith("https://") and len(address) <= 2000 and address.isascii() else None
