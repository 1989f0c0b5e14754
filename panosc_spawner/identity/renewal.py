"""What comes of asking the login service about somebody again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Ending(StrEnum):
    """Why a login is over."""

    REFUSED = (
        "refused"  # the provider refuses the person's tokens: suspended, logged out there, or a refresh token ran out
    )
    NOT_ALLOWED = "not-allowed"  # blocked, not in the required group any more, or below a floor of assurance
    OTHER_IDENTITY = "other-identity"  # the tokens speak for somebody else now
    TOO_OLD = "session-too-old"  # access.max_session_age: the person has to log in again
    OUTAGE = "outage-too-long"  # the provider does not answer, for longer than access.outage_grace
    NO_LOGIN = "no-login"  # no usable login is stored, or its only token ran out
    UNLINKED = "unlinked"  # one of the account's logins was unlinked, or linked to another account
    LOGGED_OUT = "logged-out"  # the provider said so on the back channel

    @property
    def ends_servers(self) -> bool:
        """Whether running servers end too.

        Not where it is only our own rule that people show themselves from time to time: the user office is still asked
        about what their servers hold.
        """
        return self not in (Ending.TOO_OLD, Ending.NO_LOGIN)


@dataclass(frozen=True)
class Renewal:
    """The outcome: a new auth model; or go on as before, within the grace (both empty); or it is over."""

    model: Mapping[str, Any] | None = None
    ending: Ending | None = None

    @property
    def kept(self) -> bool:
        """Whether the provider did not answer and the login goes on for now."""
        return self.model is None and self.ending is None
