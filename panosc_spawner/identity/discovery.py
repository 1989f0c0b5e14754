"""OpenID discovery, once, when the hub's configuration is loaded."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from panosc_spawner.errors import ConfigurationError
from panosc_spawner.identity.community import Community, Endpoints
from panosc_spawner.identity.tokens import ALGORITHMS

WAIT = timedelta(seconds=10)
MAX_BYTES = 1024**2
_TRY_SECONDS = 5.0
_PAUSE_SECONDS = 0.25
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a grant's name
_AUTH_NAMES = {"basic": "client_secret_basic", "post": "client_secret_post", "none": "none"}


class ProviderUnreachable(ConfigurationError):
    """Nobody answered, or not with a discovery document: an outage as likely as a mistake."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A discovery document stands where the issuer says, or nowhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


def discover(issuer: str, community: Community, file: Path, wait: timedelta = WAIT, *, key: str = "login") -> Endpoints:
    """The endpoints of an issuer, from its discovery document.

    The provider may start a moment later than the hub, so it is asked again until ``wait`` is over.

    Args:
        issuer: exactly as registered.
        community: what is expected of it (``token_auth``).
        file: the operator's file that names the issuer, for the words of an error.
        wait: how long to go on asking while it does not answer.
        key: where in the file the login stands.

    Raises:
        ConfigurationError: naming what was asked, what came back and what to do; a :class:`ProviderUnreachable` where
            trying again later may help.
    """
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    document = _fetch(url, file, key, time.monotonic() + wait.total_seconds())
    if document.get("issuer") != issuer:
        raise ConfigurationError(
            file,
            f"{key}.issuer",
            f"{url} speaks for the issuer {str(document.get('issuer'))[:200]!r}, not for {issuer!r}",
            "write it exactly as the document does, with or without its last slash, if that is the provider you mean",
        )
    _supports(document, community, url, file, key)
    try:
        return Endpoints(
            authorize=document["authorization_endpoint"],
            token=document["token_endpoint"],
            userinfo=document["userinfo_endpoint"],
            jwks=document["jwks_uri"],
            end_session=document.get("end_session_endpoint") or "",
            algorithms=_algorithms(document, url, file, key),
            token_exchange=_TOKEN_EXCHANGE in _listed(document, "grant_types_supported"),
            names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            claims_parameter=document.get("claims_parameter_supported") is True,
        )
    except (KeyError, ValidationError) as error:
        missing = f"no {error}" if isinstance(error, KeyError) else _first_problem(error)
        raise ConfigurationError(
            file,
            f"{key}.issuer",
            f"{url} names no usable endpoint: {missing}",
            "tell the provider's operators, or give [endpoints] in the community's file",
        ) from error


def _first_problem(error: ValidationError) -> str:
    mistake = error.errors()[0]
    return f"{mistake['loc'][0] if mistake['loc'] else ''} {mistake['msg'].removeprefix('Value error, ')}"


def _algorithms(document: Mapping[str, Any], url: str, file: Path, key: str) -> tuple[str, ...]:
    """What the provider signs with, of what we accept. Without the key (which is required) all that we accept."""
    if "id_token_signing_alg_values_supported" not in document:
        return ALGORITHMS
    offered = _listed(document, "id_token_signing_alg_values_supported")
    common = tuple(name for name in ALGORITHMS if name in offered)
    if not common:
        raise ConfigurationError(
            file,
            f"{key}.issuer",
            f"{url} signs ID tokens with {', '.join(offered[:6]) or 'nothing'} only, which this hub does not accept",
            f"ask the provider for one of {', '.join(ALGORITHMS)}",
        )
    return common


def _listed(document: Mapping[str, Any], name: str) -> list[str]:
    value = document.get(name)
    return [str(one)[:100] for one in value] if isinstance(value, list) else []


def _fetch(url: str, file: Path, key: str, deadline: float) -> Mapping[str, Any]:
    handlers: list[Any] = [_NoRedirect()]
    if not url.startswith("https"):  # loopback; an outgoing proxy cannot know it
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    while True:
        try:
            with opener.open(url, timeout=_TRY_SECONDS) as answer:
                document = json.loads(answer.read(MAX_BYTES))
            if isinstance(document, dict):
                return document
            problem = "not a discovery document"
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"status {error.code}"
        except (OSError, HTTPException) as error:
            problem = str(getattr(error, "reason", "") or error or type(error).__name__)[:200]
        except ValueError:
            problem = "something that is not JSON"
        if time.monotonic() >= deadline:
            raise ProviderUnreachable(
                file,
                f"{key}.issuer",
                f"the login service {urlsplit(url).netloc} was asked for {url}; it answered: {problem}",
                "check the issuer, and that this machine reaches it; then start the hub again",
            )
        time.sleep(_PAUSE_SECONDS)


def _supports(document: Mapping[str, Any], community: Community, url: str, file: Path, key: str) -> None:
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise ConfigurationError(file, f"{key}.issuer", f"{url} does not offer PKCE with S256, which this hub needs")
    # OpenID Connect Discovery: without the key, it is client_secret_basic.
    offered = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    wanted = _AUTH_NAMES[community.token_auth]
    if isinstance(offered, list) and wanted not in offered:
        raise ConfigurationError(
            file,
            f"{key}.community",
            f"{url} does not offer {wanted} (community {community.id}: token_auth = {community.token_auth!r})",
            "it offers " + ", ".join(str(method)[:40] for method in offered[:6]),
        )
