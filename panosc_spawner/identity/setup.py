"""From a site to the settings of the authenticator. Everything that can be found out when the hub starts fails here."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from panosc_spawner.errors import ConfigurationError, EntitlementError, IdentityError
from panosc_spawner.facilities.site import Site
from panosc_spawner.facilities.source_rules import EntitlementSource
from panosc_spawner.identity.community import Community, Endpoints, require_safe_url
from panosc_spawner.identity.discovery import WAIT, ProviderUnreachable, discover
from panosc_spawner.identity.entitlements import Entitlement, parse, parse_namespace
from panosc_spawner.identity.person_keys import claims_needed
from panosc_spawner.identity.username import canonical_subject
from panosc_spawner.secret_file import read_secret

log = logging.getLogger(__name__)


def configure_authenticator(c: Any, site: Site, community: Community, *, wait: timedelta = WAIT) -> None:
    """Set ``c.PanoscAuthenticator`` from the site's ``[login]`` and its community.

    Asks the provider for its discovery document, unless the community's file gives the endpoints.

    Args:
        c: traitlets' configuration object.
        site: the site.
        community: the one that ``login.community`` names.
        wait: how long the provider may take to start answering.

    Raises:
        ConfigurationError: naming the file, the key and what to do.
    """
    login = site.config.login
    issuer = issuer_of(site, community)
    _check_entitlement_sources(site, community, issuer)
    endpoints = endpoints_of(site, community, wait=wait)
    settings: dict[str, Any] = {
        "community": community,
        "issuer": issuer,
        "authorize_url": endpoints.authorize,
        "token_url": endpoints.token,
        "userdata_url": endpoints.userinfo,
        "client_id": login.client_id,
        "client_secret_file": _secret_file(site, community),
        "basic_auth": community.token_auth == "basic",  # noqa: S105 - a method's name
        "scope": list(login.scopes or community.scopes),
        "extra_authorize_params": dict(community.authorize_params),
        "oauth_callback_url": f"{site.config.hub.public_url}/hub/oauth_callback",
        "login_service": community.title,
        "admins": list(_admins(site, community)),
        "required_entitlement": _required_entitlement(site, community),
        "kept_claims": sorted(claims_needed(site)),
        "outage_grace": site.config.access.outage_grace.total_seconds(),
        "custom_403_message": f"Your {community.title} login may not use this hub. {_ask(site)}",
    }
    for name, value in settings.items():
        setattr(c.PanoscAuthenticator, name, value)


def login_mistakes(site: Site, community: Community) -> Iterator[ConfigurationError]:
    """What the hub would refuse to start with in ``[login]``, found without asking anybody."""
    for look in (_secret_is_named, lambda *both: list(_admins(*both)), _required_entitlement):
        try:
            look(site, community)
        except ConfigurationError as error:
            yield error


def issuer_of(site: Site, community: Community) -> str:
    """The issuer people's identities are made with: the operator's, else the community's.

    Raises:
        ConfigurationError: if there is none, or it is neither https nor loopback.
    """
    issuer = site.config.login.issuer or community.issuer
    if not issuer:
        raise ConfigurationError(
            _file(site),
            "login.issuer",
            f"missing: {community.title}'s issuer is not public",
            "take it from your registration",
        )
    try:
        return require_safe_url(issuer)
    except ValueError as error:
        raise ConfigurationError(_file(site), "login.issuer", str(error)) from error


def endpoints_of(site: Site, community: Community, *, wait: timedelta = WAIT) -> Endpoints:
    """The provider's endpoints: given by the community's file, or discovered.

    Discovered ones are kept in the hub's state directory. Where the provider is down when the hub starts, those of the last
    time are used: people at work must find their servers again although nobody new can log in.

    Raises:
        ConfigurationError: as :func:`~.discovery.discover`.
    """
    if community.endpoints:
        return community.endpoints
    issuer = issuer_of(site, community)
    kept = site.folder / site.config.hub.state_dir / "login-endpoints.json"
    try:
        endpoints = discover(issuer, community, _file(site), wait)
    except ProviderUnreachable as error:
        last = _read_kept(kept, issuer)
        if last is None:
            raise
        log.warning("%s. The endpoints of the last start are used.", error)
        return last
    with suppress(OSError):  # kept for a start while the provider is down; this one has what it needs
        kept.write_text(json.dumps({"issuer": issuer, "endpoints": endpoints.model_dump()}), encoding="utf-8")
    return endpoints


def _read_kept(file: Path, issuer: str) -> Endpoints | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return Endpoints.model_validate(kept["endpoints"]) if kept["issuer"] == issuer else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _secret_is_named(site: Site, community: Community) -> None:
    if site.config.login.client_secret_file is None and community.token_auth != "none":  # noqa: S105 - a method's name
        raise ConfigurationError(
            _file(site),
            "login.client_secret_file",
            f"missing: {community.title} expects a client secret",
            "a public client is token_auth = 'none' in the community's file",
        )


def _secret_file(site: Site, community: Community) -> str:
    _secret_is_named(site, community)
    file = site.config.login.client_secret_file
    if file is None:
        return ""
    read_secret(site.folder / file, "client secret")  # a mistake is told now, not at the first login
    return str(site.folder / file)


def _admins(site: Site, community: Community) -> Iterator[str]:
    for place, admin in enumerate(site.config.login.admins):
        claim = "voperson_id" if "@" in admin and community.identity_claim == "voperson_id" else "sub"
        try:
            if claim == "sub" and community.identity_claim != "sub" and not community.allow_sub:
                raise IdentityError("must be a voperson_id (identifier@scope)")
            yield canonical_subject(admin, community, claim=claim)
        except IdentityError as error:
            raise ConfigurationError(_file(site), f"login.admins.{place}", str(error)) from error


def _required_entitlement(site: Site, community: Community) -> str:
    text = site.config.login.required_entitlement
    if text:
        try:
            _check_namespace(parse(text), community)
        except EntitlementError as error:
            raise ConfigurationError(_file(site), "login.required_entitlement", str(error)) from error
    return text


def _check_entitlement_sources(site: Site, community: Community, issuer: str) -> None:
    """A rule that can never count is a mistake, and would look like people without proposals."""
    for place, rule in enumerate(site.config.sources):
        if not isinstance(rule, EntitlementSource):
            continue
        key = f"sources.{place}"
        if rule.issuer != issuer:
            raise ConfigurationError(
                _file(site),
                f"{key}.issuer",
                f"{rule.issuer!r} is not the issuer people log in with",
                f"write {issuer!r}",
            )
        try:
            nid, *namespace = parse_namespace(rule.namespace)
            _check_namespace(Entitlement(nid, tuple(namespace), "group", rule.group), community)
        except EntitlementError as error:
            raise ConfigurationError(_file(site), f"{key}.namespace", str(error)) from error


def _check_namespace(entitlement: Entitlement, community: Community) -> None:
    if not any(entitlement.within(namespace) for namespace in community.namespaces):
        known = ", ".join(community.namespaces) or "none"
        raise EntitlementError(f"{community.title} may not speak for this namespace; its own: {known}")


def _ask(site: Site) -> str:
    support = site.config.hub.support
    return f"Ask the people who run it: {support}." if support else "Ask the people who run it."


def _file(site: Site) -> Path:
    return site.folder / "site.toml"
