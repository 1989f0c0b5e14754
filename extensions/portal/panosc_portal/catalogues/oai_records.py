"""Pages of OAI-PMH 2.0 as records: Dublin Core (``oai_dc``) and DataCite (``oai_datacite``, ``datacite``).

XML from outside: no document type, no entities (``defusedxml``), names without their namespaces, so that each version of
DataCite's is read. A record that is wrong is left out; a page that is no page is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from panosc_portal.catalogues.entries import Notes
from panosc_portal.catalogues.model import Availability, Dataset, Document, Instrument, Member, Technique
from panosc_portal.catalogues.values import day, doi, identifier, line, moment, panet, prose, size, web_address

MAX_RECORDS = 20_000
"""Of one page."""
_DATA = {
    "",
    "dataset",
    "collection",
    "image",
    "audiovisual",
    "other",
    "datapaper",
    "model",
    "software",
    "physicalobject",
}
_OPEN = ("info:eu-repo/semantics/openaccess", "creativecommons.org/", "cc-by", "cc0", "open access")
_CLOSED = ("embargoedaccess", "restrictedaccess", "closedaccess", "metadata only")


class NoPage(ValueError):
    """What came is no page of OAI-PMH; says why, without its text."""


@dataclass(frozen=True)
class OaiError:
    """An error of the protocol, such as ``badResumptionToken``."""

    code: str


@dataclass
class Page:
    """One answer.

    Attributes:
        date: the repository's own clock when it answered; empty if it does not say.
        errors: of the protocol.
        datasets: identifier and data set; None: it was deleted there, or it is no data.
        token: how to go on; empty at the end.
        total: how many there are in all, where that is told.
        details: of Identify and ListMetadataFormats: texts by the element's name.
    """

    date: str = ""
    errors: list[OaiError] = field(default_factory=list)
    datasets: list[tuple[str, Dataset | None]] = field(default_factory=list)
    token: str = ""
    total: int | None = None
    details: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Whose records they are: for the fields that a record does not have."""

    name: str
    facility: str


def read_page(body: bytes, source: Source, notes: Notes) -> Page:
    """An answer to any verb.

    Raises:
        NoPage: if it is none.
    """
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise NoPage("it declares a document type or entities, which is not read") from error
    except (ParseError, ValueError, RecursionError, LookupError) as error:
        raise NoPage("it is not XML" if body.strip() else "it is empty") from error
    if _name(root) != "OAI-PMH":
        raise NoPage("it is XML, but not of OAI-PMH")
    page = Page(date=_text(root, "responseDate"))
    page.errors = [OaiError(one.get("code", "")[:40]) for one in root if _name(one) == "error"]
    for verb in root:
        if _name(verb) in ("ListRecords", "GetRecord"):
            _records(verb, page, source, notes)
        elif _name(verb) in ("Identify", "ListMetadataFormats"):
            for one in verb.iter():
                page.details.setdefault(_name(one), []).append(line(one.text))
    return page


def _records(verb: Element, page: Page, source: Source, notes: Notes) -> None:
    for element in verb:
        if _name(element) == "resumptionToken":
            page.token = (element.text or "").strip()
            told = element.get("completeListSize", "")
            page.total = size(told) if told.isdigit() else None
        elif _name(element) == "record":
            if len(page.datasets) >= MAX_RECORDS:
                raise NoPage(f"it has more than {MAX_RECORDS} records")
            try:
                page.datasets.append(_record(element, source))
            except ValueError as error:
                notes.dropped(str(error))
    if len(page.token) > 2000 or not page.token.isprintable():
        raise NoPage("its resumption token is not a token")


def _record(record: Element, source: Source) -> tuple[str, Dataset | None]:
    header = _child(record, "header")
    if header is None:
        raise ValueError("a record has no header")
    name = identifier(_text(header, "identifier"))
    metadata = _child(record, "metadata")
    if header.get("status", "") == "deleted" or metadata is None:
        return name, None
    payload = next((one for one in metadata.iter() if _name(one) in ("resource", "dc")), None)
    if payload is None:
        raise ValueError("a record's metadata are of another kind than was asked for")
    facts = _datacite(payload) if _name(payload) == "resource" else _dublin_core(payload)
    return name, _dataset(name, facts, source) if facts.kind in _DATA else None


@dataclass
class _Facts:
    kind: str = ""
    doi: str = ""
    title: str = ""
    summary: str = ""
    creators: list[Member] = field(default_factory=list)
    subjects: list[tuple[str, str]] = field(default_factory=list)  # words, address
    dates: dict[str, str] = field(default_factory=dict)
    rights: list[str] = field(default_factory=list)
    licence: str = ""
    landing: str = ""
    publisher: str = ""
    instrument: str = ""
    size: int | None = None
    related: list[str] = field(default_factory=list)


def _datacite(resource: Element) -> _Facts:
    facts = _Facts(publisher=line(_text(resource, "publisher")))
    facts.dates["issued"] = _text(resource, "publicationYear").strip()
    for one in resource.iter():
        name, text = _name(one), one.text or ""
        if name == "identifier":
            facts.doi = doi(text) if one.get("identifierType", "DOI").upper() == "DOI" else facts.doi
        elif name == "title" and not facts.title:
            facts.title = line(text)
        elif name == "description" and (not facts.summary or one.get("descriptionType", "") == "Abstract"):
            facts.summary = prose(text)
        elif name in ("creator", "contributor"):
            _person(one, facts)
        elif name == "subject":
            facts.subjects.append((line(text), one.get("valueURI", "")))
        elif name == "date":
            facts.dates[one.get("dateType", "issued").lower()] = text.strip()
        elif name == "rights":
            facts.rights += [text, one.get("rightsURI", "")]
            facts.licence = facts.licence or line(one.get("rightsIdentifier", "") or text)[:100]
        elif name == "resourceType":
            facts.kind = one.get("resourceTypeGeneral", "").lower()
        elif name == "alternateIdentifier":
            facts.landing = facts.landing or web_address(text.strip())
        elif name == "relatedIdentifier" and one.get("relatedIdentifierType", "").upper() == "DOI":
            facts.related.append(doi(text))
    return facts


def _person(element: Element, facts: _Facts) -> None:
    name = line(_text(element, "creatorName") or _text(element, "contributorName"))
    kind = element.get("contributorType", "")
    place = line(_text(element, "affiliation"))
    number = line(_text(element, "nameIdentifier")).rpartition("/")[2]
    if name and len(facts.creators) < 200 and kind not in ("HostingInstitution", "Distributor"):
        facts.creators.append(Member(name, kind or "creator", number if number[:4].isdigit() else "", place))


def _dublin_core(dc: Element) -> _Facts:
    facts = _Facts(publisher=line(_text(dc, "publisher")), title=line(_text(dc, "title")))
    for one in dc:
        name, text = _name(one), one.text or ""
        if name == "identifier":
            facts.doi = facts.doi or doi(text)
            facts.landing = facts.landing or web_address(text.strip())
        elif name == "creator" and len(facts.creators) < 200:
            facts.creators.append(Member(line(text), "creator"))
        elif name == "subject":
            facts.subjects.append((line(text), text.strip()))
        elif name == "description":
            facts.summary = facts.summary or prose(text)
        elif name == "date":
            facts.dates.setdefault("issued", text.strip())
        elif name == "rights":
            facts.rights.append(text)
        elif name == "type":
            known = text.strip().rpartition("/")[2].lower()
            facts.kind = facts.kind or ("dataset" if "dataset" in known else known)
    return facts


def _dataset(name: str, facts: _Facts, source: Source) -> Dataset:
    release = day(facts.dates.get("available", ""))
    created = next(
        (
            found
            for kind in ("collected", "created", "issued", "available")
            if (found := moment(_first_day(facts, kind)))
        ),
        None,
    )
    paper = Document(
        pid=facts.doi or name,
        title=facts.title,
        type="publication",
        summary=facts.summary,
        doi=facts.doi,
        licence=facts.licence,
        keywords=tuple(words for words, _ in facts.subjects[:100] if words),
        members=tuple(one for one in facts.creators if one.name),
    )
    return Dataset(
        source=source.name,
        pid=facts.doi or name,
        title=facts.title or facts.doi or name,
        availability=_availability(facts, release),
        created=created,
        size=facts.size,
        facility=source.facility,
        instrument=Instrument(facts.instrument, facts.publisher) if facts.instrument else None,
        techniques=tuple(
            dict.fromkeys(
                Technique(words or place, place)
                for words, address in facts.subjects
                if (place := panet(address, words))
            )
        ),
        documents=(paper,),
        doi=facts.doi,
        release=release,
        licence=facts.licence,
        landing=facts.landing or (f"https://doi.org/{facts.doi}" if facts.doi else ""),
    )


def _first_day(facts: _Facts, kind: str) -> str:
    """The first day of a date that may be a range: ``2020-01-01/2020-01-05``."""
    return facts.dates.get(kind, "").partition("/")[0]


def _availability(facts: _Facts, release: object) -> Availability:
    words = " ".join(facts.rights).lower()
    if release is not None and str(release) > datetime.now(UTC).date().isoformat():
        return Availability.EMBARGOED
    if any(mark in words for mark in _CLOSED):
        return Availability.EMBARGOED
    return Availability.OPEN if any(mark in words for mark in _OPEN) else Availability.UNKNOWN


def _name(element: Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""  # comments and instructions have no name


def _child(element: Element, name: str) -> Element | None:
    return next((one for one in element if _name(one) == name), None)


def _text(element: Element, name: str) -> str:
    found = _child(element, name)
    return (found.text or "").strip() if found is not None else ""
