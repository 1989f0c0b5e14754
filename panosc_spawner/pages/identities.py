"""What the page “My identities” says, from the book of people. Pure: no JupyterHub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import HUB, Act, Change
from panosc_spawner.identity.person import Identity, Person

_NO_COMMUNITY = "a login service that this hub does not use any more"
_MADE = (Act.MADE, Act.LINKED, Act.MIGRATED, Act.RETURNED)
_WORDS = {
    Act.MADE: "made this account with its first login",
    Act.LINKED: "was linked",
    Act.MIGRATED: "was linked: its community gave it a new identifier",
    Act.LEFT: "left this account for another one",
    Act.UNLINKED: "was unlinked",
    Act.RETURNED: "came back to this account",
    Act.REMOVED: "was shut out",
    Act.RELEASED: "was let in again",
}


@dataclass(frozen=True)
class LoginView:
    """One login of an account: where one signs in, as whom, since when and how it came to the account."""

    identity: Identity
    community: str
    since: datetime | None
    how: str
    current: bool
    may_unlink: bool


@dataclass(frozen=True)
class ChangeView:
    """A line of the account's history."""

    time: datetime
    community: str
    subject: str
    what: str
    who: str
    reason: str


@dataclass(frozen=True)
class Session:
    """Since when somebody is logged in, and when they have to log in again at the latest."""

    since: datetime
    until: datetime


def session_of(person: Person, longest: timedelta) -> Session:
    """Of a person who is logged in; ``longest`` is ``access.max_session_age``."""
    since = person.logged_in_at or person.seen_at
    return Session(since, since + longest)


def logins_of(people: PeopleStore, person: Person, titles: Mapping[str, str]) -> list[LoginView]:
    """The logins of a person's account, the one they are logged in with first.

    Args:
        people: the book.
        person: who looks.
        titles: of the communities, by issuer.
    """
    identities = people.identities_of(person.username)
    views = [
        _login(
            people.history(identity=identity, username=person.username), identity, person, titles, len(identities) > 1
        )
        for identity in identities
    ]
    return sorted(views, key=lambda view: not view.current)


def history_of(people: PeopleStore, username: str, titles: Mapping[str, str]) -> list[ChangeView]:
    """What happened to an account's logins, the newest first."""
    return [_change(change, username, titles) for change in reversed(people.history(username=username))]


def title_of(issuer: str, titles: Mapping[str, str]) -> str:
    """What people call where they sign in."""
    return titles.get(issuer, _NO_COMMUNITY)


def _login(
    history: Iterable[Change], identity: Identity, person: Person, titles: Mapping[str, str], several: bool
) -> LoginView:
    made = [change for change in history if change.act in _MADE]
    last = made[-1] if made else None
    how = f"{_WORDS[last.act]}, {_who(last.by, person.username)}" if last and last.by != HUB else ""
    how = how or (_WORDS[last.act] if last else "")
    title = title_of(identity.issuer, titles)
    return LoginView(identity, title, last.time if last else None, how, identity == person.identity, several)


def _change(change: Change, username: str, titles: Mapping[str, str]) -> ChangeView:
    who = _who(change.by, username)
    reason = "" if change.by in (HUB, username) else change.reason
    return ChangeView(
        change.time, title_of(change.identity.issuer, titles), change.identity.subject, _WORDS[change.act], who, reason
    )


def _who(by: str, username: str) -> str:
    if by == HUB:
        return "by this hub"
    return "by yourself" if by == username else "by the people who run this hub"
