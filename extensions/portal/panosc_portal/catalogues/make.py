"""From a site's configuration to its catalogues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from panosc_portal.catalogues.icat import IcatCatalogue
from panosc_portal.catalogues.icatplus import IcatPlusCatalogue
from panosc_portal.catalogues.model import Catalogue
from panosc_portal.catalogues.mymdc import MyMdcCatalogue
from panosc_portal.catalogues.oai import OaiCatalogue
from panosc_portal.catalogues.panosc import PanoscCatalogue
from panosc_portal.catalogues.scicat import SciCatCatalogue
from panosc_portal.catalogues.tiled import TiledCatalogue
from panosc_spawner.facilities import catalogue_rules as rules
from panosc_spawner.facilities.catalogues import Configured, catalogues_of
from panosc_spawner.facilities.model import Facility
from panosc_spawner.facilities.site import Site

Maker = Callable[[Any, Facility | None, Path], Catalogue]

MAKERS: dict[type[rules.CatalogueCommon], Maker] = {
    rules.PanoscCatalogue: PanoscCatalogue,
    rules.SciCatCatalogue: SciCatCatalogue,
    rules.IcatCatalogue: IcatCatalogue,
    rules.IcatPlusCatalogue: IcatPlusCatalogue,
    rules.MyMdcCatalogue: MyMdcCatalogue,
    rules.TiledCatalogue: TiledCatalogue,
}
"""What makes a catalogue of each kind of table."""


def make_catalogues(site: Site) -> list[Catalogue]:
    """The catalogues that a site asks, in the order of its facilities, then its others.

    Raises:
        ConfigurationError: for a file (``ca_file``, ``password_file``) that cannot be used.
    """
    return [make_catalogue(one, site) for one in catalogues_of(site)]


def make_catalogue(configured: Configured, site: Site) -> Catalogue:
    """One of them."""
    if isinstance(configured.rule, rules.OaiCatalogue):
        return OaiCatalogue(configured.rule, configured.facility, site.folder, site.config.hub.state_dir / "portal")
    return MAKERS[type(configured.rule)](configured.rule, configured.facility, site.folder)
