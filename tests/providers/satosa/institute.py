"""A person's institute for the SATOSA twin: a SAML 2.0 provider (pysaml2) with a page of people to be. Loopback only.

python institute.py settings.json [--metadata file]
"""

from __future__ import annotations

import html
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import create_metadata_string
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_TRANSIENT, NameID
from saml2.server import Server

MAX_BODY = 65536
SETTINGS = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
BASE = f"http://127.0.0.1:{SETTINGS['port']}"


def configuration(partner: str | None) -> dict[str, Any]:
    """pysaml2's; ``partner`` is the proxy's metadata, which does not exist yet when ours is made."""
    sign_on = [(f"{BASE}/sso", BINDING_HTTP_REDIRECT), (f"{BASE}/sso", BINDING_HTTP_POST)]
    return {
        "entityid": f"{BASE}/metadata",
        "xmlsec_binary": SETTINGS["xmlsec1"],
        "key_file": SETTINGS["key"],
        "cert_file": SETTINGS["certificate"],
        "allow_unknown_attributes": True,
        "metadata": {"local": [partner]} if partner else {},
        "service": {
            "idp": {
                "name": "University",
                "endpoints": {"single_sign_on_service": sign_on},
                "name_id_format": [NAMEID_FORMAT_TRANSIENT],
                "sign_response": True,
                "sign_assertion": True,
                "want_authn_requests_signed": False,
                "scope": ["univ.example"],
                "policy": {
                    "default": {
                        "lifetime": {"minutes": 5},
                        "attribute_restrictions": None,
                        "name_form": NAME_FORMAT_URI,
                    }
                },
            }
        },
    }


def attributes(key: str, person: dict[str, Any]) -> dict[str, list[str]]:
    """What the institute says; ``claimed`` are groups it has no right to give."""
    said = {
        "displayName": [person["name"]],
        "mail": [person["email"]],
        "eduPersonPrincipalName": [f"{key}@univ.example"],
        "eduPersonScopedAffiliation": ["member@univ.example"],
    }
    return said | ({"eduPersonEntitlement": person["claimed"]} if person["claimed"] else {})


class Institute:
    """The web application."""

    def __init__(self) -> None:
        self.server = Server(config=IdPConfig().load(configuration(SETTINGS["partner"])))

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Show the people; or answer the proxy for one of them."""
        if environ["PATH_INFO"] != "/sso":
            start("404 Not Found", [])
            return [b""]
        asked, binding = _asked(environ)
        people = json.loads(Path(SETTINGS["people"]).read_text(encoding="utf-8"))
        page = self._answer(asked, people) if asked.get("person") in people else _choice(asked, binding, people)
        start("200 OK", [("content-type", "text/html; charset=utf-8")])
        return [page.encode()]

    def _answer(self, asked: dict[str, str], people: dict[str, Any]) -> str:
        binding = BINDING_HTTP_REDIRECT if asked.get("binding") == "redirect" else BINDING_HTTP_POST
        request = self.server.parse_authn_request(asked["SAMLRequest"], binding)
        given = self.server.response_args(request.message)
        arguments = {name: value for name, value in given.items() if name not in ("name_id_policy", "binding")}
        response = self.server.create_authn_response(
            identity=attributes(asked["person"], people[asked["person"]]),
            userid=asked["person"],
            name_id=NameID(format=NAMEID_FORMAT_TRANSIENT, text=f"t-{asked['person']}"),
            authn={"class_ref": "https://refeds.org/profile/sfa", "authn_auth": f"{BASE}/metadata"},
            sign_assertion=True,
            sign_response=True,
            **arguments,
        )
        sent = self.server.apply_binding(
            BINDING_HTTP_POST, str(response), given["destination"], asked["RelayState"], response=True
        )
        return "".join(sent["data"]) if isinstance(sent["data"], list) else str(sent["data"])


def _asked(environ: dict[str, Any]) -> tuple[dict[str, str], str]:
    if environ["REQUEST_METHOD"] == "GET":
        text, binding = environ["QUERY_STRING"], "redirect"
    else:
        length = min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BODY)
        text, binding = environ["wsgi.input"].read(length).decode(), "post"
    return {name: values[0] for name, values in parse_qs(text).items()}, binding


def _choice(asked: dict[str, str], binding: str, people: dict[str, Any]) -> str:
    kept = {"SAMLRequest": asked.get("SAMLRequest", ""), "RelayState": asked.get("RelayState", ""), "binding": binding}
    fields = "".join(f'<input type="hidden" name="{k}" value="{html.escape(v)}">' for k, v in kept.items())
    buttons = "".join(f'<button name="person" value="{html.escape(key)}">{html.escape(key)}</button>' for key in people)
    return f'<h1>University</h1><form method="post" action="/sso">{fields}{buttons}</form>'


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    """Write our metadata, or serve."""
    if "--metadata" in sys.argv:
        made = create_metadata_string(None, IdPConfig().load(configuration(None)), sign=False)
        Path(sys.argv[sys.argv.index("--metadata") + 1]).write_bytes(made)
    else:
        make_server("127.0.0.1", SETTINGS["port"], Institute(), handler_class=_Quiet).serve_forever()


if __name__ == "__main__":
    main()
