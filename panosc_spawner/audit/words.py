"""A line of the audit log as an operator reads it: when, what, who, and the rest in words. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from panosc_spawner.audit.events import Event
from panosc_spawner.audit.reader import Entry

_WIDTH = max(len(event) for event in Event)
_SAID = ("time", "event", "person", "by", "proposal", "proposals", "server", "source", "evidence", "reason")

_IN_ACCESS: dict[str, tuple[str, ...]] = {Event.MOUNT: ("area", "access", "role"), Event.DATA_READ: ("areas", "role")}


def in_words(entry: Entry) -> str:
    """One line of plain text; what came from outside cannot break it or move the terminal."""
    who = entry.get("person") or "-"
    if entry.get("by"):
        who += f" (by {entry.get('by')})"
    parts = [_proposals(entry), _server(entry), _access(entry), entry.get("reason"), _why(entry), _rest(entry)]
    said = "; ".join(part for part in parts if part)
    text = f"{entry.time.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z  {entry.event:<{_WIDTH}}  {who}  {said}"
    return "".join(character if character.isprintable() else " " for character in text).rstrip()


def _proposals(entry: Entry) -> str:
    several = entry.fields.get("proposals")
    return entry.get("proposal") or (", ".join(map(str, several)) if isinstance(several, list) else "")


def _server(entry: Entry) -> str:
    return f"server {entry.get('server')}" if entry.get("server") else ""


def _access(entry: Entry) -> str:
    if entry.event == Event.DATA_READ:
        return f"{_value(entry.fields.get('areas', ''))} as {entry.get('role')}"
    if entry.event != Event.MOUNT:
        return ""
    return f"{entry.get('area')} ({entry.get('access')}) as {entry.get('role')}"


def _why(entry: Entry) -> str:
    return ": ".join(part for part in (entry.get("source"), entry.get("evidence")) if part)


def _rest(entry: Entry) -> str:
    said = {*_SAID, *_IN_ACCESS.get(entry.event, ())}
    return ", ".join(f"{name}={_value(value)}" for name, value in entry.fields.items() if name not in said)


def _value(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
