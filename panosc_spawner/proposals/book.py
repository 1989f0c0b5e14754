"""The book of grants: asks all of a site's sources about a person, and remembers their last good answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.metrics import SOURCE_ANSWERS, SOURCE_SECONDS, SOURCE_UP
from panosc_spawner.proposals.breaker import Breaker, State
from panosc_spawner.proposals.credentials import NoTokens, TokenBroker
from panosc_spawner.proposals.gently import gently
from panosc_spawner.proposals.make import sources_of
from panosc_spawner.proposals.model import Grant, GrantReport, Proposal, SourceOutcome
from panosc_spawner.proposals.source import ProposalDirectory, ProposalSource

MAX_PEOPLE = 10_000
NO_AGE = timedelta()
T = TypeVar("T")
OnAnswer = Callable[[Person, str, Sequence[Grant]], None]
"""Told of each good answer of a source, as soon as it came: the person, the source's name, all its grants."""
_NO_TOKENS = NoTokens()
_STRENGTH = {role: place for place, role in enumerate(Role)}
_LAST = datetime.max.replace(tzinfo=UTC)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Answer:
    """A source's good answer about a person whose claims were seen at ``claims_seen``.

    ``kept`` are its grants, but for the time at which they were seen if ``seen_at`` says that.
    """

    kept: tuple[Grant, ...]
    at: datetime
    claims_seen: datetime
    seen_at: datetime | None = None

    @property
    def grants(self) -> tuple[Grant, ...]:
        """The grants, with when they were last seen."""
        seen_at = self.seen_at
        if seen_at is None:
            return self.kept
        return tuple(replace(grant, seen_at=seen_at) for grant in self.kept)

    def merged_with(self, earlier: _Answer | None) -> _Answer:
        """This answer, holding the earlier one's grants where nothing but their time is new.

        A million grants that are replaced every minute would have Python look through all of them (its garbage collection)
        several times a minute, some tenths of a second each, in which the hub answers nobody.
        """
        if earlier is None or not self.kept or not _same_rights(earlier.kept, self.kept):
            return self
        return replace(self, kept=earlier.kept, seen_at=self.kept[0].seen_at)


def _same_rights(earlier: Sequence[Grant], now: Sequence[Grant]) -> bool:
    if len(earlier) != len(now):
        return False
    seen_at = now[0].seen_at
    return all(
        (one.proposal is other.proposal or one.proposal == other.proposal)
        and one.role is other.role
        and one.ends_at == other.ends_at
        and one.not_before == other.not_before
        and one.evidence == other.evidence
        and one.source == other.source
        and one.confirmed == other.confirmed
        and other.seen_at == seen_at
        for one, other in zip(earlier, now, strict=True)
    )


_Reply = _Answer | str
"""An answer, or in words why there is none."""


class GrantBook:
    """All that a site's sources say about people.

    Keeps, in memory, the last good answer of each source for the last 10,000 people. A source that fails is answered for by
    it, for ``policy.keep_last_answer``, with the grants' original ``seen_at`` and marked as not confirmed: they are shown,
    but the launch step makes no new mount of them.

    Args:
        site: its ``[access]`` policy says how long to wait, and how long an answer is kept.
        sources: whom to ask, instead of the site's own.
        broker: hands out tokens of people, for the site's sources that are asked in their name.
        now: the clock, for tests.
    """

    def __init__(
        self,
        site: Site,
        *,
        sources: Sequence[ProposalSource] | None = None,
        broker: TokenBroker = _NO_TOKENS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.sources = sources_of(site, broker) if sources is None else tuple(sources)
        self.policy = site.config.access
        self._breakers = tuple(Breaker(source.name) for source in self.sources)
        self._counts = tuple(_facilities_that_count(source, site) for source in self.sources)
        self.on_answer: OnAnswer | None = None
        self._now = now
        self._answers: OrderedDict[tuple[Identity, ...], dict[int, _Answer]] = OrderedDict()
        self._asking: dict[tuple[Any, ...], asyncio.Task[_Reply]] = {}

    @property
    def resting(self) -> frozenset[str]:
        """Names of the sources that are left alone now, because they kept failing."""
        named = zip(self.sources, self._breakers, strict=True)
        return frozenset(source.name for source, breaker in named if breaker.state is not State.CLOSED)

    async def report(self, person: Person, max_age: timedelta = NO_AGE) -> GrantReport:
        """What the sources say about a person now, or said at most ``max_age`` ago.

        There is one grant a proposal, and grants that ended or have not begun are among them: the launch step decides, and
        the pages tell. Where sources say several things about one proposal, the grant is the one that can be used now, then
        the freshly confirmed one, then the strongest role (PI first), then the one that ends last, then the first source's.
        Never takes longer than ``policy.source_timeout``, plus as much again for each source in which titles must
        be looked up.
        """
        outcomes = await asyncio.gather(*(self._outcome(at, person, max_age) for at in range(len(self.sources))))
        grants = await self._merge([grant for found, _ in outcomes for grant in found])
        return GrantReport(
            grants=tuple(await self._described(grants)),
            outcomes=tuple(outcome for _, outcome in outcomes),
        )

    async def _outcome(self, at: int, person: Person, max_age: timedelta) -> tuple[Sequence[Grant], SourceOutcome]:
        name = self.sources[at].name
        known = self._known(at, person)
        if known and known.claims_seen == person.seen_at and self._now() - known.at < max_age:
            return known.grants, SourceOutcome(name, known.at, len(known.grants))
        asked_at = self._now()
        reply = await self._ask_once(at, person)
        if isinstance(reply, _Answer):
            return reply.grants, SourceOutcome(name, asked_at, len(reply.grants))
        known = self._known(at, person)
        if known and asked_at - known.at <= self.policy.keep_last_answer:
            unconfirmed = [replace(grant, confirmed=False) for grant in known.grants]
            return unconfirmed, SourceOutcome(name, asked_at, len(unconfirmed), error=reply, stale_since=known.at)
        return (), SourceOutcome(name, asked_at, error=reply)

    async def _ask_once(self, at: int, person: Person) -> _Reply:
        """Ask a source; whoever asks the same at the same time gets the same answer."""
        question = (at, person.identities, person.seen_at)
        task = self._asking.get(question)
        if task is None:
            task = self._asking[question] = asyncio.create_task(self._ask(at, person))
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        return await asyncio.shield(task)

    async def _ask(self, at: int, person: Person) -> _Reply:
        source = self.sources[at]
        begun = self._now()
        try:
            with self._measured(source.name), self._breakers[at].asking():
                grants = await _in_time(source.grants(person), self.policy.source_timeout)
        except SourceError as error:
            log.warning("Proposal source %s did not answer: %.300s", source.name, error.reason)
            return error.reason
        except TimeoutError:
            seconds = self.policy.source_timeout.total_seconds()
            log.warning("Proposal source %s did not answer within %g s", source.name, seconds)
            return f"no answer within {seconds:g} s"
        except Exception:  # a mistake in a source must not take the others' answers away
            log.exception("Proposal source %s failed", source.name)
            return "it failed; the people who run this hub find the reason in its log"
        answer = _Answer(await self._that_count(at, grants), begun, person.seen_at)
        self._remember(at, person, answer.merged_with(self._known(at, person)))
        self._tell(person, source.name, answer)
        return answer

    @contextmanager
    def _measured(self, name: str) -> Iterator[None]:
        """Count a question and its outcome, for ``/metrics``."""
        begun = time.monotonic()
        outcome = "error"
        try:
            yield
            outcome = "answer"
        except PersonalSourceError:  # says nothing about the source
            outcome = "personal"
            raise
        except TimeoutError:
            outcome = "timeout"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            SOURCE_ANSWERS.labels(name, outcome).inc()
            SOURCE_SECONDS.labels(name).observe(time.monotonic() - begun)
            if outcome not in ("personal", "cancelled"):
                SOURCE_UP.labels(name).set(outcome == "answer")

    async def _that_count(self, at: int, grants: Iterable[Grant]) -> tuple[Grant, ...]:
        """Those of facilities for which this source counts, and that say all that a right must say.

        A source that speaks of other facilities, or gives no reason, is mistaken: what it says is no right.
        """
        facilities = self._counts[at]
        counted: list[Grant] = []
        async for grant in gently(grants):
            if grant.ref.facility not in facilities:
                continue
            if not (grant.source and grant.evidence and grant.seen_at.tzinfo):
                log.error("%s gave a right to %s without source, reason or time", self.sources[at].name, grant.ref)
                continue
            counted.append(grant)
        return tuple(counted)

    def _tell(self, person: Person, source: str, answer: _Answer) -> None:
        if self.on_answer is None:
            return
        try:
            self.on_answer(person, source, answer.grants)
        except Exception:  # whoever listens must not take the answer away
            log.exception("Telling of an answer of %s failed", source)

    def _known(self, at: int, person: Person) -> _Answer | None:
        # By all their identities: what was answered before one was linked or unlinked is about somebody else.
        return self._answers.get(person.identities, {}).get(at)

    def _remember(self, at: int, person: Person, answer: _Answer) -> None:
        key = person.identities
        self._answers.setdefault(key, {})[at] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > MAX_PEOPLE:
            self._answers.popitem(last=False)

    async def _merge(self, grants: Sequence[Grant]) -> list[Grant]:
        """One a proposal. Others get their turn in between: an instrument's scientist may have ten thousand."""
        of_proposal: dict[ProposalRef, list[Grant]] = {}
        now = self._now()
        merged: list[Grant] = []
        async for grant in gently(grants):
            of_proposal.setdefault(grant.ref, []).append(grant)
        async for same in gently(of_proposal.values()):
            merged.append(same[0] if len(same) == 1 else self._best(same, now))
        return merged

    def _best(self, same: Sequence[Grant], now: datetime) -> Grant:
        best = min(
            same,
            key=lambda grant: (
                not _holds(grant, now),
                not grant.confirmed or now - grant.seen_at > self.policy.max_grant_age,
                _STRENGTH[grant.role],
                _LAST - (grant.ends_at or _LAST),
            ),
        )
        return replace(best, proposal=_completed(best.proposal, (grant.proposal for grant in same)))

    async def _described(self, grants: list[Grant]) -> list[Grant]:
        """Give titles and visits to proposals whose right came without (entitlements), from the sources that know them."""
        bare = [grant.ref for grant in grants if not grant.proposal.visits]
        for source, counts in zip(self.sources, self._counts, strict=True) if bare else ():
            if not isinstance(source, ProposalDirectory):
                continue
            # Visits name directories: a source that does not count for a facility has no word in that, either.
            asked = [ref for ref in bare if ref.facility in counts]
            known: Mapping[ProposalRef, Proposal] = {}
            try:
                known = await _in_time(source.describe(asked), self.policy.source_timeout) if asked else {}
            except (SourceError, TimeoutError) as error:
                log.info("Proposal source %s could not describe proposals: %.300s", source.name, error)
            if known:
                grants = [_with_words(grant, known.get(grant.ref)) for grant in grants]
        return grants


def _facilities_that_count(source: ProposalSource, site: Site) -> frozenset[str]:
    """The facilities of a source for which its word counts (``sources`` of a facility's file; empty: for all it names)."""
    named = {key: facility.sources for key, facility in site.facilities.items()}
    return frozenset(key for key in source.facilities if not named.get(key) or source.name in named[key])


def _with_words(grant: Grant, known: Proposal | None) -> Grant:
    return replace(grant, proposal=_completed(grant.proposal, (known,))) if known else grant


def _holds(grant: Grant, now: datetime) -> bool:
    return (not grant.not_before or grant.not_before <= now) and (not grant.ends_at or now < grant.ends_at)


def _completed(proposal: Proposal, others: Iterable[Proposal]) -> Proposal:
    """The proposal with what it does not say about itself taken from the first other that does."""
    for other in others:
        proposal = replace(
            proposal,
            title=proposal.title or other.title,
            visits=proposal.visits or other.visits,
            environment=proposal.environment or other.environment,
        )
    return proposal


async def _in_time(asked: Coroutine[Any, Any, T], limit: timedelta) -> T:
    """The coroutine's result, or TimeoutError at the limit even if it does not let itself be cancelled."""
    task = asyncio.ensure_future(asked)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit.total_seconds())
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(lambda late: late.cancelled() or late.exception())
