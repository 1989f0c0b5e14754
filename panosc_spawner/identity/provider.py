"""Asking a login service: tokens, claims, keys. Nothing of its answers is logged, and how it fails is told apart."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from oauthenticator.generic import GenericOAuthenticator
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from traitlets import Float, Instance, TraitError, default, validate

from panosc_spawner.identity.community import Endpoints
from panosc_spawner.identity.keys import KeyStore
from panosc_spawner.identity.lifetimes import RUNS_OUT, runs_out_at
from panosc_spawner.identity.refusals import ProviderDown, ProviderRefused
from panosc_spawner.identity.tokens import Keys
from panosc_spawner.metrics import LOGIN_SERVICE_UP

MAX_ANSWER = 4 * 1024**2  # bytes of a token or userinfo answer
MAX_KEYS_ANSWER = 512 * 1024  # bytes of the keys
MAX_REQUESTS = 200  # at a time; tornado's ten would let a login service that hangs hold up everybody's requests
REST = 15.0
"""Seconds for which a provider that hung is not asked about those who are logged in. Whoever logs in still waits for it."""

_TIME_OUT = 599  # tornado's code; also of a connection that closed
_NO_ANSWER = (502, 504, _TIME_OUT)  # the first two are of a proxy before the provider
_REQUESTS: dict[str, Any] = {"connect_timeout": 5.0, "request_timeout": 10.0, "follow_redirects": False}
_REFUSALS = (400, 401, 403)
# Answers of a token endpoint that are about the hub or the provider, not about the person (RFC 6749, 5.2).
_NOT_THE_PERSON = (
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "server_error",
    "temporarily_unavailable",
)


class ProviderCalls(GenericOAuthenticator):
    """The calls to one provider, on oauthenticator's own; it has no decisions of who may log in."""

    endpoints = Instance(
        Endpoints, config=True, help="What the provider offers and where. From its discovery document."
    )
    clock_skew = Float(
        60.0,
        min=0.0,
        max=600.0,
        config=True,
        help="Seconds by which the provider's clock and this machine's may differ. More lets older tokens count.",
    )
    community_id = "login"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keys = KeyStore(self._fetch_keys)
        self._rests_until = 0.0

    @default("http_client")
    def _http_client_default(self) -> AsyncHTTPClient:
        return AsyncHTTPClient(force_instance=True, max_clients=MAX_REQUESTS, max_body_size=MAX_ANSWER)

    @default("http_request_kwargs")
    def _http_request_kwargs_default(self) -> dict[str, Any]:
        return dict(_REQUESTS)

    @validate("http_request_kwargs")
    def _are_safe_requests(self, proposal: Any) -> dict[str, Any]:
        settings = {**_REQUESTS, **proposal.value}
        if settings.get("validate_cert", True) is not True or settings["follow_redirects"] is not False:
            raise TraitError(
                "PanoscAuthenticator.http_request_kwargs cannot turn off certificates or follow redirects: tokens would go to others."
            )
        return settings

    def resting(self) -> bool:
        """Whether the provider hung a moment ago, so that nobody who is logged in should wait for it now.

        When its rest is over, the one who asks gets False and tries; the others rest on until it answers.
        """
        if time.monotonic() < self._rests_until:
            return True
        if self._rests_until:
            self._rests_until = time.monotonic() + REST
        return False

    async def fetch(self, req: HTTPRequest, label: str = "fetching", parse_json: bool = True, **kwargs: Any) -> Any:
        """Ask the provider, logging nothing of what it says: answers hold tokens and claims.

        Raises:
            ProviderDown: no answer, or not one of a working provider.
            ProviderRefused: the provider refuses this token or code.
        """
        where = f"{req.method} {urlsplit(req.url).netloc}{urlsplit(req.url).path}"
        try:
            answer = await self.http_client.fetch(req, **kwargs)
        except HTTPClientError as error:
            self.log.warning("%s: %s answered %s", label, where, error.code)
            code = _error_code(error)
            if error.code in _REFUSALS and code not in _NOT_THE_PERSON and not _is_of_a_gate(error, code):
                self._is_up(True)
                raise ProviderRefused(self.login_service, code) from None
            if error.code == _TIME_OUT:
                self._rests_until = time.monotonic() + REST
            raise self._down(lost=error.code in _NO_ANSWER, error=code) from None
        except (OSError, TimeoutError) as error:
            self.log.warning("%s: %s did not answer: %s", label, where, type(error).__name__)
            unheard = isinstance(error, ConnectionRefusedError | socket.gaierror | ssl.SSLError)
            raise self._down(lost=not unheard) from None
        if not parse_json:
            return answer
        document = _json_object(answer.body)
        if document is None:
            self.log.warning("%s: %s answered with something else than a JSON object", label, where)
            raise self._down()
        self._is_up(True)
        return document

    async def get_token_info(self, handler: Any, params: Mapping[str, Any]) -> dict[str, Any]:
        """Exchange a code or a token; the answer has an access token.

        Raises:
            ProviderDown, ProviderRefused: as :meth:`fetch`.
        """
        asked_at = time.time()
        token_info: dict[str, Any] = await self.httpfetch(
            self.token_url,
            "Fetching tokens",
            method="POST",
            headers=self.build_token_info_request_headers(),
            body=urlencode({name: value for name, value in params.items() if value not in (None, "")}),
        )
        access_token = token_info.get("access_token")
        if not isinstance(access_token, str) or not access_token.isascii() or not access_token.isprintable():
            self.log.warning("The token endpoint answered without an access token")
            raise self._down()
        if str(token_info.get("token_type", "Bearer")).lower() not in ("bearer", "n_a"):
            self.log.warning("The token endpoint answered with a token that is no Bearer token")
            raise self._down()
        return {"token_type": "Bearer", **token_info, RUNS_OUT: runs_out_at(token_info, asked_at, self.clock_skew)}

    def client_params(self) -> dict[str, str]:
        """How the client names and proves itself in a form, where it does not by HTTP Basic."""
        if self.basic_auth:
            return {}
        return {"client_id": self.client_id, "client_secret": self.client_secret}

    async def userinfo(self, access_token: str) -> dict[str, Any]:
        """The claims, as the provider says now.

        Raises:
            ProviderDown, ProviderRefused: as :meth:`fetch`.
        """
        headers = self.build_userdata_request_headers(access_token, "Bearer")
        claims: dict[str, Any] = await self.httpfetch(
            self.userdata_url, "Fetching user info", method="GET", headers=headers
        )
        return claims

    async def _fetch_keys(self) -> Keys:
        answer = await self.httpfetch(
            self.endpoints.jwks, "Fetching keys", method="GET", headers={"Accept": "application/json"}, parse_json=False
        )
        document = _json_object(answer.body) if len(answer.body or b"") <= MAX_KEYS_ANSWER else None
        try:
            keys = Keys.from_document(document)
        except ValueError:
            self.log.warning("%s answered with something else than keys", urlsplit(self.endpoints.jwks).netloc)
            raise self._down() from None
        self._is_up(True)
        return keys

    def _down(self, *, lost: bool = False, error: str = "") -> ProviderDown:
        self._is_up(False)
        return ProviderDown(self.login_service, lost=lost, error=error)

    def _is_up(self, up: bool) -> None:
        self._rests_until = 0.0 if up else self._rests_until
        LOGIN_SERVICE_UP.labels(self.community_id).set(up)


def _error_code(error: HTTPClientError) -> str:
    """The OAuth error code of an answer, for deciding; never logged."""
    document = _json_object(error.response.body if error.response else b"")
    return str((document or {}).get("error", ""))[:40]


def _is_of_a_gate(error: HTTPClientError, code: str) -> bool:
    """Whether a refusal is rather of something before the provider (firewall, limit of requests): it refuses everybody.

    OAuth refuses a token with an error code, or with a challenge to bearers (RFC 6749 5.2, RFC 6750 3), and knows no plain 403.
    """
    challenge = error.response.headers.get("WWW-Authenticate", "").lower() if error.response else ""
    return not code and "bearer" not in challenge and (error.code == 403 or challenge.startswith("basic"))


def _json_object(body: bytes | None) -> dict[str, Any] | None:
    if not body or len(body) > MAX_ANSWER:
        return None
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
