"""panva's oidc-provider: certified, and nobody's of this project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import bootstrap
import httpx
from browser_steps import Browser, offers
from idp import ARCHIVE, CLIENT_ID, Behaviour, IdentityProvider
from made_on_demand import node_packages

SOURCE = Path(__file__).with_name("panva")


class PanvaProvider(IdentityProvider):
    """``panva/idp.mjs``."""

    id = "panva"
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

    def extra_community(self) -> str:
        """``offline_access`` is only honoured with the person's consent."""
        return 'authorize_params = { prompt = "consent" }\n'

    def write(self) -> None:
        """See :class:`.IdentityProvider`."""
        known = {
            member.key: {
                "sub": member.subject,
                "acr": member.acr,
                "suspended": member.suspended,
                "claims": {
                    "voperson_id": member.subject,
                    "name": member.name,
                    "preferred_username": member.preferred_username,
                    "email": member.email,
                    "eduperson_entitlement": member.entitlements,
                },
            }
            for member in self.people.values()
        }
        new = self.folder / "people.new"
        new.write_text(json.dumps(known), encoding="utf-8")
        new.replace(self.folder / "people.json")

    def launch(self, clock_offset: float) -> None:
        """See :class:`.IdentityProvider`."""
        settings = {
            "issuer": self.issuer,
            "people": str(self.folder / "people.json"),
            "client_id": CLIENT_ID,
            "client_secret": self.secret,
            "redirect_uris": [self.callback],
            "post_logout_redirect_uris": [f"{self.hub}/hub/logout", f"{self.hub}/hub/login"],
            "backchannel_logout_uri": f"{self.hub}/hub/backchannel-logout",
            "exchange_audiences": [ARCHIVE],
            "access_token_seconds": self.access_token_seconds,
            "clock_offset": clock_offset,
        }
        file = self.folder / "settings.json"
        file.touch(0o600)
        file.write_text(json.dumps(settings), encoding="utf-8")
        place = node_packages(SOURCE)
        # Beside its packages, where Node looks for them; one a test run, so that two runs do not meet.
        program = place / f"idp-{self.port}.mjs"
        shutil.copyfile(SOURCE / "idp.mjs", program)
        self.run([bootstrap.BIN / "node", program, file], env=bootstrap.node_environment())
        self._program = program

    def stop(self) -> None:
        """See :class:`.IdentityProvider`."""
        super().stop()
        if program := getattr(self, "_program", None):
            program.unlink(missing_ok=True)

    def choose(self, browser: Browser, page: httpx.Response, who: str) -> httpx.Response:
        """See :class:`.IdentityProvider`."""
        button = ("person", who) if who else ("cancel", "1")
        return browser.submit(page, button) if offers(page, button) else page  # whoever is suspended is not on it
