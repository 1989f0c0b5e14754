"""``python -m panosc_portal check SITE [--json]``: every catalogue of a site is asked whether it answers as its table says.

``panosc-hub check`` calls it. A catalogue that does not answer keeps nobody from anything but its own data, so that is a warning.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from panosc_portal.catalogues.make import make_catalogue
from panosc_portal.catalogues.model import Catalogue
from panosc_portal.errors import CatalogueError, Outcome
from panosc_spawner.check.finding import Finding, Level, error, ok, warning
from panosc_spawner.check.report import as_json, as_line
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.catalogues import Configured, catalogues_of
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site

WAIT = 15.0
"""Seconds for all that is asked of one catalogue."""
_REMEDIES = {
    Outcome.TIMEOUT: "see whether it is up, or wait longer: timeout",
    Outcome.DOWN: "see whether it is up, and whether url is its address",
    Outcome.REFUSED: "see whether it shows open data without a login, or needs an account",
    Outcome.GARBLED: "see whether url is its API's address, and type the kind that it is",
    Outcome.CANNOT: "write what it says into its table",
}


def main(arguments: Sequence[str]) -> int:
    """Run it; 1 if something is wrong with the configuration, 0 else: whether a catalogue is up is nothing to start by."""
    parser = argparse.ArgumentParser(prog="python -m panosc_portal check", description=__doc__.partition("\n")[0])
    parser.add_argument("site", type=Path, help="the site's folder")
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args(list(arguments))
    found = asyncio.run(examine(load_site(options.site)))
    lines = [as_json(found)] if options.json else [as_line(one, colours=sys.stdout.isatty()) for one in found]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return int(any(one.level is Level.ERROR for one in found))


async def examine(site: Site, wait: float = WAIT) -> list[Finding]:
    """One finding a catalogue, in their order; all are asked at the same time."""
    return list(await asyncio.gather(*(_one(configured, site, wait) for configured in catalogues_of(site))))


async def _one(configured: Configured, site: Site, wait: float) -> Finding:
    subject = f"catalogue {configured.rule.name}"
    try:
        catalogue = make_catalogue(configured, site)
    except ConfigurationError as problem:
        return error(
            subject, problem.reason, problem.suggestion or "put it right; the portal does not start without it"
        )
    try:
        return await _asked(catalogue, configured, wait)
    finally:
        await catalogue.aclose()


async def _asked(catalogue: Catalogue, configured: Configured, wait: float) -> Finding:
    subject = f"catalogue {catalogue.name}"
    try:
        words = await asyncio.wait_for(catalogue.check(), wait)
    except CatalogueError as problem:
        remedy = f"{_REMEDIES.get(problem.outcome, 'put it right')}; until then it is named on every search that it did not answer"
        return warning(subject, problem.reason, remedy)
    except TimeoutError:
        return warning(subject, f"not all that was asked was answered within {wait:g} s", "see whether it is up")
    if configured.rule.verified:
        return ok(subject, words)
    return warning(
        subject,
        f"{words}, as its table says",
        f"nobody had tried it before: write verified = true {_where(configured)}",
    )


def _where(configured: Configured) -> str:
    name = configured.rule.name
    if configured.facility is not None:
        return f"in [catalogues.{name}] of the site's facilities/{configured.facility.id}.toml"
    return f"in [portal.catalogues.own.{name}] of site.toml, with its whole table"
