"""From a site's ``[[sources]]`` to the sources themselves."""

from __future__ import annotations

from collections.abc import Mapping

from panosc_spawner.facilities.http_source_rules import (
    AnyHttpSource,
    HttpSource,
    IcatPlusSource,
    IcatSource,
    IllSource,
    MyMdcSource,
    SciCatSource,
)
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource, FileSource, SourceRule
from panosc_spawner.facilities.table_source_rules import GroupsSource, LdapSource, SqlSource
from panosc_spawner.identity.person_keys import open_lookups
from panosc_spawner.proposals.credentials import NoTokens, TokenBroker
from panosc_spawner.proposals.entitlement_source import EntitlementProposals
from panosc_spawner.proposals.file_source import FileProposals
from panosc_spawner.proposals.groups_source import GroupProposals
from panosc_spawner.proposals.http.icat import IcatProposals
from panosc_spawner.proposals.http.icatplus import IcatPlusProposals
from panosc_spawner.proposals.http.ill import IllProposals
from panosc_spawner.proposals.http.mymdc import MyMdcProposals
from panosc_spawner.proposals.http.scicat import SciCatProposals
from panosc_spawner.proposals.ldap_source import LdapProposals
from panosc_spawner.proposals.source import InstrumentDirectory, ProposalSource
from panosc_spawner.proposals.sql_source import SqlProposals

_NO_TOKENS = NoTokens()


def sources_of(site: Site, broker: TokenBroker = _NO_TOKENS) -> tuple[ProposalSource, ...]:
    """The sources that the site's ``[[sources]]`` name, in their order.

    Args:
        site: the site.
        broker: hands out tokens of people, for the sources that are asked in their name.

    Raises:
        ConfigurationError: if a file with a source's credentials cannot be used.
    """
    open_lookups(site)
    made: dict[str, ProposalSource] = {}
    for rule in site.config.sources:
        made[rule.name] = _source(rule, site, broker, made)
    return tuple(made.values())


def _source(rule: SourceRule, site: Site, broker: TokenBroker, made: Mapping[str, ProposalSource]) -> ProposalSource:
    if isinstance(rule, HttpSource):
        return _http_source(rule, site, broker)
    match rule:
        case FileSource():
            return FileProposals(rule, site)
        case EntitlementSource():
            return EntitlementProposals(rule, site)
        case SqlSource():
            return SqlProposals(rule, site)
        case LdapSource():
            return LdapProposals(rule, site, lambda: _instruments(made, rule.instruments_from))
        case GroupsSource():
            return GroupProposals(rule, site, lambda: _instruments(made, rule.instruments_from))


def _instruments(made: Mapping[str, ProposalSource], name: str) -> InstrumentDirectory | None:
    """The source of this name, if it knows instruments; it may stand after the one that asks."""
    source = made.get(name)
    return source if isinstance(source, InstrumentDirectory) else None


def _http_source(rule: AnyHttpSource, site: Site, broker: TokenBroker) -> ProposalSource:
    match rule:
        case SciCatSource():
            return SciCatProposals(rule, site, broker=broker)
        case IcatSource():
            return IcatProposals(rule, site, broker=broker)
        case IcatPlusSource():
            return IcatPlusProposals(rule, site, broker=broker)
        case MyMdcSource():
            return MyMdcProposals(rule, site)
        case IllSource():
            return IllProposals(rule, site, broker=broker)
