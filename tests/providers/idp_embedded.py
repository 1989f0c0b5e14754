"""The demo's own provider: the same suite as for the others, so that it cannot drift."""

from __future__ import annotations

import json
import sys

import httpx
from browser_steps import Browser, offers
from idp import ARCHIVE, CLIENT_ID, Behaviour, IdentityProvider
from made_on_demand import ROOT

PROGRAM = ROOT / "deploy" / "demo" / "provider.py"


class EmbeddedProvider(IdentityProvider):
    """``deploy/demo/provider.py``."""

    id = "embedded"
    behaviour = Behaviour(
        sends_lists=False,
        rotates=True,
        live=True,
        logs_out=True,
        backchannel=True,
        names_issuer=True,
        tells_acr=True,
        exchanges=True,
        requires_pkce=True,
        refuses_strangers=False,
        drops_claimed=False,
    )

    def write(self) -> None:
        """See :class:`.IdentityProvider`."""
        lines = []
        for member in self.people.values():
            claims = {
                "name": member.name,
                "preferred_username": member.preferred_username,
                "email": member.email,
                "eduperson_entitlement": member.entitlements,
                "eduperson_assurance": ["https://refeds.org/assurance"],
            }
            lines += [
                f"[{member.key}]",
                f'id = "{member.subject}"',
                f'sentence = "{member.key}"',
                f'acr = "{member.acr}"',
            ]
            lines += ["enabled = false"] if member.suspended else []
            lines += [f"[{member.key}.claims]"]
            lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in claims.items()]
        new = self.folder / "people.new"
        new.write_text("\n".join(lines), encoding="utf-8")
        new.replace(self.folder / "people.toml")

    def launch(self, clock_offset: float) -> None:
        """See :class:`.IdentityProvider`."""
        options = {
            "--port": str(self.port),
            "--personas": str(self.folder / "people.toml"),
            "--client-id": CLIENT_ID,
            "--client-secret-file": str(self.secret_file),
            "--redirect-uri": self.callback,
            "--access-token-seconds": str(self.access_token_seconds),
            "--backchannel-logout-uri": f"{self.hub}/hub/backchannel-logout",
            "--exchange-audience": ARCHIVE,
            "--clock-offset": str(clock_offset),
        }
        words = [word for option in options.items() for word in option]
        self.run([sys.executable, PROGRAM, "--single-sign-on", *words])

    def choose(self, browser: Browser, page: httpx.Response, who: str) -> httpx.Response:
        """See :class:`.IdentityProvider`."""
        button = ("persona", who)
        return browser.submit(page, button) if offers(page, button) else page  # whoever is suspended is not on it
