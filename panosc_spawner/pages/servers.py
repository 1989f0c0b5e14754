"""A person's servers as the home page shows them. Pure: what the hub knows goes in as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from panosc_spawner.facilities.units import format_size
from panosc_spawner.launch.model import Reason, Refusal


@dataclass(frozen=True)
class ServerView:
    """One server: what is in it, how it is, and how long it still has."""

    name: str
    state: str  # "running" | "starting" | "stopping" | "ended"
    refs: tuple[str, ...]
    environment: str
    memory: str
    started: datetime | None
    ends: datetime | None
    warnings: tuple[str, ...]
    problem: Refusal | None
    url: str = ""
    desktop: bool = False

    @property
    def proposals_query(self) -> str:
        """The selection's proposals for the address of the choose page."""
        return ",".join(self.refs)


def server_view(
    name: str,
    state: str,
    summary: Mapping[str, Any],
    options: Mapping[str, Any] | None,
    problem: Refusal | None,
    url: str = "",
) -> ServerView:
    """The view of one server, from its summary, or, while there is none yet, from the options it was asked with."""
    wanted = (options or {}).get("proposals")
    refs = summary.get("proposals") or (wanted if isinstance(wanted, list) else [])
    return ServerView(
        name=name,
        state=state,
        refs=tuple(str(ref) for ref in refs),
        environment=str(summary.get("environment_title") or ""),
        memory=format_size(int(summary["memory"])) if summary.get("memory") else "",
        started=moment(summary.get("started_at")),
        ends=moment(summary.get("ends_at")),
        warnings=tuple(str(text) for text in summary.get("warnings") or ()),
        problem=problem,
        url=url,
        desktop=summary.get("desktop") is True,
    )


def moment(value: object) -> datetime | None:
    """A time as the state keeps it, or None."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def kept_problem(value: object) -> Refusal | None:
    """A problem as a server's state keeps it over the hub's restart, or None."""
    if not isinstance(value, Mapping) or not value.get("message"):
        return None
    known = {reason.value for reason in Reason}
    reason = value.get("reason")
    return Refusal(
        Reason(reason) if reason in known else Reason.SERVER_FAILED,
        str(value["message"]),
        str(value.get("remedy") or ""),
        str(value.get("details") or ""),
    )
