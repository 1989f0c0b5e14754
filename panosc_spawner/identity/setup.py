"""From a site to the settings of the authenticator. Everything that can be found out when the hub starts fails here."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ConfigurationError, EntitlementError, IdentityError
from panosc_spawner.facilities.login_rules import Login
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource
from panosc_spawner.identity.community import Community, Endpoints, load_community, require_safe_url
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.discovery import WAIT, ProviderUnreachable, discover
from panosc_spawner.identity.entitlements import Entitlement, parse, parse_namespace
from panosc_spawner.identity.issuer_checks import issuer_mistakes
from panosc_spawner.identity.person_keys import claims_needed
from panosc_spawner.identity.username import canonical_subject
from panosc_spawner.metrics import LOGIN_SERVICE_UP
from panosc_spawner.secret_file import read_secret

log = logging.getLogger(__name__)


def configure_authenticator(c: Any, site: Site, context: LoginContext, *, wait: timedelta = WAIT) -> None:
    """Set ``c.CommunitiesAuthenticator`` from the site's ``[login]`` and the communities it names.

    Asks each provider for its discovery document, unless the community's file gives the endpoints.

    Args:
        c: traitlets' configuration object.
        site: the site.
        context: what the logins share.
        wait: how long each provider may take to start answering.

    Raises:
        ConfigurationError: naming the file, the key and what to do.
    """
    logins = logins_of(site)
    for one in logins:
        for mistake in login_mistakes(one):
            raise mistake
    for mistake in source_mistakes(site, logins):
        raise mistake
    access = site.config.access
    settings: dict[str, Any] = {
        "logins": [_settings(one, wait, first=place == 0) for place, one in enumerate(logins)],
        "context": context,
        "public_url": site.config.hub.public_url,
        "login_service": " or ".join(one.community.title for one in logins),
        "outage_grace": access.outage_grace.total_seconds(),
        "max_session_age": access.max_session_age.total_seconds(),
        "auth_refresh_age": max(1, int(access.recheck.total_seconds())),
        "custom_403_message": f"Your login may not use this hub. {_ask(site)}",
    }
    for name, value in settings.items():
        setattr(c.CommunitiesAuthenticator, name, value)


@dataclass(frozen=True)
class SiteLogin:
    """One way to log in to a site: its rules, its community, and where in ``site.toml`` the rules stand."""

    site: Site
    rules: Login
    community: Community
    key: str

    @property
    def file(self) -> Path:
        """Where a mistake is to be corrected."""
        return _file(self.site)

    def mistake(self, key: str, reason: str, suggestion: str = "") -> ConfigurationError:
        """A mistake at ``key`` of these rules."""
        return ConfigurationError(self.file, f"{self.key}.{key}", reason, suggestion)

    @property
    def written_issuer(self) -> str:
        """As it is written, right or not."""
        return self.rules.issuer or self.community.issuer

    @property
    def issuer(self) -> str:
        """The issuer people's identities are made with: the operator's, else the community's.

        Raises:
            ConfigurationError: if there is none, or it is neither https nor loopback.
        """
        issuer = self.written_issuer
        if not issuer:
            reason = f"missing: {self.community.title}'s issuer is not public"
            raise self.mistake("issuer", reason, "take it from your registration")
        try:
            return require_safe_url(issuer)
        except ValueError as error:
            raise self.mistake("issuer", str(error)) from error


def logins_of(site: Site) -> list[SiteLogin]:
    """All ways to log in to a site, the first one first.

    Raises:
        ConfigurationError: if a community is not known, or two logins are of the same community or issuer.
    """
    found: list[SiteLogin] = []
    for place, rules in enumerate(site.logins):
        key = "login" if place == 0 else f"login.also[{place}]"
        one = SiteLogin(site, rules, _community(site, rules, key), key)
        if rules.also and place:
            raise one.mistake("also", "stands within another login", "write all others beside each other in login.also")
        if any(other.community.id == one.community.id for other in found):
            raise one.mistake("community", f"{rules.community!r} is there twice", "each community has one login")
        if any(other.written_issuer == one.written_issuer != "" for other in found):
            raise one.mistake("issuer", f"{one.written_issuer} is another login's, too", "each issuer has one login")
        found.append(one)
    return found


def _community(site: Site, rules: Login, key: str) -> Community:
    try:
        return load_community(rules.community, site.folder)
    except ConfigurationError as error:
        if error.key != "login.community":  # the community's own file is wrong
            raise
        raise ConfigurationError(error.file, f"{key}.community", error.reason, error.suggestion) from error


def login_mistakes(login: SiteLogin) -> Iterator[ConfigurationError]:
    """What the hub would refuse to start with in one login, found without asking anybody."""
    looks: tuple[Callable[[SiteLogin], Any], ...] = (
        lambda one: one.issuer,
        _secret_is_named,
        lambda one: list(_admins(one)),
        _required_entitlement,
        _floors,
    )
    for look in looks:
        try:
            look(login)
        except ConfigurationError as error:
            yield error


def source_mistakes(site: Site, logins: Sequence[SiteLogin]) -> Iterator[ConfigurationError]:
    """Sources and rules of accounts that can never count: that would look like people without proposals."""
    yield from issuer_mistakes(site, [one.written_issuer for one in logins])
    for place, rule in enumerate(site.config.sources, start=1):
        if not isinstance(rule, EntitlementSource):
            continue
        key, issuers = f"sources[{place}]", [one.written_issuer for one in logins]
        if rule.issuer not in issuers:
            reason = f"{rule.issuer!r} is not the issuer people log in with: its proposals never count"
            yield ConfigurationError(_file(site), f"{key}.issuer", reason, f"write {' or '.join(map(repr, issuers))}")
            continue
        try:
            nid, *namespace = parse_namespace(rule.namespace)
            entitlement = Entitlement(nid, tuple(namespace), "group", rule.group)
            _check_namespace(entitlement, logins[issuers.index(rule.issuer)].community)
        except EntitlementError as error:
            yield ConfigurationError(_file(site), f"{key}.namespace", str(error))


def _settings(login: SiteLogin, wait: timedelta, *, first: bool) -> dict[str, Any]:
    """The settings of a login's ``PanoscAuthenticator``."""
    site, rules, community = login.site, login.rules, login.community
    endpoints = endpoints_of(login, wait=wait)
    path = "oauth_callback" if first else f"oauth_callback/{community.id}"
    return {
        "community": community,
        "issuer": login.issuer,
        "endpoints": endpoints,
        "authorize_url": endpoints.authorize,
        "token_url": endpoints.token,
        "userdata_url": endpoints.userinfo,
        "client_id": rules.client_id,
        "client_secret_file": _secret_file(login),
        "basic_auth": community.token_auth == "basic",  # noqa: S105 - a method's name
        "scope": list(rules.scopes or community.scopes),
        "extra_authorize_params": dict(community.authorize_params),
        "oauth_callback_url": f"{site.config.hub.public_url}/hub/{path}",
        "login_service": community.title,
        "admins": list(_admins(login)),
        "required_entitlement": _required_entitlement(login),
        "acr": list(rules.acr),
        "assurance": list(rules.assurance),
        "clock_skew": site.config.access.clock_skew.total_seconds(),
        "kept_claims": sorted(claims_needed(site)),
    }


def endpoints_of(login: SiteLogin, *, wait: timedelta = WAIT) -> Endpoints:
    """The provider's endpoints: given by the community's file, or discovered.

    Discovered ones are kept in the hub's state directory. Where the provider is down when the hub starts, those of the last
    time are used: people at work must find their servers again although nobody new can log in.

    Raises:
        ConfigurationError: as :func:`~.discovery.discover`.
    """
    if login.community.endpoints:
        return login.community.endpoints
    state_dir = login.site.folder / login.site.config.hub.state_dir
    kept = state_dir / f"login-endpoints-{login.community.id}.json"
    try:
        endpoints = discover(login.issuer, login.community, login.file, wait, key=login.key)
    except ProviderUnreachable as error:
        last = _read_kept(kept, login.issuer)
        if last is None:
            raise
        log.warning("%s. The endpoints of the last start are used.", error)
        LOGIN_SERVICE_UP.labels(login.community.id).set(0)
        return last
    LOGIN_SERVICE_UP.labels(login.community.id).set(1)
    with suppress(OSError):  # kept for a start while the provider is down; this one has what it needs
        _replace(kept, json.dumps({"issuer": login.issuer, "endpoints": endpoints.model_dump()}))
    return endpoints


def _replace(file: Path, text: str) -> None:
    """Write a file whole or not at all: half of one, and a hub could not start while the provider is down."""
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def _read_kept(file: Path, issuer: str) -> Endpoints | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Endpoints.model_validate(kept["endpoints"]) if kept["issuer"] == issuer else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _secret_is_named(login: SiteLogin) -> None:
    if login.rules.client_secret_file is None and login.community.token_auth != "none":  # noqa: S105 - a method's name
        raise login.mistake(
            "client_secret_file",
            f"missing: {login.community.title} expects a client secret",
            "a public client is token_auth = 'none' in the community's file",
        )


def _secret_file(login: SiteLogin) -> str:
    file = login.rules.client_secret_file
    if file is None:
        return ""
    read_secret(login.site.folder / file, "client secret")  # a mistake is told now, not at the first login
    return str(login.site.folder / file)


def _admins(login: SiteLogin) -> Iterator[str]:
    community = login.community
    for place, admin in enumerate(login.rules.admins, start=1):
        claim = "voperson_id" if "@" in admin and community.identity_claim == "voperson_id" else "sub"
        try:
            if claim == "sub" and community.identity_claim != "sub" and not community.allow_sub:
                raise IdentityError("no voperson_id")
            yield canonical_subject(admin, community, claim=claim)
        except IdentityError as error:
            raise login.mistake(
                f"admins[{place}]",
                f"{admin!r} is nobody's identity at {community.title}",
                f"write {_identity_in_words(community)}; `panosc-hub people list` shows who has logged in",
            ) from error


def _identity_in_words(community: Community) -> str:
    if community.identity_claim != "voperson_id":
        return "a person's sub"
    scopes = " or ".join(community.identity_scopes) or "…"
    return f"a person's voperson_id (…@{scopes})" + (", or sub" if community.allow_sub else "")


def _required_entitlement(login: SiteLogin) -> str:
    text = login.rules.required_entitlement
    if text:
        try:
            _check_namespace(parse(text), login.community)
        except EntitlementError as error:
            raise login.mistake("required_entitlement", str(error)) from error
    return text


def _floors(login: SiteLogin) -> None:
    """A value with a blank would be sent as two, and match neither."""
    for key, values in (("acr", login.rules.acr), ("assurance", login.rules.assurance)):
        for place, value in enumerate(values, start=1):
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise login.mistake(f"{key}[{place}]", f"{value!r} is not one value", "write each as a text of its own")


def _check_namespace(entitlement: Entitlement, community: Community) -> None:
    if not any(entitlement.within(namespace) for namespace in community.namespaces):
        known = ", ".join(community.namespaces) or "none"
        raise EntitlementError(f"{community.title} may not speak for this namespace; its own: {known}")


def _ask(site: Site) -> str:
    support = site.config.hub.support
    return f"Ask the people who run it: {support}." if support else "Ask the people who run it."


def _file(site: Site) -> Path:
    return site.folder / "site.toml"
