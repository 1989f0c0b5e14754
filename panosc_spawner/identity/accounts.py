"""A person's account on the data's file system: from claims, from the machine (NSS, LDAP, sssd), a table, or shared.

Parsing is strict here: a claim that is nearly a number gives no account. Whether an account may be used (not root, not a
system account) is for the launch step to say.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from panosc_spawner.facilities.account_rules import (
    AccountRule,
    ClaimAccount,
    LdapAccount,
    NssAccount,
    SharedAccount,
    TableAccount,
)
from panosc_spawner.facilities.person_keys import PersonKey, SubjectKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.ldap_accounts import ldap_account
from panosc_spawner.identity.person import Account, NoAccount, Person
from panosc_spawner.identity.person_keys import NoKey, comes_from, person_keys

TIMEOUT = timedelta(seconds=5)
NOT_HERE = "this system has no account"
"""The machine says so also while the service is down that it has its accounts from (sssd): the C library makes no difference."""
MAX_GIDS = 65536  # Linux: NGROUPS_MAX
_HIGHEST_ID = 2**32 - 2  # (uid_t)-1 means "nobody asked"
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)  # never starts with '-', never a number
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_GETENT_NOT_FOUND = 2
_SEVERAL = "your linked identities have more than one account there"
log = logging.getLogger(__name__)


async def resolve_account(
    rule: AccountRule, person: Person, site: Site | None = None, timeout: timedelta = TIMEOUT
) -> Account | NoAccount:
    """Find a person's account by the site's or facility's rule; if there is none, say why in words for the person.

    Args:
        rule: where accounts come from.
        person: whose.
        site: whose logins, files and directories the rule is about; None: one login, and only claims, tables and the machine.
        timeout: how long the machine may take for each question (``kind = "nss"``).
    """
    match rule:
        case SharedAccount():
            return Account(rule.name, rule.uid, rule.gid)
        case TableAccount():
            keys = await _keys(rule.person, person, site)
            if isinstance(keys, NoKey):
                return NoAccount(keys.reason, failed=keys.failed)
            rows = [rule.people[key] for key in keys if key in rule.people]
            if len(rows) != 1:
                return NoAccount("your identity is not in its list" if not rows else _SEVERAL)
            return Account(rows[0].name, rows[0].uid, rows[0].gid, rows[0].gids)
        case ClaimAccount():
            if site is not None and not comes_from(rule.issuer, person, site):
                return NoAccount("it is known by another login than the one you used")
            return _from_claims(rule, person)
        case LdapAccount():
            return (
                NoAccount("no directory is at hand", failed=True)
                if site is None
                else await ldap_account(rule, person, site)
            )
        case NssAccount():
            name = await _account_name(rule, person, site)
            return name if isinstance(name, NoAccount) else await _from_machine(name, timeout)


async def _keys(rule: PersonKey, person: Person, site: Site | None) -> tuple[str, ...] | NoKey:
    return (person.subject,) if site is None else await person_keys(rule, person, site)


def _from_claims(rule: ClaimAccount, person: Person) -> Account | NoAccount:
    try:
        uid = _number(person.claims.get(rule.uid), rule.uid)
        gid = _number(person.claims.get(rule.gid), rule.gid)
        gids = _numbers(person.claims.get(rule.gids), rule.gids) if rule.gids else ()
        name = _name(person.claims.get(rule.name), rule.name) if rule.name else person.username
    except ValueError as error:
        return NoAccount(str(error))
    return Account(name, uid, gid, gids)


async def _account_name(rule: NssAccount, person: Person, site: Site | None) -> str | NoAccount:
    if rule.person is None and not rule.table:
        if site is not None and not comes_from(rule.issuer, person, site):
            return NoAccount("it is known by another login than the one you used")
        try:
            return _name(person.claims.get(rule.claim), rule.claim)
        except ValueError as error:
            return NoAccount(str(error))
    keys = await _keys(rule.person or SubjectKey(issuer=rule.issuer), person, site)
    if isinstance(keys, NoKey):
        return NoAccount(keys.reason, failed=keys.failed)
    names = dict.fromkeys(rule.table.get(key, "") for key in keys) if rule.table else dict.fromkeys(keys)
    names.pop("", None)
    if len(names) != 1:
        return NoAccount("your identity is not in its list" if not names else _SEVERAL)
    name = next(iter(names))
    return name if _NAME.fullmatch(name) else NoAccount("the account name in its list is not one")


async def _from_machine(name: str, timeout: timedelta) -> Account | NoAccount:
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            code, line = await run_command("getent", "passwd", "--", name)
            if code == _GETENT_NOT_FOUND:
                return NoAccount(f"{NOT_HERE} '{name}'")
            groups_code, groups = await run_command("id", "-G", "--", name)
    except (OSError, TimeoutError) as error:
        log.warning("Looking up an account failed: %s", type(error).__name__)
        return NoAccount("this system's account directory did not answer; try again in a few minutes", failed=True)
    if code or groups_code:
        log.warning("Looking up an account failed: getent exit %s, id exit %s", code, groups_code)
        return NoAccount("this system's account directory did not answer; try again in a few minutes", failed=True)
    return _parsed(name, line, groups)


def _parsed(name: str, line: str, groups: str) -> Account | NoAccount:
    """The account of a passwd line and of what ``id -G`` prints."""
    fields = line.rstrip("\n").split(":")
    try:
        if len(fields) != 7 or fields[0] != name:
            raise ValueError(name)
        uid, gid = _number(fields[2], "uid"), _number(fields[3], "gid")
        gids = tuple(other for other in _numbers(groups.split(), "groups") if other != gid)
    except ValueError:
        return NoAccount(f"this system's answer about the account '{name}' is not understood", failed=True)
    return Account(name, uid, gid, gids)


async def run_command(*command: str) -> tuple[int, str]:
    """Exit code and output of a command; it is killed if the caller does not wait for it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_ENVIRONMENT,
    )
    try:
        output, _ = await process.communicate()
    except BaseException:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
        raise
    return process.returncode or 0, output.decode("utf-8", "replace")


def _name(value: object, claim: str) -> str:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if value in (None, "", []):
        raise ValueError(f"no '{claim}' came with your login")
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"the '{claim}' that came with your login is not an account name")
    return value


def _number(value: Any, claim: str) -> int:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if value in (None, "", []):
        raise ValueError(f"no '{claim}' came with your login")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _HIGHEST_ID:
        raise ValueError(f"the '{claim}' that came with your login is not a number of an account")
    return value


def _numbers(value: Any, claim: str) -> tuple[int, ...]:
    if value in (None, "", []):
        return ()
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    if len(values) > MAX_GIDS:
        raise ValueError(f"the '{claim}' that came with your login has too many entries")
    return tuple(dict.fromkeys(_number(one, claim) for one in values))
