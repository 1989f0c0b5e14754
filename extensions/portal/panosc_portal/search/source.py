"""One catalogue as the federation asks it: in time, in turn, not at all while it keeps failing, and once for one question."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from panosc_portal.catalogues.model import Catalogue, Credentials, Dataset, Found, Kind, Query
from panosc_portal.errors import CatalogueError, Outcome
from panosc_portal.search.cursor import Position
from panosc_portal.search.kept import Kept, Question
from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.portal_search_rules import SearchRules
from panosc_spawner.proposals.breaker import Breaker

log = logging.getLogger(__name__)
T = TypeVar("T")

OVER_FETCH = 5
"""So many times as much is asked of a catalogue that cuts its list before it applies conditions."""
_MOST_ASKED = 200
_PIECES = 6
"""Answers of one catalogue for one page, at most."""
_CUT_SHORT = frozenset({Kind.PARAMETER, Kind.TECHNIQUE, Kind.SAMPLE, Kind.INSTRUMENT, Kind.FACILITY})
_STALE_FOR = frozenset({Outcome.TIMEOUT, Outcome.DOWN, Outcome.RESTING, Outcome.GARBLED})

Wanted = Callable[[Dataset, frozenset[Kind]], tuple[Kind, ...] | None]
"""Whether a data set is wanted (None: it is not), and which conditions nobody checked of it, given those that were applied."""


class _NotItsFaultError(PersonalSourceError):
    """Carries an error past the breaker without counting."""


class _ItsFaultError(SourceError):
    """Carries an error past the breaker, which counts it."""


@dataclass(frozen=True)
class Part:
    """What one catalogue has for one page.

    Attributes:
        found: (data set, unchecked conditions), in its order.
        position: how far it was read.
        total: how many it has in all, as it says; None if it does not, or does not apply all conditions itself.
        notes: its own words on what it could not do.
        age: seconds since its oldest answer in here was given, where that is an old one because it gives none now.
        trouble: what went wrong, if something did; ``found`` may hold what came before.
    """

    found: tuple[tuple[Dataset, tuple[Kind, ...]], ...] = ()
    position: Position = field(default_factory=Position)
    total: int | None = None
    notes: tuple[str, ...] = ()
    age: float | None = None
    trouble: CatalogueError | None = None


class Source:
    """Around one catalogue; the questions of all people go through the same one.

    Args:
        catalogue: it.
        rules: times and numbers.
        kept: where answers are kept.
        resting: the breaker's first and longest pause.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        rules: SearchRules,
        kept: Kept,
        *,
        resting: tuple[timedelta, timedelta] = (timedelta(seconds=2), timedelta(seconds=30)),
    ) -> None:
        self.catalogue, self.name = catalogue, catalogue.name
        self.title: str = getattr(catalogue, "title", "") or catalogue.name
        self._rules, self._kept = rules, kept
        self._turns = asyncio.Semaphore(rules.at_once)
        self._breaker = Breaker(catalogue.name, first_pause=resting[0], longest_pause=resting[1])

    async def page(
        self,
        query: Query,
        position: Position,
        most: int,
        credentials: Credentials | None,
        *,
        wanted: Wanted,
        deadline: float,
    ) -> Part:
        """Up to ``most`` data sets that are wanted, from a position on. Never raises: what went wrong is in the part.

        Args:
            query: what is looked for.
            position: where to begin.
            most: data sets, at most.
            credentials: the person's for this catalogue, or None for open data.
            wanted: which are wanted.
            deadline: of the event loop's clock: nothing is asked after it.
        """
        reader = _Reader(position, most, wanted, query.kinds())
        limit = self._limit(query, most)
        for _ in range(_PIECES):
            left = deadline - asyncio.get_running_loop().time()
            try:
                found, age = await self.ask(query, reader.position.skip, limit, credentials, left)
            except CatalogueError as error:
                return reader.part(error)
            if reader.take(found, age) or reader.position.over or left <= 0:
                break
        return reader.part()

    async def ask(
        self, query: Query, skip: int, limit: int, credentials: Credentials | None, left: float | None = None
    ) -> tuple[Found, float | None]:
        """One answer, and its age in seconds if it is an old one because there is none now.

        Raises:
            CatalogueError: if there is none, in words.
        """
        rules = self._rules
        question = Question(self.name, query, skip, limit, credentials.person if credentials else "")
        kept = self._kept.get(question, rules.fresh.total_seconds())
        if kept is not None:
            return kept[0], None
        wait = min(rules.wait.total_seconds(), left) if left is not None else rules.wait.total_seconds()
        try:
            return await self._kept.once(question, lambda: self._asked(query, skip, limit, credentials, wait)), None
        except CatalogueError as error:
            # Never somebody's own: a right that ended would be shown as if it went on.
            old = self._kept.get(question, rules.stale.total_seconds()) if credentials is None else None
            if old is None or error.outcome not in _STALE_FOR:
                raise
            return old

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """One data set with all that is known of it.

        Raises:
            CatalogueError: if the catalogue does not answer, in words.
        """

        async def ask() -> Dataset | None:
            return await self.catalogue.get(pid, credentials)

        return await self._guarded(ask, self._rules.wait.total_seconds(), personal=credentials is not None)

    def _limit(self, query: Query, most: int) -> int:
        capabilities = self.catalogue.capabilities
        # The same for the same question: a position is a place in the answer to it.
        narrowed = (
            bool(query.kinds() & _CUT_SHORT) if capabilities.limits_first else bool(query.kinds() - capabilities.asks)
        )
        return min(most * OVER_FETCH, _MOST_ASKED) if narrowed else most

    async def _asked(self, query: Query, skip: int, limit: int, credentials: Credentials | None, wait: float) -> Found:
        async def ask() -> Found:
            return await self.catalogue.search(query, skip=skip, limit=limit, credentials=credentials)

        return await self._guarded(ask, wait, personal=credentials is not None)

    async def _guarded(self, ask: Callable[[], Awaitable[T]], wait: float, *, personal: bool) -> T:
        """Ask within the breaker, the limit of questions at a time, and the time there is."""
        try:
            with self._breaker.asking():
                return await self._in_time(ask, wait, personal=personal)
        except (_NotItsFaultError, _ItsFaultError) as carried:
            cause = carried.__cause__
            assert isinstance(cause, CatalogueError)  # noqa: S101 - put there by _in_time
            raise cause from None
        except SourceError as error:  # the breaker's own
            raise CatalogueError(self.name, Outcome.RESTING, error.reason) from None

    async def _in_time(self, ask: Callable[[], Awaitable[T]], wait: float, *, personal: bool) -> T:
        asked = False
        try:
            async with asyncio.timeout(wait), self._turns:
                asked = True
                return await ask()
        except TimeoutError:
            reason = f"no answer within {wait:.1f} s" if asked else "too many people are asking it just now"
            failed = CatalogueError(self.name, Outcome.TIMEOUT, reason)
            raise (_ItsFaultError if asked else _NotItsFaultError)(self.name, reason) from failed
        except CatalogueError as error:
            counts = error.outcome is not Outcome.CANNOT and not (personal and error.outcome is Outcome.REFUSED)
            raise (_ItsFaultError if counts else _NotItsFaultError)(self.name, error.reason) from error
        except Exception as error:  # an adapter's mistake, or an answer that it did not foresee: never the search's end
            log.exception("Catalogue %s: its answer cannot be used", self.name)
            reason = f"its answer cannot be used ({type(error).__name__})"
            raise _ItsFaultError(self.name, reason) from CatalogueError(self.name, Outcome.GARBLED, reason)


class _Reader:
    """Goes through a catalogue's answers, one behind the other, and remembers where it is."""

    def __init__(self, position: Position, most: int, wanted: Wanted, kinds: frozenset[Kind]) -> None:
        self.position, self._most, self._wanted, self._kinds = position, most, wanted, kinds
        self._found: list[tuple[Dataset, tuple[Kind, ...]]] = []
        self._names: set[str] = set()
        self._notes: dict[str, None] = {}
        self._total: int | None = None
        self._age: float | None = None

    def take(self, found: Found, age: float | None) -> bool:
        """Look through an answer; true when there is enough."""
        self._notes |= dict.fromkeys(found.notes)
        self._total = found.total if self._kinds <= found.applied else None  # else it counts what was not asked for
        if age is not None:
            self._age = max(age, self._age or 0.0)
        at = self.position
        for index, dataset in enumerate(found.datasets[at.used :], at.used + 1):
            if len(self._found) == self._most:
                return True
            self.position = Position(at.skip, index)
            unchecked = None if dataset.pid in self._names else self._wanted(dataset, found.applied)
            if unchecked is not None:
                self._names.add(dataset.pid)
                self._found.append((dataset, unchecked))
        if found.next is None:
            self.position = Position(at.skip, len(found.datasets), over=True)
        elif found.next <= at.skip:
            self._notes["It gives the same again instead of more: what is further on cannot be shown."] = None
            self.position = Position(at.skip, len(found.datasets), over=True)
        else:
            self.position = Position(found.next)
        return len(self._found) == self._most

    def part(self, trouble: CatalogueError | None = None) -> Part:
        """What was found."""
        return Part(tuple(self._found), self.position, self._total, tuple(self._notes), self._age, trouble)
