"""A hub's decisions over several moments, from scripted answers; and what would be right, worked out another way.

A server that was started at one moment is looked at at each later one, as the membership watcher does (``access.decisions``).

What decides here is the hub's own: the claims are read by ``person_from``, the sources are asked by ``GrantBook``, the
entitlements are read by ``EntitlementProposals``, the selection by ``parse_selection``, and ``plan`` makes the mounts with the
real facilities' path templates. Beside it stands :func:`allowed_paths`, which knows nothing of these: it looks at the script,
and writes the directories of three facilities down by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from panosc_spawner.access.decisions import Standing, start_again_with
from panosc_spawner.access.held import HeldMount, read_held
from panosc_spawner.access.judge import Judge
from panosc_spawner.errors import IdentityError, SourceError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.model import Role
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource
from panosc_spawner.identity.claims import ClaimRules, person_from
from panosc_spawner.identity.community import Community
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.launch.model import LaunchPlan, Refusal, Selection
from panosc_spawner.launch.plan import plan
from panosc_spawner.launch.selection import parse_selection
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.proposals.entitlement_source import EntitlementProposals
from panosc_spawner.proposals.model import Grant, GrantReport, Proposal, Visit
from panosc_spawner.spawners.base import summarise
from panosc_spawner.spawners.holdings import holdings

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
ISSUER = "https://login.community.example"
NAMESPACE = "urn:geant:community.example"
GROUP = ("community", "ill", "proposals")
SUBJECT = "0123456789abcdef@community.example"
ACCOUNT = Account("ada", 20001, 20000)
ACCOUNTS: dict[str, Account | NoAccount] = dict.fromkeys(("esrf", "ill", "euxfel"), ACCOUNT)
SCRIPTED = 2  # user offices; the third source reads the claims

SITE = """
[hub]
id = "subset"
facilities = ["esrf", "ill", "euxfel"]
[login]
community = "eduteams"
client_id = "hub"
[home]
source = "/home/{user}"
[account]
kind = "shared"
[[sources]]
type = "file"
path = "proposals.toml"
"""


class Failure(Enum):
    """How a source does not answer."""

    DOWN = "status 500"
    SLOW = "no answer in time"
    BROKEN = "a mistake in the source"

    def error(self, words: str) -> Exception:
        """Raised in this way, new each time."""
        kinds = {
            Failure.DOWN: SourceError("user office", words),
            Failure.SLOW: TimeoutError(),
            Failure.BROKEN: RuntimeError(words),
        }
        return kinds[self]


@dataclass(frozen=True)
class Right:
    """What a source says: this role in this proposal, for this time."""

    ref: ProposalRef
    role: Role = Role.MEMBER
    visits: tuple[Visit, ...] = ()
    begins: timedelta | None = None  # from NOW
    ends: timedelta | None = None
    age: timedelta = timedelta()  # since the source's own data were made


@dataclass(frozen=True)
class Moment:
    """What each scripted source does when it is asked, and what the claims say; ``later`` than the moment before."""

    answers: tuple[Sequence[Right] | Failure, ...]
    claims: Sequence[object] = ()
    later: timedelta = timedelta(minutes=1)
    logs_in: bool = True  # the claims are seen anew; else those of before are kept, as in an outage


@dataclass
class Told:
    """What the hub made of one selection at one moment, and of which rights it could have known."""

    at: datetime
    person: Person
    report: GrantReport
    decision: LaunchPlan | Refusal
    left: tuple[HeldMount, ...] | None = None  # what a server of an earlier moment goes on with; None: none ran
    restarted: bool = False


class Script:
    """A source that says what the moment's script says."""

    def __init__(self, place: int, story: Story) -> None:
        self.name = f"user office {place}"
        self.facilities = frozenset({"esrf", "ill", "euxfel"})
        self._place, self._story = place, story

    async def grants(self, person: Person) -> Sequence[Grant]:
        """This moment's answer."""
        answer = self._story.moment.answers[self._place]
        if isinstance(answer, Failure):
            raise answer.error(answer.value)
        for right in answer:
            self._story.told.setdefault(right.ref, []).extend(right.visits)
        return [
            Grant(
                Proposal(right.ref, visits=right.visits),
                right.role,
                self.name,
                "listed",
                self._story.clock - right.age,
                not_before=None if right.begins is None else NOW + right.begins,
                ends_at=None if right.ends is None else NOW + right.ends,
            )
            for right in answer
        ]

    async def check(self) -> str:
        """Nothing to try."""
        return "scripted"


@dataclass
class Story:
    """One person's hub, moment by moment."""

    site: Site
    community: Community
    clock: datetime = NOW
    moment: Moment = field(default_factory=lambda: Moment(((), ())))
    person: Person | None = None
    seen_claims: Sequence[object] = ()
    told: dict[ProposalRef, list[Visit]] = field(default_factory=dict)  # every visit that a source told of

    def __post_init__(self) -> None:
        rule = EntitlementSource(
            type="entitlements", facility="ill", issuer=ISSUER, namespace=NAMESPACE, group=GROUP, roles={"pi": Role.PI}
        )
        claims_source = EntitlementProposals(rule, self.site, now=lambda: self.clock)
        sources = [*(Script(place, self) for place in range(SCRIPTED)), claims_source]
        self.book = GrantBook(self.site, sources=sources, now=lambda: self.clock)
        speakers = {source.name: source.facilities for source in sources}
        self._judge = Judge(self.site, speakers, clock=lambda: self.clock.timestamp())
        self._selection: Selection | None = None  # of the server that runs
        self._summary: dict[str, Any] = {}
        self.confirmed: dict[ProposalRef, datetime] = {}  # when a right was last live, by the script
        self.silent: dict[ProposalRef, datetime] = {}  # since when nobody could say, as found by looking, by the script
        self.looked = self.clock

    async def live(self, moment: Moment, options: object) -> Told | None:
        """Let it become this moment, and ask for a server; None if the login was refused."""
        self.clock += moment.later
        self.moment = moment
        if moment.logs_in or self.person is None:
            rules = ClaimRules(self.community, ISSUER)
            try:
                claims = {"voperson_id": SUBJECT, "eduperson_entitlement": list(moment.claims)}
                self.person = person_from(claims, rules, self.clock)
            except IdentityError:
                return None
            self.seen_claims = moment.claims
        selection = parse_selection(options, self.site)
        report = await self.book.report(self.person)
        if isinstance(selection, Refusal):
            return Told(self.clock, self.person, report, selection)
        decision = self._plan(selection, report)
        told = Told(self.clock, self.person, report, decision)
        if self._selection is not None:
            self._look_at_server(told)
        elif isinstance(decision, LaunchPlan):
            self._run(selection, decision)
        return told

    def _plan(self, selection: Selection, report: GrantReport) -> LaunchPlan | Refusal:
        assert self.person is not None
        return plan(self.person, report.grants, selection, self.site, ACCOUNTS, self.clock)

    def _run(self, selection: Selection, made: LaunchPlan) -> None:
        """A server starts; the hub keeps what a hub keeps of it."""
        self._selection = selection
        self._summary = json.loads(json.dumps(summarise(made) | holdings(made, self.clock)))

    def _look_at_server(self, told: Told) -> None:
        """As the watcher does: what the server may not hold any more makes it end, or start again without."""
        assert self._selection is not None
        held = read_held(self._summary, self.site, self.clock)
        verdict = self._judge.decide("ada", "", held, told.report, self.clock)
        if not verdict.lost:
            for one in verdict.verdicts:
                if one.standing is Standing.LIVE and one.confirmed_at:
                    self._summary["confirmed"][str(one.ref)] = one.confirmed_at.isoformat()
            told.left = held.mounts
            return
        again = start_again_with(self._selection, verdict, told.person, told.report, self.site, ACCOUNTS, self.clock)
        made = self._plan(again, told.report) if again else None
        told.left, self._selection = (), None
        if again and isinstance(made, LaunchPlan):
            self._run(again, made)
            told.left, told.restarted = read_held(self._summary, self.site, self.clock).mounts, True


def make_site(folder: Path) -> Site:
    """A site of three real facilities."""
    (folder / "site.toml").write_text(SITE, encoding="utf-8")
    (folder / "proposals.toml").write_text("proposal = []\n", encoding="utf-8")
    return load_site(folder)


def make_community() -> Community:
    """The community whose issuer and namespace the claims' source trusts."""
    return Community.model_validate(
        {
            "id": "community",
            "title": "Community",
            "description": "For the proof.",
            "issuer": ISSUER,
            "identity_scopes": ["community.example"],
            "namespaces": [NAMESPACE],
        }
    )


# -- what would be right ------------------------------------------------------------------------------------------------

_WRITERS = (Role.PI, Role.MEMBER, Role.LOCAL_CONTACT, Role.INSTRUMENT_SCIENTIST)


@dataclass(frozen=True)
class Allowed:
    """The directories that live rights open, and those of them that may be written in."""

    readable: frozenset[PurePosixPath]
    writable: frozenset[PurePosixPath]


def live_rights(story: Story, good_claims: Mapping[object, Right]) -> list[Right]:
    """The rights that a source that answers at this moment gives for this moment.

    ``good_claims`` says which claims are a right at all; every other text is none, however it looks.
    """
    rights: list[Right] = []
    freshest = story.site.config.access.max_grant_age
    for answer in story.moment.answers:
        if not isinstance(answer, Failure):
            rights += [right for right in answer if right.age <= freshest]
    if story.person and story.clock - story.person.seen_at <= min(timedelta(hours=1), freshest):
        rights += [good_claims[claim] for claim in story.seen_claims if claim in good_claims]
    return [right for right in rights if _holds(right, story.clock)]


def allowed(story: Story, good_claims: Mapping[object, Right]) -> Allowed:
    """The directories of the live rights, with the visits that anybody told of for those proposals."""
    readable: set[PurePosixPath] = set()
    writable: set[PurePosixPath] = set()
    for right in live_rights(story, good_claims):
        for visit in story.told.get(right.ref, ()):
            for area, path in directories(right.ref, visit).items():
                if area == "raw" or right.role is not Role.PUBLIC:
                    readable.add(path)
                if area != "raw" and right.role in _WRITERS and (right.ref.facility, area) != ("euxfel", "processed"):
                    writable.add(path)
    return Allowed(frozenset(readable), frozenset(writable))


_WRITTEN: dict[tuple[ProposalRef, int], tuple[Visit, dict[str, PurePosixPath]]] = {}


def in_grace(story: Story, good_claims: Mapping[object, Right]) -> frozenset[ProposalRef]:
    """The proposals with which a server may go on although nobody confirms them now.

    Somebody who could say so does not answer, or answers with what he knew long ago; and the last time that the right was
    live is within ``access.outage_grace``, or the hub has not looked on for two minutes yet while it is so: it may have slept
    until now. Moments that lie ten minutes apart are no looking on. To be called at each moment, in order.
    """
    live = {right.ref for right in live_rights(story, good_claims)}
    story.confirmed.update(dict.fromkeys(live, story.clock))
    silent = any(isinstance(answer, Failure) for answer in story.moment.answers)
    old = {
        right.ref
        for answer in story.moment.answers
        if not isinstance(answer, Failure)
        for right in answer
        if right.age > story.site.config.access.max_grant_age
    }
    claims_old = (
        story.person is not None and story.clock - story.person.seen_at > story.site.config.access.max_grant_age
    )
    unknown = {ref for ref in story.confirmed if silent or ref in old or (claims_old and ref.facility == "ill")}
    before = story.silent if story.clock - story.looked <= timedelta(minutes=10) else {}
    story.silent = {ref: before.get(ref, story.clock) for ref in unknown - live}
    story.looked = story.clock
    grace = story.site.config.access.outage_grace
    return frozenset(
        ref
        for ref in unknown
        if story.clock - story.confirmed[ref] <= grace
        or story.clock - story.silent.get(ref, story.clock) < timedelta(minutes=2)
    )


def directories(ref: ProposalRef, visit: Visit) -> dict[str, PurePosixPath]:
    """A visit's directories at the three facilities, written down from their conventions; none for a visit that is not sound."""
    key = (ref, id(visit))
    if key not in _WRITTEN:
        _WRITTEN[key] = (visit, _directories(ref, visit))  # the visit too, so that its number stays its own
    return _WRITTEN[key][1]


def _directories(ref: ProposalRef, visit: Visit) -> dict[str, PurePosixPath]:
    instrument, cycle = visit.instrument, visit.fields.get("cycle", "")
    if not re.fullmatch(r"[A-Za-z0-9]{2,10}", instrument, re.ASCII):
        return {}
    if ref.facility == "esrf" and visit.start and re.fullmatch(r"[a-z]{2,5}[0-9]{1,6}", ref.id):
        base = PurePosixPath("/data/visitor", ref.id, instrument.lower(), f"{visit.start:%Y%m%d}")
        return {
            "raw": base / "RAW_DATA",
            "processed": base / "PROCESSED_DATA",
            "scratch": base / "NOBACKUP",
            "shared": base / "SCRIPTS",
        }
    if ref.facility == "ill" and re.fullmatch(r"[0-9]{3}", cycle, re.ASCII) and re.fullmatch(r"[0-9-]+", ref.id):
        base = PurePosixPath("/net4/serdon/illdata", cycle, instrument.lower(), f"exp_{ref.id}")
        return {"raw": base / "rawdata", "processed": base / "processed"}
    if ref.facility == "euxfel" and re.fullmatch(r"[0-9]{6}", cycle, re.ASCII) and re.fullmatch(r"p[0-9]{6}", ref.id):
        base = PurePosixPath("/gpfs/exfel/exp", instrument.upper(), cycle, ref.id)
        return {
            "raw": base / "raw",
            "processed": base / "proc",
            "scratch": base / "scratch",
            "shared": base / "usr/Shared",
        }
    return {}


def _holds(right: Right, now: datetime) -> bool:
    return (right.begins is None or NOW + right.begins <= now) and (right.ends is None or now < NOW + right.ends)
