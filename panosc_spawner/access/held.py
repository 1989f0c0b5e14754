"""What a running server holds, as the hub keeps it over its own restart: proposals, directories, and when they were confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from panosc_spawner.errors import IdError
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.facilities.model import Area
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Account
from panosc_spawner.launch.selection import parse_ref


@dataclass(frozen=True)
class HeldMount:
    """A directory in a running server. ``source`` is the planned one, before links were followed."""

    proposal: ProposalRef
    area: Area
    source: str
    writable: bool


@dataclass(frozen=True)
class Held:
    """A server's proposals and directories.

    Args:
        proposals: those it was started with.
        mounts: its directories; none are known of a server that an older version of the hub started.
        decided_at: when the sources were asked about them for the start.
        confirmed: when a source last said that a proposal is the person's; ``decided_at`` for those it does not name.
        account: whom it runs as, if known.
        unreadable: what stands for a proposal in the state and is none of this site (any more).
    """

    proposals: tuple[ProposalRef, ...]
    mounts: tuple[HeldMount, ...]
    decided_at: datetime
    confirmed: Mapping[ProposalRef, datetime] = field(default_factory=dict)
    account: Account | None = None
    unreadable: tuple[str, ...] = ()

    def confirmed_at(self, ref: ProposalRef) -> datetime:
        """When a source last said that this proposal is the person's."""
        return max(self.confirmed.get(ref, self.decided_at), self.decided_at)

    def mounts_of(self, ref: ProposalRef) -> tuple[HeldMount, ...]:
        """The directories of one proposal."""
        return tuple(mount for mount in self.mounts if mount.proposal == ref)


def read_held(summary: Mapping[str, Any], site: Site, now: datetime) -> Held:
    """From a server's summary, which the hub keeps as JSON, and which may be an older version's.

    A time that is missing or lies in the future counts as now: it was this hub that wrote it down, with its own clock.
    """
    known = {str(text): _ref(text, site) for text in summary.get("proposals") or ()}
    refs = tuple(ref for ref in known.values() if ref)
    confirmed = dict(summary.get("confirmed") or {})
    return Held(
        proposals=refs,
        mounts=tuple(mount for item in summary.get("holds") or () if (mount := _mount(item, known))),
        decided_at=_moment(summary.get("decided_at"), now),
        confirmed={ref: _moment(confirmed[text], now) for text, ref in known.items() if ref and text in confirmed},
        account=_account(summary.get("account")),
        unreadable=tuple(text for text, ref in known.items() if not ref),
    )


def _ref(text: object, site: Site) -> ProposalRef | None:
    try:
        return parse_ref(text, site)
    except IdError:
        return None


def _mount(item: Mapping[str, Any], known: Mapping[str, ProposalRef | None]) -> HeldMount | None:
    ref = known.get(str(item.get("proposal")))
    if ref is None or item.get("area") not in set(Area):
        return None
    return HeldMount(ref, Area(item["area"]), str(item.get("source")), item.get("writable") is True)


def _account(value: object) -> Account | None:
    if not isinstance(value, Mapping):
        return None
    try:
        gids = tuple(int(gid) for gid in value.get("gids") or ())
        return Account(str(value["name"]), int(value["uid"]), int(value["gid"]), gids)
    except (KeyError, TypeError, ValueError):
        return None


def _moment(value: object, now: datetime) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else now
    except ValueError:
        return now
    return min(found if found.tzinfo else found.replace(tzinfo=UTC), now)
