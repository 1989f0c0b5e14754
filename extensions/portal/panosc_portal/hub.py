"""What the portal asks the hub. The hub decides: who somebody is, what is theirs, where it lies, and what is started."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr


@dataclass(frozen=True)
class Login:
    """Somebody who is logged in here: the hub's user name, and the token that the hub gave the portal for them.

    ``own_token``: they came with a token of their own instead (``Authorization``). It says who they are; nothing else of the
    hub's is open to it, so no job may act by it.
    """

    username: str
    token: SecretStr
    display_name: str = ""
    admin: bool = False
    own_token: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Session:
    """One visit of a proposal's at an instrument, as its source tells."""

    instrument: str = ""
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class OwnProposal:
    """A proposal that the person may open now: ``ref`` is ``esrf/ma1234``."""

    ref: str
    title: str
    role: str
    source: str
    instruments: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    access_ends: datetime | None = None
    visits: tuple[Session, ...] = ()


@dataclass(frozen=True)
class RunningServer:
    """A server of the person's: ``url`` is its path at the hub, ``proposals`` are refs."""

    name: str
    url: str
    ready: bool
    proposals: tuple[str, ...] = ()
    environment: str = ""


@dataclass(frozen=True)
class PersonReport:
    """What the hub knows of the person at this moment."""

    proposals: tuple[OwnProposal, ...] = ()
    servers: tuple[RunningServer, ...] = ()
    troubles: tuple[str, ...] = ()  # words: sources that did not answer


@dataclass(frozen=True)
class AreaDirectory:
    """A real directory (no links in it) that the person may read: ``area`` is raw, processed, scratch or shared.

    ``label`` is the visit's directory (``id31-20250915``) where data are mounted by visit, else empty: the person sees
    ``proposals/<facility>/<id>/<area>/<label>``.
    """

    area: str
    path: Path
    root: Path
    label: str = ""
    read_only: bool = True


@dataclass(frozen=True)
class ProposalData:
    """Where a proposal's data lie for one person, and as whom they are read; decided as a start of a server is.

    ``own``: servers are local processes of the hub's own account here, and so is who reads; only then may it be root's.
    """

    ref: str
    areas: tuple[AreaDirectory, ...]
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    own: bool = False


class Hub(Protocol):
    """The hub, asked in a person's name with their token."""

    async def person(self, login: Login) -> PersonReport:
        """What is theirs.

        Raises:
            HubError: 401 if the login is over, 503 if the hub does not answer.
        """

    async def data(self, login: Login, proposal: str, purpose: str) -> ProposalData:
        """Where a proposal's data lie, by rights that are live now. The hub writes it down, with the purpose.

        Args:
            login: the person.
            proposal: ``esrf/ma1234``.
            purpose: ``download``, ``archive``, ``stage``, ``preview`` or ``index``.

        Raises:
            HubError: 403 with the hub's words of refusal; 401, 503.
        """

    async def catalogue_token(self, login: Login, catalogue: str) -> SecretStr:
        """A fresh token of the person's for one catalogue, if the site allows it one.

        Raises:
            HubError: in words.
        """

    async def start(self, login: Login, proposal: str, environment: str, then: str) -> str:
        """Start a server of the person's for one proposal, or find the one that runs or starts.

        Args:
            login: the person.
            proposal: ``esrf/ma1234``.
            environment: ``<facility>/<id>``, or empty for the one that the hub suggests.
            then: the portal's page that is to follow, as a path: ``/services/portal/open/go?…``.

        Returns:
            The address to send the browser to: the page of the start's progress, which leads on to ``then``; or ``then``.

        Raises:
            HubError: with the hub's words, if it may or can not be.
        """

    async def put_file(self, login: Login, server: str, path: str, content: bytes) -> str:
        """Write a new file into the home of a running server of the person's; the path that was free and was used.

        Raises:
            HubError: in words.
        """

    async def aclose(self) -> None:
        """Close its connections."""
