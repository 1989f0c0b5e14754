"""The identity provider: its discovery document says what the hub's login needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from panosc_spawner.check.finding import Finding, Level, error, ok, warning
from panosc_spawner.errors import ConfigurationError
from panosc_spawner.facilities.site import Site
from panosc_spawner.identity.community import Community, require_safe_url
from panosc_spawner.identity.discovery import discover
from panosc_spawner.identity.setup import SiteLogin, login_mistakes, logins_of, source_mistakes

_SUBJECT = "identity provider"
_OFFER = "what it offers"
_TIMEOUT = 5  # seconds
_MAX_DOCUMENT = 1 << 20
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


def check_login(site: Site) -> Iterator[Finding]:
    """Each community is known, its issuer is given, and its provider answers with what the login needs."""
    try:
        logins = logins_of(site)
    except ConfigurationError as problem:
        yield _in_file(problem)
        return
    for place, login in enumerate(logins):
        yield from _login(login)
        yield ok("to register", _addresses(login, first=place == 0))
    for mistake in source_mistakes(site, logins):
        yield _in_file(mistake)


def _login(login: SiteLogin) -> Iterator[Finding]:
    mistakes = list(login_mistakes(login))
    for mistake in mistakes:
        yield _in_file(mistake)
    if any(mistake.key.endswith(".issuer") for mistake in mistakes):
        return
    community = login.community
    yield ok("community", f"{community.title}, issuer {login.issuer}")
    if community.identity_claim == "voperson_id" and not community.identity_scopes:
        yield warning(
            "community",
            f"{community.title}: what stands behind the '@' of voperson_id is not pinned",
            "write identity_scopes in a copy of the community's file, once you have seen some",
        )
    if community.endpoints is not None:
        yield ok(_SUBJECT, "not asked: the community's file gives its endpoints")
        return
    found = list(_provider(login.issuer, community))
    yield from found
    if not any(finding.level is Level.ERROR for finding in found):
        yield _offers(login)


def _in_file(mistake: ConfigurationError) -> Finding:
    return error(f"{mistake.file}: {mistake.key}", mistake.reason, mistake.suggestion or "correct the file")


def _addresses(login: SiteLogin, *, first: bool) -> str:
    hub, suffix = f"{login.site.config.hub.public_url}/hub", "" if first else f"/{login.community.id}"
    return (
        f"at {login.community.title}: redirect URI {hub}/oauth_callback{suffix}, post-logout redirect URI {hub}/logout, "
        f"back-channel logout URI {hub}/backchannel-logout{suffix}"
    )


def _offers(login: SiteLogin) -> Finding:
    """What discovery makes of it, as the hub will at its start."""
    try:
        endpoints = discover(login.issuer, login.community, login.file, timedelta(), key=login.key)
    except ConfigurationError as problem:
        return error(_OFFER, problem.reason, problem.suggestion or "tell the provider's operators")
    if login.rules.acr and not endpoints.claims_parameter:
        return warning(
            _OFFER,
            "login.acr can be asked for only as a wish (no `claims` parameter); who logged in otherwise is refused",
            "try a login with and without a second factor",
        )
    offered = {
        "logout there": bool(endpoints.end_session),
        "token exchange": endpoints.token_exchange,
        "issuer in its answers": endpoints.names_issuer,
    }
    words = ", ".join(f"{what}: {'yes' if there else 'no'}" for what, there in offered.items())
    return ok(_OFFER, f"signs with {', '.join(endpoints.algorithms)}; {words}")


def _provider(issuer: str, community: Community) -> Iterator[Finding]:
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        document = _fetch(url)
    except ValueError as problem:
        yield error(
            _SUBJECT, f"{url}: {problem}", "login.issuer must be the provider's issuer, as its registration says"
        )
        return
    except (HTTPError, URLError, HTTPException, OSError) as problem:
        reason = problem.reason if isinstance(problem, URLError) else problem
        yield error(_SUBJECT, f"{url} does not answer: {reason}", "see whether it is up and this machine may reach it")
        return
    yield _issuer(document, issuer)
    yield _endpoints(document)
    yield _pkce(document)
    yield from _scopes(document, community)


def _fetch(url: str) -> dict[str, Any]:
    """The document.

    Raises:
        ValueError: if the address may not be asked, or the answer is not a JSON object.
        OSError, HTTPException: if there is no answer.
    """
    require_safe_url(url)
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - https or loopback, see above
    with urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
        require_safe_url(answer.url)  # it may have been redirected
        body = answer.read(_MAX_DOCUMENT)
    try:
        document = json.loads(body)
    except ValueError as problem:
        raise ValueError("answers, but not with a discovery document (no JSON)") from problem
    if not isinstance(document, dict):
        raise ValueError("answers, but not with a discovery document (no object)")
    return document


def _issuer(document: dict[str, Any], issuer: str) -> Finding:
    said = document.get("issuer")
    if said != issuer:
        return error(
            _SUBJECT,
            f"calls itself {said!r}, not {issuer!r}",
            "write login.issuer exactly so, a slash at the end included",
        )
    return ok(_SUBJECT, "answers, and its issuer is the same to the letter")


def _endpoints(document: dict[str, Any]) -> Finding:
    missing = [name for name in _ENDPOINTS if not isinstance(document.get(name), str)]
    unsafe = [name for name in _ENDPOINTS if name not in missing and not _is_safe(document[name])]
    if missing or unsafe:
        words = [f"no {name}" for name in missing] + [f"{name} is not https" for name in unsafe]
        return error("endpoints", ", ".join(words), "tell the provider's operators; the hub cannot log anybody in")
    return ok("endpoints", "all there")


def _is_safe(url: str) -> bool:
    try:
        return bool(require_safe_url(url))
    except ValueError:
        return False


def _pkce(document: dict[str, Any]) -> Finding:
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" in methods:
        return ok("PKCE", "S256 is offered")
    return warning("PKCE", "S256 is not advertised", "the hub sends it all the same; try a login, and ask the provider")


def _scopes(document: dict[str, Any], community: Community) -> Iterator[Finding]:
    offered = document.get("scopes_supported")
    if isinstance(offered, list) and (missing := [scope for scope in community.scopes if scope not in offered]):
        yield warning(
            "scopes", f"{', '.join(missing)} not advertised", "see the client's registration, or set login.scopes"
        )
