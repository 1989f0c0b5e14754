"""A twin of eduTEAMS: SATOSA with its OpenID Connect front end, and a SAML institute behind it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from string import Template

import certifi
import httpx
from browser_steps import Browser, forms_of
from idp import CLIENT_ID, NAMESPACE, SCOPE, Behaviour, IdentityProvider, free_port, is_at
from local_ca import LocalCA, new_key, pem, self_signed
from made_on_demand import ROOT, python_environment

SOURCE = Path(__file__).with_name("satosa")
PRESET = ROOT / "panosc_spawner" / "identity" / "communities" / "eduteams.toml"


class SatosaProvider(IdentityProvider):
    """``satosa/``, in an environment of its own."""

    id = "twin"
    scheme = "https"
    behaviour = Behaviour(
        sends_lists=True,
        rotates=False,
        live=False,
        logs_out=False,
        backchannel=False,
        names_issuer=False,
        tells_acr=False,
        exchanges=False,
        requires_pkce=False,
        refuses_strangers=True,
        drops_claimed=True,
    )

    def __init__(self, folder: Path, hub: str) -> None:
        super().__init__(folder, hub)
        self.institute_port = free_port()
        self._keys = 0
        self._bin = python_environment(SOURCE)
        authority = LocalCA(folder)
        authority.issue(folder, "tls")
        # The hub's CA file replaces the machine's: this one holds both.
        self.ca = folder / "trusted.crt"
        self.ca.write_bytes(Path(certifi.where()).read_bytes() + authority.certificate_file.read_bytes())
        for name in ("frontend", "backend", "institute"):
            self_signed(folder, name)
        self._write_configuration()

    def community(self) -> str:
        """eduTEAMS' own file, with another issuer."""
        changes = {
            'id = "eduteams"': f'id = "{self.id}"',
            'issuer = "https://proxy.eduteams.org"': f'issuer = "{self.issuer}"',
            'identity_scopes = ["eduteams.org"]': f'identity_scopes = ["{SCOPE}"]',
            'namespaces = ["urn:geant:eduteams.org"]': f'namespaces = ["{NAMESPACE}"]',
        }
        text = PRESET.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        return text

    def _write_configuration(self) -> None:
        for name in ("membership.py", "institute.py", "gunicorn.conf.py", "attributes.yaml"):
            shutil.copyfile(SOURCE / name, self.folder / name)
        client = {
            "client_secret": self.secret,
            "redirect_uris": [self.callback],
            "response_types": ["code"],
            "subject_type": "public",
            "token_endpoint_auth_method": "client_secret_basic",
            "client_name": "Hub",
        }
        (self.folder / "clients.json").write_text(json.dumps({CLIENT_ID: client}))
        xmlsec1 = shutil.which("xmlsec1")
        assert xmlsec1, "Debian's xmlsec1 is not installed"
        institute = {
            "port": self.institute_port,
            "people": str(self.folder / "people.json"),
            "xmlsec1": xmlsec1,
            "key": "institute.key",
            "certificate": "institute.crt",
            "partner": "backend.xml",
        }
        (self.folder / "institute.json").write_text(json.dumps(institute))
        self._values = {
            "port": str(self.port),
            "state_key": secrets.token_hex(16),
            "source": str(self.folder),
            "people": str(self.folder / "people.json"),
            "scope": SCOPE,
            "xmlsec1": xmlsec1,
            "access_token_seconds": str(self.access_token_seconds),
        }

    def write(self) -> None:
        """See :class:`.IdentityProvider`."""
        known = {
            member.key: {
                "subject": member.subject,
                "name": member.name,
                "email": member.email,
                "preferred_username": member.preferred_username,
                "entitlements": member.entitlements,
                "claimed": member.claimed,
                "suspended": member.suspended,
            }
            for member in self.people.values()
        }
        new = self.folder / "people.new"
        new.write_text(json.dumps(known), encoding="utf-8")
        new.replace(self.folder / "people.json")

    def launch(self, clock_offset: float) -> None:
        """See :class:`.IdentityProvider`. The tokens' key is new at each start, the SAML keys stay."""
        self._keys += 1
        signing_key = self.folder / f"signing-{self._keys}.key"
        signing_key.touch(0o600)
        signing_key.write_bytes(pem(new_key()))
        values = self._values | {"signing_key": signing_key.name, "signing_key_id": f"twin-{self._keys}"}
        for template in SOURCE.glob("*.yaml.in"):
            text = Template(template.read_text(encoding="utf-8")).substitute(values)
            (self.folder / template.name.removesuffix(".in")).write_text(text, encoding="utf-8")
        environment = {
            **os.environ,
            "PYTHONWARNINGS": "ignore",
            "SATOSA_CONFIG": "proxy.yaml",
            "CLOCK_OFFSET": str(clock_offset),
        }
        if self._keys == 1:
            self._exchange_metadata(environment)
        self.run([self._bin / "python", "institute.py", "institute.json"], env=environment)
        options = [
            "-c",
            "gunicorn.conf.py",
            "-b",
            f"127.0.0.1:{self.port}",
            "--keyfile",
            "tls.key",
            "--certfile",
            "tls.crt",
        ]
        self.run([self._bin / "gunicorn", *options, "satosa.wsgi:app"], env=environment)

    def _exchange_metadata(self, environment: dict[str, str]) -> None:
        """The institute's for the proxy, then the proxy's for the institute."""
        for command in (
            ["python", "institute.py", "institute.json", "--metadata", "institute.xml"],
            ["satosa-saml-metadata", "proxy.yaml", "frontend.key", "frontend.crt", "--dir", "."],
        ):
            done = subprocess.run(
                [self._bin / command[0], *command[1:]], cwd=self.folder, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr

    def wait(self, seconds: float = 60) -> None:
        """Both of them."""
        super().wait(seconds)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{self.institute_port}/", trust_env=False)
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError(f"the institute does not start:\n{self.log()[-4000:]}")

    def choose(self, browser: Browser, page: httpx.Response, who: str) -> httpx.Response:
        """At the institute be somebody, and carry its answer to the proxy. Nobody ("") goes no further."""
        if not who:
            return page
        page = browser.submit(page, ("person", who))
        for _ in range(3):  # pages that a browser with JavaScript would send on by itself
            if is_at(page, self.hub) or not any("SAMLResponse" in form.fields for form in forms_of(page)):
                return page
            page = browser.submit(page)
        return page
