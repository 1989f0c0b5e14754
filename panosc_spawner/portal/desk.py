"""What the hub answers its portal, for one person: who they are, what is theirs, where it lies, and a token for a catalogue."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from panosc_spawner.access.broker import HubTokens
from panosc_spawner.audit import Event
from panosc_spawner.errors import IdError, TokenError
from panosc_spawner.facilities.access_rules import TokenRule
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Mount, Reason, Refusal, Selection
from panosc_spawner.launch.plan import live_grants
from panosc_spawner.launch.reading import INSIDE, Reading, reading
from panosc_spawner.launch.selection import parse_ref
from panosc_spawner.launch.sources import with_sources
from panosc_spawner.metrics import TOKENS
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners.base import facility_accounts
from panosc_spawner.spawners.context import HubContext
from panosc_spawner.spawners.file_threads import in_file_thread, place_of
from panosc_spawner.spawners.real_mounts import real_directories, staged_directories
from panosc_spawner.spawners.records import record_refusal
from panosc_spawner.spawners.refused import Refused

STAGE = "stage"
PURPOSES = ("download", "archive", STAGE, "preview", "index")
"""What data are read for. Main proposers see it on “Who opened my data?”."""

_SHOWN = timedelta(seconds=60)
"""How old the sources' answers may be where they are only shown."""
_FRESH = timedelta(seconds=20)
"""And where a right is decided about: as for tokens. Long jobs ask again every minute."""
_WRITTEN_AGAIN = 600.0
"""Seconds after which a reading that goes on is written down anew."""
_MOST_WRITTEN = 20_000


@dataclass(frozen=True)
class _Place:
    """Where a mount's data really lie, and the root beneath which they do."""

    path: Path
    root: Path


@dataclass
class PortalDesk:
    """One for all requests of a hub.

    Args:
        context: of the hub.
        tokens: hands out tokens of people.
        audiences: of the catalogues that are asked in people's names, by the catalogue's name.
        storages: of the storages that people's data are fetched from in their names, by the token's name.
    """

    context: HubContext
    tokens: HubTokens
    audiences: Mapping[str, str]
    storages: Mapping[str, TokenRule] = field(default_factory=dict)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _written: OrderedDict[tuple[Any, ...], float] = field(default_factory=OrderedDict)

    async def person(self, person: Person, user: Any) -> dict[str, Any]:
        """What is theirs now: proposals that can be opened, servers, and sources that did not answer."""
        report = await self.context.book.report(person, max_age=_SHOWN)
        site, now = self.context.site, self.clock()
        open_now = [g for g in report.grants if not isinstance(live_grants([g], [g.ref], site, now), Refusal)]
        failed = [f"{one.source} did not answer ({one.error.rstrip('.')})." for one in report.outcomes if one.error]
        return {
            "proposals": [_proposal(grant) for grant in open_now],
            "servers": [_server(user, spawner) for spawner in user.spawners.values() if spawner.active],
            "troubles": failed,
        }

    async def data(self, person: Person, proposal: str, purpose: str) -> dict[str, Any]:
        """Where a proposal's data lie for them, by rights that are live now; written down.

        Raises:
            Refused: in words; nothing is given then, and that is written down, too.
        """
        wanted: tuple[ProposalRef, ...] = ()
        try:
            wanted = (self._ref(proposal),)
            decided, real = await self._decide(person, wanted[0], purpose)
        except Refused as refused:
            record_refusal(self.context, person.username, "", wanted, refused.refusal)
            raise
        self._write_down(person, decided, real, purpose)
        return {
            "ref": str(wanted[0]),
            "areas": [_area(mount, place) for mount, place in real.items()],
            "warnings": list(decided.warnings),
        } | self._as_whom(decided)

    def _as_whom(self, decided: Reading) -> dict[str, Any]:
        """The account that reads: the one a server would run as. Local processes all run as the hub's own."""
        if self.context.site.config.hub.spawner == "local":
            return {"uid": os.geteuid(), "gid": os.getegid(), "groups": os.getgroups(), "own": True}
        account = decided.account
        return {"uid": account.uid, "gid": account.gid, "groups": list(account.gids), "own": False}

    def _ref(self, proposal: str) -> ProposalRef:
        try:
            return parse_ref(proposal, self.context.site)
        except IdError as error:
            raise Refused(
                Refusal(Reason.BAD_REQUEST, f"{str(error)[:1].upper()}{str(error)[1:]}.", "Check the proposal.")
            ) from None

    async def _decide(self, person: Person, ref: ProposalRef, purpose: str) -> tuple[Reading, dict[Mount, _Place]]:
        if purpose not in PURPOSES:
            raise Refused(Refusal(Reason.BAD_REQUEST, "Data are not read for that.", f"One of: {', '.join(PURPOSES)}."))
        site = self.context.site
        report = await self.context.book.report(person, max_age=_FRESH)
        accounts = await facility_accounts(self.context, person, Selection((ref,)))
        decided = reading(report.grants, ref, site, accounts, self.clock())
        if isinstance(decided, Refusal):
            raise Refused(with_sources(decided, report.outcomes))
        look = staged_directories if purpose == STAGE else real_directories
        real = await in_file_thread(place_of([ref.facility]), _places, look, decided.mounts, site)
        again = reading(report.grants, ref, site, accounts, self.clock())  # file systems take their time
        if isinstance(again, Refusal):
            raise Refused(again)
        return decided, real

    def _write_down(self, person: Person, decided: Reading, real: Mapping[Mount, _Place], purpose: str) -> None:
        grant = decided.grant
        paths = [place.path for place in real.values()]
        if self._just_written((person.username, grant.ref, grant.role, purpose, *paths)):
            return
        self.context.audit.record(
            Event.DATA_READ,
            person=person.username,
            proposal=str(grant.ref),
            source=grant.source,
            evidence=grant.evidence,
            reason=purpose,
            areas=list(dict.fromkeys(mount.area.value for mount in real)),
            role=grant.role.value,
            seen=grant.seen_at.isoformat(timespec="seconds"),
            paths=[str(path) for path in paths],
            account=f"{decided.account.name} ({decided.account.uid}:{decided.account.gid})",
        )

    async def token(self, person: Person, catalogue: str) -> str:
        """A token of theirs for one catalogue, or for one storage that data are fetched from.

        Raises:
            Refused: if the site has none of that name that is asked in people's names, if they have no proposal for which
                the storage's data are, or if the login service gives none.
        """
        audience, scope, rule = self.audiences.get(catalogue, ""), "", None
        if not audience and (rule := self.storages.get(catalogue)):
            await self._require_data_there(person, rule)
            audience, scope = rule.audience, rule.scope
        if not audience:
            TOKENS.labels("unknown", "unknown").inc()
            raise Refused(
                Refusal(
                    Reason.BAD_REQUEST,
                    "This hub asks no catalogue of that name in people’s own names.",
                    "Its open data can be found without.",
                )
            )
        try:
            given = await self.tokens.given(person, audience, scope)
            if rule and given.expires_at - self.clock() > rule.lifetime + self.context.site.config.access.clock_skew:
                raise TokenError("The login service gave a token that is good for longer than this hub allows.")
        except TokenError as error:
            TOKENS.labels(catalogue, "no-exchange").inc()
            if not self._just_written((person.username, catalogue, "refused")):
                self.context.audit.record(
                    Event.TOKEN_REFUSED, person=person.username, reason="no-exchange", evidence=catalogue
                )
            raise Refused(Refusal(Reason.LOGIN_EXPIRED, str(error), "Log out, log in, and try again.")) from None
        TOKENS.labels(catalogue, "given").inc()
        if not self._just_written((person.username, catalogue, audience)):
            self.context.audit.record(
                Event.TOKEN_GIVEN, person=person.username, by="portal", reason=catalogue, audience=audience
            )
        return given.value.get_secret_value()

    async def _require_data_there(self, person: Person, rule: TokenRule) -> None:
        report = await self.context.book.report(person, max_age=_FRESH)
        site, now = self.context.site, self.clock()
        mine = [grant for grant in report.grants if grant.ref.facility in rule.facilities]
        if not any(not isinstance(live_grants([grant], [grant.ref], site, now), Refusal) for grant in mine):
            names = ", ".join(site.facilities[key].short_name for key in rule.facilities if key in site.facilities)
            raise Refused(
                with_sources(
                    Refusal(
                        Reason.NOT_GRANTED,
                        f"You have no proposal whose data are there ({names}).",
                        "Ask its main proposer to add you.",
                    ),
                    report.outcomes,
                )
            )

    def _just_written(self, what: tuple[Any, ...]) -> bool:
        """Whether the same was written down a short time ago: a long download asks every minute."""
        now = time.monotonic()
        at = self._written.get(what)
        if at is not None and now - at < _WRITTEN_AGAIN:
            return True
        self._written[what] = now
        self._written.move_to_end(what)
        while len(self._written) > _MOST_WRITTEN:
            self._written.popitem(last=False)
        return False


def _proposal(grant: Grant) -> dict[str, Any]:
    proposal = grant.proposal
    return {
        "ref": str(grant.ref),
        "title": proposal.title,
        "role": grant.role.value,
        "source": grant.source,
        "instruments": list(proposal.instruments),
        "start": _day(proposal.start),
        "end": _day(proposal.end),
        "access_ends": grant.ends_at.isoformat() if grant.ends_at else None,
        "visits": [
            {"instrument": visit.instrument, "start": _day(visit.start), "end": _day(visit.end)}
            for visit in proposal.visits
        ],
    }


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _server(user: Any, spawner: Any) -> dict[str, Any]:
    summary = getattr(spawner, "summary", None) or {}
    return {
        "name": spawner.name,
        "url": user.server_url(spawner.name),
        "ready": bool(spawner.ready),
        "proposals": [str(ref) for ref in summary.get("proposals") or ()],
        "environment": str(summary.get("environment") or ""),
    }


def _places(
    look: Callable[[Iterable[Mount], Site], dict[Mount, Path]], mounts: Iterable[Mount], site: Site
) -> dict[Mount, _Place]:
    """What ``look`` finds, with the real roots: all that is asked of the file system, so that its thread asks it."""
    return {mount: _Place(path, Path(mount.root).resolve()) for mount, path in look(mounts, site).items()}


def _area(mount: Mount, found: _Place) -> dict[str, Any]:
    place = INSIDE / mount.proposal.facility / mount.proposal.id / mount.area
    label = mount.target.relative_to(place).as_posix()
    return {
        "area": mount.area.value,
        "path": str(found.path),
        "root": str(found.root),
        "label": "" if label == "." else label,
        "read_only": mount.read_only,
    }
