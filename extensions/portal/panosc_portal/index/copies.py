"""Copying catalogues' public entries into the index, so that any client of the PaNOSC search API finds them here."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from panosc_portal.catalogues.model import Availability, Catalogue, Dataset, Query
from panosc_portal.errors import CatalogueError
from panosc_portal.index.harvest import Report, begin, finish
from panosc_portal.index.store import Store
from panosc_portal.index.write import Entry, Memo, known, put
from panosc_spawner.errors import IdError
from panosc_spawner.facilities.site import Site

log = logging.getLogger(__name__)

PAGE = 100
PAUSE = 0.2
"""Seconds between two questions, so that a harvest is no burden to a catalogue."""


def origin_of(catalogue: Catalogue) -> str:
    """What its entries' origin is called; no directory can be called so."""
    return f"catalogue:{catalogue.name}"


async def copy_catalogue(store: Store, catalogue: Catalogue, site: Site, most: int, pause: float = PAUSE) -> Report:
    """Read a catalogue from its begin to its end, as anybody may. What fails midway keeps what was read, and takes nothing out.

    Raises:
        IndexFault: if the index cannot be written.
    """
    origin = origin_of(catalogue)
    run = await asyncio.to_thread(begin, store, origin, "1")
    skip: int | None = 0
    read = failed = 0
    trouble = ""
    while skip is not None:
        try:
            found = await catalogue.search(Query(), skip=skip, limit=PAGE, credentials=None)
        except CatalogueError as error:
            trouble = error.reason
            break
        many = await asyncio.to_thread(_write, store, list(found.datasets), origin, run, site)
        read, failed = read + many, failed + len(found.datasets) - many
        if found.next is not None and (found.next <= skip or not found.datasets):
            trouble = "it gives the same page again"
            break
        skip = found.next
        if skip is not None and skip >= most:
            trouble = f"it has more than {most} entries (ten times portal.index.most): the rest is left out"
            break
        await asyncio.sleep(pause)
    removed = await asyncio.to_thread(finish, store, origin, run, whole=not trouble, words=trouble)
    report = Report(origin, read, 0, failed, removed, not trouble, trouble)
    log.info("Index: %s", report)
    return report


def _write(store: Store, datasets: list[Dataset], origin: str, run: int, site: Site) -> int:
    many = 0
    memo: Memo = {}
    with store.writing() as writer:
        for dataset in datasets:
            entry = entry_for(dataset, origin, site)
            if entry is None or known(writer, dataset.pid, origin) is not None:
                continue
            row = put(writer, entry, run, memo)
            writer.execute(
                "INSERT OR REPLACE INTO origin (origin, path, size, changed, seen, outcome, dataset) VALUES (?, ?, 0, 0, ?, '', ?)",
                (origin, dataset.pid, run, row),
            )
            many += 1
    return many


def entry_for(dataset: Dataset, origin: str, site: Site) -> Entry | None:
    """A catalogue's data set for the index: open ones for anybody, others for those on their proposal; None for nobody's."""
    ref = _ref(dataset, site)
    is_public = dataset.availability is Availability.OPEN
    if not dataset.pid or not (is_public or ref):
        return None
    return Entry(replace(dataset, score=None), is_public, ref, origin)


def _ref(dataset: Dataset, site: Site) -> str:
    facility = site.facilities.get(dataset.facility)
    if facility is None or facility.proposals is None or not dataset.proposal:
        return ""
    try:
        return f"{facility.id}/{facility.proposals.normalise(dataset.proposal)}"
    except IdError:
        return ""
