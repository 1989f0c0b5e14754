"""ICAT's REST interface, for any site that runs ICAT.

Protocol: ``POST session`` with the form field ``json``; ``GET entityManager?sessionId=&query=`` answers a list of ``{"Dataset":
{…}}`` for JPQL, or numbers for a count; a session that is over is 403 with ``"code": "SESSION"`` (read in icat.server, and
in datagateway-api's tests). ICAT's own rules decide what a session sees. Values go into the text of a query, so only
such are asked that cannot be read as anything but a value; the others are checked here on what comes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr

from panosc_portal.catalogues.base import bounded
from panosc_portal.catalogues.entries import Kept, Notes, read_entries, read_entry
from panosc_portal.catalogues.icat_entries import IcatInvestigation, IcatParameter, IcatTechnique
from panosc_portal.catalogues.icat_query import DatasetQuery, dataset_query, of_dataset
from panosc_portal.catalogues.icat_sessions import PERSON, WithSessions
from panosc_portal.catalogues.model import (
    Availability,
    Capabilities,
    Credentials,
    Dataset,
    File,
    Found,
    Instrument,
    Kind,
    Query,
    Sample,
    Technique,
)
from panosc_portal.catalogues.values import Doi, Entry, Exact, Identifier, Line, Size, When, file_path, panet
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.facilities.catalogue_rules import IcatCatalogue as Rule
from panosc_spawner.facilities.model import Facility
from panosc_spawner.proposals.http.client import HttpStatusError
from panosc_spawner.proposals.http.sessions import Session, SessionOverError

FILES_PAGE = 500
MAX_FILES = 1_000_000


class _Login(Entry):
    session_id: Identifier = Field(alias="sessionId")


class _Sample(Entry):
    name: Line = ""


class _AtTechnique(Entry):
    technique: IcatTechnique


class _Dataset(Entry):
    id: Identifier
    name: Line = ""
    location: Exact = ""
    doi: Doi = ""
    start: When = Field(default=None, alias="startDate")
    size: Size = Field(default=None, alias="fileSize")
    count: Size = Field(default=None, alias="fileCount")
    investigation: IcatInvestigation
    sample: Annotated[tuple[_Sample, ...], Kept()] = ()
    parameters: Annotated[tuple[IcatParameter, ...], Kept()] = ()
    techniques: Annotated[tuple[_AtTechnique, ...], Kept()] = Field(default=(), alias="datasetTechniques")


class _Datafile(Entry):
    name: Exact = ""
    location: Exact = ""
    size: Size = Field(default=None, alias="fileSize")
    checksum: Line = ""


class IcatCatalogue(WithSessions):
    """A :class:`~panosc_portal.catalogues.model.Catalogue`. A data set's PID is its number."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        self._rule = rule
        asks = {Kind.TEXT, Kind.PID, Kind.TECHNIQUE, Kind.INSTRUMENT, Kind.YEARS, Kind.SAMPLE, Kind.AVAILABILITY}
        asks |= ({Kind.PARAMETER} if rule.units else set()) | ({Kind.FACILITY} if facility else set())
        self.capabilities = Capabilities(asks=frozenset(asks), own_data=rule.personal, counts=True, files=True)

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        if Availability.OWN in query.availability and len(query.availability) == 1 and credentials is None:
            return Found((), total=0, applied=query.kinds(), notes=("without a login it shows nobody's own data",))
        limit = bounded(limit)
        asked = dataset_query(query, self._rule.units, datetime.now(UTC))

        async def question(session: Session, personal: bool) -> Found:
            return await self._page(session, personal, asked, skip, limit, query)

        return await self.within(credentials, question)

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        asked = of_dataset(pid)
        if asked is None:
            return None

        async def question(session: Session, personal: bool) -> Dataset | None:
            notes = Notes()
            rows = await self._rows(session, _Dataset, "Dataset", asked.rows(0, 2), notes)
            return self._dataset(rows[0], personal) if rows else None

        return await self.within(credentials, question)

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if not re.fullmatch(r"\d{1,18}", dataset.pid, re.ASCII):
            return
        for skip in range(0, MAX_FILES, FILES_PAGE):
            query = (
                f"SELECT df FROM Datafile df JOIN df.dataset ds WHERE ds.id = {dataset.pid} "  # noqa: S608 - digits
                f"ORDER BY df.id LIMIT {skip:d}, {FILES_PAGE:d}"
            )

            async def question(session: Session, personal: bool, query: str = query) -> list[_Datafile]:
                return await self._rows(session, _Datafile, "Datafile", query, Notes())

            page = await self.within(credentials, question)
            for one in page:
                if path := file_path(one.location or one.name, ""):
                    yield File(path, one.size, one.checksum)
            if len(page) < FILES_PAGE:
                return

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""

        async def question(session: Session, personal: bool) -> int:
            return await self._number(session, "SELECT COUNT(ds) FROM Dataset ds")

        count = await self.within(None, question)
        if not count:
            raise CatalogueError(self.name, Outcome.REFUSED, "without a person's name it shows no data set at all")
        return f"shows {count} data sets without a person's name"

    async def log_in_public(self) -> Session:
        """See :class:`~.icat_sessions.WithSessions`."""
        account = [{"username": self._rule.username}, {"password": self.password.get_secret_value()}]
        return await self._log_in(self._rule.plugin, account if self._rule.username else [], "")

    async def log_in_person(self, token: SecretStr) -> Session:
        """See :class:`~.icat_sessions.WithSessions`."""
        return await self._log_in(
            self._rule.person_plugin, [{self._rule.token_field: token.get_secret_value()}], PERSON
        )

    async def _log_in(self, plugin: str, credentials: list[dict[str, str]], whose: str) -> Session:
        form = SecretStr(json.dumps({"plugin": plugin, "credentials": credentials}))
        answer = await self.client.post("session", form={"json": form}, personal=bool(whose))
        return Session(SecretStr(read_entry(_Login, answer, self.name).session_id), whose)

    async def _page(
        self, session: Session, personal: bool, asked: DatasetQuery, skip: int, limit: int, query: Query
    ) -> Found:
        notes = Notes()
        rows = await self._rows(session, _Dataset, "Dataset", asked.rows(skip, limit), notes)
        total = None if skip else await self._number(session, asked.count())
        return Found(
            datasets=tuple(self._dataset(row, personal) for row in rows),
            total=total,
            applied=asked.applied | ({Kind.FACILITY} if query.facilities else frozenset()),
            next=skip + limit if len(rows) >= limit else None,
            notes=notes.words(),
        )

    async def _rows(self, session: Session, model: type[Any], entity: str, query: str, notes: Notes) -> list[Any]:
        answer = await self._ask(session, query)
        if isinstance(answer, list):
            answer = [row.get(entity) if isinstance(row, dict) else row for row in answer]
        key = (lambda row: row.id) if model is _Dataset else None
        return read_entries(model, answer, self.name, notes, most=FILES_PAGE, key=key)

    async def _number(self, session: Session, query: str) -> int:
        answer = await self._ask(session, query)
        if not isinstance(answer, list) or len(answer) != 1 or type(answer[0]) is not int:
            raise CatalogueError(self.name, Outcome.GARBLED, "its answer is no count")
        return int(answer[0])

    async def _ask(self, session: Session, query: str) -> Any:
        try:
            return await self.client.get(
                "entityManager", query={"sessionId": session.id, "query": query}, personal=bool(session.user)
            )
        except HttpStatusError as error:
            if error.status in (401, 403) and isinstance(error.answer, dict) and error.answer.get("code") == "SESSION":
                raise SessionOverError from None
            raise

    def _dataset(self, row: _Dataset, personal: bool) -> Dataset:
        beamtime = row.investigation
        instrument = next((one.instrument for one in beamtime.instruments if one.instrument.name), None)
        return Dataset(
            source=self.name,
            pid=row.id,
            title=" · ".join(part for part in (beamtime.title, row.name) if part) or row.id,
            availability=beamtime.availability(personal),
            created=row.start or beamtime.start,
            size=row.size,
            facility=self.facility,
            instrument=Instrument(instrument.name, pid="") if instrument else None,
            techniques=tuple(
                Technique(one.technique.name or one.technique.pid, panet(one.technique.pid))
                for one in row.techniques
                if one.technique.name or one.technique.pid
            ),
            parameters=tuple(found for one in row.parameters if (found := one.parameter()) is not None),
            samples=tuple(Sample(one.name) for one in row.sample if one.name),
            documents=(beamtime.document(),),
            proposal=self.proposal_of(beamtime.name),
            doi=row.doi or beamtime.doi,
            release=beamtime.release.date() if beamtime.release else None,
            location=file_path(row.location, ""),
            landing=self.landing(row.id, row.doi or beamtime.doi),
            file_count=row.count,
        )
