"""What only a whole site can get wrong: tables that do not fit together, files that are not there."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.access_checks import access_mistakes, token_mistakes
from panosc_spawner.facilities.catalogues import catalogue_mistakes
from panosc_spawner.facilities.model import NssAccount, Role, SharedAccount
from panosc_spawner.facilities.moving_checks import moving_mistakes
from panosc_spawner.facilities.portal_staging_checks import staging_mistakes
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_checks import source_mistakes

_GROUP_KINDS = ("facility", "role", "proposal", "instrument", "community", "user")


def disagreements(site: Site, file: Path) -> Iterator[ConfigurationError]:
    """All that is wrong with a site whose files are right one by one; ``file`` is its ``site.toml``."""
    yield from _hub(site, file)
    yield from _accounts(site, file)
    yield from _claims(site, file)
    yield from _homes(site, file)
    for index, source in enumerate(site.config.sources):
        yield from source_mistakes(site, file, f"sources[{index + 1}]", source)
    yield from _source_names(site, file)
    yield from _sources_that_count(site)
    yield from access_mistakes(site, file)
    yield from token_mistakes(site, file)
    yield from _resources(site, file)
    yield from staging_mistakes(site, file)
    yield from catalogue_mistakes(site, file)
    yield from moving_mistakes(site, file)


def _hub(site: Site, file: Path) -> Iterator[ConfigurationError]:
    hub = site.config.hub
    for facility, times in Counter(hub.facilities).items():
        if times > 1:
            yield ConfigurationError(file, "hub.facilities", f"{facility!r} is there {times} times", "name it once")
    if hub.demo and not hub.public_url.startswith("http://"):
        yield ConfigurationError(
            file, "hub.demo", "a demo is for loopback only: its personas need no password", "remove demo, or public_url"
        )
    ports = {"hub.port": hub.port, "hub.proxy_api_port": hub.proxy_api_port, "portal.port": site.config.portal.port}
    if site.config.portal.enabled and list(ports.values()).count(site.config.portal.port) > 1:
        taken = next(key for key, port in ports.items() if port == site.config.portal.port)
        yield ConfigurationError(
            file, "portal.port", f"{site.config.portal.port} is {taken}, too", "write a port that nothing else uses"
        )
    if site.config.home.kind == "volume" and hub.spawner != "docker":
        yield ConfigurationError(
            file, "home.kind", "volumes are Docker's, but servers are local", 'write kind = "path"'
        )


def _accounts(site: Site, file: Path) -> Iterator[ConfigurationError]:
    without = [name for name in site.facilities if site.account_rule(name) is None]
    if without:
        yield ConfigurationError(
            file,
            "account",
            f"nothing says which local account people have for {', '.join(without)}",
            'write [account] with kind = "claim", "nss", "table" or "shared", here or in the facility\'s file',
        )


def _claims(site: Site, file: Path) -> Iterator[ConfigurationError]:
    for name in site.facilities:
        rule = site.account_rule(name)
        # At many providers people choose their preferred_username themselves, and with it would choose whose files they see.
        by_claim = isinstance(rule, NssAccount) and not rule.table and rule.person is None
        if rule and by_claim and "claim" not in rule.model_fields_set:
            yield ConfigurationError(
                file,
                "account.claim",
                f"is missing for {name}: whoever can choose the value of the claim can be anybody",
                "name the claim whose value the provider guarantees, or write [account.table] or person = {…}",
            )


def _homes(site: Site, file: Path) -> Iterator[ConfigurationError]:
    shared = [name for name in site.facilities if isinstance(site.account_rule(name), SharedAccount)]
    if shared and "{user}" not in site.config.home.source:
        yield ConfigurationError(
            file,
            "home.source",
            f"with the shared account of {', '.join(shared)}, everybody would share one home",
            "write {user} in it: the hub's own name of each person",
        )


def _source_names(site: Site, file: Path) -> Iterator[ConfigurationError]:
    for name, times in Counter(source.name for source in site.config.sources).items():
        if times > 1:
            yield ConfigurationError(
                file, "sources", f"{times} sources are called {name!r}", "give each a name; people see it as the reason"
            )


def _sources_that_count(site: Site) -> Iterator[ConfigurationError]:
    """A name that no source has would take all rights away, and look like people without proposals."""
    names = [source.name for source in site.config.sources]
    for facility in site.facilities.values():
        file = site.folder / "facilities" / f"{facility.id}.toml"
        for name in facility.sources:
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, names))}"
                yield ConfigurationError(file, "sources", f"no source of site.toml is called {name!r}", hint)


def _resources(site: Site, file: Path) -> Iterator[ConfigurationError]:
    resources = site.config.resources
    if resources.ask is not None and resources.ask > resources.default.memory:
        yield ConfigurationError(
            file, "resources.ask", "more is given unasked than may be used", "at most resources.default.memory"
        )
    for name, override in resources.overrides.items():
        for group in override.groups:
            if problem := _group_problem(site, group):
                yield ConfigurationError(file, f"resources.overrides.{name}.groups", *problem)


def _group_problem(site: Site, group: str) -> tuple[str, str] | None:
    kind, _, value = group.partition(":")
    if group == "admin":
        return None
    if kind not in _GROUP_KINDS or not value:
        known = ", ".join(f"{name}:…" for name in _GROUP_KINDS)
        return f"no group {group!r}", f"groups are admin, {known}"
    if kind == "role" and value not in set(Role):
        return f"no role {value!r}", f"one of {', '.join(Role)}"
    facility = value.partition("/")[0]
    if kind in {"facility", "proposal", "instrument"} and facility not in site.config.hub.facilities:
        return f"facility {facility!r} is not served here", f"one of {', '.join(site.config.hub.facilities)}"
    return None
