"""The hub that ``hub_harness`` starts. Read by JupyterHub; ``c`` is its configuration."""
# ruff: noqa: F821

import asyncio
import json
import os
import shlex
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.base import BaseHandler
from jupyterhub.utils import url_path_join
from tornado import httpserver, web
from traitlets import List

from panosc_spawner.facilities.load import load_site
from panosc_spawner.identity.community import load_community
from panosc_spawner.identity.person import Person
from panosc_spawner.launch.model import Reason, Refusal
from panosc_spawner.pages import actions
from panosc_spawner.pages import open as opening
from panosc_spawner.pages.install import TEMPLATES, page_handlers, template_vars
from panosc_spawner.pages.requests import audited
from panosc_spawner.proposals.book import GrantBook
from panosc_spawner.spawners.base import PlannedSpawner
from panosc_spawner.spawners.context import HubContext, audit_log
from panosc_spawner.spawners.images_here import Here
from panosc_spawner.spawners.refused import Refused

# A page waits longer for a start or a stop than on a hub for people: on a slow machine each takes more than a second, and the
# tests look at once at what came of it. What is to be seen under way takes longer than this.
opening._PATIENCE = actions._PATIENCE = 4.0

NAMES = {"ada": "Ada Łovelace", "bea": "Bea Nothing", "cleo": "Cleo Many", "dan": "Dan None", "root": "Ruth Admin"}


class ChoosePersona(BaseHandler):
    async def get(self):
        if self.get_argument("person", ""):
            await self.login_user({"username": self.get_argument("person")})
            self.redirect(self.get_next_url(self.current_user))
        else:
            self.finish("who?")


class Tell(BaseHandler):
    """What the watcher does elsewhere: a notice for whoever asks, and a service that is down."""

    def get(self):
        if self.get_argument("text", ""):
            context.notices.add(
                self.current_user.name,
                self.get_argument("kind"),
                self.get_argument("text"),
                self.get_argument("ref", ""),
            )
        for kind in ("login", "source"):
            if self.get_argument(kind, ""):
                context.outages.failed(kind, self.get_argument(kind), "no answer")
            if self.get_argument(f"up-{kind}", ""):
                context.outages.answered(kind, self.get_argument(f"up-{kind}"))
        self.finish("told")


class NamedAuthenticator(Authenticator):
    page_handlers = List(config=True)
    login_service = "Test community"
    allow_all = True
    enable_auth_state = True

    def login_url(self, base_url):
        return url_path_join(base_url, "who")

    def get_handlers(self, app):
        return [*self.page_handlers, (r"/who", ChoosePersona), (r"/tell", Tell)]

    async def authenticate(self, handler, data):
        name = data["username"]
        person = Person(
            "https://login.example",
            f"{name}@login.example",
            name,
            NAMES[name],
            "test",
            datetime.now(UTC),
            name == "root",
        )
        return {
            "name": name,
            "admin": person.admin,
            "auth_state": {"person": person.to_state()},
            "user_info": {"name": person.display_name, "display_name": person.display_name},
        }


class Answer(web.RequestHandler):
    def get(self, *_):
        self.set_header("X-JupyterHub-Version", "6.1.1")
        self.finish("<h1>JupyterLab would be here</h1>")


class InProcessSpawner(PlannedSpawner):
    """A "server" is a listener inside of the hub. The proposal's number says how it behaves."""

    server_up = None

    async def launch(self, plan, mounts):
        ids = {ref.id for ref in plan.proposals}
        if "ma1002" in ids:
            for megabytes in (12, 180, 412, 640):
                self.say(20 + megabytes // 10, f"Downloading the environment: {megabytes} of 706 MB")
                await asyncio.sleep(float(os.environ.get("PANOSC_TEST_STEP", "4")))
        if "ma1003" in ids:
            await asyncio.sleep(6)
            log = "Traceback (most recent call last):\n  <img src=x onerror=alert(1)>\nMemoryError: <b>no</b>"
            raise Refused(
                Refusal(
                    Reason.OUT_OF_MEMORY,
                    "JupyterLab was stopped because it used more than its 4 GB of memory.",
                    "Start it again with more memory.",
                    log,
                )
            )
        if "ma1004" in ids:  # its time is nearly up
            self.summary["ends_at"] = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
        self.say(90, "Starting JupyterLab")
        self.server_up = httpserver.HTTPServer(web.Application([(r".*", Answer)]))
        self.server_up.listen(0, "127.0.0.1")
        port = next(iter(self.server_up._sockets.values())).getsockname()[1]
        if "ma1007" in ids:
            asyncio.get_running_loop().call_later(3, self._die)
        return "127.0.0.1", port

    def _die(self):
        self.problem = Refusal(
            Reason.SERVER_FAILED, "JupyterLab ended by itself (exit code 1).", "Start it again.", "log"
        )
        self.server_up.stop()
        self.server_up = None

    def get_state(self):
        return super().get_state() | ({"problem": asdict(self.problem)} if self.problem else {})

    async def poll(self):
        return None if self.server_up else 0

    async def stop(self, now=False):
        if self.server_up:
            self.server_up.stop()
            self.server_up = None


site = load_site(Path(os.environ["PANOSC_TEST_SITE"]))
community = load_community("test", site.folder)


class SomeImages:
    """As where Docker was asked; the file that the test writes says what is not here, and whether Docker answers."""

    async def look(self, max_age=30.0):
        try:
            found = json.loads((site.folder / "images.json").read_text())
        except FileNotFoundError:
            return Here()
        return Here(frozenset(found["absent"]), found.get("sizes", {}), unknown=found.get("unknown", ""))


context = HubContext(site, GrantBook(site), audit_log(site), images=SomeImages())

c.JupyterHub.authenticator_class = NamedAuthenticator
c.JupyterHub.spawner_class = InProcessSpawner
c.NamedAuthenticator.page_handlers = page_handlers(context, community)
c.InProcessSpawner.context = context
c.JupyterHub.template_paths = [TEMPLATES]
c.JupyterHub.template_vars = template_vars(context, community, os.environ["PANOSC_TEST_WARNING"])
c.JupyterHub.tornado_settings = {"log_function": audited(context.audit)}
c.JupyterHub.allow_named_servers = True
c.JupyterHub.redirect_to_server = False
c.JupyterHub.bind_url = f"http://127.0.0.1:{os.environ['PANOSC_TEST_PORT']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{os.environ['PANOSC_TEST_HUB_PORT']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{os.environ['PANOSC_TEST_API_PORT']}"
c.ConfigurableHTTPProxy.command = shlex.split(os.environ["PANOSC_TEST_PROXY"])
c.JupyterHub.db_url = "sqlite://"
c.Spawner.poll_interval = 1
