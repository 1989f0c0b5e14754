"""What the book of people must be, told once more by its history alone."""

from __future__ import annotations

from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import Act, Change, State
from panosc_spawner.identity.person import Identity

ADA = Identity("https://login.example", "ada@login.example")
ADA_ELSEWHERE = Identity("https://other.example", "0f3a@other.example")
BEA = Identity("https://login.example", "bea@login.example")


def replayed(history: list[Change]) -> dict[Identity, tuple[str, State]]:
    """Whose each identity is, from the history alone; fails where a user name goes to a second person."""
    now: dict[Identity, tuple[str, State]] = {}
    made: dict[str, Identity] = {}
    left: dict[Identity, str] = {}
    for change in history:
        identity, name = change.identity, change.username
        before = now.get(identity, ("", None))
        active_there = {other for other, what in now.items() if what == (name, State.ACTIVE)}
        match change.act:
            case Act.MADE:
                assert name not in made, "a user name was given twice"
                assert before[1] in (None, State.RELEASED)
                made[name] = identity
                now[identity] = (name, State.ACTIVE)
            case Act.LINKED | Act.MIGRATED:
                assert name in made
                assert before[1] is not State.ACTIVE, "moved without a word"
                now[identity] = (name, State.ACTIVE)
                left = {other: own for other, own in left.items() if own != name}
            case Act.LEFT:
                assert before == (name, State.ACTIVE)
                if made[name] == identity:
                    left[identity] = name
                now[identity] = (name, State.UNLINKED)
            case Act.UNLINKED:
                assert before == (name, State.ACTIVE)
                assert active_there - {identity}, "the last one was unlinked"
                now[identity] = (name, State.UNLINKED)
            case Act.RETURNED:
                assert left.pop(identity) == name, "it never was there, or somebody else was meanwhile"
                assert not active_there
                assert made[name] == identity
                now[identity] = (name, State.ACTIVE)
            case Act.REMOVED:
                now[identity] = (before[0], State.REMOVED)
            case Act.RELEASED:
                assert before[1] in (State.UNLINKED, State.REMOVED)
                now[identity] = ("", State.RELEASED)
    return now


def in_the_book(store: PeopleStore) -> dict[Identity, tuple[str, State]]:
    """The same from the table."""
    return {known.identity: (known.username, known.state) for known in store.everybody()}
