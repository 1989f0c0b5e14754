"""What is wrong with a site's ``[[sources]]`` that only the whole site shows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.account_rules import SharedAccount
from panosc_spawner.facilities.person_keys import TableKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource, FileSource, SourceRule
from panosc_spawner.facilities.table_source_rules import GroupSource, GroupsSource, LdapSource, SqlSource


def source_mistakes(site: Site, file: Path, key: str, source: SourceRule) -> Iterator[ConfigurationError]:
    """What is wrong with one of ``[[sources]]``; ``key`` names it in the file."""
    served = site.config.hub.facilities
    named = source.facilities if isinstance(source, FileSource) else (source.facility,)
    where = f"{key}.facilities" if isinstance(source, FileSource) else f"{key}.facility"
    yield from (_not_served(file, where, facility, served) for facility in named if facility not in served)
    yield from _person_key(site, file, key, source)
    if isinstance(source, GroupSource):
        yield from _groups(site, file, key, source)
    if isinstance(source, FileSource):
        if not source.path.is_file():
            reason = "is not a file" if source.path.exists() else f"{source.path} does not exist"
            yield ConfigurationError(file, f"{key}.path", reason, "a TOML or CSV file, relative to the site's folder")
        elif source.path.suffix.lower() not in {".toml", ".csv"}:
            yield ConfigurationError(file, f"{key}.path", "must be a .toml or .csv file", "")
    elif isinstance(source, EntitlementSource):
        yield from _entitlements(file, key, source)


def _person_key(site: Site, file: Path, key: str, source: SourceRule) -> Iterator[ConfigurationError]:
    """A list of people that is not there would look like a source that is down, for ever."""
    person = getattr(source, "person", None)
    if isinstance(person, TableKey) and not (site.folder / person.path).is_file():
        yield ConfigurationError(
            file, f"{key}.person.path", f"{person.path} is not a file", "a CSV with the columns person and key"
        )


def _groups(site: Site, file: Path, key: str, source: LdapSource | GroupsSource) -> Iterator[ConfigurationError]:
    known = [one.name for one in site.config.sources if isinstance(one, FileSource | SqlSource)]
    if source.instruments_from and source.instruments_from not in known:
        yield ConfigurationError(
            file,
            f"{key}.instruments_from",
            f"no file or sql source is called {source.instruments_from!r}",
            f"one of {', '.join(map(repr, known))}" if known else "add the one that knows the instruments' proposals",
        )
    shared = isinstance(source, GroupsSource) and source.facility in site.facilities
    if shared and isinstance(site.account_rule(source.facility), SharedAccount):
        yield ConfigurationError(
            file,
            f"{key}.type",
            "everybody is one account there, so everybody would have the rights of its groups",
            'give people accounts of their own ([account] kind = "nss", "ldap", …)',
        )


def _entitlements(file: Path, key: str, source: EntitlementSource) -> Iterator[ConfigurationError]:
    if not source.group or any(not part or ":" in part for part in source.group):
        yield ConfigurationError(
            file, f"{key}.group", "must be the group path before the proposal id", "['umbrellaid', 'esrf', 'proposals']"
        )
    if not source.namespace.startswith("urn:"):
        yield ConfigurationError(
            file, f"{key}.namespace", "is not a URN namespace", "for example 'urn:geant:umbrellaid.org'"
        )
    if not source.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        yield ConfigurationError(
            file, f"{key}.issuer", "is not an issuer", "the provider's https address, exactly as it says"
        )


def _not_served(file: Path, key: str, facility: str, served: Iterable[str]) -> ConfigurationError:
    close = difflib.get_close_matches(facility, list(served), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "name it in hub.facilities, or not here"
    return ConfigurationError(file, key, f"facility {facility!r} is not served by this hub", hint)
