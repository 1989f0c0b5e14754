"""``panosc-hub explain SITE PERSON PROPOSAL``: why somebody can, or cannot, open a proposal. Needs no running hub."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from panosc_spawner.cli_persons import identities_named, identity_trouble, usernames_of
from panosc_spawner.errors import ConfigurationError, IdentityError, IdError, PeopleError
from panosc_spawner.explain import Explanation, Question, explain
from panosc_spawner.explain.database import HubDatabaseError, last_login
from panosc_spawner.explain.report import as_json, as_text
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.claims import ClaimRules, person_from
from panosc_spawner.identity.community import load_community
from panosc_spawner.identity.person import Identity, Person
from panosc_spawner.identity.person_keys import claims_needed
from panosc_spawner.identity.username import username_for
from panosc_spawner.launch.selection import parse_ref
from panosc_spawner.proposals.book import GrantBook

_WRONG_USE = 2
_MAX_CLAIMS = 2 * 1024**2  # bytes


class _UsageError(Exception):
    """The arguments do not go together, or name a file that cannot be used."""


def add_parser(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "explain",
        help="why somebody can, or cannot, open a proposal",
        description="Tries every link from who somebody is to what is mounted. Starts nothing. Exit code: 0 if the proposal "
        "can be opened, 1 if not, 2 for wrong use. As root it also tries whether the account can read the data.",
    )
    parser.add_argument("site", type=Path, metavar="SITE", help="the folder with site.toml")
    parser.add_argument("person", metavar="PERSON", help="an identity (voperson_id or sub), or a hub user name (p-…)")
    parser.add_argument("proposal", metavar="PROPOSAL", help="<facility>/<id>, for example esrf/ma1234")
    parser.add_argument(
        "--together",
        metavar="PROPOSAL",
        action="append",
        default=[],
        help="in one server with this one, too (several times)",
    )
    parser.add_argument(
        "--claims",
        type=Path,
        metavar="FILE.json",
        help="what userinfo says of them, instead of their last login in the hub's database",
    )
    parser.add_argument("--community", metavar="C", default="", help="the login that the claims are of; else the first")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Explain; 0 if it can be opened, 1 if not, 2 for wrong use."""
    try:
        site = load_site(arguments.site)
        for ref in arguments.together:
            parse_ref(ref, site)
        question = _question(arguments, site)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 1
    except (IdError, _UsageError) as error:
        print(error, file=sys.stderr)
        return _WRONG_USE
    found = asyncio.run(explain(question))
    _show(found, as_objects=arguments.json)
    return int(not found.opens)


def _show(found: Explanation, *, as_objects: bool) -> None:
    if as_objects:
        print(as_json(found))
        return
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(as_text(found, colours=colours, width=shutil.get_terminal_size((100, 24)).columns))


def _question(arguments: argparse.Namespace, site: Site) -> Question:
    bare = Question(site, GrantBook(site), arguments.proposal, together=tuple(arguments.together))
    if arguments.claims:
        return _of_claims(arguments, site, bare)
    if arguments.person == "-":
        raise _UsageError("'-' is whoever the claims are about: give --claims FILE.json, or write who it is")
    try:
        return _of_the_hub(arguments.person, site, bare)
    except HubDatabaseError as error:
        print(f"{error} What follows goes by the identity alone.", file=sys.stderr)
        return _of_the_identity(arguments.person, site, bare)


def _of_claims(arguments: argparse.Namespace, site: Site, bare: Question) -> Question:
    """A login that might be: the person that these claims would make."""
    claims = _claims(arguments.claims)
    login = next((one for one in site.logins if arguments.community in ("", one.community)), None)
    if login is None:
        raise _UsageError(f"this site has no login by {arguments.community!r}")
    community = load_community(login.community, site.folder)
    rules = ClaimRules(community, login.issuer or community.issuer, frozenset(), tuple(claims_needed(site)))
    try:
        person = person_from(claims, rules, datetime.now(UTC))
    except IdentityError as error:
        return replace(bare, trouble=str(error))
    if arguments.person not in ("-", person.subject, person.username) and arguments.person.lower() != person.subject:
        raise _UsageError(
            f"the claims are of {person.subject}, not of {arguments.person!r}; write '-' for whoever it is"
        )
    acr = claims.get("acr")
    trouble = _trouble(site, person.identity)
    return replace(bare, person=person, claims=claims, acr=acr if isinstance(acr, str) else "", trouble=trouble)


def _claims(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as handle:
            found = json.loads(handle.read(_MAX_CLAIMS))
    except (OSError, ValueError, RecursionError) as error:
        raise _UsageError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise _UsageError(f"{file} holds no JSON object of claims")
    return found


def _of_the_hub(text: str, site: Site, bare: Question) -> Question:
    """Somebody's last login, as the hub keeps it; without one, their identity."""
    names = [*usernames_of(site, text)]
    names += [username_for(*identity) for identity in identities_named(site, text)]
    for name in dict.fromkeys(names):
        stored = last_login(site, name)
        if stored is None:
            continue
        if stored.person is None:
            return replace(
                _of_the_identity(text, site, bare, name), logged_in=False, from_login=True, running=stored.running
            )
        return replace(
            bare,
            person=stored.person,
            acr=stored.acr,
            running=stored.running,
            trouble=_trouble(site, stored.person.identity),
        )
    return _of_the_identity(text, site, bare)


def _of_the_identity(text: str, site: Site, bare: Question, name: str = "") -> Question:
    identities = identities_named(site, text, name)
    if not identities:
        return replace(
            bare, trouble=f"Nobody has logged in here as {text[:80]!r}, and it is no identity of this site's logins."
        )
    identity = identities[0]
    person = _nobody_yet(identity, site, name)
    return replace(bare, person=person, from_login=False, trouble=_trouble(site, identity))


def _trouble(site: Site, identity: Identity) -> str:
    try:
        return identity_trouble(site, identity)
    except PeopleError as error:
        print(f"Whether this identity may log in is not known: {error}", file=sys.stderr)
        return ""


def _nobody_yet(identity: Identity, site: Site, name: str) -> Person:
    """Somebody of whom only the identity is known."""
    community = next(
        login.community
        for login in site.logins
        if identity.issuer == (login.issuer or load_community(login.community, site.folder).issuer)
    )
    username, now = name or username_for(*identity), datetime.now(UTC)
    return Person(identity.issuer, identity.subject, username, identity.subject, community, now)
