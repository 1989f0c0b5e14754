"""What is wrong with a site's ways to move data (``[portal]``'s downloads, staging, transfer, archive) that one table does not show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.catalogues import site_catalogues
from panosc_spawner.facilities.portal_staging_rules import Token
from panosc_spawner.facilities.site import Site


def moving_mistakes(site: Site, file: Path) -> Iterator[ConfigurationError]:
    """Facilities that this hub does not serve, and tokens that nobody could get; ``file`` is the site's ``site.toml``."""
    portal = site.config.portal
    named = [("downloads.licences", facility) for facility in portal.downloads.licences]
    named += [
        (f"archive.sites[{index}].facilities", facility)
        for index, archive in enumerate(portal.archive.sites, 1)
        for facility in archive.facilities
    ]
    named += [
        (f"transfer.globus[{index}].facility", one.facility) for index, one in enumerate(portal.transfer.globus, 1)
    ]
    named += [
        (f"staging.remotes[{index}].facility", one.facility) for index, one in enumerate(portal.staging.remotes, 1)
    ]
    served = site.config.hub.facilities
    for key, facility in named:
        if facility not in served:
            yield ConfigurationError(
                file, f"portal.{key}", f"facility {facility!r} is not served by this hub", f"one of {', '.join(served)}"
            )
    yield from _tokens(site, file)


def _tokens(site: Site, file: Path) -> Iterator[ConfigurationError]:
    portal = site.config.portal
    rules = [(f"archive.sites[{index}].token", one.token) for index, one in enumerate(portal.archive.sites, 1)]
    for index, remote in enumerate(portal.staging.remotes, 1):
        rules.append((f"staging.remotes[{index}].token", remote.token))
        if remote.destination_token:
            rules.append((f"staging.remotes[{index}].destination_token", remote.destination_token))
    known = {*site.config.tokens, *(name for name, rule in site_catalogues(site).items() if rule.personal)}
    for key, rule in rules:
        yield from _token(site, file, f"portal.{key}", rule, known)
    client = portal.transfer.client
    if client and client.secret_file and not (site.folder / client.secret_file).is_file():
        yield ConfigurationError(
            file, "portal.transfer.client.secret_file", f"{client.secret_file} is not there", "write the secret there"
        )


def _token(site: Site, file: Path, key: str, rule: Token, known: set[str]) -> Iterator[ConfigurationError]:
    if rule.by == "person" and rule.catalogue not in known:
        suggestion = f"write [tokens.{rule.catalogue}], or one of {', '.join(sorted(known))}" if known else ""
        yield ConfigurationError(
            file,
            f"{key}.catalogue",
            f"nobody gets a token called {rule.catalogue!r}",
            suggestion or f"write [tokens.{rule.catalogue}]",
        )
    if rule.file and not (site.folder / rule.file).is_file():
        yield ConfigurationError(file, f"{key}.file", f"{rule.file} is not there", "write the token there, mode 0600")
