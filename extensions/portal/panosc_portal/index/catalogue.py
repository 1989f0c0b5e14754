"""The site's own index as one more catalogue of the federated search: the same questions, without a network."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

import anyio
from pydantic import SecretStr

from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Credentials,
    Dataset,
    Document,
    File,
    Found,
    Instrument,
    Kind,
    Member,
    Parameter,
    ParameterCondition,
    Query,
    Sample,
    Technique,
)
from panosc_portal.errors import CatalogueError, HubError, Outcome
from panosc_portal.index.answer import Asker
from panosc_portal.index.entities import DATASET, ENTITIES, Field, Type
from panosc_portal.index.language import NOTHING, Condition, Include, Scope, Some, Test, both, read_filter
from panosc_portal.index.sql import Compiler
from panosc_portal.index.store import Busy, IndexFault, Store, TooSlow
from panosc_portal.quantities import unit

NAME = "This site"
PAGE = 1000
_PHOTON = 6.62607015e-34 * 299792458.0
"""Energy of a photon in J times its wavelength in m."""
_INCLUDED = ["instrument", "techniques", "samples", "parameters", {"documents": {"members": ["person", "affiliation"]}}]
_FACILITY = Field("facility", Type.TEXT, "facility")
_NAME_FOLDED = Field("name", Type.TEXT, "name_folded")
_REF = Field("proposal", Type.TEXT, "proposal")
_DOI = DATASET.fields["doi"]

Refs = Callable[[SecretStr], Awaitable[frozenset[str] | None]]
T = TypeVar("T")


class IndexCatalogue:
    """The index, asked as a catalogue.

    Args:
        store: the index.
        refs: the proposals of a token's person; the token is the hub's own, of the person's login here.
        facilities: the site's keys.
        name: in outcomes and addresses.

    Attributes:
        takes_login: its credentials hold the person's login at the hub, not a token for another service.
    """

    takes_login = True
    capabilities = Capabilities(asks=frozenset(Kind), own_data=True, counts=True, files=True, ranks=True)

    def __init__(self, store: Store, refs: Refs, facilities: frozenset[str], name: str = NAME) -> None:
        self.name, self.facilities = name, facilities
        self._store, self._refs = store, refs

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """Data sets for a question; see :class:`~panosc_portal.catalogues.model.Catalogue`."""
        asker = await self._asker(credentials)
        scope = _scope(query, asker.refs)
        if scope is None:
            return Found((), 0, query.kinds())
        asked = replace(scope, skip=skip, limit=limit, fields=frozenset({"pid", "score"}))

        def find() -> Found:
            rows = asker.find(asked)
            found = _datasets(asker, [row["pid"] for row in rows], self.name)
            scores = {row["pid"]: row["score"] for row in rows} if scope.query else {}
            datasets = tuple(replace(one, score=scores.get(one.pid)) for one in found)
            total = asker.count(scope)
            following = skip + len(rows)
            return Found(datasets, total, query.kinds(), following if rows and following < total else None)

        return await self._answered(find)

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """One data set, by its PID or DOI."""
        asker = await self._asker(credentials)

        def find() -> Dataset | None:
            scope = Scope(DATASET, _of_pid(pid), limit=1, fields=frozenset({"pid"}))
            found = _datasets(asker, [row["pid"] for row in asker.find(scope)], self.name)
            return found[0] if found else None

        return await self._answered(find)

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """Its files, however many."""
        asker = await self._asker(credentials)
        skip = 0
        while True:
            scope = Scope(ENTITIES["File"], skip=skip, limit=PAGE)
            rows = await self._answered(partial(asker.related, "Dataset", dataset.pid, "files", scope))
            for row in rows or []:
                yield File(row.get("path") or row["name"], row.get("size"))
            skip += PAGE
            if not rows or len(rows) < PAGE:
                return

    async def check(self) -> str:
        """How much is in it, and how its last harvests went."""

        def look() -> str:
            with self._store.reading() as reader:
                (many,) = reader.execute("SELECT count(*) FROM dataset").fetchone()
                runs = reader.execute("SELECT origin, finished, words FROM harvest ORDER BY origin").fetchall()
            told = [
                f"{origin} {finished or 'not finished yet'}{f' ({words})' if words else ''}"
                for origin, finished, words in runs
            ]
            return f"{many} data sets. " + ("; ".join(told) or "Nothing was harvested yet.")

        return await self._answered(look)

    async def aclose(self) -> None:
        """Nothing: whoever opened the index closes it."""

    async def _asker(self, credentials: Credentials | None) -> Asker:
        if credentials is None:
            return Asker(self._store)
        if credentials.catalogue not in {"", self.name}:
            raise CatalogueError(self.name, Outcome.REFUSED, "the token is for another catalogue")
        try:
            refs = await self._refs(credentials.token)
        except HubError as error:
            raise CatalogueError(self.name, Outcome.DOWN, error.message) from error
        if refs is None:
            raise CatalogueError(self.name, Outcome.REFUSED, "the hub does not know this login any more")
        return Asker(self._store, refs)

    async def _answered(self, call: Callable[[], T]) -> T:
        try:
            return await anyio.to_thread.run_sync(call)
        except TooSlow as error:
            raise CatalogueError(self.name, Outcome.TIMEOUT, str(error)) from error
        except IndexFault as error:
            outcome = Outcome.RESTING if isinstance(error, Busy) else Outcome.DOWN
            raise CatalogueError(self.name, outcome, str(error)) from error


# --- Questions ----------------------------------------------------------------------------------------------------------


def _scope(query: Query, refs: frozenset[str]) -> Scope | None:
    """A question as a filter; None if nothing can fit."""
    where: Condition = NOTHING
    if query.pid:
        where = both(where, _of_pid(query.pid))
    if query.facilities:
        where = both(where, Test(_FACILITY, "inq", query.facilities))
    for operator, year in zip(("gte", "lt"), query.years, strict=True):
        if year is not None:
            edge = f"{year + (operator == 'lt'):04d}-01-01T00:00:00.000Z"
            where = both(where, Test(DATASET.fields["creationDate"], operator, edge))
    if query.availability:
        where = both(where, _available(query.availability, refs))
    include: list[Include] = []
    if query.instruments:
        names = tuple(name.casefold() for name in query.instruments)
        include.append(_include("instrument", Test(_NAME_FOLDED, "inq", names)))
    if query.techniques:
        panet_ids = ENTITIES["Technique"].fields["panetId"]
        include.append(_include("techniques", Test(panet_ids, "inq", query.techniques)))
    if query.sample:
        include += read_filter({"include": [_scoped("samples", {"text": query.sample[:500]})]}, "Dataset").include
    for condition in query.parameters[:10]:
        include += read_filter({"include": [_scoped("parameters", _parameter(condition))]}, "Dataset").include
    return Scope(DATASET, where, tuple(include), query=query.text[:1000].strip(), every_word=True)


def _include(name: str, condition: Condition) -> Include:
    relation = DATASET.relations[name]
    return Include(relation, Scope(ENTITIES[relation.target], condition))


def _scoped(relation: str, where: dict[str, Any]) -> dict[str, Any]:
    return {"relation": relation, "scope": {"where": where}}


def _of_pid(pid: str) -> Condition:
    doi = pid.strip().lower()
    for before in ("https://doi.org/", "http://doi.org/", "https://dx.doi.org/", "doi:"):
        doi = doi.removeprefix(before)
    plain = DATASET.fields["pid"]
    return Some((Test(plain, "inq", tuple({pid, doi})), Test(_DOI, "eq", doi)))


def _available(wanted: tuple[Availability, ...], refs: frozenset[str]) -> Condition:
    is_public = DATASET.fields["isPublic"]
    ways: list[Condition] = []
    if Availability.OPEN in wanted:
        ways.append(Test(is_public, "eq", True))
    if Availability.OWN in wanted:
        ways.append(Test(_REF, "inq", tuple(sorted(refs - {""}))))
    return Some(tuple(ways))


def _parameter(condition: ParameterCondition) -> dict[str, Any]:
    if condition.text:
        return {"name": condition.name, "value": {"ilike": _escaped(condition.text)}}
    limits = {"gte": condition.low, "lte": condition.high}
    value = {operator: limit for operator, limit in limits.items() if limit is not None}
    plain: dict[str, Any] = {"name": condition.name, **({"value": value} if value else {})}
    if condition.unit:
        plain["unit"] = condition.unit
    photons = _of_photons(condition)
    return {"or": [plain, photons]} if photons else plain


def _escaped(text: str) -> str:
    """A LIKE pattern of exactly this text."""
    return "%" + "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in text[:90]) + "%"


def _of_photons(condition: ParameterCondition) -> dict[str, Any] | None:
    """The same condition on a photon's energy for one on its wavelength, and the other way round."""
    other = {
        "incident_wavelength": ("incident_photon_energy", "J"),
        "incident_photon_energy": ("incident_wavelength", "m"),
    }
    asked = unit(condition.unit, condition.name)
    if condition.name not in other or asked is None or asked.dimension == "":
        return None
    name, written = other[condition.name]
    value = {}
    for operator, limit in (("lte", condition.low), ("gte", condition.high)):
        if limit is not None and asked.to_si(limit) > 0:
            value[operator] = _PHOTON / asked.to_si(limit)
    return {"name": name, "value": value, "unit": written} if value else None


# --- Answers ------------------------------------------------------------------------------------------------------------


def _datasets(asker: Asker, pids: list[str], source: str) -> list[Dataset]:
    """Data sets with all that is known of them, in the order of their PIDs."""
    if not pids:
        return []
    where = {"pid": {"inq": pids}}
    rows = {row["pid"]: row for row in asker.find(read_filter({"where": where, "include": _INCLUDED}, "Dataset"))}
    more = _more(asker, pids)
    return [_dataset(rows[pid], more.get(pid, {}), source, asker.refs) for pid in pids if pid in rows]


_MORE = ("facility", "proposal", "proposal_text", "licence", "release", "location", "files")


def _more(asker: Asker, pids: list[str]) -> dict[str, dict[str, Any]]:
    """What the API does not tell, and the portal's own pages need."""
    with asker.store.reading() as reader:
        seen = Compiler(reader, asker.refs).visible(DATASET, "top")
        rows = reader.execute(
            "SELECT pid, facility, proposal, proposal_text, licence, release, location, "  # noqa: S608 - values are bound
            "(SELECT count(*) FROM file WHERE dataset = top.id) "
            f"FROM dataset top WHERE pid IN (SELECT value FROM json_each(?)) AND {seen.text}",
            (json.dumps(pids), *seen.values),
        ).fetchall()
    return {row[0]: dict(zip(_MORE, row[1:], strict=True)) for row in rows}


def _dataset(row: dict[str, Any], more: dict[str, Any], source: str, refs: frozenset[str]) -> Dataset:
    own = more.get("proposal") in refs - {""}
    plain = Availability.OPEN if row["isPublic"] else Availability.UNKNOWN
    instrument = row.get("instrument")
    return Dataset(
        source=source,
        pid=row["pid"],
        title=row["title"],
        availability=Availability.OWN if own else plain,
        created=_time(row.get("creationDate")),
        size=row.get("size"),
        facility=more.get("facility") or "",
        instrument=Instrument(instrument["name"], instrument["facility"], instrument["pid"]) if instrument else None,
        techniques=tuple(Technique(one["name"], one.get("panetId", "")) for one in row["techniques"]),
        parameters=tuple(Parameter(one["name"], one["value"], one["unit"]) for one in row["parameters"]),
        samples=tuple(Sample(one["name"], one.get("description", "")) for one in row["samples"]),
        documents=tuple(map(_document, row["documents"])),
        proposal=more.get("proposal_text") or "",
        doi=row.get("doi", ""),
        release=date.fromisoformat(more["release"]) if more.get("release") else None,
        licence=more.get("licence") or "",
        location=more.get("location") or "",
        landing=row.get("landingPage", ""),
        file_count=more.get("files") or None,
    )


def _document(row: dict[str, Any]) -> Document:
    start, end, release = (_time(row.get(name)) for name in ("startDate", "endDate", "releaseDate"))
    return Document(
        pid=row["pid"],
        title=row["title"],
        type=row["type"],
        summary=row.get("summary", ""),
        doi=row.get("doi", ""),
        start=start.date() if start else None,
        end=end.date() if end else None,
        release=release.date() if release else None,
        licence=row.get("license", ""),
        keywords=tuple(row.get("keywords", ())),
        members=tuple(
            Member(
                *(one.get("person", {}).get("fullName", ""), one["role"], one.get("person", {}).get("orcid", "")),
                one.get("affiliation", {}).get("name", ""),
            )
            for one in row["members"]
        ),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
