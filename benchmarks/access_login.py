"""What our checks cost at a login and at a refresh: our hub against oauthenticator's GenericOAuthenticator, in turns.

Both hubs ask the same login service, have the same proxy and database, and store the same tokens. What is timed is what the
hub does: its redirect to the login service and its callback, and a request of the hub's API that refreshes the login.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urljoin

import httpx

from benchmarks.access_stack import Stack
from benchmarks.hubs import BIN, free_ports
from benchmarks.report import Row, row

from demo_process import Service, stop  # isort: skip - beneath deploy/demo, which benchmarks.hubs put on the path

TARGET = 1.5
PEER = "GenericOAuthenticator"
# Longer than the refresh age of both hubs, so that each request refreshes.
REFRESH_SECONDS = 1
STOCK_CONFIG = """
c = get_config()
c.JupyterHub.bind_url = "{url}"
c.JupyterHub.hub_port = {hub}
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret = bytes(32)
c.CryptKeeper.keys = [bytes(32)]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.auth_token = "stock"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.client_id = "panosc-hub"
c.GenericOAuthenticator.client_secret = "{secret}"
c.GenericOAuthenticator.authorize_url = "{issuer}/authorize"
c.GenericOAuthenticator.token_url = "{issuer}/token"
c.GenericOAuthenticator.userdata_url = "{issuer}/userinfo"
c.GenericOAuthenticator.oauth_callback_url = "{url}/hub/oauth_callback"
c.GenericOAuthenticator.basic_auth = True
c.GenericOAuthenticator.scope = ["openid", "profile", "email", "voperson_id", "eduperson_entitlement", "offline_access"]
c.GenericOAuthenticator.username_claim = "preferred_username"
c.GenericOAuthenticator.allow_all = True
c.GenericOAuthenticator.enable_auth_state = True
c.GenericOAuthenticator.auth_refresh_age = 1
"""


class StockHub:
    """A hub with oauthenticator as it comes."""

    def __init__(self, folder: Path, stack: Stack, ports: tuple[int, int, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        public, hub, api = ports
        self.url = f"http://127.0.0.1:{public}"
        values = {"url": self.url, "hub": hub, "api": api, "folder": folder, "issuer": stack.issuer}
        config = folder / "jupyterhub_config.py"
        secret = stack.secret.read_text().strip()
        config.write_text(STOCK_CONFIG.format(**values, proxy=BIN / "configurable-http-proxy", secret=secret))
        self.service = Service("stock hub", folder / "hub.log")
        env = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        self.service.start([BIN / "python", "-m", "jupyterhub", "-f", config], env, folder)

    def wait(self) -> None:
        """Until it answers."""
        for _ in range(600):
            if ended := self.service.ended():
                raise SystemExit(ended)
            try:
                if httpx.get(f"{self.url}/hub/health", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"the stock hub did not start; see {self.service.log}")

    def stop(self) -> None:
        """Stop it."""
        if self.service.process:
            stop([self.service.process], 20)
        self.service.reap()


class Visitor:
    """A browser that is logged in at one hub; the seconds that the hub took for the login."""

    def __init__(self, hub_url: str, person: str) -> None:
        self.hub = hub_url
        self.http = httpx.Client(trust_env=False, timeout=30, headers={"Sec-Fetch-Mode": "navigate"})
        self.http.get(f"{hub_url}/hub/login")
        began = time.perf_counter()
        away = self.http.get(f"{hub_url}/hub/oauth_login?next=%2Fhub%2Fapi%2Fuser")
        taken = time.perf_counter() - began
        page = self.http.get(away.headers["location"])
        fields = dict(re.findall(r'name="(choice)" value="([^"]+)"', page.text))
        back = self.http.post(urljoin(str(page.url), "/authorize"), data={**fields, "persona": person})
        began = time.perf_counter()
        done = self.http.get(back.headers["location"])
        self.login_seconds = taken + time.perf_counter() - began
        if done.status_code != 302:
            raise SystemExit(f"{hub_url}: logging in did not work ({done.status_code})")

    def ask(self) -> float:
        """Seconds of a request of the API, which refreshes the login where it is old enough."""
        xsrf = next(cookie.value for cookie in self.http.cookies.jar if cookie.name == "_xsrf")
        headers = {"X-XSRFToken": str(xsrf), "Sec-Fetch-Mode": "cors"}
        began = time.perf_counter()
        answer = self.http.get(f"{self.hub}/hub/api/user", headers=headers)
        taken = time.perf_counter() - began
        if answer.status_code != 200:
            raise SystemExit(f"{self.hub}: the login was not refreshed ({answer.status_code})")
        return taken


def measure(folder: Path, logins: int, rounds: int) -> list[Row]:
    """Logins, and refreshes with access tokens that are still valid and that have ended."""
    rows = []
    for name, seconds in (("access token valid", "600"), ("access token ended", "0.5")):
        taken = _with(folder / f"tokens-{seconds}", seconds, logins, rounds)
        if seconds == "600":
            rows.append(_compared("login", taken["login ours"], taken["login stock"]))
        rows.append(_compared(f"refresh, {name}", taken["ours"], taken["stock"]))
    return rows


def _compared(name: str, ours: list[float], theirs: list[float]) -> Row:
    mine, other = statistics.median(ours) * 1000, statistics.median(theirs) * 1000
    words = f"{PEER} {other:.1f} ms, ours {mine:.1f} ms, n = {len(theirs)}"
    return row(name, mine / other, "ratio", peer=words, target=TARGET)


def _with(folder: Path, access_seconds: str, logins: int, rounds: int) -> dict[str, list[float]]:
    ports = free_ports(3)
    people = ["olga", *(f"person{number}" for number in range(5))]
    stack = Stack(
        folder / "ours",
        people=people,
        # The watcher refreshes too; it must not do so while requests are timed.
        access={"recheck": "10m"},
        provider_options=[
            *("--access-token-seconds", access_seconds),
            *("--redirect-uri", f"http://127.0.0.1:{ports[0]}/hub/oauth_callback"),
        ],
        config=f"c.CommunitiesAuthenticator.auth_refresh_age = {REFRESH_SECONDS}",
    )
    with ExitStack() as exits:
        exits.callback(stack.stop)
        stack.start()
        stock = StockHub(folder / "stock", stack, (ports[0], ports[1], ports[2]))
        exits.callback(stock.stop)
        stock.wait()
        taken = _take_turns({"ours": stack.url, "stock": stock.url}, people[1:], logins, rounds)
        renewed = re.search(r'panosc_login_renewals_total{.*outcome="renewed"} (\S+)', stack.metrics())
        if renewed is None or float(renewed[1]) < len(taken["ours"]):
            raise SystemExit("our hub did not refresh at each request that was timed")
        return taken


def _take_turns(hubs: dict[str, str], people: list[str], logins: int, rounds: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {f"{kind}{name}": [] for name in hubs for kind in ("", "login ")}
    visitors: dict[str, list[Visitor]] = {name: [] for name in hubs}
    for turn in range(max(logins, len(people)) + 1):  # the first is a warm-up
        for name, url in hubs.items():
            visitor = Visitor(url, people[turn % len(people)])
            if turn:
                taken[f"login {name}"].append(visitor.login_seconds)
            if len(visitors[name]) < len(people):
                visitors[name].append(visitor)
            else:
                visitor.http.close()
    for turn in range(rounds + 1):
        time.sleep(REFRESH_SECONDS + 0.1)
        for at in range(len(people)):
            for name in hubs:
                seconds = visitors[name][at].ask()
                if turn:
                    taken[name].append(seconds)
    for opened in visitors.values():
        for visitor in opened:
            visitor.http.close()
    return taken
