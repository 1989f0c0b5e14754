"""Who people are: their accounts on the file system, and the names under which other systems know them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime

from panosc_spawner.check.finding import Finding, error, ok, warning
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.account_rules import (
    AccountRule,
    ClaimAccount,
    LdapAccount,
    NssAccount,
    SharedAccount,
    TableAccount,
)
from panosc_spawner.facilities.person_keys import ClaimKey, LdapKey, PersonKey, SqlKey, SubjectKey, TableKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.accounts import resolve_account
from panosc_spawner.identity.person import NoAccount, Person
from panosc_spawner.identity.person_keys import NoKey, issuer_or_first, open_lookups, person_key

_NOBODY = "nobody-has-this-identity@invalid"


def check_accounts(site: Site) -> Iterator[Finding]:
    """How a person's uid and gid are found, for each facility."""
    if problem := _unopened(site):
        yield problem
        return
    for facility in site.facilities:
        rule = site.account_rule(facility)
        if rule is not None:
            yield _account(f"{facility} accounts", rule, site)


def check_person_keys(site: Site) -> Iterator[Finding]:
    """The lists, databases and directories in which people are looked up for sources answer."""
    if _unopened(site):  # told by the check of accounts
        return
    for source in site.config.sources:
        key = getattr(source, "person", None)
        if isinstance(key, TableKey | SqlKey | LdapKey):
            yield _key(f"people of {source.name}", key, site)
        elif isinstance(key, ClaimKey) and key.claim == "preferred_username":
            yield warning(
                f"people of {source.name}",
                "are known by preferred_username: at most providers people choose it",
                "use it only where the provider guarantees that nobody can take another's",
            )


def _unopened(site: Site) -> Finding | None:
    try:
        open_lookups(site)
    except ConfigurationError as problem:
        return error("databases and directories", str(problem), "put it right; the hub does not start without it")
    return None


def _account(subject: str, rule: AccountRule, site: Site) -> Finding:
    match rule:
        case NssAccount():
            return _machine(subject, rule, site)
        case TableAccount():
            if not rule.people:
                return warning(subject, "the table is empty: nobody has an account", "add [account.people.<identity>]")
            if not isinstance(rule.person, SubjectKey):
                return _key(subject, rule.person, site, f"a table of {len(rule.people)}, ")
            return ok(subject, f"a table of {len(rule.people)}")
        case LdapAccount():
            found = asyncio.run(resolve_account(rule, _nobody(rule.person, site), site))
            if isinstance(found, NoAccount) and found.failed:
                return error(
                    subject, found.reason, "put the directory right; until it answers, nobody can start a server"
                )
            return ok(subject, f"the directory answers, {rule.uid} and {rule.gid} of {rule.filter}")
        case SharedAccount():
            words = f"everybody runs as {rule.name} ({rule.uid}:{rule.gid})"
            if site.config.hub.demo:
                return ok(subject, words)
            return warning(subject, f"{words}: the file system cannot tell people apart", "for courses and demos only")
        case ClaimAccount():
            return ok(subject, f"the claims {rule.uid!r} and {rule.gid!r}")


def _machine(subject: str, rule: NssAccount, site: Site) -> Finding:
    if shutil.which("getent") is None:
        return error(
            subject, "getent is not installed", "install it (Debian: libc-bin), or choose another account.kind"
        )
    if rule.person is not None:
        return _key(subject, rule.person, site, "getent, for names that ")
    return ok(subject, f"getent, for {'names of a table' if rule.table else f'the claim {rule.claim!r}'}")


def _key(subject: str, key: PersonKey, site: Site, before: str = "") -> Finding:
    found = asyncio.run(_asked(key, site))
    if isinstance(found, NoKey) and found.failed:
        return error(subject, found.reason, "put it right; until then nobody is known there")
    if not isinstance(found, NoKey):
        return error(
            subject,
            "somebody who does not exist is known there",
            "the query or filter must hold the identity that is asked for",
        )
    return ok(subject, f"{before}{_WHERE[key.by]} answers")


async def _asked(key: PersonKey, site: Site) -> str | NoKey:
    return await person_key(key, _nobody(key, site), site)


def _nobody(key: PersonKey, site: Site) -> Person:
    try:
        issuer = issuer_or_first(key.issuer, site)
    except ConfigurationError:  # told by the check of the login
        issuer = ""
    return Person(issuer, _NOBODY, "p-nobody", "Nobody", site.config.login.community, datetime.now(UTC))


_WHERE = {
    "subject": "the login",
    "claim": "the login",
    "table": "the list of links",
    "sql": "the database of links",
    "ldap": "the directory",
}
