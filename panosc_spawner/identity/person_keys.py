"""By what name or number a facility's own system knows a person: resolves ``person = {…}`` rules.

Strict: a value that is not exactly one plain word is no key, and an identity of one issuer never stands for one of another.
"""

from __future__ import annotations

import asyncio
import csv
import io
import logging
import re
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy
from pydantic import BaseModel

from panosc_spawner.facilities.account_rules import ClaimAccount, NssAccount
from panosc_spawner.facilities.database_rules import Database
from panosc_spawner.facilities.directory_rules import LdapServer
from panosc_spawner.facilities.person_keys import ClaimKey, LdapKey, PersonKey, SqlKey, SubjectKey, TableKey
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.watched_file import UnusableFileError, WatchedFile
from panosc_spawner.identity.community import load_community
from panosc_spawner.identity.ldap_directory import DirectoryError, directory_of
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.sql_database import DatabaseError, database_of

log = logging.getLogger(__name__)
_PLAIN = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)


@dataclass(frozen=True)
class NoKey:
    """Why a person has no key, in words that may be shown to them.

    ``failed``: it could not be found out now. A source must then raise, never answer that they have no proposals.
    """

    reason: str
    failed: bool = False


async def person_key(rule: PersonKey, person: Person, site: Site) -> str | NoKey:
    """The one name or number by which somebody knows this person; if there is none, or more than one, why."""
    keys = await person_keys(rule, person, site)
    if isinstance(keys, NoKey):
        return keys
    if len(keys) > 1:
        return NoKey("your linked identities lead to more than one person there")
    return keys[0]


async def person_keys(rule: PersonKey, person: Person, site: Site) -> tuple[str, ...] | NoKey:
    """All names or numbers by which somebody knows this person: one for each identity proven to be theirs, at least one."""
    match rule:
        case ClaimKey():
            return _claimed(rule, person, site)
        case SubjectKey():
            return _subjects(rule.issuer, person, site)
        case TableKey():
            subjects = _subjects(rule.issuer, person, site)
            return subjects if isinstance(subjects, NoKey) else await _listed(rule, subjects, site)
        case SqlKey() | LdapKey():
            subjects = _subjects(rule.issuer, person, site)
            if isinstance(subjects, NoKey):
                return subjects
            look = _in_database if isinstance(rule, SqlKey) else _in_directory
            return await _looked_up(look(rule, subject, site) for subject in subjects)  # type: ignore[arg-type]


def issuer_or_first(issuer: str, site: Site) -> str:
    """An issuer, or, for an empty one, that of the site's first login.

    Raises:
        ConfigurationError: if the first login's community has no file.
    """
    login = site.config.login
    return issuer or login.issuer or load_community(login.community, site.folder).issuer


def subjects_at(issuer: str, person: Person, site: Site) -> tuple[str, ...]:
    """The person's identities at an issuer; an empty one is the site's first login's."""
    if not issuer and len(site.logins) == 1:
        return person.subjects_of(person.issuer)  # there is no other login to come by
    return person.subjects_of(issuer_or_first(issuer, site))


def comes_from(issuer: str, person: Person, site: Site) -> bool:
    """Whether the person's claims are those of this issuer's login; an empty one is the site's first."""
    if not issuer and len(site.logins) == 1:
        return True
    return person.issuer == issuer_or_first(issuer, site)


def claims_needed(site: Site) -> frozenset[str]:
    """The claims that account rules and person keys of this site read; no others need to be kept."""
    rules = [site.account_rule(facility) for facility in site.facilities]
    return frozenset(claim for model in (*rules, *site.config.sources) if model for claim in claims_in(model))


def open_lookups(site: Site) -> None:
    """Make ready the databases and directories that people and accounts are looked up in, without asking them.

    Raises:
        ConfigurationError: if a password or a certificate cannot be read, or a driver is not installed: now, and not when
            the first person starts a server.
    """
    rules = [site.account_rule(facility) for facility in site.facilities]
    for model in (*rules, *site.config.sources):
        for one in _models_in(model) if model else ():
            if isinstance(one, Database):
                database_of(one, site.folder)
            elif isinstance(one, LdapServer):
                directory_of(one, site.folder)


def claims_in(model: BaseModel) -> Iterator[str]:
    """The claims of a login that a rule of a source or an account, or any table within it, reads."""
    for one in _models_in(model):
        match one:
            case ClaimKey():
                yield one.claim
            case NssAccount() if not one.table and one.person is None:
                yield one.claim
            case ClaimAccount():
                yield from filter(None, (one.uid, one.gid, one.name, one.gids))


def _models_in(model: BaseModel) -> Iterator[BaseModel]:
    """A table and all tables within it."""
    yield model
    for name in type(model).model_fields:
        inner = getattr(model, name)
        for one in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(one, BaseModel):
                yield from _models_in(one)


def claim_text(value: Any) -> str:
    """A claim as one plain word: text, a whole number, or a list of exactly one; else empty."""
    value = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else ""


def _subjects(issuer: str, person: Person, site: Site) -> tuple[str, ...] | NoKey:
    found = subjects_at(issuer, person, site)
    return found or NoKey("it knows people by another login than the one you used, and yours is not linked to it")


def _claimed(rule: ClaimKey, person: Person, site: Site) -> tuple[str, ...] | NoKey:
    if not comes_from(rule.issuer, person, site):
        return NoKey(f"it knows people by '{rule.claim}' of another login than the one you used")
    if person.claims.get(rule.claim) in (None, "", []):
        return NoKey(f"no '{rule.claim}' came with your login")
    text = claim_text(person.claims.get(rule.claim))
    return (text,) if text else NoKey(f"the '{rule.claim}' that came with your login is not one plain value")


async def _listed(rule: TableKey, subjects: tuple[str, ...], site: Site) -> tuple[str, ...] | NoKey:
    try:
        table = await _table(site.folder / rule.path).current()
    except UnusableFileError as error:
        return NoKey(str(error), failed=True)
    found = dict.fromkeys(table[name] for subject in subjects if (name := folded(subject)) in table)
    return tuple(found) or NoKey("your identity is not in its list")


async def _looked_up(questions: Iterable[Awaitable[str]]) -> tuple[str, ...] | NoKey:
    """The keys of a person's identities, looked up one after the other."""
    found: dict[str, None] = {}
    try:
        for question in questions:
            if key := await question:
                found[key] = None
    except (DatabaseError, DirectoryError) as error:
        log.warning("Looking up whom a login belongs to failed: %s (%s)", error.reason, error.detail)
        return NoKey(f"whom your login belongs to cannot be looked up: {error.reason}", failed=True)
    except LookupError as error:
        return NoKey(str(error.args[0]))
    return tuple(found) or NoKey("your identity is not linked to anybody there")


async def _in_database(rule: SqlKey, subject: str, site: Site) -> str:
    statement = sqlalchemy.text(rule.query)
    rows = await database_of(rule.database, site.folder).read(
        lambda connection: connection.execute(statement, {"subject": subject}).fetchmany(2)
    )
    if not rows:
        return ""
    if len(rows) > 1 or len(rows[0]) != 1:
        raise LookupError("your identity is linked to more than one person there")
    return _plain_key(rows[0][0])


async def _in_directory(rule: LdapKey, subject: str, site: Site) -> str:
    entries = await directory_of(rule.server, site.folder).search_for(
        rule.base, rule.filter, [rule.attribute], key=subject
    )
    if not entries:
        return ""
    if len(entries) > 1:
        raise LookupError("your identity is linked to more than one person there")
    return _plain_key(list(entries[0].attributes.get(rule.attribute.lower(), ())))


def _plain_key(value: Any) -> str:
    if value in (None, "", []):
        return ""
    if not (text := claim_text(value)):
        raise LookupError("what your identity is linked to there is not one plain word")
    return text


def folded(subject: str) -> str:
    """What an identity is looked up by: a scoped identifier means the same in any case (voperson_id), another does not."""
    return subject.lower() if "@" in subject else subject


_Tables = dict[Path, WatchedFile[dict[str, str]]]
_tables: WeakKeyDictionary[asyncio.AbstractEventLoop, _Tables] = WeakKeyDictionary()


def _table(path: Path) -> WatchedFile[dict[str, str]]:
    tables = _tables.setdefault(asyncio.get_running_loop(), {})
    if path not in tables:
        tables[path] = WatchedFile(path, _key_table)
    return tables[path]


def _key_table(text: str) -> dict[str, str]:
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    table: dict[str, str] = {}
    try:
        header = [name.strip() for name in next(rows, [])]
        if sorted(header) != ["key", "person"]:
            raise ValueError("line 1: the columns must be 'person' and 'key'")
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) != 2 or not all(_PLAIN.fullmatch(cell) for cell in cells):
                raise ValueError(f"line {rows.line_num}: must be an identity and a key, each one plain word")
            person, key = cells if header[0] == "person" else cells[::-1]
            if folded(person) in table:
                raise ValueError(f"line {rows.line_num}: this person is there twice")
            table[folded(person)] = key
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: not CSV: {error}") from error
    return table
