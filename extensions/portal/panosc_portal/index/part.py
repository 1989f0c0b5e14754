"""The index as a part of a running portal: one store, brought up to date now and then in the background."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from panosc_portal.catalogues.make import make_catalogues
from panosc_portal.catalogues.model import Catalogue
from panosc_portal.context import Portal
from panosc_portal.index.catalogue import IndexCatalogue
from panosc_portal.index.copies import copy_catalogue, origin_of
from panosc_portal.index.harvest import Report, forget_others, harvest_places, step_back
from panosc_portal.index.places import Place, places_of
from panosc_portal.index.rights import rights_of
from panosc_portal.index.store import IndexFault, Store
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.site import Site

log = logging.getLogger(__name__)


def index_path(site: Site) -> Path:
    """The index's file: beneath the hub's own directory, for the portal alone."""
    return site.config.hub.state_dir / "portal" / "index.sqlite"


def index_of(portal: Portal) -> Store:
    """The portal's index, opened at the first question for it.

    Raises:
        ConfigurationError: if ``[portal.index]`` names what the site does not have.
        IndexFault: if its file cannot be opened.
    """
    if Store not in portal.parts:
        places_of(portal.site)
        portal.add(Store(index_path(portal.site)))
    return portal.part(Store)


def index_catalogue(portal: Portal) -> IndexCatalogue | None:
    """The index as a catalogue of the federated search; None where the site indexes nothing."""
    if not portal.site.config.portal.index.used:
        return None
    return IndexCatalogue(index_of(portal), rights_of(portal).refs, frozenset(portal.site.facilities))


def close_index(portal: Portal) -> None:
    """Close it, if it is open."""
    if Store in portal.parts:
        portal.part(Store).close()
        del portal.parts[Store]


@asynccontextmanager
async def running_harvest(portal: Portal) -> AsyncIterator[None]:
    """While the portal runs, the index is brought up to date every ``portal.index.every``."""
    rules = portal.site.config.portal.index
    if not rules.used:
        yield
        return
    stopping = threading.Event()
    task = asyncio.create_task(_now_and_then(portal.site, index_of(portal), stopping))
    try:
        yield
    finally:
        stopping.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _now_and_then(site: Site, store: Store, stopping: threading.Event) -> None:
    while True:
        try:
            await harvest(site, store, stopping)
        except IndexFault as error:
            log.error("Index: %s", error)
        except Exception:
            log.exception("The index was not brought up to date; it is tried again later")
        await asyncio.sleep(site.config.portal.index.every.total_seconds())


async def harvest(site: Site, store: Store, stopping: threading.Event | None = None) -> list[Report]:
    """Bring the whole index of a site up to date; how it went, origin by origin.

    Raises:
        ConfigurationError: for a catalogue that the site does not have.
        IndexFault: if the index cannot be written, or somebody else brings it up to date just now.
    """
    stopping = stopping or threading.Event()
    places = places_of(site)
    wanted = set(site.config.portal.index.catalogues)
    catalogues = [one for one in make_catalogues(site) if one.name in wanted]
    try:
        if missing := sorted(wanted - {one.name for one in catalogues}):
            raise ConfigurationError(
                site.folder / "site.toml", "portal.index.catalogues", f"this site asks no catalogue {missing[0]!r}"
            )
        kept = [one.name for one in places] + [origin_of(one) for one in catalogues]
        with store.harvested():
            await asyncio.to_thread(forget_others, store, kept)
            reports = await _in_thread(store, places, stopping)
            return reports + await _copied(store, catalogues, site)
    finally:
        for one in catalogues:
            await one.aclose()


async def _in_thread(store: Store, places: list[Place], stopping: threading.Event) -> list[Report]:
    """A thread of its own, which lets others go first, and ends when it is told to."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[list[Report]] = loop.create_future()

    def run() -> None:
        step_back()
        try:
            reports, error = harvest_places(store, places, stopping.is_set), None
        except Exception as failed:
            reports, error = [], failed
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_tell, done, reports, error)

    thread = threading.Thread(target=run, name="index-harvest", daemon=True)
    thread.start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stopping.set()
        await asyncio.to_thread(thread.join, 30)
        raise


def _tell(done: asyncio.Future[list[Report]], reports: list[Report], error: Exception | None) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(reports)


async def _copied(store: Store, catalogues: list[Catalogue], site: Site) -> list[Report]:
    most = 10 * site.config.portal.index.most
    return [await copy_catalogue(store, one, site, most) for one in catalogues]
