"""The token endpoint of the demo's login service: codes, refresh tokens, and exchanges for other audiences."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote_plus

from provider_state import EXCHANGE, Login, base64url
from provider_web import Handler

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class Token(Handler):
    """Codes and refresh tokens for tokens; a person's token for one at another service (RFC 8693)."""

    def check_xsrf_cookie(self) -> None:
        """Nothing: called by the client, not by a browser."""

    def post(self) -> None:
        """Answer with tokens, or with an error of RFC 6749."""
        form = {name: self.get_body_argument(name) for name in self.request.body_arguments}
        kind = form.get("grant_type")
        if not self._is_client(form):
            self.set_header("WWW-Authenticate", 'Basic realm="demo"')
            self.refuse(401, "invalid_client")
        elif kind in ("authorization_code", "refresh_token"):
            self._give(form, refresh=kind == "refresh_token")
        elif kind == EXCHANGE and self.provider.audiences:
            self._exchange(form)
        else:
            self.refuse(400, "unsupported_grant_type")

    def _give(self, form: Mapping[str, str], *, refresh: bool) -> None:
        store = self.provider.refresh if refresh else self.provider.codes
        given = store.get(form.get("refresh_token" if refresh else "code", ""))
        if given is not None and given.used:
            given.login.revoked = True  # somebody else has it
        if given is None or given.used or not self._may_have(given.login, form, refresh=refresh):
            self.refuse(400, "invalid_grant")
            return
        given.used = True
        self.write(self.provider.tokens(given.login, refreshed=refresh))

    def _may_have(self, login: Login, form: Mapping[str, str], *, refresh: bool) -> bool:
        if self.provider.claims(login) is None:
            return False
        if refresh:
            return True
        verifier = form.get("code_verifier", "")
        proof = base64url(hashlib.sha256(verifier.encode("utf-8", "replace")).digest())
        return hmac.compare_digest(proof, login.challenge) and form.get("redirect_uri") == login.redirect_uri

    def _exchange(self, form: Mapping[str, str]) -> None:
        login = self.provider.access.get(form.get("subject_token", ""))
        wanted = form.get("requested_token_type", ACCESS_TOKEN)
        if form.get("subject_token_type") != ACCESS_TOKEN or wanted != ACCESS_TOKEN:
            self.refuse(400, "invalid_request")
        elif login is None or self.provider.claims(login) is None:
            self.refuse(400, "invalid_request")  # RFC 8693, 2.2.2: for a subject token that is not valid
        elif form.get("audience") not in self.provider.audiences:
            self.refuse(400, "invalid_target")
        else:
            scopes = tuple(form.get("scope", "").split())
            self.write(self.provider.exchanged(login, form["audience"], scopes))

    def _is_client(self, form: Mapping[str, str]) -> bool:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                decoded = base64.b64decode(credentials, validate=True).decode("utf-8")
            except ValueError:
                return False
            name, _, secret = (unquote_plus(part) for part in decoded.partition(":"))
        return name == self.provider.client_id and hmac.compare_digest(
            secret.encode(), self.provider.client_secret.encode()
        )
