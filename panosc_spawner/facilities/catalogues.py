"""The catalogues of a site: those of its facilities, those that come with the hub and were switched on, and its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.catalogue_rules import CatalogueCommon, CatalogueRule
from panosc_spawner.facilities.layers import read_layer
from panosc_spawner.facilities.model import Facility
from panosc_spawner.facilities.site import Site

SHIPPED = Path(__file__).parent / "catalogues.toml"


@dataclass(frozen=True)
class Configured:
    """A catalogue's table, with its name in it, and the facility whose data it holds (None: none of the site's)."""

    rule: CatalogueCommon
    facility: Facility | None


@cache
def shipped_catalogues() -> Mapping[str, CatalogueRule]:
    """Those that come with the hub and belong to none of its facilities, by name."""
    return TypeAdapter(dict[str, CatalogueRule]).validate_python(read_layer(SHIPPED).data)


def catalogues_of(site: Site) -> list[Configured]:
    """All that a site asks, in the order of its facilities, then its others.

    A demo asks nobody beyond its own machine.
    """
    off, demo = set(site.config.portal.catalogues.off), site.config.hub.demo
    asked = (one for one in _all(site) if one.rule.enabled and one.rule.name not in off)
    return [one for one in asked if not demo or one.rule.url.startswith("http://")]


def site_catalogues(site: Site) -> Mapping[str, CatalogueCommon]:
    """The tables of all that a site asks, by name."""
    return {one.rule.name: one.rule for one in catalogues_of(site)}


def catalogue_mistakes(site: Site, file: Path) -> Iterator[ConfigurationError]:
    """What only the whole site gets wrong; ``file`` is its ``site.toml``."""
    settings, shipped = site.config.portal.catalogues, shipped_catalogues()
    for name in settings.also:
        if name not in shipped:
            yield ConfigurationError(
                file,
                "portal.catalogues.also",
                f"no catalogue {name!r} comes with the hub",
                f"there are {', '.join(shipped)}",
            )
    names = [one.rule.name for one in _all(site)]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield ConfigurationError(
            file, "portal.catalogues", f"two catalogues are called {name!r}", "give one of them another name"
        )
    for name in settings.off:
        if name not in names:
            yield ConfigurationError(
                file, "portal.catalogues.off", f"no catalogue is called {name!r}", f"there are {', '.join(names)}"
            )
    asked = site_catalogues(site)
    for name in site.config.portal.index.catalogues:
        if name not in asked:
            yield ConfigurationError(
                file,
                "portal.index.catalogues",
                f"this site asks no catalogue {name!r}",
                f"it asks {', '.join(asked)}" if asked else "it asks none",
            )


def _all(site: Site) -> list[Configured]:
    settings, shipped = site.config.portal.catalogues, shipped_catalogues()
    found = [
        Configured(rule.model_copy(update={"name": name}), facility)
        for facility in site.facilities.values()
        for name, rule in facility.catalogues.items()
    ]
    others = {name: shipped[name] for name in settings.also if name in shipped} | settings.own
    return found + [Configured(rule.model_copy(update={"name": name}), None) for name, rule in others.items()]
