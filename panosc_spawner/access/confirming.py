"""Remembering when a running server's rights were last confirmed, and until when they hold; not each time on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from panosc_spawner.access.decisions import Decision, Standing

KEPT = timedelta(minutes=5)
"""How far what is stored may be behind what is known. After a restart of the hub, a grace is shorter by this at most."""


def confirmed_summary(summary: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    """A server's summary with the confirmations of a decision that takes nothing away, and the server's end as of now."""
    confirmed = {
        str(verdict.ref): verdict.confirmed_at.isoformat() for verdict in decision.verdicts if verdict.confirmed_at
    }
    ends = moved_end(summary, decision)
    return {**summary, "confirmed": confirmed, **({"ends_at": ends} if ends else {})}


def must_store(summary: Mapping[str, Any], stored: Mapping[str, Any], decision: Decision, grace: timedelta) -> bool:
    """Whether a server's new summary must be written to the hub's database.

    That is so when what is stored is too far behind, when the server's end has moved, and as soon as a source is silent:
    its last word is then all there is.

    Args:
        summary: as it is now.
        stored: as the database has it.
        decision: the last one.
        grace: ``access.outage_grace``; what is stored is at most a tenth of it behind.
    """
    if summary.get("ends_at") != stored.get("ends_at"):
        return True
    silent = {str(v.ref) for v in decision.verdicts if v.standing is Standing.UNKNOWN}
    known, kept = summary.get("confirmed") or {}, stored.get("confirmed") or {}
    return any(
        _apart(at, kept.get(ref)) > (timedelta() if ref in silent else min(KEPT, grace / 10))
        for ref, at in known.items()
    )


def _apart(now: object, before: object) -> timedelta:
    try:
        return datetime.fromisoformat(str(now)) - datetime.fromisoformat(str(before))
    except (ValueError, TypeError):
        return timedelta.max


def moved_end(summary: Mapping[str, Any], decision: Decision) -> str:
    """The server's end where the sources have moved it, else empty: when its time is over, or the first of its rights."""
    try:
        latest = datetime.fromisoformat(str(summary["latest"]))
        now = datetime.fromisoformat(str(summary["ends_at"]))
    except (KeyError, ValueError):
        return ""
    ends = min(latest, decision.ends_at) if decision.ends_at else latest
    return "" if abs(ends - now) < timedelta(seconds=60) else ends.isoformat(timespec="seconds")
