"""Whom an operator means on the command line: a hub user name, or an identity (voperson_id, sub)."""

from __future__ import annotations

import contextlib

from panosc_spawner.errors import ConfigurationError, IdentityError, PeopleError
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.community import load_community
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.people_model import KnownIdentity, is_person_name
from panosc_spawner.identity.person import Identity
from panosc_spawner.identity.username import canonical_subject

PEOPLE = "people.sqlite"
"""The book of people, in the hub's state directory."""


def known_identities(site: Site) -> list[KnownIdentity]:
    """All identities that this hub has met; none where there is no book of people yet.

    Raises:
        PeopleError: if the book is there and cannot be read.
    """
    file = site.config.hub.state_dir / PEOPLE
    if not file.exists():
        return []
    store = PeopleStore(file)
    try:
        return store.everybody()
    finally:
        store.close()


def usernames_of(site: Site, text: str) -> frozenset[str]:
    """The hub user names that a text may mean: itself, and those of the identities it names."""
    names = {text}
    with contextlib.suppress(PeopleError):  # then only what the text says itself is found
        names |= {known.username for known in known_identities(site) if _is(known.identity, text)}
    return frozenset(names)


def identities_named(site: Site, text: str, username: str = "") -> list[Identity]:
    """The identities that a text, or a hub user name, may mean: those that the hub has met, else one a login of the site."""
    with contextlib.suppress(PeopleError):
        known = [
            one.identity
            for one in known_identities(site)
            if one.username in (text, username) or _is(one.identity, text)
        ]
        if known:
            return known
    found = []
    for login in site.logins if not is_person_name(text) else ():
        with contextlib.suppress(ConfigurationError, IdentityError):
            community = load_community(login.community, site.folder)
            claim = "voperson_id" if "@" in text and community.identity_claim == "voperson_id" else "sub"
            if claim == community.identity_claim or community.allow_sub:
                subject = canonical_subject(text, community, claim=claim)
                found.append(Identity(login.issuer or community.issuer, subject))
    return found


def identity_trouble(site: Site, identity: Identity) -> str:
    """Why an identity may not log in, by the book of people: unlinked, or shut out. Empty if it may.

    Raises:
        PeopleError: if the book is there and cannot be read.
    """
    file = site.config.hub.state_dir / PEOPLE
    if not file.exists():
        return ""
    store = PeopleStore(file)
    try:
        store.name_of(identity)
    except IdentityError as error:
        return str(error)
    finally:
        store.close()
    return ""


def _is(identity: Identity, text: str) -> bool:
    return text in (identity.subject, str(identity)) or ("@" in text and identity.subject == text.lower())
