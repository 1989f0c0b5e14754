"""Accounts from an LDAP directory (``kind = "ldap"``), read as strictly as claims are."""

from __future__ import annotations

import logging
import re

from panosc_spawner.facilities.account_rules import LdapAccount
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.ldap_directory import DirectoryError, Found, LdapDirectory, directory_of, filled
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.identity.person_keys import NoKey, person_keys

_HIGHEST_ID = 2**32 - 2
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
log = logging.getLogger(__name__)


async def ldap_account(rule: LdapAccount, person: Person, site: Site) -> Account | NoAccount:
    """The account of the one entry that the rule's filter finds, with the numbers of the groups that name it."""
    keys = await person_keys(rule.person, person, site)
    if isinstance(keys, NoKey):
        return NoAccount(keys.reason, failed=keys.failed)
    directory = directory_of(rule.server, site.folder)
    try:
        entries = {
            entry.dn: entry
            for key in keys
            for entry in await directory.search_for(rule.base, rule.filter, [rule.name, rule.uid, rule.gid], key=key)
        }
        if len(entries) != 1:
            return NoAccount(
                "the directory has no entry of yours" if not entries else "the directory has several entries of yours"
            )
        [entry] = entries.values()
        return _account(rule, entry, await _gids(directory, rule, entry))
    except DirectoryError as error:
        log.warning("Looking up an account failed: %s (%s)", error.reason, error.detail)
        return NoAccount(f"{error.reason}; try again in a few minutes", failed=True)


async def _gids(directory: LdapDirectory, rule: LdapAccount, entry: Found) -> tuple[str, ...]:
    if not rule.groups_base:
        return ()
    name = entry.one(rule.name)
    filter_ = filled(rule.groups_filter, name=name, uid=name, key=name, dn=entry.dn)
    groups = await directory.search(rule.groups_base, filter_, [rule.group_gid])
    return tuple(group.one(rule.group_gid) for group in groups)


def _account(rule: LdapAccount, entry: Found, gids: tuple[str, ...]) -> Account | NoAccount:
    name, uid, gid = entry.one(rule.name), entry.one(rule.uid), entry.one(rule.gid)
    for attribute, value in ((rule.uid, uid), (rule.gid, gid)):
        if not _is_id(value):
            return NoAccount(f"its '{attribute}' in the directory is not one number of an account")
    if not _NAME.fullmatch(name):
        return NoAccount(f"its '{rule.name}' in the directory is not one account name")
    if not all(map(_is_id, gids)):
        return NoAccount(f"a group of yours has a '{rule.group_gid}' in the directory that is not one number")
    others = dict.fromkeys(int(one) for one in gids if int(one) != int(gid))
    return Account(name, int(uid), int(gid), tuple(others))


def _is_id(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and int(text) <= _HIGHEST_ID
