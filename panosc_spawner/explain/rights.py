"""The links in the middle: is it a proposal of the facility, what do the sources say, and does a right come of it?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from panosc_spawner.errors import IdError, SourceError
from panosc_spawner.explain.model import Helper, Link, Question, State, Step
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Facility
from panosc_spawner.facilities.person_keys import PersonKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource, SourceRule
from panosc_spawner.facilities.units import format_duration
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, claims_in, person_key
from panosc_spawner.launch.model import Mount, Reason, Refusal
from panosc_spawner.launch.plan import granted_mounts, live_grants
from panosc_spawner.launch.roles import ROLE_WORDS
from panosc_spawner.launch.selection import parse_ref
from panosc_spawner.proposals.credentials import NO_LOGIN
from panosc_spawner.proposals.model import Grant, SourceOutcome
from panosc_spawner.proposals.source import ProposalSource

_LATER = "Try again in a few minutes. Servers that are running go on."
_TEAM = (Helper.MAIN_PROPOSER, Helper.USER_OFFICE)


def proposal_link(question: Question) -> tuple[Link, ProposalRef | None]:
    """Is it spelled as its facility spells them, and does this hub serve that facility? Whether it exists is not looked at."""
    site = question.site
    try:
        ref = parse_ref(question.proposal.strip(), site)
    except IdError as error:
        facility = question.proposal.partition("/")[0].strip()
        code = "not-an-id" if facility in site.facilities or "/" not in question.proposal else "unknown-facility"
        return Link(
            Step.PROPOSAL,
            State.BROKEN,
            f"{error}." if "/" in question.proposal else _no_number(question.proposal.strip(), site),
            remedy="Write it as on the facility's own pages, with the facility before it.",
            who=(Helper.PERSON,),
            code=code,
        ), None
    facility_model = site.facilities[ref.facility]
    if facility_model.paths is None:
        return Link(
            Step.PROPOSAL,
            State.BROKEN,
            f"This hub does not know where the data of {facility_model.short_name} lie.",
            remedy="Tell the people who run this hub.",
            who=(Helper.OPERATOR,),
            code="no-paths",
            details=f"facilities/{ref.facility}.toml has no [paths] table",
        ), None
    written = "" if str(ref) == question.proposal.strip() else f" (written {question.proposal.strip()[:80]!r})"
    words = f"{ref.id} is how {facility_model.short_name} writes a proposal{written}."
    return Link(Step.PROPOSAL, State.OK, words), ref


def _no_number(text: str, site: Site) -> str:
    served = [site.facilities[key] for key in site.config.hub.facilities]
    looks = ", ".join(f"{one.short_name}: {one.proposals.examples[0]}" for one in served if one.proposals)
    return f"{text[:60]!r} is no number of a proposal here (one looks like this: {looks})."


@dataclass(frozen=True)
class Rights:
    """What the sources said: their links, the grant's link, and what goes on from there."""

    links: tuple[Link, ...]
    grant: Grant | None = None
    mounts: tuple[Mount, ...] = ()


async def rights(question: Question, person: Person, ref: ProposalRef, now: datetime) -> Rights:
    """Ask all sources that speak of the facility, and see what right comes of it."""
    site, book = question.site, question.book
    facility = site.facilities[ref.facility]
    speaking = [source for source in book.sources if ref.facility in source.facilities]
    counting = [source for source in speaking if not facility.sources or source.name in facility.sources]
    report = await book.report(person, max_age=timedelta(seconds=question.max_age))
    grant = next((grant for grant in report.grants if grant.ref == ref), None)
    outcomes = {outcome.source: outcome for outcome in report.outcomes}
    links = []
    for source in speaking:
        if source in counting:
            links.append(await _counting(question, source, outcomes[source.name], person, ref, grant, now))
        else:
            links.append(await _not_counting(source, person, ref, grant, facility, site))
    if not counting:
        links.append(_nobody(facility))
    decision, mounts = _grant_link(grant, ref, facility, links, site, now)
    return Rights((*links, decision), grant, mounts)


def _nobody(facility: Facility) -> Link:
    return Link(
        Step.SOURCE,
        State.BROKEN,
        f"This hub asks nobody who is on proposals of {facility.short_name}.",
        remedy="Tell the people who run this hub.",
        who=(Helper.OPERATOR,),
        code="no-source",
        details=f"no [[sources]] of site.toml speaks of '{facility.id}', or its facility file's 'sources' names none of them",
    )


async def _counting(
    question: Question,
    source: ProposalSource,
    outcome: SourceOutcome,
    person: Person,
    ref: ProposalRef,
    grant: Grant | None,
    now: datetime,
) -> Link:
    name, good, site = source.name, grant is not None and grant.confirmed, question.site
    if not question.from_login and _reads_the_login(name, site):
        words = "It goes by what the login says, and no login is at hand."
        return Link(Step.SOURCE, State.UNKNOWN, words, subject=name)
    key = await _key(source, person, site)
    if isinstance(key, NoKey) and not key.failed:
        return Link(
            Step.SOURCE,
            State.UNKNOWN if good else State.BROKEN,
            f"It does not know who you are there: {key.reason}.",
            subject=name,
            remedy=f"Ask the {site.facilities[ref.facility].user_office.name} to link your login to your record there.",
            who=(Helper.USER_OFFICE,),
            code="" if good else "no-person-key",
        )
    if NO_LOGIN in outcome.error:
        words = (
            "It is asked in the person's own name, which only the hub can do: they find the answer on their own page."
        )
        return Link(Step.SOURCE, State.UNKNOWN, words, subject=name)
    if outcome.error:
        return _failed(outcome, good, ref, now)
    on_it = grant is not None and grant.source == name
    number = f"{outcome.grants} proposal{'' if outcome.grants == 1 else 's'}"
    said = "you are on this one" if on_it else "this one is not among them" if outcome.grants else "none of yours"
    details = f"known there as {key}" if isinstance(key, str) else ""
    return Link(Step.SOURCE, State.OK, f"It answered: {number}; {said}.", subject=name, details=details)


def _failed(outcome: SourceOutcome, good: bool, ref: ProposalRef, now: datetime) -> Link:
    said = f"It did not answer ({outcome.error.rstrip('.')})."
    if outcome.stale_since:
        said += f" Its last answer is {format_duration(now - outcome.stale_since)} old: shown, but nothing new is opened by it."
    return Link(
        Step.SOURCE,
        State.UNKNOWN if good else State.BROKEN,
        said,
        subject=outcome.source,
        remedy=_LATER,
        who=(Helper.OPERATOR,),
        code="" if good else "source-stale" if outcome.stale_since else "source-down",
        details=f"ask it by hand; [[sources]] '{outcome.source}' of site.toml" if not good else "",
    )


async def _not_counting(
    source: ProposalSource, person: Person, ref: ProposalRef, grant: Grant | None, facility: Facility, site: Site
) -> Link:
    """A source whose word does not count for the facility: does it list them, so that somebody expects it to count?"""
    words = f"What it says does not count for {facility.short_name}."
    if grant is not None:
        return Link(Step.SOURCE, State.OK, words, subject=source.name)
    try:
        seconds = site.config.access.source_timeout.total_seconds()
        found = await asyncio.wait_for(source.grants(person), seconds)
    except (SourceError, TimeoutError):
        return Link(Step.SOURCE, State.UNKNOWN, words, subject=source.name)
    if any(other.ref == ref for other in found):
        return Link(
            Step.SOURCE,
            State.BROKEN,
            f"It lists you on {ref.id}, but {words[0].lower()}{words[1:]}",
            subject=source.name,
            remedy="Ask the people who run this hub whether it should, or the user office to add you where it counts.",
            who=(Helper.OPERATOR, Helper.USER_OFFICE),
            code="source-does-not-count",
            details=f"'sources' of facilities/{facility.id}.toml: {', '.join(facility.sources)}",
        )
    return Link(Step.SOURCE, State.OK, words, subject=source.name)


def _rule(name: str, site: Site) -> SourceRule | None:
    return next((rule for rule in site.config.sources if rule.name == name), None)


def _reads_the_login(name: str, site: Site) -> bool:
    rule = _rule(name, site)
    return rule is not None and (isinstance(rule, EntitlementSource) or any(claims_in(rule)))


async def _key(source: ProposalSource, person: Person, site: Site) -> str | NoKey | None:
    """Whom the source knows them as; None if its rule does not say by what it knows people."""
    by: PersonKey | None = getattr(_rule(source.name, site), "person", None)
    return await person_key(by, person, site) if by is not None else None


def _grant_link(
    grant: Grant | None, ref: ProposalRef, facility: Facility, sources: Sequence[Link], site: Site, now: datetime
) -> tuple[Link, tuple[Mount, ...]]:
    if grant is None:
        if any(link.state is not State.OK for link in sources):
            words = "Whether you are on it is not known: not everybody who could say so has answered."
            return Link(Step.GRANT, State.UNKNOWN, words), ()
        return _refused(live_grants((), (ref,), site, now), (*_TEAM,)), ()
    live = live_grants((grant,), (ref,), site, now)
    if isinstance(live, Refusal):
        who = {Reason.STALE: (Helper.OPERATOR,), Reason.NOT_YET: (Helper.USER_OFFICE,)}.get(live.reason, _TEAM)
        return _refused(live, who), ()
    mounts = granted_mounts(live[0], PurePosixPath("/proposals"), site)
    if isinstance(mounts, Refusal):
        if mounts.reason is Reason.NO_AREA:
            return _refused(mounts, (Helper.USER_OFFICE, Helper.OPERATOR)), ()
        # Its directories cannot be named: that is the next link's.
        return _granted(grant, facility, now), ()
    return _granted(grant, facility, now), tuple(mounts)


def _granted(grant: Grant, facility: Facility, now: datetime) -> Link:
    ends = f", until {grant.ends_at:%d %B %Y, %H:%M %Z}" if grant.ends_at else ""
    seen = format_duration(now - grant.seen_at)
    words = f"{ROLE_WORDS[grant.role]} of {grant.ref.id} ({facility.short_name}){ends}."
    return Link(Step.GRANT, State.OK, f"{words} {grant.source}: {grant.evidence}, seen {seen} ago.")


def _refused(refusal: Refusal | list[Grant], who: tuple[Helper, ...]) -> Link:
    assert isinstance(refusal, Refusal)  # noqa: S101 - for the type checker
    return Link(Step.GRANT, State.BROKEN, refusal.message, remedy=refusal.remedy, who=who, code=refusal.reason.value)
