"""How fresh rights and logins must be, and what becomes of servers when they end (``[access]``, ``[tokens]``)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from panosc_spawner.facilities.model import Model, PlainName
from panosc_spawner.facilities.units import Duration


class AccessPolicy(Model):
    """How fresh a right must be (``[access]``)."""

    max_grant_age: Duration = Field(
        default=timedelta(minutes=15), description="A grant seen longer ago makes no mount."
    )
    keep_last_answer: Duration = Field(
        default=timedelta(hours=4), description="A failed source's last answer is shown this long, as such."
    )
    source_timeout: Duration = Field(
        default=timedelta(seconds=5), description="A source that has not answered by then has failed."
    )
    minimum_uid: int = Field(
        default=1000, ge=1, description="Nobody runs as a user id below this: those are the system's."
    )
    minimum_gid: int = Field(default=100, ge=1, description="Nor with a group id below this.")
    outage_grace: Duration = Field(
        default=timedelta(hours=1),
        description="People at work stay logged in this long while the identity provider is down, and in any case until the hub "
        "itself has heard nothing for two minutes (or this, if it is shorter).",
    )
    recheck: Duration = Field(
        default=timedelta(seconds=20),
        description="How often the login service and the sources are asked about people who have servers or are logged in. "
        "A right taken away is noticed within this time, and gone within a minute.",
    )
    max_session_age: Duration = Field(
        default=timedelta(hours=12),
        description="After this people log in anew: a login service may go on telling what it knew at the login. Shorter than its "
        "refresh tokens and sessions live: one that runs out there looks like a suspension, and ends servers.",
    )
    clock_skew: Duration = Field(
        default=timedelta(seconds=60),
        description="By which clocks of the login service and of this machine may differ.",
    )
    when_revoked: Literal["restart", "stop"] = Field(
        default="restart",
        description="restart: a server that holds other proposals too is started again without the one taken away; "
        "stop: it ends. Either way the person is told, and home and processed data are kept.",
    )


class TokenRule(Model):
    """Tokens that a person's own code may fetch from the hub (``[tokens.<name>]``)."""

    audience: str = Field(min_length=1, description="For whom the token is: the audience of the exchange (RFC 8693).")
    facilities: tuple[PlainName, ...] = Field(
        min_length=1, description="Facilities that allow it: the server must hold a proposal of one of them."
    )
    scope: str = Field(default="", description="Scopes of the token, as the login service names them.")
    lifetime: Duration = Field(
        default=timedelta(minutes=10), description="A token that would be valid for longer is not given."
    )
