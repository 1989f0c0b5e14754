"""Issuers that rules about people name, and that nobody can log in with: nobody would ever be known by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.site import Site


def issuer_mistakes(site: Site, issuers: Sequence[str]) -> Iterator[ConfigurationError]:
    """Rules of sources and accounts with an issuer that is not among those of the site's logins.

    Args:
        site: the site.
        issuers: of its logins, as they are written.
    """
    here = site.folder / "site.toml"
    rules: list[tuple[object, str]] = [
        (getattr(source, "person", None), f"sources[{place}].person")
        for place, source in enumerate(site.config.sources, start=1)
    ]
    rules += [(site.config.account, "account"), (getattr(site.config.account, "person", None), "account.person")]
    for rule, key in rules:
        if wrong := _unknown(rule, issuers):
            yield ConfigurationError(here, f"{key}.issuer", *wrong)
    for facility in site.facilities.values():
        file = site.folder / "facilities" / f"{facility.id}.toml"
        own = facility.account
        for rule, key in ((own, "account"), (getattr(own, "person", None), "account.person")):
            if wrong := _unknown(rule, issuers):
                yield ConfigurationError(file, f"{key}.issuer", *wrong)


def _unknown(rule: object, issuers: Sequence[str]) -> tuple[str, str] | None:
    issuer = getattr(rule, "issuer", "")
    if not issuer or issuer in issuers:
        return None
    return (
        f"{issuer!r} is not the issuer people log in with: nobody would be known",
        f"write {' or '.join(map(repr, issuers))}",
    )
