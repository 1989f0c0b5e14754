"""``panosc-hub people``: whose an identity is, and changes of it by the people who run the hub.

It works on the book of people beside a hub that runs, which follows each change within seconds, or at its next start.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from panosc_spawner.errors import ConfigurationError, IdentityError, PeopleError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.community import load_community
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_file import require_file
from panosc_spawner.identity.people_model import Change, KnownIdentity, State, is_person_name
from panosc_spawner.identity.person import Identity
from panosc_spawner.identity.username import canonical_subject
from panosc_spawner.spawners.context import audit_log

_FOLLOWS = "A hub that runs follows within seconds."


def add_parser(commands: Any) -> None:
    """The command's arguments."""
    parser = commands.add_parser(
        "people", help="whose an identity is: list, show, history, link, unlink, remove, release"
    )
    acts = parser.add_subparsers(required=True, metavar="WHAT")
    _act(acts, "list", _list, "everybody who ever logged in")
    _act(acts, "show", _show, "one person, or one identity", who=True)
    _act(acts, "history", _history, "what happened to a person's or an identity's logins", who=True)
    link = _act(acts, "link", _link, "let an identity log in as somebody", identity=True, reason=True)
    link.add_argument("--to", required=True, metavar="USER", help="the hub's user name (p-…)")
    link.add_argument(
        "--leaving", default="", metavar="USER", help="the account that the identity has now, to show that it is meant"
    )
    link.add_argument("--proof", default="", help="what shows that both are the same person's: a ticket, a visit")
    _act(acts, "unlink", _unlink, "take an identity away from the account it was linked to", identity=True, reason=True)
    _act(acts, "remove", _remove, "shut an identity out, even an account's only one", identity=True, reason=True)
    _act(acts, "release", _release, "let one that is shut out begin anew", identity=True, reason=True)


def _act(
    acts: Any,
    name: str,
    run: Callable[[argparse.Namespace, Site, PeopleStore], int],
    words: str,
    *,
    who: bool = False,
    identity: bool = False,
    reason: bool = False,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = acts.add_parser(name, help=words)
    parser.add_argument("site", type=Path, metavar="SITE", help="the folder with site.toml")
    if who:
        parser.add_argument("who", metavar="WHO", help="the hub's user name (p-…), or an identity")
    if identity:
        parser.add_argument("who", metavar="IDENTITY", help="voperson_id, or sub")
    if who or identity:
        parser.add_argument(
            "--community", default="", help="whose identity it is; not needed where the book holds only one such"
        )
    if reason:
        parser.add_argument("--reason", required=True, help="why, in words: it stands in the history and the audit log")
    else:
        parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=lambda arguments: _run(arguments, run))
    return parser


def _run(arguments: argparse.Namespace, run: Callable[[argparse.Namespace, Site, PeopleStore], int]) -> int:
    """Open the book, do it, and say what is wrong in words. 1 if something is."""
    try:
        site = load_site(arguments.site)
        file = site.config.hub.state_dir / "people.sqlite"
        require_file(file)
        with closing(PeopleStore(file, audit_log(site))) as people:
            return run(arguments, site, people)
    except (ConfigurationError, IdentityError, PeopleError) as error:
        print(error, file=sys.stderr)
        return 1


# -- looking ----------------------------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    _print_identities(people.everybody(), arguments.json)
    return 0


def _show(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    found = _known(arguments, site, people)
    if not found:
        print(f"Nobody like {arguments.who!r} is in the book.", file=sys.stderr)
        return 1
    _print_identities(found, arguments.json)
    return 0


def _history(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    if is_person_name(arguments.who):
        changes = people.history(username=arguments.who, limit=100_000)
    else:
        changes = people.history(identity=_identity(arguments, site, people), limit=100_000)
    for change in changes:
        print(json.dumps(_plain(change)) if arguments.json else _line(change))
    if not changes:
        print(f"Nothing is known of {arguments.who!r}.", file=sys.stderr)
    return int(not changes)


def _known(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> Sequence[KnownIdentity]:
    if is_person_name(arguments.who):
        return people.known_of(arguments.who)
    known = people.known(_identity(arguments, site, people))
    return () if known is None else (known,) if not known.username else people.known_of(known.username)


def _print_identities(found: Sequence[KnownIdentity], as_json: bool) -> None:
    for known in found:
        if as_json:
            print(json.dumps(_plain(known)))
        else:
            name = known.username or "-"
            print(f"{name:<22}  {known.state.value:<8}  {known.since:%Y-%m-%d %H:%M}  {known.identity}")


def _line(change: Change) -> str:
    proof = f" [{change.proof}]" if change.proof else ""
    name = change.username or "-"
    return (
        f"{change.time:%Y-%m-%d %H:%M:%S}  {change.act.value:<8}  {name:<22}  {change.identity}  by {change.by}: "
        f"{change.reason}{proof}"
    )


def _plain(value: Any) -> dict[str, Any]:
    table = asdict(value)
    table["identity"] = value.identity._asdict()
    return {key: item.isoformat() if hasattr(item, "isoformat") else item for key, item in table.items()}


# -- changing ---------------------------------------------------------------------------------------------------------


def _link(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    identity = _identity(arguments, site, people)
    known = people.known(identity)
    owner = known.username if known and known.state is State.ACTIVE else ""
    if owner and owner not in (arguments.to, arguments.leaving):
        raise IdentityError(
            f"{identity} logs in as {owner}, which {_servers(site, owner)}. Nothing of that account is deleted when it is linked "
            f"elsewhere, but its login does not open it any more: add --leaving {owner} if that is meant."
        )
    if owner and owner != arguments.to:
        _require_idle(site, owner)
    proof = arguments.proof or "decided by an administrator"
    moved = people.link(
        arguments.to, identity, by=_who(), reason=arguments.reason, proof=proof, leaving=arguments.leaving
    )
    print(f"{identity} logs in as {arguments.to}. {_FOLLOWS}" if moved else "It does already; nothing was changed.")
    return 0


def _unlink(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    identity = _identity(arguments, site, people)
    owner = _owner(people, identity)
    back = people.unlink(owner, identity, by=_who(), reason=arguments.reason, proof="decided by an administrator")
    then = f"logs in as {back} again, as before" if back else "is refused until it is linked again or released"
    print(f"{identity} {then}. The logins of {owner} end, and its servers stop; its home is kept. {_FOLLOWS}")
    return 0


def _remove(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    identity = _identity(arguments, site, people)
    owner = people.remove(identity, by=_who(), reason=arguments.reason)
    ends = f" The logins of {owner} end, and its servers stop; its home is kept." if owner else ""
    print(f"{identity} is shut out.{ends} {_FOLLOWS}")
    return 0


def _release(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> int:
    identity = _identity(arguments, site, people)
    people.release(identity, by=_who(), reason=arguments.reason)
    print(f"{identity} may log in again, as somebody new. To give it back an account that it had, link it to that.")
    return 0


def _owner(people: PeopleStore, identity: Identity) -> str:
    known = people.known(identity)
    if known is None or known.state is not State.ACTIVE:
        raise IdentityError(f"{identity} belongs to nobody.")
    return known.username


def _identity(arguments: argparse.Namespace, site: Site, people: PeopleStore) -> Identity:
    """The identity that the operator means: of the community they name, or the only one of this subject in the book."""
    logins = {rules.community: rules for rules in site.logins}
    if arguments.community and arguments.community not in logins:
        raise IdentityError(f"People do not log in here with {arguments.community!r}, but with {', '.join(logins)}.")
    meant = set()
    wrong: IdentityError | None = None
    for id, rules in logins.items():
        if arguments.community in ("", id):
            community = load_community(id, site.folder)
            claim = "voperson_id" if community.identity_claim == "voperson_id" and "@" in arguments.who else "sub"
            try:
                subject = canonical_subject(arguments.who, community, claim=claim)
                meant.add(Identity(rules.issuer or community.issuer, subject))
            except IdentityError as error:
                wrong = error
    in_book = {identity for identity in meant if people.history(identity=identity, limit=1)}
    found = in_book if in_book and not arguments.community else meant
    if len(found) == 1:
        return found.pop()
    if not found and wrong:
        raise wrong
    raise IdentityError(f"Say whose identity {arguments.who!r} is: --community {' or '.join(logins)}.")


def _who() -> str:
    """Who sits at the command line, as the operating system knows them."""
    name = getpass.getuser()
    behind = os.environ.get("SUDO_USER", "")
    return f"administrator {behind} (as {name})" if behind and behind.isprintable() else f"administrator {name}"


def _require_idle(site: Site, username: str) -> None:
    if running := _running(site, username):
        raise IdentityError(
            f"{username} has {running} server{'s' if running > 1 else ''} running. Stop {'them' if running > 1 else 'it'} "
            "first, on the hub's admin page."
        )


def _servers(site: Site, username: str) -> str:
    running = _running(site, username)
    return f"has {running} server{'s' if running > 1 else ''} running" if running else "has no server running"


def _running(site: Site, username: str) -> int:
    """How many servers somebody has, by the hub's own database, which is only read."""
    file = site.config.hub.state_dir / "hub.sqlite"
    if not file.exists():
        return 0
    question = (
        "SELECT count(*) FROM spawners JOIN users ON users.id = spawners.user_id "
        "WHERE users.name = ? AND spawners.server_id IS NOT NULL"
    )
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=5)) as db:
            return int(db.execute(question, (username,)).fetchone()[0])
    except sqlite3.Error as error:
        raise PeopleError(
            f"{file} cannot be read, so it is not known whether {username} has servers: {error}."
        ) from error
