"""Logging in to a real JupyterHub with the demo's real login service: two processes, real HTTP, a browser's steps."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

DEMO = Path(__file__).parents[2] / "deploy" / "demo"

SITE = """
[hub]
id = "login-test"
facilities = ["demo"]
public_url = "http://127.0.0.1:{hub}"
[login]
community = "demo"
issuer = "{issuer}"
client_id = "panosc-hub"
client_secret_file = "{secret}"
admins = ["{olga}"]
[home]
source = "/home/{{user}}"
[account]
kind = "shared"
[[sources]]
type = "file"
path = "proposals.toml"
"""

# A hub without a proxy: the test talks to the hub itself. The page stands for the hub's own pages.
CONFIG = """
import os
from pathlib import Path
from jupyterhub.handlers import BaseHandler
from jupyterhub.proxy import Proxy
from tornado import web
from panosc_spawner.facilities.load import load_site
from panosc_spawner.audit import AuditLog
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.logins import Logins
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.setup import configure_authenticator

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

class Who(BaseHandler):
    @web.authenticated
    async def get(self):
        person = Person.from_state((await self.current_user.get_auth_state())["person"])
        self.write({{"name": self.current_user.name, "admin": self.current_user.admin,
                    "info": self.current_user.user_info, "entitlements": list(person.entitlements)}})

folder = Path(os.environ["TEST_SITE"])
site = load_site(folder)
c = get_config()
people = PeopleStore(folder / "people.sqlite")
configure_authenticator(c, site, LoginContext(people, AuditLog(folder / "audit.jsonl"), Logins(folder / "logins.sqlite")))
c.JupyterHub.authenticator_class = CommunitiesAuthenticator
c.CommunitiesAuthenticator.page_handlers = [("/who", Who)]
c.CommunitiesAuthenticator.auth_refresh_age = 1
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.db_url = "sqlite:///:memory:"
c.JupyterHub.cookie_secret = bytes(32)
c.CryptKeeper.keys = [bytes(32)]
"""


def free_port():
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return candidate.getsockname()[1]


class Running:
    """The two processes, their folder and addresses."""

    def __init__(self, folder):
        self.folder = folder
        self.hub, self.issuer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        self.personas = folder / "personas.toml"
        self.personas.write_text((DEMO / "personas.toml").read_text(encoding="utf-8"), encoding="utf-8")
        self.processes = []

    def start(self):
        secret = self.folder / "client-secret"
        provider = [sys.executable, str(DEMO / "provider.py"), "--port", str(urlsplit(self.issuer).port)]
        provider += [
            "--personas",
            str(self.personas),
            "--client-secret-file",
            str(secret),
            "--access-token-seconds",
            "2",
        ]
        self._run([*provider, "--redirect-uri", f"{self.hub}/hub/oauth_callback"], "provider")
        self._wait(f"{self.issuer}/.well-known/openid-configuration", "provider")
        site = self.folder / "site"
        (site / "communities").mkdir(parents=True)
        community = (DEMO / "site" / "communities" / "demo.toml").read_text(encoding="utf-8")
        (site / "communities" / "demo.toml").write_text(community, encoding="utf-8")
        olga = re.search(r'\[olga\]\nid = "([^"]+)"', self.personas.read_text(encoding="utf-8"))[1]
        port = urlsplit(self.hub).port
        text = SITE.format(hub=port, issuer=self.issuer, secret=secret, olga=olga)
        (site / "site.toml").write_text(text, encoding="utf-8")
        (site / "proposals.toml").write_text("proposal = []\n", encoding="utf-8")
        config = self.folder / "jupyterhub_config.py"
        config.write_text(CONFIG.format(hub=port), encoding="utf-8")
        self._run([sys.executable, "-m", "jupyterhub", "-f", str(config)], "hub", TEST_SITE=str(site))
        self._wait(f"{self.hub}/hub/health", "hub")

    def _run(self, command, name, **environment):
        log = (self.folder / f"{name}.log").open("w")
        self.processes.append(
            subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
            )
        )
        log.close()

    def _wait(self, url, name):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.processes[-1].poll() is None:
            try:
                if httpx.get(url, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        pytest.fail(f"{name} did not start:\n{self.log(name)}")

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(15)

    def browser(self):
        return httpx.Client(follow_redirects=True, trust_env=False, headers={"Sec-Fetch-Mode": "navigate"})

    def choose(self, browser, persona):
        """Go to a page of the hub, be sent to the login service, choose who to be; where that ends."""
        page = browser.get(f"{self.hub}/hub/oauth_login?next=%2Fhub%2Fwho")
        choice = re.search(r'name="choice" value="([^"]+)"', page.text)[1]
        return browser.post(f"{self.issuer}/authorize", data={"choice": choice, "persona": persona})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("login"))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def browser(running):
    with running.browser() as browser:
        yield browser


def test_somebody_logs_in_and_is_who_they_are(running, browser):
    who = running.choose(browser, "ada").json()
    assert re.fullmatch(r"p-[a-z2-7]{20}", who["name"])
    assert who["info"]["name"] == "Ada Lovelace"
    assert who["admin"] is False
    assert any("8-04-923" in text for text in who["entitlements"])


def test_the_same_person_is_the_same_and_another_is_another(running):
    names = []
    for persona in ("marie", "marie", "lars"):
        with running.browser() as browser:
            names.append(running.choose(browser, persona).json()["name"])
    assert names[0] == names[1] != names[2]


def test_only_the_listed_identity_is_an_administrator(running, browser):
    assert running.choose(browser, "olga").json()["admin"] is True


def test_cancelling_is_told_and_logs_nobody_in(running, browser):
    answer = running.choose(browser, "")
    assert answer.status_code == 400
    assert "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)


def test_a_callback_that_nobody_asked_for_is_refused(running, browser):
    answer = browser.get(f"{running.hub}/hub/oauth_callback?code=x&state=y")
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "\\\\evil.example", "/%5cevil.example"])
def test_nobody_is_sent_elsewhere(running, browser, target):
    browser.follow_redirects = True
    page = browser.get(f"{running.hub}/hub/oauth_login", params={"next": target})
    choice = re.search(r'name="choice" value="([^"]+)"', page.text)[1]
    browser.follow_redirects = False
    back = browser.post(f"{running.issuer}/authorize", data={"choice": choice, "persona": "noor"})
    answer = browser.get(back.headers["location"])
    assert not urlsplit(answer.headers["location"]).netloc.endswith("evil.example")
    assert not answer.headers["location"].startswith(("//", "/\\", "\\"))


def test_claims_follow_the_community_and_a_suspended_person_is_out(running, browser):
    assert running.choose(browser, "tom").status_code == 200
    people = running.personas.read_text(encoding="utf-8")
    time.sleep(2.2)  # the access token ends, too: a refresh with rotation
    running.personas.write_text(people.replace('"Tom Kibble"', '"Thomas Kibble"'), encoding="utf-8")
    assert browser.get(f"{running.hub}/hub/who").json()["info"]["name"] == "Thomas Kibble"
    running.personas.write_text(people.replace("[tom]\n", "[tom]\nenabled = false\n"), encoding="utf-8")
    time.sleep(1.2)
    assert "/hub/login" in str(browser.get(f"{running.hub}/hub/who").url)
    running.personas.write_text(people, encoding="utf-8")


def test_no_token_is_in_the_logs(running):
    log = running.log("hub") + running.log("provider")
    secret = (running.folder / "client-secret").read_text(encoding="utf-8").strip()
    assert secret not in log
    assert "Traceback" not in log
    assert not re.search(r"[?&]code=(?!\[secret\])\w", log)
    assert not re.search(r"eyJ[\w-]{20}", log)


def test_a_config_that_lets_everybody_in_does_not_start(running, tmp_path):
    config = tmp_path / "jupyterhub_config.py"
    text = (running.folder / "jupyterhub_config.py").read_text(encoding="utf-8")
    config.write_text(text + "\nc.Authenticator.allow_all = True\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", str(config)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TEST_SITE": str(running.folder / "site")},
    )
    assert done.returncode != 0
    assert "allow_all cannot be True" in done.stdout + done.stderr
