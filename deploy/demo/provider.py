"""The demo's login service: a small OpenID provider with a page of people to be, instead of passwords.

Run as ``python deploy/demo/provider.py --port 8001 --personas personas.toml --client-secret-file secret
--redirect-uri http://127.0.0.1:8000/hub/oauth_callback``. It listens on loopback only, keeps everything in memory, has one
client, and does what a community's provider does: authorization code with PKCE (S256, required), discovery, signed ID tokens
with acr and auth_time, refresh tokens that rotate (using a spent one revokes the login), userinfo as of now, token exchange,
logout from either side, key rollover (SIGHUP). People are read from the file at each look-up, so that a claim can be changed
or a person suspended while they are logged in.

Its parts: ``provider_state`` (what it keeps), ``provider_login`` (what a browser sees), ``provider_tokens`` (the token
endpoint), ``provider_logout`` (telling the hub), ``provider_keys``, and ``provider_control`` (what an operator can ask of it).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import signal
from pathlib import Path
from urllib.parse import urlsplit

from provider_control import Control
from provider_keys import ALGORITHMS
from provider_login import Authorize, EndSession
from provider_logout import watch
from provider_state import Provider
from provider_tokens import Token
from provider_web import Document, Userinfo
from tornado import web


def make_app(provider: Provider) -> web.Application:
    """The web application of a provider."""
    shared = {"provider": provider}
    return web.Application(
        [
            ("/.well-known/openid-configuration", Document, shared | {"name": "discovery"}),
            ("/jwks", Document, shared | {"name": "jwks"}),
            ("/authorize", Authorize, shared),
            ("/token", Token, shared),
            ("/userinfo", Userinfo, shared),
            ("/end_session", EndSession, shared),
            ("/control/([a-z-]+)", Control, shared),
        ],
        log_function=lambda handler: None,  # addresses hold codes
    )


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; refuses to listen where others could reach it."""
    parser = argparse.ArgumentParser(description="The demo's login service: choose who to be, no passwords.")
    parser.add_argument("--address", default="127.0.0.1", help="loopback only")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--title", default="Demo", help="whose it is, on its pages")
    parser.add_argument("--personas", type=Path, default=Path(__file__).with_name("personas.toml"))
    parser.add_argument("--client-id", default="panosc-hub")
    parser.add_argument("--client-secret-file", type=Path, required=True, help="made when missing")
    parser.add_argument("--redirect-uri", action="append", required=True, help="may be given more than once")
    parser.add_argument("--issuer", default="", help="http://<address>:<port> if not given")
    parser.add_argument("--access-token-seconds", type=float, default=600.0)
    parser.add_argument("--no-refresh-tokens", action="store_true", help="as where offline_access was not given")
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="RS256", help="that tokens are signed with")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds by which its clock is fast, for tests")
    parser.add_argument(
        "--single-sign-on",
        action="store_true",
        help="remember who somebody is in a browser, and do not ask again unless prompt=login or max_age says so",
    )
    parser.add_argument("--backchannel-logout-uri", default="", help="where the hub is told of logouts; loopback only")
    parser.add_argument(
        "--exchange-audience", action="append", default=[], help="a service that people's tokens may be exchanged for"
    )
    parser.add_argument("--exchange-seconds", type=int, default=300, help="how long such tokens are valid")
    parser.add_argument(
        "--control-token-file", type=Path, help="allows the requests of provider_control; made when missing"
    )
    options = parser.parse_args(arguments)
    if not _is_loopback(options.address):
        parser.error(f"--address {options.address}: anybody could be anybody here, so this listens on loopback only")
    if options.backchannel_logout_uri and not _is_loopback(urlsplit(options.backchannel_logout_uri).hostname or ""):
        parser.error("--backchannel-logout-uri: the hub of a demo is on loopback")
    return options


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


async def main() -> None:
    """Serve until SIGINT or SIGTERM; SIGHUP changes the key that tokens are signed with."""
    options = parse_options()
    provider = Provider(options)
    provider.personas()  # a mistake in the file is told at once
    make_app(provider).listen(options.port, options.address)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: print(f"signing with {provider.keys.roll_over()}", flush=True))
    watching = asyncio.create_task(watch(provider))
    print(f"login service ready {provider.issuer}", flush=True)
    await stop.wait()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


if __name__ == "__main__":
    asyncio.run(main())
