"""Repositories that are harvested by OAI-PMH (ELI, CERIC): their records are kept here, and searched here.

OAI-PMH 2.0 (https://www.openarchives.org/OAI/openarchivesprotocol.html): ``ListRecords`` in pages, each with a resumption token
that is used alone; ``from`` takes the repository's own ``responseDate`` of the harvest before; ``deletedRecord`` says whether
deletions are told: where they are not, all is harvested anew once a week, and what is gone then is gone here.
A harvest that was interrupted goes on where it was.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from panosc_portal.catalogues.base import HttpCatalogue, bounded
from panosc_portal.catalogues.entries import Notes
from panosc_portal.catalogues.model import Capabilities, Credentials, Dataset, File, Found, Kind, Query
from panosc_portal.catalogues.oai_records import NoPage, Page, Source, read_page
from panosc_portal.catalogues.oai_store import OaiStore
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.facilities.catalogue_rules import OaiCatalogue as Rule
from panosc_spawner.facilities.model import Facility

log = logging.getLogger(__name__)
MAX_PAGES = 100_000
_WHOLE_AGAIN = timedelta(days=7)
_AGAIN_AFTER_FAILURE = 60.0  # seconds, and twice as long after each more


class OaiCatalogue(HttpCatalogue):
    """A :class:`~panosc_portal.catalogues.model.Catalogue` over what was harvested. It harvests by itself, when it is asked.

    Args:
        rule: its table.
        facility: whose data it holds.
        folder: the site's folder.
        state: directory for what is kept.
    """

    def __init__(self, rule: Rule, facility: Facility | None, folder: Path, state: Path) -> None:
        super().__init__(rule, facility, folder)
        self._rule = rule
        self._source = Source(self.name, self.facility)
        self.store = OaiStore(state / f"oai-{rule.name}.sqlite")
        asks = {Kind.TEXT, Kind.PID, Kind.YEARS, Kind.TECHNIQUE, Kind.AVAILABILITY}
        self.capabilities = Capabilities(asks=frozenset(asks | ({Kind.FACILITY} if facility else set())), counts=True)
        self._harvesting: asyncio.Task[None] | None = None
        self._not_before, self._failures = 0.0, 0
        self._trouble: CatalogueError | None = None

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        if (nothing := self.elsewhere(query)) is not None:
            return nothing
        state = await asyncio.to_thread(self.store.state)
        self._keep_fresh(state)
        limit = bounded(limit)
        datasets, total, applied = await asyncio.to_thread(self.store.search, query, skip, limit)
        if not state.get("last") and not datasets and self._trouble is not None:
            raise self._trouble
        more = skip + len(datasets) < total and bool(datasets)
        return Found(tuple(datasets), total, applied, skip + len(datasets) if more else None, self._notes(state))

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        self._keep_fresh(await asyncio.to_thread(self.store.state))
        return await asyncio.to_thread(self.store.get, pid)

    async def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`. OAI-PMH tells of no files."""
        raise CatalogueError(self.name, Outcome.CANNOT, "it does not list files")
        yield  # an iterator, as the others

    async def check(self) -> str:
        """See :class:`~panosc_portal.catalogues.model.Catalogue`."""
        identified = await self._ask({"verb": "Identify"}, Notes())
        if identified.details.get("protocolVersion") != ["2.0"]:
            raise CatalogueError(self.name, Outcome.GARBLED, "it does not say that it speaks OAI-PMH 2.0")
        formats = (await self._ask({"verb": "ListMetadataFormats"}, Notes())).details.get("metadataPrefix", [])
        if self._rule.prefix not in formats:
            known = ", ".join(one for one in formats[:20] if one in ("oai_dc", "oai_datacite", "datacite"))
            hint = f'write prefix = "{known.partition(",")[0]}"' if known else "there is none that is read here"
            raise CatalogueError(self.name, Outcome.CANNOT, f"it has no metadata as {self._rule.prefix}: {hint}")
        notes = Notes()
        page = await self._ask(self._first({}, ""), notes)
        shown = f"{page.total} records" if page.total is not None else f"{len(page.datasets)} records on its first page"
        return "; ".join((f"answers with {shown}", *notes.words()))

    async def aclose(self) -> None:
        """Stop harvesting, and close its connections. The next harvest goes on where this one was."""
        if self._harvesting is not None:
            self._harvesting.cancel()
            await asyncio.gather(self._harvesting, return_exceptions=True)
        await super().aclose()

    async def harvest(self) -> int:
        """Fetch what is new, page by page; how many records came. None where somebody else is at it: two would undo each other's work.

        Raises:
            CatalogueError: what was fetched until then is kept, and it goes on there the next time.
        """
        with self.store.alone() as mine:
            return await self._harvest() if mine else 0

    async def _harvest(self) -> int:
        state = await asyncio.to_thread(self.store.state)
        came, seen = 0, set[str]()
        token, notes = state.get("token", ""), Notes()
        turn = int(state.get("turn") or 0)
        if not token:
            state = await self._begin(state)
            turn = int(state["turn"])
        for _ in range(MAX_PAGES):
            asked = (
                {"verb": "ListRecords", "resumptionToken": token}
                if token
                else self._first(state, state.get("from", ""))
            )
            page = await self._ask(asked, notes)
            codes = {error.code for error in page.errors}
            if "badResumptionToken" in codes and token:
                await asyncio.to_thread(self.store.remember, {"token": ""})
                raise CatalogueError(
                    self.name, Outcome.GARBLED, "it does not know where it was any more; it is asked anew next time"
                )
            if codes - {"noRecordsMatch"}:
                raise CatalogueError(self.name, Outcome.CANNOT, f"it answered with the error {min(codes)[:40]}")
            if page.token and page.token in seen:
                await asyncio.to_thread(self.store.remember, {"token": ""})
                raise CatalogueError(self.name, Outcome.GARBLED, "its pages go round in a circle")
            seen.add(page.token)
            remember = {"token": page.token, "begun": state.get("begun") or page.date}
            state |= remember
            left_out = await asyncio.to_thread(self.store.take, page.datasets, turn, remember, self._rule.max_records)
            came += len(page.datasets)
            if left_out or came > 2 * self._rule.max_records:
                # As if it were done: it would be no different in a minute.
                await asyncio.to_thread(self.store.remember, {"token": "", "harvested": datetime.now(UTC).isoformat()})
                words = f"it has more than {self._rule.max_records} records (max_records); the others are not kept"
                raise CatalogueError(self.name, Outcome.PARTIAL, words)
            if not page.token:
                break
            token = page.token
        await self._end(state, turn)
        for words in notes.words():
            log.info("%s: %s", self.name, words)
        return came

    async def _begin(self, state: dict[str, str]) -> dict[str, str]:
        """A new harvest: of all where deletions are not told and a week is over, else of what changed since."""
        identified = (await self._ask({"verb": "Identify"}, Notes())).details
        tells = identified.get("deletedRecord", ["no"])[0] == "persistent"
        whole = not state.get("last") or (not tells and _older(state.get("whole", ""), _WHOLE_AGAIN))
        days_only = identified.get("granularity", ["YYYY-MM-DD"])[0] == "YYYY-MM-DD"
        since = "" if whole else (state["last"][:10] if days_only else state["last"])
        turn = str(int(state.get("turn") or 0) + 1)
        fresh = {"token": "", "from": since, "begun": "", "turn": turn, "is_whole": "1" if whole else ""}
        await asyncio.to_thread(self.store.remember, fresh)
        return {**state, **fresh}

    async def _end(self, state: dict[str, str], turn: int) -> None:
        done = {"token": "", "from": "", "last": state["begun"], "harvested": datetime.now(UTC).isoformat()}
        if state.get("is_whole"):
            gone = await asyncio.to_thread(self.store.sweep, turn, {**done, "whole": done["harvested"]})
            log.info("%s: harvested; %d records are gone", self.name, gone)
        else:
            await asyncio.to_thread(self.store.remember, done)

    def _first(self, state: dict[str, str], since: str) -> dict[str, str]:
        asked = {"verb": "ListRecords", "metadataPrefix": self._rule.prefix}
        return asked | ({"set": self._rule.set} if self._rule.set else {}) | ({"from": since} if since else {})

    async def _ask(self, query: dict[str, str], notes: Notes) -> Page:
        with self.asking():
            body = await self.client.get_document(query=query, accept="text/xml, application/xml;q=0.9")
        try:
            return await asyncio.to_thread(read_page, body, self._source, notes)
        except NoPage as error:
            raise CatalogueError(self.name, Outcome.GARBLED, f"its answer cannot be used: {error}") from None

    def _keep_fresh(self, state: dict[str, str]) -> None:
        """Harvest behind what is asked, if it is time."""
        running = self._harvesting is not None and not self._harvesting.done()
        due = bool(state.get("token")) or _older(state.get("harvested", ""), self._rule.every)
        if due and not running and time.monotonic() >= self._not_before:
            self._harvesting = asyncio.create_task(self._harvest_quietly(), name=f"harvest {self.name}")

    async def _harvest_quietly(self) -> None:
        try:
            await self.harvest()
            self._trouble, self._failures = None, 0
        except CatalogueError as error:
            self._failed(error)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s: %s", self.name, error)
            self._failed(
                CatalogueError(self.name, Outcome.DOWN, "what it answers cannot be kept here: ask the hub's operator")
            )

    def _failed(self, error: CatalogueError) -> None:
        self._trouble = error
        self._failures += 1
        pause = min(_AGAIN_AFTER_FAILURE * 2 ** min(self._failures - 1, 20), self._rule.every.total_seconds())
        self._not_before = time.monotonic() + pause
        log.warning("%s", error)

    def _notes(self, state: dict[str, str]) -> tuple[str, ...]:
        notes = []
        if not state.get("last"):
            notes.append("its records are being fetched for the first time, so there will be more")
        if self._trouble is not None:
            since = state.get("harvested", "")[:10]
            notes.append(f"{f'as it was on {since}: ' if since else ''}the last time {self._trouble.reason}")
        return tuple(notes)


def _older(moment: str, than: timedelta) -> bool:
    """Whether a time is longer ago; one that was never is."""
    try:
        return datetime.now(UTC) - datetime.fromisoformat(moment) > than
    except (ValueError, TypeError):
        return True
