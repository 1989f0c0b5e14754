"""An environment as linked data: schema.org's SoftwareApplication in codemeta's context (codemeta.github.io/terms, version 3).

What codemeta has no word for (kernels, formats, status) is written as schema.org's ``additionalProperty``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from panosc_spawner.facilities.site import Site
from panosc_spawner.software.model import Entry, Program

CONTEXT = ("https://w3id.org/codemeta/3.0", {"panet": "http://purl.org/pan-science/PaNET/"})
_SPDX = "https://spdx.org/licenses/"
_STATUS = {"current": "active", "deprecated": "inactive", "withdrawn": "abandoned"}
"""In the words of repostatus.org, as codemeta's developmentStatus wants them."""


def as_jsonld(
    entry: Entry, site: Site, technique: Callable[[str], str], address: Callable[[str], str], *, whole: bool = True
) -> dict[str, Any]:
    """The entry as JSON-LD.

    Args:
        entry: of the catalogue.
        site: names the facilities.
        technique: PaNET's address of a label, or an empty text.
        address: the absolute address of a path of the catalogue, as ``software/esrf/esrf``.
        whole: with every installed package; without, with the programs that people come for.
    """
    environment, content = entry.environment, entry.content
    found: dict[str, Any] = {
        "@context": list(CONTEXT),
        "@id": address(f"software/{entry.id}"),
        "@type": "SoftwareApplication",
        "name": environment.title,
        "description": environment.description,
        "identifier": _identifiers(entry),
        "version": environment.version,
        "softwareVersion": environment.version,
        "url": address(f"software/{entry.id}"),
        "license": _licence(environment.licence),
        "applicationCategory": "Scientific computing environment",
        "applicationSubCategory": [_technique(label, technique) for label in environment.techniques],
        "keywords": [*environment.techniques, *environment.formats],
        "memoryRequirements": f"{environment.minimum_memory} B",
        "processorRequirements": _processor(entry),
        "operatingSystem": "Linux",
        "developmentStatus": f"https://www.repostatus.org/#{_STATUS[environment.status]}",
        "provider": [
            {"@type": "Organization", "name": site.facilities[key].name, "url": site.facilities[key].url}
            for key in entry.facilities
        ],
        "softwareRequirements": [_program(program) for program in entry.programs],
        "additionalProperty": _properties(entry),
    }
    if content:
        found["dateCreated"] = content.created.isoformat(timespec="seconds") if content.created else ""
        found["fileSize"] = f"{content.size} B" if content.size else ""
        found["isBasedOn"] = content.base
    if content and content.bill:
        bill = address(f"software/{entry.id}/sbom.cdx.json")
        found["subjectOf"] = {
            "@type": "DigitalDocument",
            "name": "Bill of materials (CycloneDX)",
            "encodingFormat": "application/vnd.cyclonedx+json",
            "url": bill,
        }
    if content and content.packages and whole:
        found["hasPart"] = [
            _without_empty(
                {"@type": "SoftwareApplication", "name": p.name, "softwareVersion": p.version, "identifier": p.purl}
            )
            for p in content.packages
        ]
    return _without_empty(found)


def _identifiers(entry: Entry) -> list[dict[str, str]]:
    ids = [("image", entry.environment.image)]
    if entry.digest:
        ids.append(("digest", entry.digest))
    if entry.content and entry.content.manifest:
        ids.append(("manifest digest", entry.content.manifest))
    if entry.environment.doi:
        ids.append(("DOI", f"https://doi.org/{entry.environment.doi}"))
    return [{"@type": "PropertyValue", "propertyID": kind, "value": value} for kind, value in ids]


def _technique(label: str, technique: Callable[[str], str]) -> dict[str, str]:
    term = {"@type": "DefinedTerm", "name": label, "@id": technique(label), "inDefinedTermSet": "PaNET"}
    return {key: value for key, value in term.items() if value}


def _processor(entry: Entry) -> list[str]:
    gpus = entry.environment.gpus
    architecture = entry.content.architecture if entry.content else ""
    return [words for words in (architecture, f"{gpus} GPU{'s' if gpus > 1 else ''}" if gpus else "") if words]


def _program(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@type": "SoftwareApplication",
        "name": program.name,
        "softwareVersion": program.version,
        "description": program.purpose,
        "license": _licence(program.licence),
        "url": program.url,
        "citation": program.cite,
    }
    return _without_empty(found)


def _properties(entry: Entry) -> list[dict[str, Any]]:
    environment = entry.environment
    values: list[tuple[str, Any]] = [
        ("kernel", list(environment.kernels)),
        ("file format", list(environment.formats)),
        ("status", environment.status),
        ("status note", environment.status_note),
        ("remote desktop", environment.desktop),
        ("example notebook", entry.content.notebook if entry.content else ""),
        ("revision", entry.content.revision if entry.content else ""),
    ]
    return [{"@type": "PropertyValue", "name": name, "value": value} for name, value in values if value]


def _licence(expression: str) -> str | list[str]:
    """SPDX addresses of the licences that an expression names; other words as they are."""
    names = [name for name in re.findall(r"[\w.+-]+", expression) if name not in {"AND", "OR", "WITH"}]
    known = [f"{_SPDX}{name}" for name in names if not name.startswith("LicenseRef-")]
    if not known or not re.fullmatch(r"[\w.+() -]+", expression):
        return expression
    return known[0] if len(known) == 1 else known


def _without_empty(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value not in ("", [], None, {})}


def catalogue(entries: Iterable[dict[str, Any]], title: str, address: str) -> dict[str, Any]:
    """All entries as one document: schema.org's DataCatalog of software, with the context once."""
    parts = [{key: value for key, value in entry.items() if key != "@context"} for entry in entries]
    return {
        "@context": list(CONTEXT),
        "@id": address,
        "@type": "ItemList",
        "name": f"Software of {title}",
        "numberOfItems": len(parts),
        "itemListElement": parts,
    }
