"""What becomes of a running server's proposals, given what the sources say now. Pure: a truth table, no I/O.

It is the launch step's own decision, made again: the same rules say whether a right is live, and which directories it gives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath

from panosc_spawner.access.held import Held, HeldMount
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Access
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import format_duration
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.launch.model import LaunchPlan, Reason, Refusal, Selection
from panosc_spawner.launch.plan import granted_mounts, live_grants, plan
from panosc_spawner.outages import seen_enough
from panosc_spawner.proposals.model import Grant, GrantReport, SourceOutcome

MAX_NAMED = 20_000
_NAMED: OrderedDict[object, tuple[Site, Mapping[str, bool] | None]] = OrderedDict()


class Standing(StrEnum):
    """How it stands with one proposal of a running server."""

    LIVE = "live"
    REMOVED = "removed"  # those who could say so answered, and it is not the person's
    ENDED = "ended"
    EMBARGOED = "embargoed"  # the right begins later, now
    REDUCED = "reduced"  # it is the person's, but not all of the directories, or not to write
    UNKNOWN = "unknown"  # somebody who could say so does not answer; the grace runs
    UNCONFIRMED = "unconfirmed"  # … and the grace is over, and this process has met with the silence itself

    @property
    def lost(self) -> bool:
        """Whether the server may not go on as it is."""
        return self not in (Standing.LIVE, Standing.UNKNOWN)


@dataclass(frozen=True)
class Verdict:
    """About one proposal: how it stands, why in words, by whose word, and when it was last confirmed."""

    ref: ProposalRef
    standing: Standing
    why: Refusal | None = None
    source: str = ""
    evidence: str = ""
    confirmed_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """About one server."""

    verdicts: tuple[Verdict, ...]
    asked_at: datetime

    @property
    def lost(self) -> tuple[Verdict, ...]:
        """The proposals with which the server may not go on."""
        return tuple(verdict for verdict in self.verdicts if verdict.standing.lost)

    @property
    def ends_at(self) -> datetime | None:
        """When the first of its rights ends, of those that are live."""
        return min((verdict.ends_at for verdict in self.verdicts if verdict.ends_at), default=None)

    @property
    def startable(self) -> tuple[ProposalRef, ...]:
        """What it may be started with again: whatever a source confirms now."""
        live = (Standing.LIVE, Standing.REDUCED)
        return tuple(verdict.ref for verdict in self.verdicts if verdict.standing in live)


Silence = Mapping[ProposalRef, timedelta]
"""How long this process itself has not been able to learn how it stands with a proposal; nothing where it is not named."""


def decide(
    held: Held,
    report: GrantReport,
    site: Site,
    speakers: Mapping[str, frozenset[str]],
    now: datetime,
    silence: Silence,
) -> Decision:
    """Decide about one server. Total: every input gives a decision.

    Args:
        held: what the server holds.
        report: what the sources say about its owner now.
        site: the site.
        speakers: for each source's name, the facilities for which its word counts.
        now: the time, with zone.
        silence: of those who could say how it stands, up to now (``outages.Silences``).
    """
    asked_at = min((outcome.asked_at for outcome in report.outcomes), default=now)
    verdicts = [
        _in_time(_verdict(held, ref, report, site, speakers, now), site, now, silence) for ref in held.proposals
    ]
    verdicts += [_not_of_this_site(text, asked_at) for text in held.unreadable]
    return Decision(tuple(verdicts), asked_at)


def _in_time(verdict: Verdict, site: Site, now: datetime, silence: Silence) -> Verdict:
    """What is unknown is lost when it was last confirmed too long ago, if the silence since then is no mere sleep of the hub."""
    if verdict.standing is not Standing.UNKNOWN or verdict.confirmed_at is None:
        return verdict
    grace = site.config.access.outage_grace
    over = now - verdict.confirmed_at > grace and seen_enough(silence.get(verdict.ref, timedelta()), grace)
    return replace(verdict, standing=Standing.UNCONFIRMED) if over else verdict


def _verdict(
    held: Held,
    ref: ProposalRef,
    report: GrantReport,
    site: Site,
    speakers: Mapping[str, frozenset[str]],
    now: datetime,
) -> Verdict:
    relevant = [outcome for outcome in report.outcomes if ref.facility in speakers.get(outcome.source, frozenset())]
    chosen = live_grants(report.grants, [ref], site, now)
    if not isinstance(chosen, Refusal):
        found = _of_live(held.mounts_of(ref), chosen[0], site)
        if found.standing is Standing.REDUCED and any(outcome.error for outcome in relevant):
            # Another source may have given more, and its word is hidden behind the one that was confirmed just now.
            return _of_unknown(ref, held.confirmed_at(ref), relevant, site, now)
        return found
    if chosen.reason is Reason.STALE or _somebody_could_still_say_yes(relevant):
        return _of_unknown(ref, held.confirmed_at(ref), relevant, site, now)
    standing = {Reason.ENDED: Standing.ENDED, Reason.NOT_YET: Standing.EMBARGOED}.get(chosen.reason, Standing.REMOVED)
    return Verdict(ref, standing, chosen, _names(relevant))


def _somebody_could_still_say_yes(relevant: Iterable[SourceOutcome]) -> bool:
    """Whether a source that failed may have this right to give.

    One whose last good answer is at hand has it not: its grants are in the report, as unconfirmed ones, and are no "no".
    """
    return any(outcome.error and outcome.stale_since is None for outcome in relevant)


def _of_live(mounts: Sequence[HeldMount], grant: Grant, site: Site) -> Verdict:
    live = Verdict(
        grant.ref, Standing.LIVE, None, grant.source, grant.evidence, confirmed_at=grant.seen_at, ends_at=grant.ends_at
    )
    less = _no_longer_given(mounts, grant, site)
    if not less:
        return live
    facility = site.facilities[grant.ref.facility]
    what = ", ".join(dict.fromkeys(less))
    why = Refusal(
        Reason.REVOKED,
        f"Of {grant.ref.id} ({facility.short_name}), as {grant.role} you may not {what} any more ({grant.source}).",
        f"Ask the {facility.user_office.name}.",
    )
    return replace(live, standing=Standing.REDUCED, why=why)


def _no_longer_given(mounts: Sequence[HeldMount], grant: Grant, site: Site) -> list[str]:
    """What the server has of this proposal and a start would not give it now, in words."""
    facility = site.facilities[grant.ref.facility]
    # Without visits, a directory of a visit cannot be named: what is known then is what the role may do in an area.
    given = _given(grant, site) if grant.proposal.visits else None
    less = []
    for mount in mounts:
        rule = facility.areas.get(mount.area)
        access = rule.access_for(grant.role) if rule else Access.NONE
        if access is Access.NONE or (given is not None and mount.source not in given):
            less.append(f"read {mount.area}")
        elif mount.writable and (access is not Access.WRITE or not (given or {}).get(mount.source, True)):
            less.append(f"write {mount.area}")
    return less


def _given(grant: Grant, site: Site) -> Mapping[str, bool] | None:
    """The directories that a start would give for this grant now, and whether to write; None if they cannot be named.

    Remembered, for the same is asked about every running server several times a minute: naming directories is the dearest
    part of a decision.
    """
    visits = tuple((v.instrument, v.start, v.end, *sorted(v.fields.items())) for v in grant.proposal.visits)
    key = (id(site), grant.ref, grant.role, visits)
    known = _NAMED.get(key)
    if known is None or known[0] is not site:
        made = granted_mounts(grant, PurePosixPath("proposals"), site)
        known = site, None if isinstance(made, Refusal) else {str(m.source): not m.read_only for m in made}
        _NAMED[key] = known
        while len(_NAMED) > MAX_NAMED:
            _NAMED.popitem(last=False)
    return known[1]


def _of_unknown(
    ref: ProposalRef, confirmed_at: datetime, relevant: Sequence[SourceOutcome], site: Site, now: datetime
) -> Verdict:
    down = "; ".join(f"{o.source}: {o.error}, asked {o.asked_at:%H:%M %Z}" for o in relevant if o.error)
    why = Refusal(
        Reason.SOURCE_DOWN if down else Reason.STALE,
        f"Your access to {ref.id} ({site.facilities[ref.facility].short_name}) was last confirmed "
        f"{format_duration(now - confirmed_at)} ago{f', because this did not answer: {down}' if down else ''}.",
        "Open it again when it answers." if down else "Log out, log in, and open it again.",
    )
    return Verdict(ref, Standing.UNKNOWN, why, _names(relevant), confirmed_at=confirmed_at)


def _not_of_this_site(text: str, asked_at: datetime) -> Verdict:
    facility, _, number = text[:100].partition("/")
    why = Refusal(
        Reason.NOT_GRANTED,
        f"This hub does not serve {number} ({facility}) any more.",
        "Ask the people who run this hub.",
    )
    return Verdict(ProposalRef(facility, number), Standing.REMOVED, why, "site.toml", f"read {asked_at:%H:%M %Z}")


def _names(outcomes: Iterable[SourceOutcome]) -> str:
    return ", ".join(outcome.source for outcome in outcomes)


def start_again_with(
    selection: Selection,
    decision: Decision,
    person: Person,
    report: GrantReport,
    site: Site,
    accounts: Mapping[str, Account | NoAccount],
    now: datetime,
    absent: Collection[str] = (),
) -> Selection | None:
    """With what a server that lost proposals can be started again; None if with nothing.

    The choices of the first start are kept as far as the proposals that are left allow: an environment of a facility that is
    not among them, or more memory than they entitle to, gives way to what is suggested. ``absent``: images that are not here.
    """
    left = tuple(ref for ref in selection.proposals if ref in decision.startable)
    if not left:
        return None
    same = replace(selection, proposals=left)
    modest = replace(same, memory=None, cpu=None, gpus=None)
    for candidate in (same, replace(same, environment=""), modest, replace(modest, environment="")):
        if isinstance(plan(person, report.grants, candidate, site, accounts, now, absent), LaunchPlan):
            return candidate
    return None
