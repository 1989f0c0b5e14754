"""The data model of the PaNOSC search API, as its implementations really answer it.

Only a data set's pid is certain. Foreign keys that LoopBack 3 lets out (``documentId``) are read; all else unknown is left.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from panosc_portal.catalogues.entries import Kept
from panosc_portal.catalogues.model import (
    Availability,
    Dataset,
    Document,
    Instrument,
    Member,
    Parameter,
    Sample,
    Technique,
)
from panosc_portal.catalogues.values import (
    Day,
    Doi,
    Entry,
    Exact,
    Identifier,
    Line,
    Name,
    Prose,
    Quantity,
    Rank,
    Size,
    When,
    directory_of,
    doi,
    file_path,
    panet,
)


class PanoscTechnique(Entry):
    """``Technique``."""

    pid: Name = ""
    name: Line = ""
    panet_id: Name = Field(default="", alias="panetId")


class PanoscParameter(Entry):
    """``Parameter``: without a value it says nothing."""

    name: Line = Field(min_length=1)
    value: Quantity
    unit: Line = ""


class PanoscSample(Entry):
    """``Sample``."""

    name: Line = ""
    description: Prose = ""


class PanoscInstrument(Entry):
    """``Instrument``."""

    pid: Name = ""
    name: Line = ""
    facility: Line = ""


class PanoscPerson(Entry):
    """``Person``."""

    full_name: Line = Field(default="", alias="fullName")
    first_name: Line = Field(default="", alias="firstName")
    last_name: Line = Field(default="", alias="lastName")
    orcid: Line = ""


class _Affiliation(Entry):
    name: Line = ""


class PanoscMember(Entry):
    """``Member``."""

    role: Line = ""
    person: Annotated[tuple[PanoscPerson, ...], Kept()] = ()
    affiliation: Annotated[tuple[_Affiliation, ...], Kept()] = ()


class PanoscFile(Entry):
    """``File``."""

    name: Exact = ""
    path: Exact = ""
    size: Size = None

    @property
    def full_path(self) -> str:
        """Directory and name as one path; empty if it is none."""
        return file_path(self.path, self.name)


class PanoscDocument(Entry):
    """``Document``."""

    pid: Identifier
    title: Line = ""
    type: Line = ""
    summary: Prose = ""
    doi: Doi = ""
    start: Day = Field(default=None, alias="startDate")
    end: Day = Field(default=None, alias="endDate")
    release: Day = Field(default=None, alias="releaseDate")
    licence: Line = Field(default="", alias="license")
    keywords: Any = ()
    members: Annotated[tuple[PanoscMember, ...], Kept()] = ()
    datasets: Any = None

    def words(self) -> tuple[str, ...]:
        """Its keywords that are texts."""
        listed = self.keywords if isinstance(self.keywords, list) else []
        return tuple(word[:200] for word in listed[:100] if isinstance(word, str) and word.isprintable() and word)

    def dataset_pids(self) -> tuple[str, ...]:
        """The PIDs of its data sets, where they were included."""
        listed = self.datasets if isinstance(self.datasets, list) else []
        pids = (one.get("pid") for one in listed[:200] if isinstance(one, dict))
        return tuple(pid for pid in pids if isinstance(pid, str) and 0 < len(pid) <= 500)

    def document(self) -> Document:
        """In the portal's words."""
        return Document(
            pid=self.pid,
            title=self.title,
            type=self.type,
            summary=self.summary,
            doi=self.doi or doi(self.pid),
            start=self.start,
            end=self.end,
            release=self.release,
            licence=self.licence,
            keywords=self.words(),
            members=tuple(member for one in self.members if (member := _member(one)) is not None),
        )


class PanoscDataset(Entry):
    """``Dataset``."""

    pid: Identifier
    title: Line = ""
    is_public: bool | None = Field(default=None, alias="isPublic", strict=True)
    created: When = Field(default=None, alias="creationDate")
    size: Size = None
    score: Rank = None
    document_id: Name = Field(default="", validation_alias=AliasChoices("documentId", "documentid"))
    instruments: Annotated[tuple[PanoscInstrument, ...], Kept()] = Field(default=(), alias="instrument")
    techniques: Annotated[tuple[PanoscTechnique, ...], Kept()] = ()
    parameters: Annotated[tuple[PanoscParameter, ...], Kept()] = ()
    samples: Annotated[tuple[PanoscSample, ...], Kept()] = ()
    document: Annotated[tuple[PanoscDocument, ...], Kept()] = ()
    documents: Annotated[tuple[PanoscDocument, ...], Kept()] = ()
    files: Annotated[tuple[PanoscFile, ...], Kept()] = ()

    def own_documents(self) -> tuple[Document, ...]:
        """Its documents; of one that was not included, at least its PID."""
        known = tuple(one.document() for one in (*self.documents, *self.document))
        return known or ((Document(pid=self.document_id),) if self.document_id else ())

    def directory(self) -> str:
        """The directory of the first file that has an absolute path."""
        return next((found for file in self.files if (found := directory_of(file.full_path))), "")


def availability_of(entry: PanoscDataset, documents: tuple[Document, ...], personal: bool) -> Availability:
    """What its marks say. With a person's token, what is not public is theirs; a release to come is an embargo."""
    release = release_of(documents)
    if entry.is_public is None:
        return Availability.UNKNOWN
    if not entry.is_public:
        return Availability.OWN if personal else Availability.EMBARGOED
    return Availability.EMBARGOED if release and release > datetime.now(UTC).date() else Availability.OPEN


def release_of(documents: tuple[Document, ...]) -> Any:
    """When the last of its proposals' embargoes ends."""
    return max((one.release for one in documents if one.release and one.type != "publication"), default=None)


def to_dataset(
    entry: PanoscDataset,
    *,
    source: str,
    facility: str,
    personal: bool,
    proposal: str,
    landing: str,
    ranked: bool,
    location: str,
) -> Dataset:
    """In the portal's words."""
    documents = entry.own_documents()
    own_doi = doi(entry.pid) or next((one.doi for one in documents if one.doi), "")
    instrument = next((one for one in entry.instruments if one.name), None)
    return Dataset(
        source=source,
        pid=entry.pid,
        title=entry.title or next((one.title for one in documents if one.title), "") or entry.pid,
        availability=availability_of(entry, documents, personal),
        created=entry.created,
        size=entry.size,
        score=entry.score if ranked else None,
        facility=facility,
        instrument=Instrument(instrument.name, instrument.facility, instrument.pid) if instrument else None,
        techniques=tuple(
            Technique(one.name or one.pid, panet(one.panet_id, one.pid))
            for one in entry.techniques
            if one.name or one.pid
        ),
        parameters=tuple(Parameter(one.name, one.value, one.unit) for one in entry.parameters),
        samples=tuple(Sample(one.name, one.description) for one in entry.samples if one.name or one.description),
        documents=documents,
        proposal=proposal,
        doi=own_doi,
        release=release_of(documents),
        licence=next((one.licence for one in documents if one.licence), ""),
        location=location,
        landing=landing,
        file_count=len(entry.files) or None,
    )


def _member(entry: PanoscMember) -> Member | None:
    person = next(iter(entry.person), None)
    if person is None:
        return None
    shown = person.full_name or f"{person.first_name} {person.last_name}".strip()
    place = next((one.name for one in entry.affiliation if one.name), "")
    return Member(shown, entry.role, person.orcid, place) if shown else None
