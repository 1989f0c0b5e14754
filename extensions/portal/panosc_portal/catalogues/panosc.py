"""The PaNOSC search API (https://github.com/panosc-eu/search-api), whoever implements it.

What the implementations differ in is data: :mod:`panosc_spawner.facilities.catalogue_dialects`. Facts about them are there, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from panosc_portal.catalogues.base import bounded
from panosc_portal.catalogues.entries import Notes
from panosc_portal.catalogues.model import Availability, Capabilities, Credentials, Dataset, File, Found, Kind, Query
from panosc_portal.catalogues.panosc_api import Headers, PanoscApi
from panosc_portal.catalogues.panosc_entries import PanoscDataset, PanoscDocument, PanoscFile, to_dataset
from panosc_portal.catalogues.panosc_filter import Question, asked_kinds, one_of, pid_spellings, question, together
from panosc_portal.catalogues.values import directory_of, doi
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.facilities.catalogue_rules import PanoscCatalogue as Rule
from panosc_spawner.facilities.model import Facility

FILES_PAGE = 500
MAX_FILES = 1_000_000
COUNT_WAIT = 0.3
"""Seconds for which a list that is there already waits for how many there are in all."""
DOCUMENTS_WAIT = 0.5
"""Seconds for which a list waits for the documents of its data sets."""
DOCUMENTS_SECONDS, MAX_DOCUMENTS = 300.0, 5000
_PIDS_TEXT = 6000  # characters of PIDs in one question; an address must not become too long


class PanoscCatalogue(PanoscApi):
    """A :class:`~panosc_portal.catalogues.model.Catalogue`."""

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path) -> None:
        super().__init__(rule, facility, folder)
        kinds = asked_kinds(self.dialect, self.units)
        self._documents: dict[str, tuple[float, PanoscDocument]] = {}
        self.capabilities = Capabilities(
            asks=kinds | ({Kind.FACILITY} if facility else set()),
            own_data=bool(rule.audience and self.dialect.token_header),
            counts=self.dialect.counts,
            files=self.dialect.files != "none",
            limits_first=self.dialect.limit == "before-joins",
            ranks=self.dialect.text == "query",
        )

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        headers = self.headers(credentials)
        wanted = set(query.availability)
        if wanted and not wanted & {Availability.OPEN, Availability.UNKNOWN} and not headers:
            return Found((), total=0, applied=query.kinds(), notes=("it shows open data only",))
        if self.dialect.needs_words and not query.text.strip():
            raise CatalogueError(self.name, Outcome.CANNOT, "it finds nothing without words: write some")
        asked = question(query, self.dialect, self.units)
        if query.facilities:
            asked.applied.add(Kind.FACILITY)
        if skip and not self.dialect.pages:
            return Found((), applied=frozenset(asked.applied), notes=("it has one page only",))
        found = await self._found(asked, skip, bounded(limit), headers)
        if query.pid and not found.datasets and not skip and (by_doi := doi(query.pid)):
            return await self._of_document(by_doi, query.pid, headers, found)
        return found

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        headers, notes = self.headers(credentials), Notes()
        optional = self.includes(whole=True)
        if self.dialect.by_id:
            entry = await self.dataset(pid, optional, headers, notes)
        else:
            where = one_of("pid", pid_spellings(pid), self.dialect)
            entry = next(iter((await self.datasets(Question([where]), optional, headers, notes)).entries), None)
        if entry is None:
            return None
        entry = await self._with_document(entry, headers)
        return self._dataset(entry, bool(headers), await self._location(entry, headers))

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        headers = self.headers(credentials)
        if self.dialect.files == "none":
            raise CatalogueError(self.name, Outcome.CANNOT, "it does not list files")
        if self.dialect.files == "include":
            asked = Question([one_of("pid", (dataset.pid,), self.dialect)])
            listed = await self.datasets(asked, [{"relation": "files"}], headers, Notes())
            for entry in listed.entries:
                for file in _named(entry.files):
                    yield file
            return
        before: list[PanoscFile] = []
        for skip in range(0, MAX_FILES, FILES_PAGE):
            page, length = await self.file_page(dataset.pid, skip, FILES_PAGE, headers)
            if page == before:  # it does not know skip, or is at the end
                return
            for file in _named(page):
                yield file
            if length != FILES_PAGE:  # the last one, or all of them where it does not know limit
                return
            before = page

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        from panosc_portal.catalogues.panosc_check import examine

        return await examine(self)

    async def _found(self, asked: Question, skip: int, limit: int, headers: Headers) -> Found:
        notes = Notes()
        counting = asyncio.ensure_future(self._count_or_none(asked, headers))
        try:
            in_two = self.dialect.limit == "rows" or (self.dialect.exact_on_second and bool(asked.joins))
            listed = await self.datasets(asked, self.includes(to_one=in_two), headers, notes, skip=skip, limit=limit)
            entries = await self._whole(listed.entries, headers, notes) if in_two else listed.entries
            entries = await self._with_documents(entries, headers)
            await asyncio.wait([counting], timeout=COUNT_WAIT)
            counted = counting.result() if counting.done() else None
        finally:
            counting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await counting
        if asked.query and any(entry.score is None for entry in listed.entries):
            asked.applied.discard(Kind.TEXT)  # nothing ranks behind it: the words were not looked at
        self._explain(entries, headers, notes)
        return Found(
            datasets=tuple(self._dataset(entry, bool(headers)) for entry in entries),
            total=None if asked.joins or asked.query else counted,
            applied=frozenset(asked.applied),
            next=self._next(asked, skip, limit, listed.length, counted, notes),
            notes=notes.words(),
        )

    def _explain(self, entries: Sequence[PanoscDataset], headers: Headers, notes: Notes) -> None:
        if self.dialect.hides_failures:
            notes.say("it asks others in turn, and does not tell which of them did not answer")
        if headers and self.dialect.silent_token and not any(entry.is_public is False for entry in entries):
            notes.say("it does not say whether it knew you: none of these is your own data under embargo")

    def _next(
        self, asked: Question, skip: int, limit: int, length: int, counted: int | None, notes: Notes
    ) -> int | None:
        """Where it goes on. A short page is the end only where the limit counts what is listed."""
        if not self.dialect.pages:
            return None
        if not asked.joins or self.dialect.limit == "after-joins":
            return skip + limit if length >= limit else None
        if self.dialect.limit == "before-joins" and counted is not None:
            return skip + limit if skip + limit < counted else None
        if not length:
            notes.say("it does not tell whether there is more")
            return None
        return skip + limit

    async def _count_or_none(self, asked: Question, headers: Headers) -> int | None:
        """How many there are without the relations' conditions; a list is not lost because they could not be counted."""
        if not self.dialect.counts:
            return None
        try:
            return await self.count(together(asked.where), headers)
        except CatalogueError:
            return None

    async def _whole(self, entries: Sequence[PanoscDataset], headers: Headers, notes: Notes) -> list[PanoscDataset]:
        """The same with all their relations as they are, a few at a time, in the same order."""
        whole: dict[str, PanoscDataset] = {}
        for pids in _few([entry.pid for entry in entries]):
            asked = Question([one_of("pid", pids, self.dialect)])
            for entry in (await self.datasets(asked, self.includes(), headers, notes)).entries:
                whole[entry.pid] = entry
        known = ((whole.get(entry.pid, entry), entry.score) for entry in entries)
        return [entry.model_copy(update={"score": score}) for entry, score in known]

    async def _of_document(self, by_doi: str, pid: str, headers: Headers, found: Found) -> Found:
        """The data sets of a document with a DOI: proposals and papers have some, where data sets have only a number."""
        spellings = dict.fromkeys((*pid_spellings(pid), by_doi))
        where = {"or": [{name: spelt} for name in ("doi", "pid") for spelt in spellings]}
        try:
            documents = await self.documents(where, headers, datasets=True)
        except CatalogueError:
            return found
        pids = tuple(dict.fromkeys(pid for one in documents for pid in one.dataset_pids()))[:100]
        if not pids:
            return found
        notes = Notes()
        asked = Question([one_of("pid", pids, self.dialect)], applied=set(found.applied))
        entries = (await self.datasets(asked, self.includes(), headers, notes)).entries
        shown = tuple(self._dataset(entry, bool(headers)) for entry in entries)
        return Found(shown, total=len(shown), applied=found.applied, notes=(*found.notes, *notes.words()))

    async def _with_documents(self, entries: Sequence[PanoscDataset], headers: Headers) -> list[PanoscDataset]:
        """With the documents that only foreign keys name: when an embargo ends, and the DOI, stand there.

        They are asked for all together, and kept for a while where they are the same for everybody. A list does not wait for them
        long.
        """
        now = time.monotonic()
        named = {one.document_id for one in entries if one.document_id and not one.document and not one.documents}
        known = {} if headers else {pid: one for pid in named if (one := self._documents.get(pid)) and one[0] > now}
        missing = sorted(named - known.keys())
        if missing:
            with contextlib.suppress(CatalogueError, TimeoutError):
                async with asyncio.timeout(DOCUMENTS_WAIT):
                    for pids in _few(missing):
                        found = await self.documents(one_of("pid", pids, self.dialect), headers, most=len(pids))
                        known |= {one.pid: (now + DOCUMENTS_SECONDS, one) for one in found}
        if not headers:
            if len(self._documents) >= MAX_DOCUMENTS:
                self._documents.clear()
            self._documents.update(known)
        return [
            entry.model_copy(update={"document": (known[entry.document_id][1],)})
            if entry.document_id in known
            else entry
            for entry in entries
        ]

    async def _with_document(self, entry: PanoscDataset, headers: Headers) -> PanoscDataset:
        """With the document that only its foreign key names, if it is told."""
        if not entry.document_id or entry.documents or entry.document:
            return entry
        with contextlib.suppress(CatalogueError):
            document = await self.document(entry.document_id, headers)
            return entry.model_copy(update={"document": (document,)}) if document else entry
        return entry

    async def _location(self, entry: PanoscDataset, headers: Headers) -> str:
        """Where its first file lies, if that is told."""
        if self.dialect.files != "endpoint" or entry.files:
            return entry.directory()
        with contextlib.suppress(CatalogueError):
            page, _ = await self.file_page(entry.pid, 0, 1, headers)
            return next((found for file in page if (found := directory_of(file.full_path))), "")
        return ""

    def _dataset(self, entry: PanoscDataset, personal: bool, location: str = "") -> Dataset:
        documents = entry.own_documents()
        proposals = (one.pid for one in documents if one.type in ("proposal", ""))
        return to_dataset(
            entry,
            source=self.name,
            facility=self.facility,
            personal=personal,
            proposal=next((found for pid in proposals if (found := self.proposal_of(pid))), ""),
            landing=self.landing(entry.pid, doi(entry.pid) or next((one.doi for one in documents if one.doi), "")),
            ranked=self.capabilities.ranks,
            location=location or entry.directory(),
        )


def _named(files: Sequence[PanoscFile]) -> list[File]:
    return [File(file.full_path, file.size) for file in files if file.full_path]


def _few(pids: Sequence[str]) -> list[tuple[str, ...]]:
    """PIDs in groups, each short enough for one address."""
    groups: list[list[str]] = [[]]
    room = _PIDS_TEXT
    for pid in pids:
        room -= 3 * len(pid.encode()) + 10  # at most three characters a byte, when it is encoded
        if room < 0 and groups[-1]:
            groups.append([])
            room = _PIDS_TEXT
        groups[-1].append(pid)
    return [tuple(group) for group in groups if group]
