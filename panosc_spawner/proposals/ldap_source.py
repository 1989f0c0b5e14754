"""Proposals in the groups of an LDAP directory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from panosc_spawner.errors import PersonalSourceError, SourceError
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.table_source_rules import LdapSource as LdapRule
from panosc_spawner.identity.ldap_directory import DirectoryError, directory_of
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.person_keys import NoKey, person_keys
from panosc_spawner.proposals.group_names import GroupRights
from panosc_spawner.proposals.model import Grant
from panosc_spawner.proposals.source import InstrumentDirectory

_NOBODY = "nobody-has-this-key"
log = logging.getLogger(__name__)


class LdapProposals:
    """A :class:`~.source.ProposalSource`: a person's groups, by posixGroup's memberUid or groupOfNames' member.

    Raises:
        ConfigurationError: if the directory's password or certificates cannot be read, or ldap3 is not installed.
    """

    def __init__(
        self, rule: LdapRule, site: Site, instruments: Callable[[], InstrumentDirectory | None] = lambda: None
    ) -> None:
        self.name = rule.name
        self.facilities = frozenset({rule.facility})
        self._rule = rule
        self._site = site
        self._directory = directory_of(rule.server, site.folder)
        self._rights = GroupRights(rule, rule.name, site.facilities[rule.facility], instruments)

    async def grants(self, person: Person) -> Sequence[Grant]:
        """See :class:`~.source.ProposalSource`."""
        keys = await person_keys(self._rule.person, person, self._site)
        if isinstance(keys, NoKey):
            if keys.failed:
                raise SourceError(self.name, keys.reason)
            return []
        try:
            groups = [group for key in keys for group in await self._groups(key)]
        except DirectoryError as error:
            log.warning("%s: %s (%s)", self.name, error.reason, error.detail)
            raise SourceError(self.name, error.reason) from error
        return await self._rights.grants(groups)

    async def check(self) -> str:
        """See :class:`~.source.ProposalSource`."""
        rule = self._rule
        try:
            # Through the same filters, so that a place that is not there, or may not be searched, is found now.
            await self._groups(_NOBODY)
            await self._groups_found(_NOBODY, f"cn={_NOBODY}", _NOBODY)
            every = await self._directory.search(rule.groups_base, f"({rule.group_name}=*)", [rule.group_name])
        except DirectoryError as error:
            raise SourceError(
                self.name, f"{error.reason} ({error.detail})" if error.detail else error.reason
            ) from error
        meant = sum(1 for entry in every if self._rights.names.meaning(entry.one(rule.group_name)))
        if every and not meant:
            raise SourceError(self.name, f"none of its {len(every)} groups fits a pattern of 'groups'")
        return f"{len(every)} groups, {meant} of them of proposals or instruments"

    async def _groups(self, key: str) -> list[str]:
        """The names of the groups of whoever has this key."""
        rule, dn, uid = self._rule, "", ""
        if rule.people:
            entries = await self._directory.search_for(rule.people.base, rule.people.filter, [rule.people.uid], key=key)
            if not entries:
                return []
            if len(entries) > 1:
                raise PersonalSourceError(self.name, "the directory has several entries of yours")
            dn, uid = entries[0].dn, entries[0].one(rule.people.uid)
            if "{uid}" in rule.groups_filter and not uid:
                raise PersonalSourceError(self.name, f"your entry in the directory has no one '{rule.people.uid}'")
        return await self._groups_found(key, dn, uid)

    async def _groups_found(self, key: str, dn: str, uid: str) -> list[str]:
        rule = self._rule
        found = await self._directory.search_for(
            rule.groups_base, rule.groups_filter, [rule.group_name], key=key, dn=dn, uid=uid
        )
        return [name for entry in found if (name := entry.one(rule.group_name))]
