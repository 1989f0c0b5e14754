"""Data sets of ICAT and ICAT+: the same schema, told a little differently."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from panosc_portal.catalogues.entries import Kept
from panosc_portal.catalogues.model import Availability, Document, Member, Parameter
from panosc_portal.catalogues.values import Doi, Entry, Identifier, Line, Name, Prose, When


class IcatInstrument(Entry):
    """``Instrument``."""

    name: Line = ""
    full_name: Line = Field(default="", alias="fullName")


class AtInstrument(Entry):
    """``InvestigationInstrument``."""

    instrument: IcatInstrument


class _User(Entry):
    name: Line = ""
    full_name: Line = Field(default="", alias="fullName")
    orcid: Line = Field(default="", alias="orcidId")


class IcatMember(Entry):
    """``InvestigationUser``."""

    role: Line = ""
    user: Annotated[tuple[_User, ...], Kept()] = ()


class IcatInvestigation(Entry):
    """``Investigation``: one beamtime of a proposal, whose id is ``name``."""

    id: Identifier
    name: Line = ""
    visit_id: Name = Field(default="", alias="visitId")
    title: Line = ""
    summary: Prose = ""
    doi: Doi = ""
    start: When = Field(default=None, alias="startDate")
    end: When = Field(default=None, alias="endDate")
    release: When = Field(default=None, alias="releaseDate")
    instruments: Annotated[tuple[AtInstrument, ...], Kept()] = Field(default=(), alias="investigationInstruments")
    users: Annotated[tuple[IcatMember, ...], Kept()] = Field(default=(), alias="investigationUsers")

    def document(self) -> Document:
        """In the portal's words."""
        people = ((one.role, user) for one in self.users for user in one.user)
        return Document(
            pid=self.name or self.id,
            title=self.title,
            type="proposal",
            summary=self.summary,
            doi=self.doi,
            start=self.start.date() if self.start else None,
            end=self.end.date() if self.end else None,
            release=self.release.date() if self.release else None,
            members=tuple(Member(user.full_name, role, user.orcid) for role, user in people if user.full_name),
        )

    def availability(self, personal: bool) -> Availability:
        """Open once it is released; before that somebody's own, or under embargo. Without a day nobody knows."""
        if self.release is not None and self.release <= datetime.now(UTC):
            return Availability.OPEN
        if personal:
            return Availability.OWN
        return Availability.EMBARGOED if self.release is not None else Availability.UNKNOWN


class IcatTechnique(Entry):
    """``Technique``."""

    pid: Name = ""
    name: Line = ""


class _ParameterType(Entry):
    name: Line = Field(min_length=1)
    units: Line = ""


class IcatParameter(Entry):
    """``DatasetParameter``: a number, a text or a day."""

    type: _ParameterType
    number: float | None = Field(default=None, alias="numericValue")
    text: Line = Field(default="", alias="stringValue")

    def parameter(self) -> Parameter | None:
        """In the portal's words; None without a value."""
        value = self.number if self.number is not None else self.text
        return Parameter(self.type.name, value, self.type.units) if value != "" else None
