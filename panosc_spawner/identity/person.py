"""Who somebody is: the verified issuer, the identity at that issuer, and the claims that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from panosc_spawner.errors import IdentityError


class Identity(NamedTuple):
    """What names somebody: the verified issuer, and the subject in its canonical form."""

    issuer: str
    subject: str

    def __str__(self) -> str:
        return f"{self.subject} ({self.issuer})"


@dataclass(frozen=True)
class Person:
    """A person as the AAI proved them.

    ``issuer`` and ``subject`` together are the identity, never a name or an e-mail address (AARC-G056: voperson_id).
    ``username`` is the hub's opaque name for it. ``claims`` holds only what the account mappings need. ``linked`` are further
    identities that were proven to be the same person's.
    """

    issuer: str
    subject: str
    username: str
    display_name: str
    community: str
    seen_at: datetime
    admin: bool = False
    entitlements: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    linked: tuple[Identity, ...] = ()
    logged_in_at: datetime | None = None  # None: not known; then it counts from seen_at

    @property
    def identity(self) -> Identity:
        """The one they are logged in with."""
        return Identity(self.issuer, self.subject)

    @property
    def identities(self) -> tuple[Identity, ...]:
        """All that are proven to be theirs, the one they are logged in with first."""
        return (self.identity, *(other for other in self.linked if other != self.identity))

    def subjects_of(self, issuer: str) -> tuple[str, ...]:
        """Their subjects at one issuer."""
        return tuple(identity.subject for identity in self.identities if identity.issuer == issuer)

    def to_state(self) -> dict[str, Any]:
        """JSON for the hub's encrypted auth_state; the inverse of :meth:`from_state`."""
        return {
            "issuer": self.issuer,
            "subject": self.subject,
            "username": self.username,
            "display_name": self.display_name,
            "community": self.community,
            "seen_at": self.seen_at.isoformat(),
            "admin": self.admin,
            "entitlements": list(self.entitlements),
            "claims": dict(self.claims),
            "linked": [list(identity) for identity in self.linked],
            "logged_in_at": self.logged_in_at.isoformat() if self.logged_in_at else None,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Person:
        """Read :meth:`to_state` back.

        Raises:
            IdentityError: if the state is not one that this version wrote; the person must log in again.
        """
        try:
            seen_at = _moment(state["seen_at"])
            logged_in_at = state["logged_in_at"]
            return cls(
                issuer=str(state["issuer"]),
                subject=str(state["subject"]),
                username=str(state["username"]),
                display_name=str(state["display_name"]),
                community=str(state["community"]),
                seen_at=seen_at,
                admin=state["admin"] is True,
                entitlements=tuple(str(item) for item in state["entitlements"]),
                claims=dict(state["claims"]),
                linked=tuple(Identity(str(issuer), str(subject)) for issuer, subject in state["linked"]),
                logged_in_at=_moment(logged_in_at) if logged_in_at else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IdentityError("Your login is from an older version of this hub. Log out and log in again.") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    """A person's account on the data's file system: numeric ids, as NFS and ACLs see them."""

    name: str
    uid: int
    gid: int
    gids: tuple[int, ...] = ()


@dataclass(frozen=True)
class NoAccount:
    """Why no account was found, in words. ``failed``: it could not be looked up now; there may be one."""

    reason: str
    failed: bool = field(default=False, compare=False)
