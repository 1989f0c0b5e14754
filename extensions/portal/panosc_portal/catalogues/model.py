"""What is asked of catalogues, and what comes back: the same for all of them. Pure data.

The words are those of the PaNOSC search API's data model (datasets, documents, instruments, techniques, parameters, samples;
https://github.com/panosc-eu/search-api). Only ``source``, ``pid`` and ``title`` are certain: catalogues are sparse.
All of it is input: a path, an address or an access mark of a catalogue decides nothing here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from pydantic import SecretStr


class Availability(StrEnum):
    """Who may have a data set, as far as its catalogue tells."""

    OPEN = "open"
    OWN = "own"  # of a proposal of the person who asked
    EMBARGOED = "embargoed"  # its description is public, its data are not yet
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """The kinds of conditions. A catalogue declares which it can take; the others are checked on what it answers."""

    TEXT = "text"
    PID = "pid"
    TECHNIQUE = "technique"
    FACILITY = "facility"
    INSTRUMENT = "instrument"
    YEARS = "years"
    SAMPLE = "sample"
    PARAMETER = "parameter"
    AVAILABILITY = "availability"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A measured or set quantity: ``Parameter("incident_wavelength", 5.0, "angstrom")``. Text values have no unit."""

    name: str
    value: float | str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Technique:
    """An experimental technique; ``panet`` is its address in the PaNET ontology, or empty."""

    name: str
    panet: str = ""


@dataclass(frozen=True, slots=True)
class Instrument:
    """Where it was measured. ``facility`` is written as the catalogue does ("ESRF", "Institut Laue-Langevin")."""

    name: str
    facility: str = ""
    pid: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody named by a document: a name for people, a role in the catalogue's words."""

    name: str
    role: str = ""
    orcid: str = ""
    affiliation: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A proposal or a publication that a data set belongs to."""

    pid: str
    title: str = ""
    type: str = ""  # "proposal" | "publication" | other words of the catalogue
    summary: str = ""
    doi: str = ""
    start: date | None = None
    end: date | None = None
    release: date | None = None
    licence: str = ""  # an SPDX id where the catalogue writes one
    keywords: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class File:
    """A file of a data set. ``path`` is relative to ``Dataset.location`` or absolute, as the catalogue writes it."""

    path: str
    size: int | None = None  # bytes
    checksum: str = ""  # "sha256:…", "md5:…", "adler32:…"
    url: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as a catalogue describes it.

    Attributes:
        source: the catalogue's name in the site's configuration.
        pid: as the catalogue writes it; with ``source`` it names the data set.
        facility: the site's key of the facility (``esrf``), or empty if it is none of the site's.
        proposal: the facility's id of the proposal as the catalogue writes it, or empty.
        location: directory or file, as the catalogue writes it.
        doi: lower case, without ``https://doi.org/``.
        score: the catalogue's own rank of it for the words that were asked; not comparable between catalogues.
    """

    source: str
    pid: str
    title: str
    availability: Availability = Availability.UNKNOWN
    created: datetime | None = None
    size: int | None = None  # bytes
    score: float | None = None
    facility: str = ""
    instrument: Instrument | None = None
    techniques: tuple[Technique, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    samples: tuple[Sample, ...] = ()
    documents: tuple[Document, ...] = ()
    proposal: str = ""
    doi: str = ""
    release: date | None = None  # when its embargo ends
    licence: str = ""
    location: str = ""
    landing: str = ""  # its page at the facility, https
    file_count: int | None = None


@dataclass(frozen=True, slots=True)
class ParameterCondition:
    """A parameter within limits (both included), or equal to a text. ``unit`` is that of the limits."""

    name: str
    low: float | None = None
    high: float | None = None
    unit: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for. Conditions of different kinds must all hold; of several values of one kind, any.

    ``techniques`` are PaNET addresses or ids (``PaNET01189``), and mean those beneath them, too; ``facilities`` are the
    site's keys; ``years`` are of the measurement, both included. Of several ``parameters``, all must hold.
    """

    text: str = ""
    pid: str = ""  # a PID or DOI, exactly
    techniques: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    years: tuple[int | None, int | None] = (None, None)
    sample: str = ""
    parameters: tuple[ParameterCondition, ...] = ()
    availability: tuple[Availability, ...] = ()

    def kinds(self) -> frozenset[Kind]:
        """The kinds of conditions in it."""
        held = {
            Kind.TEXT: self.text,
            Kind.PID: self.pid,
            Kind.TECHNIQUE: self.techniques,
            Kind.FACILITY: self.facilities,
            Kind.INSTRUMENT: self.instruments,
            Kind.YEARS: self.years != (None, None),
            Kind.SAMPLE: self.sample,
            Kind.PARAMETER: self.parameters,
            Kind.AVAILABILITY: self.availability,
        }
        return frozenset(kind for kind, value in held.items() if value)


@dataclass(frozen=True)
class Capabilities:
    """What a catalogue can do. What it cannot, the federation does on its answers, or says that it was not done.

    Attributes:
        asks: kinds of conditions that it takes itself, and answers rightly.
        own_data: shows data that are not public to whom they belong, given their token.
        counts: tells how many there are in all.
        files: lists a data set's files.
        limits_first: cuts its list before it applies conditions on parameters and techniques, so that more has to be
            asked for than is wanted (the reference implementation of the PaNOSC search API does).
        ranks: gives scores for words.
    """

    asks: frozenset[Kind] = frozenset()
    own_data: bool = False
    counts: bool = False
    files: bool = False
    limits_first: bool = False
    ranks: bool = False


@dataclass(frozen=True)
class Credentials:
    """Somebody's token for one catalogue, never for another. ``person`` tells people apart in what is kept.

    ``catalogue`` is the name of the one that the token was made for; another catalogue refuses it.
    """

    person: str
    token: SecretStr
    catalogue: str = ""


@dataclass(frozen=True)
class Found:
    """One answer of a catalogue.

    Attributes:
        datasets: in its own order.
        total: how many it has in all for this question; None where it does not tell.
        applied: the conditions that it took into account itself.
        next: where it goes on (its own ``skip``), or None at the end.
    """

    datasets: tuple[Dataset, ...]
    total: int | None = None
    applied: frozenset[Kind] = frozenset()
    next: int | None = None
    notes: tuple[str, ...] = field(default=())  # words for people: what it could not do


class Catalogue(Protocol):
    """A place where data sets are found. Every call is bounded in time and size, and raises instead of answering less."""

    name: str
    facilities: frozenset[str]  # the site's keys that it holds data of
    capabilities: Capabilities

    async def search(self, query: Query, *, skip: int, limit: int, credentials: Credentials | None) -> Found:
        """Data sets for a question.

        Raises:
            CatalogueError: in words, without addresses or secrets.
        """

    async def get(self, pid: str, credentials: Credentials | None) -> Dataset | None:
        """One data set with all that is known of it; None if there is none (for this person).

        Raises:
            CatalogueError: as :meth:`search`.
        """

    def files(self, dataset: Dataset, credentials: Credentials | None) -> AsyncIterator[File]:
        """Its files, one after the other however many there are.

        Raises:
            CatalogueError: as :meth:`search`.
        """

    async def check(self) -> str:
        """Whether it answers as its protocol says, in words, for the operator.

        Raises:
            CatalogueError: as :meth:`search`.
        """

    async def aclose(self) -> None:
        """Close its connections."""
