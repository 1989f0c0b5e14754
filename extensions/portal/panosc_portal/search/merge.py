"""From the answers of many catalogues to one list: each data set once, the best first, in an order that can be explained.

Scores of catalogues cannot be compared, so only ranks count (reciprocal rank fusion; Cormack, Clarke, Büttcher, SIGIR 2009): what
several catalogues put first comes first. A data set that two catalogues have is one, if it has one DOI; each catalogue is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from panosc_portal.catalogues.model import Availability, Dataset, Kind
from panosc_portal.search.checks import plain_doi

_FLAT = 60
"""The constant of reciprocal rank fusion, as its authors found it to work."""

Key = tuple[str, str]
"""Names a data set of a catalogue: (source, pid)."""


def key_of(dataset: Dataset) -> Key:
    """Names the data set among all."""
    return dataset.source, dataset.pid


def doi_of(dataset: Dataset) -> str:
    """Its DOI, also where it is only its PID; empty if it has none."""
    return plain_doi(dataset.doi) or plain_doi(dataset.pid)


@dataclass(frozen=True)
class Hit:
    """A data set that was found.

    Attributes:
        id: names it on the page.
        dataset: the richest of its descriptions, completed by the others.
        places: where it was found: (source, pid), the source of ``dataset`` first.
        unchecked: the conditions that nobody checked.
        score: higher is better; comparable within one search.
    """

    id: str
    dataset: Dataset
    places: tuple[Key, ...]
    unchecked: tuple[Kind, ...] = ()
    score: float = 0.0


@dataclass(frozen=True)
class _Entry:
    dataset: Dataset
    rank: int
    unchecked: tuple[Kind, ...]


class Merger:
    """Builds one page's list while answers come in. Its order depends on the answers alone, not on which one came first.

    Args:
        shown: the data sets of earlier pages, which are not shown again.
        sources: the names of the catalogues in the site's order, which decides between equals.
        trusted: names of those that are a facility's own: what they say of a data set is not replaced by what another says.
    """

    def __init__(
        self, shown: Mapping[str, Collection[str]], sources: Iterable[str], trusted: Collection[str] = ()
    ) -> None:
        self._trusted = frozenset(trusted)
        self._shown = shown  # DOI -> sources; and one entry for each key, see shown_name
        self._place = {name: index for index, name in enumerate(sources)}
        self._entries: dict[Key, _Entry] = {}
        self._groups: dict[str, list[Key]] = {}  # id of a hit -> keys
        self._by_doi: dict[str, str] = {}
        self._hits: dict[str, Hit] = {}

    def is_new(self, dataset: Dataset) -> bool:
        """Whether it was neither on an earlier page nor is on this one, by its own name or, in another catalogue, by its DOI."""
        return key_of(dataset) not in self._entries and not self.shown_before(dataset)

    def shown_before(self, dataset: Dataset) -> bool:
        """Whether it was on an earlier page, by its own name or, in another catalogue, by its DOI."""
        if not self._shown:
            return False
        doi = doi_of(dataset)
        if doi and any(source != dataset.source for source in self._shown.get(doi, ())):
            return True
        return shown_name(key_of(dataset)) in self._shown

    def add(self, dataset: Dataset, rank: int, unchecked: tuple[Kind, ...]) -> str:
        """Take a data set into the list.

        Args:
            dataset: one for which :meth:`is_new` holds.
            rank: its place in its catalogue's answer, from 1.
            unchecked: the conditions that nobody checked of it.

        Returns:
            The id of the hit that it is in now.
        """
        key, doi = key_of(dataset), doi_of(dataset)
        self._entries[key] = _Entry(dataset, rank, unchecked)
        name = self._by_doi.get(doi, "") if doi else ""
        if name and any(source == dataset.source for source, _ in self._groups[name]):
            name = ""  # two data sets of one catalogue with one DOI: that of their session, and they are two
        if not name:
            name = hashlib.blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()
            self._groups[name] = []
            if doi:
                self._by_doi.setdefault(doi, name)
        self._groups[name].append(key)
        self._hits.pop(name, None)
        return name

    def hit(self, name: str) -> Hit:
        """A hit as it is now."""
        if name not in self._hits:
            self._hits[name] = self._made(name)
        return self._hits[name]

    def _made(self, name: str) -> Hit:
        keys = sorted(self._groups[name], key=lambda key: (self._place.get(key[0], len(self._place)), key))
        entries = [self._entries[key] for key in keys]
        best = self._best(entries)
        others = [entry.dataset for entry in entries if entry is not best]
        left = frozenset.intersection(*(frozenset(entry.unchecked) for entry in entries))
        first = key_of(best.dataset)
        return Hit(
            id=name,
            dataset=completed(best.dataset, others),
            places=(first, *(key for key in keys if key != first)),
            unchecked=tuple(sorted(left)),
            # What was checked comes before what was not: the fusion of ranks is always below 1.
            score=sum(1 / (_FLAT + entry.rank) for entry in entries) + (0.0 if left else 1.0),
        )

    def _best(self, entries: list[_Entry]) -> _Entry:
        """The description that the others only complete: the first of a facility's own catalogue, else the richest."""
        if len(entries) == 1:
            return entries[0]
        own = (entry for entry in entries if entry.dataset.source in self._trusted)
        return next(own, None) or max(entries, key=lambda entry: richness(entry.dataset))

    def hits(self) -> tuple[Hit, ...]:
        """The list, the best first."""
        return tuple(sorted(map(self.hit, self._groups), key=self._order))

    def _order(self, hit: Hit) -> tuple[Any, ...]:
        place = min(self._place.get(source, len(self._place)) for source, _ in hit.places)
        return -hit.score, place, hit.places[0], hit.id

    def names_shown(self) -> Iterable[tuple[str, str]]:
        """What later pages need to know of this one: (name, source) for each key and DOI."""
        for key, entry in self._entries.items():
            yield shown_name(key), key[0]
            if doi := doi_of(entry.dataset):
                yield doi, key[0]


def shown_name(key: Key) -> str:
    """A key among the names of what was shown; no DOI looks like it."""
    return "\0".join(key)


def richness(dataset: Dataset) -> tuple[int, int]:
    """How much a description tells."""
    values = [getattr(dataset, one) for one in _FIELDS]
    told = sum(1 for value in values if value not in (None, "", (), Availability.UNKNOWN))
    return told, sum(len(value) for value in values if isinstance(value, tuple))


def completed(best: Dataset, others: Iterable[Dataset]) -> Dataset:
    """A description with what it lacks from others of the same data set.

    Where it lies, whose it is and where its page is stay as its own catalogue says: a path means nothing elsewhere, and an address
    would be shown as the facility's.
    """
    more: dict[str, Any] = {}
    for other in others:
        for name in _COMPLETED:
            mine = more.get(name, getattr(best, name))
            if mine in (None, "", (), Availability.UNKNOWN) and (theirs := getattr(other, name)):
                more[name] = theirs
        if other.availability is Availability.OWN:
            more["availability"] = Availability.OWN
    return replace(best, **more) if more else best


_FIELDS = tuple(field.name for field in fields(Dataset) if field.name not in ("source", "pid", "score"))
_KEPT = ("title", "location", "file_count", "proposal", "facility", "landing")
_COMPLETED = tuple(name for name in _FIELDS if name not in _KEPT)
