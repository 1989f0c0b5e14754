"""What attackers write: tokens that are none, addresses that lead elsewhere, groups that nobody gave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from joserfc.jwk import RSAKey
from support_op import CLIENT_ID, Claims, ControlledProvider, segment

STRANGER = RSAKey.generate_key(2048, {"kid": "stranger"})
MEGABYTE = "x" * 1024**2

Forgery = Callable[[ControlledProvider, Claims], Any]


def _with_shared_key(op: ControlledProvider, claims: Claims, secret: bytes) -> str:
    head = f"{segment({'alg': 'HS256', 'kid': f'{op.id}-key'})}.{segment(claims)}"
    return f"{head}.{segment(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def _changed(**changes: Any) -> Forgery:
    """Rightly signed by the provider, with other claims; None leaves one out."""

    def forge(op: ControlledProvider, claims: Claims) -> str:
        every = claims | {name: value(op) if callable(value) else value for name, value in changes.items()}
        return op.sign({name: value for name, value in every.items() if value is not None})

    return forge


def _header(key: RSAKey | None = None, **header: Any) -> Forgery:
    """With other header parameters, perhaps signed with another key."""
    return lambda op, claims: op.sign(claims, key, **header)


def _twice(op: ControlledProvider, claims: Claims) -> str:
    text = json.dumps(claims)
    return op.sign(f'{{"iss":"https://evil.example",{text[1:]}'.encode())


def _tampered(op: ControlledProvider, claims: Claims) -> str:
    first, _, signature = op.sign(claims).split(".")
    return f"{first}.{segment(claims | {'sub': 'victim@op.example'})}.{signature}"


_public = STRANGER.as_dict(private=False)
_pem: Callable[[ControlledProvider], bytes] = lambda op: op.key.as_pem(private=False)  # noqa: E731

# By class; each with the numbers of the vulnerabilities it is the class of.
FOREIGN_ISSUER: dict[str, Forgery] = {
    "another issuer": _changed(iss="https://evil.example"),
    "a prefix": _changed(iss=lambda op: op.issuer[:-1]),
    "a longer one": _changed(iss=lambda op: op.issuer + ".evil.example"),
    "a trailing slash": _changed(iss=lambda op: op.issuer + "/"),
    "other case": _changed(iss=lambda op: op.issuer.upper()),
    "a list": _changed(iss=lambda op: [op.issuer]),
    "a list with another": _changed(iss=lambda op: ["https://evil.example", op.issuer]),
    "an object": _changed(iss=lambda op: {op.issuer: 1}),
    "none": _changed(iss=None),
    "twice": _twice,
}
FORGED: dict[str, Forgery] = {
    "alg none": lambda op, claims: f"{segment({'alg': 'none'})}.{segment(claims)}.",
    "alg None with a signature": lambda op, claims: f"{segment({'alg': 'None'})}.{segment(claims)}.{segment(b'x')}",
    "no alg": lambda op, claims: f"{segment({'typ': 'JWT'})}.{segment(claims)}.{segment(b'x')}",
    "HS256 with the client's secret": lambda op, claims: _with_shared_key(op, claims, op.secret.encode()),
    "HS256 with the public key": lambda op, claims: _with_shared_key(op, claims, _pem(op)),
    "HS256 with nothing": lambda op, claims: _with_shared_key(op, claims, b""),
    "a stranger's key under the right name": _header(STRANGER),
    "a stranger's key without a name": _header(STRANGER, kid=None),
    "a stranger's key in the header": _header(STRANGER, jwk=_public, kid="stranger"),
    "a stranger's address of keys": _header(STRANGER, jku="https://evil.example/jwks", kid="stranger"),
    "a stranger's certificates": _header(STRANGER, x5u="https://evil.example/chain", kid="stranger"),
    "a name that is a path": _header(STRANGER, kid="../../../dev/null"),
    "a name that is a list": _header(kid=["op-key"]),
    "changed after it was signed": _tampered,
    "no signature": lambda op, claims: op.sign(claims).rpartition(".")[0] + ".",
    "two parts": lambda op, claims: op.sign(claims).rpartition(".")[0],
    "five parts": lambda op, claims: op.sign(claims) + ".x.x",
    "a logout token's type": _header(typ="logout+jwt"),
    "not a text": lambda op, claims: {"payload": segment(claims), "signature": ""},
    "claims that are no object": lambda op, claims: op.sign([claims]),
    "nothing": lambda op, claims: None,
}
CRITICAL: dict[str, Forgery] = {
    "an extension": _header(crit=["exp"]),
    "one that nobody knows": _header(crit=["https://evil.example/x"], **{"https://evil.example/x": True}),
    "an empty list": _header(crit=[]),
    "unencoded payload": _header(crit=["b64"], b64=False),
    "b64 without crit": _header(b64=False),
}
HUGE: dict[str, Forgery] = {
    "header": _header(x=MEGABYTE),
    "claims": _changed(x=MEGABYTE),
    "kid": _header(kid=MEGABYTE),
    "signature": lambda op, claims: op.sign(claims) + MEGABYTE,
    "subject": _changed(sub=MEGABYTE),
    "nesting": lambda op, claims: op.sign(b'{"a":' * 20_000),
}
AUDIENCE: dict[str, Forgery] = {
    "another": _changed(aud="another-client"),
    "none": _changed(aud=None),
    "empty": _changed(aud=[]),
    "a prefix": _changed(aud=CLIENT_ID + "-other"),
    "several without azp": _changed(aud=[CLIENT_ID, "another-client"]),
    "another azp": _changed(aud=[CLIENT_ID, "another-client"], azp="another-client"),
    "an object": _changed(aud={CLIENT_ID: True}),
}
TIMES: dict[str, Forgery] = {
    "over": _changed(exp=lambda op: int(time.time()) - 3600, iat=lambda op: int(time.time()) - 7200),
    "never over": _changed(exp=None),
    "text": _changed(exp="tomorrow"),
    "true": _changed(exp=True),
    "beyond all bounds": _changed(exp=10**30),
    "issued tomorrow": _changed(iat=lambda op: int(time.time()) + 86400, exp=lambda op: int(time.time()) + 90000),
    "not yet": _changed(nbf=lambda op: int(time.time()) + 3600),
}
NONCE: dict[str, Forgery] = {
    "none": _changed(nonce=None),
    "empty": _changed(nonce=""),
    "another": _changed(nonce="n" * 43),
    "a list": lambda op, claims: op.sign(claims | {"nonce": [claims["nonce"]]}),
    "true": _changed(nonce=True),
}
BOUND: dict[str, Forgery] = {
    "at_hash of another token": _changed(at_hash=base64.urlsafe_b64encode(b"x" * 16).decode().rstrip("=")),
    "another subject than userinfo": _changed(sub="somebody@op.example"),
    "subject as a list": lambda op, claims: op.sign(claims | {"sub": [claims["sub"]]}),
    "no subject": _changed(sub=None),
}
CLASSES = {
    "foreign issuer": FOREIGN_ISSUER,
    "forged": FORGED,
    "critical": CRITICAL,
    "huge": HUGE,
    "audience": AUDIENCE,
    "times": TIMES,
    "nonce": NONCE,
    "bound": BOUND,
}

# Logout tokens: everything that is wrong with an ID token, and this.
LOGOUT_CHANGES: dict[str, dict[str, Any]] = {
    "a nonce": {"nonce": "n"},
    "no events": {"events": None},
    "another event": {"events": {"https://evil.example/event": {}}},
    "the event as text": {"events": {"http://schemas.openid.net/event/backchannel-logout": "yes"}},
    "no jti": {"jti": None},
    "neither subject nor session": {"sub": None, "sid": None},
    "old": {"iat": int(time.time()) - 3600, "exp": int(time.time()) - 3000},
    "another audience": {"aud": "another-client"},
    "another issuer": {"iss": "https://evil.example"},
    "the issuer in a list": {"iss": ["https://evil.example"]},
}

ELSEWHERE = [
    "https://evil.example/", "http://evil.example", "//evil.example/", "///evil.example", "////evil.example",
    "\\\\evil.example", "/\\evil.example", "\\/evil.example", "/\\/evil.example", "/%5cevil.example", "/%5c%5cevil.example",
    "/%2fevil.example", "/%2f%2fevil.example", "%2f%2fevil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
    "/%09/evil.example", "/%0a/evil.example", "/%0d%0aLocation:%20//evil.example", " //evil.example", "javascript:alert(1)",
    "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "https:evil.example", "https:/evil.example", "https:///evil.example",
    "http:\\\\evil.example", "/hub/../..//evil.example", "/hub//evil.example/..//evil.example", "/user/..//evil.example",
    "/hub/..;//evil.example", "//evil.example@127.0.0.1/", "https://127.0.0.1@evil.example/", "https://127.0.0.1.evil.example/",
    "//127.0.0.1:1/", "/hub/home//evil.example", "?next=//evil.example", "/.//evil.example", "/;@evil.example", "//%65vil.example",
    "／／evil.example", "//evil。example", "/\u2028/evil.example", "//[::ffff:7f00:1]:1/",
]  # fmt: skip

SEC_FETCH = [
    {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": site, "Sec-Fetch-Dest": dest}
    for site in ("cross-site", "same-site", "none", "same-origin", "")
    for mode, dest in (("no-cors", "empty"), ("cors", "empty"), ("navigate", "document"), ("navigate", "iframe"), ("websocket", "websocket"), ("", ""))
]  # fmt: skip

# {ns}: the namespace that the community may speak for. None of these is a right to 8-04-923.
TRICKS = [
    "urn:geant:evil.example:group:hub:ill:proposals:8-04-923#op.example",
    "{ns}.evil:group:hub:ill:proposals:8-04-923",
    "{ns}:sub:group:hub:ill:proposals:8-04-923",
    "urn:geant:evil.example:group:x:op.example:group:hub:ill:proposals:8-04-923",
    "{ns}:group:x:service:op.example:group:hub:ill:proposals:8-04-923",
    "urn:mace:op.example:group:hub:ill:proposals:8-04-923",
    "{ns}:group:hub%3Aill%3Aproposals%3A8-04-923",
    "{ns}:group:hub:ill:proposals%3A8-04-923",
    "{ns}:group:hub:ill%2Fproposals:8-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923%23op.example",
    "{ns}%3Agroup:hub:ill:proposals:8-04-923",
    "urn:geant:op.example%23:group:hub:ill:proposals:8-04-923",
    "{ns}:group:hub:ill:proposals:..%2F..%2Fetc",
    "{ns}:group:hub:ill:proposals:..:8-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923:8-04-924",
    "{ns}:group:hub:ill:proposals:8-04-923:role=chief",
    "{ns}:group:hub:ill:proposals:role=pi:8-04-923",
    "{ns}:group:hub:ill:proposals:ROLE=pi:8-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923:role=pi:role=member",
    "{ns}:group:HUB:ill:proposals:8-04-923",
    "{ns}:Group:hub:ill:proposals:8-04-923",
    "{ns}:res:hub:ill:proposals:8-04-923",
    "{ns}:group:hub:ill:proposals:８-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923\n",
    " {ns}:group:hub:ill:proposals:8-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923 ",
    "{ns}:group:hub:ill:proposals::8-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923%00",
    "{ns}:group:hub:ill:proposals:%38-04-923%",
    "{ns}:group:hub-of-others:ill:proposals:8-04-923",
    "{ns}:group:hub:ill:proposals-of-others:8-04-923",
    "urn:mace:egi.eu:aai.egi.eu:member@8-04-923",
    "#{ns}:group:hub:ill:proposals:8-04-923",
    "x#{ns}:group:hub:ill:proposals:8-04-923",
]
RIGHTS = [
    "{ns}:group:hub:ill:proposals:8-04-923",
    "{ns}:group:hub:ill:proposals:8-04-923#evil.example",  # the authority neither gives nor takes a right (AARC-G069)
    "URN:GEANT:OP.example:group:hub:ill:proposals:8-04-923",
]

OPTIONS: list[Any] = [
    {"proposals": ["esrf/ma1234"], "image": "evil:latest"},
    {"proposals": ["esrf/ma1234"], "image": ["evil:latest"]},
    {"proposals": ["esrf/ma1234"], "environment": "evil:latest"},
    {"proposals": ["esrf/ma1234"], "environment": ["esrf/base", "evil"]},
    {"proposals": ["esrf/ma1234"], "environment": {"image": "evil"}},
    {"proposals": ["esrf/ma1234"], "environment": "ill/base"},
    {"proposals": ["esrf/ma1234"], "environment": "esrf/base@sha256:" + "0" * 64},
    {"proposals": ["esrf/ma1234"], "volumes": {"/": "/host"}},
    {"proposals": ["esrf/ma1234"], "mounts": ["/etc"]},
    {"proposals": ["esrf/ma1234"], "cmd": ["sh"]},
    {"proposals": ["esrf/ma1234"], "memory": 10**30},
    {"proposals": ["esrf/ma1234"], "memory": "1e400"},
    {"proposals": ["esrf/ma1234"], "memory": ["4G", "8G"]},
    {"proposals": ["esrf/ma1234"], "cpu": "nan"},
    {"proposals": ["esrf/ma1234"], "cpu": -1},
    {"proposals": ["esrf/ma1234"], "gpus": True},
    {"proposals": ["esrf/ma1234"], "gpus": "٣"},
    {"proposals": "esrf/../ill/8-04-923"},
    {"proposals": ["ill/8-04-923"]},
    {"proposals": ["esrf/ma1234", "ill/8-04-923"]},
    {"proposals": [["esrf/ma1234"]]},
    {"proposals": {"esrf/ma1234": 1}},
    {"proposals": 7},
    {"proposals": ["esrf/" + "a" * 100_000]},
    {"proposals": ["esrf/ma1234"] * 1000},
    {"proposals": []},
    {},
]
