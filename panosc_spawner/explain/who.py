"""The first links: is it known who they are, and does their login hold?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from panosc_spawner.errors import ConfigurationError, EntitlementError, IdentityError
from panosc_spawner.explain.model import Helper, Link, Question, State, Step
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.units import format_duration
from panosc_spawner.identity.assurance import missing_assurance
from panosc_spawner.identity.community import Community, load_community
from panosc_spawner.identity.entitlements import parse
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.username import canonical_subject

_LOG_IN = "Log out, and log in again."


def identity_link(question: Question) -> Link:
    """Is it known who they are, by one canonical identity of a login of this hub?"""
    person = question.person
    if question.trouble or person is None:
        return Link(
            Step.IDENTITY,
            State.BROKEN,
            question.trouble or "This hub does not know this person.",
            remedy="Log in, or tell the people who run this hub: the login service must send who you are.",
            who=(Helper.OPERATOR,),
            code="no-identity",
        )
    if reason := _not_canonical(person, question.site):
        return Link(Step.IDENTITY, State.BROKEN, reason, remedy=_LOG_IN, who=(Helper.OPERATOR,), code="not-canonical")
    others = [str(identity) for identity in person.identities if identity != person.identity]
    notes = (f"Linked to it: {', '.join(others)}.",) if others else ()
    return Link(Step.IDENTITY, State.OK, f"{person.subject}, at {person.issuer}.", notes=notes)


def _not_canonical(person: Person, site: Site) -> str:
    found = login_of(person, site)
    if found is None:
        return ""  # the next link says so
    community = found[1]
    claim = "voperson_id" if "@" in person.subject and community.identity_claim == "voperson_id" else "sub"
    try:
        canonical = canonical_subject(person.subject, community, claim=claim)
    except IdentityError as error:
        return str(error)
    if canonical != person.subject:
        return f"The identity {person.subject!r} is not in its one form ({canonical!r}), so nothing is found by it."
    return ""


def login_of(person: Person, site: Site) -> tuple[Login, Community] | None:
    """The login of the site that a person came by; None if it is none of them any more."""
    for login in site.logins:
        if login.community != person.community:
            continue
        try:
            community = load_community(login.community, site.folder)
        except ConfigurationError:
            continue
        if person.issuer == (login.issuer or community.issuer):
            return login, community
    return None


def login_link(question: Question, now: datetime) -> Link:
    """Does their login hold: community, age, group, and how well they authenticated?"""
    person = question.person
    if person is None:
        return Link(Step.LOGIN, State.UNKNOWN, "Nobody can be logged in whose identity is not known.")
    found = login_of(person, question.site)
    if found is None:
        return _broken("not-this-community", "The login is of a community that this hub does not accept (any more).")
    if not question.from_login:
        words = "No login is at hand: who they are is taken from what you asked for. Groups and claims are not known."
        return Link(Step.LOGIN, State.UNKNOWN, words)
    if not question.logged_in:
        return _broken("login-ended", "The login has ended.")
    login, community = found
    for problem in _problems(question, person, login, now):
        return problem
    seen = format_duration(now - person.seen_at)
    notes = tuple(_notes(question, person, login, now))
    return Link(Step.LOGIN, State.OK, f"{community.title}, last confirmed {seen} ago.", notes=notes)


def _problems(question: Question, person: Person, login: Login, now: datetime) -> Iterator[Link]:
    policy = question.site.config.access
    began = person.logged_in_at or person.seen_at
    if now - began > policy.max_session_age:
        most = format_duration(policy.max_session_age)
        yield _broken("session-too-old", f"The login is older than {most}: people show themselves again after that.")
    if login.required_entitlement and not _in_group(person, login.required_entitlement):
        group = ":".join(parse(login.required_entitlement).path)
        yield Link(
            Step.LOGIN,
            State.BROKEN,
            f"Only members of the group '{group}' may use this hub, and the login does not say that they are.",
            remedy="Ask the people who run the group to add you; then log in again.",
            who=(Helper.OPERATOR,),
            code="not-in-group",
        )
    if login.acr and question.acr and question.acr not in login.acr:
        yield Link(
            Step.LOGIN,
            State.BROKEN,
            "This hub asks for a stronger login than this one was.",
            remedy="Log in again, with your second factor.",
            who=(Helper.PERSON,),
            code="acr-too-weak",
            details=f"acr {question.acr[:200]!r}; required: {' or '.join(login.acr)}",
        )
    if question.claims is not None and (missing := missing_assurance(login.assurance, question.claims)):
        yield Link(
            Step.LOGIN,
            State.BROKEN,
            "The home organisation does not vouch well enough for who they are.",
            remedy="Ask your home organisation, or log in by another one that has seen your passport or identity card.",
            who=(Helper.PERSON,),
            code="assurance-too-low",
            details=f"eduperson_assurance lacks {', '.join(missing)}",
        )


def _notes(question: Question, person: Person, login: Login, now: datetime) -> Iterator[str]:
    if login.acr and not question.acr:
        yield "How they authenticated is checked at the login; it is not known here."
    if login.assurance and question.claims is None:
        yield "How well they were vetted is checked at each refresh of the login; it is not known here."
    if now - person.seen_at > max(question.site.config.access.outage_grace, timedelta(minutes=10)):
        yield "The login service is asked again before anything is opened."


def _broken(code: str, message: str) -> Link:
    return Link(Step.LOGIN, State.BROKEN, message, remedy=_LOG_IN, who=(Helper.PERSON,), code=code)


def _in_group(person: Person, required: str) -> bool:
    wanted = parse(required)
    for text in person.entitlements:
        try:
            if parse(text).satisfies(wanted):
                return True
        except EntitlementError:
            continue
    return False
