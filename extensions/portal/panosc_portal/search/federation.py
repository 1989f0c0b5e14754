"""All catalogues side by side: what each has is given on as soon as it answers, and nobody waits for the slowest."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from panosc_portal.catalogues.model import Catalogue, Credentials, Dataset, File, Kind, Query
from panosc_portal.errors import CatalogueError, HubError, Outcome, PortalError
from panosc_portal.hub import Hub, Login
from panosc_portal.search.checks import Conditions
from panosc_portal.search.cursor import Cursors, Place, Position
from panosc_portal.search.kept import Kept
from panosc_portal.search.merge import Hit, Merger, richness
from panosc_portal.search.outcomes import SourceOutcome, failed, outcome_of
from panosc_portal.search.own import OwnProposals, Refs
from panosc_portal.search.source import Part, Source
from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.facilities.site import Site

__all__ = ["Answered", "BusyError", "Federation", "Finished", "Resolved", "SourceOutcome", "facility_names"]

_FEWEST = 6
"""Data sets of each catalogue on a page, at least, however many catalogues there are."""
_MOST_PAGES = 500
_TOO_MUCH = "You search for too much at a time. Close some of the searches, and try again."
_TOO_MANY = "Many people search without having logged in just now. Try again in some seconds, or log in."
_GRACE = 0.5
"""Seconds that the other catalogues have for a data set that one of them knows."""
_MARKS_WAIT = 0.2
"""Seconds that results wait for the hub to tell which are the person's own."""
_Asked = asyncio.Task[tuple["Dataset | None", "SourceOutcome"]]


class BusyError(PortalError):
    """Somebody searches too much at a time, in words."""


@dataclass(frozen=True)
class Answered:
    """One catalogue is done: what it brought (new hits, and those that it added to), and how it turned out."""

    outcome: SourceOutcome
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Finished:
    """All catalogues are done.

    Attributes:
        hits: the page, the best first.
        outcomes: in the site's order.
        cursor: names the place behind this page: what comes next, and from where a catalogue that failed is asked again.
        more: a catalogue that answered has more.
        page: this page's number, from 1.
    """

    hits: tuple[Hit, ...]
    outcomes: tuple[SourceOutcome, ...]
    cursor: str
    more: bool
    page: int


@dataclass(frozen=True)
class Resolved:
    """What catalogues know of one PID or DOI."""

    hit: Hit | None
    outcomes: tuple[SourceOutcome, ...]


class Federation:
    """Searches all catalogues.

    Args:
        site: for facilities' names, and how they write proposals' ids.
        hub: gives persons' tokens and proposals.
        catalogues: all of the site's.
        rules: times and numbers.
    """

    def __init__(self, site: Site, hub: Hub, catalogues: Iterable[Catalogue], rules: SearchRules) -> None:
        self.rules, self._hub = rules, hub
        self.kept = Kept(rules.kept)
        self.sources: dict[str, Source] = {}
        for catalogue in catalogues:
            self.add(catalogue)
        self.cursors = Cursors()
        self.own = OwnProposals(site, hub)
        self._names = facility_names(site)
        self._running: defaultdict[str, int] = defaultdict(int)

    def add(self, catalogue: Catalogue) -> None:
        """One more catalogue, after the others.

        Raises:
            ValueError: if there is one of its name.
        """
        if catalogue.name in self.sources:
            raise ValueError(f"there are two catalogues called {catalogue.name!r}")
        self.sources[catalogue.name] = Source(catalogue, self.rules, self.kept)

    def may_ask(self, query: Query, only: str = "") -> tuple[Source, ...]:
        """The catalogues that may have something."""
        return tuple(one for one in self.sources.values() if _may_have(one.catalogue, query) and only in ("", one.name))

    async def search(
        self, query: Query, cursor: str, login: Login | None, *, only: str = ""
    ) -> AsyncGenerator[Answered | Finished, None]:
        """One page: each catalogue as it answers, then the whole.

        Args:
            query: what is looked for.
            cursor: of the page before; empty for the first.
            login: who asks; None for somebody who is not logged in, and finds open data.
            only: ask only this catalogue (again).

        Raises:
            CursorError: if the cursor does not fit.
            BusyError: if the person searches too much at a time.
        """
        person = login.username if login else ""
        place = self.cursors.place(cursor, query, person)
        if place.page > _MOST_PAGES:
            raise BusyError(f"Nobody reads {_MOST_PAGES} pages. Add a condition, so that less is found.")
        with self._turn(person):
            async with aclosing(self._search(query, place, login, only)) as events:
                async for event in events:
                    yield event

    async def find(self, pid: str, login: Login | None) -> Resolved:
        """One data set by its PID or DOI, asked of all catalogues; what several tell of it is put together.

        Raises:
            BusyError: if the person asks for too much at a time.
        """
        with self._turn(login.username if login else ""):
            return await self._find(pid, login)

    async def _find(self, pid: str, login: Login | None) -> Resolved:
        own = asyncio.create_task(self.own.of(login))
        asked = {asyncio.create_task(self._get(source, pid, login)): source for source in self.sources.values()}
        try:
            done = await self._enough(asked)
            found = [(await own).mark(dataset) for task in done if (dataset := task.result()[0]) is not None]
        finally:
            await _ended(own, *asked)
        merger = self._merger({})
        for dataset in sorted(found, key=richness, reverse=True):
            if merger.is_new(dataset):
                merger.add(dataset, 1, ())
        late = CatalogueError(
            "", Outcome.TIMEOUT, "not waited for, since others know it" if found else "no answer in time"
        )
        outcomes = [task.result()[1] if task in done else failed(source, late) for task, source in asked.items()]
        hits = sorted(merger.hits(), key=lambda hit: richness(hit.dataset), reverse=True)
        return Resolved(hits[0] if hits else None, self._in_order(outcomes))

    async def files(self, dataset: Dataset, login: Login | None, most: int) -> list[File]:
        """The first files of a data set, as its catalogue lists them to this person; one more than ``most`` if there are more.

        Raises:
            CatalogueError: also where the whole time of a search is over.
        """
        source = self.sources[dataset.source]
        credentials, _ = await self._credentials(source, login)
        found: list[File] = []
        try:
            async with asyncio.timeout(self.rules.wait_in_all.total_seconds()):
                async for file in source.catalogue.files(dataset, credentials):
                    found.append(file)
                    if len(found) > most:
                        break
        except TimeoutError:
            raise CatalogueError(source.catalogue.name, Outcome.TIMEOUT, "no answer in time") from None
        return found

    async def _enough(self, asked: Iterable[_Asked]) -> set[_Asked]:
        """The answers to wait for: all in time, or those that are there shortly after one that knows the data set."""
        done: set[_Asked] = set()
        left, end = set(asked), self._deadline()
        while left and (wait := end - asyncio.get_running_loop().time()) > 0:
            now, left = await asyncio.wait(left, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            done |= now
            if any(task.result()[0] is not None for task in now):
                end = min(end, asyncio.get_running_loop().time() + _GRACE)
        return done

    async def aclose(self) -> None:
        """End what is being asked, and close the catalogues' connections."""
        await self.kept.aclose()
        for source in self.sources.values():
            await source.catalogue.aclose()

    @contextmanager
    def _turn(self, person: str) -> Iterator[None]:
        """One search of a person's. All who are not logged in are one person: they leave turns to those who are."""
        most = self.rules.per_person if person else max(1, self.rules.at_once * 3 // 4)
        if self._running[person] >= most:
            raise BusyError(_TOO_MUCH if person else _TOO_MANY)
        self._running[person] += 1
        try:
            yield
        finally:
            self._running[person] -= 1
            if not self._running[person]:
                del self._running[person]

    def _merger(self, shown: Mapping[str, Collection[str]]) -> Merger:
        return Merger(shown, self.sources, [name for name, one in self.sources.items() if one.catalogue.facilities])

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.rules.wait_in_all.total_seconds()

    # --- One page -------------------------------------------------------------------------------------------------------

    async def _search(
        self, query: Query, place: Place, login: Login | None, only: str
    ) -> AsyncGenerator[Answered | Finished, None]:
        asked = self._asked(query, place, only)
        # By how many may have something, not by how many are left: so it is the same on every page.
        several = sum(_may_have(one.catalogue, query) for one in self.sources.values())
        most = max(_FEWEST, -(-self.rules.results // max(1, several)))
        page = _Page(self._merger(place.shown()), dict(place.positions))
        conditions = Conditions(query, self._names)
        own = asyncio.create_task(self.own.of(login))
        task = _Task(query, place, most, login, conditions, own, page.merger, self._deadline())
        tasks = [asyncio.create_task(self._part(one, task)) for one in asked]
        try:
            async for event in self._as_they_come(tasks, page):
                yield event
        finally:
            await _ended(own, *tasks)
        behind = place.after(page.positions, page.merger.names_shown(), page=place.page if only else place.page + 1)
        yield Finished(
            hits=page.merger.hits(),
            outcomes=self._in_order(page.outcomes),
            cursor=self.cursors.keep(behind, query, login.username if login else ""),
            more=self._has_more(query, page),
            page=max(1, place.page - 1) if only else place.page,
        )

    async def _as_they_come(
        self, tasks: list[asyncio.Task[tuple[Source, Part, bool, str]]], page: _Page
    ) -> AsyncGenerator[Answered, None]:
        for done in asyncio.as_completed(tasks):
            source, part, with_own, note = await done
            changed = dict.fromkeys(
                page.merger.add(dataset, rank, unchecked)
                for rank, (dataset, unchecked) in enumerate(part.found, 1)
                if page.merger.is_new(dataset)
            )
            page.positions[source.name] = part.position
            outcome = outcome_of(source, part, with_own, note)
            page.outcomes.append(outcome)
            hits = sorted((page.merger.hit(name) for name in changed), key=lambda hit: -hit.score)
            yield Answered(outcome, tuple(hits))

    def _asked(self, query: Query, place: Place, only: str) -> list[Source]:
        """The catalogues that are asked for a page: those that may have something, and have not given all yet."""
        return [
            source
            for source in self.sources.values()
            if (not only or source.name == only)
            and not place.positions.get(source.name, Position()).over
            and _may_have(source.catalogue, query)
        ]

    def _has_more(self, query: Query, page: _Page) -> bool:
        answered = {one.source for one in page.outcomes if one.outcome in (Outcome.OK, Outcome.PARTIAL)}
        return any(
            name in answered or name not in {one.source for one in page.outcomes}
            for name, at in page.positions.items()
            if not at.over and _may_have(self.sources[name].catalogue, query)
        )

    async def _part(self, source: Source, task: _Task) -> tuple[Source, Part, bool, str]:
        credentials, note = await self._credentials(source, task.login)
        refs = await task.own if task.query.availability else Refs()
        wanted = partial(_wanted, task.conditions, task.merger, refs)
        position = task.place.positions.get(source.name, Position())
        ask = partial(source.page, task.query, position, task.most, wanted=wanted, deadline=task.deadline)
        part = await ask(credentials)
        if credentials is not None and part.trouble is not None and part.trouble.outcome is Outcome.REFUSED:
            note = f"Open data only: {part.trouble.reason}."
            part, credentials = await ask(None), None
        # The marks are worth a moment's wait, but not more: results are there.
        await asyncio.wait({task.own}, timeout=_MARKS_WAIT)
        refs = task.own.result() if task.own.done() else refs
        marked = tuple((refs.mark(dataset), unchecked) for dataset, unchecked in part.found)
        return source, replace(part, found=marked), credentials is not None, note

    async def _credentials(self, source: Source, login: Login | None) -> tuple[Credentials | None, str]:
        if login is None or not source.catalogue.capabilities.own_data:
            return None, ""
        if getattr(source.catalogue, "takes_login", False):  # the site's own index, in this process
            return Credentials(login.username, login.token, source.name), ""
        try:
            async with asyncio.timeout(self.rules.wait.total_seconds() / 2):
                token = await self._hub.catalogue_token(login, source.name)
        except TimeoutError:
            return None, "Open data only: the hub gave no token in time."
        except HubError as error:
            return None, f"Open data only: {error.message}"
        return Credentials(login.username, token, source.name), ""

    async def _get(self, source: Source, pid: str, login: Login | None) -> tuple[Dataset | None, SourceOutcome]:
        credentials, note = await self._credentials(source, login)
        try:
            try:
                dataset = await source.get(pid, credentials)
            except CatalogueError as error:
                if credentials is None or error.outcome is not Outcome.REFUSED:
                    raise
                note, credentials = f"Open data only: {error.reason}.", None
                dataset = await source.get(pid, None)
        except CatalogueError as error:
            return None, failed(source, error)
        part = Part(found=() if dataset is None else ((dataset, ()),), total=None if dataset is None else 1)
        return dataset, outcome_of(source, replace(part, position=Position(over=True)), credentials is not None, note)

    def _in_order(self, outcomes: Iterable[SourceOutcome]) -> tuple[SourceOutcome, ...]:
        place = {name: index for index, name in enumerate(self.sources)}
        return tuple(sorted(outcomes, key=lambda one: place[one.source]))


@dataclass
class _Page:
    merger: Merger
    positions: dict[str, Position]

    def __post_init__(self) -> None:
        self.outcomes: list[SourceOutcome] = []


@dataclass(frozen=True)
class _Task:
    """What is to be done for one page, the same for each catalogue."""

    query: Query
    place: Place
    most: int
    login: Login | None
    conditions: Conditions
    own: asyncio.Task[Refs]
    merger: Merger
    deadline: float


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    """No task is left behind."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _wanted(
    conditions: Conditions, merger: Merger, refs: Refs, dataset: Dataset, applied: frozenset[Kind]
) -> tuple[Kind, ...] | None:
    """Whether a data set is one to show; see :data:`panosc_portal.search.source.Wanted`."""
    unchecked = conditions.unchecked(refs.mark(dataset), applied)
    return None if unchecked is None or merger.shown_before(dataset) else unchecked


def _may_have(catalogue: Catalogue, query: Query) -> bool:
    return not query.facilities or not catalogue.facilities or bool(catalogue.facilities & set(query.facilities))


def facility_names(site: Site) -> Mapping[str, frozenset[str]]:
    """How catalogues may write the facilities, lower case, by the site's key."""
    return {
        key: frozenset(text.casefold() for text in (key, facility.name, facility.short_name))
        for key, facility in site.facilities.items()
    }
