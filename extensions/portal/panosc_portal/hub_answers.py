"""What the hub answers the portal, as it comes: each answer is looked at before anything is done with it."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, SecretStr

from panosc_portal.hub import OwnProposal, Session


class Answer(BaseModel):
    """What the hub says; more than is known here is left out."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Who(Answer):
    """Whose a token is."""

    username: str
    display_name: str = ""
    admin: bool = False


class Visit(Answer):
    """A session at an instrument."""

    model_config = ConfigDict(extra="ignore", strict=False)
    instrument: str
    start: date | None = None
    end: date | None = None


class Proposal(Answer):
    """A proposal of the person's."""

    model_config = ConfigDict(extra="ignore", strict=False)
    ref: str
    title: str
    role: str
    source: str
    instruments: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    access_ends: datetime | None = None
    visits: tuple[Visit, ...] = ()

    def own(self) -> OwnProposal:
        """As the portal has it."""
        visits = tuple(Session(one.instrument, one.start, one.end) for one in self.visits)
        return OwnProposal(**{**dict(self), "visits": visits})


class Server(Answer):
    """A server of theirs."""

    name: str
    url: str
    ready: bool
    proposals: list[str] = []
    environment: str = ""


class Report(Answer):
    """What is theirs."""

    proposals: list[Proposal]
    servers: list[Server]
    troubles: list[str]


class Area(Answer):
    """A directory of a proposal."""

    area: str
    path: str
    root: str
    label: str
    read_only: bool


class Data(Answer):
    """Where a proposal's data lie, and as whom they are read."""

    ref: str
    areas: list[Area]
    uid: int
    gid: int
    groups: list[int]
    warnings: list[str]
    own: bool = False


class Token(Answer):
    """A token for a catalogue or a storage."""

    token: SecretStr


class Key(Answer):
    """A token for one server."""

    key: SecretStr


class Address(Answer):
    """Where a browser is sent."""

    address: str


class Exchanged(Answer):
    """A login's token."""

    access_token: SecretStr
