"""A real JupyterHub with two of the demo's real login services: three processes, real HTTP, a browser's steps."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

DEMO = Path(__file__).parents[2] / "deploy" / "demo"

SITE = """
[hub]
id = "login-test"
facilities = ["demo"]
public_url = "{hub}"
state_dir = "{folder}"
[login]
community = "demo"
issuer = "{demo}"
client_id = "panosc-hub"
client_secret_file = "{folder}/demo-secret"
admins = ["{olga}"]
{login}
[[login.also]]
community = "other"
issuer = "{other}"
client_id = "panosc-hub"
client_secret_file = "{folder}/other-secret"
acr = ["https://refeds.org/profile/mfa"]
[home]
source = "/home/{{user}}"
[account]
kind = "shared"
[access]
recheck = "1s"
max_session_age = "{max_session_age}"
outage_grace = "{outage_grace}"
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
from panosc_spawner.audit import AuditLog
from panosc_spawner.errors import TokenError
from panosc_spawner.facilities.load import load_site
from panosc_spawner.identity.communities_authenticator import CommunitiesAuthenticator
from panosc_spawner.identity.community import load_community
from panosc_spawner.identity.context import LoginContext
from panosc_spawner.identity.logins import Logins
from panosc_spawner.identity.people import PeopleStore
from panosc_spawner.identity.person import Person
from panosc_spawner.identity.setup import configure_authenticator
from panosc_spawner.pages.install import TEMPLATES, template_vars
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.spawners.context import HubContext

class NoProxy(Proxy):
    should_start = False
    async def add_route(self, routespec, target, data): pass
    async def delete_route(self, routespec): pass
    async def get_all_routes(self): return {{}}

class Who(BaseHandler):
    @web.authenticated
    async def get(self):
        state = await self.current_user.get_auth_state()
        person = Person.from_state(state["person"])
        self.write({{"name": self.current_user.name, "admin": person.admin, "community": person.community,
                    "info": self.current_user.user_info, "entitlements": list(person.entitlements),
                    "login": state["login"], "tokens": sorted(name for name in state if state[name] and "token" in name),
                    "logged_in_at": person.logged_in_at.isoformat(), "seen_at": person.seen_at.isoformat()}})

class Exchange(BaseHandler):
    @web.authenticated
    async def get(self):
        try:
            given = await self.authenticator.exchange_token(self.current_user, self.get_argument("audience"))
        except TokenError as error:
            self.set_status(409)
            self.finish(str(error))
        else:
            self.write({{"value": given.value.get_secret_value(), "expires_at": given.expires_at.isoformat()}})

folder = Path(os.environ["TEST_SITE"])
site = load_site(folder)
c = get_config()
audit = AuditLog(folder / "audit.jsonl")
context = LoginContext(PeopleStore(folder / "people.sqlite", audit), audit, Logins(folder / "logins.sqlite"))

async def ended(name, ending, details):
    with open(folder / "ended.txt", "a") as file:
        file.write(f"{{name}} {{ending.value}} {{details}}\\n")

context.ended_hooks.append(ended)
context.on_start.append(lambda app: (folder / "started.txt").write_text(app.authenticator.__class__.__name__))
configure_authenticator(c, site, context)
c.JupyterHub.authenticator_class = CommunitiesAuthenticator
c.CommunitiesAuthenticator.page_handlers = [("/who", Who), ("/exchange", Exchange)]
c.JupyterHub.template_paths = [TEMPLATES]
hub = HubContext(site, GrantBook(site))
c.JupyterHub.template_vars = template_vars(hub, load_community("demo", folder))
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.public_url = site.config.hub.public_url
c.JupyterHub.hub_bind_url = site.config.hub.public_url
c.JupyterHub.bind_url = site.config.hub.public_url
c.JupyterHub.db_url = f"sqlite:///{{folder}}/hub.sqlite"
c.JupyterHub.cookie_secret = bytes(32)
c.JupyterHub.authenticate_prometheus = False
c.JupyterHub.redirect_to_server = False
c.CryptKeeper.keys = [bytes(32)]
{more}
"""


def free_port():
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return candidate.getsockname()[1]


class Running:
    """The processes, their folder and addresses."""

    def __init__(self, folder, login="", max_session_age="12h", outage_grace="1h", provider_options=()):
        self.folder = folder
        self.hub = f"http://127.0.0.1:{free_port()}"
        self.issuers = {"demo": f"http://127.0.0.1:{free_port()}", "other": f"http://127.0.0.1:{free_port()}"}
        self.login, self.max_session_age, self.outage_grace = login, max_session_age, outage_grace
        self.provider_options = list(provider_options)
        self.personas = folder / "personas.toml"
        self.personas.write_text((DEMO / "personas.toml").read_text(encoding="utf-8"), encoding="utf-8")
        self.control = folder / "control"
        self.control.write_text(secrets.token_urlsafe(32))
        self.control.chmod(0o600)
        self.processes = {}

    @property
    def issuer(self):
        return self.issuers["demo"]

    def start(self):
        for name in self.issuers:
            self.start_provider(name)
        site = self.folder / "site"
        (site / "communities").mkdir(parents=True)
        community = (DEMO / "site" / "communities" / "demo.toml").read_text(encoding="utf-8")
        (site / "communities" / "demo.toml").write_text(community, encoding="utf-8")
        other = re.sub(r'title = ".*"', 'title = "Other people"', community.replace('id = "demo"', 'id = "other"'))
        (site / "communities" / "other.toml").write_text(other, encoding="utf-8")
        olga = re.search(r'\[olga\]\nid = "([^"]+)"', self.personas.read_text(encoding="utf-8"))[1]
        text = SITE.format(
            hub=self.hub,
            folder=self.folder,
            olga=olga,
            login=self.login,
            max_session_age=self.max_session_age,
            outage_grace=self.outage_grace,
            **self.issuers,
        )
        (site / "site.toml").write_text(text, encoding="utf-8")
        (site / "proposals.toml").write_text("proposal = []\n", encoding="utf-8")
        self.start_hub()

    def start_provider(self, name):
        """A login service that reports logouts; its access tokens are short-lived, so that refresh tokens are used."""
        suffix = "" if name == "demo" else f"/{name}"
        arguments = {
            "port": urlsplit(self.issuers[name]).port,
            "personas": self.personas,
            "client-secret-file": self.folder / f"{name}-secret",
            "access-token-seconds": 2,
            "redirect-uri": f"{self.hub}/hub/oauth_callback{suffix}",
            "backchannel-logout-uri": f"{self.hub}/hub/backchannel-logout{suffix}",
            "control-token-file": self.control,
            "exchange-audience": "https://catalogue.example",
        }
        command = [sys.executable, str(DEMO / "provider.py")]
        for key, value in arguments.items():
            command += [f"--{key}", str(value)]
        self._run([*command, *self.provider_options], name)
        self._wait(f"{self.issuers[name]}/.well-known/openid-configuration", name)

    def start_hub(self, more=""):
        config = self.folder / "jupyterhub_config.py"
        config.write_text(CONFIG.format(more=more), encoding="utf-8")
        command = [sys.executable, "-m", "jupyterhub", "-f", str(config)]
        self._run(command, "hub", TEST_SITE=str(self.folder / "site"))
        self._wait(f"{self.hub}/hub/health", "hub")

    def _run(self, command, name, **environment):
        with (self.folder / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
            )

    def _wait(self, url, name):
        end = time.monotonic() + 120
        while time.monotonic() < end and self.processes[name].poll() is None:
            try:
                if httpx.get(url, trust_env=False, timeout=10).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        pytest.fail(f"{name} did not start:\n{self.log(name)}")

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def stop(self, *names):
        for name in names or list(reversed(self.processes)):
            process = self.processes.pop(name)
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def ask_provider(self, what, value="", name="demo"):
        """What an operator asks of a login service."""
        answer = httpx.post(
            f"{self.issuers[name]}/control/{what}",
            data={"value": value},
            headers={"Authorization": f"Bearer {self.control.read_text()}"},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def browser(self):
        looks = {"Sec-Fetch-Mode": "navigate"}
        return httpx.Client(follow_redirects=True, trust_env=False, timeout=60, headers=looks)

    def choose(self, browser, persona, community="demo", target="/hub/who"):
        """Be sent to the login service, choose who to be; where that ends."""
        address = self.callback(browser, persona, community, target)
        return browser.get(address)

    def callback(self, browser, persona, community="demo", target="/hub/who"):
        """The address that the login service sends the browser back to."""
        page = browser.get(self.begin(browser, community, target))
        choice = re.search(r'name="choice" value="([^"]+)"', page.text)[1]
        answer = browser.post(
            f"{self.issuers[community]}/authorize", data={"choice": choice, "persona": persona}, follow_redirects=False
        )
        return answer.headers["location"]

    def begin(self, browser, community="demo", target="/hub/who"):
        """The address at the login service that a new attempt leads to."""
        arguments = {"community": community, "next": target}
        answer = browser.get(f"{self.hub}/hub/oauth_login", params=arguments, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def audit(self, event=None):
        """The lines of the audit log."""
        text = (self.folder / "site" / "audit.jsonl").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    def ended(self):
        """What the hooks were told, as lines."""
        file = self.folder / "site" / "ended.txt"
        return file.read_text().splitlines() if file.exists() else []

    def wait_for_ended(self, name, number=1):
        """The kinds of ends that the hooks were told of for a user, once there are as many."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            kinds = [line.split()[1] for line in self.ended() if line.startswith(f"{name} ")]
            if len(kinds) >= number:
                return kinds
            time.sleep(0.05)
        pytest.fail(f"{name}: only {kinds}\n{self.log('hub')[-3000:]}")

    def metric(self, line):
        """A metric's value; 0 if it was never set."""
        text = httpx.get(f"{self.hub}/hub/metrics", trust_env=False, timeout=60).text
        found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0


def words(answer):
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def query(url):
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
