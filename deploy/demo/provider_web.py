"""What the login service's endpoints have in common, and those that only look something up."""

from __future__ import annotations

import html
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from provider_state import Provider
from tornado import web

PAGE = Path(__file__).with_name("provider.html")


class Handler(web.RequestHandler):
    """Common to all: the provider, safe headers, no other host name than the issuer's (DNS rebinding)."""

    provider: Provider

    def initialize(self, provider: Provider) -> None:
        """Called by tornado."""
        self.provider = provider

    def prepare(self) -> None:
        """Refuse other host names."""
        if self.request.host != urlsplit(self.provider.issuer).netloc:
            raise web.HTTPError(421, "wrong host")

    def set_default_headers(self) -> None:
        """Called by tornado."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.clear_header("Server")

    def bearer(self) -> str:
        """The bearer token of the request, or nothing."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" else ""

    def refuse(self, status: int, error: str) -> None:
        """Answer as RFC 6749 wants errors."""
        self.set_status(status)
        self.write({"error": error})

    def page(self, title: str, content: str, status: int = 200) -> None:
        """Answer with a page; ``content`` is HTML."""
        nonce = secrets.token_urlsafe(16)
        origins = " ".join({f"{urlsplit(uri).scheme}://{urlsplit(uri).netloc}" for uri in self.provider.redirect_uris})
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self' {origins}; base-uri 'none'; frame-ancestors 'none'",
        )
        self.set_status(status)
        text = PAGE.read_text(encoding="utf-8")
        values = {
            "nonce": nonce,
            "provider": html.escape(self.provider.title),
            "title": html.escape(title),
            "content": content,
        }
        for name, value in values.items():
            text = text.replace("{{ " + name + " }}", value)
        self.finish(text)


class Document(Handler):
    """Discovery and keys."""

    def initialize(self, provider: Provider, name: str) -> None:  # type: ignore[override]
        """Called by tornado, with the name of the document."""
        super().initialize(provider)
        self.name = name

    def get(self) -> None:
        """Answer with the document."""
        self.write(getattr(self.provider, self.name)())


class Userinfo(Handler):
    """A person's claims as of now."""

    def get(self) -> None:
        """Answer with the claims, or 401."""
        login = self.provider.access.get(self.bearer())
        claims = self.provider.claims(login) if login else None
        if claims is None:
            self.set_header("WWW-Authenticate", 'Bearer error="invalid_token"')
            self.refuse(401, "invalid_token")
        else:
            self.write(claims)
