"""SciCat's own API, version 4 (SciCatProject/backend).

Run on 4.5.0 and read: without a login only ``datasets/public`` answers (``datasets`` is 403); a filter is MongoDB's, with ``limits``
and ``include``; ``$text`` finds in all fields, and words in quotes must all be there; ``scientificMetadata`` gets ``valueSI`` and
``unitSI`` when it is written; origdatablocks are published apart from their data set. SciCat takes no tokens but its own
(``auth/oidc/token``), and knows a person's groups from the last login (``auth/whoami``).

``GET proposals/{pid}/datasets`` gave everybody every data set until 5.2.1 (GHSA-pxvj-88j3-82p8): nothing here asks for it. A group
with an empty name in somebody's groups made everything theirs (backend#1193): what SciCat shows beyond published data and the
groups that a person really has is left out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from panosc_portal.catalogues.base import HttpCatalogue, bearer, bounded
from panosc_portal.catalogues.entries import Notes, read_entries, read_entry
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
    Query,
    Sample,
    Technique,
)
from panosc_portal.catalogues.panosc_filter import MAX_TECHNIQUES, pid_spellings
from panosc_portal.catalogues.scicat_entries import (
    SciCatDataset,
    SciCatInstrument,
    SciCatLogin,
    SciCatPublication,
    SciCatUser,
    dates_between,
    metadata_condition,
    metadata_parameters,
    texts,
)
from panosc_portal.catalogues.values import (
    doi,
    file_path,
    panet,
)
from panosc_portal.catalogues.words import words_of
from panosc_portal.errors import CatalogueError
from panosc_spawner import panet as ontology
from panosc_spawner.facilities.catalogue_rules import SciCatCatalogue as Rule
from panosc_spawner.facilities.model import Facility
from panosc_spawner.proposals.http.recent import Recent

_LOGIN_SECONDS, _INSTRUMENT_SECONDS = 20.0, 600.0
_FIELDS = [
    "pid", "datasetName", "description", "isPublished", "creationTime", "size", "numberOfFiles", "techniques", "proposalIds",
    "ownerGroup", "accessGroups", "instrumentIds", "license", "sourceFolder", "datasetlifecycle", "keywords",
]  # fmt: skip


@dataclass(frozen=True)
class _Asker:
    """Who asks: nobody, or somebody with SciCat's own token and their groups there."""

    headers: Mapping[str, SecretStr]
    groups: frozenset[str] = frozenset()

    @property
    def path(self) -> tuple[str, ...]:
        """Where data sets are, for them."""
        return ("v4", "datasets") if self.headers else ("v4", "datasets", "public")


class SciCatCatalogue(HttpCatalogue):
    """A :class:`~panosc_portal.catalogues.model.Catalogue`."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        self._rule = rule
        asks = {Kind.TEXT, Kind.PID, Kind.TECHNIQUE, Kind.INSTRUMENT, Kind.PARAMETER, Kind.AVAILABILITY}
        self.capabilities = Capabilities(
            asks=frozenset(asks | ({Kind.YEARS} if rule.dates else set()) | ({Kind.FACILITY} if facility else set())),
            own_data=rule.personal,
            counts=True,
            files=True,
        )
        self._logins: Recent[_Asker] = Recent(_LOGIN_SECONDS, size=2000)
        self._instruments: Recent[dict[str, str]] = Recent(_INSTRUMENT_SECONDS, size=1)
        self._ignored = frozenset(rule.ignored_groups)  # one with an empty name is none: texts()

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        asker = await self._asker(credentials)
        wanted = set(query.availability)
        if wanted and not wanted & {Availability.OPEN, Availability.UNKNOWN} and not asker.headers:
            return Found((), total=0, applied=query.kinds(), notes=("without a login it shows published data only",))
        limit, notes = bounded(limit), Notes()
        where, applied = await self._where(query)
        limits = {"limit": limit, "skip": skip, "sort": {"creationTime": "desc", "pid": "asc"}}
        fields = [*_FIELDS, *(["scientificMetadata"] if query.parameters else [])]
        answer = await self._ask(asker, {"where": where, "fields": fields, "limits": limits})
        entries = read_entries(SciCatDataset, answer, self.name, notes, most=limit, key=lambda one: one.pid)
        if query.pid and not entries and not skip:
            entries = await self._by_doi(query.pid, asker, notes)
        names = await self._names()
        shown = [one for one in entries if self._may_show(one, asker, notes)]
        return Found(
            datasets=tuple(self._dataset(one, asker, names) for one in shown),
            total=None if skip or len(shown) < len(entries) else await self._count(asker, where),
            applied=applied,
            next=skip + limit if len(answer) >= limit else None,
            notes=notes.words(),
        )

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        asker, notes = await self._asker(credentials), Notes()
        entry = await self._one(pid, asker, ["instruments", "proposals", "samples"], notes)
        if entry is None or not self._may_show(entry, asker, notes):
            return None
        published = await self._publication(entry.pid, asker)
        return self._dataset(entry, asker, await self._names(), published)

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        asker, notes = await self._asker(credentials), Notes()
        entry = await self._one(dataset.pid, asker, ["origdatablocks"], notes)
        if entry is None or not self._may_show(entry, asker, notes):
            return
        for block in entry.blocks:
            for one in block.files:
                if path := file_path(one.path, ""):
                    kind = block.algorithm.lower().replace("-", "")
                    yield File(path, one.size, f"{kind}:{one.checksum}" if kind and one.checksum else "")

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        asker = _Asker({})
        answer = await self._ask(asker, {"limits": {"limit": 1}, "fields": _FIELDS})
        read_entries(SciCatDataset, answer, self.name, Notes(), most=10)
        words = [f"lists {await self._count(asker, {})} published data sets"]
        if not await self._names():
            words.append("does not tell instruments' names without a login")
        if not self._rule.dates and await self._takes_dates(asker):
            words.append("takes dates: write dates = true")
        return "; ".join(words)

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _ask(self, asker: _Asker, filters: Mapping[str, Any], *path: str) -> Any:
        sent = {"filter": json.dumps(filters, separators=(",", ":"), ensure_ascii=False)}
        with self.asking():
            return await self.client.get(
                *asker.path, *path, query=sent, headers=asker.headers, personal=bool(asker.headers)
            )

    async def _asker(self, credentials: Credentials | None) -> _Asker:
        token = self.token_for(credentials)
        if token is None:
            return _Asker({})
        key = hashlib.sha256(token.get_secret_value().encode()).hexdigest()
        return await self._logins.get(key, lambda: self._log_in(token))

    async def _log_in(self, token: SecretStr) -> _Asker:
        if self._rule.login == "oidc-token":
            with self.asking():
                answer = await self.client.post(
                    "v3", "auth", "oidc", "token", payload={"idToken": token}, personal=True
                )
            token = SecretStr(read_entry(SciCatLogin, answer, self.name).access_token)
        headers = {"Authorization": bearer(token)}
        with self.asking():
            answer = await self.client.get("v3", "auth", "whoami", headers=headers, personal=True)
        groups = read_entry(SciCatUser, answer, self.name).groups
        return _Asker(headers, texts(groups) - self._ignored)

    async def _one(self, pid: str, asker: _Asker, include: list[str], notes: Notes) -> SciCatDataset | None:
        filters = {"where": {"pid": {"$in": list(pid_spellings(pid))}}, "include": include, "limits": {"limit": 2}}
        answer = await self._ask(asker, filters)
        return next(iter(read_entries(SciCatDataset, answer, self.name, notes, most=2)), None)

    async def _count(self, asker: _Asker, where: Mapping[str, Any]) -> int | None:
        try:
            answer = await self._ask(asker, {"where": where}, "count")
        except CatalogueError:
            return None
        counted = answer.get("count") if isinstance(answer, dict) else None
        return counted if type(counted) is int and counted >= 0 else None

    async def _names(self) -> dict[str, str]:
        """Instruments' names by their PIDs; empty where SciCat does not tell them."""
        try:
            return await self._instruments.get("", self._ask_names)
        except CatalogueError:
            return {}

    async def _ask_names(self) -> dict[str, str]:
        with self.asking():
            answer = await self.client.get("v3", "instruments")
        entries = read_entries(SciCatInstrument, answer, self.name, Notes(), most=1000)
        return {one.pid: one.name for one in entries if one.pid and one.name}

    async def _publication(self, pid: str, asker: _Asker) -> SciCatPublication | None:
        with contextlib.suppress(CatalogueError):
            found = await self._publications({"where": {"datasetPids": pid}, "limits": {"limit": 1}}, asker)
            return next((one for one in found if pid in one.datasets()), None)
        return None

    async def _publications(self, filters: Mapping[str, Any], asker: _Asker) -> list[SciCatPublication]:
        with self.asking():
            answer = await self.client.get(
                "v4", "publisheddata", query={"filter": json.dumps(filters)}, headers=asker.headers
            )
        return read_entries(SciCatPublication, answer, self.name, Notes(), most=20)

    async def _by_doi(self, pid: str, asker: _Asker, notes: Notes) -> list[SciCatDataset]:
        """The data sets of a publication: a DOI is its, and a data set's PID another."""
        if not doi(pid):
            return []
        with contextlib.suppress(CatalogueError):
            found = await self._publications({"where": {"doi": {"$in": list(pid_spellings(pid))}}}, asker)
            pids = list(dict.fromkeys(one for published in found for one in published.datasets()))
            if pids:
                answer = await self._ask(asker, {"where": {"pid": {"$in": pids}}, "fields": _FIELDS})
                return read_entries(SciCatDataset, answer, self.name, notes, most=len(pids), key=lambda one: one.pid)
        return []

    async def _takes_dates(self, asker: _Asker) -> bool:
        where = {"creationTime": {"$gte": {"$date": "1970-01-01T00:00:00.000Z"}}}
        try:
            return bool(await self._ask(asker, {"where": where, "limits": {"limit": 1}, "fields": ["pid"]}))
        except CatalogueError:
            return False

    # --- the question -------------------------------------------------------------------------------------------------

    async def _where(self, query: Query) -> tuple[dict[str, Any], frozenset[Kind]]:
        conditions: list[dict[str, Any]] = []
        applied = {Kind.FACILITY} if query.facilities else set()
        if words := words_of(query.text):
            conditions.append({"$text": {"$search": " ".join(f'"{word}"' for word in words)}})
            applied.add(Kind.TEXT)
        if query.pid:
            conditions.append({"pid": {"$in": list(pid_spellings(query.pid))}})
            applied.add(Kind.PID)
        ids = ontology.beneath(query.techniques)
        if ids and len(ids) <= MAX_TECHNIQUES and all(ontology.ids_named(one) for one in query.techniques):
            spelt = [*sorted(ontology.purl(one) for one in ids), *sorted(ids)]
            conditions.append({"techniques.pid": {"$in": spelt}})
            applied.add(Kind.TECHNIQUE)
        if query.instruments and (names := await self._names()):
            wanted = {name.casefold() for name in query.instruments}
            pids = [pid for pid, name in names.items() if name.casefold() in wanted]
            conditions.append({"instrumentIds": {"$in": pids}})
            applied.add(Kind.INSTRUMENT)
        if self._rule.dates and query.years != (None, None):
            conditions.append({"creationTime": dates_between(*query.years)})
            applied.add(Kind.YEARS)
        if set(query.availability) == {Availability.OPEN}:
            conditions.append({"isPublished": True})
            applied.add(Kind.AVAILABILITY)
        elif query.availability and not {Availability.OPEN, Availability.UNKNOWN} & set(query.availability):
            conditions.append({"isPublished": False})
        parameters = [metadata_condition(one) for one in query.parameters]
        conditions += [one for one in parameters if one]
        if parameters and all(parameters):
            applied.add(Kind.PARAMETER)
        where = {} if not conditions else conditions[0] if len(conditions) == 1 else {"$and": conditions}
        return where, frozenset(applied)

    # --- the answer ---------------------------------------------------------------------------------------------------

    def _may_show(self, entry: SciCatDataset, asker: _Asker, notes: Notes) -> bool:
        """Published, or of one of the person's own groups. An administrator's login, or an empty group, shows more."""
        if entry.published or self._is_own(entry, asker):
            return True
        notes.dropped("it shows more than published data and those of your groups")
        return False

    def _is_own(self, entry: SciCatDataset, asker: _Asker) -> bool:
        return bool(asker.groups & ({entry.owner_group} | texts(entry.access_groups)))

    def _dataset(
        self, entry: SciCatDataset, asker: _Asker, names: Mapping[str, str], published: SciCatPublication | None = None
    ) -> Dataset:
        proposals = [
            Document(pid=one.proposal_id, title=one.title, type="proposal", summary=one.abstract)
            for one in entry.proposals
        ]
        known = {one.pid for one in proposals}
        proposals += [Document(pid=one, type="proposal") for one in sorted(texts(entry.proposal_ids) - known)]
        papers = (
            [Document(published.doi, published.title, "publication", published.abstract, doi(published.doi))]
            if published
            else []
        )
        found_doi = doi(entry.pid) or next((one.doi for one in papers), "")
        instrument = next((one.name for one in entry.instruments if one.name), "") or next(
            (names[pid] for pid in sorted(texts(entry.instrument_ids)) if pid in names), ""
        )
        own = not entry.published
        return Dataset(
            source=self.name,
            pid=entry.pid,
            title=entry.name or entry.pid,
            availability=Availability.OWN if own else Availability.OPEN,
            created=entry.created,
            release=next((one.publishing for one in entry.lifecycle if one.publishing), None) if own else None,
            size=entry.size,
            facility=self.facility,
            instrument=Instrument(instrument) if instrument else None,
            techniques=tuple(
                Technique(one.name or one.pid, panet(one.pid)) for one in entry.techniques if one.name or one.pid
            ),
            parameters=tuple(metadata_parameters(entry.metadata)),
            samples=tuple(Sample(one.name, one.description) for one in entry.samples if one.name or one.description),
            documents=(*proposals, *papers),
            proposal=next((found for one in proposals if (found := self.proposal_of(one.pid))), ""),
            doi=found_doi,
            licence=entry.licence,
            location=file_path(entry.folder, ""),
            landing=self.landing(entry.pid, found_doi),
            file_count=entry.count,
        )
