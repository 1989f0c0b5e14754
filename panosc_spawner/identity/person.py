"""Who somebody is: the verified issuer, the identity at that issuer, and the claims that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from panosc_spawner.errors import IdentityError


@dataclass(frozen=True)
class Person:
    """A person as the AAI proved them.

    ``issuer`` and ``subject`` together are the identity, never a name or an e-mail address (AARC-G056: voperson_id).
    ``username`` is the hub's opaque name for it. ``claims`` holds only what the account mappings need.
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
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Person:
        """Read :meth:`to_state` back.

        Raises:
            IdentityError: if the state is not one that this version wrote; the person must log in again.
        """
        try:
            seen_at = datetime.fromisoformat(state["seen_at"])
            if seen_at.tzinfo is None:
                seen_at = seen_at.replace(tzinfo=UTC)
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
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IdentityError("Your login is from an older version of this hub. Log out and log in again.") from error


@dataclass(frozen=True)
class Account:
    """A person's account on the data's file system: numeric ids, as NFS and ACLs see them."""

    name: str
    uid: int
    gid: int
    gids: tuple[int, ...] = ()


@dataclass(frozen=True)
class NoAccount:
    """Why no account was found, in words."""

    reason: str
