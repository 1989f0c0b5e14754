"""``python -m panosc_portal index SITE|DIR``: look through NeXus files, and keep what is in them for the search."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from panosc_portal.index.harvest import Report, harvest_places
from panosc_portal.index.part import harvest, index_path
from panosc_portal.index.places import place_for
from panosc_portal.index.store import Store
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.load import load_site

DESCRIPTION = """Look through NeXus files, and keep what is in them for the search.

With a site's folder: what its [portal.index] names, into the portal's own index. With another directory: all NeXus files beneath
it, as public data, into the file that --into names. Files that did not change since are not read again."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0 if all was seen, 1 if something could not be.

    Raises:
        ConfigurationError: for what the site does not have.
        IndexFault: if the index cannot be written, or somebody else brings it up to date just now.
    """
    parser = argparse.ArgumentParser(
        "python -m panosc_portal index", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("where", type=Path, help="a site's folder (with site.toml), or a directory of NeXus files")
    parser.add_argument("--into", type=Path, help="the index's file; for a site, that of its portal")
    parser.add_argument("--verbose", action="store_true", help="name each file that could not be read, and why")
    given = parser.parse_args(arguments)
    if given.verbose:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(message)s")
    begin = time.monotonic()
    reports, store = _run(given.where, given.into)
    with store.reading() as reader:
        (many,) = reader.execute("SELECT count(*) FROM dataset").fetchone()
    for report in reports:
        _say(str(report))
        if report.failed and not given.verbose:
            _say("  " + "; ".join(_reasons(store, report.origin)) + " (--verbose names the files)")
    size = store.path.stat().st_size / 1024**2
    _say(f"{many} data sets in {store.path} ({size:.1f} MB), {time.monotonic() - begin:.1f} s")
    store.close()
    return 0 if all(report.whole for report in reports) else 1


def _run(where: Path, into: Path | None) -> tuple[list[Report], Store]:
    if (where / "site.toml").is_file():
        site = load_site(where)
        if not site.config.portal.index.used:
            raise ConfigurationError(
                *(where / "site.toml", "portal.index", "names nothing to index"),
                "write proposals = true, directories or catalogues beneath [portal.index]",
            )
        store = Store(into or index_path(site))
        return asyncio.run(harvest(site, store)), store
    if not where.is_dir():
        raise ConfigurationError(where, "", "is neither a site's folder nor a directory")
    if into is None:
        raise ConfigurationError(
            where, "", "is no site's folder (it has no site.toml)", "say --into FILE for a directory"
        )
    store = Store(into)
    with store.harvested():
        return harvest_places(store, [place_for(where.resolve())]), store


def _reasons(store: Store, origin: str) -> list[str]:
    """Why files could not be read, the most common first."""
    with store.reading() as reader:
        rows: list[tuple[str, int]] = _counted(reader, origin)
    return [f"{many} x {outcome}" for outcome, many in rows]


def _counted(reader: sqlite3.Connection, origin: str) -> list[tuple[str, int]]:
    return reader.execute(
        "SELECT outcome, count(*) FROM origin WHERE origin = ? AND outcome != '' GROUP BY outcome ORDER BY 2 DESC LIMIT 5",
        (origin,),
    ).fetchall()


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command speaks
