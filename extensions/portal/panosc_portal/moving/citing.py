"""Under which licence data are, and how they are cited: as the catalogue tells it, else as the facility's policy does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from panosc_portal.catalogues.model import Dataset
from panosc_spawner.facilities.site import Site

_MOST_NAMES = 12


@dataclass(frozen=True)
class Citing:
    """Words for people, and for what goes with the data.

    Attributes:
        licence: an SPDX id, or the catalogue's words; empty if nobody tells.
        cite: one line, as DataCite recommends: creators (year): title. publisher. identifier.
        doi: without ``https://doi.org/``; empty if there is none.
        authors: names.
        policy: what the facility says of embargo and use.
    """

    title: str
    licence: str
    cite: str
    doi: str
    authors: tuple[str, ...]
    facility: str
    policy: str
    description: str = ""
    published: str = ""


def citing(site: Site, ref: str, dataset: Dataset | None) -> Citing:
    """For data of a proposal, with the data set's own description where a catalogue gave one."""
    key, _, proposal = ref.partition("/")
    facility = site.facilities[key]
    authors = _authors(dataset)
    doi = (dataset.doi or next((doc.doi for doc in dataset.documents if doc.doi), "")) if dataset else ""
    title = dataset.title if dataset and dataset.title else f"Data of proposal {proposal}"
    made = _published(dataset)
    licence = (dataset.licence or next((d.licence for d in dataset.documents if d.licence), "")) if dataset else ""
    if not licence:
        licence = site.config.portal.downloads.licences.get(key, "")
    return Citing(
        title=title,
        licence=licence,
        cite=_line(authors, made.year if made else None, title, facility.name, doi or f"proposal {proposal}"),
        doi=doi,
        authors=authors,
        facility=facility.name,
        policy=facility.embargo,
        description=next((doc.summary for doc in dataset.documents if doc.summary), "") if dataset else "",
        published=made.isoformat() if made else "",
    )


def _published(dataset: Dataset | None) -> date | None:
    """When it became open, else when it was measured: an embargo that still lasts is no publication."""
    if dataset is None:
        return None
    released = dataset.release if dataset.release and dataset.release <= datetime.now(UTC).date() else None
    return released or (dataset.created.date() if dataset.created else None)


def _authors(dataset: Dataset | None) -> tuple[str, ...]:
    found = [member.name for doc in (dataset.documents if dataset else ()) for member in doc.members if member.name]
    return tuple(dict.fromkeys(found))


def _line(authors: tuple[str, ...], year: int | None, title: str, publisher: str, identifier: str) -> str:
    names = "; ".join(authors[:_MOST_NAMES]) + (" et al." if len(authors) > _MOST_NAMES else "")
    head = f"{names} ({year})" if names and year else names or (f"({year})" if year else "")
    address = f"https://doi.org/{identifier}" if identifier.startswith("10.") else identifier
    return f"{head}: {title}. {publisher}. {address}." if head else f"{title}. {publisher}. {address}."
