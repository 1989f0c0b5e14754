"""What is asked, and the answer: a chain of links, each in order, broken, or not known. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.proposals.book import GrantBook


class Step(StrEnum):
    """The links of the chain, in their order."""

    IDENTITY = "identity"
    LOGIN = "login"
    PROPOSAL = "proposal"
    SOURCE = "source"
    GRANT = "grant"
    PATH = "path"
    ACCOUNT = "account"
    PERMISSION = "permission"
    MOUNT = "mount"


class State(StrEnum):
    """How a link is. Not known: it could not be tried; the link says why."""

    OK = "ok"
    BROKEN = "broken"
    UNKNOWN = "not known"


class Helper(StrEnum):
    """Who can mend a link."""

    PERSON = "person"
    MAIN_PROPOSER = "main proposer"
    USER_OFFICE = "user office"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Link:
    """One link.

    Args:
        step: which.
        state: how it is.
        subject: of what, where there are several of this step: a source's name, an area.
        message: what was found, in words that the person may read: no path of anybody else's, nothing about proposals that
            are not theirs.
        remedy: what to do.
        who: who can do it.
        code: what is wrong, for programs; empty if nothing is.
        details: for operators only: paths, ids, modes.
        notes: what does not break it but is worth knowing.
    """

    step: Step
    state: State
    message: str
    subject: str = ""
    remedy: str = ""
    who: tuple[Helper, ...] = ()
    code: str = ""
    details: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self, *, for_operator: bool = True) -> dict[str, Any]:
        """For programs; empty fields are left out."""
        found = {
            "step": self.step.value,
            "state": self.state.value,
            "subject": self.subject,
            "message": self.message,
            "remedy": self.remedy,
            "who": [helper.value for helper in self.who],
            "code": self.code,
            "details": self.details if for_operator else "",
            "notes": list(self.notes),
        }
        return {name: value for name, value in found.items() if value not in ("", [])}


@dataclass(frozen=True)
class Explanation:
    """The whole chain."""

    person: str
    proposal: str
    asked_at: datetime
    links: tuple[Link, ...]

    @property
    def broken(self) -> Link | None:
        """The first broken link: what must be mended first."""
        return next((link for link in self.links if link.state is State.BROKEN), None)

    @property
    def opens(self) -> bool:
        """Whether it could be opened now."""
        return self.broken is None and any(link.step is Step.MOUNT and link.state is State.OK for link in self.links)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        broken = self.broken
        return {
            "person": self.person,
            "proposal": self.proposal,
            "asked_at": self.asked_at.isoformat(timespec="seconds"),
            "opens": self.opens,
            "broken": broken.step.value if broken else None,
            "code": broken.code if broken else None,
            "links": [link.to_json() for link in self.links],
        }


@dataclass(frozen=True)
class Running:
    """A server of the person that runs now, and what it has been given."""

    name: str
    proposals: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Args:
        site: the site.
        book: asks its sources.
        proposal: as somebody wrote it: ``esrf/MA-1234``.
        person: who, as their last login said; None if there is nobody to ask about.
        identity: where nobody is logged in: the identity that the question is about.
        trouble: why there is no person, or none who may log in: what an :class:`~.errors.IdentityError` said.
        from_login: whether the person is from a login; else only their identity is known, no claims and no groups.
        logged_in: whether the login is still there; False: the hub has ended it.
        claims: all claims of a login, where they are at hand (a dry run).
        acr: how they authenticated, where it is known.
        running: their servers.
        together: other proposals that are to be in the same server.
        max_age: how old the sources' answers may be, in seconds.
    """

    site: Site
    book: GrantBook
    proposal: str
    person: Person | None = None
    identity: Identity | None = None
    trouble: str = ""
    from_login: bool = True
    logged_in: bool = True
    claims: Mapping[str, Any] | None = None
    acr: str = ""
    running: tuple[Running, ...] = ()
    together: tuple[str, ...] = ()
    max_age: float = 0
    now: datetime | None = field(default=None)
