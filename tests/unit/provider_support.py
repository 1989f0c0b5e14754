"""Real HTTP for tests of logging in: the demo's own provider, and one that answers as it is told."""

import base64
import hashlib
import json
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from token_support import KEY
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

DEMO = Path(__file__).parents[2] / "deploy" / "demo"
sys.path.insert(0, str(DEMO))

import provider as demo_provider  # noqa: E402
from provider_state import Provider  # noqa: E402

CALLBACK = "http://127.0.0.1:8000/hub/oauth_callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@asynccontextmanager
async def serving(make_app):
    """Serve the application that ``make_app(port)`` makes on a free port of loopback."""
    socket, port = bind_unused_port()
    server = HTTPServer(make_app(port))
    server.add_sockets([socket])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        await server.close_all_connections()


class DemoProvider:
    """The demo's provider with a copy of its people, and what a browser and a hub do with it."""

    def __init__(self, folder, *options):
        self.options = options
        self.personas = folder / "personas.toml"
        self.personas.write_text((DEMO / "personas.toml").read_text(encoding="utf-8"), encoding="utf-8")
        self.secret_file = folder / "client-secret"
        self.state = None

    def app(self, port):
        options = ["--port", str(port), "--personas", str(self.personas), "--redirect-uri", CALLBACK]
        options += ["--client-secret-file", str(self.secret_file)]
        self.state = Provider(demo_provider.parse_options([*options, *self.options]))
        return demo_provider.make_app(self.state)

    def edit(self, old, new):
        """Change the people's file."""
        text = self.personas.read_text(encoding="utf-8")
        assert old in text
        self.personas.write_text(text.replace(old, new), encoding="utf-8")

    @staticmethod
    def asked(**changes):
        """A right authorization request, with changes; None leaves a parameter out."""
        asked = {
            "client_id": "panosc-hub",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile email voperson_id eduperson_entitlement",
            "state": "s1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in {**asked, **changes}.items() if value is not None}

    async def choose(self, client, persona="ada", **changes):
        """Open the page, be somebody; the parameters the hub is called back with."""
        page = await client.get(f"/authorize?{urlencode(self.asked(**changes))}")
        assert page.status_code == 200, page.text
        choice = re.search(r'name="choice" value="([^"]+)"', page.text)[1]
        answer = await client.post("/authorize", data={"choice": choice, "persona": persona})
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith(CALLBACK)
        return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    async def exchange(self, client, issued, **changes):
        """Exchange a code as the hub does."""
        form = {"grant_type": "authorization_code", "code": issued, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        form = {name: value for name, value in {**form, **changes}.items() if value is not None}
        return await client.post("/token", data=form, auth=("panosc-hub", self.state.client_secret))

    async def refresh(self, client, token):
        """Use a refresh token as the hub does."""
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return await client.post("/token", data=form, auth=("panosc-hub", self.state.client_secret))


@asynccontextmanager
async def demo(folder, *options):
    """The demo's provider with further options of its command, and a client of it."""
    provider = DemoProvider(folder, *options)
    async with serving(provider.app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield provider, client


class Scripted:
    """A provider that answers as it is told: ``userinfo`` and ``token`` are (status, body), "hang", or a list of these."""

    def __init__(self):
        self.userinfo = (200, {})
        self.jwks = (200, KEY.jwks())
        self.token = (200, {"access_token": "at", "token_type": "Bearer", "refresh_token": "rt"})
        self.asked = []
        self.url = ""

    def app(self, port):
        script = self

        class Answer(web.RequestHandler):
            def check_xsrf_cookie(self):
                pass

            async def get(self):
                script.asked.append((self.request.path, self.request.headers.get("Authorization", "")))
                await self._answer(self.request.path[1:])

            async def post(self):
                form = {name: self.get_body_argument(name) for name in self.request.body_arguments}
                script.asked.append((self.request.path, form))
                await self._answer("token")

            async def _answer(self, name):
                answers = getattr(script, name)
                answer = answers.pop(0) if isinstance(answers, list) else answers
                if answer == "hang":
                    import asyncio

                    await asyncio.sleep(1.5)
                    return
                status, body = answer
                self.set_status(status)
                self.write(body if isinstance(body, str) else json.dumps(body))

        self.url = f"http://127.0.0.1:{port}"
        paths = ("/userinfo", "/token", "/jwks")
        return web.Application([(path, Answer) for path in paths], log_function=lambda handler: None)
