"""A record in the two formats that harvesters read: DataCite's (schema.datacite.org, kernel 4) and Dublin Core."""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree import ElementTree as ET

from panosc_portal.software.catalogue import Software
from panosc_spawner.software.model import Entry

DATACITE = "http://datacite.org/schema/kernel-4"
OAI_DATACITE = "http://schema.datacite.org/oai/oai-1.1/"
OAI_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
DC = "http://purl.org/dc/elements/1.1/"
XML = "{http://www.w3.org/XML/1998/namespace}"
for prefix, namespace in (("oai_dc", OAI_DC), ("dc", DC)):
    ET.register_namespace(prefix, namespace)

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("", text)


def as_datacite(entry: Entry, software: Software, changed: datetime) -> ET.Element:
    """``oai_datacite``: DataCite's own envelope with the resource in it, as B2FIND and OpenAIRE read it.

    An environment without a DOI is identified by its address in the catalogue.
    """
    envelope = ET.Element(f"{{{OAI_DATACITE}}}oai_datacite")
    _add(envelope, OAI_DATACITE, "schemaVersion", "4.5")
    _add(envelope, OAI_DATACITE, "datacentreSymbol", software.portal.site.config.hub.id)
    payload = ET.SubElement(envelope, f"{{{OAI_DATACITE}}}payload")
    payload.append(_resource(entry, software, changed))
    return envelope


def _resource(entry: Entry, software: Software, changed: datetime) -> ET.Element:
    environment, site = entry.environment, software.portal.site
    address = software.address(f"software/{entry.id}")
    resource = ET.Element(f"{{{DATACITE}}}resource")
    kind, value = ("DOI", environment.doi) if environment.doi else ("URL", address)
    _add(resource, DATACITE, "identifier", value, identifierType=kind)
    creators = ET.SubElement(resource, f"{{{DATACITE}}}creators")
    for key in entry.facilities:
        creator = ET.SubElement(creators, f"{{{DATACITE}}}creator")
        _add(creator, DATACITE, "creatorName", site.facilities[key].name, nameType="Organizational")
    titles = ET.SubElement(resource, f"{{{DATACITE}}}titles")
    _add(titles, DATACITE, "title", f"{environment.title} {environment.version}".strip()).set(f"{XML}lang", "en")
    _add(resource, DATACITE, "publisher", site.config.portal.software.publisher or site.config.hub.title)
    made = entry.content.created if entry.content and entry.content.created else changed
    _add(resource, DATACITE, "publicationYear", f"{made:%Y}")
    _add(resource, DATACITE, "resourceType", "Scientific computing environment", resourceTypeGeneral="Software")
    _subjects(resource, entry, software)
    if entry.content and entry.content.created:
        dates = ET.SubElement(resource, f"{{{DATACITE}}}dates")
        _add(dates, DATACITE, "date", entry.content.created.date().isoformat(), dateType="Created")
    others = ET.SubElement(resource, f"{{{DATACITE}}}alternateIdentifiers")
    names = [("image", environment.image), ("digest", entry.digest), ("URL", address if environment.doi else "")]
    for kind, value in names:
        if value:
            _add(others, DATACITE, "alternateIdentifier", value, alternateIdentifierType=kind)
    _related(resource, entry)
    formats = ET.SubElement(resource, f"{{{DATACITE}}}formats")
    _add(formats, DATACITE, "format", "OCI image")
    if environment.version:
        _add(resource, DATACITE, "version", environment.version)
    if environment.licence:
        rights = ET.SubElement(resource, f"{{{DATACITE}}}rightsList")
        _add(rights, DATACITE, "rights", environment.licence, rightsIdentifierScheme="SPDX")
    descriptions = ET.SubElement(resource, f"{{{DATACITE}}}descriptions")
    for kind, text in (("Abstract", environment.description), ("TechnicalInfo", _programs(entry))):
        if text:
            _add(descriptions, DATACITE, "description", text, descriptionType=kind)
    return resource


def _subjects(resource: ET.Element, entry: Entry, software: Software) -> None:
    subjects = ET.SubElement(resource, f"{{{DATACITE}}}subjects")
    for label in entry.environment.techniques:
        subject = _add(subjects, DATACITE, "subject", label)
        if address := software.technique_address(label):
            subject.set("subjectScheme", "PaNET")
            subject.set("schemeURI", "http://purl.org/pan-science/PaNET/PaNET.owl")
            subject.set("valueURI", address)
    for name in entry.environment.formats:
        _add(subjects, DATACITE, "subject", name)


def _related(resource: ET.Element, entry: Entry) -> None:
    """What is to be cited for the programs in it."""
    dois = [match[1] for one in entry.programs if (match := re.match(r"https?://doi\.org/(10\.\S+)$", one.cite))]
    if dois:
        related = ET.SubElement(resource, f"{{{DATACITE}}}relatedIdentifiers")
        for doi in dict.fromkeys(dois):
            _add(related, DATACITE, "relatedIdentifier", doi, relatedIdentifierType="DOI", relationType="HasPart")


def as_dublin_core(entry: Entry, software: Software, changed: datetime) -> ET.Element:
    """``oai_dc``, which every repository must have (openarchives.org/OAI/openarchivesprotocol.html, section 3.4)."""
    environment, site = entry.environment, software.portal.site
    made = entry.content.created if entry.content and entry.content.created else changed
    record = ET.Element(f"{{{OAI_DC}}}dc")
    values = [
        ("title", f"{environment.title} {environment.version}".strip()),
        *(("creator", site.facilities[key].name) for key in entry.facilities),
        *(("subject", label) for label in environment.techniques),
        ("description", environment.description),
        ("publisher", site.config.portal.software.publisher or site.config.hub.title),
        ("date", made.date().isoformat()),
        ("type", "Software"),
        ("identifier", f"https://doi.org/{environment.doi}" if environment.doi else ""),
        ("identifier", software.address(f"software/{entry.id}")),
        ("rights", environment.licence),
    ]
    for name, value in values:
        if value:
            _add(record, DC, name, value)
    return record


def _programs(entry: Entry) -> str:
    return ", ".join(f"{one.name} {one.version}".strip() for one in entry.programs)


def _add(parent: ET.Element, namespace: str, name: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{namespace}}}{name}", attributes)
    element.text = plain(text)
    return element
