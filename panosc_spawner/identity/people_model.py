"""What the book of people holds, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from panosc_spawner.identity.person import Identity

HUB = "hub"
"""Who did it, where nobody did: a first login, a rule."""

_PERSON_NAME = re.compile(r"p-[a-z2-7]{20}", re.ASCII)


def is_person_name(text: object) -> bool:
    """Whether this is a user name as :func:`~.username.username_for` makes them; no reserved name or look-alike is."""
    return isinstance(text, str) and _PERSON_NAME.fullmatch(text) is not None


class State(StrEnum):
    """What an identity may do now; :mod:`.people` says what each means."""

    ACTIVE = "active"
    UNLINKED = "unlinked"
    REMOVED = "removed"
    RELEASED = "released"


class Act(StrEnum):
    """What happened to an identity; the values stand in the file and never change their meaning."""

    MADE = "made"  # a person, by a first login
    LINKED = "linked"
    MIGRATED = "migrated"  # linked by a community's migration rule
    LEFT = "left"  # the account it had, for another one
    UNLINKED = "unlinked"
    RETURNED = "returned"  # to the account it had left
    REMOVED = "removed"
    RELEASED = "released"


@dataclass(frozen=True)
class KnownIdentity:
    """An identity in the book.

    ``username`` is whose it is, or was last. ``left`` is the account of its own that it goes back to when it is unlinked.
    """

    identity: Identity
    username: str
    state: State
    since: datetime
    left: str = ""


@dataclass(frozen=True)
class Change:
    """A line of history. ``username`` is the person that it is about, or empty."""

    number: int
    time: datetime
    act: Act
    identity: Identity
    username: str
    by: str
    reason: str
    proof: str


@dataclass(frozen=True)
class Moved:
    """An identity that was linked: it is ``username``'s now, and was ``left``'s before (or nobody's)."""

    identity: Identity
    username: str
    left: str
