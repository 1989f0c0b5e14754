"""ICAT+ as at the ESRF, on top of ICAT.

Protocol as generated from its OpenAPI description into PyPI's ``icat-plus-client`` 5.7.4: ``POST /session``; ``GET
/catalogue/datasets`` with ``Authorization: Bearer <sessionId>`` takes ``search``, ``instrumentName``, ``techniquePids``, ``startDate``,
``endDate``, ``parameters`` (``name~operator~value``, by commas), ``limit``, ``skip``, and tells in ``meta.page.total`` how many there are;
``GET /catalogue/{sessionId}/dataset/id/{id}/datafile``. Values are texts, sizes are parameters (``__volume``, ``__fileCount``).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr

from panosc_portal.catalogues.base import bearer, bounded
from panosc_portal.catalogues.entries import Kept, Notes, read_entries, read_entry
from panosc_portal.catalogues.icat_entries import IcatInvestigation, IcatTechnique
from panosc_portal.catalogues.icat_sessions import PERSON, WithSessions
from panosc_portal.catalogues.model import (
    Capabilities,
    Credentials,
    Dataset,
    File,
    Found,
    Instrument,
    Kind,
    Parameter,
    Query,
    Sample,
    Technique,
)
from panosc_portal.catalogues.panosc_filter import MAX_TECHNIQUES
from panosc_portal.catalogues.values import Entry, Exact, Identifier, Line, Size, When, file_path, panet
from panosc_portal.catalogues.words import words_of
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner import panet as ontology
from panosc_spawner.facilities.catalogue_rules import IcatPlusCatalogue as Rule
from panosc_spawner.facilities.model import Facility
from panosc_spawner.proposals.http.client import HttpStatusError
from panosc_spawner.proposals.http.sessions import Session, SessionOverError

FILES_PAGE = 500
MAX_FILES = 1_000_000
_NUMBER = re.compile(r"[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_PLAIN = re.compile(r"[\w .+/()=-]{1,100}")  # of values between '~' and ','


class _Login(Entry):
    session_id: Identifier = Field(alias="sessionId")
    name: Line = ""


class _Parameter(Entry):
    name: Line = Field(min_length=1)
    value: Line = ""
    units: Line = ""


class _Page(Entry):
    total: Size = None


class _Meta(Entry):
    page: Annotated[tuple[_Page, ...], Kept()] = ()


class _Dataset(Entry):
    id: Identifier
    name: Line = ""
    start: When = Field(default=None, alias="startDate")
    location: Exact = ""
    sample: Line = Field(default="", alias="sampleName")
    instrument: Line = Field(default="", alias="instrumentName")
    investigation: IcatInvestigation
    techniques: Annotated[tuple[IcatTechnique, ...], Kept()] = ()
    parameters: Annotated[tuple[_Parameter, ...], Kept()] = ()
    meta: Annotated[tuple[_Meta, ...], Kept()] = ()

    def number(self, name: str) -> int | None:
        """A whole number among its parameters."""
        text = next((one.value for one in self.parameters if one.name == name), "")
        return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


class _Datafile(Entry):
    name: Exact = ""
    location: Exact = ""
    size: Size = Field(default=None, alias="fileSize")


class _Wrapped(Entry):
    file: _Datafile = Field(alias="Datafile")


class IcatPlusCatalogue(WithSessions):
    """A :class:`~panosc_portal.catalogues.model.Catalogue`. A data set's PID is its number."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        self._rule = rule
        asks = {Kind.TEXT, Kind.PID, Kind.TECHNIQUE, Kind.INSTRUMENT, Kind.YEARS}
        asks |= {Kind.FACILITY} if facility else set()
        self.capabilities = Capabilities(asks=frozenset(asks), own_data=rule.personal, counts=True, files=True)

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        limit = bounded(limit)
        asked, applied = _question(query)
        if query.pid and "datasetIds" not in asked:
            return Found((), total=0, applied=applied)

        async def question(session: Session, personal: bool) -> Found:
            notes = Notes()
            sent = {**asked, "limit": str(limit), "skip": str(skip), "sortBy": "STARTDATE", "sortOrder": "-1"}
            answer = await self._ask(session, sent)
            entries = read_entries(_Dataset, answer, self.name, notes, most=limit, key=lambda one: one.id)
            totals = (
                page.total for one in entries for meta in one.meta for page in meta.page if page.total is not None
            )
            return Found(
                datasets=tuple(self._dataset(one, personal) for one in entries),
                total=next(totals, None if entries or skip else 0),
                applied=applied,
                next=skip + limit if len(answer) >= limit else None,
                notes=notes.words(),
            )

        return await self.within(credentials, question)

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if not _is_number(pid):
            return None

        async def question(session: Session, personal: bool) -> Dataset | None:
            answer = await self._ask(session, {"datasetIds": pid, "limit": "2", "skip": "0"})
            entries = read_entries(_Dataset, answer, self.name, Notes(), most=2)
            return next((self._dataset(one, personal) for one in entries if one.id == pid), None)

        return await self.within(credentials, question)

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if not _is_number(dataset.pid):
            return
        for skip in range(0, MAX_FILES, FILES_PAGE):

            async def question(session: Session, personal: bool, skip: int = skip) -> Any:
                path = ("catalogue", session.id, "dataset", "id", dataset.pid, "datafile")
                return await self._get(path, {"limit": str(FILES_PAGE), "skip": str(skip)}, session)

            page = read_entries(_Wrapped, await self.within(credentials, question), self.name, Notes(), most=FILES_PAGE)
            for one in page:
                if path := file_path(one.file.location or one.file.name, ""):
                    yield File(path, one.file.size)
            if len(page) < FILES_PAGE:
                return

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if not self._rule.username:
            return "asked in people's own names only; nothing can be tried without a login"
        found = await self.search(Query(), skip=0, limit=1, credentials=None)
        if not found.datasets:
            raise CatalogueError(
                self.name, Outcome.REFUSED, f"the account {self._rule.username} sees no data set at all"
            )
        return f"shows {found.total if found.total is not None else 'some'} data sets to {self._rule.username}"

    async def log_in_public(self) -> Session:
        """See :class:`~.icat_sessions.WithSessions`."""
        if not self._rule.username:
            raise CatalogueError(
                self.name, Outcome.REFUSED, "it is asked in people's own names only: log in to see your data"
            )
        return await self._log_in(self._rule.plugin, self._rule.username, self.password, "")

    async def log_in_person(self, token: SecretStr) -> Session:
        """See :class:`~.icat_sessions.WithSessions`."""
        return await self._log_in(self._rule.person_plugin, "", token, PERSON)

    async def _log_in(self, plugin: str, username: str, secret: SecretStr, whose: str) -> Session:
        payload = {"plugin": plugin, "username": username, "password": secret}
        login = read_entry(_Login, await self.client.post("session", payload=payload, personal=bool(whose)), self.name)
        return Session(SecretStr(login.session_id), whose)

    async def _ask(self, session: Session, query: dict[str, str]) -> Any:
        return await self._get(("catalogue", "datasets"), query, session)

    async def _get(self, path: tuple[str | SecretStr, ...], query: dict[str, str], session: Session) -> Any:
        try:
            return await self.client.get(
                *path, query=query, headers={"Authorization": bearer(session.id)}, personal=bool(session.user)
            )
        except HttpStatusError as error:
            if error.status in (401, 403):
                raise SessionOverError from None
            raise

    def _dataset(self, entry: _Dataset, personal: bool) -> Dataset:
        beamtime = entry.investigation
        instrument = entry.instrument or next((one.instrument.name for one in beamtime.instruments), "")
        return Dataset(
            source=self.name,
            pid=entry.id,
            title=" · ".join(part for part in (beamtime.title, entry.sample, entry.name) if part) or entry.id,
            availability=beamtime.availability(personal),
            created=entry.start or beamtime.start,
            size=entry.number("__volume"),
            facility=self.facility,
            instrument=Instrument(instrument) if instrument else None,
            techniques=tuple(
                Technique(one.name or one.pid, panet(one.pid)) for one in entry.techniques if one.name or one.pid
            ),
            parameters=tuple(
                Parameter(one.name, _value(one.value), one.units)
                for one in entry.parameters
                if one.value and not one.name.startswith("__")
            ),
            samples=(Sample(entry.sample),) if entry.sample else (),
            documents=(beamtime.document(),),
            proposal=self.proposal_of(beamtime.name),
            doi=beamtime.doi,
            release=beamtime.release.date() if beamtime.release else None,
            location=file_path(entry.location, ""),
            landing=self.landing(entry.id, beamtime.doi),
            file_count=entry.number("__fileCount"),
        )


def _question(query: Query) -> tuple[dict[str, str], frozenset[Kind]]:
    """The parameters of the address, and what of the question is in them."""
    asked: dict[str, str] = {}
    applied = {Kind.FACILITY} if query.facilities else set()
    words = words_of(query.text)
    if words:
        asked["search"] = " ".join(words)
        if len(words) == 1:  # how it reads several words is not written anywhere
            applied.add(Kind.TEXT)
    if query.pid:
        applied.add(Kind.PID)
        asked |= {"datasetIds": query.pid} if _is_number(query.pid) else {}
    if query.instruments and not any("," in name for name in query.instruments):
        asked["instrumentName"] = ",".join(query.instruments)
        applied.add(Kind.INSTRUMENT)
    ids = ontology.beneath(query.techniques)
    if ids and len(ids) <= MAX_TECHNIQUES and all(ontology.ids_named(one) for one in query.techniques):
        asked["techniquePids"] = ",".join(sorted(ontology.purl(one) for one in ids))
        applied.add(Kind.TECHNIQUE)
    first, last = query.years
    if first is not None:
        asked["startDate"] = f"{max(first, 1800)}-01-01"
    if last is not None:
        asked["endDate"] = f"{min(last, 2999)}-12-31"
    if query.years != (None, None):
        applied.add(Kind.YEARS)
    texts = [one for one in query.parameters if one.text]
    if texts and all(_PLAIN.fullmatch(part) for one in texts for part in (one.name, one.text)):
        asked["parameters"] = ",".join(f"{one.name}~eq~{one.text}" for one in texts)
        if len(texts) == len(query.parameters):
            applied.add(Kind.PARAMETER)
    return asked, frozenset(applied)


def _is_number(pid: str) -> bool:
    return re.fullmatch(r"\d{1,18}", pid, re.ASCII) is not None


def _value(text: str) -> float | str:
    return float(text) if _NUMBER.fullmatch(text) else text
