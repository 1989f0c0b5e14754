"""The catalogue as the pages and harvesters read it: entries that are found by words, by technique and by digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from panosc_portal.context import Portal
from panosc_spawner.facilities.portal_url import portal_url
from panosc_spawner.panet import purl, techniques
from panosc_spawner.software.collect import SoftwareCatalogue
from panosc_spawner.software.jsonld import as_jsonld
from panosc_spawner.software.model import Entry


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for; empty: everything."""

    words: str = ""
    technique: str = ""  # a PaNET id, a label, or an address
    facility: str = ""
    format: str = ""


@dataclass(frozen=True)
class Choice:
    """A value that narrows the list, and how many entries it leaves."""

    value: str
    label: str
    count: int


class Software:
    """The site's software for pages: one of these a running portal.

    Args:
        portal: whose site it is.
        catalogue: where the entries come from; made from the site if not given.
    """

    def __init__(self, portal: Portal, catalogue: SoftwareCatalogue | None = None) -> None:
        self.portal = portal
        self._catalogue = catalogue or SoftwareCatalogue(portal.site)
        self._panet = techniques()

    async def entries(self) -> list[Entry]:
        """All of them."""
        return await self._catalogue.entries()

    async def find(self, wanted: Wanted) -> list[Entry]:
        """The entries with all the words in them, of a technique or one beneath it, of a facility, that open a format."""
        words = wanted.words.lower().split()[:20]
        beneath = self._beneath(wanted.technique)
        return [
            entry
            for entry in await self.entries()
            if all(word in entry.words for word in words)
            and (not wanted.technique or bool(beneath & self.technique_ids(entry)))
            and (not wanted.facility or wanted.facility in entry.facilities)
            and (not wanted.format or wanted.format.lower() in map(str.lower, entry.environment.formats))
        ]

    async def entry(self, facility: str, key: str) -> Entry | None:
        """The entry of a facility's environment."""
        return next((entry for entry in await self.entries() if (facility, key) in entry.offered_by), None)

    async def by_digest(self, digest: str) -> Entry | None:
        """The entry of an image, by any of the digests it is known by."""
        for entry in await self.entries():
            known = {entry.digest, entry.environment.digest}
            if entry.content:
                known |= {entry.content.digest, entry.content.manifest}
            if digest in known - {"", None}:
                return entry
        return None

    def technique_ids(self, entry: Entry) -> frozenset[str]:
        """PaNET's ids of an entry's techniques."""
        found = (self._panet.find(label) for label in entry.environment.techniques)
        return frozenset(node.id for node in found if node)

    def technique_address(self, label: str) -> str:
        """PaNET's address of a technique; empty for one that PaNET does not have."""
        node = self._panet.find(label)
        return purl(node.id) if node else ""

    def address(self, path: str) -> str:
        """The absolute address of a path of the portal."""
        return portal_url(self.portal.site, path)

    def jsonld(self, entry: Entry, *, whole: bool = True) -> dict[str, Any]:
        """The entry as linked data."""
        return as_jsonld(entry, self.portal.site, self.technique_address, self.address, whole=whole)

    def choices(self, entries: Sequence[Entry]) -> dict[str, list[Choice]]:
        """What the list can be narrowed by, most frequent first."""
        titles = {key: facility.short_name for key, facility in self.portal.site.facilities.items()}
        return {
            "facility": _counted((key, titles[key]) for entry in entries for key in entry.facilities),
            "technique": _counted((label, label) for entry in entries for label in entry.environment.techniques),
            "format": _counted((name, name) for entry in entries for name in entry.environment.formats),
        }

    def _beneath(self, technique: str) -> frozenset[str]:
        if not technique:
            return frozenset()
        node = self._panet.find(technique)
        return self._panet.beneath([node.id]) if node else frozenset()


def _counted(values: Iterable[tuple[str, str]]) -> list[Choice]:
    counts = Counter(values)
    return [
        Choice(value, label, count)
        for (value, label), count in sorted(counts.items(), key=lambda item: (-item[1], item[0][1].lower()))
    ]
