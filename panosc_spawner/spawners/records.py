"""What spawners and pages write down about servers: mounts, starts, stops, refusals; and what of it is counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from panosc_spawner.audit import Event
from panosc_spawner.facilities.ids import ProposalRef
from panosc_spawner.launch.model import LaunchPlan, Mount, Refusal
from panosc_spawner.metrics import MOUNTS, REFUSALS
from panosc_spawner.proposals.model import Grant
from panosc_spawner.spawners.context import HubContext


def record_mounts(
    context: HubContext,
    server: str,
    plan: LaunchPlan,
    mounts: Mapping[Mount, Path],
    grants: Mapping[ProposalRef, Grant],
) -> None:
    """One line for each directory that a server is about to be given, and the right that it rests on."""
    for mount, real in mounts.items():
        access = "ro" if mount.read_only else "rw"
        MOUNTS.labels(mount.proposal.facility, access).inc()
        grant = grants.get(mount.proposal)
        context.audit.record(
            Event.MOUNT,
            person=plan.username,
            proposal=str(mount.proposal),
            server=server,
            source=grant.source if grant else "",
            evidence=grant.evidence if grant else "",
            area=mount.area.value,
            access=access,
            role=grant.role.value if grant else "",
            seen=grant.seen_at.isoformat(timespec="seconds") if grant else "",
            path=str(real),
        )


def record_start(context: HubContext, server: str, plan: LaunchPlan) -> None:
    """A server listens."""
    context.audit.record(
        Event.SERVER_STARTED,
        person=plan.username,
        server=server,
        proposals=[str(ref) for ref in plan.proposals],
        environment=plan.environment_id,
        account=f"{plan.account.name} ({plan.account.uid}:{plan.account.gid})",
        ends=plan.ends_at.isoformat(timespec="seconds"),
    )


def record_stop(context: HubContext, person: str, server: str, proposals: Iterable[str], why: Refusal | None) -> None:
    """A server that had been given data has ended, or a start that had them has failed."""
    context.audit.record(
        Event.SERVER_STOPPED,
        person=person,
        server=server,
        proposals=list(proposals),
        reason=why.reason.value if why else "stopped",
    )


def record_refusal(
    context: HubContext, person: str, server: str, proposals: Iterable[ProposalRef], refusal: Refusal
) -> None:
    """Somebody wanted to open something, and may or can not."""
    REFUSALS.labels(refusal.reason.value).inc()
    context.audit.record(
        Event.REFUSAL,
        person=person,
        server=server,
        reason=refusal.reason.value,
        evidence=refusal.message,
        proposals=[str(ref) for ref in proposals],
    )
