"""Who opened whose data, and what happened to somebody's own account: from lines of the audit log to what a page shows. Pure.

Who may see what: a main proposer sees who opened data of their proposals, by name and role, when, which data, and whether they
could be changed. Everybody sees what happened to their own account. Nobody else sees either; team members do not see each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from panosc_spawner.audit import Entry, Event
from panosc_spawner.facilities.model import Role
from panosc_spawner.launch.roles import ROLE_WORDS
from panosc_spawner.pages.words import count

MOST = 300
"""Lines of each kind that a page shows; there may be more."""

_TOGETHER = timedelta(minutes=2)
"""Directories that one server was given within this time are one opening."""

_AREAS = {"raw": "raw data", "processed": "processed data", "scratch": "scratch", "shared": "shared files"}

_PURPOSES = {
    "download": "for a download",
    "archive": "to archive them",
    "stage": "to copy them here",
    "preview": "for a picture of them",
    "index": "to find them by search",
}


@dataclass(frozen=True)
class Opening:
    """Somebody opened data of a proposal."""

    ref: str
    when: datetime
    name: str
    own: bool
    role: str
    read: str
    changed: str
    purpose: str = ""  # without a server: what the portal read them for, in words


@dataclass
class _Server:
    """What one server was given of one proposal at one time, as it is put together from several lines."""

    entry: Entry
    last: datetime
    read: dict[str, None]
    written: dict[str, None]


def openings(
    entries: Iterable[Entry], proposals: frozenset[str], own: str, name_of: Callable[[str], str]
) -> list[Opening]:
    """Who opened these proposals, the last first.

    Args:
        entries: of the audit log, the newest first.
        proposals: those whose main proposer asks.
        own: the hub's user name of who asks.
        name_of: the name of a person for people, by their user name; empty if they are not here any more.
    """
    servers: list[_Server] = []
    latest: dict[tuple[str, ...], _Server] = {}
    for entry in entries:
        if entry.event not in (Event.MOUNT, Event.DATA_READ) or entry.get("proposal") not in proposals:
            continue
        key = (entry.event, entry.get("person"), entry.get("server"), entry.get("proposal"), _purpose(entry))
        server = latest.get(key)
        if server is None or server.last - entry.time > _TOGETHER:
            server = latest[key] = _Server(entry, entry.time, {}, {})
            servers.append(server)
        server.last = entry.time
        (server.written if entry.get("access") == "rw" else server.read).update(dict.fromkeys(_areas_of(entry)))
    return [_opening(server, own, name_of) for server in servers[:MOST]]


def _opening(server: _Server, own: str, name_of: Callable[[str], str]) -> Opening:
    person = server.entry.get("person")
    return Opening(
        ref=server.entry.get("proposal"),
        when=server.last,
        name=name_of(person) or "somebody who is not here any more",
        own=person == own,
        role=_role(server.entry.get("role")),
        read=_areas(server.read),
        changed=_areas(server.written),
        purpose=_purpose(server.entry),
    )


def _areas_of(entry: Entry) -> list[str]:
    several = entry.fields.get("areas")
    return [str(area) for area in several] if isinstance(several, list) else [entry.get("area")]


def _purpose(entry: Entry) -> str:
    if entry.event != Event.DATA_READ:
        return ""
    return _PURPOSES.get(entry.get("reason"), entry.get("reason"))


def _role(value: str) -> str:
    return ROLE_WORDS[Role(value)] if value in set(Role) else value


def _areas(found: Iterable[str]) -> str:
    areas = set(found)
    return ", ".join([*(words for area, words in _AREAS.items() if area in areas), *sorted(areas - set(_AREAS))])


@dataclass(frozen=True)
class Happening:
    """Something that happened to one's own account."""

    when: datetime
    words: str


def happenings(entries: Iterable[Entry], own: str) -> list[Happening]:
    """What happened to somebody's account, the last first."""
    mine = (entry for entry in entries if entry.get("person") == own)
    found = (Happening(entry.time, words) for entry in mine if (words := _happened(entry)))
    return list(islice(found, MOST))


def _happened(entry: Entry) -> str:
    make = _WORDS.get(entry.event)
    return make(entry) if make else ""


def _proposals(entry: Entry) -> str:
    several = entry.fields.get("proposals")
    refs = [str(ref) for ref in several] if isinstance(several, list) else [entry.get("proposal")]
    shown = ", ".join(ref.partition("/")[2] or ref for ref in refs[:5] if ref)
    return f"{shown} and {count(len(refs) - 5, 'more proposal')}" if len(refs) > 5 else shown


def _because(entry: Entry) -> str:
    reason = _REASONS.get(entry.get("reason"), "")
    return f": {reason}" if reason else ""


_REASONS = {
    "access-removed": "a proposal in it was taken away",
    "login-ended": "your login had ended",
    "server-failed": "it ended by itself",
    "out-of-memory": "it used too much memory",
    "grant-ended": "your access had ended",
}

_WORDS: Mapping[str, Callable[[Entry], str]] = {
    Event.LOGIN: lambda entry: "You logged in.",
    Event.LOGOUT: lambda entry: "You logged out.",
    Event.LOGIN_ENDED: lambda entry: "Your login ended.",
    Event.SERVER_STARTED: lambda entry: f"You opened {_proposals(entry)}.",
    Event.DATA_READ: lambda entry: f"Data of {_proposals(entry)} were read for you {_purpose(entry)}.",
    Event.SERVER_STOPPED: lambda entry: f"What you had open of {_proposals(entry)} was closed{_because(entry)}.",
    Event.REFUSAL: lambda entry: f"You could not open {_proposals(entry) or 'something'}: {entry.get('evidence')}",
    Event.REVOCATION: lambda entry: f"{_proposals(entry) or 'A proposal'} was taken away from what you had open.",
    Event.GRANT_ADDED: lambda entry: f"{_proposals(entry)} became yours to open.",
    Event.GRANT_REMOVED: lambda entry: f"{_proposals(entry)} is not yours to open any more.",
    Event.GRANT_CHANGED: lambda entry: f"Your right to {_proposals(entry)} changed.",
    Event.TOKEN_GIVEN: lambda entry: f"Code of yours was given a token for {entry.get('audience') or 'a service'}.",
    Event.TOKEN_REFUSED: lambda entry: (
        f"Code of yours asked for a token for {entry.get('audience') or 'a service'}; it got none."
    ),
    Event.IDENTITY_LINKED: lambda entry: f"A login was linked to your account: {entry.get('identity')}.",
    Event.IDENTITY_UNLINKED: lambda entry: f"A login was unlinked from your account: {entry.get('identity')}.",
    Event.SHARING_REFUSED: lambda entry: "Sharing something that you had open was refused.",
    Event.ADMIN: lambda entry: f"{_who(entry)}: {_did(entry)}",
}


def _who(entry: Entry) -> str:
    return "This hub’s own service" if entry.get("by").startswith("service ") else "An administrator"


def _did(entry: Entry) -> str:
    request = entry.get("request")
    refused = int(entry.get("status") or 0) >= 400 if entry.get("status").isdigit() else False
    what = (
        "stopped what you had open"
        if request.startswith("DELETE") and "server" in request
        else f"changed your account ({request})"
    )
    return f"tried to act on your account ({request}), and was refused." if refused else f"{what}."
