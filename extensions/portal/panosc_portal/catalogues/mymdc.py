"""myMdC, the European XFEL's metadata catalogue: people's own runs, asked with their own tokens.

Routes as in PyPI's ``metadata_client``, ``extra-proposal`` and DAMNIT: ``GET api/me``, ``users/{id}/proposals``,
``proposals/by_number/{no}``, ``proposals/by_number/{no}/runs`` (a list, or an object with ``runs``). It has no search, so a
person's proposals are listed and what was asked is looked for here. The hub's own application may read everybody's
proposals: it is never used for this. Open data are found in the search API (``[catalogues.euxfel]``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr

from panosc_portal.catalogues.base import HttpCatalogue, bearer, bounded
from panosc_portal.catalogues.entries import Kept, Notes, read_entries, read_entry
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
)
from panosc_portal.catalogues.values import Doi, Entry, Exact, Line, Prose, Size, When, file_path
from panosc_portal.catalogues.words import words_of
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.facilities.catalogue_rules import MyMdcCatalogue as Rule
from panosc_spawner.facilities.model import Facility
from panosc_spawner.proposals.http.base import all_of
from panosc_spawner.proposals.http.recent import Recent

MAX_PROPOSALS = 200
MAX_RUNS = 5000
AT_A_TIME = 6
_SECONDS = 60.0
_PID = re.compile(r"p(\d{6})/r(\d{1,6})", re.ASCII)


class _Me(Entry):
    id: int = Field(strict=True)


class _Membership(Entry):
    number: int | None = Field(default=None, alias="proposal_number", strict=True)


class _Proposal(Entry):
    number: int = Field(strict=True)
    title: Line = ""
    abstract: Prose = ""
    instrument: Line = Field(default="", alias="instrument_identifier")
    folder: Exact = Field(default="", alias="def_proposal_path")
    begin: When = Field(default=None, alias="begin_at")
    end: When = Field(default=None, alias="end_at")
    release: When = Field(default=None, alias="release_at")
    doi: Doi = ""


class _Sample(Entry):
    name: Line = ""


class _Run(Entry):
    number: int = Field(alias="run_number", strict=True, ge=0, le=999_999)
    begin: When = Field(default=None, alias="begin_at")
    size: Size = None
    count: Size = Field(default=None, alias="num_files")
    samples: Annotated[tuple[_Sample, ...], Kept()] = Field(default=(), alias="sample")


class MyMdcCatalogue(HttpCatalogue):
    """A :class:`~panosc_portal.catalogues.model.Catalogue`. A data set is a run; its PID is ``p002145/r7``."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        asks = {Kind.TEXT, Kind.PID, Kind.YEARS, Kind.INSTRUMENT} | ({Kind.FACILITY} if facility else set())
        self.capabilities = Capabilities(frozenset(asks), own_data=True, counts=True)
        self._lists: Recent[list[_Proposal]] = Recent(_SECONDS, size=1000)

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        headers = self._headers(credentials)
        if not headers:
            return Found(
                (), total=0, applied=query.kinds(), notes=("it shows people their own runs only: log in to see yours",)
            )
        limit, notes = bounded(limit), Notes()
        proposals = [one for one in await self._proposals(headers, credentials) if _may_match(one, query)]
        listed = await all_of((partial(self._runs, one, headers, notes) for one in proposals), AT_A_TIME)
        pairs = [(one, run) for one, runs in zip(proposals, listed, strict=True) for run in runs]
        found = [pair for pair in pairs if _matches(*pair, query)]
        found.sort(
            key=lambda pair: (pair[1].begin or datetime.min.replace(tzinfo=UTC), pair[0].number, pair[1].number),
            reverse=True,
        )
        page = found[skip : skip + limit]
        applied = query.kinds() & {Kind.TEXT, Kind.PID, Kind.YEARS, Kind.INSTRUMENT, Kind.FACILITY}
        return Found(
            datasets=tuple(self._dataset(*pair) for pair in page),
            total=len(found),
            applied=applied,
            next=skip + limit if skip + limit < len(found) else None,
            notes=notes.words(),
        )

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        match, headers = _PID.fullmatch(pid.strip().lower()), self._headers(credentials)
        if match is None or not headers:
            return None
        number, run_number = int(match[1]), int(match[2])
        proposals = await self._proposals(headers, credentials)
        proposal = next((one for one in proposals if one.number == number), None)
        runs: Sequence[_Run] = await self._runs(proposal, headers, Notes()) if proposal else ()
        run = next((one for one in runs if one.number == run_number), None)
        return self._dataset(proposal, run) if proposal and run else None

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`. myMdC tells a run's directory, not its files."""
        raise CatalogueError(self.name, Outcome.CANNOT, "it does not list files; they are in the run's directory")
        yield  # an iterator, as the others

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        try:
            with self.asking():
                await self.client.get("api", "me", headers={"Accept": "application/json; version=1"}, personal=True)
        except CatalogueError as error:
            if error.outcome is not Outcome.REFUSED:
                raise
        else:
            raise CatalogueError(self.name, Outcome.GARBLED, "it tells somebody who did not log in who they are")
        return "answers; it is asked in people's own names only"

    def _headers(self, credentials: Credentials | None) -> Mapping[str, str | SecretStr]:
        token = self.token_for(credentials)
        return {"Accept": "application/json; version=1", "Authorization": bearer(token)} if token else {}

    async def _ask(self, headers: Mapping[str, str | SecretStr], *path: str) -> Any:
        with self.asking():
            return await self.client.get("api", *path, headers=headers, personal=True)

    async def _proposals(
        self, headers: Mapping[str, str | SecretStr], credentials: Credentials | None
    ) -> list[_Proposal]:
        """The person's own. Kept for a minute, by their token."""
        assert credentials is not None  # noqa: S101 - there are headers
        key = hashlib.sha256(credentials.token.get_secret_value().encode()).hexdigest()
        return await self._lists.get(key, lambda: self._ask_proposals(headers))

    async def _ask_proposals(self, headers: Mapping[str, str | SecretStr]) -> list[_Proposal]:
        me = read_entry(_Me, await self._ask(headers, "me"), self.name)
        answer = await self._ask(headers, "users", str(me.id), "proposals")
        listed = read_entries(_Membership, answer, self.name, Notes(), most=MAX_PROPOSALS)
        numbers = sorted({one.number for one in listed if one.number is not None and 0 < one.number < 1_000_000})

        async def look_up(number: int) -> _Proposal:
            found = read_entry(_Proposal, await self._ask(headers, "proposals", "by_number", str(number)), self.name)
            if found.number != number:
                raise CatalogueError(self.name, Outcome.GARBLED, "it answered for another proposal")
            return found

        return await all_of((partial(look_up, number) for number in numbers), AT_A_TIME)

    async def _runs(self, proposal: _Proposal, headers: Mapping[str, str | SecretStr], notes: Notes) -> list[_Run]:
        answer = await self._ask(headers, "proposals", "by_number", str(proposal.number), "runs")
        listed = answer.get("runs") if isinstance(answer, dict) else answer
        return read_entries(_Run, listed, self.name, notes, most=MAX_RUNS, key=lambda run: str(run.number))

    def _dataset(self, proposal: _Proposal, run: _Run) -> Dataset:
        released = proposal.release is not None and proposal.release <= datetime.now(UTC)
        folder = file_path(proposal.folder, "") if proposal.folder.startswith("/") else ""
        document = Document(
            pid=f"p{proposal.number:06d}",
            title=proposal.title,
            type="proposal",
            summary=proposal.abstract,
            doi=proposal.doi,
            start=proposal.begin.date() if proposal.begin else None,
            end=proposal.end.date() if proposal.end else None,
            release=proposal.release.date() if proposal.release else None,
        )
        pid = f"{document.pid}/r{run.number}"
        return Dataset(
            source=self.name,
            pid=pid,
            title=" · ".join(part for part in (proposal.title, f"run {run.number}") if part),
            availability=Availability.OPEN if released else Availability.OWN,
            created=run.begin or proposal.begin,
            size=run.size,
            facility=self.facility,
            instrument=Instrument(proposal.instrument) if proposal.instrument else None,
            samples=tuple(Sample(one.name) for one in run.samples if one.name),
            documents=(document,),
            proposal=document.pid,
            doi=proposal.doi,
            release=document.release,
            location=f"{folder}/raw/r{run.number:04d}" if folder else "",
            landing=self.landing(pid, proposal.doi),
            file_count=run.count,
        )


def _may_match(proposal: _Proposal, query: Query) -> bool:
    """Whether a proposal can have runs that were asked for, by what is known without them."""
    if query.pid and f"p{proposal.number:06d}" != query.pid.strip().lower().partition("/")[0]:
        return False
    if query.instruments and proposal.instrument.lower() not in {name.lower() for name in query.instruments}:
        return False
    first, last = query.years
    begin, end = proposal.begin, proposal.end
    return not (first is not None and end and end.year < first) and not (
        last is not None and begin and begin.year > last
    )


def _matches(proposal: _Proposal, run: _Run, query: Query) -> bool:
    text = " ".join(
        [proposal.title, proposal.abstract, f"p{proposal.number:06d}", *(one.name for one in run.samples)]
    ).lower()
    if not all(word.lower() in text for word in words_of(query.text)):
        return False
    if "/" in query.pid and query.pid.strip().lower() != f"p{proposal.number:06d}/r{run.number}":
        return False
    first, last = query.years
    if (first, last) == (None, None):
        return True
    at = run.begin or proposal.begin
    return at is not None and (first is None or at.year >= first) and (last is None or at.year <= last)
